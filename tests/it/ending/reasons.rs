//! The truth about endings and other events: what clients are told, and what listeners are.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request},
    routing::get,
};
use tower_device_sessions::{
    ClientInfo, CurrentSession, SessionLayer, SessionPolicy,
    event::SessionEvent,
    manager::Revocation,
    middleware::PeerAddress,
    policy::Denied,
    session::{Actor, AsOf, EndReason, Ending},
    store::SessionStore,
};

use crate::support::{Answer, CHROME, IPHONE, Kit, TestResult, get_with, request, send};

const MINUTE: Duration = Duration::from_secs(60);

/// Each reason has its code and its text, and is told to the ended device.
#[tokio::test]
async fn every_ending_is_told_by_code_and_text() -> TestResult {
    for (reason, code, error) in [
        (EndReason::SignedOut, "session_revoked", "Signed out"),
        (EndReason::RevokedByUser, "session_revoked", "Signed out from another device"),
        (EndReason::RevokedByAdmin, "session_revoked", "Signed out by an administrator"),
        (EndReason::Policy, "session_revoked", "Signed out by a security policy"),
        (EndReason::Evicted, "session_evicted", "Signed out because of newer sign-ins"),
        (EndReason::Replaced, "session_replaced", "Replaced by a newer sign-in"),
        (EndReason::Idle, "session_idle", "Signed out after a time without activity"),
        (EndReason::Expired, "session_expired", "Session expired"),
        (EndReason::CredentialsChanged, "credentials_changed", "Credentials changed"),
        (EndReason::RefreshReused, "refresh_reused", "Signed out for safety"),
    ] {
        let kit = Kit::new();
        let started = kit.sign_in("ann").await;
        let ending = Ending::new(reason, Actor::System, kit.sessions.now());
        kit.store.end(&started.session().key(), &ending, Duration::ZERO).await?;
        let answer = get_with(&kit.app(), "/me", started.token()).await;
        assert_eq!(
            answer.body,
            format!(
                "{{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,\"code\":\"{code}\",\
                 \"error\":\"{error}\",\"reason\":\"{reason}\"}}"
            )
        );
    }
    Ok(())
}

/// No matter who ends a session, the reason, the actor and the time are on record and in the list.
#[tokio::test]
async fn an_ended_session_keeps_reason_actor_and_time() -> TestResult {
    let kit = Kit::new();
    let (gone, kept) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    kit.clock.advance(MINUTE);
    kit.sessions.revoke(&gone.session().user_id, gone.session().id, Revocation::by_administrator("eve")).await?;
    let record = kit.sessions.find(&gone.session().user_id, gone.session().id).await?.expect("a record");
    let ending = record.ended.expect("an ending");
    assert_eq!((ending.reason, ending.actor), (EndReason::RevokedByAdmin, Actor::Administrator("eve".into())));
    let list = get_with(&kit.app(), "/api/sessions?state=ended", kept.token()).await.json();
    assert_eq!(
        (&list[0]["endReason"], &list[0]["endedAt"]),
        (&"revoked_by_admin".into(), &"2026-01-01T00:01:00.000Z".into())
    );
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    Ok(())
}

/// Scenario: signing out one device does not sign out another.
#[tokio::test]
async fn signing_out_one_device_leaves_the_others() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let (one, other) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    assert_eq!(send(&app, request(Method::POST, "/api/logout", one.token())).await.status, 204);
    assert_eq!(get_with(&app, "/me", one.token()).await.status, 401);
    assert_eq!(get_with(&app, "/me", other.token()).await.status, 200);
    Ok(())
}

/// Scenario: a row that is written again does not bring its session back.
#[tokio::test]
async fn a_row_that_is_inserted_again_stays_ended() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    let admission = tower_device_sessions::policy::Admission::new(AsOf::new(kit.sessions.now(), Duration::ZERO));
    kit.store.insert(started.session(), &admission).await?;
    assert!(kit.sessions.authenticate(started.token()).await.is_err());
    Ok(())
}

/// Scenario: being remembered does not outlive a revocation.
#[tokio::test]
async fn a_remembered_session_dies_with_its_revocation() -> TestResult {
    let kit = Kit::with(|builder| builder.refresh(tower_device_sessions::manager::RefreshPolicy::new()));
    let started = kit.sign_in("ann").await;
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    for advance in [Duration::ZERO, MINUTE, 60 * 24 * MINUTE] {
        kit.clock.advance(advance);
        assert!(kit.sessions.refresh(started.refresh_token().expect("refresh is on")).await.is_err());
        assert!(kit.sessions.authenticate(started.token()).await.is_err());
    }
    Ok(())
}

fn asked(path: &str, token: &str, user_agent: &'static str, peer: &str) -> Request<Body> {
    let mut request = request(Method::GET, path, token);
    request.headers_mut().insert("user-agent", HeaderValue::from_static(user_agent));
    let peer: SocketAddr = format!("{peer}:443").parse().expect("an address");
    request.extensions_mut().insert(PeerAddress(peer));
    request
}

