//! Which text may be shown.
//!
//! Names end up on pages, in mails and in terminals. So text from a request keeps letters, digits and a few harmless
//! marks, and loses everything else: control, bidirectional, zero-width and other format characters, and all markup.

use std::borrow::Cow;

/// Appends the text that may be shown, with single spaces, until `out` has `limit` characters.
pub(super) fn push(out: &mut String, text: &str, limit: usize) {
    let mut room = limit.saturating_sub(out.chars().count());
    let mut gap = false;
    for character in text.chars() {
        if room == 0 {
            break;
        }
        if character.is_whitespace() {
            gap = true;
            continue;
        }
        if !is_shown(character) {
            continue;
        }
        if std::mem::take(&mut gap) && !out.is_empty() && !out.ends_with(' ') {
            if room == 1 {
                break;
            }
            out.push(' ');
            room -= 1;
        }
        out.push(character);
        room -= 1;
    }
    if gap && room > 0 && !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Cleans a product's own name, or says that it is none.
///
/// A name has 2 to 32 characters in at most three words, begins with a letter, holds no mark but `. _ - + &` and
/// spaces, and is not a package's identifier such as `com.example.app`. `%20` and the like are resolved, as Apple's
/// network stack sends them.
pub(super) fn product_name(text: &str) -> Option<String> {
    let text = percent_decoded(text);
    let name = text.trim();
    let well_formed = name.starts_with(char::is_alphabetic)
        && (2..=32).contains(&name.chars().count())
        && name.split(' ').count() <= 3
        && name.split('.').count() <= 2
        && name
            .chars()
            .all(|c| c == ' ' || matches!(c, '.' | '_' | '-' | '+' | '&') || (is_shown(c) && c.is_alphanumeric()));
    // The ampersand is markup, so a name such as "Tom&Jerry" is shown without it.
    let mut out = String::new();
    if well_formed {
        push(&mut out, name, 32);
    }
    (!out.is_empty()).then_some(out)
}

/// Cuts a version to its leading number and to the digits that mean something.
///
/// Chromium fills the three places behind the first with zeros, not with the true version.
pub(super) fn version(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(['v', 'V']);
    let end = text.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.').unwrap_or(text.len());
    let number = text.get(..end.min(24))?.trim_end_matches('.');
    let number = number.strip_suffix(".0.0.0").unwrap_or(number);
    number.starts_with(|c: char| c.is_ascii_digit()).then_some(number)
}

/// Cuts text to `limit` bytes, at a character's boundary.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
}

fn is_shown(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || " .,_-+()/:#*".contains(character);
    }
    // These count as letters in Unicode and show as nothing.
    let is_invisible = matches!(character, '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}');
    character.is_alphanumeric() && !is_invisible
}

pub(super) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        let decoded = match (byte, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match decoded {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => bytes.push(*byte),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::{cut, product_name, push, version};

    fn shown(text: &str, limit: usize) -> String {
        let mut out = String::new();
        push(&mut out, text, limit);
        out
    }

    #[test]
    fn hostile_characters_are_dropped() {
        for (text, expected) in [
            ("a<b>c&d\"e'f`g", "abcdefg"),
            ("Pixel\u{202e} 8\u{200b}\u{feff}", "Pixel 8"),
            ("a\0b\u{7}c\u{1b}[31m", "abc31m"),
            ("x\u{3164}\u{115f}y", "xy"),
            ("\u{e0041}tag\u{2066}", "tag"),
            ("one \t\n two", "one two"),
            ("微信", "微信"),
        ] {
            assert_eq!(shown(text, 80), expected, "{text:?}");
        }
    }

    #[test]
    fn text_ends_at_the_limit() {
        assert_eq!(shown("abcdef", 4), "abcd");
        assert_eq!(shown("abc def", 4), "abc");
        assert_eq!(shown(&"é".repeat(500), 80).chars().count(), 80);
    }

    #[test]
    fn product_names_are_told_from_other_text() {
        for (text, expected) in [
            ("MyApp", Some("MyApp")),
            ("My%20App", Some("My App")),
            ("%E5%BE%AE%E4%BF%A1", Some("微信")),
            ("my-app_2", Some("my-app_2")),
            ("Rocket.Chat", Some("Rocket.Chat")),
            ("com.example.app", None),
            ("x", None),
            ("1Password", None),
            ("%E2%80%AEevil", None),
            ("<script>", None),
            ("a b c d", None),
            ("%", None),
            ("%zz", None),
        ] {
            assert_eq!(product_name(text).as_deref(), expected, "{text:?}");
        }
        assert_eq!(product_name(&"a".repeat(33)), None);
    }

    #[test]
    fn versions_lose_their_frozen_digits() {
        for (text, expected) in [
            ("126.0.0.0", Some("126")),
            ("126.0.6478.127", Some("126.0.6478.127")),
            ("17.5", Some("17.5")),
            ("v2.9.0", Some("2.9.0")),
            ("20.11.1-beta", Some("20.11.1")),
            ("8.0.49(0x1800)", Some("8.0.49")),
            ("d8a21c6", None),
            ("", None),
            ("...", None),
        ] {
            assert_eq!(version(text), expected, "{text:?}");
        }
    }

    #[test]
    fn cutting_keeps_characters_whole() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("abc", 9), "abc");
    }
}
