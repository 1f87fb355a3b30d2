//! Refresh tokens: rotation, races, lost answers, theft, and who wins against a sign-out.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Method, Request},
};
use proptest::prelude::*;
use tower_device_sessions::{
    ClientInfo, Error, KeyRing, SessionId, SessionManager, StartedSession, UserId,
    clock::ManualClock,
    error::ConfigErrorKind,
    event::SessionEvent,
    manager::{OnReuse, RefreshPolicy, Revocation, SessionManagerBuilder},
    policy::{Denied, ReuseCause},
    session::{AsOf, EndReason},
    store::{Fault, MemoryStore, SessionStore, StoreMethod},
    token::{SigningKey, TokenOptions},
};

use crate::support::{Answer, Kit, SECRET, TestResult, get_with, send};

const GRACE: Duration = Duration::from_secs(30);

fn kit() -> Kit {
    kit_with(|policy| policy)
}

fn kit_with(policy: impl FnOnce(RefreshPolicy) -> RefreshPolicy) -> Kit {
    Kit::with(|builder| builder.refresh(policy(RefreshPolicy::new())))
}

/// Another node over the same store and clock.
fn another_node(kit: &Kit) -> Kit {
    Kit::over(kit.store.clone(), kit.clock.clone(), |builder| builder.refresh(RefreshPolicy::new()))
}

fn refresh_token(started: &StartedSession) -> String {
    started.refresh_token().expect("refresh tokens are on").to_owned()
}

/// Why a refresh was refused.
fn denied(outcome: Result<StartedSession, Error>) -> Denied {
    let error = outcome.expect_err("it is refused");
    error.denied().cloned().unwrap_or_else(|| panic!("{error}"))
}

fn ended_by_reuse(denied: &Denied) -> bool {
    matches!(denied, Denied::Ended(ending) if ending.reason == EndReason::RefreshReused)
}

fn post_refresh(body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(Method::POST).uri("/api/refresh");
    request.header("content-type", "application/json").body(body.into()).expect("a good request")
}

async fn refresh_with(kit: &Kit, token: &str) -> Answer {
    send(&kit.app(), post_refresh(serde_json::json!({ "refreshToken": token }).to_string())).await
}

/// The fields of the answer, the lifetime of the new token, and that the old one goes on until it expires.
#[tokio::test]
async fn a_refresh_answers_the_next_pair() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    assert_eq!(started.expires_at(), started.session().created_at.saturating_add(Duration::from_secs(600)));
    kit.clock.advance(Duration::from_secs(300));

    let answer = refresh_with(&kit, &refresh_token(&started)).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")));
    let body = answer.json();
    assert_eq!((&body["tokenType"], &body["expiresAt"]), (&"Bearer".into(), &"2026-01-01T00:15:00.000Z".into()));
    assert_ne!(body["refreshToken"], refresh_token(&started));
    for token in [started.token(), body["token"].as_str().expect("a token")] {
        assert_eq!(get_with(&kit.app(), "/me", token).await.body, "ann");
    }
    assert!(matches!(
        &kit.events.take()[..],
        [SessionEvent::Started { .. }, SessionEvent::Refreshed { generation: 1, .. }]
    ));

    // S45: nothing but the generation has changed.
    let record = kit.sessions.find(&started.session().user_id, started.session().id).await?.expect("a record");
    assert_eq!(record.expires_at, started.session().expires_at);
    assert_eq!(record.authenticated_at, started.session().authenticated_at);

    kit.clock.advance(Duration::from_secs(331));
    let expired = get_with(&kit.app(), "/me", started.token()).await;
    assert_eq!((expired.status.as_u16(), expired.code().as_str()), (401, "token_expired"));
    Ok(())
}

/// Off by default: no route, no refresh token, and access tokens as long as the session.
#[tokio::test]
async fn without_a_policy_there_is_nothing_to_refresh() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    assert_eq!((started.refresh_token(), started.expires_at()), (None, started.session().expires_at));
    assert_eq!(send(&kit.app(), post_refresh("{}")).await.status, 404);
    assert_eq!(denied(kit.sessions.refresh("x").await), Denied::Invalid);
    Ok(())
}

