//! What is known of a client over HTTP: its address, its device, and how little either proves.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderName, HeaderValue, Request, header},
    routing::post,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_device_sessions::{
    ClientInfo, Error, SessionLayer, SessionManager, TrustedProxies, client_ip::ForwardedHeader,
    middleware::PeerAddress,
};

use crate::support::{CHROME, IPHONE, Kit, TestResult, app, send};

async fn sign_in(State(sessions): State<SessionManager>, client: ClientInfo) -> Result<Json<Value>, Error> {
    let started = sessions.start("ann", client).await?;
    let session = started.session();
    Ok(Json(json!({
        "token": started.token(),
        "ip": session.created_ip,
        "userAgent": session.device.user_agent,
        "name": session.device.name(),
    })))
}

fn with_sign_in(sessions: &SessionManager) -> Router {
    Router::new()
        .route("/sign-in", post(sign_in))
        .layer(SessionLayer::new(sessions))
        .with_state(sessions.clone())
        .merge(app(sessions))
}

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    peer: SocketAddr,
    header: String,
    lines: Vec<String>,
    trusted: Vec<String>,
    expect: String,
}

/// S86, S87: the table of the project, through the layer and the extractor, as requests.
#[tokio::test]
async fn a_forged_address_is_ignored_and_a_proxys_is_believed() -> TestResult {
    let vectors: Vectors = serde_json::from_str(include_str!("../../vectors/xff.json"))?;
    assert_eq!(vectors.cases.len(), 32);
    for case in vectors.cases {
        let header = match case.header.as_str() {
            "forwarded" => ForwardedHeader::FORWARDED,
            _ => ForwardedHeader::X_FORWARDED_FOR,
        };
        let proxies = TrustedProxies::new(&case.trusted)?.header(header);
        let kit = Kit::with(|builder| builder.trusted_proxies(proxies));
        let mut asked = Request::post("/sign-in").extension(PeerAddress(case.peer)).body(Body::empty())?;
        for line in &case.lines {
            let bytes: Vec<u8> = line.chars().map(|c| u8::try_from(c).expect("latin-1")).collect();
            asked.headers_mut().append(HeaderName::try_from(&case.header)?, HeaderValue::from_bytes(&bytes)?);
        }
        let answer = send(&with_sign_in(&kit.sessions), asked).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["ip"]),
            (200, &case.expect.as_str().into()),
            "{}",
            case.name
        );
    }
    Ok(())
}

/// S87: without a peer there is no address, and nothing that needs one.
#[tokio::test]
async fn a_request_without_a_peer_has_no_address() -> TestResult {
    let kit = Kit::with(|builder| builder.trusted_proxies("0.0.0.0/0".parse().expect("a range")));
    let asked = Request::post("/sign-in").header("x-forwarded-for", "198.51.100.7").body(Body::empty())?;
    let answer = send(&with_sign_in(&kit.sessions), asked).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["ip"]), (200, &Value::Null));
    Ok(())
}

/// S88: a phone that roams between networks, and a browser that updates itself, stay signed in; the list shows the
/// newest address that was seen.
#[tokio::test]
async fn a_session_survives_every_change_of_address_and_browser() -> TestResult {
    let kit = Kit::new();
    let app = with_sign_in(&kit.sessions);
    let peer = |address: &str| PeerAddress(SocketAddr::new(address.parse().expect("an address"), 443));
    let asked = Request::post("/sign-in").extension(peer("192.0.2.1")).header(header::USER_AGENT, IPHONE);
    let token = send(&app, asked.body(Body::empty())?).await.json()["token"].as_str().expect("a token").to_owned();

    let trace = [
        "192.0.2.1",
        "198.51.100.7",
        "2001:db8::1",
        "2001:db8:ffff::2",
        "::ffff:203.0.113.9",
        "192.0.2.1",
        "203.0.113.77",
    ];
    for (hop, address) in trace.into_iter().enumerate() {
        kit.clock.advance(std::time::Duration::from_secs(90));
        let asked = Request::get("/me")
            .extension(peer(address))
            .header(header::USER_AGENT, if hop % 2 == 0 { CHROME } else { "curl/8.5.0" })
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        assert_eq!(send(&app, asked.body(Body::empty())?).await.status, 200, "from {address}");
    }
    assert!(kit.sessions.flush_activity().await);
    let session = kit.sessions.authenticate(&token).await?;
    let record = kit.sessions.find(session.user_id(), session.id()).await?.expect("a record");
    assert_eq!(record.last_ip.map(|ip| ip.to_string()).as_deref(), Some("203.0.113.77"));
    assert_eq!(record.created_ip.map(|ip| ip.to_string()).as_deref(), Some("192.0.2.1"));
    assert_eq!(record.device.name(), "Safari on iPhone", "the device is that of the sign-in");
    Ok(())
}

