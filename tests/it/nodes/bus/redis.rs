use std::time::Duration;

use tower_device_sessions::{
    bus::{BusErrorKind, BusEvent, GapReason, RedisBus, RevocationBus},
    redis::Client,
};

use super::{
    assert_gap, message, next, nodes_hear_each_other, print_latency, silence::assert_silence_is_a_gap, subscribe,
};
use crate::{
    support::TestResult,
    support::proxy::Proxy,
    support::servers::{RedisCluster, RedisServer, redis_url, unique_name},
};

#[tokio::test]
async fn two_nodes_hear_each_other() -> TestResult {
    let Some(url) = redis_url().await else { return Ok(()) };
    let name = unique_name();
    let first = RedisBus::connect(&url).await?.channel(&name)?;
    let second = RedisBus::from_client(Client::open(url)?)?.channel(&name)?;
    nodes_hear_each_other(&first, &second).await;
    Ok(())
}

#[tokio::test]
async fn the_nodes_of_a_cluster_pass_messages_on() -> TestResult {
    let Some(cluster) = RedisCluster::start() else { return Ok(()) };
    let urls = cluster.urls();
    let first = RedisBus::connect(&urls[0]).await?;
    // The first of its nodes is not there.
    let second = RedisBus::cluster(["redis://127.0.0.1:1/", urls[2].as_str()]).await?;
    nodes_hear_each_other(&first, &second).await;
    Ok(())
}

/// R13, R14.
#[tokio::test]
async fn a_lost_connection_is_a_gap_and_is_made_again() -> TestResult {
    let Some(mut server) = RedisServer::start(&[]) else { return Ok(()) };
    let bus = RedisBus::connect(&server.url()).await?;
    let mut subscription = subscribe(&bus).await;
    for round in 1..=3 {
        bus.publish(&message(round)).await?;
        assert!(matches!(next(&mut subscription).await, BusEvent::Message(_)));
        assert_eq!(server.ask("CLIENT KILL TYPE pubsub").trim(), "1");
        assert_gap(&next(&mut subscription).await, GapReason::Disconnected);
        assert!(!bus.is_connected());
        assert_gap(&next(&mut subscription).await, GapReason::Connected);
        assert!(bus.is_connected());
        assert_eq!(bus.health().gaps, u64::from(round));
    }

    server.kill();
    assert_gap(&next(&mut subscription).await, GapReason::Disconnected);
    let failed = bus.publish(&message(8)).await;
    assert_eq!(failed.err().map(|error| error.kind()), Some(BusErrorKind::Unavailable));
    assert_eq!(bus.health().unpublished, 1);
    server.run();
    assert_gap(&next(&mut subscription).await, GapReason::Connected);
    let last = message(9);
    // The publisher may notice only now that its connection is gone.
    while bus.publish(&last).await.is_err() {}
    assert_eq!(next(&mut subscription).await, BusEvent::Message(last));
    Ok(())
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_a_gap() -> TestResult {
    let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
    let proxy = Proxy::to(([127, 0, 0, 1], server.port).into()).await?;
    let held = RedisBus::connect(&format!("redis://127.0.0.1:{}/", proxy.port)).await?;
    let held = held.keep_alive(Duration::from_millis(200));
    let bus = RedisBus::connect(&server.url()).await?;
    assert_silence_is_a_gap(&held, &proxy, &bus).await
}

/// R39.
#[tokio::test]
async fn what_cannot_be_read_is_a_gap() -> TestResult {
    let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
    let bus = RedisBus::connect(&server.url()).await?;
    let mut subscription = subscribe(&bus).await;
    for payload in ["nonsense", r#"{"v":2,"c":"ended","u":"ann"}"#, "\u{fffd}"] {
        assert_eq!(server.ask(&format!("PUBLISH tds:revocations {payload}")).trim(), "1");
        assert_gap(&next(&mut subscription).await, GapReason::Undecodable);
    }
    assert_eq!(bus.health().gaps, 3);
    assert!(bus.is_connected());
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_reached_is_told() -> TestResult {
    let unreachable = RedisBus::connect("redis://127.0.0.1:1/").await;
    assert_eq!(unreachable.err().map(|error| error.kind()), Some(BusErrorKind::Unavailable));
    let nonsense = RedisBus::connect("nonsense").await;
    assert_eq!(nonsense.err().map(|error| error.kind()), Some(BusErrorKind::Location));
    let none = RedisBus::cluster([""; 0]).await;
    assert_eq!(none.err().map(|error| error.kind()), Some(BusErrorKind::Location));

    let bus = RedisBus::from_client(Client::open("redis://:hunter2@127.0.0.1:1/")?)?;
    assert!(!format!("{bus:?}").contains("hunter2"));
    let mut subscription = bus.subscribe();
    assert!(tokio::time::timeout(Duration::from_millis(300), subscription.next()).await.is_err());
    assert!(!bus.is_connected());
    for bad in ["", "a b", "ä", &"x".repeat(129)] {
        assert!(bus.clone().channel(bad).is_err(), "{bad:?}");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "prints figures"]
async fn latency() -> TestResult {
    let Some(url) = redis_url().await else { return Ok(()) };
    let bus = RedisBus::connect(&url).await?.channel(&unique_name())?;
    print_latency(&bus, &bus.clone()).await;
    Ok(())
}
