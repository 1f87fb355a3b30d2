//! Busy sessions are read again before the cache has to let go of them, and never wait for the store.

use std::time::Duration;

use futures_util::FutureExt;
use tower_device_sessions::{
    manager::Revocation,
    policy::Denied,
    session::EndReason,
    store::{Fault, Gate, StoreMethod},
};

use crate::support::{Kit, TestResult};

/// With the default time to live of 10 s, shortened by up to a second: between the last fifth and the end.
const DUE: Duration = Duration::from_secs(8);

fn is_accepted_at_once(kit: &Kit, token: &str) -> bool {
    kit.sessions.authenticate(token).now_or_never().is_some_and(|answer| answer.is_ok())
}

/// Lets the tasks run that can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_busy_session_never_waits_for_the_store() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.sessions.authenticate(started.token()).await?;
    for reads in 2..=10 {
        kit.clock.advance(DUE);
        let gate = kit.store.hold_before(StoreMethod::Find);
        for _ in 0..5 {
            assert!(is_accepted_at_once(&kit, started.token()));
        }
        gate.arrived(1).await;
        assert!(is_accepted_at_once(&kit, started.token()), "while the record is being read");
        gate.open();
        settle().await;
        assert_eq!(kit.store.calls(StoreMethod::Find), reads, "one read serves them all");
    }
    Ok(())
}

#[tokio::test]
async fn a_session_that_nobody_asks_for_is_not_read() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.sessions.authenticate(started.token()).await?;
    for _ in 0..10 {
        kit.clock.advance(DUE);
        settle().await;
    }
    assert_eq!(kit.store.calls(StoreMethod::Find), 1);
    Ok(())
}

#[tokio::test]
async fn reads_ahead_of_time_take_at_most_half_of_the_places() -> TestResult {
    let kit = Kit::with(|builder| builder.concurrent_loads(4));
    let mut tokens = Vec::new();
    for _ in 0..6 {
        tokens.push(kit.sign_in("ann").await.token().to_owned());
        kit.sessions.authenticate(&tokens[tokens.len() - 1]).await?;
    }
    kit.clock.advance(DUE);
    let gate = kit.store.hold_before(StoreMethod::Find);
    for _ in 0..3 {
        assert!(tokens.iter().all(|token| is_accepted_at_once(&kit, token)));
        settle().await;
    }
    assert_eq!(kit.store.calls(StoreMethod::Find), 6 + 2);

    // A request that has to wait for the store still finds a place.
    let newcomer = kit.sign_in("bob").await;
    let waiting = tokio::spawn({
        let (sessions, token) = (kit.sessions.clone(), newcomer.token().to_owned());
        async move { sessions.authenticate(&token).await.is_ok() }
    });
    gate.arrived(3).await;
    gate.open();
    assert!(waiting.await?);

    // The others have their turn a moment later.
    settle().await;
    for _ in 0..2 {
        kit.clock.advance(Duration::from_millis(500));
        assert!(tokens.iter().all(|token| is_accepted_at_once(&kit, token)));
        settle().await;
    }
    assert_eq!(kit.store.calls(StoreMethod::Find), 6 + 6 + 1);
    Ok(())
}

/// R04. A store that fails takes nothing away before the time.
#[tokio::test]
async fn a_failed_read_ahead_of_time_is_repeated_and_ends_nothing() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.sessions.authenticate(started.token()).await?;
    kit.store.fail(StoreMethod::Find, Fault::FailBefore);
    kit.clock.advance(DUE);
    for reads in 2..=3 {
        assert!(is_accepted_at_once(&kit, started.token()));
        settle().await;
        assert!(is_accepted_at_once(&kit, started.token()), "and not at once");
        settle().await;
        assert_eq!(kit.store.calls(StoreMethod::Find), reads);
        kit.clock.advance(Duration::from_millis(500));
    }
    kit.clock.advance(Duration::from_secs(1));
    assert!(matches!(kit.sessions.authenticate(started.token()).await, Err(Denied::Unavailable)));
    kit.store.heal();
    kit.sessions.authenticate(started.token()).await?;
    Ok(())
}

/// S27. What another node has ended is noticed when it is read, not only when the time to live has passed.
#[tokio::test]
async fn a_read_ahead_of_time_ends_what_another_node_has_revoked() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.sessions.authenticate(started.token()).await?;
    kit.another_node().sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    kit.clock.advance(DUE);
    assert!(is_accepted_at_once(&kit, started.token()), "nothing is known of it here");
    settle().await;
    let denied = kit.sessions.authenticate(started.token()).await;
    assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::RevokedByAdmin));
    Ok(())
}

/// S26. The read has begun before the revocation, and asks the store after it.
#[tokio::test]
async fn a_read_ahead_of_time_that_comes_after_a_revocation_brings_nothing_back() -> TestResult {
    let kit = Kit::new();
    let gate = || kit.store.hold_before(StoreMethod::Find);
    a_revocation_during_a_read_is_final(&kit, gate).await
}

/// S26. The record was read before the revocation, and comes back after it.
#[tokio::test]
async fn a_read_ahead_of_time_brings_no_revoked_session_back() -> TestResult {
    let kit = Kit::new();
    let gate = || kit.store.hold_after(StoreMethod::Find);
    a_revocation_during_a_read_is_final(&kit, gate).await
}

/// Revokes while the read ahead of time is held at the gate.
async fn a_revocation_during_a_read_is_final(kit: &Kit, gate: impl FnOnce() -> Gate) -> TestResult {
    let started = kit.sign_in("ann").await;
    kit.sessions.authenticate(started.token()).await?;
    kit.clock.advance(DUE);
    let gate = gate();
    assert!(is_accepted_at_once(kit, started.token()));
    gate.arrived(1).await;
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    gate.open();
    settle().await;
    assert!(matches!(kit.sessions.authenticate(started.token()).await, Err(Denied::Ended(_))));
    Ok(())
}

/// S28. Reading gains nothing when the session itself ends first.
#[tokio::test]
async fn a_session_about_to_end_is_not_read_ahead_of_time() -> TestResult {
    let kit = Kit::new();
    let started = kit.sessions.start("ann", Default::default()).absolute_timeout(Duration::from_secs(9)).await?;
    kit.sessions.authenticate(started.token()).await?;
    kit.clock.advance(Duration::from_millis(8_900));
    assert!(is_accepted_at_once(&kit, started.token()));
    settle().await;
    assert_eq!(kit.store.calls(StoreMethod::Find), 1);
    Ok(())
}

/// A lookup may come from a thread that no runtime knows: it is answered, and the next one has the record read.
#[test]
fn outside_of_a_runtime_a_known_session_is_accepted_all_the_same() -> TestResult {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kit = Kit::new();
    let started = runtime.block_on(kit.sign_in("ann"));
    runtime.block_on(kit.sessions.authenticate(started.token()))?;
    kit.clock.advance(DUE);
    assert!(is_accepted_at_once(&kit, started.token()));
    assert_eq!(kit.store.calls(StoreMethod::Find), 1);
    Ok(())
}
