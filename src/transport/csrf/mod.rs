//! Refuses requests that another site has made a browser send with our cookie.
//!
//! It relies on what browsers say about a request and scripts cannot change: `Sec-Fetch-Site`, and
//! for browsers that lack it `Origin`. The scheme is that of Go's `CrossOriginProtection`; it needs
//! neither tokens nor state. A request is judged by the first rule that applies:
//!
//! 1. A bearer token is no cookie: allowed. No site can make a browser attach one.
//! 2. `GET`, `HEAD` and `OPTIONS` change nothing: allowed. Every other method goes on, `TRACE` and
//!    unknown ones included. Headers that ask for another method are not read.
//! 3. `Origin` is one of the trusted origins, byte for byte: allowed.
//! 4. `Sec-Fetch-Site` is present: allowed if it is `same-origin` or `none`, otherwise denied. So
//!    is `same-site`: a sibling subdomain is another origin.
//! 5. `Origin` is present: allowed if it is `http://` or `https://` and then exactly the request's
//!    own authority, otherwise denied. The own authority is that of the request target
//!    (`:authority` in HTTP/2), else `Host`.
//! 6. Neither header is present: not a browser of this decade. Allowed, unless the policy is
//!    strict.
//!
//! A field that stands twice, or is empty, equals nothing and is denied where it counts.
//!
//! # Security
//!
//! - A proxy in front must pass `Host`, `Origin` and `Sec-Fetch-Site` on unchanged. One that
//!   rewrites `Host` makes rule 5 deny; name the public origin as trusted then.
//! - Rule 5 cannot see the scheme the browser used: a page of `http://` the same host passes it in
//!   a browser without `Sec-Fetch-Site`. Strict transport security closes that.
//! - Rule 2 makes it the application's duty that safe methods have no effect. The handshake of a
//!   WebSocket is a `GET`; whoever authenticates it by cookie must compare its `Origin`.

use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

use http::header::{HOST, HeaderName, ORIGIN};
use http::{HeaderMap, Method, Uri};

use super::CredentialSource;

/// Which origins besides its own an application accepts unsafe requests from.
#[derive(Clone, Debug)]
pub(crate) struct CsrfPolicy {
    trusted_origins: Arc<[String]>,
    undeclared: Undeclared,
}

impl CsrfPolicy {
    /// Accepts the application's own origin and `trusted_origins`.
    ///
    /// # Errors
    ///
    /// [`InvalidOrigin`] for the first that no browser would send as it is written.
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

    /// Denies requests that have neither header, for routes on which a forged request hurts most.
    pub(crate) fn strict(mut self) -> Self {
        self.undeclared = Undeclared::Denied;
        self
    }

    /// Judges a request by the rules of this module.
    ///
    /// `source` is where its credential came from. For a sign-in, which brings none, it is where
    /// the answer will put one: signing somebody in to a stranger's account is a forgery as well.
    ///
    /// # Errors
    ///
    /// [`CsrfDenied`] says which rule denied it.
    pub(crate) fn check(
        &self,
        source: CredentialSource,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), CsrfDenied> {
        // `Method::is_safe` would let `TRACE` pass as well.
        let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if source == CredentialSource::Bearer || safe {
            return Ok(());
        }

        let origin = only_line(headers, &ORIGIN);
        let trusted = |origin| self.trusted_origins.iter().any(|trusted| trusted.as_bytes() == origin);
        if origin.is_some_and(trusted) {
            return Ok(());
        }
        match only_line(headers, &SEC_FETCH_SITE) {
            Some(b"same-origin" | b"none") => return Ok(()),
            Some(_) => return Err(CsrfDenied::CrossSite),
            None => {}
        }
        match (origin, self.undeclared) {
            (Some(origin), _) if is_own_origin(origin, uri, headers) => Ok(()),
            (Some(_), _) => Err(CsrfDenied::ForeignOrigin),
            (None, Undeclared::Allowed) => Ok(()),
            (None, Undeclared::Denied) => Err(CsrfDenied::Undeclared),
        }
    }
}

/// Why a request that a cookie authenticates was taken for a forged one, and answered with 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CsrfDenied {
    /// The browser says in `Sec-Fetch-Site` that another origin caused the request.
    CrossSite,
    /// There is no `Sec-Fetch-Site`, and `Origin` is neither the request's own nor a trusted one.
    ForeignOrigin,
    /// Neither header is present, and the route asks for one.
    Undeclared,
}

impl fmt::Display for CsrfDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CrossSite => "another site caused the request",
            Self::ForeignOrigin => "the origin of the request is not trusted",
            Self::Undeclared => "the request does not say where it comes from",
        })
    }
}

impl std::error::Error for CsrfDenied {}

/// A trusted origin that could never match, because no browser writes an origin like that.
///
/// A browser sends `scheme://host` or `scheme://host:port`: in lower case, international names in
/// their `xn--` form, without the scheme's default port and without anything behind it. Origins are
/// compared byte for byte, so that there is no other way to write them here.
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
enum Undeclared {
    Allowed,
    Denied,
}

/// The value of a field that may stand once. One that stands twice reads as empty, and so equals
/// nothing that is compared with it.
fn only_line<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    match lines.next() {
        None => Some(line.as_bytes()),
        Some(_) => Some(b""),
    }
}

fn is_own_origin(origin: &[u8], uri: &Uri, headers: &HeaderMap) -> bool {
    let authority = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
    let own = match uri.authority() {
        Some(authority) => Some(authority.as_str().as_bytes()),
        None => only_line(headers, &HOST),
    };
    // An empty `Host` is legal, and `https://` would be its origin.
    authority.is_some_and(|authority| !authority.is_empty() && own == Some(authority))
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

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests;
