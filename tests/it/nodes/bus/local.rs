use tower_device_sessions::bus::{BusEvent, GapReason, LocalBus, RevocationBus};

use super::{assert_gap, message, next, nodes_hear_each_other, print_latency, subscribe};

#[tokio::test]
async fn clones_are_one_bus() {
    let bus = LocalBus::new();
    nodes_hear_each_other(&bus, &bus.clone()).await;
}

/// R14.
#[tokio::test]
async fn a_subscriber_that_is_too_slow_hears_of_a_gap() {
    let bus = LocalBus::with_capacity(4);
    let mut slow = subscribe(&bus).await;
    let messages: Vec<_> = (0..10).map(message).collect();
    for message in &messages {
        bus.publish(message).await.unwrap();
    }
    assert_gap(&next(&mut slow).await, GapReason::Overflow);
    for message in &messages[6..] {
        assert_eq!(next(&mut slow).await, BusEvent::Message(message.clone()));
    }
    assert_eq!((bus.health().gaps, bus.health().published), (1, 10));
    assert!(bus.is_connected());
}

#[tokio::test]
async fn a_bus_without_subscribers_takes_messages() {
    let bus = LocalBus::with_capacity(0);
    bus.publish(&message(1)).await.unwrap();
    assert!(!bus.is_connected());
}

#[tokio::test]
#[ignore = "prints figures"]
async fn latency() {
    let bus = LocalBus::new();
    print_latency(&bus, &bus.clone()).await;
}