/// S88: a move is told once, and signs nobody out; so is another browser, but not a newer version of the same.
#[tokio::test]
async fn a_change_of_address_or_browser_is_told_and_decides_nothing() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let client = ClientInfo::new().user_agent(CHROME).ip("192.0.2.1".parse().ok());
    let started = kit.sessions.start("ann", client).await?;
    kit.events.take();
    let newer = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";

    let visit = async |user_agent: &'static str, peer: &str| {
        kit.clock.advance(2 * MINUTE);
        let answer: Answer = send(&app, asked("/me", started.token(), user_agent, peer)).await;
        assert_eq!(answer.status, 200);
        kit.sessions.flush_activity().await;
        kit.events.take()
    };
    assert!(visit(CHROME, "192.0.2.1").await.is_empty());
    assert!(visit(newer, "192.0.2.1").await.is_empty(), "a newer version of the same browser");
    let moved = visit(CHROME, "198.51.100.7").await;
    assert!(
        matches!(&moved[..], [SessionEvent::AddressChanged { from, to, .. }]
            if from.to_string() == "192.0.2.1" && to.to_string() == "198.51.100.7"),
        "{moved:?}"
    );
    assert!(visit(CHROME, "198.51.100.7").await.is_empty(), "told once");
    let copied = visit(IPHONE, "198.51.100.7").await;
    assert!(
        matches!(&copied[..], [SessionEvent::BrowserChanged { from, to, .. }]
            if &**from == "Chrome on Windows" && &**to == "Safari on iPhone"),
        "{copied:?}"
    );
    assert!(visit(IPHONE, "198.51.100.7").await.is_empty(), "told once");
    Ok(())
}

/// S55: a page that polls by itself does not keep its user signed in.
#[tokio::test]
async fn polling_keeps_no_session_alive() -> TestResult {
    let kit = Kit::with(|builder| {
        builder.policy(SessionPolicy::new().idle_timeout(30 * MINUTE).absolute_timeout(600 * MINUTE))
    });
    let app = Router::new()
        .route("/poll", get(async |_: CurrentSession| "nothing new"))
        .route("/work", get(async |_: CurrentSession| "done"))
        .layer(SessionLayer::new(&kit.sessions).passive(|uri| uri.path() == "/poll"));
    for (path, alive) in [("/work", true), ("/poll", false)] {
        let started = kit.sign_in("ann").await;
        for _ in 0..45 {
            kit.clock.advance(MINUTE);
            let answer = get_with(&app, path, started.token()).await;
            if !answer.status.is_success() {
                assert_eq!(answer.code(), "session_idle");
                break;
            }
        }
        assert_eq!(get_with(&app, path, started.token()).await.status == 200, alive, "{path}");
    }
    Ok(())
}

/// A shadow rejects nothing, and reports what it would have rejected.
#[tokio::test]
async fn a_shadow_refuses_nothing_and_reports_everything() -> TestResult {
    let kit = Kit::new();
    let who = get(async |session: Option<CurrentSession>| {
        session.map_or_else(|| "nobody".to_owned(), |session| session.user_id().to_string())
    });
    let app = Router::new().route("/", who).layer(SessionLayer::new(&kit.sessions).shadow());
    let (good, revoked) = (kit.sign_in("ann").await, kit.sign_in("bob").await);
    kit.sessions.revoke_all(&"bob".try_into()?, Revocation::by_application()).await?;
    kit.events.take();

    assert_eq!(get_with(&app, "/", good.token()).await.body, "ann");
    assert!(kit.events.take().is_empty());
    let expect_shadow = async |token: &str| {
        assert_eq!(get_with(&app, "/", token).await.body, "nobody");
        let told = kit.events.take();
        told.into_iter().find_map(|event| match event {
            SessionEvent::WouldDeny { denied, .. } => Some(denied),
            _ => None,
        })
    };
    assert_eq!(expect_shadow("a token of the other system").await, Some(Denied::Malformed));
    assert_eq!(expect_shadow("e30.e30.e30").await, Some(Denied::Invalid));
    assert!(matches!(expect_shadow(revoked.token()).await, Some(Denied::Ended(_))));
    kit.store.fail_all(tower_device_sessions::store::Fault::FailBefore);
    let cold = Kit::over(kit.store.clone(), kit.clock.clone(), |builder| builder);
    let elsewhere = Router::new().route("/", get(async || "through")).layer(SessionLayer::new(&cold.sessions).shadow());
    assert_eq!(get_with(&elsewhere, "/", good.token()).await.body, "through");
    assert!(matches!(&cold.events.take()[..], [SessionEvent::WouldDeny { denied: Denied::Unavailable, .. }]));
    Ok(())
}
