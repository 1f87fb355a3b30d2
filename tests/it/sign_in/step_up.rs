//! Step-up: what a session has proven, who asks for it, and what becomes of the tokens from before.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Value, json};
use tower_device_sessions::{
    ClientInfo, CurrentSession, DeviceId, ErrorKind, RecentAuth, RecentAuthWithin, RequireRecentAuthLayer,
    SessionLayer, SessionManager, SessionPolicy, SessionRoutes, StartedSession,
    assurance::Requirement,
    credentials::{CookieOptions, Transport},
    event::SessionEvent,
    manager::{RefreshPolicy, Revocation},
    policy::Denied,
    session::AsOf,
    store::{Fault, StoreMethod},
};

use crate::support::{Answer, Kit, TestResult, delete_with, get_with, request, send};

const MINUTE: Duration = Duration::from_secs(60);

fn app(sessions: &SessionManager) -> Router {
    let strong = Requirement::recent(5 * MINUTE).level(2);
    let with_otp = Requirement::recent(5 * MINUTE).method("otp");
    Router::new()
        .route("/me", get(async |session: CurrentSession| session.user_id().to_string()))
        .route("/by-policy", get(async |RecentAuth(_): RecentAuth| "in"))
        .route("/within-a-minute", get(async |RecentAuthWithin(_): RecentAuthWithin<60>| "in"))
        .merge(Router::new().route("/strong", post(async || "in")).layer(RequireRecentAuthLayer::new(strong)))
        .merge(Router::new().route("/otp", get(async || "in")).layer(RequireRecentAuthLayer::new(with_otp)))
        .nest("/api", SessionRoutes::new(sessions).into_router())
        .layer(SessionLayer::new(sessions))
}

async fn current(kit: &Kit, started: &StartedSession) -> CurrentSession {
    kit.sessions.authenticate(started.token()).await.expect("it is accepted")
}

/// S56, RFC 9470 §3: the exact header, and the handler is not called.
#[tokio::test]
async fn a_stale_authentication_is_challenged() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit.sessions);
    let started = kit.sign_in("ann").await;
    for path in ["/by-policy", "/within-a-minute"] {
        assert_eq!(get_with(&app, path, started.token()).await.body, "in");
    }
    kit.clock.advance(2 * MINUTE);
    assert_eq!(get_with(&app, "/by-policy", started.token()).await.body, "in");
    let answer = get_with(&app, "/within-a-minute", started.token()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "reauthentication_required"));
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer error=\"insufficient_user_authentication\", max_age=60")
    );
    assert_eq!(answer.json()["maxAge"], 60);
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    let answer = send(&app, request(Method::POST, "/strong", started.token())).await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer error=\"insufficient_user_authentication\", acr_values=\"aal2\", max_age=300")
    );
    assert_eq!(answer.json()["acrValues"], "aal2");
    kit.clock.advance(4 * MINUTE);
    let answer = get_with(&app, "/by-policy", started.token()).await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer error=\"insufficient_user_authentication\", max_age=300")
    );
    Ok(())
}

/// Who has no session is told that, and not to step up.
#[tokio::test]
async fn without_a_session_there_is_nothing_to_step_up() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit.sessions);
    for (method, path) in [(Method::GET, "/by-policy"), (Method::POST, "/strong")] {
        let asked = Request::builder().method(method).uri(path).body(Body::empty())?;
        let answer = send(&app, asked).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, Some("Bearer")), "{path}");
    }
    let unlayered =
        Router::new().route("/", get(async || "in")).layer(RequireRecentAuthLayer::new(Requirement::recent(MINUTE)));
    let answer = send(&unlayered, Request::builder().uri("/").body(Body::empty())?).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (500, "session_layer_missing"));
    Ok(())
}

/// S49, S58: a new token, a new generation, the old token refused; what was proven is on record, the deadlines are the
/// same.
#[tokio::test]
async fn a_step_up_moves_the_session_to_a_new_token() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit.sessions);
    let started =
        kit.sessions.start("ann", ClientInfo::new()).method("pwd").claims(&json!({ "tenant": "acme" })).await?;
    kit.clock.advance(30 * MINUTE);
    assert_eq!(send(&app, request(Method::POST, "/strong", started.token())).await.status, 401);
    let before = current(&kit, &started).await;
    kit.events.take();

    let stepped = kit.sessions.reauthenticated(&before, "otp").assurance_level(2).await?;
    assert_eq!(send(&app, request(Method::POST, "/strong", stepped.token())).await.body, "in");
    assert_eq!(get_with(&app, "/otp", stepped.token()).await.body, "in");
    let old = get_with(&app, "/me", started.token()).await;
    assert_eq!((old.status.as_u16(), old.code().as_str()), (401, "token_invalid"));

    let record = stepped.session();
    assert_eq!(record.id, started.session().id);
    assert_eq!(record.expires_at, started.session().expires_at);
    assert_eq!((record.authenticated_at, record.assurance_level), (kit.sessions.now(), 2));
    let names: Vec<&str> = record.methods.keys().map(|name| &**name).collect();
    assert_eq!(names, ["otp", "pwd"]);
    assert_eq!(record.methods["pwd"], started.session().created_at, "proven when it was proven");
    assert!(
        matches!(&kit.events.take()[..], [SessionEvent::Reauthenticated { session, .. }, ..] if session.id == record.id)
    );

    let claims: BTreeMap<String, Value> = current(&kit, &stepped).await.claims()?;
    assert_eq!((&claims["tenant"], &claims["acr"], &claims["gen"]), (&"acme".into(), &"aal2".into(), &1.into()));
    assert_eq!(claims["amr"], json!(["otp", "pwd"]));
    Ok(())
}

