//! The device cookie: a browser is known again, and nobody can make one up.

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Method, Request, header},
    response::{IntoResponse, Response},
    routing::post,
};
use tower_device_sessions::{
    ClientInfo, DeviceId, Error, KeyRing, SessionLayer, SessionManager, SessionRoutes,
    credentials::{CookieOptions, Transport},
    device::DeviceProof,
    error::ConfigErrorKind,
    event::SessionEvent,
    store::MemoryStore,
    token::{DeviceTokens, TokenOptions},
};

use crate::support::{Answer, CHROME, Kit, SECRET, TestResult, send};

async fn login(State(sessions): State<SessionManager>, client: ClientInfo) -> Result<Response, Error> {
    Ok(sessions.start("ann", client).await?.into_response())
}

fn app(sessions: &SessionManager) -> Router {
    Router::new()
        .route("/login", post(login))
        .nest("/api", SessionRoutes::new(sessions).into_router())
        .layer(SessionLayer::new(sessions))
        .with_state(sessions.clone())
}

async fn sign_in(app: &Router, cookies: &[&str]) -> Answer {
    let mut asked = Request::builder().method(Method::POST).uri("/login").header("sec-fetch-site", "same-origin");
    for cookie in cookies {
        asked = asked.header(header::COOKIE, *cookie);
    }
    send(app, asked.header(header::USER_AGENT, CHROME).body(Body::empty()).expect("a good request")).await
}

/// The line that sets the device cookie.
fn line_of(answer: &Answer) -> Option<&str> {
    let lines = answer.headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().expect("visible"));
    let mut ours = lines.filter(|line| line.contains("device="));
    let line = ours.next();
    assert_eq!(ours.next(), None, "one line at most");
    line
}

/// Name and value, as a browser sends them back.
fn cookie_of(answer: &Answer) -> String {
    let pair = line_of(answer).and_then(|line| line.split(';').next());
    pair.expect("the cookie is set").to_owned()
}

/// Whether the newest sign-in was told to be on a new device, and on which.
fn sight(kit: &Kit) -> (bool, Option<DeviceId>) {
    let sights = kit.events.take().into_iter().filter_map(|event| match event {
        SessionEvent::Started { session, new_device, .. } => Some((new_device, session.device_id)),
        _ => None,
    });
    sights.last().expect("somebody has signed in")
}

fn keys() -> KeyRing {
    KeyRing::hs256("the devices' secret, of 32 bytes or more").expect("a good secret")
}

/// 400 days, only for this host, and out of reach of scripts.
#[tokio::test]
async fn a_browser_is_known_again_by_its_cookie() -> TestResult {
    for transport in [Transport::Bearer, Transport::Cookie(CookieOptions::new()), Transport::Both(CookieOptions::new())]
    {
        let kit = Kit::with(|builder| builder.transport(transport.clone()).device_cookie(keys()));
        let app = app(&kit.sessions);
        let first = sign_in(&app, &[]).await;
        let attributes = line_of(&first).and_then(|line| line.split_once(';')).map(|(_, attributes)| attributes);
        assert_eq!(attributes, Some(" Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=34560000"), "{transport:?}");
        let cookie = cookie_of(&first);
        assert!(cookie.starts_with("__Host-device="), "{transport:?}");
        let (new, device) = sight(&kit);
        assert!(new && device.is_some());

        let again = sign_in(&app, &[&cookie]).await;
        assert_eq!(cookie_of(&again), cookie, "{transport:?}");
        assert_eq!(sight(&kit), (false, device), "{transport:?}");
        assert_eq!(kit.sessions.devices(&"ann".parse()?).await?.len(), 1);
        assert!(!again.body.contains(&cookie["__Host-device=".len()..]));
    }
    Ok(())
}

