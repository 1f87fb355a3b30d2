//! Signing out always signs out, with whatever token the client has left, in each transport.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Method, Request},
    routing::post,
};
use tower_device_sessions::{
    Error, ErrorKind, SessionLayer, SignedOut, StartedSession,
    credentials::{CookieOptions, CredentialSource, Transport},
    manager::{RefreshPolicy, Revocation},
    policy::Denied,
    routes::SigningOut,
    session::{AsOf, EndReason},
    store::{Fault, StoreMethod},
};

use crate::support::{Answer, Kit, TestResult, app, send};

const CLEARED: [&str; 2] = [
    "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0",
    "__Host-refresh=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0",
];

fn kit(transport: Transport) -> Kit {
    Kit::with(|builder| builder.transport(transport).refresh(RefreshPolicy::new()))
}

fn cookies() -> Transport {
    Transport::Cookie(CookieOptions::new())
}

fn both() -> Transport {
    Transport::Both(CookieOptions::new())
}

/// An application with a sign-out of its own.
fn own(kit: &Kit) -> Router {
    async fn logout(client: SigningOut) -> Result<SignedOut, Error> {
        client.sign_out().await
    }
    Router::new().route("/api/logout", post(logout)).layer(SessionLayer::new(&kit.sessions))
}

async fn sign_out(app: &Router, headers: &[(&str, String)], body: &str) -> Answer {
    let mut asked = Request::builder().method(Method::POST).uri("/api/logout");
    for (name, value) in headers {
        asked = asked.header(*name, value);
    }
    send(app, asked.body(Body::from(body.to_owned())).expect("a good request")).await
}

fn refresh_token(started: &StartedSession) -> &str {
    started.refresh_token().expect("refresh tokens are on")
}

fn bearer(started: &StartedSession) -> (&'static str, String) {
    ("authorization", format!("Bearer {}", started.token()))
}

fn cookie(pairs: &[(&str, &str)]) -> (&'static str, String) {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("__Host-{name}={value}")).collect();
    ("cookie", pairs.join("; "))
}

fn body(started: &StartedSession) -> String {
    serde_json::json!({ "refreshToken": refresh_token(started) }).to_string()
}

async fn reason(kit: &Kit, started: &StartedSession) -> Option<EndReason> {
    let session = started.session();
    let record = kit.sessions.find(&session.user_id, session.id).await.expect("a working store").expect("a record");
    record.ended.map(|ending| ending.reason)
}

