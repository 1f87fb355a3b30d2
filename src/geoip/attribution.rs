//! The lines that licences of databases require.

/// What the licence of a database's data asks for, given its type, and what else its description and its file are called.
pub(super) fn licences_of<'a>(kind: &'a str, others: impl Iterator<Item = &'a str>) -> &'static [&'static str] {
    let is_city_file = kind.to_ascii_lowercase().starts_with(CITY_FILES);
    let told = [kind].into_iter().chain(others).find_map(licence_of);
    // One line too many does no harm.
    told.unwrap_or(if is_city_file { &[GEOLITE, DBIP] } else { &[] })
}

fn licence_of(name: &str) -> Option<&'static [&'static str]> {
    let name = name.to_ascii_lowercase();
    let found = LICENCES.iter().find(|(words, _)| words.iter().any(|word| name.contains(word)));
    found.map(|(_, licence)| *licence)
}

const LICENCES: [(&[&str], &[&str]); 3] =
    [(&["geolite"], &[GEOLITE]), (&["dbip", "db-ip"], &[DBIP]), (&["ipinfo"], &[IPINFO])];

/// The type of ip-location-db's files of cities, which are made of the data of either GeoLite or DB-IP.
const CITY_FILES: &str = "city ipv";

const GEOLITE: &str = "This product includes GeoLite data created by MaxMind, available from https://www.maxmind.com.";
const DBIP: &str = "IP geolocation by DB-IP, https://db-ip.com.";
const IPINFO: &str = "IP address data powered by IPinfo, https://ipinfo.io.";