/// S48: only POST; and what is no request for a refresh is told so.
#[tokio::test]
async fn only_a_well_formed_post_refreshes() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    let get = Request::builder().uri(format!("/api/refresh?refreshToken={}", refresh_token(&started)));
    assert_eq!(send(&kit.app(), get.body(Body::empty())?).await.status, 405);
    for (body, status, code) in [
        ("", 401, "credentials_missing"),
        ("{}", 400, "invalid_body"),
        ("[]", 400, "invalid_body"),
        ("{\"refreshToken\":1}", 400, "invalid_body"),
        ("{\"refreshToken\":\"\"}", 401, "token_invalid"),
        ("{\"refreshToken\":\"x\"}", 401, "token_invalid"),
        ("not json", 400, "invalid_body"),
    ] {
        let answer = send(&kit.app(), post_refresh(body)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{body}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{body}");
    }
    // S69: a token in a header or in a cookie is none here.
    let mut elsewhere = post_refresh("");
    elsewhere.headers_mut().insert("authorization", format!("Bearer {}", refresh_token(&started)).parse()?);
    elsewhere.headers_mut().insert("cookie", format!("__Host-refresh={}", refresh_token(&started)).parse()?);
    assert_eq!(send(&kit.app(), elsewhere).await.code(), "credentials_missing");
    assert_eq!(kit.store.calls(StoreMethod::Rotate), 0);
    Ok(())
}

/// A client that always sends its access token is not refused for one that has expired.
#[tokio::test]
async fn an_expired_access_token_beside_the_refresh_token_does_no_harm() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    kit.clock.advance(Duration::from_secs(700));
    let mut asked = post_refresh(serde_json::json!({ "refreshToken": refresh_token(&started) }).to_string());
    asked.headers_mut().insert("authorization", format!("Bearer {}", started.token()).parse()?);
    assert_eq!(send(&kit.app(), asked).await.status, 200);
    Ok(())
}

/// S47: neither is taken for the other.
#[tokio::test]
async fn a_refresh_token_is_no_access_token_nor_the_reverse() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    let finds = kit.store.calls(StoreMethod::Find);
    let as_access = get_with(&kit.app(), "/me", &refresh_token(&started)).await;
    assert_eq!((as_access.status.as_u16(), as_access.code().as_str()), (401, "token_invalid"));
    let as_refresh = refresh_with(&kit, started.token()).await;
    assert_eq!((as_refresh.status.as_u16(), as_refresh.code().as_str()), (401, "token_invalid"));
    assert_eq!(kit.store.calls(StoreMethod::Find), finds, "neither reaches the store");
    Ok(())
}

/// What an attacker may try: each is refused, changes nothing, and costs no look-up.
#[tokio::test]
async fn tokens_of_other_environments_are_refused() -> TestResult {
    let kit = kit();
    let of = |settings: fn(SessionManagerBuilder) -> SessionManagerBuilder| {
        Kit::over(kit.store.clone(), kit.clock.clone(), |builder| settings(builder.refresh(RefreshPolicy::new())))
    };
    for other in [
        of(|builder| builder.keys(KeyRing::hs256("another secret of more than 32 bytes").expect("a good secret"))),
        of(|builder| builder.token_options(TokenOptions::new().issuer("https://staging.example"))),
        of(|builder| builder.token_options(TokenOptions::new().audience("admin"))),
        of(|builder| {
            let keys = KeyRing::hs256("a secret for refresh tokens alone, 32 bytes").expect("a good secret");
            builder.refresh(RefreshPolicy::new().keys(keys))
        }),
    ] {
        let theirs = other.sign_in("ann").await;
        let finds = kit.store.calls(StoreMethod::Find);
        assert_eq!(denied(kit.sessions.refresh(&refresh_token(&theirs)).await), Denied::Invalid);
        assert_eq!(kit.store.calls(StoreMethod::Find), finds);
        assert!(other.sessions.refresh(&refresh_token(&theirs)).await.is_ok());
    }
    Ok(())
}

