//! What clients are told: headers, bodies, and what they are never told.

use axum::{
    Router,
    body::Body,
    http::{Method, Request},
    routing::get,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use prost::Message;
use serde_json::{Value, json};
use tonic_types::pb::ErrorInfo;
use tower::ServiceExt;
use tower_device_sessions::{
    KeyRing, RequireSessionLayer, SessionId, SessionLayer, UserId,
    event::SessionEvent,
    manager::{Endings, Revocation},
    store::{Fault, StoreMethod},
};

use crate::support::{Kit, TestResult, get_with, request, send};

/// S77: a wrong signature and an unknown session are answered alike, byte by byte.
#[tokio::test]
async fn a_bad_token_and_an_unknown_session_are_answered_alike() -> TestResult {
    let kit = Kit::new();
    let stranger = Kit::new();
    let other_key = Kit::with(|builder| {
        builder.keys(KeyRing::hs256("another secret of more than 32 bytes").expect("a good secret"))
    });
    let unknown = stranger.sign_in("ann").await;
    let forged = other_key.sign_in("ann").await;

    let app = kit.app();
    let answers = [
        get_with(&app, "/me", unknown.token()).await,
        get_with(&app, "/me", forged.token()).await,
        get_with(&app, "/me", "e30.e30.e30").await,
    ];
    for answer in &answers {
        assert_eq!(answer.status, 401);
        assert_eq!(answer.body, answers[0].body);
        assert_eq!(answer.headers, answers[0].headers);
    }
    Ok(())
}

/// S77: with endings concealed, an ended session is answered like those.
#[tokio::test]
async fn concealed_endings_look_like_bad_tokens() -> TestResult {
    let kit = Kit::with(|builder| builder.endings(Endings::Concealed));
    let app = kit.app();
    let started = kit.sign_in("ann").await;
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    let ended = get_with(&app, "/me", started.token()).await;
    let bad = get_with(&app, "/me", "e30.e30.e30").await;
    assert_eq!((ended.body, ended.headers), (bad.body, bad.headers));
    Ok(())
}

/// S11, S13: a validly signed token is nothing without a record of its own user.
#[tokio::test]
async fn a_token_whose_user_is_not_the_records_is_refused_and_reported() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let forger = Kit::new();
    let theirs = forger.sign_in("bob").await;
    kit.events.take();

    let answer = get_with(&kit.app(), "/me", theirs.token()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "token_invalid"));
    let events = kit.events.take();
    assert!(matches!(&events[..], [SessionEvent::UnknownSession { user_id, .. }] if user_id.as_str() == "bob"));
    assert_eq!(get_with(&kit.app(), "/me", started.token()).await.status, 200);
    Ok(())
}

/// S70, S71: two `Authorization` lines are a bad request, whatever they hold.
#[tokio::test]
async fn two_authorization_lines_are_a_bad_request() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.events.take();
    let good = format!("Bearer {}", started.token());
    for second in [good.as_str(), "Basic YTpi", "Bearer nonsense"] {
        let mut asked = request(Method::GET, "/me", started.token());
        asked.headers_mut().append("authorization", second.parse()?);
        let answer = send(&kit.app(), asked).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_request"), "{second}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_request\""));
    }
    assert!(kit.events.take().iter().all(|event| matches!(event, SessionEvent::AmbiguousCredentials)));
    Ok(())
}

/// S69: nothing but the header counts.
#[tokio::test]
async fn a_token_anywhere_else_is_no_credential() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let token = started.token();
    let asked = Request::builder()
        .uri(format!("/maybe?access_token={token}&token={token}"))
        .header("cookie", format!("__Host-session={token}; session={token}"))
        .header("x-access-token", token)
        .body(Body::from(format!("access_token={token}")))?;
    assert_eq!(send(&kit.app(), asked).await.body, "nobody");
    Ok(())
}

/// S71: the scheme in any case, one space; other schemes are none of ours.
#[tokio::test]
async fn the_schemes_case_does_not_matter() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    for (scheme, body) in [("bearer", "ann"), ("BEARER", "ann"), ("Basic", "nobody"), ("DPoP", "nobody")] {
        let asked = Request::builder().uri("/maybe").header("authorization", format!("{scheme} {}", started.token()));
        assert_eq!(send(&kit.app(), asked.body(Body::empty())?).await.body, body, "{scheme}");
    }
    Ok(())
}

/// S32: what the store does not have does not get in.
#[tokio::test]
async fn a_store_that_lost_everything_lets_nobody_in() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let emptied = Kit::new();
    assert_eq!(get_with(&emptied.app(), "/me", started.token()).await.status, 401);
    let absent = SessionId::at(started.session().created_at);
    assert_eq!(emptied.sessions.find(&UserId::try_from("ann")?, absent).await?, None);
    Ok(())
}

/// S90: what happens is told, once.
#[tokio::test]
async fn the_life_of_a_session_is_told() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    kit.sessions.sign_out(&current).await?;
    kit.sessions.sign_out(&current).await?;
    let denied = kit.sessions.authenticate(started.token()).await;
    assert!(denied.is_err());

    let events = kit.events.take();
    assert!(
        matches!(
            &events[..],
            [SessionEvent::Started { .. }, SessionEvent::Ended { .. }, SessionEvent::UsedAfterEnd { .. }]
        ),
        "{events:?}"
    );
    Ok(())
}

