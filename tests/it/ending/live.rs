//! Connections that outlive their request hear of the end of their session.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower_device_sessions::{
    SessionPolicy,
    manager::Revocation,
    session::{EndReason, Ending},
    store::{Fault, StoreMethod},
};

use crate::support::{Kit, TestResult};

/// Polls once, without waiting.
fn now<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn reason(ending: Option<Ending>) -> Option<EndReason> {
    ending.map(|ending| ending.reason)
}

/// S39: at once on this node, with the reason.
#[tokio::test]
async fn a_live_connection_hears_of_a_revocation_on_this_node() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    let mut ended = pin!(current.ended());
    assert_eq!(now(ended.as_mut()), None);
    kit.sessions.revoke(current.user_id(), current.id(), Revocation::by_administrator("eve")).await?;
    assert_eq!(reason(now(ended)), Some(EndReason::RevokedByAdmin));
    Ok(())
}

/// S39: also when the wait begins after the revocation, with a session that was accepted before it.
#[tokio::test(start_paused = true)]
async fn a_wait_that_begins_after_the_revocation_ends_too() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    kit.sessions.revoke_all(current.user_id(), Revocation::by_application()).await?;
    assert_eq!(current.ended().await.reason, EndReason::RevokedByAdmin);
    Ok(())
}

/// S39, S27: another node's revocation, without a bus.
#[tokio::test(start_paused = true)]
async fn a_live_connection_hears_of_a_revocation_on_another_node() -> TestResult {
    let kit = Kit::new();
    let other = kit.another_node();
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    let mut ended = Box::pin(current.ended());
    other.sessions.revoke_all(current.user_id(), Revocation::by_application()).await?;
    assert_eq!(now(ended.as_mut()), None);
    // Both clocks move, as they do in life.
    for _ in 0..12 {
        kit.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(reason(now(ended.as_mut())), Some(EndReason::RevokedByAdmin));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_live_connection_hears_of_the_absolute_timeout() -> TestResult {
    let kit = Kit::with(|builder| builder.policy(SessionPolicy::new().absolute_timeout(Duration::from_secs(600))));
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    let mut ended = Box::pin(current.ended());
    kit.clock.advance(Duration::from_secs(599));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(now(ended.as_mut()), None);
    kit.clock.advance(Duration::from_secs(1));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(reason(now(ended.as_mut())), Some(EndReason::Expired));
    Ok(())
}

/// Idle is what the store says it is: work elsewhere keeps the connection alive.
#[tokio::test(start_paused = true)]
async fn a_live_connection_does_not_idle_while_the_session_is_active_elsewhere() -> TestResult {
    let minute = Duration::from_secs(60);
    let policy = || SessionPolicy::new().idle_timeout(30 * minute);
    let kit = Kit::with(|builder| builder.policy(policy()));
    let other = Kit::over(kit.store.clone(), kit.clock.clone(), |builder| builder.policy(policy()));
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    let mut ended = Box::pin(current.ended());
    for _ in 0..90 {
        kit.clock.advance(minute);
        other.sessions.authenticate(started.token()).await?;
        assert!(other.sessions.flush_activity().await);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(now(ended.as_mut()), None);
    }
    kit.clock.advance(32 * minute);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(reason(now(ended.as_mut())), Some(EndReason::Idle));
    Ok(())
}

/// What happens on the connection may count as activity.
#[tokio::test(start_paused = true)]
async fn activity_on_the_connection_keeps_its_session() -> TestResult {
    let minute = Duration::from_secs(60);
    let kit = Kit::with(|builder| builder.policy(SessionPolicy::new().idle_timeout(30 * minute)));
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    let mut ended = Box::pin(current.ended());
    for _ in 0..90 {
        kit.clock.advance(minute);
        current.record_activity();
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(now(ended.as_mut()), None);
    Ok(())
}

/// A store that cannot be asked ends no connection.
#[tokio::test(start_paused = true)]
async fn an_outage_ends_no_connection() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    let mut ended = Box::pin(current.ended());
    kit.store.fail(StoreMethod::Find, Fault::FailBefore);
    for _ in 0..30 {
        kit.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(now(ended.as_mut()), None);
    kit.store.heal();
    kit.another_node().sessions.revoke_all(current.user_id(), Revocation::by_application()).await?;
    for _ in 0..30 {
        kit.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(reason(now(ended.as_mut())), Some(EndReason::RevokedByAdmin));
    Ok(())
}

/// Ten thousand who wait are told by one revocation, and leave nothing behind.
#[tokio::test]
async fn ten_thousand_wait_for_one_session() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    let waiting: Vec<_> = (0..10_000).map(|_| tokio::spawn(current.ended())).collect();
    let others = kit.sign_in("ann").await;
    kit.sessions.revoke(current.user_id(), others.session().id, Revocation::by_application()).await?;
    kit.sessions.sign_out(&current).await?;
    for waiting in waiting {
        assert_eq!(waiting.await?.reason, EndReason::SignedOut);
    }
    Ok(())
}