/// S41, S48: the token of a session that was restored with another salt, or of a user who has none such, is refused.
#[tokio::test]
async fn a_token_is_bound_to_the_salt_and_the_user_of_its_session() -> TestResult {
    let (kit, stranger) = (kit(), kit_with(|policy| policy));
    let theirs = stranger.sign_in("ann").await;
    assert_eq!(denied(kit.sessions.refresh(&refresh_token(&theirs)).await), Denied::Invalid, "no such session");
    assert!(matches!(&kit.events.take()[..], [SessionEvent::UnknownSession { .. }]));

    let mut restored = theirs.session().clone();
    restored.tokens.salt = tower_device_sessions::session::Salt::from_bytes([1; 16]);
    let admission = tower_device_sessions::policy::Admission::new(AsOf::new(restored.created_at, Duration::ZERO));
    kit.store.insert(&restored, &admission).await?;
    assert_eq!(denied(kit.sessions.refresh(&refresh_token(&theirs)).await), Denied::Invalid, "another salt");
    assert_eq!(kit.store.calls(StoreMethod::Rotate), 0);
    Ok(())
}

/// S41: what the store holds is useless to anyone who reads it.
#[tokio::test]
async fn a_dump_of_the_store_holds_no_token() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    let refreshed = kit.sessions.refresh(&refresh_token(&started)).await?;
    let record = kit.sessions.find(&started.session().user_id, started.session().id).await?.expect("a record");
    let mut dump = format!("{record:?}").into_bytes();
    dump.extend_from_slice(record.tokens.salt.as_bytes());
    for token in [started.token(), &refresh_token(&started), refreshed.token(), &refresh_token(&refreshed)] {
        let mac = &token[token.len() - 43..];
        assert!(!dump.windows(mac.len()).any(|bytes| bytes == mac.as_bytes()));
    }
    assert_ne!(record.tokens.salt.as_bytes(), &[0; 16]);
    assert_ne!(record.tokens.salt, kit.sign_in("ann").await.session().tokens.salt, "each session has its own");
    Ok(())
}

/// S44: the whole matrix of who may ask again, on this node and on another.
#[tokio::test]
async fn the_retry_matrix() -> TestResult {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Presented {
        Parent,
        Grandparent,
    }
    for presented in [Presented::Parent, Presented::Grandparent] {
        for used in [false, true] {
            for in_grace in [true, false] {
                for elsewhere in [false, true] {
                    let case =
                        format!("{presented:?}, successor used: {used}, in grace: {in_grace}, elsewhere: {elsewhere}");
                    let kit = kit();
                    let other = another_node(&kit);
                    let grandparent = kit.sign_in("ann").await;
                    let parent = kit.sessions.refresh(&refresh_token(&grandparent)).await?;
                    let newest = kit.sessions.refresh(&refresh_token(&parent)).await?;
                    if used {
                        kit.sessions.authenticate(newest.token()).await?;
                    }
                    kit.clock.advance(if in_grace { GRACE - Duration::from_micros(1) } else { GRACE });
                    kit.events.take();

                    let node = if elsewhere { &other } else { &kit };
                    let token = match presented {
                        Presented::Parent => refresh_token(&parent),
                        Presented::Grandparent => refresh_token(&grandparent),
                    };
                    let outcome = node.sessions.refresh(&token).await;
                    if presented == Presented::Parent && (!used || in_grace) {
                        let again = outcome.unwrap_or_else(|error| panic!("{case}: {error}"));
                        assert_eq!(again.refresh_token(), newest.refresh_token(), "{case}: the same successor");
                        assert_eq!(again.session().tokens.generation, 2, "{case}");
                        continue;
                    }
                    assert!(ended_by_reuse(&denied(outcome)), "{case}");
                    let expected = match presented {
                        Presented::Parent => ReuseCause::Superseded,
                        Presented::Grandparent => ReuseCause::Ancient,
                    };
                    let events = node.events.take();
                    assert!(
                        matches!(&events[..], [SessionEvent::Ended { .. }, SessionEvent::RefreshReused { cause, .. }] if *cause == expected),
                        "{case}: {events:?}"
                    );
                    // S35, S43: it is on record, and every token of the family is dead.
                    for token in [grandparent.token(), parent.token(), newest.token()] {
                        assert!(node.sessions.authenticate(token).await.is_err(), "{case}");
                    }
                    assert!(ended_by_reuse(&denied(kit.sessions.refresh(&refresh_token(&newest)).await)), "{case}");
                }
            }
        }
    }
    Ok(())
}

