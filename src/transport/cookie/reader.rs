//! Reads one cookie from the `Cookie` lines of a request, byte for byte.
//!
//! The rules, in the order in which the code applies them:
//!
//! 1. All `Cookie` lines are read, in order: HTTP/2 clients split the field (RFC 9113 §8.2.3).
//! 2. Only `;` separates cookies. A comma does not, and quotes do not protect a `;`.
//! 3. Spaces and tabs around a cookie are dropped, no other white space: not U+2000, not 0x85, and
//!    none in front of the `=`.
//! 4. The name ends at the first `=` and must equal ours in every byte. Nothing is percent-decoded,
//!    no case is folded, so that `__%48ost-session` and `__host-session` are strangers. A cookie
//!    without `=` is none of ours.
//! 5. Two cookies of our name are ambiguous, whatever their values, because their order means nothing. Those whose
//!    values are tokens can be read one by one, for the manager to tell which of them is live.
//! 6. An empty value is no credential; that is what a cleared cookie looks like.
//! 7. The value is taken as it stands and must be a token. Quotes are part of a value, and no token
//!    has them.
//!
//! The contents of other cookies, odd bytes included, change nothing.

use std::ops::ControlFlow;

use http::HeaderMap;
use http::header::COOKIE;
use memchr::memchr;

use crate::{
    credentials::{CredentialSource, SessionCookie},
    transport::{Credential, MalformedCredential, judge},
};

/// Reads the credential in a cookie, by the rules of this module.
pub(crate) fn read<'a>(cookie: &SessionCookie, headers: &'a HeaderMap) -> Credential<'a> {
    match find(cookie, headers) {
        Ok(None | Some([])) => Credential::Absent,
        Ok(Some(value)) => judge(value, CredentialSource::Cookie),
        Err(malformed) => Credential::Malformed(malformed),
    }
}

/// The value of the one cookie of this name, without any check, for comparison with tokens that have been accepted
/// before.
pub(crate) fn candidate<'a>(cookie: &SessionCookie, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    find(cookie, headers).ok().flatten()
}

/// The tokens in the cookies of this name, each once, and at most four.
pub(crate) fn tokens<'a>(cookie: &SessionCookie, headers: &'a HeaderMap) -> Vec<&'a [u8]> {
    let mut tokens = Vec::new();
    each(cookie, headers, |value| {
        let is_token = matches!(judge(value, CredentialSource::Cookie), Credential::Token { .. });
        if is_token && !tokens.contains(&value) {
            tokens.push(value);
        }
        if tokens.len() < MOST_TOKENS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    tokens
}

/// Rules 1 to 5.
fn find<'a>(cookie: &SessionCookie, headers: &'a HeaderMap) -> Result<Option<&'a [u8]>, MalformedCredential> {
    let (mut found, mut ambiguous) = (None, false);
    each(cookie, headers, |value| {
        ambiguous = found.replace(value).is_some();
        if ambiguous { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if ambiguous { Err(MalformedCredential::AmbiguousCookie) } else { Ok(found) }
}

/// Rules 1 to 4: calls `found` with the value of each cookie of this name, until it has enough.
///
/// It looks for our name and then at what is in front of it, instead of taking every cookie apart: that takes a third
/// of the time.
#[inline]
fn each<'a>(cookie: &SessionCookie, headers: &'a HeaderMap, mut found: impl FnMut(&'a [u8]) -> ControlFlow<()>) {
    for line in headers.get_all(COOKIE) {
        let (line, mut searched) = (line.as_bytes(), 0);
        while let Some(at) = cookie.beginning.find(&line[searched..]) {
            let start = searched + at;
            let value = start + cookie.beginning.needle().len();
            // No cookie begins inside of another one.
            searched = memchr(b';', &line[value..]).map_or(line.len(), |length| value + length);
            if is_beginning(&line[..start]) && found(line[value..searched].trim_ascii_end()).is_break() {
                return;
            }
        }
    }
}

/// Whether a cookie begins behind these bytes. Those of a header field have no white space but spaces and tabs.
fn is_beginning(before: &[u8]) -> bool {
    matches!(before.trim_ascii_end(), [] | [.., b';'])
}

/// A browser has one for each path and domain that the cookie ever had.
const MOST_TOKENS: usize = 4;
