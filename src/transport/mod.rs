//! Reads the credential of a request: nothing, one token, or something malformed, without guessing.
//!
//! The rules, in the order in which the code applies them:
//!
//! 1. Only the transports that the application has chosen are looked at. A token in the URL, in the body or in any
//!    other header field is ignored (see RFC 6750 §2.3 and RFC 9700 §4.3.2).
//! 2. The `Authorization` field is read by the rules of `bearer`, all `Cookie` lines by those of
//!    `cookie`.
//! 3. A candidate longer than 8,192 bytes is refused without looking at its content.
//! 4. A candidate that is not a `token68` (RFC 9110 §11.2) is refused. Nothing is decoded, trimmed
//!    or repaired.
//! 5. Something malformed beside a token does not count: it is left over, or belongs to another program.
//! 6. The same token in both transports came both ways. It needs no further proof of its origin: a
//!    cross-site page cannot have set the header.
//! 7. Tokens that differ are several: header and cookie, or cookies of one name for two paths or
//!    domains. Only the manager can tell which of them is live. At most four cookies of our name are read.
//!
//! Reading works on header bytes, takes time linear in the length of the two fields, and allocates
//! nothing unless there are several tokens.
//!
//! # Security
//!
//! What comes out as a token is only well-formed. It proves nothing until its signature has been
//! verified. Tokens are kept out of `Debug`.

use std::fmt;

use http::HeaderMap;

use crate::credentials::{CredentialSource, Credentials, SessionCookie, is_tchar, is_token68};

mod answer;
mod bearer;
pub(crate) mod cookie;
mod csrf;

/// The bytes in the place of the one token that a request may carry, without applying any rule.
///
/// It is for comparison with tokens that have been accepted before: bytes that equal such a token pass every rule too.
/// Where two transports could contradict each other there is no candidate.
pub(crate) fn candidate<'a>(
    accepted: &Credentials,
    only: Option<CredentialSource>,
    headers: &'a HeaderMap,
) -> Option<(&'a [u8], CredentialSource)> {
    match read_from(accepted, only) {
        (true, None) => Some((bearer::candidate(headers)?, CredentialSource::Bearer)),
        (false, Some(cookie)) => Some((cookie::candidate(cookie, headers)?, CredentialSource::Cookie)),
        (true, Some(_)) | (false, None) => None,
    }
}

/// Reads the one credential of a request by the rules of this module; `only` leaves all but one transport unread.
pub(crate) fn read<'a>(
    accepted: &Credentials,
    only: Option<CredentialSource>,
    headers: &'a HeaderMap,
) -> Credential<'a> {
    match read_from(accepted, only) {
        (true, None) => bearer::read(headers),
        (false, Some(cookie)) => read_cookies(cookie, headers),
        (true, Some(cookie)) => reconcile(bearer::read(headers), read_cookies(cookie, headers)),
        (false, None) => Credential::Absent,
    }
}

/// Reads the cookies of this name, of which there is one as a rule.
pub(crate) fn read_cookies<'a>(cookie: &SessionCookie, headers: &'a HeaderMap) -> Credential<'a> {
    let source = CredentialSource::Cookie;
    match cookie::read(cookie, headers) {
        Credential::Malformed(MalformedCredential::AmbiguousCookie) => {}
        one => return one,
    }
    let mut tokens = cookie::tokens(cookie, headers);
    match (tokens.pop(), tokens.is_empty()) {
        (None, _) => Credential::Malformed(MalformedCredential::BadSyntax(source)),
        (Some(token), true) => Credential::Token { token, source },
        (Some(last), false) => {
            Credential::Several(tokens.into_iter().chain([last]).map(|token| (token, source)).collect())
        }
    }
}

/// The well-formed token in the `Authorization` field.
#[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "extractors ask for it"))]
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    match bearer::read(headers) {
        Credential::Token { token, .. } => Some(token),
        Credential::Absent | Credential::Several(_) | Credential::Malformed(_) => None,
    }
}

