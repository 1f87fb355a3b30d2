//! Adoption: tokens from before this crate came, and how they become sessions.

use std::time::Duration;

use axum::http::{HeaderValue, Method};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tower_device_sessions::{
    KeyRing, SessionManager, Timestamp,
    assurance::Requirement,
    clock::Clock,
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

fn window() -> Adoption {
    Adoption::between(start(), start().saturating_add(14 * DAY))
}

fn kit() -> Kit {
    kit_with(window())
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
        builder.token_options(TokenOptions::new().accept_untyped_tokens()).adopt(window())
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

/// The application has the last word on tokens that are not on record: those from before a change of password, for
/// example.
#[tokio::test]
async fn the_application_may_refuse_to_adopt() -> TestResult {
    let kit = kit_with(window().only_if(|user, issued_at| user.as_str() == "ann" && issued_at < start()));
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

/// A token of ann's that is not the one of [`anns`], such as one that somebody has stolen.
fn another_of_anns() -> String {
    let mut claims = anns();
    claims["jti"] = json!("another");
    legacy(&claims)
}

/// What ends all sessions of a user, or all others, also reaches tokens that have no session yet.
#[tokio::test]
async fn ending_all_sessions_reaches_tokens_that_were_never_used() -> TestResult {
    for how in 0..5 {
        let kit = kit();
        let current = kit.sessions.authenticate(&legacy(&anns())).await?;
        let (ann, sessions) = (current.user_id(), &kit.sessions);
        match how {
            0 => drop(sessions.credentials_changed(ann, None).await?),
            1 => drop(sessions.credentials_changed(ann, Some(&current)).await?),
            2 => drop(sessions.revoke_all(ann, Revocation::by_administrator("eve")).await?),
            3 => drop(sessions.revoke_others(&current).await?),
            _ => drop(sessions.erase_user(ann).await?),
        }
        let denied = sessions.authenticate(&another_of_anns()).await.map(drop);
        assert_eq!(denied, Err(Denied::Invalid), "{how}");
        assert_eq!(sessions.authenticate(&legacy(&anns())).await.is_ok(), how == 3, "{how}");

        // The others are let in, and so is who signs in again with the old system.
        kit.clock.advance(Duration::from_secs(2));
        let now = kit.clock.now().as_seconds();
        for claims in [
            json!({ "sub": "bob", "iat": start().as_seconds(), "exp": now + 60 }),
            json!({ "sub": "ann", "iat": now, "exp": now + 60 }),
        ] {
            assert!(sessions.authenticate(&legacy(&claims)).await.is_ok(), "{how}: {claims}");
        }
    }
    Ok(())
}

/// One session of several says nothing about the others.
#[tokio::test]
async fn ending_one_session_leaves_other_tokens_alone() -> TestResult {
    let kit = kit();
    let current = kit.sessions.authenticate(&legacy(&anns())).await?;
    kit.sessions.sign_out(&current).await?;
    assert!(kit.sessions.authenticate(&another_of_anns()).await.is_ok());
    assert_eq!(kit.store.calls(StoreMethod::CutOff), 0);
    Ok(())
}

/// Nothing of a user who was erased comes back, as long as the window is open.
#[tokio::test]
async fn a_revoked_token_of_an_erased_user_stays_out() -> TestResult {
    let kit = kit();
    let token = legacy(&anns());
    let current = kit.sessions.authenticate(&token).await?;
    kit.sessions.erase_user(current.user_id()).await?;
    for _ in 0..20 {
        assert!(kit.sessions.authenticate(&token).await.is_err());
        kit.sessions.purge().await?;
        kit.clock.advance(DAY);
    }
    assert_eq!(kit.sessions.export_user(current.user_id()).await?["sessions"], json!([]));
    Ok(())
}

/// A store that has lost its records does not know what was revoked.
#[tokio::test]
async fn a_store_that_has_lost_its_records_adopts_nothing() -> TestResult {
    let kit = kit();
    let (revoked, unused) = (legacy(&anns()), another_of_anns());
    let current = kit.sessions.authenticate(&revoked).await?;
    kit.sessions.sign_out(&current).await?;
    kit.clock.advance(DAY);

    let empty = tower_device_sessions::store::FailingStore::new(MemoryStore::new());
    let lost = Kit::over(empty, kit.clock.clone(), |builder| {
        builder.token_options(TokenOptions::new().accept_untyped_tokens()).adopt(window())
    });
    for token in [&revoked, &unused] {
        assert_eq!(lost.sessions.authenticate(token).await.map(drop), Err(Denied::Invalid));
    }
    assert!(kit.sessions.authenticate(&unused).await.is_ok(), "the store that is still there adopts");
    Ok(())
}

/// Nobody knows when its user has last proven anything.
#[tokio::test]
async fn an_adopted_session_is_not_recently_authenticated() -> TestResult {
    let kit = kit();
    let now = start().as_seconds();
    let fresh = legacy(&json!({ "sub": "ann", "iat": now, "exp": now + 86_400, "auth_time": now }));
    let current = kit.sessions.authenticate(&fresh).await?;
    let denied = current.meets(&Requirement::recent(Duration::from_secs(300)));
    assert!(matches!(denied, Err(Denied::StepUp(_))), "{denied:?}");
    let stepped = kit.sessions.reauthenticated(&current, "pwd").await?;
    let current = kit.sessions.authenticate(stepped.token()).await?;
    assert_eq!(current.meets(&Requirement::recent(Duration::from_secs(300))), Ok(()));

    // A token that succeeds without an authentication claims none.
    let adopted = kit.sessions.authenticate(&another_of_anns()).await?;
    let kept = kit.sessions.credentials_changed(adopted.user_id(), Some(&adopted)).await?.kept.ok_or("nothing kept")?;
    let claims: Value = kit.sessions.authenticate(kept.token()).await?.claims()?;
    assert_eq!(claims.get("auth_time"), None);
    Ok(())
}

/// A cutoff that could not be put on record is an error, and the sessions on record have ended all the same.
#[tokio::test]
async fn a_cutoff_that_fails_is_an_error_and_can_be_repeated() -> TestResult {
    let kit = kit();
    let token = legacy(&anns());
    let current = kit.sessions.authenticate(&token).await?;
    kit.store.fail(StoreMethod::CutOff, Fault::FailBefore);
    assert!(kit.sessions.revoke_all(current.user_id(), Revocation::by_application()).await.is_err());
    assert!(kit.sessions.authenticate(&token).await.is_err());
    kit.store.heal();
    kit.sessions.revoke_all(current.user_id(), Revocation::by_application()).await?;
    assert!(kit.sessions.authenticate(&another_of_anns()).await.is_err());
    Ok(())
}

/// After the window nobody asks for a cutoff, and without one there is none.
#[tokio::test]
async fn cutoffs_are_kept_only_while_tokens_are_adopted() -> TestResult {
    let kit = kit();
    let current = kit.sessions.authenticate(&legacy(&anns())).await?;
    kit.clock.advance(14 * DAY);
    kit.sessions.revoke_all(current.user_id(), Revocation::by_application()).await?;
    let without = Kit::new();
    without.sessions.revoke_all(current.user_id(), Revocation::by_application()).await?;
    assert_eq!((kit.store.calls(StoreMethod::CutOff), without.store.calls(StoreMethod::CutOff)), (0, 0));
    Ok(())
}

/// Scenario: a deleted row that comes back. The window is shorter than endings are kept.
#[test]
fn a_window_that_could_not_be_kept_is_refused() {
    let build = |until: Timestamp| {
        let keys = KeyRing::hs256(SECRET).expect("a good secret");
        let builder = SessionManager::builder(MemoryStore::new()).keys(keys);
        builder.adopt(Adoption::between(start(), until)).build().map(drop).map_err(|e| e.kind())
    };
    assert_eq!(build(start().saturating_add(30 * DAY)), Ok(()));
    assert_eq!(build(start().saturating_add(31 * DAY)), Err(ConfigErrorKind::Setting), "longer than the retention");
    assert_eq!(build(start()), Err(ConfigErrorKind::Setting), "closed before it begins");
}

/// A store says how long it keeps what ended; one that keeps it for less long than tokens are adopted is refused.
#[cfg(feature = "redis")]
#[tokio::test]
async fn a_store_that_forgets_earlier_than_the_window_closes_is_refused() -> TestResult {
    use tower_device_sessions::store::RedisStore;

    let Some(url) = crate::support::servers::redis_url().await else { return Ok(()) };
    for (days, built) in [(13, false), (14, true)] {
        let store = RedisStore::connect(&url).await?.retention(days * DAY);
        let builder = SessionManager::builder(store).keys(KeyRing::hs256(SECRET)?).adopt(window());
        assert_eq!(builder.build().is_ok(), built, "{days} days");
    }
    Ok(())
}
