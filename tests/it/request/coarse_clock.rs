//! A clock whose cheap hand is late changes nothing for the worse: what is cached ends in time, and activity is
//! recorded in time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tower_device_sessions::{
    Timestamp,
    clock::{Clock, ManualClock},
    manager::Revocation,
    policy::Denied,
    session::EndReason,
    store::{FailingStore, MemoryStore, StoreMethod},
};

use crate::support::{Kit, TestResult};

const LATE: Duration = Duration::from_millis(20);
const INTERVAL: Duration = Duration::from_secs(10);

/// The kit's clock, with a coarse hand that is as late as it may be, or on time.
#[derive(Clone, Debug)]
struct Late {
    clock: ManualClock,
    is_on_time: Arc<AtomicBool>,
}

impl Clock for Late {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn coarse(&self) -> Duration {
        let late = if self.is_on_time.load(Ordering::SeqCst) { Duration::ZERO } else { LATE };
        self.clock.monotonic().saturating_sub(late)
    }

    fn coarseness(&self) -> Duration {
        LATE
    }
}

/// A kit with such a clock. Activity is recorded every ten seconds.
fn late(cache_ttl: Duration) -> (Kit, Late) {
    let (store, clock) = (FailingStore::new(MemoryStore::new()), ManualClock::new());
    let late = Late { clock: clock.clone(), is_on_time: Arc::default() };
    // Nothing is before the beginning.
    clock.advance(Duration::from_secs(1));
    (
        Kit::over(store, clock, |builder| builder.clock(late.clone()).cache_ttl(cache_ttl).activity_interval(INTERVAL)),
        late,
    )
}

/// S27: the time to live is at most a tenth shorter than it is set, by chance; of so many some are cached for almost
/// all of it.
#[tokio::test]
async fn what_another_node_has_revoked_is_accepted_for_no_longer_than_the_time_to_live() -> TestResult {
    let ttl = Duration::from_secs(1);
    let (kit, _) = late(ttl);
    let other = kit.another_node();
    let mut signed_in = Vec::new();
    for number in 0..300 {
        signed_in.push(kit.sign_in(&format!("user-{number}")).await);
    }
    for started in &signed_in {
        kit.sessions.authenticate(started.token()).await?;
        let session = started.session();
        other.sessions.revoke(&session.user_id, session.id, Revocation::by_application()).await?;
    }
    let reads = kit.store.calls(StoreMethod::Find);
    kit.clock.advance(ttl * 9 / 10 - LATE - Duration::from_millis(1));
    for started in &signed_in {
        kit.sessions.authenticate(started.token()).await?;
    }
    assert_eq!(kit.store.calls(StoreMethod::Find), reads, "all are still cached");

    kit.clock.advance(ttl / 10 + LATE + Duration::from_millis(1));
    for started in &signed_in {
        assert!(kit.sessions.authenticate(started.token()).await.is_err(), "its time to live is over");
    }
    Ok(())
}

/// S28, S52.
#[tokio::test]
async fn a_session_ends_with_its_absolute_timeout() -> TestResult {
    let (kit, _) = late(Duration::from_secs(60));
    let started = kit.sessions.start("ann", Default::default()).absolute_timeout(Duration::from_secs(2)).await?;
    kit.sessions.authenticate(started.token()).await?;
    kit.clock.advance(Duration::from_micros(1_999_999));
    kit.sessions.authenticate(started.token()).await?;
    kit.clock.advance(Duration::from_micros(1));
    let denied = kit.sessions.authenticate(started.token()).await;
    assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::Expired));
    Ok(())
}

/// S54: activity that is an interval away from what is on record is put on record.
#[tokio::test]
async fn activity_is_recorded_once_per_interval() -> TestResult {
    let (kit, late) = late(Duration::from_secs(60));
    let started = kit.sign_in("ann").await;
    let session = started.session();
    for is_on_time in [true, false, true, false] {
        late.is_on_time.store(is_on_time, Ordering::SeqCst);
        kit.clock.advance(INTERVAL);
        let now = kit.clock.now();
        kit.sessions.authenticate(started.token()).await?;
        assert!(kit.sessions.flush_activity().await);
        let record = kit.sessions.find(&session.user_id, session.id).await?.ok_or("a record")?;
        assert_eq!(record.last_active_at, now);
    }
    Ok(())
}
