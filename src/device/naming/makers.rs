//! What a model's code tells: who has made the device, and what sort of device it is.
//!
//! Makers number their devices in ways of their own: Samsung's phones are *SM-S928B*, its tablets *SM-X200*; Xiaomi
//! begins with year and month; a television's code has the size of its screen in it. No list of models could be
//! complete, so only beginnings and shapes are known here. A code that two makers share tells none.

use super::codes::{BEGINNINGS, ONEPLUS};
use crate::device::DeviceKind::{self, Mobile, Tablet, Tv, Watch};

/// What is known of a device by its model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Make {
    pub(super) maker: Option<&'static str>,
    pub(super) kind: Option<DeviceKind>,
}

impl Make {
    /// Reads a model as it stands in the User-Agent or in the hints. Phones that receive television are called after
    /// it.
    pub(super) fn of(model: &str, is_phone: bool) -> Self {
        let code = model.strip_prefix("SAMSUNG").or_else(|| model.strip_prefix("samsung"));
        let code = code.and_then(|code| code.strip_prefix([' ', '-'])).unwrap_or(model);
        let known = by_beginning(code).or_else(|| by_number(code.as_bytes()));
        let make = known.map(|(maker, kind)| Self { maker: (!maker.is_empty()).then_some(maker), kind });
        let mut make = make.unwrap_or_default();
        // "LG-V495" and "Lenovo Tab" say more than their makers do.
        if make.kind.is_none_or(|kind| kind == Mobile) {
            let has_tv = !is_phone && is_television(code.as_bytes());
            make.kind = by_word(code).or(has_tv.then_some(Tv)).or(make.kind);
        }
        make
    }
}