/// Each way that a client may come to have only part of its tokens left, an hour after it has signed in.
#[tokio::test]
async fn whatever_token_is_left_signs_out() -> TestResult {
    type Left = fn(&StartedSession) -> (Vec<(&'static str, String)>, String);
    let rows: [(&str, Transport, Left); 9] = [
        ("a run-out access token", Transport::Bearer, |s| (vec![bearer(s)], String::new())),
        ("a run-out access token", both(), |s| (vec![bearer(s)], String::new())),
        ("the refresh token only", Transport::Bearer, |s| (vec![], body(s))),
        ("the refresh token only", both(), |s| (vec![], body(s))),
        ("a foreign access token and the refresh token", Transport::Bearer, |s| {
            (vec![("authorization", "Bearer null".to_owned())], body(s))
        }),
        ("a run-out cookie", cookies(), |s| (vec![from_page(), cookie(&[("session", s.token())])], String::new())),
        ("the refresh cookie only", cookies(), |s| {
            (vec![from_page(), cookie(&[("refresh", refresh_token(s))])], String::new())
        }),
        ("a run-out cookie and the refresh cookie", cookies(), |s| {
            (vec![from_page(), cookie(&[("session", s.token()), ("refresh", refresh_token(s))])], String::new())
        }),
        ("everything", both(), |s| {
            (vec![from_page(), bearer(s), cookie(&[("session", s.token()), ("refresh", refresh_token(s))])], body(s))
        }),
    ];
    for (what, transport, left) in rows {
        for ready_made in [true, false] {
            let has_cookies = !matches!(transport, Transport::Bearer);
            let kit = kit(transport.clone());
            let router = if ready_made { app(&kit.sessions) } else { own(&kit) };
            let started = kit.sign_in("ann").await;
            kit.clock.advance(Duration::from_secs(3_600));
            let (headers, body) = left(&started);
            let answer = sign_out(&router, &headers, &body).await;
            let case = format!("{what}, {transport:?}, ready-made: {ready_made}: {}", answer.body);
            assert_eq!(answer.status, 204, "{case}");
            assert_eq!(reason(&kit, &started).await, Some(EndReason::SignedOut), "{case}");
            let lines = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().expect("visible"));
            assert_eq!(lines.collect::<Vec<_>>(), if has_cookies { &CLEARED[..] } else { &[] }, "{case}");
            assert!(kit.sessions.refresh(refresh_token(&started)).await.is_err(), "{case}");
            // And again: it has ended, and that is all that was asked for.
            assert_eq!(sign_out(&router, &headers, &body).await.status, 204, "{case}");
        }
    }
    Ok(())
}

fn from_page() -> (&'static str, String) {
    ("sec-fetch-site", "same-origin".to_owned())
}

/// Tokens of older generations sign out, too, and so does the newest; none of it is called theft.
#[tokio::test]
async fn a_token_of_any_generation_signs_out() -> TestResult {
    for generation in 0..3 {
        for by_refresh in [false, true] {
            let kit = kit(Transport::Bearer);
            let mut pairs = vec![kit.sign_in("ann").await];
            for _ in 0..2 {
                let next = kit.sessions.refresh(refresh_token(&pairs[pairs.len() - 1])).await?;
                pairs.push(next);
            }
            let pair = &pairs[generation];
            let token = if by_refresh { refresh_token(pair) } else { pair.token() };
            kit.sessions.sign_out_with(token).await?;
            assert_eq!(reason(&kit, pair).await, Some(EndReason::SignedOut));
        }
    }
    Ok(())
}

/// The access token is of one session and the refresh token of another: neither lives on.
#[tokio::test]
async fn every_session_that_is_left_ends() -> TestResult {
    let kit = kit(cookies());
    let (one, other) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    let headers = [from_page(), cookie(&[("session", one.token()), ("refresh", refresh_token(&other))])];
    assert_eq!(sign_out(&app(&kit.sessions), &headers, "").await.status, 204);
    for started in [&one, &other] {
        assert_eq!(reason(&kit, started).await, Some(EndReason::SignedOut));
    }
    Ok(())
}

/// What proves nothing ends nothing, and clears nothing.
#[tokio::test]
async fn a_sign_out_without_a_token_of_ours_says_why() -> TestResult {
    let (kit, elsewhere) = (
        kit(both()),
        Kit::with(|builder| {
            let keys =
                tower_device_sessions::KeyRing::hs256("another secret of more than 32 bytes").expect("a good secret");
            builder.keys(keys).refresh(RefreshPolicy::new())
        }),
    );
    let (ours, theirs) = (kit.sign_in("ann").await, elsewhere.sign_in("ann").await);
    for router in [app(&kit.sessions), own(&kit)] {
        for (headers, body, status, code) in [
            (vec![], String::new(), 401, "credentials_missing"),
            (vec![bearer(&theirs)], String::new(), 401, "token_invalid"),
            (vec![], body(&theirs), 401, "credentials_missing"),
            (vec![from_page(), cookie(&[("session", theirs.token())])], String::new(), 401, "token_invalid"),
            (
                vec![from_page(), cookie(&[("refresh", refresh_token(&theirs))])],
                String::new(),
                401,
                "credentials_missing",
            ),
            (vec![("authorization", "Bearer".to_owned())], "not json".to_owned(), 400, "invalid_request"),
        ] {
            let answer = sign_out(&router, &headers, &body).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{headers:?} {body}");
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
    assert_eq!(reason(&kit, &ours).await, None);
    let denied = kit.sessions.sign_out_with(theirs.token()).await.map(drop).map_err(|error| error.denied().cloned());
    assert_eq!(denied, Err(Some(Denied::Invalid)));
    Ok(())
}

/// S41, S48: a refresh token of a session with another salt is none of ours.
#[tokio::test]
async fn a_refresh_token_with_another_salt_signs_nobody_out() -> TestResult {
    let (kit, stranger) = (kit(Transport::Bearer), kit(Transport::Bearer));
    let theirs = stranger.sign_in("ann").await;
    let mut restored = theirs.session().clone();
    restored.tokens.salt = tower_device_sessions::session::Salt::from_bytes([1; 16]);
    let admission = tower_device_sessions::policy::Admission::new(AsOf::new(restored.created_at, Duration::ZERO));
    tower_device_sessions::store::SessionStore::insert(&kit.store, &restored, &admission).await?;
    assert!(kit.sessions.sign_out_with(refresh_token(&theirs)).await.is_err());
    assert_eq!(reason(&kit, &theirs).await, None);
    Ok(())
}

/// S72: another site cannot sign anybody out by the cookies that are left, and the ready-made route wants a word on
/// where a request comes from. A token in the header or in the body needs none.
#[tokio::test]
async fn another_site_cannot_sign_out_by_what_is_left() -> TestResult {
    let kit = kit(both());
    let started = kit.sign_in("ann").await;
    kit.clock.advance(Duration::from_secs(3_600));
    let left = cookie(&[("session", started.token()), ("refresh", refresh_token(&started))]);
    let foreign = ("sec-fetch-site", "cross-site".to_owned());
    for (router, headers) in [
        (app(&kit.sessions), vec![left.clone(), foreign.clone()]),
        (app(&kit.sessions), vec![left.clone()]),
        (own(&kit), vec![left.clone(), foreign.clone()]),
    ] {
        let answer = sign_out(&router, &headers, "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "csrf_denied"), "{headers:?}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    assert_eq!(reason(&kit, &started).await, None);
    assert_eq!(sign_out(&app(&kit.sessions), &[bearer(&started), left, foreign], "").await.status, 204);
    assert_eq!(reason(&kit, &started).await, Some(EndReason::SignedOut));
    Ok(())
}

/// Where one transport is used only the other's tokens are not read.
#[tokio::test]
async fn the_tokens_of_a_transport_that_is_not_used_sign_nobody_out() -> TestResult {
    let kit = kit(both());
    let started = kit.sign_in("ann").await;
    let of = |source| {
        let routes = tower_device_sessions::SessionRoutes::new(&kit.sessions).into_router();
        Router::new().nest("/api", routes).layer(SessionLayer::new(&kit.sessions).only(source))
    };
    let cookies = [from_page(), cookie(&[("session", started.token()), ("refresh", refresh_token(&started))])];
    assert_eq!(sign_out(&of(CredentialSource::Bearer), &cookies, "").await.status, 401);
    assert_eq!(sign_out(&of(CredentialSource::Cookie), &[bearer(&started)], &body(&started)).await.status, 401);
    assert_eq!(reason(&kit, &started).await, None);
    Ok(())
}

/// S30: nothing is cleared until the ending is on record.
#[tokio::test]
async fn a_sign_out_that_cannot_be_recorded_is_an_outage() -> TestResult {
    let kit = kit(cookies());
    let started = kit.sign_in("ann").await;
    kit.clock.advance(Duration::from_secs(3_600));
    let headers = [from_page(), cookie(&[("session", started.token()), ("refresh", refresh_token(&started))])];
    kit.store.fail(StoreMethod::End, Fault::FailBefore);
    let answer = sign_out(&app(&kit.sessions), &headers, "").await;
    assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (503, None));
    kit.store.fail_all(Fault::FailBefore);
    let error = kit.sessions.sign_out_with(refresh_token(&started)).await.map(drop);
    assert_eq!(error.map_err(|error| error.kind()), Err(ErrorKind::Unavailable));
    kit.store.heal();
    assert_eq!(sign_out(&app(&kit.sessions), &headers, "").await.status, 204);
    Ok(())
}

/// Ending others takes a session; with a token that has run out the client is told to refresh first.
#[tokio::test]
async fn signing_others_out_still_takes_a_session() -> TestResult {
    let kit = kit(Transport::Bearer);
    let (started, other) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    kit.clock.advance(Duration::from_secs(3_600));
    for scope in ["others", "global"] {
        let asked = Request::builder().method(Method::POST).uri(format!("/api/logout?scope={scope}"));
        let (name, value) = bearer(&started);
        let answer = send(&app(&kit.sessions), asked.header(name, value).body(Body::empty())?).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "token_expired"), "{scope}");
    }
    assert_eq!(reason(&kit, &other).await, None);
    Ok(())
}

/// A session that somebody has ended before stays ended the way it was.
#[tokio::test]
async fn signing_out_of_an_ended_session_changes_nothing() -> TestResult {
    let kit = kit(Transport::Bearer);
    let started = kit.sign_in("ann").await;
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_administrator("ops")).await?;
    assert_eq!(sign_out(&app(&kit.sessions), &[bearer(&started)], "").await.status, 204);
    assert_eq!(reason(&kit, &started).await, Some(EndReason::RevokedByAdmin));
    Ok(())
}
