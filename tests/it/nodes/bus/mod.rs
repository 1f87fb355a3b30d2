//! The buses: messages arrive, and a subscriber that may have missed one is told.

mod local;
mod polling;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod silence;

use std::time::{Duration, Instant};

use tower_device_sessions::{
    SessionId, Timestamp, UserId,
    bus::{BusEvent, GapReason, RevocationBus, RevocationMessage, Subscription},
};

fn message(user: u32) -> RevocationMessage {
    RevocationMessage::ended(UserId::from(user), [SessionId::at(Timestamp::UNIX_EPOCH)])
}

/// The longest message there is.
fn longest_message() -> RevocationMessage {
    let user = UserId::try_from("\"".repeat(UserId::MAX_LENGTH)).unwrap();
    let ids = (0..RevocationMessage::MOST_SESSIONS).map(|_| SessionId::at(Timestamp::UNIX_EPOCH));
    RevocationMessage::ended(user, ids)
}

async fn next(subscription: &mut Subscription) -> BusEvent {
    tokio::time::timeout(Duration::from_secs(20), subscription.next()).await.expect("an event")
}

#[track_caller]
fn assert_gap(event: &BusEvent, reason: GapReason) {
    assert_eq!(*event, BusEvent::Gap(reason));
}

/// A subscription that hears already.
async fn subscribe(bus: &dyn RevocationBus) -> Subscription {
    let mut subscription = bus.subscribe();
    assert_gap(&next(&mut subscription).await, GapReason::Connected);
    subscription
}

/// Two nodes hear what either says, the longest message too.
async fn nodes_hear_each_other(first: &dyn RevocationBus, second: &dyn RevocationBus) {
    assert!(!first.is_connected());
    let mut subscriptions = [subscribe(first).await, subscribe(second).await];
    assert!(first.is_connected() && second.is_connected());
    let messages = [message(1), longest_message(), RevocationMessage::all_ended(UserId::from(2), None), message(1)];
    for (bus, message) in [first, second].iter().cycle().zip(&messages) {
        bus.publish(message).await.unwrap();
        for subscription in &mut subscriptions {
            assert_eq!(next(subscription).await, BusEvent::Message(message.clone()));
        }
    }
    assert_eq!(first.health().gaps, 0);
    drop(subscriptions);
    assert!(!first.is_connected());
}

/// How long messages take from one node to another.
async fn print_latency(from: &dyn RevocationBus, to: &dyn RevocationBus) {
    let mut subscription = subscribe(to).await;
    let mut times = Vec::new();
    for user in 0..1_000 {
        let message = message(user);
        let began = Instant::now();
        from.publish(&message).await.unwrap();
        assert_eq!(next(&mut subscription).await, BusEvent::Message(message));
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!("{}: p50 {:?}, p99 {:?}, max {:?}", from.name(), times[500], times[990], times[999]);
}
