use proptest::prelude::*;

use super::{ClientHints, Members, quoted, string};

fn full() -> ClientHints {
    ClientHints {
        brands: Some(r#""Not/A)Brand";v="8", "Chromium";v="126", "Google Chrome";v="126""#.into()),
        full_version_list: Some(r#""Google Chrome";v="126.0.6478.127""#.into()),
        mobile: Some("?0".into()),
        platform: Some(r#""Windows""#.into()),
        platform_version: Some(r#""15.0.0""#.into()),
        model: Some(r#""""#.into()),
        form_factors: Some(r#""Desktop""#.into()),
    }
}

#[test]
fn the_compact_form_is_one_readable_line() {
    let hints =
        ClientHints { mobile: Some("?1".into()), platform: Some("\"a|b%\n\"".into()), ..ClientHints::default() };
    assert_eq!(hints.to_compact(), r#"mobile=?1|platform="a%7cb%25%0a""#);
    assert_eq!(ClientHints::from_compact(&hints.to_compact()), hints);
    assert_eq!(ClientHints::from_compact(&full().to_compact()), full());
}

#[test]
fn an_absent_hint_is_not_an_empty_one() {
    let empty = ClientHints { model: Some("".into()), ..ClientHints::default() };
    assert!(ClientHints::default().is_empty());
    assert!(!empty.is_empty());
    assert_eq!(ClientHints::from_compact(&empty.to_compact()), empty);
    assert_eq!(ClientHints::from_compact(""), ClientHints::default());
}

#[test]
fn a_line_that_nobody_wrote_is_read_as_far_as_it_goes() {
    let hints = ClientHints::from_compact("future=1|||=|mobile|mobile=?1|mobile=?0|model=%zz%4|version");
    assert_eq!(hints.mobile.as_deref(), Some("?1"));
    assert_eq!(hints.model.as_deref(), Some("%zz%4"));
    assert_eq!(hints.platform_version, None);
}

#[test]
fn values_that_do_not_fit_are_left_out_whole() {
    let long: Option<Box<str>> = Some("|".repeat(256).into());
    let hints = ClientHints { brands: long.clone(), full_version_list: long, mobile: Some("?1".into()), ..full() };
    let line = hints.to_compact();
    assert!(line.len() <= 1024);
    let read = ClientHints::from_compact(&line);
    assert_eq!(read, ClientHints { full_version_list: None, ..hints });
}

#[test]
fn strings_lose_their_quotes_and_escapes() {
    for (value, expected) in [
        (r#""Windows""#, Some("Windows")),
        (r#"  "Chrome OS" "#, Some("Chrome OS")),
        ("Windows", Some("Windows")),
        (r#""a\"b\\c""#, Some(r#"a"b\c"#)),
        (r#""unclosed"#, None),
        (r#""""#, None),
        ("", None),
    ] {
        assert_eq!(string(value).as_deref(), expected, "{value}");
    }
}

#[test]
fn lists_give_their_strings_with_versions() {
    let list = r#""a";v="1","b\";c" ; x=2;v="2" ,"d", "e";v=5, "f"#;
    let members: Vec<_> = Members(list).map(|member| (member.text, member.version)).collect();
    assert_eq!(members, [("a", "1"), (r#"b\";c"#, "2"), ("d", ""), ("e", "5")]);
    assert_eq!(quoted(r#""\\" rest"#), Some((r"\\", " rest")));
}

proptest! {
    #[test]
    fn what_is_written_is_read(values in prop::collection::vec(prop::option::of("\\PC{0,24}|[ -~\t]{0,100}"), 7)) {
        let mut values = values.into_iter().map(|value| value.map(Box::from));
        let mut next = || values.next().flatten();
        let hints = ClientHints {
            brands: next(),
            full_version_list: next(),
            mobile: next(),
            platform: next(),
            platform_version: next(),
            model: next(),
            form_factors: next(),
        };
        let line = hints.to_compact();
        prop_assert!(line.len() <= 1024);
        prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let read = ClientHints::from_compact(&line);
        for ((_, written), (_, read)) in hints.fields().into_iter().zip(read.fields()) {
            prop_assert!(read.is_none() || read == written);
        }
        if line.len() < 600 {
            prop_assert_eq!(read, hints);
        }
    }

    #[test]
    fn any_line_can_be_read(line in any::<String>()) {
        let hints = ClientHints::from_compact(&line);
        let lengths = hints.fields().map(|(_, value)| value.map_or(0, str::len));
        prop_assert!(lengths.into_iter().all(|length| length <= 256));
    }
}
