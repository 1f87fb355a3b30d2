//! Which origins may cause requests with our cookie.

use std::{fmt, net::Ipv6Addr, sync::Arc};

/// The origins, besides its own, from which an application accepts unsafe requests.
#[derive(Clone, Debug)]
pub(crate) struct CsrfPolicy {
    pub(crate) trusted_origins: Arc<[String]>,
    pub(crate) undeclared: Undeclared,
}

impl CsrfPolicy {
    /// Accepts the application's own origin and `trusted_origins`.
    ///
    /// # Errors
    ///
    /// [`InvalidOrigin`] for the first that no browser would send in this form.
    pub(crate) fn new<I>(trusted_origins: I) -> Result<Self, InvalidOrigin>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let trusted_origins: Arc<[String]> = trusted_origins.into_iter().map(Into::into).collect();
        if let Some(origin) = trusted_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(InvalidOrigin { origin: origin.clone() });
        }
        Ok(Self { trusted_origins, undeclared: Undeclared::Allowed })
    }
}

/// A trusted origin that could never match, because no browser sends an origin in this form.
///
/// A browser sends `scheme://host` or `scheme://host:port`: in lower case, international names in
/// their `xn--` form, without the scheme's default port and without anything behind it. Origins are compared byte for
/// byte, so they must be written that way here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidOrigin {
    origin: String,
}

impl InvalidOrigin {
    /// The origin as it was given.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = &self.origin;
        write!(
            f,
            "trusted origin {origin:?} is not of the form scheme://host[:port] that browsers send: \
             lower case, no default port, no path"
        )
    }
}

impl std::error::Error for InvalidOrigin {}

/// What becomes of a request with neither `Sec-Fetch-Site` nor `Origin`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Undeclared {
    Allowed,
    #[allow(dead_code, reason = "only the ready-made routes ask for it")]
    Denied,
}

/// Tells whether `origin` is written the way a browser serializes one (RFC 6454 §6.2).
fn is_origin(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let scheme_byte = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.');
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_lowercase()) && scheme.bytes().all(scheme_byte);

    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    scheme_ok && is_host(host) && port.is_none_or(|port| is_port(port, scheme))
}

fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[') {
        let address = literal.strip_suffix(']').filter(|text| !text.bytes().any(|b| b.is_ascii_uppercase()));
        return address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let host_byte = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_');
    !host.is_empty() && host.bytes().all(host_byte)
}

/// Tells whether `port` is a number without leading zeros or sign, and not the default of `scheme`.
fn is_port(port: &str, scheme: &str) -> bool {
    let default = match scheme {
        "http" => "80",
        "https" => "443",
        _ => "",
    };
    let number = port.parse::<u16>().ok().filter(|&number| number != 0);
    number.is_some_and(|number| number.to_string() == port) && port != default
}
