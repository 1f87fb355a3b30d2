//! Reads what a request presents: nothing, one token, or something that must not be guessed at.
//!
//! The rules, in the order in which the code applies them:
//!
//! 1. Only the transports that the application has chosen are looked at. A token in the URL, in the
//!    body or in any other header field does not exist (RFC 6750 §2.3 and RFC 9700 §4.3.2 say why).
//! 2. The `Authorization` field is read by the rules of `bearer`, all `Cookie` lines by those of
//!    `cookie`.
//! 3. A candidate longer than 8,192 bytes is refused for its length alone; its content is not
//!    looked at.
//! 4. A candidate that is not a `token68` (RFC 9110 §11.2) is refused. Nothing is decoded, trimmed
//!    or repaired.
//! 5. With both transports in use, a credential that is malformed in either refuses the request.
//!    Two tokens that differ refuse it as well (RFC 6750 §2: one method per request). The same
//!    token twice counts as bearer: a cross-site page cannot have set that header, so the request
//!    needs no further proof of its origin.
//!
//! Reading works on header bytes, allocates nothing and takes time linear in the length of the two
//! fields.
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

/// What stands in the place of the one token that a request may carry, judged by no rule.
///
/// It is for whoever knows tokens that have been judged: one that equals such a token, byte by byte, passes every rule
/// too. Where two transports could contradict each other there is no candidate.
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
        (false, Some(cookie)) => cookie::read(cookie, headers),
        (true, Some(cookie)) => reconcile(bearer::read(headers), cookie::read(cookie, headers)),
        (false, None) => Credential::Absent,
    }
}

/// Where to look: whether in the `Authorization` field, and in which cookie.
fn read_from(accepted: &Credentials, only: Option<CredentialSource>) -> (bool, Option<&SessionCookie>) {
    let bearer = accepted.bearer && only != Some(CredentialSource::Cookie);
    let cookie = accepted.cookie.as_ref().filter(|_| only != Some(CredentialSource::Bearer));
    (bearer, cookie)
}

/// What a request carried.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    /// Nothing: the request is anonymous and goes on.
    Absent,
    /// One well-formed token of at most 8,192 bytes, all of them ASCII. Nothing about it is
    /// verified.
    Token { token: &'a [u8], source: CredentialSource },
    /// Something that cannot be read as one token. The request is refused.
    Malformed(MalformedCredential),
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Token { source, .. } => f.debug_struct("Token").field("source", source).finish_non_exhaustive(),
            Self::Malformed(reason) => f.debug_tuple("Malformed").field(reason).finish(),
        }
    }
}

/// Why what a request carried could not be read as one token.
///
/// All but [`TooLarge`](Self::TooLarge) are errors of the request itself, `invalid_request` in the
/// words of RFC 6750 §3.1, answered with 400. Too large a token is a bad token, `invalid_token`,
/// answered with 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MalformedCredential {
    /// Two `Authorization` lines, or a header and a cookie that hold different tokens.
    SeveralCredentials,
    /// Two cookies of our name, even if they are equal: no browser stores two `__Host-` cookies of
    /// one name.
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

/// Rule 5: makes one credential of the two that were read.
fn reconcile<'a>(bearer: Credential<'a>, cookie: Credential<'a>) -> Credential<'a> {
    match (bearer, cookie) {
        (Credential::Absent, other) | (other, Credential::Absent) => other,
        (malformed @ Credential::Malformed(_), _) | (_, malformed @ Credential::Malformed(_)) => malformed,
        (Credential::Token { token, .. }, Credential::Token { token: other, .. }) if token == other => bearer,
        _ => Credential::Malformed(MalformedCredential::SeveralCredentials),
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
