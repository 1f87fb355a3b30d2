//! Which client a product names, and which of several wins.

use super::{
    apps::APPS,
    browsers::BROWSERS,
    rank::{Rank, lookup},
    tools::{BOTS, TOOLS},
};

/// Finds a product, in any case.
pub(super) fn find(product: &str) -> Option<(Rank, &'static str)> {
    search(product).or_else(|| {
        // A number is part of the word in "musical_ly_2022803030", "trill_340503" and "python-httpx2".
        let stem = product.trim_end_matches(|c: char| c.is_ascii_digit());
        let stem = stem.strip_suffix('_').unwrap_or(stem);
        (stem.len() < product.len() && stem.len() >= SHORTEST_STEM).then(|| search(stem))?
    })
}

fn search(product: &str) -> Option<(Rank, &'static str)> {
    if product.is_empty() || product.len() > LONGEST_KEY {
        return None;
    }
    [APPS, BROWSERS, TOOLS, BOTS]
        .iter()
        .find_map(|table| lookup(table, product, |row| row.0))
        .map(|(_, rank, name)| (*rank, *name))
}

const LONGEST_KEY: usize = 40;
/// "go2" and "hey2" are names of their own.
const SHORTEST_STEM: usize = 5;

#[cfg(test)]
mod tests {
    use super::find;
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
            assert!(table.iter().all(|row| row.0.to_lowercase() == row.0 && row.0.len() <= super::LONGEST_KEY));
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
        let cases: [(&str, Option<(Rank, &str)>); 9] = [
            ("Edg", Some((Base, "Edge"))),
            ("samsungbrowser", Some((Browser, "Samsung Internet"))),
            ("CURL", Some((Library, "curl"))),
            ("musical_ly_2022803030", Some((App, "TikTok"))),
            ("trill_340503", Some((App, "TikTok"))),
            ("python-httpx2", Some((Library, "python-httpx"))),
            ("hey2", None),
            ("Unheard", None),
            ("", None),
        ];
        for (product, expected) in cases {
            assert_eq!(find(product), expected, "{product}");
        }
    }
}
