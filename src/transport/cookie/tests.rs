use std::time::Duration;

use http::header::COOKIE;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::{
    credentials::{CookieOptions, CredentialSource, SameSite},
    transport::{Credential, MalformedCredential},
};

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    cookie_name: String,
    header_lines_latin1: Vec<String>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expect {
    Value(String),
    None,
    Ambiguous,
    Malformed,
    TooLarge,
}

fn options() -> CookieOptions {
    CookieOptions::new()
}

fn cookie_lines(lines: &[Vec<u8>]) -> HeaderMap {
    let line = |line: &Vec<u8>| (COOKIE, HeaderValue::from_bytes(line).unwrap());
    lines.iter().map(line).collect()
}

fn named(name: &str) -> SessionCookie {
    SessionCookie::new(name.to_owned(), String::new())
}

fn set_cookies(headers: &HeaderMap) -> Vec<&[u8]> {
    headers.get_all(SET_COOKIE).iter().map(HeaderValue::as_bytes).collect()
}

/// S61, S62, S63, R35: the table of the project.
#[test]
fn reader_passes_every_row_of_the_table() {
    const TABLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/cookies.json"));
    let vectors: Vectors = serde_json::from_str(TABLE).unwrap();
    assert_eq!(vectors.cases.len(), 36);

    for case in vectors.cases {
        let latin1 = |line: &String| line.chars().map(|c| u8::try_from(c).unwrap()).collect();
        let lines: Vec<Vec<u8>> = case.header_lines_latin1.iter().map(latin1).collect();
        let source = CredentialSource::Cookie;
        let expect = match &case.expect {
            Expect::Value(value) => Credential::Token { token: value.as_bytes(), source },
            Expect::None => Credential::Absent,
            Expect::Ambiguous => Credential::Malformed(MalformedCredential::AmbiguousCookie),
            Expect::Malformed => Credential::Malformed(MalformedCredential::BadSyntax(source)),
            Expect::TooLarge => Credential::Malformed(MalformedCredential::TooLarge(source)),
        };
        assert_eq!(read(&named(&case.cookie_name), &cookie_lines(&lines)), expect, "{}", case.name);
    }
}

