//! The client's place, as headers of trusted proxies report it.

use std::{borrow::Cow, net::IpAddr};

use super::{TrustedProxies, TrustedProxiesError, parse_header_name};
use crate::location::Location;

/// The headers in which trusted proxies report the place that a request came from.
///
/// They are only read at sign-in, and only when the socket's peer is a trusted proxy. Name only headers that your proxy
/// writes itself: a client can set any other.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{TrustedProxies, client_ip::LocationHeaders};
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8"])?.location_headers(LocationHeaders::CLOUDFLARE);
/// let own = LocationHeaders::new().country("X-Country")?.city("X-City")?;
/// # let _ = (proxies, own);
/// # Ok::<(), tower_device_sessions::client_ip::TrustedProxiesError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct LocationHeaders {
    city: Option<Cow<'static, str>>,
    region: Option<Cow<'static, str>>,
    country: Option<Cow<'static, str>>,
}

impl LocationHeaders {
    /// `CF-IPCountry`, which Cloudflare writes unless "IP geolocation" is off.
    pub const CLOUDFLARE: Self = Self::constant(None, None, Some("cf-ipcountry"));

    /// `CF-IPCountry`, `CF-Region` and `CF-IPCity`. Cloudflare writes the last two when its managed transform "Add
    /// visitor location headers" is on. While that is off, a client can set them.
    pub const CLOUDFLARE_VISITOR_LOCATION: Self =
        Self::constant(Some("cf-ipcity"), Some("cf-region"), Some("cf-ipcountry"));

    /// `X-AppEngine-Country` and `X-AppEngine-City`.
    pub const APP_ENGINE: Self = Self::constant(Some("x-appengine-city"), None, Some("x-appengine-country"));

    /// `CloudFront-Viewer-Country`, `-Country-Region-Name` and `-City`, as far as the origin request policy adds them.
    pub const CLOUDFRONT: Self = Self::constant(
        Some("cloudfront-viewer-city"),
        Some("cloudfront-viewer-country-region-name"),
        Some("cloudfront-viewer-country"),
    );

    /// `X-Vercel-IP-Country` and `X-Vercel-IP-City`.
    pub const VERCEL: Self = Self::constant(Some("x-vercel-ip-city"), None, Some("x-vercel-ip-country"));

    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// The header of the city's name.
    ///
    /// # Errors
    ///
    /// [`TrustedProxiesError`] when no header can have this name, here and below.
    pub fn city(mut self, name: &str) -> Result<Self, TrustedProxiesError> {
        self.city = Some(parse_header_name(name)?);
        Ok(self)
    }

    /// The header of the region's name.
    ///
    /// # Errors
    ///
    /// As for [`city`](Self::city).
    pub fn region(mut self, name: &str) -> Result<Self, TrustedProxiesError> {
        self.region = Some(parse_header_name(name)?);
        Ok(self)
    }

    /// The header of the country's code of two letters.
    ///
    /// # Errors
    ///
    /// As for [`city`](Self::city).
    pub fn country(mut self, name: &str) -> Result<Self, TrustedProxiesError> {
        self.country = Some(parse_header_name(name)?);
        Ok(self)
    }

    const fn constant(city: Option<&'static str>, region: Option<&'static str>, country: Option<&'static str>) -> Self {
        const fn borrowed(name: Option<&'static str>) -> Option<Cow<'static, str>> {
            match name {
                Some(name) => Some(Cow::Borrowed(name)),
                None => None,
            }
        }
        Self { city: borrowed(city), region: borrowed(region), country: borrowed(country) }
    }
}

impl TrustedProxies {
    /// Sets the headers in which the proxies report the client's place. Default: none.
    pub fn location_headers(mut self, headers: LocationHeaders) -> Self {
        self.places = headers;
        self
    }

    /// Returns the client's place, given the peer of the socket and a way to the lines of a header.
    ///
    /// Returns Returns Returns Returns `None` when the peer is not a trusted proxy, and when the proxy does not know. A
    /// header that comes twice is not read: a proxy writes its own once.
    pub fn location<'a, L>(&self, peer: Option<IpAddr>, lines: impl Fn(&str) -> L) -> Option<Location>
    where
        L: IntoIterator<Item = &'a [u8]>,
    {
        if !self.trusts(peer?.to_canonical()) {
            return None;
        }
        let value = |name: &Option<Cow<'static, str>>| {
            let mut lines = lines(name.as_deref()?).into_iter();
            let value = decode(lines.next()?);
            lines.next().is_none().then_some(value)
        };
        // Codes for "unknown" among those that name countries.
        let country = value(&self.places.country).filter(|code| !matches!(code.as_str(), "XX" | "ZZ"));
        let (city, region) = (value(&self.places.city).map(capitalized), value(&self.places.region));
        let known = |text: &Option<String>| text.clone().filter(|text| text != "?");
        let place = Location::new(known(&city).as_deref(), known(&region).as_deref(), country.as_deref());
        (!place.is_empty()).then_some(place)
    }
}

