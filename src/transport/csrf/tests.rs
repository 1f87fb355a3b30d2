use std::collections::BTreeMap;

use http::HeaderValue;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    credential: String,
    method: String,
    headers: BTreeMap<String, String>,
    #[serde(rename = "self")]
    own: String,
    trusted_origins: Vec<String>,
    expect: String,
    route: Option<String>,
}

fn fields<K: AsRef<str>, V: AsRef<[u8]>>(lines: impl IntoIterator<Item = (K, V)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.as_ref().parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
    }
    headers
}

fn policy() -> CsrfPolicy {
    CsrfPolicy::new(["https://ok.example", "http://localhost:5173"]).unwrap()
}

/// A `POST` with our cookie, its target in origin form.
fn post(policy: &CsrfPolicy, lines: &[(&str, &str)]) -> Result<(), CsrfDenied> {
    let (cookie, uri) = (CredentialSource::Cookie, Uri::from_static("/x"));
    policy.check(cookie, &Method::POST, &uri, &fields(lines.iter().copied()))
}

/// Splits `name: value | name: value`.
fn named(lines: &str) -> Vec<(&str, &str)> {
    let line = |line| str::split_once(line, ':').unwrap();
    let lines = lines.split(" | ").map(line);
    lines.map(|(name, value)| (name, value.strip_prefix(' ').unwrap_or(value))).collect()
}

/// S72, S73: the table of the project.
#[test]
fn check_passes_every_row_of_the_table() {
    const TABLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/csrf.json"));
    let vectors: Vectors = serde_json::from_str(TABLE).unwrap();
    assert_eq!(vectors.cases.len(), 27);

    for case in vectors.cases {
        let policy = CsrfPolicy::new(&case.trusted_origins).unwrap();
        let policy = match case.route.as_deref() {
            Some("builtin") => policy.strict(),
            Some(other) => panic!("unknown route {other}"),
            None => policy,
        };
        let source = match case.credential.as_str() {
            "cookie" => CredentialSource::Cookie,
            "bearer" => CredentialSource::Bearer,
            other => panic!("unknown credential {other}"),
        };
        let method = Method::from_bytes(case.method.as_bytes()).unwrap();
        let headers = fields(&case.headers);
        // As it arrives over HTTP/1.1, and over HTTP/2, where the authority is in the target.
        for uri in ["/x", &format!("{}/x", case.own)] {
            let allowed = policy.check(source, &method, &uri.parse().unwrap(), &headers).is_ok();
            assert_eq!(allowed, case.expect == "allow", "{} {uri}", case.name);
        }
    }
}

