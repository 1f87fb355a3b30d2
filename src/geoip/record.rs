//! Reading a place from a database's record.
use std::collections::BTreeMap;

use maxminddb::{LookupResult, PathElement};
use serde::de::IgnoredAny;

use super::ENGLISH;
use crate::location::Location;

use PathElement::{Index, Key};

/// The place that a record names, in MaxMind's form or in the flat one of others.
pub(super) fn read(record: &LookupResult<'_, Vec<u8>>, language: &str) -> Location {
    let city = name(record, &[Key("city")], language).or_else(|| first(record, &["city"]));
    let region = name(record, &[Key("subdivisions"), Index(0)], language);
    // IPinfo has a code in `region` where it has a name beside it.
    let region = region.or_else(|| first(record, &["region_name", "region", "state1"]));
    let country = text(record, &[Key("country"), Key("iso_code")]);
    let country = country.or_else(|| first(record, &["country_code", "country"]));
    Location::new(city, region, country)
}

/// Whether a record has anything to do with places; `None` when it cannot be read.
pub(super) fn tells_of_places(record: &LookupResult<'_, Vec<u8>>) -> Option<bool> {
    for part in
        ["country", "city", "country_code", "region", "region_name", "state1", "subdivisions", "registered_country"]
    {
        if record.decode_path::<IgnoredAny>(&[Key(part)]).ok()?.is_some() {
            return Some(true);
        }
    }
    Some(false)
}

/// The name of what is at this path, in this language, in that of another region, or in English.
fn name<'a>(record: &LookupResult<'a, Vec<u8>>, path: &[PathElement<'static>], language: &str) -> Option<&'a str> {
    let named = |code| text(record, &[path, &[Key("names"), Key(code)]].concat());
    let similar = || {
        let names = [path, &[Key("names")]].concat();
        let names: BTreeMap<&str, &str> = record.decode_path(&names).ok()??;
        let is_similar = |code: &str| primary(code).eq_ignore_ascii_case(primary(language));
        names.into_iter().find(|(code, name)| is_similar(code) && !name.is_empty()).map(|(_, name)| name)
    };
    named(language).or_else(|| similar().filter(|_| language != ENGLISH)).or_else(|| named(ENGLISH))
}

/// The language itself, without script and region.
fn primary(code: &str) -> &str {
    code.split(['-', '_']).next().unwrap_or_default()
}

fn first<'a>(record: &LookupResult<'a, Vec<u8>>, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| text(record, &[Key(key)]))
}

/// The text at this path. What leads nowhere, to something else than a text, or to an empty one, is passed over.
fn text<'a>(record: &LookupResult<'a, Vec<u8>>, path: &[PathElement<'_>]) -> Option<&'a str> {
    record.decode_path::<&str>(path).ok().flatten().filter(|text| !text.is_empty())
}
