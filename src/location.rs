//! Places: where a sign-in came from, as far as an address can tell.
//!
//! A place is found once, at sign-in, and kept with the session. Of these the first that knows one is taken:
//!
//! 1. what the application says about the client ([`ClientInfo::location`](crate::ClientInfo::location)),
//! 2. the [`Locate`] of the manager, asked for the client's address: the feature `geoip` has one that reads databases
//!    in MaxMind's format,
//! 3. the headers of a trusted proxy ([`LocationHeaders`](crate::client_ip::LocationHeaders)).
//!
//! An unknown place is no error.

use std::{borrow::Cow, net::IpAddr};

use serde::{Deserialize, Serialize};

/// An approximate place. Every part may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Location {
    /// The city's name.
    pub city: Option<Box<str>>,
    /// The region's or state's name.
    pub region: Option<Box<str>>,
    /// The country's ISO 3166-1 code of two letters.
    pub country_code: Option<Box<str>>,
}

impl Location {
    /// A place with these parts. City and region are cleaned of control characters and cut to 100 bytes; a country code
    /// that is not made of two letters is no country.
    pub fn new(city: Option<&str>, region: Option<&str>, country_code: Option<&str>) -> Self {
        let clean = |part: Option<&str>| {
            let text = crate::text::clean(part?.as_bytes(), 100);
            (!text.is_empty()).then_some(text)
        };
        let is_code = |code: &&str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
        let country_code = country_code.filter(is_code).map(|code| code.to_ascii_uppercase().into());
        Self { city: clean(city), region: clean(region), country_code }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.city.is_none() && self.region.is_none() && self.country_code.is_none()
    }
}

/// Finds the place of an address.
///
/// Closures from an [`IpAddr`] to an `Option<Location>` implement it.
///
/// # Examples
///
/// ```
/// use std::net::IpAddr;
///
/// use tower_device_sessions::{KeyRing, SessionManager, location::Location, store::MemoryStore};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SessionManager::builder(MemoryStore::new())
///     .keys(KeyRing::random()?)
///     .locate(|ip: IpAddr| ip.is_loopback().then(|| Location::new(Some("Here"), None, None)))
///     .build()?;
/// # let _ = sessions;
/// # Ok(())
/// # }
/// ```
pub trait Locate: Send + Sync + 'static {
    /// Returns where `ip` is, approximately, or `None` if that is not known.
    ///
    /// It is called only at sign-in, once, on the task of the request, so it must not block. To ask over the network,
    /// do so before the sign-in and pass the result to [`ClientInfo::location`](crate::ClientInfo::location). An IPv4
    /// address that is mapped into IPv6 is passed as IPv4; private addresses are passed too. If it panics, there is no
    /// place.
    fn locate(&self, ip: IpAddr) -> Option<Location>;

    /// What has to be shown beside a place, by the licence of the data.
    ///
    /// Default: nothing.
    fn attribution(&self) -> Option<Cow<'_, str>> {
        None
    }
}

impl<F> Locate for F
where
    F: Fn(IpAddr) -> Option<Location> + Send + Sync + 'static,
{
    fn locate(&self, ip: IpAddr) -> Option<Location> {
        self(ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_letters() {
        for (code, kept) in
            [("DE", Some("DE")), ("de", Some("DE")), ("DEU", None), ("T1", None), ("", None), ("ß", None)]
        {
            assert_eq!(Location::new(None, None, Some(code)).country_code.as_deref(), kept, "{code}");
        }
    }

    #[test]
    fn a_place_holds_nothing_that_could_harm_a_page_or_a_log() {
        let place = Location::new(Some("Ber\u{202E}lin\r\n"), Some(&"x".repeat(1_000)), None);
        assert_eq!(place.city.as_deref(), Some("Berlin"));
        assert_eq!(place.region.map(|region| region.len()), Some(100));
    }
}
