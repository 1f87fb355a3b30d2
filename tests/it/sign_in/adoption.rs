//! Adoption: tokens from before this crate came, and how they become sessions.

use std::time::Duration;

use axum::http::{HeaderValue, Method};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tower_device_sessions::{
    KeyRing, SessionManager, Timestamp,
    error::ConfigErrorKind,
    event::SessionEvent,
    manager::{Adoption, Revocation},
    policy::Denied,
    session::EndReason,
    store::{Fault, MemoryStore, StoreMethod},
    token::TokenOptions,
};

use crate::support::{CHROME, Kit, SECRET, TestResult, get_with, request, send};

const DAY: Duration = Duration::from_secs(86_400);

fn start() -> Timestamp {
    Timestamp::from_seconds(1_767_225_600)
}

fn kit() -> Kit {
    kit_with(Adoption::until(start().saturating_add(14 * DAY)))
}

fn kit_with(adoption: Adoption) -> Kit {
    Kit::with(|builder| builder.token_options(TokenOptions::new().accept_untyped_tokens()).adopt(adoption))
}

/// A token of the system that was there before.
fn legacy(claims: &Value) -> String {
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", encode(&json!({ "alg": "HS256", "typ": "JWT" })), encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn anns() -> Value {
    let issued_at = start().as_seconds() - 3_600;
    json!({ "sub": "ann", "iat": issued_at, "exp": issued_at + 20 * 86_400, "role": "admin" })
}

/// Admitted, on record with its first use, once on all nodes, listed with its device, and ended like others.
#[tokio::test]
async fn a_token_from_before_becomes_a_session_with_its_first_use() -> TestResult {
    let kit = kit();
    let token = legacy(&anns());
    let mut first = request(Method::GET, "/me", &token);
    first.headers_mut().insert("user-agent", HeaderValue::from_static(CHROME));
    assert_eq!(send(&kit.app(), first).await.body, "ann");
    let other = Kit::over(kit.store.clone(), kit.clock.clone(), |builder| {
        let adoption = Adoption::until(start().saturating_add(14 * DAY));
        builder.token_options(TokenOptions::new().accept_untyped_tokens()).adopt(adoption)
    });
    assert_eq!(get_with(&other.app(), "/me", &token).await.body, "ann");
    assert_eq!(kit.store.calls(StoreMethod::Insert), 1);
    assert!(matches!(&kit.events.take()[..], [SessionEvent::Adopted { .. }]));

    let list = get_with(&kit.app(), "/api/sessions", &token).await.json();
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(list[0]["deviceName"], "Chrome on Windows");
    assert_eq!(list[0]["createdAt"], "2025-12-31T23:00:00.000Z", "when it was issued");
    assert_eq!(list[0]["expiresAt"], "2026-01-20T23:00:00.000Z", "when the token expires");
    let current = kit.sessions.authenticate(&token).await?;
    assert_eq!(current.claims::<Value>()?["role"], "admin");

    kit.sessions.revoke_all(current.user_id(), Revocation::by_administrator("eve")).await?;
    for _ in 0..3 {
        let denied = kit.sessions.authenticate(&token).await;
        assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::RevokedByAdmin));
        kit.clock.advance(DAY);
    }
    Ok(())
}

/// Step-up and everything else work as on other sessions, and the next token names the session.
#[tokio::test]
async fn an_adopted_session_moves_on_to_tokens_of_this_crate() -> TestResult {
    let kit = kit();
    let token = legacy(&anns());
    let current = kit.sessions.authenticate(&token).await?;
    let next = kit.sessions.reauthenticated(&current, "pwd").await?;
    assert_eq!(kit.sessions.authenticate(next.token()).await?.id(), current.id());
    assert!(kit.sessions.authenticate(&token).await.is_err());
    Ok(())
}

