//! Idle is said only when it can be written: a store that takes no writes signs nobody out.

use std::time::Duration;

use tower_device_sessions::{
    ErrorKind, Session, SessionPolicy, StartedSession,
    clock::{Clock, ManualClock},
    manager::{RefreshPolicy, SessionManagerBuilder},
    policy::Denied,
    session::{Actor, EndReason, Ending},
    store::{FailingStore, Fault, MemoryStore, StoreMethod},
};

use crate::support::{Kit, TestResult};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

const WRITES: [StoreMethod; 6] = [
    StoreMethod::Insert,
    StoreMethod::Touch,
    StoreMethod::End,
    StoreMethod::Expire,
    StoreMethod::EndAll,
    StoreMethod::Rotate,
];

fn short_lived(builder: SessionManagerBuilder) -> SessionManagerBuilder {
    let policy = SessionPolicy::new().idle_timeout(30 * MINUTE).absolute_timeout(DAY);
    builder.policy(policy).activity_interval(MINUTE).refresh(RefreshPolicy::new().access_lifetime(DAY))
}

/// Two nodes that have run for a while, over a store that fails as it is told.
fn nodes() -> (Kit, Kit) {
    let (store, clock) = (FailingStore::new(MemoryStore::new()), ManualClock::new());
    let nodes = [(), ()].map(|()| Kit::over(store.clone(), clock.clone(), short_lived));
    clock.advance(11 * MINUTE);
    let [here, there] = nodes;
    (here, there)
}

fn take_no_writes(kit: &Kit) {
    WRITES.iter().for_each(|&method| kit.store.fail(method, Fault::FailBefore));
}

async fn record(kit: &Kit, started: &StartedSession) -> Result<Session, Box<dyn std::error::Error + Send + Sync>> {
    let session = started.session();
    Ok(kit.sessions.find(&session.user_id, session.id).await?.ok_or("a record")?)
}

/// The user works on one node, of which the store hears nothing, for longer than the idle timeout.
async fn work(kit: &Kit, started: &StartedSession) -> TestResult {
    for _ in 0..45 {
        kit.clock.advance(MINUTE);
        kit.sessions.authenticate(started.token()).await?;
        assert!(!kit.sessions.flush_activity().await);
    }
    Ok(())
}

/// R03, S51: neither the other node nor one that is restarted takes the user for idle, and all is well when it is over.
#[tokio::test]
async fn an_outage_of_writes_makes_nobody_idle() -> TestResult {
    let (here, there) = nodes();
    let started = here.sign_in("ann").await;
    take_no_writes(&here);
    work(&here, &started).await?;
    let restarted = Kit::over(here.store.clone(), here.clock.clone(), short_lived);
    for kit in [&there, &restarted] {
        assert_eq!(kit.sessions.authenticate(started.token()).await.err(), Some(Denied::Unavailable));
        let refreshed = kit.sessions.refresh(started.refresh_token().ok_or("refresh is on")?).await;
        assert_eq!(refreshed.err().map(|error| error.kind()), Some(ErrorKind::Unavailable));
    }
    here.sessions.authenticate(started.token()).await?;
    assert_eq!(record(&here, &started).await?.ended, None);

    here.store.heal();
    assert!(here.sessions.flush_activity().await);
    for kit in [&there, &restarted, &here] {
        kit.sessions.authenticate(started.token()).await?;
    }
    Ok(())
}

/// S51.
#[tokio::test]
async fn an_idle_ending_is_on_record_before_it_is_told() -> TestResult {
    let (here, there) = nodes();
    let started = here.sign_in("ann").await;
    let timed_out = started.session().created_at.saturating_add(30 * MINUTE);
    let idle = Ending::new(EndReason::Idle, Actor::System, timed_out);
    here.clock.advance(32 * MINUTE);
    let gate = here.store.hold_before(StoreMethod::Expire);
    let asking = tokio::spawn({
        let (sessions, token) = (there.sessions.clone(), started.token().to_owned());
        async move { sessions.authenticate(&token).await.map(drop) }
    });
    gate.arrived(1).await;
    assert!(!asking.is_finished());
    gate.open();
    assert_eq!(asking.await?.err(), Some(Denied::Ended(idle.clone())));
    assert_eq!(record(&here, &started).await?.ended, Some(idle));

    // It costs one write, no matter who asks how often.
    for kit in [&here, &there] {
        for _ in 0..3 {
            kit.clock.advance(3 * SECOND);
            assert!(kit.sessions.authenticate(started.token()).await.is_err());
        }
    }
    assert_eq!(here.store.calls(StoreMethod::Expire), 1);
    Ok(())
}

