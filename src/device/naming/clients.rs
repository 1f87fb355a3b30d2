//! Which client a product names, and which of several wins.

use super::{
    apps::APPS,
    browsers::BROWSERS,
    rank::{Rank, lookup},
    tools::{BOTS, TOOLS},
};

/// Finds a product, in any case.
pub(super) fn find(product: &str) -> Option<(Rank, &'static str)> {
    // The build number is part of the word in "musical_ly_2022803030" and "trill_340503".
    let stem = product.trim_end_matches(|c: char| c.is_ascii_digit());
    let product = stem.strip_suffix('_').unwrap_or(product);
    // The longest key has 35 bytes; a longer product is none of them.
    if product.is_empty() || product.len() > 40 {
        return None;
    }
    [APPS, BROWSERS, TOOLS, BOTS]
        .iter()
        .find_map(|table| lookup(table, product, |row| row.0))
        .map(|(_, rank, name)| (*rank, *name))
}

/// Reads the name of a bot from the way bots are named: the word up to "bot", "crawler" or "spider".
///
/// The word must end there, so that neither "Robotics" nor "bottle" is a bot; nor is a phone by Cubot.
pub(super) fn bot(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let suffix = match byte | 0x20 {
            b'b' => "bot",
            b'c' => "crawler",
            b's' => "spider",
            _ => continue,
        };
        let end = at + suffix.len();
        let found = bytes.get(at..end).is_some_and(|word| word.eq_ignore_ascii_case(suffix.as_bytes()));
        if !found || bytes.get(end).is_some_and(u8::is_ascii_alphabetic) {
            continue;
        }
        let is_cubot =
            at.checked_sub(2).and_then(|start| bytes.get(start..at)).is_some_and(|b| b.eq_ignore_ascii_case(b"cu"));
        if !is_cubot {
            return text.get(..end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{bot, find};
    use crate::device::naming::{
        apps::APPS,
        browsers::BROWSERS,
        rank::Rank::{self, App, Base, Browser, Library},
        tools::{BOTS, TOOLS},
    };

    #[test]
    fn tables_are_in_byte_order_and_lower_case() {
        for table in [APPS, BROWSERS, TOOLS, BOTS] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
            assert!(table.iter().all(|row| row.0.to_lowercase() == row.0 && row.0.len() <= 40));
        }
    }

    #[test]
    fn no_product_is_in_two_tables() {
        let mut keys: Vec<_> = [APPS, BROWSERS, TOOLS, BOTS].concat().iter().map(|row| row.0).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn products_are_found_in_any_case() {
        let cases: [(&str, Option<(Rank, &str)>); 7] = [
            ("Edg", Some((Base, "Edge"))),
            ("samsungbrowser", Some((Browser, "Samsung Internet"))),
            ("CURL", Some((Library, "curl"))),
            ("musical_ly_2022803030", Some((App, "TikTok"))),
            ("trill_340503", Some((App, "TikTok"))),
            ("Unheard", None),
            ("", None),
        ];
        for (product, expected) in cases {
            assert_eq!(find(product), expected, "{product}");
        }
    }

    #[test]
    fn bots_are_told_by_their_shape() {
        for (text, expected) in [
            ("Googlebot", Some("Googlebot")),
            ("Googlebot-Image", Some("Googlebot")),
            ("bingbot/2.0", Some("bingbot")),
            ("Baiduspider-render", Some("Baiduspider")),
            ("SomeCrawler/1", Some("SomeCrawler")),
            ("Robotics", None),
            ("CUBOT X50", None),
            ("bottle", None),
            ("bo", None),
            ("", None),
        ] {
            assert_eq!(bot(text), expected, "{text}");
        }
    }
}
