//! Reads the token from `Authorization: Bearer` (RFC 9110 §11.4, RFC 6750 §2.1).
//!
//! The rules, in the order in which the code applies them:
//!
//! 1. No `Authorization` line: no credential. More than one: several credentials, even with different schemes, because
//!    the field may stand only once (RFC 9110 §5.3) and readers differ in which one they take.
//! 2. An empty value is no credential. A value that does not begin with a scheme is malformed.
//! 3. The scheme is compared without regard to case. Any other scheme (`Basic`, `Digest`, …) is not for this crate: no
//!    credential.
//! 4. After `Bearer` come exactly one space and a `token68`, and nothing else. So `Bearer` without a token, `Bearer`
//!    with two spaces, with a tab, with parameters, or with a comma and a second credential are all malformed.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{Credential, CredentialSource, MalformedCredential, is_tchar, judge};

/// What stands in the place of the token, if there is one `Authorization` line and its scheme is `Bearer`.
///
/// Nothing is checked: it is for comparison with tokens that have been accepted before.
pub(super) fn candidate(headers: &HeaderMap) -> Option<&[u8]> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (scheme, token) = lines.next()?.as_bytes().split_first_chunk::<7>()?;
    // Nearly everybody writes it like this, which is one comparison instead of seven.
    let is_bearer = scheme == b"Bearer " || scheme.eq_ignore_ascii_case(b"Bearer ");
    (lines.next().is_none() && is_bearer).then_some(token)
}

/// Reads the credential in the `Authorization` field by the rules of this module.
pub(super) fn read(headers: &HeaderMap) -> Credential<'_> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return Credential::Absent;
    };
    if lines.next().is_some() {
        return Credential::Malformed(MalformedCredential::SeveralCredentials);
    }

    let value = line.as_bytes();
    if value.is_empty() {
        return Credential::Absent;
    }
    let scheme_end = value.iter().position(|&byte| !is_tchar(byte)).unwrap_or(value.len());
    let (scheme, rest) = value.split_at(scheme_end);
    if scheme.is_empty() {
        return MALFORMED;
    }
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Credential::Absent;
    }
    match rest {
        [b' ', token @ ..] => judge(token, CredentialSource::Bearer),
        _ => MALFORMED,
    }
}

const MALFORMED: Credential<'static> = Credential::Malformed(MalformedCredential::BadSyntax(CredentialSource::Bearer));

#[cfg(test)]
mod tests;