/// S61, S62: what the table leaves open.
#[test]
fn reader_is_exact_at_the_edges() {
    use MalformedCredential::{AmbiguousCookie, BadSyntax, TooLarge};

    let source = CredentialSource::Cookie;
    let bad = || Credential::Malformed(BadSyntax(source));
    let ambiguous = || Credential::Malformed(AmbiguousCookie);
    let longest = format!("__Host-session={}", "a".repeat(8_192));
    let longer = format!("__Host-session={}", "a".repeat(8_193));
    let twice = format!("{longer}; {longer}");
    let table: &[(&str, Credential<'_>)] = &[
        ("__Host-session=a=", Credential::Token { token: b"a=", source }),
        ("__Host-session==", bad()),
        ("__Host-session=a=b", bad()),
        ("__Host-session= a", bad()),
        ("__Host-session=\ta", bad()),
        ("__Host-session=a,b", bad()),
        ("__Host-session=; __Host-session=a", ambiguous()),
        ("__Host-session=a; __Host-session=", ambiguous()),
        ("__Host-session=\"a; __Host-session=b\"", ambiguous()),
        ("a=\"x; __Host-session=b", Credential::Token { token: b"b", source }),
        ("__Host-session; __Host-session=b", Credential::Token { token: b"b", source }),
        ("__Host-session =a; __Host-session=b", Credential::Token { token: b"b", source }),
        (&longest, Credential::Token { token: &longest.as_bytes()[15..], source }),
        (&longer, Credential::Malformed(TooLarge(source))),
        (&twice, ambiguous()),
    ];
    for (line, expect) in table {
        assert_eq!(read(&named("__Host-session"), &cookie_lines(&[line.as_bytes().to_vec()])), *expect, "{line}");
    }
}

/// S59, S60: the exact bytes of every attribute.
#[test]
fn set_and_clear_have_exactly_these_bytes() {
    let hour = CookieLifetime::MaxAge(Duration::from_millis(3_600_999));
    let browser = CookieLifetime::BrowserSession;
    let table = [
        (options(), browser, "__Host-session=", "; Path=/; Secure; HttpOnly; SameSite=Lax", ""),
        (options(), hour, "__Host-session=", "; Path=/; Secure; HttpOnly; SameSite=Lax", "; Max-Age=3600"),
        (
            options().name("__Host-Http-app").same_site(SameSite::Strict),
            hour,
            "__Host-Http-app=",
            "; Path=/; Secure; HttpOnly; SameSite=Strict",
            "; Max-Age=3600",
        ),
        (
            options().same_site(SameSite::None),
            browser,
            "__Host-session=",
            "; Path=/; Secure; HttpOnly; SameSite=None",
            "",
        ),
        (
            options().domain("example.com"),
            browser,
            "__Secure-session=",
            "; Path=/; Domain=example.com; Secure; HttpOnly; SameSite=Lax",
            "",
        ),
        (
            options().path("/api/auth"),
            browser,
            "__Secure-session=",
            "; Path=/api/auth; Secure; HttpOnly; SameSite=Lax",
            "",
        ),
        (
            options().name("sid").domain("example.com").path("/api"),
            browser,
            "sid=",
            "; Path=/api; Domain=example.com; Secure; HttpOnly; SameSite=Lax",
            "",
        ),
        (options().insecure_localhost(), hour, "session=", "; Path=/; HttpOnly; SameSite=Lax", "; Max-Age=3600"),
        (
            options().insecure_localhost().name("__Host-Http-app"),
            browser,
            "app=",
            "; Path=/; HttpOnly; SameSite=Lax",
            "",
        ),
        (
            options().domain("example.com").sibling("device"),
            browser,
            "__Secure-device=",
            "; Path=/; Domain=example.com; Secure; HttpOnly; SameSite=Lax",
            "",
        ),
        (
            options().name("__Host-app").sibling("device"),
            browser,
            "__Host-device=",
            "; Path=/; Secure; HttpOnly; SameSite=Lax",
            "",
        ),
    ];
    for (options, lifetime, name, attributes, age) in table {
        let cookie = options.build().unwrap();
        let line = cookie.set("eyJ.good.sig", lifetime).unwrap();
        assert_eq!(line, format!("{name}eyJ.good.sig{attributes}{age}"));
        // S67: clearing differs in nothing but the value and the age.
        assert_eq!(cookie.clear().unwrap(), format!("{name}{attributes}; Max-Age=0"));
        assert_eq!(format!("{}=", cookie.name), name);
    }
}

/// S60.
#[test]
fn illegal_combinations_are_refused_at_build() {
    let name = |name: &str| (options().name(name), CookieError::Name(name.to_owned()));
    let path = |path: &str| (options().path(path), CookieError::Path(path.to_owned()));
    let domain = |domain: &str| (options().domain(domain), CookieError::Domain(domain.to_owned()));
    let (long_name, long_path) = ("n".repeat(129), format!("/{}", "p".repeat(1_024)));
    let (long_label, prefix) = ("d".repeat(254), |name: &str| options().name(name));
    let with_domain = |name: &str| {
        let error = CookieError::PrefixWithDomain(name.to_owned());
        (prefix(name).domain("example.com"), error)
    };
    let with_path = |name: &str| (prefix(name).path("/api"), CookieError::PrefixWithPath(name.to_owned()));

    let table = [
        name(""),
        name("__Host-"),
        name("__Host-Http-"),
        name("__Secure-"),
        name("a b"),
        name("a\tb"),
        name("a\r\nSet-Cookie: b"),
        name("a;b"),
        name("a,b"),
        name("a=b"),
        name("a\"b"),
        name("a\0"),
        name("s\u{e9}ssion"),
        name("\u{2000}__Host-session"),
        name(&long_name),
        path(""),
        path("api"),
        path("/a;Domain=evil.example"),
        path("/a\r\nX: y"),
        path("/\u{e9}"),
        path(&long_path),
        domain(""),
        domain("."),
        domain(".example.com"),
        domain("example.com."),
        domain("example..com"),
        domain("example.com:443"),
        domain("example.com; Path=/x"),
        domain("exam ple.com"),
        domain("\u{e9}.example"),
        domain("a\r\nb"),
        domain(&long_label),
        with_domain("__Host-session"),
        with_domain("__Host-Http-session"),
        with_domain("__HOST-session"),
        with_path("__Host-session"),
        with_path("__host-http-session"),
        (options().insecure_localhost().domain("localhost"), CookieError::InsecureWithDomain),
        (options().insecure_localhost().same_site(SameSite::None), CookieError::InsecureSameSiteNone),
        (options().insecure_localhost().name("__Host-"), CookieError::Name(String::new())),
    ];
    for (options, expect) in table {
        assert_eq!(options.build().unwrap_err(), expect);
    }

    for legal in [
        options().name("a"),
        options().name(&long_name[1..]),
        options().name("__Secure-session").domain("example.com").path("/api"),
        options().name("__Http-session").domain("example.com"),
        options().domain("xn--bcher-kva.example"),
        options().path("/a b~"),
    ] {
        assert!(legal.build().is_ok(), "{legal:?}");
    }
}

/// S65.
#[test]
fn cookie_that_a_browser_would_drop_is_not_issued() {
    let cookie = options().build().unwrap();
    let room = 4_096 - "__Host-session".len();
    let set = |length| cookie.set(&"a".repeat(length), CookieLifetime::BrowserSession);
    assert!(set(room).is_ok());
    assert_eq!(set(room + 1).unwrap_err(), CookieError::TooLarge { size: 4_097 });

    let error = CookieError::TooLarge { size: 4_097 }.to_string();
    assert_eq!(error, "cookie name and value have 4097 bytes, browsers accept 4096");
}

/// S60, S91: a value cannot add attributes or lines, and no message repeats it.
#[test]
fn value_that_is_not_a_token_is_not_issued() {
    let cookie = options().build().unwrap();
    for value in ["", "a b", "a;b", "a; Domain=x", "a\r\nX: y", "a,b", "\"a\"", "a\\", "\u{e9}", "=", "a=b"] {
        let error = cookie.set(value, CookieLifetime::BrowserSession).unwrap_err();
        assert_eq!(error, CookieError::ValueSyntax, "{value:?}");
        assert_eq!(error.to_string(), "cookie value is not a token");
    }
    let line = cookie.set("secret", CookieLifetime::BrowserSession).unwrap();
    assert_eq!(format!("{line:?}"), "Sensitive");
}

/// S64.
#[test]
fn put_replaces_every_line_of_the_same_name_and_no_other() {
    let others = [
        "theme=dark; Path=/",
        "__Host-session2=x",
        "__host-session=x",
        "x__Host-session=x",
        "__Host-session",
        "=__Host-session=x",
        "a=b; __Host-session=x",
        "theme=light; Path=/x",
    ];
    let same = [
        "__Host-session=old; Path=/",
        " __Host-session\t= old",
        "__Host-session=",
        "__Host-session=a=b",
        "__Host-session=\"a;b\"",
    ];
    let cookie = options().build().unwrap();
    let ours = cookie.set("eyJ.good.sig", CookieLifetime::BrowserSession).unwrap();

    let mut headers = HeaderMap::new();
    for (index, other) in others.iter().enumerate() {
        headers.append(SET_COOKIE, HeaderValue::from_static(other));
        headers.append(SET_COOKIE, HeaderValue::from_static(same[index % same.len()]));
    }
    headers.insert("x-other", HeaderValue::from_static("stays"));

    let mut expect: Vec<&[u8]> = others.iter().map(|line| line.as_bytes()).collect();
    expect.push(ours.as_bytes());
    for _ in 0..2 {
        put(&mut headers, ours.clone());
        assert_eq!(set_cookies(&headers), expect);
    }
    assert_eq!(headers["x-other"], "stays");

    let cleared = cookie.clear().unwrap();
    put(&mut headers, cleared.clone());
    expect.pop();
    expect.push(cleared.as_bytes());
    assert_eq!(set_cookies(&headers), expect);

    let mut headers = HeaderMap::new();
    put(&mut headers, cleared.clone());
    assert_eq!(set_cookies(&headers), [cleared.as_bytes()]);
}

/// A splitter that takes the text of the rules literally: join, split, compare, count.
fn reference(name: &[u8], lines: &[Vec<u8>]) -> Result<Option<Vec<u8>>, &'static str> {
    let mut found = Vec::new();
    for cookie in lines.join(&b';').split(|&byte| byte == b';') {
        let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
        let start = cookie.iter().position(|byte| !blank(byte)).unwrap_or(cookie.len());
        let end = cookie.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
        let mut halves = cookie[start..end].splitn(2, |&byte| byte == b'=');
        if let (Some(left), Some(right)) = (halves.next(), halves.next())
            && left == name
        {
            found.push(right.to_vec());
        }
    }
    match found.as_slice() {
        [] => Ok(None),
        [value] if value.is_empty() => Ok(None),
        [value] => {
            let mut body = value.as_slice();
            while let [rest @ .., b'='] = body {
                body = rest;
            }
            let known = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
            let valid = !body.is_empty() && body.iter().all(known);
            if valid { Ok(Some(value.clone())) } else { Err("malformed") }
        }
        _ => Err("ambiguous"),
    }
}

