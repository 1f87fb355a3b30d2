//! Refuses requests that another site has made a browser send with our cookie.
//!
//! It relies on what browsers say about a request and scripts cannot change: `Sec-Fetch-Site`, and
//! for browsers that lack it `Origin`. The scheme is that of Go's `CrossOriginProtection`; it needs
//! neither tokens nor state. A request is judged by the first rule that applies:
//!
//! 1. A bearer token is no cookie: allowed, also when a cookie holds it too. No site can make a browser attach one.
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

use http::header::{HOST, HeaderName, ORIGIN};
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
        if source != CredentialSource::Cookie || safe {
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

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests;