/// The grace is for one step: a thief with an old token does not get in by being quick.
#[tokio::test]
async fn the_grace_does_not_cover_the_whole_chain() -> TestResult {
    let kit = kit();
    let first = kit.sign_in("ann").await;
    let mut newest = kit.sessions.refresh(&refresh_token(&first)).await?;
    newest = kit.sessions.refresh(&refresh_token(&newest)).await?;
    assert!(ended_by_reuse(&denied(kit.sessions.refresh(&refresh_token(&first)).await)));
    assert!(kit.sessions.authenticate(newest.token()).await.is_err());
    Ok(())
}

/// The tab that lost a race holds the same token as the one that won, and is never called a thief.
#[tokio::test]
async fn the_losing_tab_is_never_called_a_thief() -> TestResult {
    let kit = kit();
    let mut shared = kit.sign_in("ann").await;
    for _ in 0..5 {
        let winner = kit.sessions.refresh(&refresh_token(&shared)).await?;
        kit.sessions.authenticate(winner.token()).await?;
        kit.clock.advance(Duration::from_secs(20));
        let loser = kit.sessions.refresh(&refresh_token(&shared)).await?;
        assert_eq!(loser.refresh_token(), winner.refresh_token());
        kit.sessions.authenticate(loser.token()).await?;
        // Long after, the loser goes on with what it got.
        kit.clock.advance(Duration::from_secs(500));
        shared = loser;
    }
    Ok(())
}

/// R03: the commit whose answer the store lost is resolved by the same rule.
#[tokio::test]
async fn an_unclear_commit_is_resolved_by_asking_again() -> TestResult {
    let kit = kit();
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        let started = kit.sign_in("ann").await;
        kit.store.fail_next(StoreMethod::Rotate, 1, fault);
        let answer = refresh_with(&kit, &refresh_token(&started)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "store_unavailable"));
        assert_eq!(answer.header("retry-after"), Some("1"));
        let again = kit.sessions.refresh(&refresh_token(&started)).await?;
        assert_eq!(again.session().tokens.generation, 1, "{fault:?}");
    }
    Ok(())
}

/// R27, S36: a client that hangs up leaves the old state or the new one.
#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_the_rotation() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    let gate = kit.store.hold_before(StoreMethod::Rotate);
    let hanging = tokio::spawn({
        let (sessions, token) = (kit.sessions.clone(), refresh_token(&started));
        async move { sessions.refresh(&token).await.map(drop) }
    });
    gate.arrived(1).await;
    hanging.abort();
    assert!(hanging.await.is_err());
    gate.open();
    let again = kit.sessions.refresh(&refresh_token(&started)).await?;
    assert_eq!(again.session().tokens.generation, 1);
    Ok(())
}

/// S43 by choice: the user's other sessions end as well.
#[tokio::test]
async fn reuse_can_end_all_sessions_of_the_user() -> TestResult {
    for (on_reuse, other_lives) in [(OnReuse::EndSession, true), (OnReuse::EndAllSessions, false)] {
        let kit = kit_with(|policy| policy.on_reuse(on_reuse));
        let (stolen, other, bob) = (kit.sign_in("ann").await, kit.sign_in("ann").await, kit.sign_in("bob").await);
        let second = kit.sessions.refresh(&refresh_token(&stolen)).await?;
        let _third = kit.sessions.refresh(&refresh_token(&second)).await?;
        assert!(ended_by_reuse(&denied(kit.sessions.refresh(&refresh_token(&stolen)).await)));
        assert_eq!(kit.sessions.authenticate(other.token()).await.is_ok(), other_lives);
        assert!(kit.sessions.authenticate(bob.token()).await.is_ok());
    }
    Ok(())
}

