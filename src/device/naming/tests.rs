use proptest::prelude::*;

use super::{ClientHints, describe};
use crate::device::DeviceKind;

const WINDOWS: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
const LINUX: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) \
                   Chrome/126.0.0.0 Safari/537.36";
const ANDROID: &str =
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0";

/// Reads hints from their line, and names the client.
fn name(user_agent: &str, hints: &str) -> String {
    describe(Some(user_agent), &ClientHints::from_compact(hints)).name()
}

fn brands(list: &str) -> ClientHints {
    ClientHints { brands: Some(list.into()), ..ClientHints::default() }
}

#[test]
fn hints_are_ignored_without_chrome_in_the_user_agent() {
    let hints = r#"brands="Brave";v="126"|platform="macOS"|version="15.0.0"|model="Pixel 8 Pro""#;
    assert_eq!(name(FIREFOX, hints), "Firefox on Windows");
    assert_eq!(name("", hints), "Unknown device");
    assert_eq!(describe(None, &ClientHints::from_compact(hints)).name(), "Unknown device");
}

#[test]
fn hints_that_contradict_the_user_agent_are_ignored() {
    for (user_agent, hints, expected) in [
        (WINDOWS, r#"brands="Brave";v="1"|platform="macOS""#, "Chrome on Windows"),
        (WINDOWS, r#"platform="Android"|model="Pixel 8 Pro""#, "Chrome on Windows"),
        (MAC, r#"platform="Windows"|version="15.0.0""#, "Chrome on macOS"),
        (LINUX, r#"platform="Chrome OS""#, "Chrome on ChromeOS"),
        (LINUX, r#"platform="Android"|model="Pixel Tablet""#, "Chrome on Pixel Tablet"),
        (ANDROID, r#"platform="Linux""#, "Chrome on Android"),
    ] {
        assert_eq!(name(user_agent, hints), expected, "{hints}");
    }
}

#[test]
fn the_most_specific_known_brand_wins() {
    for (list, expected) in [
        (r#""Google Chrome";v="126", "Chromium";v="126""#, "Chrome on Windows"),
        (r#""Chromium";v="126", "Brave";v="126", "Google Chrome";v="126""#, "Brave on Windows"),
        (r#""Microsoft Edge";v="126", "Chromium";v="126""#, "Edge on Windows"),
        (r#""Opera";v="110", "Opera GX";v="110", "Chromium";v="126""#, "Opera GX on Windows"),
        (r#""Microsoft Edge WebView2";v="126", "Microsoft Edge";v="126""#, "App on Windows"),
        (r#""DuckDuckGo";v="126", "Microsoft Edge WebView2";v="126""#, "DuckDuckGo on Windows"),
        (r#""Never Heard Of";v="1", "Google Chrome";v="126""#, "Never Heard Of on Windows"),
        (r#""Never Heard Of";v="1", "Brave";v="126""#, "Brave on Windows"),
        (r#""Not(A:Brand";v="99", "Google Chrome";v="126""#, "Chrome on Windows"),
        (r#""<script>";v="1", "Chromium";v="126""#, "Chromium on Windows"),
        ("", "Chrome on Windows"),
        ("garbage, \"unclosed", "Chrome on Windows"),
    ] {
        assert_eq!(describe(Some(WINDOWS), &brands(list)).name(), expected, "{list}");
    }
}

#[test]
fn an_app_wins_over_its_engine_and_over_brands() {
    let slack = WINDOWS.replace("Chrome/", "Slack/4.39.90 Electron/30.1.0 Chrome/");
    assert_eq!(name(&slack, r#"brands="Google Chrome";v="126", "Brave";v="1"|platform="Windows""#), "Slack on Windows");
    let unknown = WINDOWS.replace("Chrome/", "AcmeDesk/2.0 Electron/30.1.0 Chrome/");
    assert_eq!(name(&unknown, r#"brands="Chromium";v="126""#), "AcmeDesk on Windows");
}

#[test]
fn ios_browsers_on_a_macintosh_are_on_an_ipad() {
    for (product, expected) in [
        ("CriOS/126", "Chrome on iPad"),
        ("FxiOS/127.0", "Firefox on iPad"),
        ("Version/17.0 EdgiOS/126.0", "Edge on iPad"),
        ("Version/17.5 Mobile/15E148", "Safari on iPad"),
        ("Version/17.5", "Safari on macOS"),
    ] {
        let user_agent = format!(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) {product} \
             Safari/605.1.15"
        );
        assert_eq!(name(&user_agent, ""), expected, "{product}");
    }
}

#[test]
fn frozen_numbers_are_never_given() {
    let ios = |os: &str, safari: &str| {
        format!(
            "Mozilla/5.0 (iPhone; CPU iPhone OS {os} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) {safari} \
             Mobile/15E148 Safari/604.1"
        )
    };
    for (user_agent, hints, expected) in [
        (WINDOWS.to_owned(), "", None),
        (FIREFOX.to_owned(), "", None),
        (MAC.to_owned(), "", None),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0".to_owned(), "", None),
        (ANDROID.to_owned(), "", None),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36".to_owned(),
            "",
            None,
        ),
        (ios("18_6", "Version/26.0"), "", None),
        (ios("18_6", "CriOS/141.0"), "", None),
        (ios("18_6", "Version/18.6"), "", Some("18.6")),
        (ios("17_5_1", "Version/17.5"), "", Some("17.5.1")),
        (WINDOWS.to_owned(), r#"platform="Windows"|version="15.0.0""#, Some("11")),
        (WINDOWS.to_owned(), r#"platform="Windows"|version="13.0.0""#, Some("11")),
        (WINDOWS.to_owned(), r#"platform="Windows"|version="10.0.0""#, Some("10")),
        (WINDOWS.to_owned(), r#"platform="Windows"|version="11.0.0""#, None),
        (WINDOWS.to_owned(), r#"platform="Windows"|version="0.3.0""#, Some("8.1")),
        (WINDOWS.to_owned(), r#"platform="Windows"|version="""#, None),
        (WINDOWS.replace("NT 10.0", "NT 6.1"), "", Some("7")),
        (MAC.to_owned(), r#"platform="macOS"|version="15.6.1""#, Some("15.6.1")),
        (ANDROID.to_owned(), r#"platform="Android"|version="14.0.0""#, Some("14")),
        (ANDROID.replace("10; K", "10; Pixel 3"), "", Some("10")),
    ] {
        let described = describe(Some(&user_agent), &ClientHints::from_compact(hints));
        assert_eq!(described.os_version.as_deref(), expected, "{user_agent} {hints}");
    }
    assert_eq!(describe(Some(WINDOWS), &ClientHints::default()).browser_version.as_deref(), Some("126"));
}

#[test]
fn models_are_names_and_never_codes() {
    for (model, expected) in [
        ("Pixel 8 Pro", "Chrome on Pixel 8 Pro"),
        ("SM-S928B", "Chrome on Samsung phone"),
        ("XYZ-1000", "Chrome on Android"),
        ("K", "Chrome on Android"),
        ("", "Chrome on Android"),
        (r#"moto \"g\" power"#, "Chrome on moto g power"),
        ("Pixel 8 \u{202e}<b>Pro", "Chrome on Pixel 8 bPro"),
    ] {
        let hints = ClientHints {
            platform: Some(r#""Android""#.into()),
            model: Some(format!("\"{model}\"").into()),
            ..ClientHints::default()
        };
        assert_eq!(describe(Some(ANDROID), &hints).name(), expected, "{model}");
    }
}

#[test]
fn hints_tell_the_kind_that_the_user_agent_hides() {
    for (hints, expected) in [
        (r#"platform="Android"|mobile=?1|form="Mobile""#, DeviceKind::Mobile),
        (r#"platform="Android"|form="Tablet""#, DeviceKind::Tablet),
        (r#"platform="Android"|form="Mobile", "XR""#, DeviceKind::Headset),
        (r#"platform="Android"|form="Watch""#, DeviceKind::Watch),
    ] {
        assert_eq!(describe(Some(ANDROID), &ClientHints::from_compact(hints)).kind, expected, "{hints}");
    }
}

#[test]
fn names_from_the_user_agent_are_cleaned() {
    for user_agent in [
        "<b>Evil</b>/1.0 okhttp/4.12.0",
        "Ev\u{202e}il/1.0 (iPhone; iOS 17.5)",
        "%3Cscript%3E/1.0 CFNetwork/1494.0.7 Darwin/23.4.0",
        "%E2%80%AEevil/1.0 CFNetwork/1494.0.7 Darwin/23.4.0",
        "a\"onload=x/1.0 (iPhone; iOS 17.5)",
    ] {
        assert!(is_clean(&name(user_agent, "")), "{user_agent}");
    }
    assert_eq!(name("com.example.shop/1.0 CFNetwork/1494.0.7 Darwin/23.4.0", ""), "App on iPhone");
}

#[test]
fn a_product_that_nothing_vouches_for_is_unknown() {
    for user_agent in ["Unheard", "Mozilla/5.0", "hello world", "\0", "/", "((((", "))))", ";;;;", "[[]]"] {
        assert_eq!(name(user_agent, ""), "Unknown device", "{user_agent:?}");
    }
}

#[test]
fn sixty_four_kibibytes_are_read_in_one_go() {
    let size = 64 * 1024;
    for unit in
        ["(", ")", "a/", "Cubot ", "(Android;", "bot", "%", "é", "\u{202e}", "Chrome/1 ", "\"Brave\";v=\"1\", ", "\\\""]
    {
        let text = unit.repeat(size / unit.len());
        let user_agent = format!("Chrome/1 {text}");
        let boxed: Option<Box<str>> = Some(text.clone().into());
        let hints = ClientHints {
            brands: boxed.clone(),
            full_version_list: boxed.clone(),
            mobile: boxed.clone(),
            platform: boxed.clone(),
            platform_version: boxed.clone(),
            model: boxed.clone(),
            form_factors: boxed,
        };
        assert!(is_clean(&describe(Some(&text), &hints).name()), "{unit:?}");
        assert!(is_clean(&describe(Some(&user_agent), &hints).name()), "{unit:?}");
    }
}

fn is_clean(name: &str) -> bool {
    let is_hostile = |c: char| {
        c.is_control()
            || "<>&\"'`".contains(c)
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    !name.is_empty() && name.chars().count() <= 80 && name.trim() == name && !name.chars().any(is_hostile)
}

/// Text that is made of what the rules look at, so that random input reaches them.
fn likely_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "Mozilla/5.0",
            "Chrome/126.0.0.0",
            "(",
            ")",
            ";",
            " ",
            "/",
            "Android 14",
            "Pixel 8",
            "Windows NT 10.0",
            "iPhone",
            "Macintosh",
            "CriOS/1",
            "Electron/1",
            "okhttp/4",
            "CFNetwork/1",
            "Safari/1",
            "Version/17",
            "bot",
            "+http://x",
            "wv",
            "compatible",
            "Foo/1.0",
            "Mobile/15E148",
            "AppleWebKit/1",
            "SMART-TV",
            "FBDV/iPad1",
            "%20",
            "\u{202e}",
            "<",
            "é",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

fn any_hints() -> impl Strategy<Value = ClientHints> {
    let value =
        || prop::option::of(prop_oneof![any::<String>(), "\"[ -~]{0,40}\"(;v=\"[0-9.]{0,9}\")?", likely_text()]);
    (value(), value(), value(), value(), value(), value(), value()).prop_map(|values| ClientHints {
        brands: values.0.map(Box::from),
        full_version_list: values.1.map(Box::from),
        mobile: values.2.map(Box::from),
        platform: values.3.map(Box::from),
        platform_version: values.4.map(Box::from),
        model: values.5.map(Box::from),
        form_factors: values.6.map(Box::from),
    })
}

fn grease() -> impl Strategy<Value = String> {
    let mark =
        || prop::sample::select(vec![" ", "(", ":", "-", ".", "/", ")", ";", "=", "?", "_", "\\\"", "\\\\", ","]);
    (mark(), mark(), mark(), 0_u8..100).prop_map(|(a, b, c, version)| format!(r#""{a}Not{b}A{c}Brand";v="{version}""#))
}

proptest! {
    #[test]
    fn whatever_comes_in_the_name_is_clean(user_agent in likely_text(), hints in any_hints()) {
        let described = describe(Some(&user_agent), &hints);
        prop_assert!(is_clean(&described.name()), "{:?}", described);
        let texts = [described.browser.as_deref(), described.os.as_deref(), described.model.as_deref()];
        prop_assert!(texts.into_iter().flatten().all(is_clean), "{:?}", described);
        let versions = [described.browser_version.as_deref(), described.os_version.as_deref()];
        prop_assert!(versions.into_iter().flatten().all(|version| version.len() <= 24), "{:?}", described);
    }

    #[test]
    fn the_order_of_brands_and_grease_does_not_matter(
        (brands_in_order, shuffled) in prop::sample::subsequence(
            vec!["Chromium", "Google Chrome", "Brave", "Opera", "OperaMobile", "YaBrowser", "Yowser", "Microsoft Edge"],
            1..5,
        ).prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle())),
        grease in grease(),
        place in any::<prop::sample::Index>(),
    ) {
        let list = |names: &[&str]| names.iter().map(|name| format!(r#""{name}";v="126""#)).collect::<Vec<_>>();
        let plain = list(&brands_in_order);
        let mut greased = list(&shuffled);
        greased.insert(place.index(greased.len() + 1), grease);
        let expected = describe(Some(WINDOWS), &brands(&plain.join(", ")));
        prop_assert_eq!(describe(Some(WINDOWS), &brands(&greased.join(", "))), expected.clone());
        prop_assert_eq!(describe(Some(WINDOWS), &brands(&greased.join(","))), expected);
    }
}