/// The window closes for tokens that were never used, not for those on record.
#[tokio::test]
async fn after_the_window_only_tokens_on_record_are_accepted() -> TestResult {
    let kit = kit();
    let (used, unused) = (
        legacy(&anns()),
        legacy(&json!({ "sub": "bob", "iat": start().as_seconds(), "exp": start().as_seconds() + 20 * 86_400 })),
    );
    for _ in 0..15 {
        kit.sessions.authenticate(&used).await?;
        kit.sessions.flush_activity().await;
        kit.clock.advance(DAY);
    }
    assert!(kit.sessions.authenticate(&used).await.is_ok());
    assert_eq!(kit.sessions.authenticate(&unused).await.map(drop), Err(Denied::Invalid));
    Ok(())
}

/// Nothing else is let in by the same door.
#[tokio::test]
async fn what_is_wrong_with_a_token_is_wrong_without_a_session_too() -> TestResult {
    let kit = kit();
    let now = start().as_seconds();
    let with = |name: &str, value: Value| {
        let mut claims = anns();
        claims[name] = value;
        legacy(&claims)
    };
    let mut forged = legacy(&anns());
    forged.replace_range(forged.len() - 8..forged.len() - 4, "AAAA");
    for token in [
        forged,
        with("exp", json!(now - 31)),
        with("iat", json!(now + 3_600)),
        with("exp", json!(now + 400 * 86_400)),
        with("sub", json!("")),
        with("sub", json!(7)),
        with("sid", json!("")),
        with("sid", json!(null)),
        with("sid", json!("01890000-0000-7000-8000-000000000000")),
        with("aud", json!("somebody else")),
    ] {
        assert!(kit.sessions.authenticate(&token).await.is_err());
    }
    assert_eq!(kit.store.calls(StoreMethod::Insert), 0);
    // Without the setting there is no door.
    let strict = Kit::with(|builder| builder.token_options(TokenOptions::new().accept_untyped_tokens()));
    assert_eq!(strict.sessions.authenticate(&legacy(&anns())).await.map(drop), Err(Denied::Invalid));
    assert_eq!(strict.store.all_calls(), 0);
    Ok(())
}

/// The application has the last word on tokens that are not on record: those from before a change of password, for example.
#[tokio::test]
async fn the_application_may_refuse_to_adopt() -> TestResult {
    let adoption = Adoption::until(start().saturating_add(14 * DAY));
    let kit = kit_with(adoption.only_if(|user, issued_at| user.as_str() == "ann" && issued_at < start()));
    assert!(kit.sessions.authenticate(&legacy(&anns())).await.is_ok());
    let now = start().as_seconds();
    for claims in [
        json!({ "sub": "bob", "iat": now - 10, "exp": now + 60 }),
        json!({ "sub": "ann", "iat": now, "exp": now + 60 }),
    ] {
        assert_eq!(kit.sessions.authenticate(&legacy(&claims)).await.map(drop), Err(Denied::Invalid));
    }
    Ok(())
}

/// A store that fails signs nobody out.
#[tokio::test]
async fn an_adoption_that_cannot_be_recorded_is_an_outage() -> TestResult {
    let kit = kit();
    kit.store.fail_next(StoreMethod::Insert, 2, Fault::FailBefore);
    let token = legacy(&anns());
    assert_eq!(kit.sessions.authenticate(&token).await.map(drop), Err(Denied::Unavailable));
    assert!(kit.sessions.authenticate(&token).await.is_ok());
    Ok(())
}

/// Scenario: a deleted row that comes back. The window is shorter than endings are kept.
#[test]
fn a_window_longer_than_the_retention_is_refused() {
    let build = |days: u32| {
        let clock = tower_device_sessions::clock::ManualClock::at(start());
        let keys = KeyRing::hs256(SECRET).expect("a good secret");
        let builder = SessionManager::builder(MemoryStore::new()).keys(keys).clock(clock);
        builder.adopt(Adoption::until(start().saturating_add(days * DAY))).build().map(drop).map_err(|e| e.kind())
    };
    assert_eq!(build(30), Ok(()));
    assert_eq!(build(31), Err(ConfigErrorKind::Setting));
}