/// S91: no token in what can be printed of anything that holds one.
#[tokio::test]
async fn no_token_is_ever_printed() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    let signature = started.token().rsplit('.').next().expect("three parts").to_owned();
    let printed = format!("{started:?} {current:?} {:?} {:?} {:?}", kit.sessions, kit.events.take(), kit.app());
    for secret in [started.token(), &signature, crate::support::SECRET] {
        assert!(!printed.contains(secret));
    }
    Ok(())
}

/// S12: a token that is not ours costs the store nothing.
#[tokio::test]
async fn a_tampered_token_never_reaches_the_store() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let calls = kit.store.all_calls();
    let (head, signature) = started.token().rsplit_once('.').expect("three parts");
    let flipped = format!("{head}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
    assert_eq!(get_with(&kit.app(), "/me", &flipped).await.status, 401);
    assert_eq!(kit.store.all_calls(), calls);
    assert_eq!(kit.store.calls(StoreMethod::Find), 0);
    Ok(())
}

fn calling(path: &str, token: &str, fields: &[(&'static str, &str)]) -> Request<Body> {
    let mut asked = request(Method::POST, path, token);
    for (name, value) in fields {
        asked.headers_mut().insert(*name, value.parse().expect("visible"));
    }
    asked
}

/// An application that lets nobody in without a session.
fn guarded(kit: &Kit) -> Router {
    let routes = Router::new().route("/me", get(async || "in"));
    routes.layer(RequireSessionLayer::new()).layer(SessionLayer::new(&kit.sessions))
}

/// Connect's clients read the code, the message and the details of this body, and of no other.
#[tokio::test]
async fn a_call_of_connects_own_protocol_is_answered_in_its_form() -> TestResult {
    let kit = Kit::new();
    let app = guarded(&kit);
    let started = kit.sign_in("ann").await;
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_administrator("eve")).await?;
    let unary = [("content-type", "application/proto"), ("connect-protocol-version", "1")];
    for (path, fields) in [("/me", &unary[..]), ("/me?connect=v1&encoding=json", &[])] {
        let answer = send(&app, calling(path, started.token(), fields)).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (401, Some("application/json")));
        assert_eq!(answer.header("session-end-reason"), Some("revoked_by_admin"));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
        let error = answer.json();
        assert_eq!(
            (&error["code"], &error["message"]),
            (&"unauthenticated".into(), &"Signed out by an administrator".into())
        );
        let detail = &error["details"][0];
        assert_eq!(detail["type"], "google.rpc.ErrorInfo");
        assert_eq!(
            detail["debug"],
            json!({
                "reason": "SESSION_REVOKED", "domain": "tower-device-sessions", "metadata": { "reason": "revoked_by_admin" },
            })
        );
        let value = STANDARD_NO_PAD.decode(detail["value"].as_str().expect("a text"))?;
        assert_eq!(ErrorInfo::decode(&*value)?.reason, "SESSION_REVOKED");
    }

    let asked = calling("/me", started.token(), &[("content-type", "Application/Connect+Proto")]);
    let response = app.clone().oneshot(asked).await?;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"Application/Connect+Proto".parse()?)
    );
    let message = axum::body::to_bytes(response.into_body(), 10_000).await?;
    let (head, end) = message.split_at(5);
    assert_eq!(head, [&[2][..], &u32::try_from(end.len())?.to_be_bytes()].concat());
    let end: Value = serde_json::from_slice(end)?;
    assert_eq!(end["error"]["details"][0]["debug"]["reason"], "SESSION_REVOKED");

    kit.store.fail(StoreMethod::Find, Fault::FailBefore);
    let other = kit.sign_in("bob").await;
    let answer = send(&app, calling("/me", other.token(), &unary)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].clone()), (503, "unavailable".into()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    Ok(())
}

/// Media types are compared without case (RFC 9110 §8.3.1).
#[tokio::test]
async fn a_grpc_call_is_known_in_any_case() -> TestResult {
    let kit = Kit::new();
    for content_type in ["application/grpc", "Application/gRPC", "application/GRPC+Proto", "APPLICATION/GRPC-WEB; x=y"]
    {
        let answer = send(&guarded(&kit), calling("/me", "nonsense", &[("content-type", content_type)])).await;
        assert_eq!((answer.status.as_u16(), answer.header("grpc-status")), (200, Some("16")), "{content_type}");
    }
    Ok(())
}

/// No window of another origin has a hold on what is answered, and no page of another origin embeds it.
#[tokio::test]
async fn every_answer_about_sessions_is_kept_from_other_origins() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let started = kit.sign_in("ann").await;
    let (token, id) = (started.token(), started.session().id);
    for asked in [
        request(Method::GET, "/api/sessions", token),
        request(Method::GET, "/api/sessions/current", token),
        request(Method::GET, "/api/devices", token),
        request(Method::DELETE, "/api/sessions?x=y", token),
        request(Method::GET, "/api/sessions", "nonsense"),
        request(Method::DELETE, &format!("/api/sessions/{id}"), token),
        request(Method::GET, "/me", token),
    ] {
        let asked_for = format!("{} {}", asked.method(), asked.uri());
        let answer = send(&app, asked).await;
        for (name, value) in [
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            // A policy of `no-referrer` would make the origin of a form `null`.
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{asked_for}: {name}");
        }
    }
    Ok(())
}