/// S51: the activity of another node arrives between the read and the ending.
#[tokio::test]
async fn activity_that_arrives_late_keeps_a_session_from_being_idle() -> TestResult {
    let (here, there) = nodes();
    let started = here.sign_in("ann").await;
    let refresh_token = started.refresh_token().ok_or("refresh is on")?.to_owned();
    here.clock.advance(29 * MINUTE);
    here.sessions.authenticate(started.token()).await?;
    here.clock.advance(4 * MINUTE);
    for refreshes in [false, true] {
        let gate = here.store.hold_before(StoreMethod::Expire);
        let asking = tokio::spawn({
            let (sessions, token) = (there.sessions.clone(), started.token().to_owned());
            let refresh_token = refresh_token.clone();
            async move {
                match refreshes {
                    false => sessions.authenticate(&token).await.map(drop).map_err(|denied| denied.to_string()),
                    true => sessions.refresh(&refresh_token).await.map(drop).map_err(|error| error.to_string()),
                }
            }
        });
        gate.arrived(1).await;
        assert!(here.sessions.flush_activity().await);
        gate.open();
        asking.await??;
        assert_eq!(record(&here, &started).await?.ended, None);

        // Once more, with what only this node knows.
        here.sessions.authenticate(started.token()).await?;
        here.clock.advance(29 * MINUTE);
        here.sessions.authenticate(started.token()).await?;
        here.clock.advance(4 * MINUTE);
    }
    Ok(())
}

/// After an outage, other nodes have activity to write as well: it has the time that activity takes.
#[tokio::test]
async fn nobody_is_idle_right_after_a_write_has_failed() -> TestResult {
    let (here, there) = nodes();
    let (ann, bob) = (here.sign_in("ann").await, here.sign_in("bob").await);
    there.sessions.authenticate(bob.token()).await?;
    here.clock.advance(2 * MINUTE);
    there.sessions.authenticate(bob.token()).await?;
    take_no_writes(&here);
    here.clock.advance(30 * MINUTE);
    assert!(!there.sessions.flush_activity().await);
    here.store.heal();
    for _ in 0..7 {
        assert_eq!(there.sessions.authenticate(ann.token()).await.err(), Some(Denied::Unavailable));
        here.clock.advance(10 * SECOND);
    }
    let denied = there.sessions.authenticate(ann.token()).await;
    assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::Idle));
    Ok(())
}

/// S39: a connection is not told either before the store has it.
#[tokio::test(start_paused = true)]
async fn a_live_connection_is_told_of_idleness_once_it_is_on_record() -> TestResult {
    let (kit, _) = nodes();
    let started = kit.sign_in("ann").await;
    let ended = tokio::spawn(kit.sessions.authenticate(started.token()).await?.ended());
    take_no_writes(&kit);
    kit.clock.advance(40 * MINUTE);
    for _ in 0..10 {
        kit.clock.advance(SECOND);
        tokio::time::sleep(SECOND).await;
    }
    assert!(!ended.is_finished());
    kit.store.heal();
    for _ in 0..75 {
        kit.clock.advance(SECOND);
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(ended.await?.reason, EndReason::Idle);
    assert!(record(&kit, &started).await?.ended.is_some());
    Ok(())
}

/// R11: a node that booted ahead ends nothing for good by its clock, and yet says nothing while the store takes no
/// writes.
#[tokio::test]
async fn a_clock_that_has_just_started_ends_nothing_for_good() -> TestResult {
    let good = Kit::new();
    let started = good.sign_in("ann").await;
    let ahead = ManualClock::at(good.clock.now().saturating_add(10 * DAY));
    let bad = Kit::over(good.store.clone(), ahead, |builder| builder);
    take_no_writes(&good);
    assert_eq!(bad.sessions.authenticate(started.token()).await.err(), Some(Denied::Unavailable));
    good.store.heal();
    bad.clock.advance(2 * MINUTE);
    let denied = bad.sessions.authenticate(started.token()).await;
    assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::Idle));
    assert_eq!(good.store.calls(StoreMethod::Expire), 0);
    bad.clock.set_wall(good.clock.now());
    bad.clock.advance(3 * SECOND);
    for kit in [&good, &bad] {
        kit.sessions.authenticate(started.token()).await?;
    }
    Ok(())
}

/// Where others have used the store lately, a node need not run for ten minutes before it can say what is so.
#[tokio::test]
async fn a_node_that_has_just_started_believes_the_times_in_the_store() -> TestResult {
    let before = Kit::new();
    let idle = before.sign_in("ann").await;
    before.clock.advance(8 * DAY);
    drop(before.sign_in("bob").await);
    before.clock.advance(SECOND);
    let kit = before.another_node();
    let denied = kit.sessions.authenticate(idle.token()).await;
    assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::Idle));
    assert_eq!(record(&kit, &idle).await?.ended.map(|ending| ending.reason), Some(EndReason::Idle));
    Ok(())
}