/// S72: what the table leaves open.
#[test]
fn check_is_exact_at_the_edges() {
    use CsrfDenied::{CrossSite, ForeignOrigin};

    let table = [
        ("sec-fetch-site: ", Err(CrossSite)),
        ("sec-fetch-site:  same-origin", Err(CrossSite)),
        ("sec-fetch-site: same-origin, none", Err(CrossSite)),
        ("sec-fetch-site: same-origin | sec-fetch-site: same-origin", Err(CrossSite)),
        ("sec-fetch-site: same-origin | sec-fetch-site: cross-site", Err(CrossSite)),
        ("sec-fetch-site: cross-site | origin: https://app.example", Err(CrossSite)),
        ("sec-fetch-site: cross-site | origin: http://localhost:5174", Err(CrossSite)),
        ("sec-fetch-site: cross-site | origin: http://localhost:5173", Ok(())),
        ("sec-fetch-site: same-site | origin: https://ok.example", Ok(())),
        ("origin: https://ok.example", Ok(())),
        ("origin: https://ok.example | origin: https://ok.example", Err(ForeignOrigin)),
        ("origin: ", Err(ForeignOrigin)),
        ("origin: app.example", Err(ForeignOrigin)),
        ("origin: //app.example", Err(ForeignOrigin)),
        ("origin: ftp://app.example", Err(ForeignOrigin)),
        ("origin: https://app.example/", Err(ForeignOrigin)),
        ("origin: https://APP.example", Ok(())),
        ("origin: https://app.example:443", Ok(())),
        ("origin: http://app.example:80", Ok(())),
        ("origin: https://app.example:80", Err(ForeignOrigin)),
        ("origin: https://app.example:", Err(ForeignOrigin)),
        ("origin: https://app.example:+443", Err(ForeignOrigin)),
        ("origin: https://app.example:443:443", Err(ForeignOrigin)),
        ("origin: https://user@app.example", Err(ForeignOrigin)),
        ("origin: https://app.example?", Err(ForeignOrigin)),
        ("origin: https://OK.example:443", Ok(())),
        ("origin: https://ok.example:444", Err(ForeignOrigin)),
        ("origin: https://app.example https://app.example", Err(ForeignOrigin)),
        ("origin: https://app.example", Ok(())),
        ("origin: http://app.example", Ok(())),
        ("origin: https://app.example | host: app.example", Err(ForeignOrigin)),
        ("origin: https://other.example | x-forwarded-host: other.example", Err(ForeignOrigin)),
        ("referer: https://evil.example/", Ok(())),
    ];
    for (lines, expect) in table {
        let mut lines = named(lines);
        lines.push(("host", "app.example"));
        assert_eq!(post(&policy(), &lines), expect, "{lines:?}");
    }
}

/// S72: `Host` is compared as a part of an origin, and an absent or empty one equals nothing.
#[test]
fn own_origin_needs_a_host() {
    let denied = Err(CsrfDenied::ForeignOrigin);
    let table = [
        ("origin: https://app.example:8443 | host: app.example:8443", Ok(())),
        ("origin: http://127.0.0.1:3000 | host: 127.0.0.1:3000", Ok(())),
        ("origin: https://[::1]:3000 | host: [::1]:3000", Ok(())),
        ("origin: https://app.example", denied),
        ("origin: https://app.example | host: app.example:443", Ok(())),
        ("origin: http://app.example | host: App.Example:80", Ok(())),
        ("origin: https://app.example:8443 | host: APP.example:8443", Ok(())),
        ("origin: https://[2001:db8::a] | host: [2001:DB8::A]:443", Ok(())),
        ("origin: https://app.example | host: app.example:80", denied),
        ("origin: https://app.example | host: app.example:8443", denied),
        ("origin: https://[::1] | host: [::1]:444", denied),
        ("origin: https://app.example | host: app.example.", denied),
        ("origin: https:// | host: ", denied),
        ("origin: | host: ", denied),
        ("origin: null | host: null", denied),
    ];
    for (lines, expect) in table {
        assert_eq!(post(&policy(), &named(lines)), expect, "{lines}");
    }
}

/// S72: the target's authority comes before `Host`, as RFC 9112 §3.2.2 has it.
#[test]
fn own_origin_is_the_target_authority_then_host() {
    let uri = Uri::from_static("https://app.example/x");
    let check = |origin, host| {
        let headers = fields([("origin", origin), ("host", host)]);
        policy().check(CredentialSource::Cookie, &Method::POST, &uri, &headers)
    };
    assert_eq!(check("https://app.example", "other.example"), Ok(()));
    assert_eq!(check("https://other.example", "other.example"), Err(CsrfDenied::ForeignOrigin));
}

/// S72: the built-in routes.
#[test]
fn strict_policy_denies_only_what_says_nothing() {
    let strict = policy().strict();
    assert_eq!(post(&strict, &[("host", "app.example")]), Err(CsrfDenied::Undeclared));
    assert_eq!(post(&strict, &[("sec-fetch-site", "same-origin")]), Ok(()));
    let own = [("origin", "https://app.example"), ("host", "app.example")];
    assert_eq!(post(&strict, &own), Ok(()));
    assert_eq!(post(&strict, &[("origin", "https://ok.example")]), Ok(()));
    assert_eq!(post(&policy(), &[]), Ok(()));
}