/// S89, S92: a hostile `User-Agent` is stored cut and clean, and the list shows it.
#[tokio::test]
async fn a_hostile_user_agent_is_stored_cut_and_clean() -> TestResult {
    let huge = vec![b'x'; 64 * 1_024];
    let huge_multibyte = "ö".repeat(32 * 1_024).into_bytes();
    let not_utf8 = b"Chrome \xff\xfe\x80 on \xc3".to_vec();
    let nothing_but_noise = vec![0xff; 64 * 1_024];
    let tabs = b"a\tb\tc".to_vec();
    let directions = "curl/8.5.0 \u{202e}evil\u{200b}\u{2028}".as_bytes().to_vec();
    for user_agent in [huge, huge_multibyte, not_utf8, nothing_but_noise, tabs, directions, Vec::new()] {
        let kit = Kit::new();
        let app = with_sign_in(&kit.sessions);
        let asked = Request::post("/sign-in").header(header::USER_AGENT, HeaderValue::from_bytes(&user_agent)?);
        let started = send(&app, asked.body(Body::empty())?).await;
        assert_eq!(started.status, 200);
        let stored = started.json()["userAgent"].as_str().unwrap_or_default().to_owned();
        assert!(stored.len() <= ClientInfo::MAX_USER_AGENT, "{} bytes", stored.len());
        assert!(!stored.chars().any(|c| c.is_control() || "\u{202e}\u{200b}\u{2028}".contains(c)), "{stored:?}");
        assert!(!started.json()["name"].as_str().unwrap_or_default().is_empty(), "every device has a name");

        let token = started.json()["token"].as_str().expect("a token").to_owned();
        let list = crate::support::get_with(&app, "/api/sessions", &token).await;
        assert_eq!((list.status.as_u16(), list.json().as_array().map(Vec::len)), (200, Some(1)));
    }
    Ok(())
}

/// S92: line breaks cannot come by HTTP, but an application may pass on what it was told.
#[tokio::test]
async fn a_line_break_in_what_a_client_says_is_dropped() -> TestResult {
    let kit = Kit::new();
    let client = ClientInfo::new().user_agent("curl/8.5.0\r\n2026-01-01 ERROR forged line");
    let started = kit.sessions.start("ann", client).await?;
    assert_eq!(started.session().device.user_agent.as_deref(), Some("curl/8.5.02026-01-01 ERROR forged line"));
    Ok(())
}

/// S49: a client that signs in while it holds a session gets a new one, and the old one ends.
#[tokio::test]
async fn signing_in_again_replaces_the_session_that_the_client_held() -> TestResult {
    let kit = Kit::new();
    let app = with_sign_in(&kit.sessions);
    let first = send(&app, Request::post("/sign-in").body(Body::empty())?).await.json()["token"].clone();
    let held = format!("Bearer {}", first.as_str().expect("a token"));
    let again = Request::post("/sign-in").header(header::AUTHORIZATION, &held).body(Body::empty())?;
    assert_eq!(send(&app, again).await.status, 200);
    let old = Request::get("/me").header(header::AUTHORIZATION, &held).body(Body::empty())?;
    assert_eq!(send(&app, old).await.code(), "session_replaced");
    Ok(())
}
