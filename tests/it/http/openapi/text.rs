//! What programs in other languages make of the document.

use std::{fs, path::Path};

use serde_json::Value;
use tower_device_sessions::AdminRoutes;

use super::document;

fn both() -> [Value; 2] {
    [document(), AdminRoutes::openapi_json("/admin")]
}

/// Calls `visit` with every object of a document.
fn objects(value: &Value, visit: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|value| objects(value, visit));
        }
        Value::Array(values) => values.iter().for_each(|value| objects(value, visit)),
        _ => {}
    }
}

/// JavaScript, with the flag `u` and without, PHP and Perl agree on ASCII, on classes of it, and on `\S`.
#[test]
fn every_pattern_is_read_alike_by_every_language() {
    let mut count = 0;
    for document in both() {
        objects(&document, &mut |object| {
            let Some(Value::String(pattern)) = object.get("pattern") else { return };
            count += 1;
            let plain = |c: char| c.is_ascii_graphic() && c != '/';
            assert!(pattern.chars().all(plain), "{pattern}");
            assert!(pattern.split('\\').skip(1).all(|escape| escape.starts_with(['S', 's', 'd'])), "{pattern}");
        });
    }
    assert!(count > 0);
}

#[test]
fn what_is_referred_to_is_there() {
    for document in both() {
        let mut count = 0;
        objects(&document, &mut |object| {
            let Some(Value::String(target)) = object.get("$ref") else { return };
            count += 1;
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        });
        assert!(count > 0);
    }
}

/// What linters ask of a document, as far as it can be said in a line each.
#[test]
fn every_operation_is_described_and_belongs_to_a_tag_that_is() {
    for document in both() {
        let tags: Vec<&Value> = document["tags"].as_array().into_iter().flatten().map(|tag| &tag["name"]).collect();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let at = format!("{method} {path}");
                assert!(tags.contains(&&operation["tags"][0]), "{at} has no tag");
                for text in ["summary", "description", "operationId"] {
                    assert!(operation[text].is_string(), "{at} has no {text}");
                }
            }
        }
        assert!(document["info"]["description"].is_string() && document["info"]["license"].is_object());
    }
}

/// The codes that a source file gives to problems: the texts that stand where a code does.
fn codes_of(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let calls = ["Problem::new(StatusCode::", "Self::new(StatusCode::", "unauthorized(", "bad_request(", " code: \""];
    let mut codes = Vec::new();
    for call in calls {
        for rest in code.split(call).skip(1) {
            let text = match call.ends_with('"') {
                true => rest,
                // Up to the end of the arguments there is one text that has no space and a `_`, or it is a name of a
                // constant.
                false => rest.split(')').next().and_then(|arguments| arguments.split('"').nth(1)).unwrap_or_default(),
            };
            let text = text.split('"').next().unwrap_or_default();
            if !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                codes.push(text);
            }
        }
    }
    codes
}

#[test]
fn every_code_of_a_problem_is_in_the_list() {
    let document = document();
    let list = document.pointer("/components/schemas/DeviceSessionProblemCode/enum").and_then(Value::as_array);
    let list = list.expect("a list of codes");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) = (vec![root.join("routes"), root.join("middleware"), root.clone()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of ours") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && folder != root && !path.ends_with("openapi") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).expect("a source file");
                for code in codes_of(&source) {
                    found += 1;
                    assert!(list.contains(&code.into()), "{}: {code} is not in the list", path.display());
                }
            }
        }
    }
    assert!(found >= 20, "only {found} codes were found");
}

/// The page has each code once, with what it is answered with, its cause and its cure.
#[test]
fn every_code_has_its_cause_and_its_cure_in_the_guide() {
    let document = document();
    let list = document.pointer("/components/schemas/DeviceSessionProblemCode/enum").and_then(Value::as_array);
    let mut codes: Vec<&str> = list.expect("a list of codes").iter().filter_map(Value::as_str).collect();
    let rows = include_str!("../../../../src/guide/errors.md").lines().filter(|line| line.starts_with("| `"));
    let mut explained = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() >= 3 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
        explained.push(cells[0].trim_matches('`'));
    }
    codes.sort_unstable();
    explained.sort_unstable();
    assert_eq!(explained, codes);
}