/// Where to look: whether in the `Authorization` field, and in which cookie.
fn read_from(accepted: &Credentials, only: Option<CredentialSource>) -> (bool, Option<&SessionCookie>) {
    let bearer = accepted.bearer && only != Some(CredentialSource::Cookie);
    let cookie = accepted.cookie.as_ref().filter(|_| only != Some(CredentialSource::Bearer));
    (bearer, cookie)
}

/// What a request carried.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    /// Nothing: the request is anonymous and goes on.
    Absent,
    /// One well-formed token of at most 8,192 bytes, all of them ASCII. Nothing about it is
    /// verified.
    Token { token: &'a [u8], source: CredentialSource },
    /// Well-formed tokens that differ, that of the `Authorization` field first.
    Several(Vec<(&'a [u8], CredentialSource)>),
    /// Something that cannot be read as a token, and nothing else.
    Malformed(MalformedCredential),
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Token { source, .. } => f.debug_struct("Token").field("source", source).finish_non_exhaustive(),
            Self::Several(tokens) => write!(f, "Several({})", tokens.len()),
            Self::Malformed(reason) => f.debug_tuple("Malformed").field(reason).finish(),
        }
    }
}

/// Why what a request carried could not be read as one token.
///
/// What stands in the `Authorization` field and is no token is an error of the request itself,
/// `invalid_request` in the words of RFC 6750 §3.1, which is a 400 where a session is needed. A token that is too
/// large, and a cookie that holds something else, are bad tokens, `invalid_token`, which are a 401 there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MalformedCredential {
    /// Two `Authorization` lines.
    SeveralCredentials,
    /// Two cookies of our name.
    AmbiguousCookie,
    /// Bytes that no token has, or no token at all where one was announced.
    BadSyntax(CredentialSource),
    /// More than 8,192 bytes.
    TooLarge(CredentialSource),
}

impl fmt::Display for MalformedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeveralCredentials => f.write_str("the request carries more than one credential"),
            Self::AmbiguousCookie => f.write_str("the session cookie occurs more than once"),
            Self::BadSyntax(source) => write!(f, "the {source} does not hold a well-formed token"),
            Self::TooLarge(source) => write!(f, "the token in the {source} is larger than {MAX_TOKEN_BYTES} bytes"),
        }
    }
}

impl std::error::Error for MalformedCredential {}

/// Rules 5 to 7: makes one credential of the two that were read.
fn reconcile<'a>(bearer: Credential<'a>, cookies: Credential<'a>) -> Credential<'a> {
    let token = match bearer {
        Credential::Absent => return cookies,
        Credential::Malformed(MalformedCredential::SeveralCredentials) => return bearer,
        Credential::Token { token, .. } => token,
        left_over => {
            return match cookies {
                Credential::Absent | Credential::Malformed(_) => left_over,
                cookies => cookies,
            };
        }
    };
    let in_cookies = match &cookies {
        Credential::Token { token, source } => &[(*token, *source)][..],
        Credential::Several(tokens) => tokens,
        Credential::Absent | Credential::Malformed(_) => &[],
    };
    let came_twice = in_cookies.iter().any(|(other, _)| *other == token);
    let source = if came_twice { CredentialSource::Both } else { CredentialSource::Bearer };
    let others = in_cookies.iter().filter(|(other, _)| *other != token);
    match others.clone().next() {
        None => Credential::Token { token, source },
        Some(_) => Credential::Several(std::iter::once(&(token, source)).chain(others).copied().collect()),
    }
}

/// Rules 3 and 4: what a candidate is, whichever transport it came by.
fn judge(candidate: &[u8], source: CredentialSource) -> Credential<'_> {
    if candidate.len() > MAX_TOKEN_BYTES {
        return Credential::Malformed(MalformedCredential::TooLarge(source));
    }
    if !is_token68(candidate) {
        return Credential::Malformed(MalformedCredential::BadSyntax(source));
    }
    Credential::Token { token: candidate, source }
}

/// The longest token that is looked at: far above what is issued, far below what would cost
/// anything to refuse.
const MAX_TOKEN_BYTES: usize = 8_192;

#[cfg(test)]
mod tests;
