//! How tokens travel: in the `Authorization` field, in a cookie, or in either of the two.
//!
//! 1. The application chooses one [`Transport`]. Requests are read, and sign-ins responded to, accordingly. A token
//!    anywhere else is ignored.
//! 2. Options that a browser would refuse, or that break the promise of a cookie's name, are refused by `build()`:
//!    [`CookieError`].
//! 3. Browsers attach a cookie no matter which site causes the request. Requests that are authenticated by one are
//!    therefore checked for their origin, unless they only read.
//!
//! # Requests that other sites cause
//!
//! The check relies on header fields that browsers set and scripts cannot change: `Sec-Fetch-Site`, and `Origin` for
//! browsers that lack it. It needs no tokens in forms. The session layer applies it to every request that is
//! authenticated by a cookie, and the extractor [`ClientInfo`](crate::ClientInfo) to sign-ins whose response sets a
//! cookie. The first rule that fits decides:
//!
//! 1. The credential is a bearer token: allowed. No site can make a browser attach one.
//! 2. `Sec-Fetch-Site` is `same-origin` or `none` (an address typed in, a bookmark): allowed.
//! 3. The request only reads: allowed. `GET`, `HEAD` and `OPTIONS` do, unless they open a connection on which more
//!    follows: by an `Upgrade` field, as the handshake of a WebSocket does, or by `Accept: text/event-stream`, as
//!    `EventSource` does. All other methods go on, `TRACE` and the `CONNECT` of WebSockets over HTTP/2 included. Fields
//!    that ask for another method are not read.
//! 4. `Origin` is one of [`trusted_origins`](crate::manager::SessionManagerBuilder::trusted_origins): allowed.
//! 5. `Sec-Fetch-Site` says anything else: denied, also `same-site`. A sibling subdomain is another origin.
//! 6. `Origin` is present: allowed if it is the request's own, otherwise denied. The own origin has the authority of
//!    the request's target (`:authority` in HTTP/2), else that of `Host`. Host names are compared without case, and a
//!    default port equals none.
//! 7. **Neither field is present**: no browser of the last years has sent this request, since they send
//!    `Sec-Fetch-Site` over HTTPS and to localhost, and `Origin` with every unsafe request and every WebSocket
//!    handshake. It is allowed by the session layer and by `ClientInfo`. The ready-made routes and the page deny it
//!    unless it only reads.
//!
//! A field that stands twice, or is empty, equals nothing. A denied request is a 403 with the code `csrf_denied`, and
//! the event [`CsrfDenied`](crate::event::SessionEvent::CsrfDenied).
//!
//! Other streams that are opened by a cookie, such as downloads of unknown length, are recognised by their response:
//! [`EndStreamsLayer`](crate::middleware::EndStreamsLayer) applies rules 2, 4 and 5, and denies those that a page of
//! another origin has fetched. A link that leads there is allowed.
//!
//! - A safe method must have no effect: that is the application's duty.
//! - A proxy must pass on `Origin`, `Sec-Fetch-Site` and `Host` unchanged. If it rewrites `Host`, name the public
//!   origin as trusted.
//! - Rule 6 cannot see the scheme that the browser used: a page of `http://` the same host passes in a browser without
//!   `Sec-Fetch-Site`. Strict transport security closes that.
//!
//! # Examples
//!
//! ```
//! use tower_device_sessions::{
//!     KeyRing, SessionManager,
//!     credentials::{CookieOptions, SameSite, Transport},
//!     store::MemoryStore,
//! };
//!
//! let sessions = SessionManager::builder(MemoryStore::new())
//!     .keys(KeyRing::random()?)
//!     .transport(Transport::Cookie(CookieOptions::new().same_site(SameSite::Strict)))
//!     .build()?;
//! # let _ = sessions;
//! # Ok::<(), tower_device_sessions::ConfigError>(())
//! ```

mod cookie;
mod cookie_error;
mod domain;
mod origin;

pub(crate) use self::{
    cookie::SessionCookie,
    origin::{CsrfPolicy, Undeclared},
};
pub use self::{
    cookie::{CookieOptions, SameSite},
    cookie_error::CookieError,
    origin::InvalidOrigin,
};

use std::{fmt, time::Duration};

/// How access tokens travel.
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_enums, reason = "these are the ways there are, and applications choose one")]
pub enum Transport {
    /// In `Authorization: Bearer`. Sign-ins return the token as JSON. The default.
    #[default]
    Bearer,
    /// In a cookie that no script can read. Sign-ins return `Set-Cookie`, and JSON without the token.
    Cookie(CookieOptions),
    /// In either of the two, for an application with browsers and other clients.
    ///
    /// A sign-in returns the token both ways, unless the handler chooses one of them
    /// ([`StartedSession::in_body`](crate::StartedSession::in_body),
    /// [`StartedSession::in_cookie`](crate::StartedSession::in_cookie)). A renewed token is returned in every way that
    /// the old one came, and in no other. So no script can get the token that a cookie holds, and a client that keeps
    /// cookies beside its token has the same session in both.
    ///
    /// A request whose header and cookie hold tokens of two live sessions is refused with 400. A token of an ended
    /// session does not count beside one of a live session.
    Both(CookieOptions),
}

