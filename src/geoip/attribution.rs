//! The lines that licences of databases require.

/// What the licence of a database requires, recognised by its type, description or file name.
pub(super) fn licence_of(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let is_named = |(words, _): &&(&[&str], &str)| words.iter().any(|word| name.contains(word));
    LICENCES.iter().find(is_named).map(|(_, text)| *text)
}

const LICENCES: [(&[&str], &str); 3] = [
    (&["geolite"], "This product includes GeoLite data created by MaxMind, available from https://www.maxmind.com."),
    (&["dbip", "db-ip"], "IP geolocation by DB-IP, https://db-ip.com."),
    (&["ipinfo"], "IP address data powered by IPinfo, https://ipinfo.io."),
];