fn get(policy: &CsrfPolicy, lines: &str) -> Result<(), CsrfDenied> {
    let uri = Uri::from_static("/x");
    policy.check(CredentialSource::Cookie, &Method::GET, &uri, &fields(named(lines)))
}

/// S72: what opens a connection by a safe method is judged like what changes something.
#[test]
fn handshakes_and_requests_for_events_say_where_they_come_from() {
    use CsrfDenied::{CrossSite, ForeignOrigin, Undeclared};

    for opens in ["upgrade: websocket", "accept: text/event-stream", "accept: */*, Text/Event-Stream;q=0.9"] {
        for (says, expect) in [
            ("sec-fetch-site: same-origin", Ok(())),
            ("sec-fetch-site: none", Ok(())),
            ("sec-fetch-site: same-site", Err(CrossSite)),
            ("sec-fetch-site: cross-site", Err(CrossSite)),
            ("sec-fetch-site: cross-site | origin: https://ok.example", Ok(())),
            ("sec-fetch-site: cross-site | origin: https://app.example", Err(CrossSite)),
            ("origin: https://app.example", Ok(())),
            ("origin: https://evil.example", Err(ForeignOrigin)),
            ("origin: null", Err(ForeignOrigin)),
        ] {
            let lines = format!("host: app.example | {opens} | {says}");
            assert_eq!(get(&policy(), &lines), expect, "{lines}");
            assert_eq!(get(&policy().strict(), &lines), expect, "{lines}");
        }
    }
    // Neither field: no browser of the last years opens a WebSocket without `Origin`.
    assert_eq!(get(&policy(), "upgrade: websocket"), Ok(()));
    assert_eq!(get(&policy().strict(), "upgrade: websocket"), Err(Undeclared));
    assert_eq!(get(&policy().strict(), "accept: text/event-stream"), Ok(()));
    // What merely reads.
    for lines in ["accept: text/html, */*", "accept: text/event-streams", "upgrade-insecure-requests: 1"] {
        assert_eq!(get(&policy(), &format!("sec-fetch-site: cross-site | {lines}")), Ok(()), "{lines}");
    }
}

/// S72: a stream that nothing has announced.
#[test]
fn streams_are_for_pages_of_ones_own_and_for_links() {
    let stream = |lines: &str| policy().check_stream(&fields(named(lines)));
    let denied = Err(CsrfDenied::CrossSite);
    for (lines, expect) in [
        ("accept: */*", Ok(())),
        ("sec-fetch-site: same-origin", Ok(())),
        ("sec-fetch-site: none", Ok(())),
        ("sec-fetch-site: same-site | sec-fetch-mode: cors", denied),
        ("sec-fetch-site: cross-site | sec-fetch-mode: no-cors", denied),
        ("sec-fetch-site: cross-site", denied),
        ("sec-fetch-site: cross-site | origin: https://ok.example", Ok(())),
        ("sec-fetch-site: cross-site | sec-fetch-mode: navigate", Ok(())),
    ] {
        assert_eq!(stream(lines), expect, "{lines}");
    }
}

/// S72, S74: a request without a credential is judged by where its answer will put one.
#[test]
fn cross_site_sign_in_is_denied_for_the_cookie_transport() {
    let cross_site = [("sec-fetch-site", "cross-site")];
    assert_eq!(post(&policy(), &cross_site), Err(CsrfDenied::CrossSite));
}

