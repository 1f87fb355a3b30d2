//! Tokens over HTTP: what is no token of ours is answered by 401, and costs the store nothing.

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, header},
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use proptest::prelude::*;
use sha2::Sha256;
use tower_device_sessions::{
    ClientInfo, CurrentSession, ErrorKind, KeyRing, SessionKey, SessionLayer, StartedSession, UserId,
    manager::Revocation,
    session::AsOf,
    store::{Rotation, SessionStore},
};

use crate::support::{Answer, Kit, SECRET, TestResult, get_with, send};

/// The first second of 2026, where the tests' clocks start.
const NOW: i64 = 1_767_225_600;

const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt"}"#;

/// A token made by hand: any bytes as header and claims, signed with the right algorithm and any key.
fn token(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).expect("a key of any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// A token with these claims, and a header as they should be.
fn with_claims(claims: impl AsRef<[u8]>) -> String {
    token(HEADER, claims, SECRET)
}

/// A signed-in session, and an application that must not ask the store about what the tests present.
struct Bench {
    kit: Kit,
    app: Router,
    started: StartedSession,
}

impl Bench {
    async fn new() -> Self {
        let kit = Kit::new();
        let started = kit.sign_in("ann").await;
        let app = kit.app();
        Self { kit, app, started }
    }

    /// The claims of a good token of the session, with `more` members after them.
    fn claims(&self, more: &str) -> String {
        let (id, end) = (self.started.session().id, NOW + 3_600);
        format!(r#"{{"sub":"ann","sid":"{id}","iat":{NOW},"exp":{end}{more}}}"#)
    }

    /// A token of the session with this header.
    fn with_header(&self, header: impl AsRef<[u8]>) -> String {
        token(header, self.claims(""), SECRET)
    }

    /// Presents a token, and checks that it is a 401 of which the store never hears.
    async fn refuses(&self, what: &str, token: &str) -> Answer {
        let calls = self.kit.store.all_calls();
        let answer = get_with(&self.app, "/me", token).await;
        assert_eq!(answer.status, 401, "{what}: {token}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""), "{what}");
        assert_eq!(self.kit.store.all_calls(), calls, "{what} reached the store");
        answer
    }

    async fn accepts(&self, what: &str, token: &str) {
        let answer = get_with(&self.app, "/me", token).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "ann"), "{what}: {token}");
    }
}

/// The control: a token made by hand like all those below is accepted when nothing is wrong with it.
#[tokio::test]
async fn a_good_token_made_by_hand_is_accepted() {
    let bench = Bench::new().await;
    bench.accepts("plain", &with_claims(bench.claims(""))).await;
    bench.accepts("with claims of the application's own", &with_claims(bench.claims(r#","tenant":{"a":[1]}"#))).await;
    bench.accepts("media type in full", &bench.with_header(r#"{"alg":"HS256","typ":"application/AT+JWT"}"#)).await;
}

/// S76: no credential is a 401 with a bare challenge, and no question to the store.
#[tokio::test]
async fn no_token_is_answered_by_a_bare_challenge() -> TestResult {
    let bench = Bench::new().await;
    let calls = bench.kit.store.all_calls();
    let answer = send(&bench.app, Request::get("/me").body(Body::empty())?).await;
    assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!((answer.code().as_str(), bench.kit.store.all_calls()), ("credentials_missing", calls));
    Ok(())
}

/// S16, S17: a token that was cut off, at any byte, or has the wrong shape.
#[tokio::test]
async fn a_malformed_or_truncated_token_is_refused() {
    let bench = Bench::new().await;
    let good = bench.started.token();
    for length in 1..good.len() {
        bench.refuses("truncated", &good[..length]).await;
    }
    let [head, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    for malformed in [
        "nonsense".to_owned(),
        "...".to_owned(),
        format!("{head}.{claims}."),
        format!("{head}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{good}.{signature}"),
        format!("{head}.{claims}.{claims}.{claims}.{signature}"),
        format!("{good}="),
        format!("{good}=="),
        format!("{head}.{claims}.+{signature}"),
        format!("{head}.{claims}./{signature}"),
        format!("{good}~"),
    ] {
        let answer = bench.refuses("malformed", &malformed).await;
        assert_eq!(answer.code(), "token_invalid");
    }
}

/// S71: what does not follow the syntax of the header is a bad request, and asks no store either.
#[tokio::test]
async fn a_header_that_is_no_bearer_credential_is_a_bad_request() -> TestResult {
    let bench = Bench::new().await;
    let calls = bench.kit.store.all_calls();
    let good = bench.started.token();
    let values = [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer  {good}"),
        format!("Bearer\t{good}"),
        format!("Bearer {good} "),
        format!("Bearer {good},Bearer {good}"),
        format!("Bearer \"{good}\""),
        format!("Bearer token={good}"),
        "Bearer {\"payload\":\"AAAA\"}".to_owned(),
    ];
    for value in values {
        // A server trims the value; here it comes as it is.
        let asked = Request::get("/me").header(header::AUTHORIZATION, HeaderValue::from_str(&value)?);
        let answer = send(&bench.app, asked.body(Body::empty())?).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_request"), "{value}");
    }
    assert_eq!(bench.kit.store.all_calls(), calls);
    Ok(())
}

/// S19, R35: above 8 KiB nothing is decoded, however good the rest.
#[tokio::test]
async fn an_oversized_token_is_refused() {
    let bench = Bench::new().await;
    let padded = |bytes: usize| with_claims(bench.claims(&format!(r#","pad":"{}""#, "x".repeat(bytes))));
    bench.accepts("large", &padded(5_500)).await;
    for bytes in [6_500, 8_192, 65_536] {
        bench.refuses("oversized", &padded(bytes)).await;
    }
    bench.refuses("oversized nonsense", &"a".repeat(400 * 1_024)).await;
    let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{}"}}"#, "k".repeat(1_000));
    bench.refuses("oversized header", &bench.with_header(header)).await;
    let deep = format!(r#","deep":{}{}"#, "[".repeat(40), "]".repeat(40));
    bench.refuses("nested too deep", &with_claims(bench.claims(&deep))).await;
}

/// S05: expired is said of a token that is good otherwise; 30 s of leeway come first. Its session goes on.
#[tokio::test]
async fn an_expired_token_is_refused() {
    let bench = Bench::new().await;
    let id = bench.started.session().id;
    let expiring = |at: i64| with_claims(format!(r#"{{"sub":"ann","sid":"{id}","iat":{},"exp":{at}}}"#, NOW - 3_600));
    bench.accepts("within the leeway", &expiring(NOW - 29)).await;
    for at in [NOW - 30, NOW - 3_599] {
        let answer = bench.refuses("expired", &expiring(at)).await;
        assert_eq!(answer.code(), "token_expired");
    }
}

/// S06.
#[tokio::test]
async fn a_token_that_is_not_valid_yet_is_refused() {
    let bench = Bench::new().await;
    let from = |at: String| with_claims(bench.claims(&format!(r#","nbf":{at}"#)));
    bench.accepts("within the leeway", &from((NOW + 30).to_string())).await;
    for at in [(NOW + 31).to_string(), "9999999999".to_owned(), "\"x\"".to_owned(), "null".to_owned(), "-1".to_owned()]
    {
        bench.refuses("not valid yet", &from(at)).await;
    }
}

/// S15, S14: neither from the future, nor good for longer than the policy allows.
#[tokio::test]
async fn a_token_from_the_future_or_for_too_long_is_refused() {
    let bench = Bench::new().await;
    let id = bench.started.session().id;
    let made = |issued: i64, expires: i64| {
        with_claims(format!(r#"{{"sub":"ann","sid":"{id}","iat":{issued},"exp":{expires}}}"#))
    };
    const DAY: i64 = 86_400;
    bench.accepts("within the leeway", &made(NOW + 30, NOW + 60)).await;
    bench.accepts("as long as allowed", &made(NOW, NOW + 30 * DAY)).await;
    for (issued, expires) in [(NOW, NOW + 30 * DAY + 1), (NOW, NOW + 365 * DAY), (NOW, NOW - 1)] {
        bench.refuses("out of bounds", &made(issued, expires)).await;
    }
    // Whether the other node's clock is ahead or this one's behind, nobody knows: the token may be good in a moment.
    let calls = bench.kit.store.all_calls();
    let answer = get_with(&bench.app, "/me", &made(NOW + 31, NOW + 60)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "clocks_disagree"));
    assert_eq!((answer.header("retry-after"), bench.kit.store.all_calls()), (Some("1"), calls));
}

/// S02: the right algorithm under another key.
#[tokio::test]
async fn a_token_of_another_key_is_refused() {
    let bench = Bench::new().await;
    for key in ["another secret of more than 32 bytes", "", " ", "\0"] {
        bench.refuses("wrong key", &token(HEADER, bench.claims(""), key)).await;
    }
}

/// S02: the public half of a key pair is no secret to sign with, in any of its forms.
#[tokio::test]
async fn a_public_key_is_no_secret() -> TestResult {
    let private = include_str!("../../keys/rsa2048.pem");
    let public = include_str!("../../keys/rsa2048_public.pem");
    let kit = Kit::with(|builder| builder.keys(KeyRing::rs256_pem(private).expect("a good key")));
    let started = kit.sign_in("ann").await;
    let app = kit.app();
    assert_eq!(get_with(&app, "/me", started.token()).await.status, 200);

    let encoded: String = public.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(encoded)?;
    let id = started.session().id;
    let claims = format!(r#"{{"sub":"ann","sid":"{id}","iat":{NOW},"exp":{}}}"#, NOW + 60);
    let calls = kit.store.all_calls();
    for key in [public.as_bytes(), public.trim_end().as_bytes(), &der] {
        for header in [HEADER, r#"{"alg":"RS256","typ":"at+jwt"}"#] {
            assert_eq!(get_with(&app, "/me", &token(header, &claims, key)).await.status, 401);
        }
    }
    assert_eq!(kit.store.all_calls(), calls);
    Ok(())
}

/// S01, S02: the key has one algorithm, and the header can only agree.
#[tokio::test]
async fn a_token_that_names_another_algorithm_is_refused() {
    let bench = Bench::new().await;
    let names = [
        r#""none""#,
        r#""None""#,
        r#""NONE""#,
        r#""nOnE""#,
        r#""hs256""#,
        r#""HS256 ""#,
        r#""HS384""#,
        r#""HS512""#,
        r#""RS256""#,
        r#""ES256""#,
        r#""EdDSA""#,
        r#""PS256""#,
        r#""dir""#,
        r#""""#,
        "null",
        "256",
        "true",
        r#"["HS256"]"#,
        r#"{"HS256":1}"#,
    ];
    for name in names {
        bench.refuses("algorithm", &bench.with_header(format!(r#"{{"alg":{name},"typ":"at+jwt"}}"#))).await;
    }
    bench.refuses("no algorithm", &bench.with_header(r#"{"typ":"at+jwt"}"#)).await;

    // Without a signature, or with a wrong one.
    for header in [r#"{"alg":"none","typ":"at+jwt"}"#, r#"{"alg":"none"}"#, HEADER] {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(bench.claims("")));
        for signature in ["", "AA", "AAAA"] {
            bench.refuses("unsigned", &format!("{message}.{signature}")).await;
        }
    }
}

/// S03, S04, S09, S17, S18, S20: the header is `alg`, `typ` and `kid`, strictly, and nothing else.
#[tokio::test]
async fn a_token_with_another_header_is_refused() {
    let bench = Bench::new().await;
    let members = [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""b64":true"#,
        r#""jku":"https://example.com/keys""#,
        r#""jwk":{"kty":"oct","k":"AAAA"}"#,
        r#""x5u":"https://example.com/x""#,
        r#""x5c":["AAAA"]"#,
        r#""x5t":"AAAA""#,
        r#""zip":"DEF""#,
        r#""enc":"A128GCM""#,
        r#""cty":"JWT""#,
        r#""x":1"#,
        r#""alg":"HS256""#,
        r#""\u0061lg":"HS256""#,
        r#""kid":"unknown""#,
        r#""kid":7"#,
        r#""kid":null"#,
        r#""kid":"../../dev/null""#,
        r#""kid":"' OR 1=1 --""#,
    ];
    for member in members {
        bench.refuses("header", &bench.with_header(format!(r#"{{"alg":"HS256","typ":"at+jwt",{member}}}"#))).await;
    }
    for kind in ["JWT", "", "logout+jwt", "dpop+jwt", "secevent+jwt", "dbsc+jwt", "refresh+jwt", "id+jwt", "at+jwt "] {
        bench.refuses("type", &bench.with_header(format!(r#"{{"alg":"HS256","typ":"{kind}"}}"#))).await;
    }
    bench.refuses("no type", &bench.with_header(r#"{"alg":"HS256"}"#)).await;
    for header in [
        &b"\xef\xbb\xbf{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"[..],
        b"{\"alg\":\"HS256\",\"typ\":\"at+jwt\xff\"}",
        b"[]",
    ] {
        bench.refuses("header", &bench.with_header(header)).await;
    }
}

/// S18: a name that is there twice means two things to two readers.
#[tokio::test]
async fn a_token_with_a_claim_twice_is_refused() {
    let bench = Bench::new().await;
    let again = [
        r#","sub":"ann""#,
        r#","sub":"bob""#,
        r#","\u0073ub":"bob""#,
        r#","exp":9999999999"#,
        r#","iat":1"#,
        r#","sid":"01890000-0000-7000-8000-000000000000""#,
        r#","tenant":"a","tenant":"b""#,
        r#","a":{"b":1,"b":2}"#,
        r#","a":[{"b":1,"\u0062":2}]"#,
    ];
    for more in again {
        bench.refuses("duplicate claim", &with_claims(bench.claims(more))).await;
    }
}

/// S05, S08, S10, S20: every claim has its one type, and those that are required are there.
#[tokio::test]
async fn a_token_with_a_claim_of_the_wrong_type_is_refused() {
    let bench = Bench::new().await;
    let (id, end) = (bench.started.session().id.to_string(), NOW + 60);
    let good = [
        ("sub", "\"ann\"".to_owned()),
        ("sid", format!("\"{id}\"")),
        ("iat", NOW.to_string()),
        ("exp", end.to_string()),
    ];
    let with = |name: &str, value: Option<&str>| {
        let members = good.iter().map(|(known, usual)| (*known, Some(usual.as_str())));
        let changed = members.map(|(known, usual)| (known, if known == name { value } else { usual }));
        let text: Vec<_> = changed.filter_map(|(known, value)| Some(format!("\"{known}\":{}", value?))).collect();
        with_claims(format!("{{{}}}", text.join(",")))
    };
    bench.accepts("control", &with("none of them", None)).await;

    let (long, upper, simple) = ("x".repeat(129), id.to_uppercase(), id.replace('-', ""));
    let (long, upper, simple) = (format!("\"{long}\""), format!("\"{upper}\""), format!("\"{simple}\""));
    let wrong: [(&str, &[Option<&str>]); 4] = [
        (
            "sub",
            &[
                None,
                Some("null"),
                Some("1"),
                Some("[\"ann\"]"),
                Some("{}"),
                Some("\"\""),
                Some("\"a\\u0000\""),
                Some("\" ann\""),
                Some(&long),
            ],
        ),
        ("sid", &[None, Some("null"), Some("1"), Some("[]"), Some("\"\""), Some("\"x\""), Some(&upper), Some(&simple)]),
        (
            "iat",
            &[None, Some("null"), Some("\"1\""), Some("-1"), Some("[1]"), Some("1e400"), Some("99999999999999999999")],
        ),
        (
            "exp",
            &[
                None,
                Some("null"),
                Some("\"9999999999\""),
                Some("-1"),
                Some("{}"),
                Some("1e400"),
                Some("99999999999999999999"),
                Some("true"),
            ],
        ),
    ];
    for (name, values) in wrong {
        for value in values {
            bench.refuses(name, &with(name, *value)).await;
        }
    }
    for more in [
        r#","aud":"somebody""#,
        r#","aud":[1]"#,
        r#","aud":null"#,
        r#","iss":1"#,
        r#","jti":1"#,
        r#","amr":"pwd""#,
        r#","gen":-1"#,
    ] {
        bench.refuses("optional claim", &with_claims(bench.claims(more))).await;
    }
    for claims in [&b"[]"[..], b"", b"{", b"null", b"\xef\xbb\xbf{}", b"{\"sub\":\"\xff\"}"] {
        bench.refuses("not an object", &with_claims(claims)).await;
    }
}

/// S07, S08: with an issuer and an audience configured, both are required, exactly.
#[tokio::test]
async fn a_token_of_another_issuer_or_for_another_audience_is_refused() {
    let options = tower_device_sessions::token::TokenOptions::new().issuer("https://a.example").audience("me");
    let kit = Kit::with(|builder| builder.token_options(options));
    let started = kit.sign_in("ann").await;
    let bench = Bench { app: kit.app(), started, kit };
    bench.accepts("our own", bench.started.token()).await;
    let said = |issuer: &str, audience: &str| with_claims(bench.claims(&format!("{issuer}{audience}")));
    let (issuer, audience) = (r#","iss":"https://a.example""#, r#","aud":"me""#);
    bench.accepts("both", &said(issuer, r#","aud":["you","me"]"#)).await;
    for other in [
        "",
        r#","iss":"https://a.example/""#,
        r#","iss":"https://A.example""#,
        r#","iss":1"#,
        r#","iss":null"#,
        r#","iss":["https://a.example"]"#,
    ] {
        bench.refuses("issuer", &said(other, audience)).await;
    }
    for other in [
        "",
        r#","aud":"ME""#,
        r#","aud":"you""#,
        r#","aud":[]"#,
        r#","aud":[1,"me"]"#,
        r#","aud":null"#,
        r#","aud":{"me":1}"#,
    ] {
        bench.refuses("audience", &said(issuer, other)).await;
    }
}

/// S24: a `kid` is a key into a map in memory, and a thousand unknown ones are a thousand refusals.
#[tokio::test]
async fn a_thousand_unknown_keys_ask_nobody() {
    let bench = Bench::new().await;
    for number in 0..1_000 {
        bench
            .refuses("unknown key", &bench.with_header(format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{number}"}}"#)))
            .await;
    }
}

/// S14: what was minted before everything was revoked stays refused, what is minted after is good.
#[tokio::test]
async fn a_token_from_before_a_revocation_of_all_is_refused() -> TestResult {
    let bench = Bench::new().await;
    let kit = &bench.kit;
    let user = UserId::try_from("ann")?;
    // Minted a second before, and never seen by this node until now.
    let unseen = with_claims(bench.claims(""));
    kit.clock.advance(std::time::Duration::from_secs(1));
    kit.sessions.revoke_all(&user, Revocation::by_application()).await?;
    let again = kit.sign_in("ann").await;
    for old in [unseen.as_str(), bench.started.token()] {
        assert_eq!(get_with(&bench.app, "/me", old).await.status, 401);
    }
    assert_eq!(get_with(&bench.app, "/me", again.token()).await.status, 200);
    Ok(())
}

/// S14: a session whose older tokens are refused from now on refuses them, and takes newer ones.
#[tokio::test]
async fn a_token_of_an_older_generation_than_the_least_is_refused() -> TestResult {
    let bench = Bench::new().await;
    let (user, id) = (UserId::try_from("ann")?, bench.started.session().id);
    let mut rotation = Rotation::new(0, AsOf::new(bench.started.session().created_at, std::time::Duration::ZERO));
    rotation.refuse_older = true;
    bench.kit.store.rotate(&SessionKey::new(user.clone(), id), &rotation).await?;
    assert_eq!(get_with(&bench.app, "/me", bench.started.token()).await.code(), "token_invalid");
    assert_eq!(get_with(&bench.app, "/me", &with_claims(bench.claims(r#","gen":0"#))).await.status, 401);
    bench.accepts("the newest generation", &with_claims(bench.claims(r#","gen":1"#))).await;
    Ok(())
}

/// One key, one algorithm, and a session that starts and is found with it.
#[tokio::test]
async fn every_algorithm_signs_in() -> TestResult {
    let rings = [
        ("HS256", KeyRing::hs256(SECRET)?),
        ("EdDSA", KeyRing::eddsa_pem(include_str!("../../keys/ed25519.pem"))?),
        ("ES256", KeyRing::es256_pem(include_str!("../../keys/p256.pem"))?),
        ("RS256", KeyRing::rs256_pem(include_str!("../../keys/rsa2048.pem"))?),
    ];
    for (algorithm, ring) in rings {
        let kit = Kit::with(|builder| builder.keys(ring));
        let started = kit.sign_in("ann").await;
        let header = started.token().split('.').next().expect("three parts");
        let header: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
        assert_eq!(header["alg"], algorithm);
        for _ in 0..2 {
            assert_eq!(get_with(&kit.app(), "/me", started.token()).await.body, "ann", "{algorithm}");
        }
    }
    Ok(())
}

/// Claims of the application's own come back in handlers; ours cannot be set.
#[tokio::test]
async fn claims_of_the_applications_own_are_readable_in_handlers() -> TestResult {
    #[derive(serde::Deserialize)]
    struct Tenant {
        tenant: String,
    }

    let kit = Kit::new();
    let tenant = async |session: CurrentSession| session.claims::<Tenant>().map(|claims| claims.tenant);
    let app = Router::new().route("/", get(tenant)).layer(SessionLayer::new(&kit.sessions));
    let with = |claims| kit.sessions.start("ann", ClientInfo::new()).claims(&claims).into_future();
    let started = with(serde_json::json!({ "tenant": "acme", "more": [1] })).await?;
    for _ in 0..2 {
        assert_eq!(get_with(&app, "/", started.token()).await.body, "acme");
    }
    let without = kit.sign_in("ann").await;
    assert_eq!(get_with(&app, "/", without.token()).await.status, 500, "a handler that asks for what is not there");
    for refused in [serde_json::json!({ "sub": "bob" }), serde_json::json!({ "exp": 9 }), serde_json::json!([1])] {
        let error = with(refused).await.expect_err("a claim of ours, or no object");
        assert_eq!(error.kind(), ErrorKind::InvalidClaims);
    }
    Ok(())
}

/// The claim of the session's id goes by the name that existing tokens use.
#[tokio::test]
async fn the_sessions_claim_may_have_another_name() {
    for name in ["session_id", "sessionId"] {
        let options = tower_device_sessions::token::TokenOptions::new().session_id_claim(name);
        let kit = Kit::with(|builder| builder.token_options(options));
        let started = kit.sign_in("ann").await;
        let bench = Bench { app: kit.app(), started, kit };
        let id = bench.started.session().id;
        let named =
            |claim: &str| with_claims(format!(r#"{{"sub":"ann","{claim}":"{id}","iat":{NOW},"exp":{}}}"#, NOW + 60));
        bench.accepts(name, &named(name)).await;
        bench.accepts("our own", bench.started.token()).await;
        bench.refuses("the usual name", &named("sid")).await;
    }
}

/// Runs one request of a property, and returns its status and how often the store was asked for it.
fn ask(runtime: &tokio::runtime::Runtime, bench: &Bench, value: HeaderValue) -> (u16, u64) {
    let before = bench.kit.store.all_calls();
    let asked = Request::get("/me").header(header::AUTHORIZATION, value).body(Body::empty()).expect("a good request");
    let answer = runtime.block_on(send(&bench.app, asked));
    (answer.status.as_u16(), bench.kit.store.all_calls() - before)
}

fn bench_with_runtime() -> (tokio::runtime::Runtime, Bench) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bench = runtime.block_on(Bench::new());
    (runtime, bench)
}

/// S16, R36: any bytes in the header are a 400 or a 401, and never a question to the store.
#[test]
fn any_bytes_as_a_credential_are_refused_without_a_store_call() {
    let (runtime, bench) = bench_with_runtime();
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let shaped = "(Bearer )?[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,80}){0,4}=?".prop_map(String::into_bytes);
    proptest!(|(value in prop_oneof![bytes, shaped])| {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let (status, calls) = ask(&runtime, &bench, value);
        prop_assert!(matches!(status, 400 | 401), "{}", status);
        prop_assert_eq!(calls, 0);
    });
}

/// S12, S16: no byte of a good token can be another one.
#[test]
fn a_good_token_with_any_byte_changed_is_refused_without_a_store_call() {
    let (runtime, bench) = bench_with_runtime();
    let good = bench.started.token().as_bytes().to_vec();
    let length = good.len();
    proptest!(|(at in 0..length, byte in 0x21..0x7f_u8)| {
        prop_assume!(good[at] != byte);
        let mut changed = b"Bearer ".to_vec();
        changed.extend_from_slice(&good);
        changed[7 + at] = byte;
        let (status, calls) = ask(&runtime, &bench, HeaderValue::from_bytes(&changed).expect("visible"));
        prop_assert!(matches!(status, 400 | 401), "{}", status);
        prop_assert_eq!(calls, 0);
    });
}
