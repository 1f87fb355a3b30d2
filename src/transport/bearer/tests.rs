use http::HeaderValue;
use proptest::prelude::*;

use super::*;

enum Expect {
    Token(&'static str),
    Absent,
    Bad,
}
use Expect::{Absent, Bad, Token};

fn lines(values: &[&[u8]]) -> HeaderMap {
    let line = |value: &&[u8]| (AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
    values.iter().map(line).collect()
}

/// S71.
#[test]
fn scheme_is_case_insensitive_and_the_token_is_byte_exact() {
    let table: &[(&[u8], Expect)] = &[
        (b"Bearer eyJ.good.sig", Token("eyJ.good.sig")),
        (b"bearer eyJ.good.sig", Token("eyJ.good.sig")),
        (b"BEARER eyJ.good.sig", Token("eyJ.good.sig")),
        (b"bEaReR eyJ.good.sig", Token("eyJ.good.sig")),
        (b"Bearer AZaz09-._~+/", Token("AZaz09-._~+/")),
        (b"Bearer abc==", Token("abc==")),
        (b"Bearer x", Token("x")),
        (b"Bearer undefined", Token("undefined")),
        (b"", Absent),
        (b"Basic dXNlcjpwYXNz", Absent),
        (b"Digest username=\"a\", realm=\"b\"", Absent),
        (b"DPoP eyJ.good.sig", Absent),
        (b"BearerX eyJ.good.sig", Absent),
        (b"Bearer-Token eyJ.good.sig", Absent),
        (b"Beare eyJ.good.sig", Absent),
        (b"eyJ.good.sig", Absent),
        (b"Basic x, Bearer eyJ.good.sig", Absent),
        (b"Bearer", Bad),
        (b"Bearer ", Bad),
        (b"Bearer  eyJ.good.sig", Bad),
        (b"Bearer\teyJ.good.sig", Bad),
        (b"Bearer \teyJ.good.sig", Bad),
        (b"Bearer:eyJ.good.sig", Bad),
        (b"Bearer=eyJ.good.sig", Bad),
        (b"Bearer,eyJ.good.sig", Bad),
        (b"Bearer eyJ.good.sig ", Bad),
        (b"Bearer eyJ.good.sig\t", Bad),
        (b"Bearer eyJ.good.sig x", Bad),
        (b"Bearer eyJ.good.sig,", Bad),
        (b"Bearer eyJ.good.sig, Bearer eyJ.evil.sig", Bad),
        (b"Bearer eyJ.good.sig;a=b", Bad),
        (b"Bearer \"eyJ.good.sig\"", Bad),
        (b"Bearer token=\"eyJ.good.sig\"", Bad),
        (b"Bearer eyJ%2Egood%2Esig", Bad),
        (b"Bearer eyJ=.good.sig", Bad),
        (b"Bearer =", Bad),
        (b"Bearer ===", Bad),
        (b"Bearer eyJ.g\xc3\xb6\xc3\xb6d.sig", Bad),
        (b"Bearer \xff", Bad),
        (b"Bearer\xa0eyJ.good.sig", Bad),
        (b" Bearer eyJ.good.sig", Bad),
        (b"\tBearer eyJ.good.sig", Bad),
        (b"\"Bearer\" eyJ.good.sig", Bad),
        (b"\xff\xfe", Bad),
    ];
    for (value, expect) in table {
        let expect = match expect {
            Token(token) => Credential::Token { token: token.as_bytes(), source: CredentialSource::Bearer },
            Absent => Credential::Absent,
            Bad => MALFORMED,
        };
        assert_eq!(read(&lines(&[value])), expect, "{}", value.escape_ascii());
    }
    assert_eq!(read(&HeaderMap::new()), Credential::Absent);
}

/// S70.
#[test]
fn two_authorization_lines_are_several_credentials_whatever_they_hold() {
    for second in [&b"Bearer eyJ.good.sig"[..], b"Bearer eyJ.evil.sig", b"Basic dXNlcjpwYXNz", b"", b"\xff"] {
        for both in [[b"Bearer eyJ.good.sig", second], [second, b"Bearer eyJ.good.sig"], [second, second]] {
            let several = Credential::Malformed(MalformedCredential::SeveralCredentials);
            assert_eq!(read(&lines(&both)), several, "{}", second.escape_ascii());
        }
    }
}

/// S19, R35.
#[test]
fn token_of_8192_bytes_is_read_and_a_longer_one_is_not_even_looked_at() {
    let bearer = |token: &[u8]| lines(&[&[b"Bearer ", token].concat()]);
    let too_large = Credential::Malformed(MalformedCredential::TooLarge(CredentialSource::Bearer));

    let longest = vec![b'a'; 8_192];
    let expect = Credential::Token { token: &longest, source: CredentialSource::Bearer };
    assert_eq!(read(&bearer(&longest)), expect);
    assert_eq!(read(&bearer(&[b'a'; 8_193])), too_large);
    assert_eq!(read(&bearer(&[b'"'; 8_193])), too_large);
    assert_eq!(read(&bearer(&vec![b'a'; 400 * 1024])), too_large);
}

/// S69.
#[test]
fn token_in_another_header_does_not_exist() {
    for name in ["proxy-authorization", "x-authorization", "x-access-token", "cookie", "access_token"] {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static("Bearer eyJ.good.sig"));
        assert_eq!(read(&headers), Credential::Absent, "{name}");
    }
}

/// What the grammar says, one byte after the other.
fn reference(value: &[u8]) -> Credential<'_> {
    if value.is_empty() {
        return Credential::Absent;
    }
    let scheme = value.split(|&byte| !is_tchar(byte)).next().unwrap();
    match scheme.to_ascii_lowercase().as_slice() {
        b"" => return MALFORMED,
        b"bearer" => {}
        _ => return Credential::Absent,
    }
    let Some(token) = value[6..].strip_prefix(b" ") else {
        return MALFORMED;
    };
    let body = String::from_utf8_lossy(token);
    let body = body.trim_end_matches('=');
    let valid = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    if body.is_empty() || !body.chars().all(valid) {
        return MALFORMED;
    }
    Credential::Token { token, source: CredentialSource::Bearer }
}

proptest! {
    /// S71, R36: every value is a token, none, or malformed, and it is the one that the grammar
    /// says.
    #[test]
    fn reading_is_total_and_agrees_with_the_grammar(
        scheme in "(Bearer|bearer|Basic|Bearer2)?",
        gap in "[ \t]{0,2}",
        rest in prop::collection::vec(prop_oneof![
            8 => prop::sample::select(&b"abcXYZ019-._~+/"[..]),
            1 => prop::sample::select(&b"= ,;\"%\t\x80\xff"[..]),
        ], 0..40),
    ) {
        let value = [scheme.as_bytes(), gap.as_bytes(), &rest].concat();
        let headers = lines(&[&value]);
        prop_assert_eq!(read(&headers), reference(&value));
    }

    /// R36.
    #[test]
    fn arbitrary_bytes_never_panic(value in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(line) = HeaderValue::from_bytes(&value) {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, line)]);
            prop_assert_eq!(read(&headers), reference(&value));
        }
    }
}