/// S35: while the store cannot record the reuse, nothing is claimed; the next attempt is recorded.
#[tokio::test]
async fn a_reuse_that_cannot_be_recorded_is_an_outage() -> TestResult {
    let kit = kit();
    let first = kit.sign_in("ann").await;
    let second = kit.sessions.refresh(&refresh_token(&first)).await?;
    let _third = kit.sessions.refresh(&refresh_token(&second)).await?;
    kit.events.take();
    kit.store.fail_next(StoreMethod::End, 2, Fault::FailBefore);
    assert_eq!(refresh_with(&kit, &refresh_token(&first)).await.status, 503);
    assert!(kit.events.take().is_empty());
    let answer = refresh_with(&kit, &refresh_token(&first)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "refresh_reused"));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    Ok(())
}

/// S50: the sign-out comes between the refresh's reading and its rotation, and wins.
#[tokio::test]
async fn a_sign_out_before_the_rotation_wins() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    let gate = kit.store.hold_before(StoreMethod::Rotate);
    let refreshing = tokio::spawn({
        let (sessions, token) = (kit.sessions.clone(), refresh_token(&started));
        async move { sessions.refresh(&token).await }
    });
    gate.arrived(1).await;
    kit.sessions.sign_out(&kit.sessions.authenticate(started.token()).await?).await?;
    gate.open();
    assert!(matches!(denied(refreshing.await?), Denied::Ended(ending) if ending.reason == EndReason::SignedOut));
    Ok(())
}

/// S50: the rotation is committed, the sign-out follows, and only then the refresh returns: its tokens are dead.
#[tokio::test]
async fn a_sign_out_after_the_rotation_wins_too() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    let gate = kit.store.hold_after(StoreMethod::Rotate);
    let refreshing = tokio::spawn({
        let (sessions, token) = (kit.sessions.clone(), refresh_token(&started));
        async move { sessions.refresh(&token).await }
    });
    gate.arrived(1).await;
    kit.sessions.sign_out(&kit.sessions.authenticate(started.token()).await?).await?;
    gate.open();
    let pair = refreshing.await??;
    assert!(matches!(kit.sessions.authenticate(pair.token()).await, Err(Denied::Ended(_))));
    assert!(matches!(denied(kit.sessions.refresh(&refresh_token(&pair)).await), Denied::Ended(_)));
    Ok(())
}

/// S45, S52: refreshing again and again never passes the absolute deadline, and no token outlives it.
#[tokio::test]
async fn no_refresh_extends_the_absolute_deadline() -> TestResult {
    let kit = Kit::with(|builder| {
        let policy = tower_device_sessions::SessionPolicy::new()
            .absolute_timeout(Duration::from_secs(3_600))
            .idle_timeout(Duration::from_secs(1_800));
        builder.policy(policy).refresh(RefreshPolicy::new())
    });
    let mut newest = kit.sign_in("ann").await;
    let deadline = newest.session().expires_at;
    for _ in 0..7 {
        kit.clock.advance(Duration::from_secs(500));
        newest = kit.sessions.refresh(&refresh_token(&newest)).await?;
        assert!(newest.expires_at() <= deadline);
        assert_eq!(newest.session().expires_at, deadline);
    }
    assert_eq!(newest.expires_at(), deadline, "the last one lives less than ten minutes");
    kit.clock.advance(Duration::from_secs(100));
    let outcome = kit.sessions.refresh(&refresh_token(&newest)).await;
    assert!(matches!(denied(outcome), Denied::Ended(ending) if ending.reason == EndReason::Expired));
    Ok(())
}