/// Where in the request a credential stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialSource {
    /// The `Authorization` field with the scheme `Bearer`, or the caller itself.
    Bearer,
    /// The session cookie. Browsers attach it by themselves, so that unsafe requests need the CSRF
    /// check.
    Cookie,
    /// Both of them, with tokens of one session: a client that sends its token and keeps cookies, too. It counts as
    /// [`Bearer`](Self::Bearer), and gets new tokens both ways.
    Both,
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer => "authorization field",
            Self::Cookie => "session cookie",
            Self::Both => "authorization field and session cookie",
        })
    }
}

/// A [`Transport`] that was checked, with all that belongs to it.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// Whether tokens travel in the `Authorization` field and in bodies.
    pub(crate) bearer: bool,
    /// The cookie of the access token.
    pub(crate) cookie: Option<SessionCookie>,
    /// The cookie of the refresh token.
    pub(crate) refresh_cookie: Option<SessionCookie>,
    /// Where unsafe requests with a cookie may come from; `None` when the application checks that itself.
    pub(crate) csrf: Option<CsrfPolicy>,
    pub(crate) site_data: SiteData,
    /// Whether the cookies work over plain HTTP.
    pub(crate) insecure: bool,
}

/// What a sign-out asks the browser to do with what it keeps of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SiteData {
    Kept,
    Cleared,
}

impl Credentials {
    /// # Errors
    ///
    /// The first [`CookieError`] of either cookie.
    pub(crate) fn new(
        transport: &Transport,
        refresh_path: Option<&str>,
        csrf: Option<CsrfPolicy>,
    ) -> Result<Self, CookieError> {
        let (bearer, options) = match transport {
            Transport::Bearer => {
                let site_data = SiteData::Kept;
                return Ok(Self { bearer: true, cookie: None, refresh_cookie: None, csrf, site_data, insecure: false });
            }
            Transport::Cookie(options) => (false, options),
            Transport::Both(options) => (true, options),
        };
        let mut refresh = options.sibling("refresh").kept_at_home();
        if let Some(path) = refresh_path {
            refresh = refresh.path(path);
        }
        let (cookie, refresh_cookie) = (Some(options.build()?), Some(refresh.build()?));
        let insecure = options.is_insecure();
        Ok(Self { bearer, cookie, refresh_cookie, csrf, site_data: SiteData::Kept, insecure })
    }
}

/// How long a browser keeps a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieLifetime {
    /// Until the browser is closed: no `Max-Age`.
    BrowserSession,
    /// For this long, in whole seconds, rounded down so that no cookie outlives its session.
    MaxAge(Duration),
}

/// Tells whether all of `value` is `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
/// (a `token68`, RFC 9110 §11.2).
pub(crate) fn is_token68(value: &[u8]) -> bool {
    let Some(last) = value.iter().rposition(|&byte| byte != b'=') else {
        return false;
    };
    // Every request pays for this loop. Without an early exit it compiles to vector instructions.
    let invalid = value[..=last].iter().fold(0, |invalid, &byte| invalid | u8::from(!is_token68_byte(byte)));
    invalid == 0
}

fn is_token68_byte(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // "-", "." and "/" stand right before the digits.
    let digit_or_mark = byte.wrapping_sub(b'-') <= b'9' - b'-';
    letter | digit_or_mark | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

/// Tells whether `byte` is a `tchar`, of which schemes and cookie names are made (RFC 9110 §5.6.2).
pub(crate) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn token68_alphabet_is_exactly_that_of_the_grammar() {
        for byte in 0..=u8::MAX {
            let listed = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_token68_byte(byte), listed, "{}", byte.escape_ascii());
        }
    }

    proptest! {
        /// R36: one odd byte is found wherever it stands, also past what fits one vector register.
        #[test]
        fn one_foreign_byte_anywhere_is_not_a_token(
            length in 1_usize..200,
            at in any::<prop::sample::Index>(),
            byte: u8,
        ) {
            let mut value = vec![b'a'; length];
            prop_assert!(is_token68(&value));
            let at = at.index(length);
            value[at] = byte;
            let padding = byte == b'=' && at == length - 1 && length > 1;
            prop_assert_eq!(is_token68(&value), is_token68_byte(byte) || padding);
        }
    }
}
