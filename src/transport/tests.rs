use http::HeaderValue;
use http::header::{AUTHORIZATION, COOKIE};
use proptest::prelude::*;

use super::cookie::CookieOptions;
use super::*;

const GOOD: &str = "eyJ.good.sig";
const EVIL: &str = "eyJ.evil.sig";

fn reader() -> CookieReader {
    CookieOptions::new().build().unwrap().reader()
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
        assert_eq!(Transport::Both(reader()).read(&headers), expect, "{authorization:?} {cookie:?}");
    }
}

/// S69.
#[test]
fn transport_that_was_not_chosen_is_not_read() {
    let headers = request(Some("Bearer eyJ.good.sig"), Some("__Host-session=eyJ.evil.sig"));
    assert_eq!(Transport::Bearer.read(&headers), token(GOOD, CredentialSource::Bearer));
    assert_eq!(Transport::Cookie(reader()).read(&headers), token(EVIL, CredentialSource::Cookie));

    let headers = request(Some("Bearer"), Some("__Host-session=a; __Host-session=b"));
    let bad = Credential::Malformed(MalformedCredential::BadSyntax(CredentialSource::Bearer));
    assert_eq!(Transport::Bearer.read(&headers), bad);
    let ambiguous = Credential::Malformed(MalformedCredential::AmbiguousCookie);
    assert_eq!(Transport::Cookie(reader()).read(&headers), ambiguous);
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
        prop_assert_eq!(Transport::Both(reader()).read(&headers), expect);
    }
}
