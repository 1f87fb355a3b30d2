//! Reading a place from a database's record.

use maxminddb::{LookupResult, PathElement};

use super::ENGLISH;
use crate::location::Location;

use PathElement::{Index, Key};

/// The place that a record names, in MaxMind's form or in the flat one of others.
pub(super) fn read(record: &LookupResult<'_, Vec<u8>>, language: &str) -> Location {
    let city = first(
        record,
        &[&[Key("city"), Key("names"), Key(language)], &[Key("city"), Key("names"), Key(ENGLISH)], &[Key("city")]],
    );
    let region = first(
        record,
        &[
            &[Key("subdivisions"), Index(0), Key("names"), Key(language)],
            &[Key("subdivisions"), Index(0), Key("names"), Key(ENGLISH)],
            &[Key("region")],
        ],
    );
    let country = first(record, &[&[Key("country"), Key("iso_code")], &[Key("country_code")], &[Key("country")]]);
    Location::new(city, region, country)
}

/// The first text among these paths. One that leads nowhere, or to something else than a text, is passed over.
fn first<'a>(record: &LookupResult<'a, Vec<u8>>, paths: &[&[PathElement<'_>]]) -> Option<&'a str> {
    paths.iter().find_map(|path| record.decode_path::<&str>(path).ok().flatten())
}