/// A maker, which may be empty, and a kind.
type Known = (&'static str, Option<DeviceKind>);

/// Reads codes that are told by the shape of their number.
fn by_number(code: &[u8]) -> Option<Known> {
    let is_digit = |at: usize| code.get(at).is_some_and(u8::is_ascii_digit);
    let are_digits = |from: usize, to: usize| (from..to).all(is_digit);
    let is_letter = |at: usize| code.get(at).is_some_and(u8::is_ascii_uppercase);
    // The two digits of a month.
    let is_month =
        |at: usize| matches!(code.get(at..at + 2), Some([b'0', b'1'..=b'9'] | [b'1', b'0'..=b'2'])) && is_digit(at + 1);
    match code {
        [b'C', b'P', b'H', number @ ..] if are_digits(3, 7) => {
            let number = number.iter().take(4).fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
            let maker = if ONEPLUS.contains(&number) { "OnePlus" } else { "OPPO" };
            Some((maker, Some(Mobile)))
        }
        // "23127PN0CC" is of December 2023; an R before the P is a Redmi Pad or its like.
        [b'2', ..] if is_digit(1) && is_month(2) && code.len() >= 8 => {
            let is_tablet = code.windows(2).skip(4).take(3).any(|pair| pair == b"RP");
            Some(("Xiaomi", Some(if is_tablet { Tablet } else { Mobile })))
        }
        [b'M', b'1' | b'2', ..] if is_digit(2) && is_month(3) && is_letter(5) => Some(("Xiaomi", Some(Mobile))),
        [b'V', b'1' | b'2', ..] if are_digits(2, 5) && code.get(5).is_none_or(u8::is_ascii_uppercase) => {
            Some(("vivo", Some(Mobile)))
        }
        [b'P', b'A'..=b'K', _, b'M' | b'T', ..] if is_letter(2) && are_digits(4, 6) => Some(("OPPO", Some(Mobile))),
        [b'D' | b'F' | b'H' | b'J', ..] if are_digits(1, 5) && code.len() == 5 => Some(("Sony", Some(Mobile))),
        // Of Alcatel or TCL.
        [b'4'..=b'7', ..] if are_digits(1, 4) && is_letter(4) => Some(("", Some(Mobile))),
        [b'8' | b'9', ..] if are_digits(1, 4) && is_letter(4) => Some(("", Some(Tablet))),
        [_, _, _, b'-', rest @ ..] | [_, _, _, b'2'..=b'9', b'-', rest @ ..] if (0..3).all(is_letter) => network(rest),
        // "55UP50GR" has 55 inches.
        [b'1'..=b'9', b'0'..=b'9', ..] if is_letter(2) => by_inches(code),
        _ => None,
    }
}

/// Reads what follows the hyphen in codes of Huawei and of Honor, which was Huawei's: the networks that it speaks.
fn network(code: &[u8]) -> Option<Known> {
    match code {
        [b'W', b'0'..=b'9', ..] => Some(("", Some(Tablet))),
        [b'A' | b'T' | b'U' | b'C', b'L', b'0'..=b'9', ..] | [b'L', b'0'..=b'9', ..] => Some(("Huawei", Some(Mobile))),
        [b'N' | b'L', b'X', b'0'..=b'9', ..] | [b'A' | b'T', b'N', b'0'..=b'9', ..] => Some(("", Some(Mobile))),
        _ => None,
    }
}

fn by_inches(code: &[u8]) -> Option<Known> {
    let inches = code.iter().take(2).fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let letters = code.iter().skip(2).take_while(|byte| byte.is_ascii_uppercase()).count();
    let follows = code.get(2 + letters).is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
    ((19..=98).contains(&inches) && (1..=4).contains(&letters) && follows).then_some(("", Some(Tv)))
}

/// Finds the longest beginning that the table knows.
fn by_beginning(code: &str) -> Option<Known> {
    let first = plain(*code.as_bytes().first()?);
    let start = BEGINNINGS.partition_point(|(prefix, ..)| prefix.as_bytes() < &[first][..]);
    let group = BEGINNINGS.get(start..)?.iter().take_while(|(prefix, ..)| prefix.as_bytes().first() == Some(&first));
    let found = group.filter(|(prefix, ..)| begins(code, prefix)).max_by_key(|(prefix, ..)| prefix.len());
    found.map(|(_, maker, kind)| (*maker, *kind))
}

fn begins(code: &str, prefix: &str) -> bool {
    let code = code.as_bytes().get(..prefix.len());
    code.is_some_and(|code| code.iter().copied().map(plain).eq(prefix.bytes()))
}

/// Codes are written in either case, and with spaces or underscores.
fn plain(byte: u8) -> u8 {
    if byte == b'_' { b' ' } else { byte.to_ascii_uppercase() }
}

/// Reads the words in a model that say what it is. A later one is of the kind that counts, as in "Tab Watch".
fn by_word(model: &str) -> Option<DeviceKind> {
    let bytes = model.as_bytes();
    let mut found = None;
    for at in 0..bytes.len() {
        let (before, rest) = bytes.split_at(at);
        let kind = word(before, rest);
        if kind == Some(Tablet) {
            found = found.or(kind);
        } else if kind.is_some() {
            return kind;
        }
    }
    found.or_else(|| has_size(bytes).then_some(Tv))
}

/// Says what a model is when one of the known words begins here.
fn word(before: &[u8], rest: &[u8]) -> Option<DeviceKind> {
    let begins = |word: &[u8]| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let follows = |length: usize, is: fn(&u8) -> bool| rest.get(length).is_some_and(is);
    match rest.first()?.to_ascii_lowercase() {
        b'w' if begins(b"watch") => Some(Watch),
        b'c' if begins(b"chromebook") => Some(DeviceKind::Desktop),
        b'b' if begins(b"box") && !follows(3, u8::is_ascii_alphabetic) => Some(Tv),
        b's' if begins(b"stick") && !follows(5, u8::is_ascii_lowercase) => Some(Tv),
        b's' if begins(b"shell") && !follows(5, u8::is_ascii_lowercase) => Some(Tv),
        // "LED32" and "LED-43" have the size of a screen.
        b'l' if begins(b"led") => {
            let size = rest.iter().skip(3).find(|byte| !matches!(byte, b'-' | b' '));
            size.is_some_and(u8::is_ascii_digit).then_some(Tv)
        }
        b'p' if begins(b"pad") && !begins(b"padfone") => (!before.eq_ignore_ascii_case(b"cool")).then_some(Tablet),
        b't' if begins(b"tablet") => Some(Tablet),
        b't' if begins(b"tab") => {
            let is_start = !before.last().is_some_and(u8::is_ascii_alphabetic);
            (is_start || !follows(3, u8::is_ascii_lowercase)).then_some(Tablet)
        }
        _ => None,
    }
}

/// Finds the word "TV", on its own or joined to another as in "RealtekATV" and "TDTV43".
fn is_television(model: &[u8]) -> bool {
    model.windows(2).enumerate().any(|(at, word)| {
        let before = at.checked_sub(1).and_then(|at| model.get(at));
        let after = model.get(at + 2);
        let is_start = before.is_none_or(|byte| !byte.is_ascii_uppercase() || *byte == b'A');
        let is_end = after.is_none_or(|byte| !byte.is_ascii_lowercase() && *byte != b'-');
        word == b"TV" && is_end && (is_start || after.is_some_and(u8::is_ascii_digit))
    })
}

/// Finds the size of a television's screen behind a hyphen or a blank: "LT-55NX8001S".
fn has_size(model: &[u8]) -> bool {
    let is_gap = |byte: &u8| matches!(byte, b'-' | b'_' | b' ');
    model.split(is_gap).skip(1).any(|word| {
        let size = matches!(word.get(..2), Some(b"24" | b"28" | b"32" | b"39" | b"40" | b"42" | b"43" | b"48" | b"49"))
            || matches!(word.get(..2), Some(b"50" | b"55" | b"58" | b"65" | b"70" | b"75" | b"85"));
        size && by_inches(word).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::Make;
    use crate::device::DeviceKind::{self, Car, Console, Desktop, Mobile, Speaker, Tablet, Tv, Watch};

    #[test]
    fn codes_tell_makers_and_kinds() {
        let cases: &[(&str, &str, Option<DeviceKind>)] = &[
            ("SM-S928B", "Samsung", Some(Mobile)),
            ("SAMSUNG SM-G991B", "Samsung", Some(Mobile)),
            ("SM-X200", "Samsung", Some(Tablet)),
            ("SM-R840", "Samsung", Some(Watch)),
            ("SM-LED32M04S", "", Some(Tv)),
            ("GT-P5110", "Samsung", Some(Tablet)),
            ("CPH2449", "OnePlus", Some(Mobile)),
            ("CPH2185", "OPPO", Some(Mobile)),
            ("PECM30", "OPPO", Some(Mobile)),
            ("RMX3890", "realme", Some(Mobile)),
            ("23127PN0CC", "Xiaomi", Some(Mobile)),
            ("2201117TY", "Xiaomi", Some(Mobile)),
            ("23043RP34G", "Xiaomi", Some(Tablet)),
            ("2307BRPDCC", "Xiaomi", Some(Tablet)),
            ("M2101K6G", "Xiaomi", Some(Mobile)),
            ("20190718Q", "", None),
            ("V2250", "vivo", Some(Mobile)),
            ("vivo 1904", "vivo", Some(Mobile)),
            ("XQ-DQ54", "Sony", Some(Mobile)),
            ("XT2343-1", "Motorola", Some(Mobile)),
            ("TECNO KI5k", "Tecno", Some(Mobile)),
            ("STK-L21", "Huawei", Some(Mobile)),
            ("LRA-AN00", "", Some(Mobile)),
            ("AGS3-W09", "Huawei", Some(Tablet)),
            ("Lenovo TB-J606F", "Lenovo", Some(Tablet)),
            ("Lenovo Tab M10", "Lenovo", Some(Tablet)),
            ("9032Z", "", Some(Tablet)),
            ("5086A", "", Some(Mobile)),
            ("Redmi Pad SE", "Xiaomi", Some(Tablet)),
            ("55UP50GR", "", Some(Tv)),
            ("TVBOX_L", "", Some(Tv)),
            ("Smart AIO TV", "", Some(Tv)),
            ("RealtekATV", "", Some(Tv)),
            ("Letv X501", "", None),
            ("RMX3624_Natv_vf", "realme", Some(Mobile)),
            ("ELED-43SMART", "", Some(Tv)),
            ("BBK Shell V320BJ6_Q01", "", Some(Tv)),
            ("LT-55NX8001S", "", Some(Tv)),
            ("Redmi Note 12 Pro", "Xiaomi", Some(Mobile)),
            ("HP Chromebook x2", "", Some(Desktop)),
            ("Pixel Watch 2", "Google", Some(Watch)),
            ("Retroid Pocket 5", "Retroid", Some(Console)),
            ("XDH-0F-A1", "Xiaodu", Some(Speaker)),
            ("Polestar", "Polestar", Some(Car)),
            ("PadFone T004", "Asus", Some(Mobile)),
            ("M bot 60", "", None),
            ("C Bot Tab 100", "", Some(Tablet)),
            ("K", "", None),
            ("Ülefone", "", None),
            ("", "", None),
        ];
        for (model, maker, kind) in cases {
            let expected = Make { maker: (!maker.is_empty()).then_some(*maker), kind: *kind };
            assert_eq!(Make::of(model, false), expected, "{model}");
        }
    }

    #[test]
    fn a_phone_that_receives_television_is_a_phone() {
        assert_eq!(Make::of("KAZAM TV 45", true).kind, None);
        assert_eq!(Make::of("KAZAM TV 45", false).kind, Some(Tv));
    }
}
