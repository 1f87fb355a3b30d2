//! Tokens that were refused a moment ago: what repeating them costs, and how often it is told.

use std::{sync::Arc, time::Duration};

use tokio::sync::Barrier;
use tower_device_sessions::{
    StartedSession,
    event::SessionEvent,
    manager::{RefreshPolicy, Revocation},
    policy::Denied,
    store::StoreMethod,
};

use crate::support::{Kit, TestResult};

fn kit() -> Kit {
    Kit::with(|builder| builder.refresh(RefreshPolicy::new()))
}

fn refresh_token(started: &StartedSession) -> &str {
    started.refresh_token().expect("refresh tokens are on")
}

async fn end(kit: &Kit, started: &StartedSession) -> TestResult {
    kit.sessions.revoke(&started.session().user_id, started.session().id, Revocation::by_application()).await?;
    kit.events.take();
    Ok(())
}

/// How often it was told that a token was used after the end of its session.
fn used_after_end(kit: &Kit) -> usize {
    kit.events.take().iter().filter(|event| matches!(event, SessionEvent::UsedAfterEnd { .. })).count()
}

/// S40: the refresh token of an ended session, again and again.
#[tokio::test]
async fn a_dead_refresh_token_costs_one_store_call_in_two_seconds() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    end(&kit, &started).await?;
    for round in 1..=3 {
        for _ in 0..300 {
            let denied = kit.sessions.refresh(refresh_token(&started)).await.map_err(|error| error.denied().cloned());
            assert!(matches!(denied, Err(Some(Denied::Ended(_)))));
        }
        assert_eq!((kit.store.calls(StoreMethod::Find), used_after_end(&kit)), (round, 1));
        kit.clock.advance(Duration::from_secs(2));
    }
    Ok(())
}

/// S40: what one token has told is known of all others, of any generation and of either kind.
#[tokio::test]
async fn all_tokens_of_a_dead_session_share_one_store_call() -> TestResult {
    let kit = kit();
    let first = kit.sign_in("ann").await;
    let second = kit.sessions.refresh(refresh_token(&first)).await?;
    end(&kit, &first).await?;
    let finds = kit.store.calls(StoreMethod::Find);
    for _ in 0..300 {
        for pair in [&first, &second] {
            assert!(kit.sessions.authenticate(pair.token()).await.is_err());
            assert!(kit.sessions.refresh(refresh_token(pair)).await.is_err());
        }
    }
    assert_eq!((kit.store.calls(StoreMethod::Find) - finds, used_after_end(&kit)), (1, 1));
    Ok(())
}

/// S40: a thousand at once, before anything is known of the token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_dead_token_costs_one_store_call() -> TestResult {
    for by_refresh in [false, true] {
        let kit = kit();
        let started = Arc::new(kit.sign_in("ann").await);
        end(&kit, &started).await?;
        let start = Arc::new(Barrier::new(1_000));
        let asking: Vec<_> = (0..1_000)
            .map(|_| {
                let (sessions, started, start) = (kit.sessions.clone(), Arc::clone(&started), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    match by_refresh {
                        true => sessions.refresh(refresh_token(&started)).await.is_err(),
                        false => sessions.authenticate(started.token()).await.is_err(),
                    }
                })
            })
            .collect();
        for asked in asking {
            assert!(asked.await?);
        }
        assert_eq!((kit.store.calls(StoreMethod::Find), used_after_end(&kit)), (1, 1), "by refresh: {by_refresh}");
    }
    Ok(())
}

/// R32: those who hold dead tokens take no place among the loads from others, nor do they wait for one.
#[tokio::test]
async fn a_token_that_is_known_to_be_dead_waits_for_nobody() -> TestResult {
    let kit = Kit::with(|builder| builder.refresh(RefreshPolicy::new()).concurrent_loads(1));
    let (dead, cold) = (kit.sign_in("ann").await, kit.sign_in("bob").await);
    end(&kit, &dead).await?;
    assert!(kit.sessions.authenticate(dead.token()).await.is_err());

    let gate = kit.store.hold_before(StoreMethod::Find);
    let loading = tokio::spawn({
        let (sessions, token) = (kit.sessions.clone(), cold.token().to_owned());
        async move { sessions.authenticate(&token).await.map(drop) }
    });
    gate.arrived(1).await;
    assert!(matches!(kit.sessions.authenticate(dead.token()).await, Err(Denied::Ended(_))));
    assert!(kit.sessions.refresh(refresh_token(&dead)).await.is_err_and(|error| error.denied().is_some()));
    gate.open();
    loading.await??;
    Ok(())
}

/// S49: access tokens that a step-up has superseded, of several generations by turns. The newest is not kept out.
#[tokio::test]
async fn superseded_tokens_by_turns_cost_one_store_call() -> TestResult {
    let kit = kit();
    let first = kit.sign_in("ann").await;
    let second = kit.sessions.refresh(refresh_token(&first)).await?;
    let current = kit.sessions.authenticate(second.token()).await?;
    let newest = kit.sessions.reauthenticated(&current, "pwd").await?;
    let finds = kit.store.calls(StoreMethod::Find);
    for _ in 0..300 {
        for pair in [&second, &first] {
            assert!(matches!(kit.sessions.authenticate(pair.token()).await, Err(Denied::Invalid)));
        }
    }
    assert_eq!(kit.store.calls(StoreMethod::Find) - finds, 1);
    kit.sessions.authenticate(newest.token()).await?;
    Ok(())
}

/// S49: a refresh token from before the step-up is refused and costs one call, and its session goes on.
#[tokio::test]
async fn an_outdated_refresh_token_costs_one_store_call() -> TestResult {
    let kit = kit();
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    let newest = kit.sessions.reauthenticated(&current, "pwd").await?;
    let finds = kit.store.calls(StoreMethod::Find);
    for _ in 0..300 {
        let denied = kit.sessions.refresh(refresh_token(&started)).await.map_err(|error| error.denied().cloned());
        assert_eq!(denied.map(drop), Err(Some(Denied::Invalid)));
    }
    assert_eq!(kit.store.calls(StoreMethod::Find) - finds, 1);
    kit.sessions.authenticate(newest.token()).await?;
    assert!(kit.sessions.refresh(refresh_token(&newest)).await.is_ok());
    Ok(())
}