/// S58: a password after a second factor is neither a recent second factor, nor does the token say so.
#[tokio::test]
async fn a_level_is_as_recent_as_the_authentication_that_reached_it() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit.sessions);
    let started = kit.sessions.start("ann", ClientInfo::new()).method("pwd").method("otp").assurance_level(2).await?;
    assert_eq!(send(&app, request(Method::POST, "/strong", started.token())).await.body, "in");
    kit.clock.advance(10 * MINUTE);

    let weak = kit.sessions.reauthenticated(&current(&kit, &started).await, "pwd").await?;
    let refused = send(&app, request(Method::POST, "/strong", weak.token())).await;
    assert_eq!((refused.status, refused.json()["acrValues"].as_str()), (StatusCode::UNAUTHORIZED, Some("aal2")));
    let claims: BTreeMap<String, Value> = current(&kit, &weak).await.claims()?;
    assert_eq!(claims["auth_time"], json!(kit.sessions.now().as_seconds()));
    assert_eq!(claims.get("acr"), None);
    assert_eq!(current(&kit, &weak).await.meets(&Requirement::at_level(2)), Ok(()), "whenever that was");

    let strong = kit.sessions.reauthenticated(&current(&kit, &weak).await, "otp").assurance_level(2).await?;
    assert_eq!(send(&app, request(Method::POST, "/strong", strong.token())).await.body, "in");
    let claims: BTreeMap<String, Value> = current(&kit, &strong).await.claims()?;
    assert_eq!(claims["acr"], "aal2");
    Ok(())
}

/// S58: a weaker authentication later takes nothing away, and a refresh adds nothing.
#[tokio::test]
async fn only_an_authentication_changes_what_is_proven() -> TestResult {
    let kit = Kit::with(|builder| builder.refresh(RefreshPolicy::new()));
    let started = kit.sessions.start("ann", ClientInfo::new()).method("hwk").assurance_level(3).await?;
    kit.clock.advance(10 * MINUTE);
    let stepped = kit.sessions.reauthenticated(&current(&kit, &started).await, "pwd").await?;
    assert_eq!(stepped.session().assurance_level, 3);
    kit.clock.advance(10 * MINUTE);
    let refreshed = kit.sessions.refresh(stepped.refresh_token().expect("refresh is on")).await?;
    let record = refreshed.session();
    assert_eq!((record.assurance_level, record.authenticated_at), (3, stepped.session().authenticated_at));
    assert_eq!(record.methods, stepped.session().methods);
    assert_eq!(get_with(&app(&kit.sessions), "/by-policy", refreshed.token()).await.status, 401);
    Ok(())
}

/// A step-up with a token from before another step-up, and with one of a session that has ended.
#[tokio::test]
async fn a_step_up_with_a_stale_token_is_refused() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let stale = current(&kit, &started).await;
    let stepped = kit.sessions.reauthenticated(&stale, "otp").await?;
    let again = kit.sessions.reauthenticated(&stale, "otp").await.expect_err("the token has been superseded");
    assert_eq!((again.kind(), again.denied()), (ErrorKind::Denied, Some(&Denied::Invalid)));
    assert_eq!(again.into_response().status(), 401);
    assert!(kit.sessions.authenticate(stepped.token()).await.is_ok());

    let held = current(&kit, &stepped).await;
    kit.sessions.revoke_all(held.user_id(), Revocation::by_application()).await?;
    let ended = kit.sessions.reauthenticated(&held, "otp").await.expect_err("the session has ended");
    assert!(matches!(ended.denied(), Some(Denied::Ended(_))));
    Ok(())
}

