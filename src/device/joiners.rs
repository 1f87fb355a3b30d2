//! Zero-width joiners in names: kept where a script or an emoji is not written without them, dropped elsewhere.
//!
//! U+200C keeps letters apart that would be joined, as in most Persian words; U+200D joins what would stand apart:
//! letters of Indian scripts, and the parts of an emoji such as a family. Anywhere else they cannot be seen, and would
//! only make two names look the same.

use std::borrow::Cow;

pub(super) const fn is_joiner(c: char) -> bool {
    matches!(c, ZWNJ | ZWJ)
}

/// The name without the joiners that do nothing in it.
pub(super) fn without_idle(name: &str) -> Cow<'_, str> {
    if !name.contains(is_joiner) {
        return Cow::Borrowed(name);
    }
    let mut kept = String::with_capacity(name.len());
    let mut characters = name.chars().peekable();
    let mut before = None;
    while let Some(c) = characters.next() {
        let works = match (c, before, characters.peek()) {
            (ZWNJ | ZWJ, Some(letter), _) if joins_letters(letter) => true,
            (ZWJ, Some(part), Some(&next)) => ends_emoji(part) && is_pictograph(next),
            (ZWNJ | ZWJ, ..) => false,
            _ => true,
        };
        if works {
            kept.push(c);
        }
        before = Some(c);
    }
    Cow::Owned(kept)
}

/// Letters and marks of the scripts that are written with joiners: those of the Arabic and the Indian families, N'Ko,
/// Mongolian, Myanmar, Khmer and their kin.
fn joins_letters(c: char) -> bool {
    let script = matches!(c,
        '\u{620}'..='\u{8FF}' | '\u{900}'..='\u{DFF}' | '\u{F00}'..='\u{109F}' | '\u{1700}'..='\u{18AF}'
        | '\u{1A20}'..='\u{1AAD}' | '\u{1B00}'..='\u{1C4F}' | '\u{A800}'..='\u{A8FF}' | '\u{A930}'..='\u{AADF}'
        | '\u{AAE0}'..='\u{AAFF}' | '\u{ABC0}'..='\u{ABFF}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}'
        | '\u{10A00}'..='\u{10A5F}' | '\u{10D00}'..='\u{10D3F}' | '\u{11000}'..='\u{11FFF}' | '\u{1E900}'..='\u{1E95F}');
    script && !c.is_numeric()
}

/// What the part of an emoji in front of a joiner ends with: a picture, a skin tone, or the mark that asks for colour.
fn ends_emoji(c: char) -> bool {
    is_pictograph(c) || c == '\u{FE0F}'
}

fn is_pictograph(c: char) -> bool {
    matches!(c,
        '\u{2190}'..='\u{21FF}' | '\u{2300}'..='\u{23FF}' | '\u{25A0}'..='\u{27BF}' | '\u{2900}'..='\u{297F}'
        | '\u{2B00}'..='\u{2BFF}' | '\u{1F000}'..='\u{1FAFF}')
}

const ZWNJ: char = '\u{200C}';
const ZWJ: char = '\u{200D}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joiners_stay_where_scripts_and_emoji_need_them() {
        for name in [
            "گوشی\u{200C}ام",
            "می\u{200C}خواهم",
            "ه\u{200D}",
            "അവന്\u{200D}",
            "ক্\u{200C}ষ",
            "ශ්\u{200D}රී ලංකා",
            "👩\u{200D}💻 Work",
            "👩🏽\u{200D}💻",
            "👨\u{200D}👩\u{200D}👧",
            "🏳\u{FE0F}\u{200D}🌈",
            "🏴\u{200D}☠\u{FE0F}",
            "❤\u{FE0F}\u{200D}🔥",
        ] {
            assert_eq!(without_idle(name), name, "{}", name.escape_unicode());
        }
    }

    #[test]
    fn joiners_that_do_nothing_are_dropped() {
        for (name, kept) in [
            ("Chr\u{200D}ome", "Chrome"),
            ("Chr\u{200C}ome", "Chrome"),
            ("x \u{200D}\u{200D}", "x "),
            ("👩\u{200D}", "👩"),
            ("👩\u{200D}x", "👩x"),
            ("👩\u{200C}💻", "👩💻"),
            ("1\u{200D}2", "12"),
            ("گ\u{200C}\u{200C}\u{200D}ا", "گ\u{200C}ا"),
        ] {
            assert_eq!(without_idle(name), kept, "{}", name.escape_unicode());
        }
    }
}