/// S46: a client that has been away for longer than the idle timeout signs in again.
#[tokio::test]
async fn an_idle_session_is_not_refreshed() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    kit.clock.advance(Duration::from_secs(7 * 86_400 + 71));
    let answer = refresh_with(&kit, &refresh_token(&started)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "session_idle"));
    assert_eq!(kit.store.calls(StoreMethod::Rotate), 0);
    Ok(())
}

/// S51: activity that waits to be written counts for the refresh.
#[tokio::test]
async fn activity_that_is_not_written_yet_keeps_a_session_refreshable() -> TestResult {
    let kit = kit_with(|policy| policy.access_lifetime(Duration::from_secs(86_400)));
    let mut newest = kit.sign_in("ann").await;
    for _ in 0..6 {
        kit.clock.advance(Duration::from_secs(86_000));
        newest = kit.sessions.refresh(&refresh_token(&newest)).await?;
    }
    kit.clock.advance(Duration::from_secs(80_000));
    kit.sessions.authenticate(newest.token()).await?;
    kit.clock.advance(Duration::from_secs(7 * 86_400));
    assert!(kit.sessions.refresh(&refresh_token(&newest)).await.is_ok());
    Ok(())
}

/// Cold start: a node that has never seen the session refreshes it, and knows that its successor is in use.
#[tokio::test]
async fn any_node_refreshes_any_session() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    let mut newest = started;
    for _ in 0..4 {
        let fresh_node = another_node(&kit);
        newest = fresh_node.sessions.refresh(&refresh_token(&newest)).await?;
        another_node(&kit).sessions.authenticate(newest.token()).await?;
    }
    assert_eq!(newest.session().tokens.generation, 4);
    Ok(())
}

/// S44: the first use of the newest token is on record before its request goes on, and once.
#[tokio::test]
async fn the_first_use_of_a_new_token_is_recorded_once_and_at_once() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    let newest = kit.sessions.refresh(&refresh_token(&started)).await?;
    let touches = kit.store.calls(StoreMethod::Touch);
    kit.sessions.authenticate(newest.token()).await?;
    assert_eq!(kit.store.calls(StoreMethod::Touch), touches + 1);
    let record = kit.store.find(&newest.session().key()).await?.expect("a record");
    assert!(record.tokens.newest_seen);
    for _ in 0..100 {
        kit.clock.advance(Duration::from_millis(500));
        kit.sessions.authenticate(newest.token()).await?;
    }
    assert_eq!(kit.store.calls(StoreMethod::Touch), touches + 1);
    Ok(())
}

/// A store that cannot record the first use does not stop the request; the next one records it.
#[tokio::test]
async fn a_first_use_that_cannot_be_recorded_is_recorded_by_the_next_request() -> TestResult {
    let kit = kit();
    let newest = kit.sessions.refresh(&refresh_token(&kit.sign_in("ann").await)).await?;
    kit.store.fail_next(StoreMethod::Touch, 1, Fault::FailBefore);
    kit.sessions.authenticate(newest.token()).await?;
    kit.clock.advance(Duration::from_secs(10));
    kit.sessions.authenticate(newest.token()).await?;
    let record = kit.store.find(&newest.session().key()).await?.expect("a record");
    assert!(record.tokens.newest_seen);
    Ok(())
}

/// A cached request costs the store nothing, whatever the generation.
#[tokio::test]
async fn a_cached_request_reads_nothing_after_a_refresh() -> TestResult {
    let kit = kit();
    let newest = kit.sessions.refresh(&refresh_token(&kit.sign_in("ann").await)).await?;
    kit.sessions.authenticate(newest.token()).await?;
    let calls = kit.store.all_calls();
    for _ in 0..100 {
        kit.sessions.authenticate(newest.token()).await?;
    }
    assert_eq!(kit.store.all_calls(), calls);
    Ok(())
}

