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

/// At most four cookies of our name are looked at.
#[test]
fn a_flood_of_cookies_of_our_name_is_cut() {
    let line: Vec<String> = (0..100).map(|number| format!("__Host-session=t{number}")).collect();
    let headers = request(None, Some(&line.join("; ")));
    let Credential::Several(tokens) = read(&cookie(), None, &headers) else {
        panic!("several");
    };
    assert_eq!(tokens.len(), 4);
}

/// S70, and rules 5 to 7 of the module.
#[test]
fn header_and_cookie_are_read_together() {
    use CredentialSource::Both;
    use CredentialSource::{Bearer, Cookie};
    use MalformedCredential::{BadSyntax, TooLarge};

    let huge = format!("__Host-session={}", "a".repeat(9_000));
    let table = [
        (None, None, Credential::Absent),
        (Some("Bearer eyJ.good.sig"), None, token(GOOD, Bearer)),
        (None, Some("__Host-session=eyJ.good.sig"), token(GOOD, Cookie)),
        (Some("Bearer eyJ.good.sig"), Some("__Host-session=eyJ.good.sig"), token(GOOD, Both)),
        (Some("Bearer eyJ.good.sig"), Some("a=b; __Host-session="), token(GOOD, Bearer)),
        (Some("Basic dXNlcjpwYXNz"), Some("__Host-session=eyJ.good.sig"), token(GOOD, Cookie)),
        (Some("Basic dXNlcjpwYXNz"), None, Credential::Absent),
        (Some("Bearer eyJ.good.sig"), Some("__Host-session=eyJ.evil.sig"), several(&[(GOOD, Bearer), (EVIL, Cookie)])),
        (
            Some("Bearer eyJ.good.sig"),
            Some("__Host-session=eyJ.good.sig; __Host-session=eyJ.good.sig"),
            token(GOOD, Both),
        ),
        (
            Some("Bearer eyJ.good.sig"),
            Some("__Host-session=eyJ.evil.sig; __Host-session=eyJ.good.sig"),
            several(&[(GOOD, Both), (EVIL, Cookie)]),
        ),
        (None, Some("__Host-session=eyJ.evil.sig; __Host-session=eyJ.evil.sig"), token(EVIL, Cookie)),
        (
            None,
            Some("__Host-session=eyJ.evil.sig; __Host-session=\"x\"; __Host-session=eyJ.good.sig"),
            several(&[(EVIL, Cookie), (GOOD, Cookie)]),
        ),
        (None, Some("__Host-session=a b; __Host-session=\"x\""), Credential::Malformed(BadSyntax(Cookie))),
        // What is no token beside one is somebody else's, or left over.
        (Some("Bearer eyJ.good.sig"), Some("__Host-session=\"eyJ.good.sig\""), token(GOOD, Bearer)),
        (Some("Bearer eyJ.good.sig"), Some(&huge), token(GOOD, Bearer)),
        (None, Some(&huge), Credential::Malformed(TooLarge(Cookie))),
        (Some("Bearer"), Some("__Host-session=eyJ.good.sig"), token(GOOD, Cookie)),
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
    let source = CredentialSource::Cookie;
    assert_eq!(read(&cookie(), None, &headers), several(&[("a", source), ("b", source)]));
}

fn several<'a>(tokens: &[(&'a str, CredentialSource)]) -> Credential<'a> {
    Credential::Several(tokens.iter().map(|(token, source)| (token.as_bytes(), *source)).collect())
}

/// S91.
#[test]
fn debug_and_display_hide_the_token() {
    let shown = format!("{:?}", token("eyJ-secret", CredentialSource::Cookie));
    assert_eq!(shown, "Token { source: Cookie, .. }");
    assert_eq!(format!("{:?}", Credential::Absent), "Absent");
    assert_eq!(format!("{:?}", several(&[("eyJ-secret", CredentialSource::Bearer)])), "Several(1)");

    let malformed = MalformedCredential::TooLarge(CredentialSource::Cookie);
    assert_eq!(format!("{:?}", Credential::Malformed(malformed)), "Malformed(TooLarge(Cookie))");
    assert_eq!(malformed.to_string(), "the token in the session cookie is larger than 8192 bytes");
    let malformed = MalformedCredential::BadSyntax(CredentialSource::Bearer);
    assert_eq!(malformed.to_string(), "the authorization field does not hold a well-formed token");
}

proptest! {
    /// S70: whatever both transports hold, one token comes out only if no other token went in.
    #[test]
    fn two_different_tokens_are_never_one(bearer in "[a-c]{1,2}", cookie in "[a-c]{1,2}") {
        let authorization = format!("Bearer {bearer}");
        let line = format!("__Host-session={cookie}");
        let headers = request(Some(&authorization), Some(&line));
        let expect = if bearer == cookie {
            token(&bearer, CredentialSource::Both)
        } else {
            several(&[(&bearer, CredentialSource::Bearer), (&cookie, CredentialSource::Cookie)])
        };
        prop_assert_eq!(read(&both(), None, &headers), expect);
    }
}
