//! How many real clients are named rightly, on data that is not ours to ship.
//!
//! ```text
//! CLIENT_FIXTURES=…/device-detector/Tests/fixtures USER_AGENTS=…/user-agents.json \
//!     cargo test --all-features --test it -- --ignored --nocapture name_figures
//! ```
//!
//! `CLIENT_FIXTURES` is a folder of the YAML fixtures of *device-detector*, `USER_AGENTS` the JSON of the npm package
//! *user-agents*: a weighted sample of people. Either may be left out.

use std::{collections::BTreeMap, env, fs, path::Path, time::Instant};

use serde_json::Value;
use tower_device_sessions::device::{
    DeviceKind,
    naming::{ClientHints, describe},
};

use crate::support::TestResult;

/// The least share of each type that must have its kind.
const GOALS: &[(&str, DeviceKind, f64)] = &[
    ("smartphone", DeviceKind::Mobile, 0.97),
    ("tablet", DeviceKind::Tablet, 0.85),
    ("tv", DeviceKind::Tv, 0.75),
    ("bot", DeviceKind::Bot, 0.80),
    ("wearable", DeviceKind::Watch, 0.70),
    ("console", DeviceKind::Console, 0.70),
];

#[test]
#[ignore = "needs data of others, named by CLIENT_FIXTURES and USER_AGENTS"]
fn kinds_of_fixtures_and_names_of_people() -> TestResult {
    if let Ok(folder) = env::var("CLIENT_FIXTURES") {
        kinds(Path::new(&folder))?;
    }
    if let Ok(file) = env::var("USER_AGENTS") {
        names(Path::new(&file))?;
    }
    Ok(())
}

fn kinds(folder: &Path) -> TestResult {
    let mut rows = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yml") {
            rows.extend(read(&fs::read_to_string(path)?));
        }
    }
    let start = Instant::now();
    let found: Vec<_> = rows.iter().map(|row| describe(Some(&row.user_agent), &row.hints).kind).collect();
    let each = start.elapsed().as_secs_f64() * 1e6 / rows.len() as f64;
    println!("{} clients, {each:.2} µs each in this build", rows.len());

    let mut table: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (row, kind) in rows.iter().zip(&found) {
        *table.entry(&row.kind).or_default().entry(kind.as_str()).or_default() += 1;
    }
    for (name, kinds) in &table {
        println!("{name:24} {:6} {kinds:?}", kinds.values().sum::<usize>());
    }
    for (name, kind, goal) in GOALS {
        let kinds = table.get(name).cloned().unwrap_or_default();
        let share = kinds.get(kind.as_str()).copied().unwrap_or(0) as f64 / kinds.values().sum::<usize>() as f64;
        println!("{name:24} {share:.3} of {goal}");
        assert!(share >= *goal, "{name}");
    }
    let people = rows.iter().zip(&found).filter(|(row, _)| row.kind != "bot");
    let bots = people.clone().filter(|(_, kind)| **kind == DeviceKind::Bot).count();
    let share = bots as f64 / people.count() as f64;
    println!("people called a bot      {share:.5}");
    assert!(share <= 0.001);
    Ok(())
}

fn names(file: &Path) -> TestResult {
    let rows: Vec<Value> = serde_json::from_slice(&fs::read(file)?)?;
    let mut names: BTreeMap<String, f64> = BTreeMap::new();
    let (mut total, mut right) = (0.0, 0.0);
    for row in &rows {
        let (user_agent, weight) =
            (row["userAgent"].as_str().unwrap_or_default(), row["weight"].as_f64().unwrap_or(0.0));
        let described = describe(Some(user_agent), &ClientHints::default());
        total += weight;
        let name = described.name();
        if expected(user_agent).is_none_or(|expected| name.starts_with(expected)) && described.kind != DeviceKind::Bot {
            right += weight;
        } else {
            println!("{name} for {user_agent}");
        }
        *names.entry(name).or_default() += weight;
    }
    println!("right by weight          {:.5}", right / total);
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (name, weight) in names.iter().take(40) {
        println!("{:8.4} {name}", weight / total);
    }
    assert!(right >= total * 0.9999);
    Ok(())
}

/// What the client is called, by rules of its own: the last word that browsers add to those they copy.
fn expected(user_agent: &str) -> Option<&'static str> {
    let words = [
        ("EdgiOS/", "Edge"),
        ("EdgA/", "Edge"),
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("OPT/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("GSA/", "Google app"),
        ("FxiOS/", "Firefox"),
        ("Firefox/", "Firefox"),
        ("YaBrowser/", "Yandex Browser"),
        ("DuckDuckGo/", "DuckDuckGo"),
        ("Ddg/", "DuckDuckGo"),
        ("Snapchat", "Snapchat"),
    ];
    let known = words.into_iter().find(|(word, _)| user_agent.contains(word)).map(|(_, name)| name);
    let is_plain = user_agent.ends_with("Mobile Safari/537.36") || user_agent.ends_with(" Safari/537.36");
    let is_copy = user_agent.contains("; wv)") || user_agent.contains("Version/4.0");
    known.or_else(|| (is_plain && !is_copy && user_agent.contains(") Chrome/")).then_some("Chrome"))
}

struct Row {
    user_agent: String,
    hints: ClientHints,
    kind: String,
}

/// Reads the one shape of YAML that the fixtures have.
fn read(yaml: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut section = "";
    for line in yaml.lines() {
        let Some((key, value)) = line.trim_start().split_once(':') else { continue };
        let value = scalar(value.trim());
        match (line.len() - line.trim_start().len(), rows.last_mut()) {
            (2, _) if key == "user_agent" => {
                rows.push(Row { user_agent: value, hints: ClientHints::default(), kind: String::new() });
            }
            (2, Some(row)) => {
                section = match key {
                    "bot" => {
                        "bot".clone_into(&mut row.kind);
                        "bot"
                    }
                    "device" => "device",
                    "headers" => "headers",
                    _ => "",
                };
            }
            (4, Some(row)) if section == "device" && key == "type" => row.kind = value,
            (4, Some(row)) if section == "headers" => hint(&mut row.hints, key, value.into()),
            _ => {}
        }
    }
    rows
}

fn scalar(text: &str) -> String {
    match text.as_bytes() {
        [b'\'', .., b'\''] => text[1..text.len() - 1].replace("''", "'"),
        [b'"', .., b'"'] => text[1..text.len() - 1].replace("\\\"", "\""),
        _ => text.to_owned(),
    }
}

fn hint(hints: &mut ClientHints, header: &str, value: Box<str>) {
    let field = match header.to_ascii_lowercase().as_str() {
        "sec-ch-ua" => &mut hints.brands,
        "sec-ch-ua-mobile" => &mut hints.mobile,
        "sec-ch-ua-platform" => &mut hints.platform,
        "sec-ch-ua-platform-version" => &mut hints.platform_version,
        "sec-ch-ua-model" => &mut hints.model,
        "sec-ch-ua-form-factors" => &mut hints.form_factors,
        "sec-ch-ua-full-version-list" => &mut hints.full_version_list,
        _ => return,
    };
    *field = Some(value);
}
