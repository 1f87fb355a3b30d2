use std::time::Duration;

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tower_device_sessions::bus::{BusErrorKind, BusEvent, GapReason, PostgresBus, RevocationBus};

use super::{
    assert_gap, message, next, nodes_hear_each_other, print_latency, silence::assert_silence_is_a_gap, subscribe,
};
use crate::{
    support::TestResult,
    support::proxy::Proxy,
    support::servers::{skip, unique_name},
};

/// A pool of connections to the server on this machine, when one answers.
async fn pool(application: &str) -> Option<PgPool> {
    let url = std::env::var("TEST_POSTGRES_URL");
    let url = url.unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/test".to_owned());
    let options: PgConnectOptions = url.parse().expect("the address of a Postgres server");
    let options = options.application_name(application);
    match PgPoolOptions::new().max_connections(2).connect_with(options).await {
        Ok(pool) => Some(pool),
        Err(error) => {
            skip("postgres", &error.to_string());
            None
        }
    }
}

/// A name for a channel, and for the application.
fn name() -> String {
    unique_name().replace('-', "_")
}

#[tokio::test]
async fn two_nodes_hear_each_other() -> TestResult {
    let name = name();
    let Some(pool) = pool(&name).await else { return Ok(()) };
    // A pool that has no connection to spare for listening.
    let narrow = PgPoolOptions::new().max_connections(1).connect_with(pool.connect_options().as_ref().clone()).await?;
    let first = PostgresBus::from_pool(pool.clone()).channel(&name)?;
    let second = PostgresBus::from_pool(pool).publish_through(narrow).channel(&name)?;
    nodes_hear_each_other(&first, &second).await;
    Ok(())
}

/// R13, R15.
#[tokio::test]
async fn a_lost_connection_is_a_gap_and_is_made_again() -> TestResult {
    let name = name();
    let Some(pool) = pool(&name).await else { return Ok(()) };
    let bus = PostgresBus::from_pool(pool.clone()).channel(&name)?;
    let mut subscription = subscribe(&bus).await;
    for round in 1..=3 {
        bus.publish(&message(round)).await?;
        assert!(matches!(next(&mut subscription).await, BusEvent::Message(_)));
        let killed: i64 = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN%'",
        )
        .bind(&name)
        .fetch_one(&pool)
        .await?;
        assert_eq!(killed, 1);

        assert_gap(&next(&mut subscription).await, GapReason::Disconnected);
        assert!(!bus.is_connected());
        assert_gap(&next(&mut subscription).await, GapReason::Connected);
        assert!(bus.is_connected());
        assert_eq!(bus.health().gaps, u64::from(round));
    }
    let last = message(9);
    bus.publish(&last).await?;
    assert_eq!(next(&mut subscription).await, BusEvent::Message(last));
    Ok(())
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_a_gap() -> TestResult {
    let name = name();
    let Some(pool) = pool(&name).await else { return Ok(()) };
    let options = pool.connect_options();
    let server = tokio::net::lookup_host((options.get_host(), options.get_port())).await?.next().expect("an address");
    let proxy = Proxy::to(server).await?;
    let held = PgPoolOptions::new().connect_lazy_with(options.as_ref().clone().host("127.0.0.1").port(proxy.port));
    let bus = PostgresBus::from_pool(held).publish_through(pool).channel(&name)?.keep_alive(Duration::from_millis(200));
    assert_silence_is_a_gap(&bus, &proxy, &bus).await
}

/// R39.
#[tokio::test]
async fn what_cannot_be_read_is_a_gap() -> TestResult {
    let name = name();
    let Some(pool) = pool(&name).await else { return Ok(()) };
    let bus = PostgresBus::from_pool(pool.clone()).channel(&name)?;
    let mut subscription = subscribe(&bus).await;
    for payload in ["", "nonsense", r#"{"v":2,"c":"ended","u":"ann"}"#, &"x".repeat(7_999)] {
        sqlx::query("SELECT pg_notify($1, $2)").bind(&name).bind(payload).execute(&pool).await?;
        assert_gap(&next(&mut subscription).await, GapReason::Undecodable);
    }
    assert_eq!(bus.health().gaps, 4);
    assert!(bus.is_connected());
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_reached_is_told() -> TestResult {
    let unreachable = PostgresBus::connect("postgres://postgres@127.0.0.1:1/test").await;
    assert_eq!(unreachable.err().map(|error| error.kind()), Some(BusErrorKind::Unavailable));
    let nonsense = PostgresBus::connect("nonsense").await;
    assert_eq!(nonsense.err().map(|error| error.kind()), Some(BusErrorKind::Location));

    let options: PgConnectOptions = "postgres://u:hunter2@127.0.0.1:1/test".parse()?;
    let bus = PostgresBus::from_pool(PgPoolOptions::new().connect_lazy_with(options));
    assert!(!format!("{bus:?}").contains("hunter2"));
    let failed = bus.publish(&message(1)).await;
    assert_eq!(failed.err().map(|error| error.kind()), Some(BusErrorKind::Unavailable));
    assert_eq!((bus.health().published, bus.health().unpublished), (0, 1));
    let mut subscription = bus.subscribe();
    assert!(tokio::time::timeout(Duration::from_millis(300), subscription.next()).await.is_err());
    assert!(!bus.is_connected());
    for bad in ["", "A", "a-b", "ä", &"x".repeat(64)] {
        assert!(bus.clone().channel(bad).is_err(), "{bad:?}");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "prints figures"]
async fn latency() -> TestResult {
    let name = name();
    let Some(pool) = pool(&name).await else { return Ok(()) };
    let bus = PostgresBus::from_pool(pool).channel(&name)?;
    print_latency(&bus, &bus.clone()).await;
    Ok(())
}