/// Pieces that are almost cookies of our name.
fn near_miss() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"sid=".to_vec()),
        2 => Just(b"sid".to_vec()),
        4 => Just(b"; ".to_vec()),
        4 => prop::sample::select(&b"=; \t,\"sid%aZ9.-_\x80\x85\xa0\xe9"[..])
            .prop_map(|byte| vec![byte]),
        2 => (1..70_usize).prop_map(|length| vec![b'x'; length]),
        1 => Just(b"%73id=".to_vec()),
        1 => Just(b"\xe2\x80\x80sid=".to_vec()),
        1 => Just(b"eyJ.a.b".to_vec()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// S61, S62, S63, R36: the reader agrees with the naive one on any lines.
    #[test]
    fn reader_agrees_with_a_naive_splitter(lines in prop::collection::vec(near_miss(), 0..4)) {
        let headers = cookie_lines(&lines);
        let found = match super::read(&named("sid"), &headers) {
            Credential::Absent => Ok(None),
            Credential::Token { token, source } => {
                prop_assert_eq!(source, CredentialSource::Cookie);
                Ok(Some(token.to_vec()))
            }
            Credential::Malformed(MalformedCredential::AmbiguousCookie) => Err("ambiguous"),
            Credential::Malformed(_) | Credential::Several(_) => Err("malformed"),
        };
        prop_assert_eq!(found, reference(b"sid", &lines));
    }

    /// S61: a name that differs in any byte is never returned.
    #[test]
    fn another_name_is_never_ours(name in "[!-:<>-~\u{a0}-\u{2003}]{0,16}", value in "[a-z]{1,4}") {
        prop_assume!(name != "__Host-session");
        let headers = cookie_lines(&[format!("{name}={value}").into_bytes()]);
        prop_assert_eq!(super::read(&named("__Host-session"), &headers), Credential::Absent);
    }

    /// S65: what is issued is read back.
    #[test]
    fn every_issued_value_is_read_back(value in "[A-Za-z0-9._~+/-]{1,64}={0,2}", age: u32) {
        let cookie = options().build().unwrap();
        let lifetime = CookieLifetime::MaxAge(Duration::from_secs(age.into()));
        let line = cookie.set(&value, lifetime).unwrap();
        let sent = line.as_bytes().split(|&byte| byte == b';').next().unwrap().to_vec();
        let headers = cookie_lines(&[sent]);
        let (token, source) = (value.as_bytes(), CredentialSource::Cookie);
        prop_assert_eq!(super::read(&cookie, &headers), Credential::Token { token, source });
    }

    /// S64: at most one of our name, and the others as they were.
    #[test]
    fn put_keeps_the_others_in_their_order(
        lines in prop::collection::vec(
            (
                "(__Host-session|__Host-sessio|theme| __Host-session |__host-session)?",
                "=?",
                "[a-z;= ]{0,8}",
            ),
            0..12,
        ),
    ) {
        let lines: Vec<String> = lines.into_iter().map(|(a, b, c)| format!("{a}{b}{c}")).collect();
        let mut headers = HeaderMap::new();
        for line in &lines {
            headers.append(SET_COOKIE, HeaderValue::from_str(line).unwrap());
        }
        let ours = options().build().unwrap().clear().unwrap();
        put(&mut headers, ours.clone());

        let is_ours = |line: &str| {
            let pair = line.split(';').next().unwrap();
            pair.split_once('=').is_some_and(|(name, _)| name.trim() == "__Host-session")
        };
        let kept = lines.iter().filter(|line| !is_ours(line)).map(|line| line.as_bytes());
        let expect: Vec<&[u8]> = kept.chain([ours.as_bytes()]).collect();
        prop_assert_eq!(set_cookies(&headers), expect);
    }
}