/// S49: nobody gets at what was proven by a refresh token from before, and nobody is signed out for trying at once.
#[tokio::test]
async fn a_refresh_token_from_before_a_step_up_is_refused() -> TestResult {
    let kit = Kit::with(|builder| builder.refresh(RefreshPolicy::new()));
    let started = kit.sign_in("ann").await;
    let stepped = kit.sessions.reauthenticated(&current(&kit, &started).await, "otp").await?;
    let old = started.refresh_token().expect("refresh is on");
    let refused = kit.sessions.refresh(old).await.expect_err("it is refused");
    assert_eq!(refused.denied(), Some(&Denied::Invalid));
    assert!(kit.sessions.authenticate(stepped.token()).await.is_ok(), "a tab that was a moment late");

    kit.clock.advance(MINUTE);
    assert!(matches!(kit.sessions.refresh(old).await.expect_err("it is refused").denied(), Some(Denied::Ended(_))));
    assert!(kit.sessions.authenticate(stepped.token()).await.is_err(), "long after, it is theft");
    Ok(())
}

/// A refresh that wins the race against a step-up does not cost the user the step-up.
#[tokio::test]
async fn a_step_up_goes_on_after_a_racing_refresh() -> TestResult {
    let kit = Kit::with(|builder| builder.refresh(RefreshPolicy::new()));
    let started = kit.sign_in("ann").await;
    let held = current(&kit, &started).await;
    let gate = kit.store.hold_before(StoreMethod::Rotate);
    let stepping = tokio::spawn({
        let sessions = kit.sessions.clone();
        async move { sessions.reauthenticated(&held, "otp").await }
    });
    gate.arrived(1).await;
    // The other node is not held: its store is the one behind the gate.
    let rotation = tower_device_sessions::store::Rotation::new(0, AsOf::new(kit.sessions.now(), Duration::ZERO));
    let rotating = tokio::spawn({
        let (store, session) = (kit.store.clone(), started.session().clone());
        async move {
            use tower_device_sessions::store::SessionStore;
            store.rotate(&session.key(), &rotation).await.map(drop)
        }
    });
    gate.arrived(2).await;
    gate.open();
    rotating.await??;
    let stepped = stepping.await??;
    assert!(stepped.session().tokens.generation >= 1);
    assert_eq!(stepped.session().tokens.least_generation, stepped.session().tokens.generation);
    assert!(kit.sessions.authenticate(stepped.token()).await.is_ok());
    Ok(())
}

/// A node that knows the record from before the step-up reads it again as soon as it sees the new token.
#[tokio::test]
async fn another_node_knows_of_a_step_up_by_its_token() -> TestResult {
    let kit = Kit::new();
    let other = kit.another_node();
    let started = kit.sign_in("ann").await;
    kit.clock.advance(30 * MINUTE);
    let elsewhere = app(&other.sessions);
    assert_eq!(send(&elsewhere, request(Method::POST, "/strong", started.token())).await.status, 401);

    let stepped = kit.sessions.reauthenticated(&current(&kit, &started).await, "otp").assurance_level(2).await?;
    assert_eq!(send(&elsewhere, request(Method::POST, "/strong", stepped.token())).await.body, "in");
    assert_eq!(get_with(&elsewhere, "/me", started.token()).await.status, 401);
    Ok(())
}

/// A renewed token goes the way the old one came: no script learns what a cookie holds.
#[tokio::test]
async fn a_step_up_answers_the_way_the_token_came() -> TestResult {
    let kit =
        Kit::with(|builder| builder.transport(Transport::Both(CookieOptions::new())).refresh(RefreshPolicy::new()));
    let app = Router::new()
        .route(
            "/confirm",
            post({
                let sessions = kit.sessions.clone();
                async move |session: CurrentSession| sessions.reauthenticated(&session, "pwd").await
            }),
        )
        .layer(SessionLayer::new(&kit.sessions));
    let started = kit.sign_in("ann").await;
    let mut by_cookie = Request::builder().method(Method::POST).uri("/confirm").body(Body::empty())?;
    by_cookie.headers_mut().insert("cookie", HeaderValue::from_str(&format!("__Host-session={}", started.token()))?);
    by_cookie.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
    let answer = send(&app, by_cookie).await;
    assert_eq!((answer.status.as_u16(), answer.headers.get_all("set-cookie").iter().count()), (200, 2));
    assert!(answer.json().get("token").is_none());

    let started = kit.sign_in("ann").await;
    let answer = send(&app, request(Method::POST, "/confirm", started.token())).await;
    assert!(answer.json()["token"].is_string() && answer.json()["refreshToken"].is_string());
    assert!(answer.headers.get("set-cookie").is_none());
    Ok(())
}

/// S36: a store that fails changes nothing, and says so.
#[tokio::test]
async fn a_step_up_that_cannot_be_recorded_is_an_outage() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let held = current(&kit, &started).await;
    kit.store.fail_next(StoreMethod::Rotate, 1, Fault::FailBefore);
    let failed = kit.sessions.reauthenticated(&held, "otp").await.expect_err("the store fails");
    assert_eq!(failed.kind(), ErrorKind::Unavailable);
    assert!(kit.sessions.authenticate(started.token()).await.is_ok());
    Ok(())
}

