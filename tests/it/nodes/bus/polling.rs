use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tower_device_sessions::{
    Session, Timestamp, UserId,
    bus::{BusError, BusEvent, BusFuture, PollEndings, PollingBus, RevocationBus, RevocationMessage},
    clock::{Clock, SystemClock},
    policy::Admission,
    session::{Actor, AsOf, EndReason, EndedSession, Ending},
    store::{FailingStore, Fault, MemoryStore, SessionStore, StoreMethod},
};

use super::{next, subscribe};
use crate::support::TestResult;

#[derive(Debug)]
struct OfStore(Arc<dyn SessionStore>);

impl PollEndings for OfStore {
    fn ended_between(
        &self,
        since: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> BusFuture<'_, Result<Vec<EndedSession>, BusError>> {
        Box::pin(async move { self.0.ended_between(since, until, limit).await.map_err(BusError::unavailable) })
    }
}

fn session(user: u32) -> Session {
    let now = SystemClock::new().now();
    Session::new(UserId::from(user), now, now.saturating_add(Duration::from_secs(3_600)))
}

/// Ends the session as a node does whose clock is so many seconds behind.
async fn end(store: &dyn SessionStore, session: &Session, behind: u64) -> TestResult {
    let at = SystemClock::new().now().saturating_sub(Duration::from_secs(behind));
    store.end(&session.key(), &Ending::new(EndReason::RevokedByUser, Actor::System, at), Duration::ZERO).await?;
    Ok(())
}

async fn endings_of_other_nodes_are_found(store: Arc<dyn SessionStore>) -> TestResult {
    let bus = PollingBus::new(Arc::new(OfStore(Arc::clone(&store))));
    let mut subscriptions = [subscribe(&bus).await, subscribe(&bus).await];
    for (user, behind) in [(1, 0), (2, 20), (3, 1)] {
        let ended = session(user);
        store.insert(&ended, &Admission::new(AsOf::new(ended.created_at, Duration::ZERO))).await?;
        end(&*store, &ended, behind).await?;
        for subscription in &mut subscriptions {
            let told = RevocationMessage::ended(ended.user_id.clone(), [ended.id]);
            assert_eq!(next(subscription).await, BusEvent::Message(told));
        }
    }
    Ok(())
}

#[tokio::test]
async fn endings_in_memory_are_found() -> TestResult {
    endings_of_other_nodes_are_found(Arc::new(MemoryStore::new())).await
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn endings_in_redis_are_found() -> TestResult {
    use crate::support::servers::{RedisServer, redis_url};

    let Some(_) = redis_url().await else { return Ok(()) };
    let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
    let store = tower_device_sessions::store::RedisStore::connect(&server.url()).await?;
    endings_of_other_nodes_are_found(Arc::new(store)).await
}

#[tokio::test]
async fn a_store_that_fails_or_hangs_for_a_while_costs_nothing() -> TestResult {
    let store = FailingStore::new(MemoryStore::new());
    let bus = PollingBus::new(Arc::new(OfStore(Arc::new(store.clone())))).interval(Duration::from_millis(20));
    let mut subscription = subscribe(&bus).await;
    let ended = session(1);
    store.insert(&ended, &Admission::new(AsOf::new(ended.created_at, Duration::ZERO))).await?;
    store.fail(StoreMethod::EndedBetween, Fault::FailBefore);
    end(&store, &ended, 0).await?;
    assert!(tokio::time::timeout(Duration::from_millis(200), subscription.next()).await.is_err());
    assert!(!bus.is_connected());
    store.heal();
    let told = RevocationMessage::ended(ended.user_id.clone(), [ended.id]);
    assert_eq!(next(&mut subscription).await, BusEvent::Message(told));
    assert!(bus.is_connected());
    assert_eq!(bus.health().gaps, 0);
    Ok(())
}

#[tokio::test]
#[ignore = "prints figures"]
async fn latency() -> TestResult {
    let store: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
    let bus = PollingBus::new(Arc::new(OfStore(Arc::clone(&store))));
    let mut subscription = subscribe(&bus).await;
    let mut times = Vec::new();
    for user in 0..50 {
        let ended = session(user);
        store.insert(&ended, &Admission::new(AsOf::new(ended.created_at, Duration::ZERO))).await?;
        let began = Instant::now();
        end(&*store, &ended, 0).await?;
        assert!(matches!(next(&mut subscription).await, BusEvent::Message(_)));
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!("polling: p50 {:?}, max of 50 {:?}", times[25], times[49]);
    Ok(())
}