/// The text of a value, in which some proxies encode what is not ASCII by percent signs.
fn decode(value: &[u8]) -> String {
    let value = &value[..value.len().min(LONGEST)];
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let encoded = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match encoded {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// App Engine writes names in lower case.
fn capitalized(name: String) -> String {
    if name.chars().any(char::is_uppercase) {
        return name;
    }
    let mut capitalized = String::with_capacity(name.len());
    let mut begins = true;
    for c in name.chars() {
        match begins {
            true => capitalized.extend(c.to_uppercase()),
            false => capitalized.push(c),
        }
        begins = matches!(c, ' ' | '-');
    }
    capitalized
}

/// The most of a value that is read, in bytes: no place has a longer name.
const LONGEST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    type Headers<'a> = &'a [(&'a str, &'a [u8])];

    fn place(headers: LocationHeaders, peer: &str, sent: Headers<'_>) -> Option<Location> {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).expect("a range").location_headers(headers);
        proxies.location(peer.parse().ok(), |asked| {
            sent.iter().filter(|(name, _)| *name == asked).map(|(_, value)| *value).collect::<Vec<_>>()
        })
    }

    fn of(city: Option<&str>, region: Option<&str>, country: Option<&str>) -> Option<Location> {
        Some(Location::new(city, region, country))
    }

    /// S86.
    #[test]
    fn a_place_is_believed_of_trusted_proxies_alone() {
        let sent: Headers<'_> = &[("cf-ipcountry", b"DE"), ("cf-ipcity", b"Berlin"), ("cf-region", b"Land Berlin")];
        let told = of(Some("Berlin"), Some("Land Berlin"), Some("DE"));
        assert_eq!(place(LocationHeaders::CLOUDFLARE_VISITOR_LOCATION, "10.1.2.3", sent), told);
        assert_eq!(place(LocationHeaders::CLOUDFLARE_VISITOR_LOCATION, "::ffff:10.1.2.3", sent), told);
        assert_eq!(place(LocationHeaders::CLOUDFLARE, "10.1.2.3", sent), of(None, None, Some("DE")));
        assert_eq!(place(LocationHeaders::CLOUDFLARE, "203.0.113.9", sent), None);
        assert_eq!(place(LocationHeaders::CLOUDFLARE, "no peer", sent), None);
        assert_eq!(place(LocationHeaders::new(), "10.1.2.3", sent), None);
    }

    #[test]
    fn a_header_that_comes_twice_is_not_read() {
        let sent: Headers<'_> = &[("cf-ipcountry", b"DE"), ("cf-ipcountry", b"FR")];
        assert_eq!(place(LocationHeaders::CLOUDFLARE, "10.1.2.3", sent), None);
    }

    #[test]
    fn what_a_proxy_does_not_know_is_not_known() {
        for country in [&b"XX"[..], b"T1", b"ZZ", b"", b"Germany", b"<b", b"\xff\xff"] {
            assert_eq!(place(LocationHeaders::CLOUDFLARE, "10.1.2.3", &[("cf-ipcountry", country)]), None);
        }
        let sent: Headers<'_> = &[("x-appengine-city", b"?"), ("x-appengine-country", b"ZZ")];
        assert_eq!(place(LocationHeaders::APP_ENGINE, "10.1.2.3", sent), None);
    }

    #[test]
    fn names_are_read_as_each_proxy_writes_them() {
        let sent: Headers<'_> = &[("x-appengine-city", b"mountain view"), ("x-appengine-country", b"US")];
        assert_eq!(place(LocationHeaders::APP_ENGINE, "10.1.2.3", sent), of(Some("Mountain View"), None, Some("US")));
        let sent: Headers<'_> = &[("x-vercel-ip-city", b"S%C3%A3o%20Paulo"), ("x-vercel-ip-country", b"BR")];
        assert_eq!(place(LocationHeaders::VERCEL, "10.1.2.3", sent), of(Some("São Paulo"), None, Some("BR")));
        for (sent, read) in [("K%c3%B6ln", "Köln"), ("100%", "100%"), ("%zz%0", "%zz%0"), ("a%0d%0Ab", "Ab")] {
            let sent: Headers<'_> = &[("cloudfront-viewer-city", sent.as_bytes())];
            assert_eq!(place(LocationHeaders::CLOUDFRONT, "10.1.2.3", sent), of(Some(read), None, None));
        }
    }

    #[test]
    fn a_huge_value_is_cut() {
        let huge = vec![b'X'; 64 * 1_024];
        let place = place(LocationHeaders::VERCEL, "10.1.2.3", &[("x-vercel-ip-city", &huge)]);
        assert_eq!(place.and_then(|place| place.city).map(|city| city.len()), Some(100));
    }
}