/// What is not ours, or not clearly one, is a new device, and never a failed sign-in.
#[tokio::test]
async fn a_cookie_that_is_not_ours_is_a_new_device() -> TestResult {
    let kit = Kit::with(|builder| builder.device_cookie(keys()));
    let app = app(&kit.sessions);
    let good = cookie_of(&sign_in(&app, &[]).await);
    let (_, known) = sight(&kit);
    let foreign = KeyRing::hs256("another secret, of 32 bytes or more too")?;
    let foreign = DeviceTokens::new(foreign, &TokenOptions::new())?
        .issue(&DeviceProof::new(known.ok_or("no id")?))
        .ok_or("no token")?;
    let other =
        DeviceTokens::new(keys(), &TokenOptions::new())?.issue(&DeviceProof::new(DeviceId::new())).ok_or("no token")?;
    for cookies in [
        vec![format!("__Host-device={foreign}")],
        vec![format!("__Host-device={}", known.ok_or("no id")?)],
        vec![good.replace("__Host-device", "device")],
        vec![good[..good.len() - 1].to_owned()],
        vec![format!("{good}A")],
        vec!["__Host-device=".to_owned()],
        vec!["__Host-device=\"x\"".to_owned()],
        vec![good.clone(), format!("__Host-device={other}")],
        vec![format!("{good}; __Host-device={other}")],
    ] {
        let lines: Vec<&str> = cookies.iter().map(String::as_str).collect();
        let answer = sign_in(&app, &lines).await;
        assert_eq!(answer.status, 200, "{cookies:?}");
        let (new, device) = sight(&kit);
        assert!(new && device.is_some() && device != known, "{cookies:?}");
    }
    assert_eq!(kit.sessions.devices(&"ann".parse()?).await?.len(), 10);
    Ok(())
}

/// It outlives the session: the next user of the browser is on the same device, and neither learns of the other.
#[tokio::test]
async fn signing_out_leaves_the_device_cookie() -> TestResult {
    let kit = Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())));
    let app = app(&kit.sessions);
    let answer = sign_in(&app, &[]).await;
    let session = answer.header("set-cookie").and_then(|line| line.split(';').next()).ok_or("no cookie")?.to_owned();
    let asked = Request::builder().method(Method::POST).uri("/api/logout").header("sec-fetch-site", "same-origin");
    let out = send(&app, asked.header(header::COOKIE, session).body(Body::empty())?).await;
    assert_eq!(out.status, 204);
    assert_eq!(line_of(&out), None);
    Ok(())
}

/// For a client that is no browser there is no cookie, and without the setting there is none in a transport without
/// cookies.
#[tokio::test]
async fn there_is_no_cookie_where_none_is_wanted() -> TestResult {
    let kit = Kit::with(|builder| builder.transport(Transport::Both(CookieOptions::new())));
    let started = kit.sessions.start("ann", ClientInfo::new().device_id(Some(DeviceId::new()))).await?;
    assert_eq!(line_of(&Answer::read(started.in_body().into_response()).await), None);

    let kit = Kit::new();
    assert_eq!(line_of(&sign_in(&app(&kit.sessions), &[]).await), None);
    assert_eq!(sight(&kit), (false, None));
    Ok(())
}

/// Only a secret can sign it: with a private key for tokens the cookie needs one of its own.
#[tokio::test]
async fn the_cookie_needs_a_secret() -> TestResult {
    let private = || KeyRing::eddsa_pem(include_str!("../../keys/ed25519.pem")).expect("a good key");
    let builder = || {
        let cookies = Transport::Cookie(CookieOptions::new());
        SessionManager::builder(MemoryStore::new()).keys(private()).transport(cookies)
    };
    let without = builder().build()?;
    assert_eq!(line_of(&sign_in(&app(&without), &[]).await), None);
    assert!(line_of(&sign_in(&app(&builder().device_cookie(keys()).build()?), &[]).await).is_some());
    let refused = builder().device_cookie(private()).build().err().ok_or("it was built")?;
    assert_eq!(refused.kind(), ConfigErrorKind::KeyRing);
    assert!(KeyRing::hs256(SECRET).is_ok());
    Ok(())
}