/// `latest_token_only`: the older access token dies when the newer one has been seen in use, and not before, because
/// the answer may have been lost.
#[tokio::test]
async fn an_older_access_token_is_refused_once_a_newer_one_is_in_use() -> TestResult {
    for (latest_only, alive) in [(false, true), (true, false)] {
        let kit = kit_with(|policy| if latest_only { policy.latest_token_only() } else { policy });
        let older = kit.sign_in("ann").await;
        kit.sessions.authenticate(older.token()).await?;
        let newer = kit.sessions.refresh(&refresh_token(&older)).await?;
        assert!(kit.sessions.authenticate(older.token()).await.is_ok(), "the newer one may never have arrived");
        kit.sessions.authenticate(newer.token()).await?;
        assert_eq!(kit.sessions.authenticate(older.token()).await.is_ok(), alive);
        let newest = kit.sessions.refresh(&refresh_token(&newer)).await?;
        assert_eq!(kit.sessions.authenticate(older.token()).await.is_ok(), alive);
        assert!(kit.sessions.authenticate(newer.token()).await.is_ok());
        kit.sessions.authenticate(newest.token()).await?;
        assert_eq!(kit.sessions.authenticate(newer.token()).await.is_ok(), alive);
    }
    Ok(())
}

/// R40: keys rotate under the refresh tokens as they do under the access tokens, and nobody notices.
#[tokio::test]
async fn refresh_tokens_outlive_the_rotation_of_the_key() -> TestResult {
    let keys = KeyRing::builder().signing_key(SigningKey::hs256(SECRET)?.kid("one")).build()?;
    let kit = Kit::with(|builder| builder.keys(keys.clone()).refresh(RefreshPolicy::new()));
    let started = kit.sign_in("ann").await;
    keys.rotate_to(SigningKey::hs256("another secret of more than 32 bytes")?.kid("two"))?;
    let refreshed = kit.sessions.refresh(&refresh_token(&started)).await?;
    keys.retire("one")?;
    assert!(kit.sessions.authenticate(refreshed.token()).await.is_ok());
    assert!(kit.sessions.refresh(&refresh_token(&refreshed)).await.is_ok());
    assert_eq!(denied(kit.sessions.refresh(&refresh_token(&started)).await), Denied::Invalid);
    Ok(())
}

/// Settings that could not work are refused when the manager is built.
#[test]
fn refresh_settings_out_of_bounds_are_refused() {
    let private = include_str!("../../keys/ed25519.pem");
    let build = |keys: KeyRing, policy: RefreshPolicy| {
        let builder = SessionManager::builder(MemoryStore::new()).keys(keys).refresh(policy);
        builder.build().map(drop).map_err(|error| error.kind())
    };
    let secret = || KeyRing::hs256(SECRET).expect("a good secret");
    let public = || KeyRing::eddsa_pem(private).expect("a good key");
    let seconds = Duration::from_secs;
    let new = RefreshPolicy::new;
    assert_eq!(build(secret(), new()), Ok(()));
    assert_eq!(build(public(), new().keys(secret())), Ok(()));
    assert_eq!(build(public(), new()), Err(ConfigErrorKind::KeyRing), "a public key is no secret");
    assert_eq!(build(secret(), new().keys(public())), Err(ConfigErrorKind::KeyRing));
    for bad in [
        new().grace(seconds(121)),
        new().access_lifetime(Duration::ZERO),
        new().access_lifetime(Duration::from_millis(999)),
        new().access_lifetime(seconds(86_401)),
    ] {
        assert_eq!(build(secret(), bad), Err(ConfigErrorKind::Setting));
    }
    assert_eq!(build(secret(), new().grace(seconds(120))), Ok(()));
    let elsewhere = SessionManager::builder(MemoryStore::new()).verified_upstream().refresh(new()).build();
    assert_eq!(elsewhere.err().map(|error| error.kind()), Some(ConfigErrorKind::Setting));
}

