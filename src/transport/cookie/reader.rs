//! Reads one cookie from the `Cookie` lines of a request, byte for byte.
//!
//! The rules, in the order in which the code applies them:
//!
//! 1. All `Cookie` lines are read, in order: HTTP/2 clients split the field (RFC 9113 §8.2.3).
//! 2. `;` alone separates cookies. A comma does not, and quotes do not protect a `;`.
//! 3. Spaces and tabs around a cookie are dropped, no other white space: not U+2000, not 0x85, and
//!    none in front of the `=`.
//! 4. The name ends at the first `=` and must equal ours in every byte. Nothing is percent-decoded,
//!    no case is folded, so that `__%48ost-session` and `__host-session` are strangers. A cookie
//!    without `=` is none of ours.
//! 5. Two cookies of our name are ambiguous, whatever their values: their order tells nothing.
//! 6. An empty value is no credential; that is what a cleared cookie looks like.
//! 7. The value is taken as it stands and must be a token. Quotes are part of a value, and no token
//!    has them.
//!
//! What other cookies hold, odd bytes included, changes nothing.

use http::HeaderMap;
use http::header::COOKIE;

use crate::{
    credentials::CredentialSource,
    transport::{Credential, MalformedCredential, judge},
};

/// Reads the credential in the cookie named `name`, by the rules of this module.
pub(crate) fn read<'a>(name: &str, headers: &'a HeaderMap) -> Credential<'a> {
    match find(name, headers) {
        Ok(None | Some([])) => Credential::Absent,
        Ok(Some(value)) => judge(value, CredentialSource::Cookie),
        Err(malformed) => Credential::Malformed(malformed),
    }
}

/// The value of the one cookie named `name`, not judged: for whoever compares it with tokens that have been.
pub(crate) fn candidate<'a>(name: &str, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    find(name, headers).ok().flatten()
}

/// Rules 1 to 5.
fn find<'a>(name: &str, headers: &'a HeaderMap) -> Result<Option<&'a [u8]>, MalformedCredential> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        let mut rest = Some(line.as_bytes());
        while let Some(cookies) = rest {
            let (cookie, others) = split_first(cookies);
            rest = others;
            let Some(value) = value_of(name, cookie.trim_ascii()) else {
                continue;
            };
            if found.replace(value).is_some() {
                return Err(MalformedCredential::AmbiguousCookie);
            }
        }
    }
    Ok(found)
}

/// The value of `cookie`, if it is the one of this name.
fn value_of<'a>(name: &str, cookie: &'a [u8]) -> Option<&'a [u8]> {
    // Our name has no `=`, so the one behind it is the first.
    cookie.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// Splits the first cookie from the others, if there are others.
///
/// A cookie is mostly one long value, so whole blocks without a separator are skipped first: this
/// takes a third of the time of `slice::split`, which goes byte by byte.
fn split_first(cookies: &[u8]) -> (&[u8], Option<&[u8]>) {
    let no_separator = |block: &&[u8]| !block.iter().fold(false, |found, &byte| found | (byte == b';'));
    let skipped = BLOCK * cookies.chunks_exact(BLOCK).take_while(no_separator).count();
    match cookies[skipped..].iter().position(|&byte| byte == b';') {
        Some(at) => (&cookies[..skipped + at], Some(&cookies[skipped + at + 1..])),
        None => (cookies, None),
    }
}

/// As many bytes as are looked at together when searching for a separator.
const BLOCK: usize = 32;
