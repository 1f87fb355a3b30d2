//! By which name a device is shown, and which model names people know.
//!
//! *Pixel 8 Pro* is printed on the box; *SM-S928B* and *CPH2449* are codes for repair shops. No list of devices
//! could be complete, so the two are told apart by their shape: a marketing name has several words and begins with
//! a plain one, or with a brand that is written in capitals, and no word behind it mixes letters and digits the way
//! part numbers do.

use std::borrow::Cow;

use super::{facts::Facts, hints::Said, makers::Make, platforms::System, rank::Rank, shown, televisions};
use crate::device::DeviceKind;

/// Applies rule 6.
pub(super) fn device(
    user_agent: &str,
    facts: &Facts<'_>,
    said: &Said<'_>,
    make: Make,
    system: Option<System>,
    (kind, rank): (DeviceKind, Option<Rank>),
) -> Option<Cow<'static, str>> {
    if kind == DeviceKind::Tv && system.is_none_or(|system| system.model().is_none() || has_owner(facts, system)) {
        return Some(television(user_agent, facts, make, system));
    }
    let may_have_model = matches!(
        system,
        None | Some(System::Android | System::Quest | System::Pico | System::HarmonyOs | System::Tizen)
    );
    let model = said.model.as_deref().filter(|model| is_marketing_name(model));
    let model = model.or(facts.model.filter(|model| is_marketing_name(model)));
    if let Some(model) = model.filter(|_| may_have_model) {
        return Some(Cow::Owned(shown(model)));
    }
    let known = match system {
        Some(System::PlayStation | System::Nintendo) => facts.maker,
        // Only the one with a screen shows pages.
        Some(System::Echo) if facts.has_webkit => Some("Echo Show"),
        _ => None,
    };
    if let Some(known) = known.or(system.and_then(System::model)) {
        return Some(Cow::Borrowed(known));
    }
    // An app or a browser of its own is told by its name; the others are told by the device.
    let is_common = said.model.is_some() || matches!(rank, Some(Rank::Engine | Rank::Base));
    let maker = make.maker.filter(|_| may_have_model && is_common)?;
    Some(Cow::Owned(format!("{maker} {}", word(kind)?)))
}

/// Says whether a television has a maker of its own beside the system that it is built on.
fn has_owner(facts: &Facts<'_>, system: System) -> bool {
    system == System::Chromecast && facts.maker.is_some()
}

fn television(user_agent: &str, facts: &Facts<'_>, make: Make, system: Option<System>) -> Cow<'static, str> {
    let built_in = match system {
        Some(System::Tizen) => Some("Samsung"),
        Some(System::WebOs) => Some("LG"),
        Some(System::Vidaa) => Some("Hisense"),
        _ => None,
    };
    let owner = facts.maker.or(make.maker).or_else(|| televisions::maker(user_agent));
    match owner.or(built_in) {
        Some(maker) => Cow::Owned(format!("{maker} TV")),
        None if system == Some(System::Android) => Cow::Borrowed("Android TV"),
        None => Cow::Borrowed("Smart TV"),
    }
}

/// What people call a device of this kind.
fn word(kind: DeviceKind) -> Option<&'static str> {
    match kind {
        DeviceKind::Mobile => Some("phone"),
        DeviceKind::Tablet => Some("tablet"),
        DeviceKind::Watch => Some("watch"),
        DeviceKind::Console => Some("console"),
        DeviceKind::Car => Some("car"),
        DeviceKind::Speaker => Some("speaker"),
        _ => None,
    }
}

/// Says whether a model is a name that its owner would recognise.
fn is_marketing_name(model: &str) -> bool {
    let mut words = model.split_ascii_whitespace();
    let Some(mut first) = words.next() else {
        return false;
    };
    // "M bot 60": a letter may stand before the word.
    if matches!(first.as_bytes(), [b'A'..=b'Z']) && words.clone().count() >= 2 {
        first = words.next().unwrap_or_default();
    }
    let is_brand = BRANDS_IN_CAPITALS.iter().any(|brand| brand.eq_ignore_ascii_case(first));
    let is_word = first.len() >= 3
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && first.bytes().any(|byte| byte.is_ascii_lowercase());
    let has_more = first.len() < model.len();
    model.len() <= 32
        && has_more
        && (is_word || is_brand)
        && words.clone().count() <= 5
        && words.all(|word| !is_code(word))
        && !PLACEHOLDERS.iter().any(|word| word.eq_ignore_ascii_case(first))
}

/// Says whether a word looks like a part number: `TB-J606F`, `A6003`, `XT2343-1`, `1904`.
fn is_code(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    let is_year = word.starts_with("(20") && word.len() == 6;
    let is_joined = word.contains(['_', '-', '/']);
    let is_mixed = letters > 0 && (digits >= 3 || letters >= 3);
    digits > 0 && !is_year && (is_mixed && !word.contains('(') || digits >= 4 || is_joined)
}

/// Brands whose model names begin with capitals or with two letters.
const BRANDS_IN_CAPITALS: &[&str] = &[
    "BRAVIA", "HONOR", "HTC", "HUAWEI", "LG", "MI", "NOTHING", "ONEPLUS", "PICO", "POCO", "ROG", "SHIELD", "TCL", "ZTE",
];

/// First words that name no device.
const PLACEHOLDERS: &[&str] =
    &["android", "device", "emulator", "generic", "linux", "mobile", "phone", "tablet", "unknown", "webview"];

#[cfg(test)]
mod tests {
    use super::is_marketing_name;

    #[test]
    fn names_from_the_box_are_names() {
        for model in [
            "Pixel 8 Pro",
            "Pixel 7a",
            "Pixel Fold",
            "Pixel 9 Pro XL",
            "Nexus 5X",
            "Redmi Note 12 Pro",
            "Redmi 10",
            "Mi 9T Pro",
            "MI 8",
            "POCO F1",
            "moto g(60)",
            "moto g84 5G",
            "moto g power (2022)",
            "motorola edge 40",
            "Fairphone 5",
            "Quest 3",
            "Quest Pro",
            "Nokia G50",
            "Nokia 7.2",
            "Nokia XR20",
            "HUAWEI P30",
            "Surface Duo",
            "SHIELD Android TV",
            "Galaxy S24 Ultra",
            "HONOR 200 Pro",
            "TCL 30 SE",
            "Xiaomi 13T",
        ] {
            assert!(is_marketing_name(model), "{model}");
        }
    }

    #[test]
    fn part_numbers_are_not_names() {
        for model in [
            "SM-S928B",
            "SAMSUNG SM-G991B",
            "CPH2449",
            "RMX3085",
            "M2101K6G",
            "A063",
            "V2250",
            "2201117TY",
            "XQ-DQ54",
            "ELE-L29",
            "KFTRWI",
            "AFTKM",
            "ONEPLUS A6003",
            "Lenovo TB-J606F",
            "TECNO KI5k",
            "Infinix X6833B",
            "XT2343-1",
            "vivo 1904",
            "FP5",
            "sdk_gphone64_x86_64",
            "K",
            "",
            "Unknown",
            "LM-G900",
            "ASUS_AI2302",
            "LE2125",
            "LG-H870",
            "itel A665L",
            "T610K",
            "Android SDK built for x86",
            "POCO",
            "gzip",
            "Samsung",
        ] {
            assert!(!is_marketing_name(model), "{model}");
        }
    }
}