/// Until when the user counts as recently authenticated.
#[tokio::test]
async fn the_current_session_shows_until_when_it_is_fresh() -> TestResult {
    let kit = Kit::with(|builder| builder.policy(SessionPolicy::new().fresh_for(10 * MINUTE)));
    let started = kit.sign_in("ann").await;
    let fresh_until = async |token: &str| {
        let answer = get_with(&app(&kit.sessions), "/api/sessions/current", token).await;
        answer.json()["freshUntil"].as_str().map(str::to_owned)
    };
    assert_eq!(fresh_until(started.token()).await.as_deref(), Some("2026-01-01T00:10:00.000Z"));
    kit.clock.advance(30 * MINUTE);
    let stepped = kit.sessions.reauthenticated(&current(&kit, &started).await, "pwd").await?;
    assert_eq!(fresh_until(stepped.token()).await.as_deref(), Some("2026-01-01T00:40:00.000Z"));
    Ok(())
}

/// S57: in the hardened preset other sessions are ended only after a recent authentication; one's own always.
#[tokio::test]
async fn ending_others_can_ask_for_a_recent_authentication() -> TestResult {
    for (policy, asks) in [(SessionPolicy::aal2(), false), (SessionPolicy::hardened(), true)] {
        let kit = Kit::with(|builder| builder.policy(policy));
        let app = app(&kit.sessions);
        let started = kit.sign_in("ann").await;
        kit.clock.advance(6 * MINUTE);
        let other = kit.sign_in("ann").await;
        let of_other = format!("/api/sessions/{}", other.session().id);
        let challenged = |answer: &Answer| answer.status == 401 && answer.code() == "reauthentication_required";

        for path in [of_other.as_str(), "/api/sessions/others"] {
            assert_eq!(challenged(&delete_with(&app, path, started.token()).await), asks, "{path}");
        }
        let others = send(&app, request(Method::POST, "/api/logout?scope=others", started.token())).await;
        assert_eq!(challenged(&others), asks);
        assert_eq!(
            get_with(&app, "/me", other.token()).await.status == 200,
            asks,
            "the other lives where it was asked"
        );
        if asks {
            for path in ["/api/sessions", "/api/logout?scope=global"] {
                let method = if path.contains("logout") { Method::POST } else { Method::DELETE };
                assert!(challenged(&send(&app, request(method, path, started.token())).await), "{path}");
            }
            let stepped = kit.sessions.reauthenticated(&current(&kit, &started).await, "pwd").await?;
            assert_eq!(delete_with(&app, &of_other, stepped.token()).await.status, 204);
            kit.clock.advance(10 * MINUTE);
            let own = format!("/api/sessions/{}", started.session().id);
            assert_eq!(delete_with(&app, &own, stepped.token()).await.status, 204, "one's own, however stale");
        }
    }
    Ok(())
}

/// S57: forgetting a device ends its sessions, so it asks for the same; the current device always may be forgotten.
#[tokio::test]
async fn forgetting_another_device_can_ask_for_a_recent_authentication() -> TestResult {
    let kit = Kit::with(|builder| builder.policy(SessionPolicy::hardened()));
    let app = app(&kit.sessions);
    let (here, there) = (DeviceId::new(), DeviceId::new());
    let started = kit.sessions.start("ann", ClientInfo::new().device_id(Some(here))).await?;
    kit.clock.advance(6 * MINUTE);
    let other = kit.sessions.start("ann", ClientInfo::new().device_id(Some(there))).await?;
    let of = |device: DeviceId| format!("/api/devices/{device}");

    let challenged = delete_with(&app, &of(there), started.token()).await;
    assert_eq!((challenged.status.as_u16(), challenged.code()), (401, "reauthentication_required".to_owned()));
    assert_eq!(get_with(&app, "/me", other.token()).await.status, 200);

    let stepped = kit.sessions.reauthenticated(&current(&kit, &started).await, "pwd").await?;
    assert_eq!(delete_with(&app, &of(there), stepped.token()).await.status, 204);
    assert_eq!(get_with(&app, "/me", other.token()).await.status, 401);
    kit.clock.advance(10 * MINUTE);
    assert_eq!(delete_with(&app, &of(here), stepped.token()).await.status, 204, "one's own, however stale");
    Ok(())
}

/// Applications that issue their own tokens put the generation into theirs.
#[tokio::test]
async fn a_step_up_without_a_token_moves_the_record() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let record =
        kit.sessions.reauthenticated(&current(&kit, &started).await, "hwk").method("pin").without_token().await?;
    assert_eq!((record.tokens.generation, record.tokens.least_generation), (1, 1));
    assert!(kit.sessions.authenticate(started.token()).await.is_err());
    Ok(())
}
