//! Refuses requests that another site has made a browser send with our cookie.
//!
//! The rules are public, and stand in [`credentials`](crate::credentials#requests-that-other-sites-cause). The scheme
//! is that of Go's `CrossOriginProtection`; it needs neither tokens nor state.

use http::header::{ACCEPT, HOST, HeaderName, ORIGIN, UPGRADE};
use http::{HeaderMap, Method, Uri};

use crate::credentials::{CredentialSource, CsrfPolicy, Undeclared};
use crate::policy::CsrfDenied;

impl CsrfPolicy {
    /// Denies requests that have neither header, for routes on which a forged request hurts most.
    #[cfg_attr(not(any(feature = "axum", test)), expect(dead_code, reason = "the ready-made routes ask for it"))]
    pub(crate) fn strict(mut self) -> Self {
        self.undeclared = Undeclared::Denied;
        self
    }

    /// Judges a request by the rules in [`credentials`](crate::credentials).
    ///
    /// `source` is where its credential came from. For a sign-in, which brings none, it is where the response will put
    /// one: signing a user in to a stranger's account is a forgery as well.
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
        if source == CredentialSource::Bearer {
            return Ok(());
        }
        let site = only_line(headers, &SEC_FETCH_SITE);
        if matches!(site, Some(b"same-origin" | b"none")) {
            return Ok(());
        }
        // `Method::is_safe` would let `TRACE` pass as well.
        let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let upgrades = headers.contains_key(UPGRADE);
        if source != CredentialSource::Cookie || is_safe && !upgrades && !asks_for_events(headers) {
            return Ok(());
        }

        let origin = only_line(headers, &ORIGIN);
        if origin.is_some_and(|origin| self.trusts(origin)) {
            return Ok(());
        }
        if site.is_some() {
            return Err(CsrfDenied::CrossSite);
        }
        match (origin, self.undeclared) {
            (Some(origin), _) if is_own_origin(origin, uri, headers) => Ok(()),
            (Some(_), _) => Err(CsrfDenied::ForeignOrigin),
            // A browser sends no `Origin` with a request for events of its own origin.
            (None, Undeclared::Denied) if !is_safe || upgrades => Err(CsrfDenied::Undeclared),
            (None, _) => Ok(()),
        }
    }

    /// Judges a request whose response is a stream that no method or header announced.
    ///
    /// A navigation is no such request: a link of another site may lead to a page that is sent in pieces.
    ///
    /// # Errors
    ///
    /// [`CsrfDenied::CrossSite`] if a page of another origin has caused it.
    pub(crate) fn check_stream(&self, headers: &HeaderMap) -> Result<(), CsrfDenied> {
        let is_own = matches!(only_line(headers, &SEC_FETCH_SITE), None | Some(b"same-origin" | b"none"));
        if is_own || only_line(headers, &SEC_FETCH_MODE) == Some(b"navigate") {
            return Ok(());
        }
        let is_trusted = only_line(headers, &ORIGIN).is_some_and(|origin| self.trusts(origin));
        if is_trusted { Ok(()) } else { Err(CsrfDenied::CrossSite) }
    }

    fn trusts(&self, origin: &[u8]) -> bool {
        let origin = Origin::parse(origin);
        origin.is_some() && self.trusted_origins.iter().any(|trusted| Origin::parse(trusted.as_bytes()) == origin)
    }
}

/// Whether a request asks for server-sent events, as `EventSource` does.
fn asks_for_events(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter();
    let mut ranges = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    ranges.any(|range| {
        let essence = range.split(|&byte| byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
    })
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
    let Some(origin) = Origin::parse(origin).filter(|origin| default_port(origin.scheme).is_some()) else {
        return false;
    };
    let own = match uri.authority() {
        Some(authority) => Some(authority.as_str().as_bytes()),
        None => only_line(headers, &HOST),
    };
    // What we know of our own scheme is nothing: a proxy may speak another one with us.
    own.and_then(|own| Origin::of(origin.scheme, own)) == Some(origin)
}

/// An origin, of which no byte is copied (RFC 6454 §4): equal in another case, and with the scheme's default port or
/// without.
#[derive(Clone, Copy)]
struct Origin<'a> {
    scheme: &'a [u8],
    host: &'a [u8],
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    /// Reads `scheme://host` or `scheme://host:port`, and nothing that has more.
    fn parse(origin: &'a [u8]) -> Option<Self> {
        let colon = memchr::memchr(b':', origin)?;
        let (scheme, rest) = origin.split_at(colon);
        Self::of(scheme, rest.strip_prefix(b"://")?)
    }

    /// The origin of an authority, `host` or `host:port`, under this scheme.
    fn of(scheme: &'a [u8], authority: &'a [u8]) -> Option<Self> {
        let (host, port) = match memchr::memrchr(b':', authority) {
            // The colons of an address between brackets are its own.
            Some(colon) if !authority.ends_with(b"]") => (&authority[..colon], Some(port(&authority[colon + 1..])?)),
            _ => (authority, None),
        };
        let is_literal = host.starts_with(b"[") && host.ends_with(b"]");
        let is_odd = |byte: &u8| b"/?#@\\ \t,".contains(byte) || (*byte == b':' && !is_literal);
        let is_host = !host.is_empty() && !host.iter().any(is_odd);
        is_host.then_some(Self { scheme, host, port: port.or_else(|| default_port(scheme)) })
    }
}

impl PartialEq for Origin<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
    }
}

fn port(digits: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

fn default_port(scheme: &[u8]) -> Option<u16> {
    if scheme.eq_ignore_ascii_case(b"https") {
        return Some(443);
    }
    scheme.eq_ignore_ascii_case(b"http").then_some(80)
}

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

#[cfg(test)]
mod tests;
