//! Texts by hand, and texts by chance that a general JSON library judges too.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn accepts(text: &str) -> bool {
    object(text, |_, _| Ok(())).is_ok()
}

#[test]
fn members_are_shown_with_their_unescaped_names_and_nested_text() {
    let text = r#" {"a":1.5e3 , "\u0062\n":"x\ud83d\ude00y","c":[1, {"d":2} ] ,"e":{ },"f":null,"g":true,"h":"é"} "#;
    let mut seen = Vec::new();
    let read = object(text, |name, item| {
        seen.push((name.to_owned(), item));
        Ok(())
    });
    assert_eq!(read, Ok(()));
    let expected = [
        ("a", Item::Number("1.5e3")),
        ("b\n", Item::String("x😀y".into())),
        ("c", Item::Array(r#"[1, {"d":2} ]"#)),
        ("e", Item::Object("{ }")),
        ("f", Item::Null),
        ("g", Item::Bool(true)),
        ("h", Item::String("é".into())),
    ];
    let seen: Vec<_> = seen.iter().map(|(name, item)| (name.as_str(), item.clone())).collect();
    assert_eq!(seen, expected);
}

/// S18.
#[test]
fn a_repeated_name_is_refused_at_every_level_and_in_every_spelling() {
    let repeated = [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"a":1}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"\u0061":1,"\u0061":2}"#,
        r#"{"\/":1,"/":2}"#,
        r#"{"":1,"":2}"#,
        r#"{"x":{"a":1,"a":2}}"#,
        r#"{"x":[1,[{"a":1,"b":{},"a":2}]]}"#,
        r#"{"x":{"y":{"a":1}},"z":{"a":1,"\u0061":1}}"#,
        r#"{"😀":1,"\ud83d\ude00":1}"#,
    ];
    for text in repeated {
        assert!(!accepts(text), "{text}");
    }
    assert!(accepts(r#"{"a":{"a":{"a":[{"a":1},{"a":1}]}},"b":{"a":1},"A":1}"#));
}

/// S19.
#[test]
fn nesting_ends_at_sixteen() {
    let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(accepts(&nested(16)));
    assert!(!accepts(&nested(17)));
    assert!(!accepts(&nested(3_000)));
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(accepts(&objects(16)));
    assert!(!accepts(&objects(17)));
    assert!(!accepts(&"{\"a\":".repeat(4_000)));
}

/// S20.
#[test]
fn what_is_not_plain_json_is_refused() {
    let bad = [
        "",
        " ",
        "1",
        "[]",
        "null",
        "\u{feff}{}",
        "{}x",
        "{}{}",
        "{",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":1e999}",
        "{\"a\":-1e999}",
        "{\"a\":0x10}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":True}",
        "{\"a\":tru}",
        "{\"a\":\"\\u0000\"}",
        "{\"\\u0000\":1}",
        "{\"a\":\"\0\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{}\u{0}",
        "{}\u{a0}",
        "\u{b}{}",
        "/**/{}",
    ];
    for text in bad {
        assert!(!accepts(text), "{text:?}");
    }
    let digits = "9".repeat(400);
    assert!(!accepts(&format!("{{\"a\":{digits}}}")));
    for text in ["{}", " {\t}\r\n", "{\"a\":-0}", "{\"a\":0.0e-0}", "{\"a\":1E+2}", "{\"a\":\"\u{7f}\u{2028}\"}"] {
        assert!(accepts(text), "{text:?}");
    }
}

#[test]
fn an_array_is_read_like_an_object() {
    let mut seen = Vec::new();
    let read = array("[\"a\", 1,[ ]]", |item| {
        seen.push(item);
        Ok(())
    });
    assert_eq!(read, Ok(()));
    assert_eq!(seen, [Item::String("a".into()), Item::Number("1"), Item::Array("[ ]")]);
    assert_eq!(array("[1]x", |_| Ok(())), Err(Invalid));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        "[^\0]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[^\0]{0,3}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_a_json_library_writes_is_accepted(members in prop::collection::btree_map("[a-c\\\\\"é]{0,3}", json(), 0..6)) {
        let value = Value::Object(members.into_iter().collect());
        let mut names = Vec::new();
        let text = value.to_string();
        object(&text, |name, _| { names.push(name.to_owned()); Ok(()) }).unwrap();
        prop_assert_eq!(names, value.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
        prop_assert!(accepts(&serde_json::to_string_pretty(&value).unwrap()));
    }

    #[test]
    fn what_is_accepted_a_json_library_accepts_too(text in "\\{[\\{\\}\\[\\],:\"ab01\\.eE+\\-u\\\\ ntrfuals]{0,24}\\}") {
        if accepts(&text) {
            prop_assert!(serde_json::from_str::<serde_json::Map<String, Value>>(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn any_text_is_read_without_panic(text in any::<String>()) {
        let _ = accepts(&text);
    }

    #[test]
    fn a_changed_byte_is_judged_as_by_a_json_library(
        members in prop::collection::btree_map("[a-z]{1,3}", json(), 0..4), at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f
    ) {
        let mut text = Value::Object(members.into_iter().collect()).to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        let Ok(text) = String::from_utf8(text) else { return Ok(()) };
        let library = serde_json::from_str::<serde_json::Map<String, Value>>(&text).is_ok();
        if accepts(&text) {
            prop_assert!(library, "{text}");
        } else if library {
            // Ours is stricter only about repeated names and NUL.
            let nul = text.contains("\\u0000");
            let names = |text: &str| text.matches("\":").count();
            let merged = serde_json::from_str::<Value>(&text).unwrap().to_string();
            prop_assert!(nul || names(&merged) < names(&text), "{text}");
        }
    }
}