/// S42: of 64 tabs with one token all end with the same successor, and all of them can go on. For any store.
pub async fn sixty_four_tabs_end_with_one_successor(store: impl SessionStore) -> TestResult {
    let clock = ManualClock::new();
    let sessions = SessionManager::builder(store)
        .keys(KeyRing::hs256(SECRET)?)
        .clock(clock.clone())
        .store_deadline(Duration::from_secs(30))
        .refresh(RefreshPolicy::new())
        .build()?;
    let user = UserId::try_from(format!("tabs-{}", SessionId::at(sessions.now())))?;
    let mut shared = sessions.start(&user, ClientInfo::new()).await?;
    for round in 1..=3 {
        clock.advance(Duration::from_secs(60));
        let start = Arc::new(tokio::sync::Barrier::new(64));
        let tabs: Vec<_> = (0..64)
            .map(|_| {
                let (sessions, token, start) = (sessions.clone(), refresh_token(&shared), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    sessions.refresh(&token).await
                })
            })
            .collect();
        let mut successors = Vec::new();
        for tab in tabs {
            successors.push(tab.await??);
        }
        for successor in &successors {
            assert_eq!(successor.refresh_token(), successors[0].refresh_token());
            assert_eq!(successor.session().tokens.generation, round);
            sessions.authenticate(successor.token()).await?;
        }
        shared = successors.swap_remove(0);
    }
    let record = sessions.find(&user, shared.session().id).await?.ok_or("a record")?;
    assert_eq!((record.tokens.generation, record.ended), (3, None));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tabs_end_with_one_successor_in_memory() -> TestResult {
    sixty_four_tabs_end_with_one_successor(MemoryStore::new()).await
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tabs_end_with_one_successor_in_sqlite() -> TestResult {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tabs-{}.db", std::process::id()));
    let store = tower_device_sessions::store::SqliteStore::connect(&format!("sqlite://{}", folder.display())).await?;
    store.migrate().await?;
    let outcome = sixty_four_tabs_end_with_one_successor(store).await;
    for suffix in ["", "-wal", "-shm"] {
        // Not all of them need be there.
        let _ = std::fs::remove_file(format!("{}{suffix}", folder.display()));
    }
    outcome
}

/// Concealed endings conceal this one as well.
#[tokio::test]
async fn concealed_endings_conceal_a_reuse() -> TestResult {
    let kit = Kit::with(|builder| {
        builder.refresh(RefreshPolicy::new()).endings(tower_device_sessions::manager::Endings::Concealed)
    });
    let first = kit.sign_in("ann").await;
    let second = kit.sessions.refresh(&refresh_token(&first)).await?;
    let _third = kit.sessions.refresh(&refresh_token(&second)).await?;
    let reused = refresh_with(&kit, &refresh_token(&first)).await;
    let nonsense = refresh_with(&kit, "nonsense").await;
    assert_eq!((reused.body, reused.headers), (nonsense.body, nonsense.headers));
    assert!(kit.sessions.authenticate(second.token()).await.is_err());
    Ok(())
}

/// A revoked session stays revoked, whatever its refresh token tries.
#[tokio::test]
async fn a_refresh_never_revives_a_session() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_administrator("ops")).await?;
    for _ in 0..3 {
        let answer = refresh_with(&kit, &refresh_token(&started)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "session_revoked"));
    }
    assert!(kit.sessions.authenticate(started.token()).await.is_err());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Truncated and bit-flipped tokens are refused, and harm nothing.
    #[test]
    fn damaged_tokens_are_refused(at in any::<prop::sample::Index>(), bit in 0..7_u32, cut: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let kit = kit();
            let started = kit.sign_in("ann").await;
            let mut damaged = refresh_token(&started).into_bytes();
            let index = at.index(damaged.len());
            if cut {
                damaged.truncate(index);
            } else {
                damaged[index] ^= 1 << bit;
            }
            let damaged = String::from_utf8(damaged).expect("ASCII");
            assert_eq!(denied(kit.sessions.refresh(&damaged).await), Denied::Invalid);
            assert!(kit.sessions.refresh(&refresh_token(&started)).await.is_ok());
        });
    }
}
