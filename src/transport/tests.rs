use http::HeaderValue;
use http::header::{AUTHORIZATION, COOKIE};
use proptest::prelude::*;

use super::*;
use crate::credentials::{CookieOptions, Transport};

const GOOD: &str = "eyJ.good.sig";
const EVIL: &str = "eyJ.evil.sig";

fn chosen(transport: Transport) -> Credentials {
    Credentials::new(&transport, None, None).unwrap()
}

fn cookie() -> Credentials {
    chosen(Transport::Cookie(CookieOptions::new()))
}

fn both() -> Credentials {
    chosen(Transport::Both(CookieOptions::new()))
}

fn request(authorization: Option<&str>, cookie: Option<&str>) -> HeaderMap {
    let line = |value: &str| HeaderValue::from_str(value).unwrap();
    let authorization = authorization.map(|value| (AUTHORIZATION, line(value)));
    authorization.into_iter().chain(cookie.map(|value| (COOKIE, line(value)))).collect()
}

fn token(token: &str, source: CredentialSource) -> Credential<'_> {
    Credential::Token { token: token.as_bytes(), source }
}

/// S70, and rule 5 of the module.
#[test]
fn header_and_cookie_must_agree() {
    use CredentialSource::{Bearer, Cookie};
    use MalformedCredential::{AmbiguousCookie, BadSyntax, SeveralCredentials, TooLarge};

    let huge = format!("__Host-session={}", "a".repeat(9_000));
    let table = [
        (None, None, Credential::Absent),
        (Some("Bearer eyJ.good.sig"), None, token(GOOD, Bearer)),
        (None, Some("__Host-session=eyJ.good.sig"), token(GOOD, Cookie)),
        (Some("Bearer eyJ.good.sig"), Some("__Host-session=eyJ.good.sig"), token(GOOD, Bearer)),
        (Some("Bearer eyJ.good.sig"), Some("a=b; __Host-session="), token(GOOD, Bearer)),
        (Some("Basic dXNlcjpwYXNz"), Some("__Host-session=eyJ.good.sig"), token(GOOD, Cookie)),
        (Some("Basic dXNlcjpwYXNz"), None, Credential::Absent),
        (Some("Bearer eyJ.good.sig"), Some("__Host-session=eyJ.evil.sig"), Credential::Malformed(SeveralCredentials)),
        (
            Some("Bearer eyJ.good.sig"),
            Some("__Host-session=eyJ.good.sig; __Host-session=eyJ.good.sig"),
            Credential::Malformed(AmbiguousCookie),
        ),
        (
            Some("Bearer eyJ.good.sig"),
            Some("__Host-session=\"eyJ.good.sig\""),
            Credential::Malformed(BadSyntax(Cookie)),
        ),
        (Some("Bearer eyJ.good.sig"), Some(&huge), Credential::Malformed(TooLarge(Cookie))),
        (Some("Bearer"), Some("__Host-session=eyJ.good.sig"), Credential::Malformed(BadSyntax(Bearer))),
        (Some("Bearer"), Some("__Host-session=\"\""), Credential::Malformed(BadSyntax(Bearer))),
    ];
    for (authorization, cookie, expect) in table {
        let headers = request(authorization, cookie);
        assert_eq!(read(&both(), None, &headers), expect, "{authorization:?} {cookie:?}");
    }
}

/// S69.
#[test]
fn transport_that_was_not_chosen_is_not_read() {
    let headers = request(Some("Bearer eyJ.good.sig"), Some("__Host-session=eyJ.evil.sig"));
    assert_eq!(read(&chosen(Transport::Bearer), None, &headers), token(GOOD, CredentialSource::Bearer));
    assert_eq!(read(&cookie(), None, &headers), token(EVIL, CredentialSource::Cookie));

    let headers = request(Some("Bearer"), Some("__Host-session=a; __Host-session=b"));
    let bad = Credential::Malformed(MalformedCredential::BadSyntax(CredentialSource::Bearer));
    assert_eq!(read(&chosen(Transport::Bearer), None, &headers), bad);
    let ambiguous = Credential::Malformed(MalformedCredential::AmbiguousCookie);
    assert_eq!(read(&cookie(), None, &headers), ambiguous);
}

/// S91.
#[test]
fn debug_and_display_hide_the_token() {
    let shown = format!("{:?}", token("eyJ-secret", CredentialSource::Cookie));
    assert_eq!(shown, "Token { source: Cookie, .. }");
    assert_eq!(format!("{:?}", Credential::Absent), "Absent");

    let malformed = MalformedCredential::TooLarge(CredentialSource::Cookie);
    assert_eq!(format!("{:?}", Credential::Malformed(malformed)), "Malformed(TooLarge(Cookie))");
    assert_eq!(malformed.to_string(), "the token in the session cookie is larger than 8192 bytes");
    let malformed = MalformedCredential::BadSyntax(CredentialSource::Bearer);
    assert_eq!(malformed.to_string(), "the authorization field does not hold a well-formed token");
}

proptest! {
    /// S70: whatever both transports hold, a token comes out only if no other token went in.
    #[test]
    fn two_different_tokens_never_authenticate(bearer in "[a-c]{1,2}", cookie in "[a-c]{1,2}") {
        let authorization = format!("Bearer {bearer}");
        let line = format!("__Host-session={cookie}");
        let headers = request(Some(&authorization), Some(&line));
        let expect = if bearer == cookie {
            token(&bearer, CredentialSource::Bearer)
        } else {
            Credential::Malformed(MalformedCredential::SeveralCredentials)
        };
        prop_assert_eq!(read(&both(), None, &headers), expect);
    }
}
