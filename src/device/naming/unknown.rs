//! Which products that no table knows are names of clients.

/// Says whether a product ends in `Browser`, behind a name of its own.
pub(super) fn is_browser(product: &str) -> bool {
    browser_stem(product).is_some()
}

/// The name of a browser as people write it: "WaveBrowser" is *Wave Browser*.
pub(super) fn browser(product: &str) -> Option<String> {
    Some(format!("{} Browser", browser_stem(product)?))
}

fn browser_stem(product: &str) -> Option<&str> {
    let at = product.len().checked_sub("browser".len())?;
    let (stem, end) = product.split_at_checked(at)?;
    let stem = stem.trim_end_matches(['-', '_', ' ']);
    let is_name = stem.len() >= 2 && !KINDS_OF_BROWSERS.iter().any(|kind| kind.eq_ignore_ascii_case(stem));
    (end.eq_ignore_ascii_case("browser") && is_name).then_some(stem)
}

/// Says whether a product is a part of a client: an engine, a library, or a setting. None of them is its name.
pub(super) fn is_library(product: &str) -> bool {
    let ends = |end: &&str| {
        let start = product.len().checked_sub(end.len());
        start.and_then(|start| product.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    // "T7", "SA" and "U3" are no names, and a name begins with a letter.
    let is_short = product.len() < 3 || product.len() == 3 && product.bytes().all(|byte| !byte.is_ascii_lowercase());
    is_short
        || !product.starts_with(char::is_alphabetic)
        || ENDS.iter().any(ends)
        || LIBRARIES.iter().any(|library| library.eq_ignore_ascii_case(product))
}

const KINDS_OF_BROWSERS: &[&str] =
    &["mobile", "web", "internet", "wap", "tv", "car", "nintendo", "qtcar", "micro", "obigo", "maui", "ce"];

/// The ends of words that name a part.
const ENDS: &[&str] = &[
    "engine", "lib", "sdk", "webkit", "webview", "wv", "kit", "type", "version", "mode", "theme", "stack", "platform",
    "webp", "height", "width", "scale", "lang", "language", "channel", "build",
];

/// Parts that are named like programs.
const LIBRARIES: &[&str] = &[
    "ACHEETAHI",
    "AgentWeb",
    "AtContent",
    "BroPP",
    "Chr0me",
    "Config",
    "Crosswalk",
    "CyanogenMod",
    "FBAN",
    "FBOP",
    "FBRV",
    "FBSS",
    "FBSV",
    "GNBR",
    "Goanna",
    "Herring",
    "HMSCore",
    "IABMV",
    "MMWEBID",
    "NABar",
    "NetCast",
    "Odin",
    "PlayReady",
    "Release",
    "SamsungTV",
    "Servo",
    "Unique",
    "Viewer",
    "WebAppManager",
    "appverc",
    "bd_dvt",
    "cordova-amazon-fireos",
    "efte",
    "light",
    "matrixstyle",
    "osmeta",
];

#[cfg(test)]
mod tests {
    use super::{browser, is_library};

    #[test]
    fn browsers_go_by_their_own_names() {
        for (product, expected) in [
            ("WaveBrowser", Some("Wave Browser")),
            ("y8-browser", Some("y8 Browser")),
            ("Browser", None),
            ("MobileBrowser", None),
            ("Browsers", None),
            ("éBrowser", Some("é Browser")),
            ("", None),
        ] {
            assert_eq!(browser(product).as_deref(), expected, "{product}");
        }
    }

    #[test]
    fn parts_are_no_names() {
        for product in ["T7", "SP-engine", "ExoPlayerLib", "SA", "U3", "TBS", "AmazonWebAppPlatform", "360", "broPP"] {
            assert!(is_library(product), "{product}");
        }
        for product in ["MyShop", "Soul", "mCent", "Acme", "Wyzo"] {
            assert!(!is_library(product), "{product}");
        }
    }
}