/// S72: a trusted origin that cannot match is told at build, not found out in production.
#[test]
fn trusted_origins_are_written_as_browsers_send_them() {
    for origin in [
        "https://ok.example",
        "http://ok.example",
        "https://ok.example:8443",
        "http://localhost:5173",
        "http://127.0.0.1",
        "https://[::1]",
        "https://[2001:db8::1]:8443",
        "https://xn--bcher-kva.example",
        "http://ok.example:443",
        "chrome-extension://abcdefghijklmnop",
        "capacitor://localhost",
    ] {
        assert!(CsrfPolicy::new([origin]).is_ok(), "{origin}");
    }
    for origin in [
        "",
        "null",
        "*",
        "ok.example",
        "//ok.example",
        "://ok.example",
        "https:ok.example",
        "https://",
        "https://*",
        "https://*.ok.example",
        "https://ok.example/",
        "https://ok.example/path",
        "https://ok.example?q",
        "https://ok.example#f",
        "https://user@ok.example",
        "https://user:pass@ok.example",
        "https://OK.example",
        "HTTPS://ok.example",
        "1https://ok.example",
        "https://ok.example:443",
        "http://ok.example:80",
        "https://ok.example:",
        "https://ok.example:0",
        "https://ok.example:08443",
        "https://ok.example:+8443",
        "https://ok.example:65536",
        "https://ok.example:http",
        "https://a:1:2",
        "https://::1",
        "https://[::1",
        "https://[::1]x",
        "https://[::G]",
        "https://[2001:DB8::1]",
        "https://[ok.example]",
        "https://b\u{fc}cher.example",
        " https://ok.example",
        "https://ok.example ",
        "https://ok.example\r\n",
        "https://a https://b",
    ] {
        let error = CsrfPolicy::new(["https://ok.example", origin]).unwrap_err();
        assert_eq!(error.origin(), origin);
        assert!(error.to_string().starts_with(&format!("trusted origin {origin:?} is not")));
    }
}

fn site() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("cross-site".to_owned()),
        Just("same-site".to_owned()),
        "[!-~]([ -~]{0,12}[!-~])?",
        Just("Same-Origin".to_owned()),
        Just("none;".to_owned()),
    ]
}

proptest! {
    /// S72: what the browser calls foreign is never allowed, even if the rest of the request says otherwise.
    #[test]
    fn foreign_unsafe_cookie_request_is_never_allowed(
        site in site(),
        method in "(POST|PUT|PATCH|DELETE|TRACE|CONNECT|get|[A-Z]{7,9})",
        origin in prop::option::of(
            "(https?://)?(app|evil|ok)\\.example(\\.evil|@evil\\.example|:443|/)?",
        ),
        uri in "(https://app\\.example)?/[a-z]{0,3}",
        others in prop::collection::vec(
            (
                "(x-http-method-override|x-forwarded-host|referer|host)",
                "(GET|app\\.example|ok\\.example)",
            ),
            0..4,
        ),
    ) {
        prop_assume!(!["same-origin", "none"].contains(&site.as_str()) && method != "OPTIONS");
        prop_assume!(!matches!(origin.as_deref(), Some("https://ok.example" | "https://ok.example:443")));
        let mut headers = fields([("sec-fetch-site", &site)]);
        headers.extend(fields(origin.map(|origin| ("origin", origin))));
        headers.extend(fields(others));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let uri = uri.parse().unwrap();
        for policy in [policy(), policy().strict()] {
            let check = |source| policy.check(source, &method, &uri, &headers);
            prop_assert_eq!(check(CredentialSource::Cookie), Err(CsrfDenied::CrossSite));
            prop_assert_eq!(check(CredentialSource::Bearer), Ok(()));
        }
    }

    /// S72: without `Sec-Fetch-Site`, an origin is allowed only if it is ours or trusted.
    #[test]
    fn foreign_origin_is_never_allowed(
        origin in "(https?://|//)?(x?app|ok|evil)?(\\.example)?(:[1-3])?(\\.evil|@evil|/)?",
        host in "(app|x?app|evil)\\.example(:[1-3])?",
    ) {
        let own = [format!("https://{host}"), format!("http://{host}")].contains(&origin);
        let allowed = own || origin == "https://ok.example";
        let expect = if allowed { Ok(()) } else { Err(CsrfDenied::ForeignOrigin) };
        prop_assert_eq!(post(&policy(), &[("origin", &origin), ("host", &host)]), expect);
    }
}
