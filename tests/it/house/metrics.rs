//! Metrics: which there are, all of them, and what they count.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{body::Body, http::Request};
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit, with_local_recorder,
};
use tower_device_sessions::{
    manager::Revocation,
    session::EndReason,
    store::{Fault, StoreMethod},
};

use crate::support::{Kit, TestResult, app, get_with, send};

/// A recorder that keeps everything.
#[derive(Clone, Default)]
struct Records {
    /// Gauges as the bits of their value, histograms as how often they were asked.
    series: Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>,
    described: Arc<Mutex<Vec<String>>>,
}

struct Counted(Arc<AtomicU64>);

impl HistogramFn for Counted {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Records {
    fn series(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::clone(self.series.lock().expect("unpoisoned").entry(name).or_default())
    }

    fn describe(&self, name: &KeyName) {
        self.described.lock().expect("unpoisoned").push(name.as_str().to_owned());
    }

    /// The value of a counter, or how often a histogram was asked.
    fn count(&self, name: &str) -> u64 {
        let series = self.series.lock().expect("unpoisoned");
        series.get(name).unwrap_or_else(|| panic!("no series {name}")).load(Ordering::SeqCst)
    }

    fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.count(name))
    }

    fn names(&self) -> Vec<String> {
        self.series.lock().expect("unpoisoned").keys().cloned().collect()
    }
}

impl Recorder for Records {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Counted(self.series(key))))
    }
}

/// A kit whose manager reports here.
fn recorded() -> (Records, Kit) {
    let records = Records::default();
    let kit = with_local_recorder(&records, Kit::new);
    (records, kit)
}

fn labelled(name: &str, label: &str, values: &[&str]) -> Vec<String> {
    values.iter().map(|value| format!("device_sessions_{name}{{{label}={value}}}")).collect()
}

/// S93: all series there are, whatever the requests, users and sessions.
#[tokio::test]
async fn the_series_are_these_and_no_others() -> TestResult {
    let mut expected = Vec::new();
    expected.extend(labelled(
        "requests_total",
        "outcome",
        &[
            "accepted",
            "anonymous",
            "malformed",
            "invalid",
            "token_expired",
            "ended",
            "forged",
            "step_up",
            "unavailable",
        ],
    ));
    expected.extend(labelled("cache_lookups_total", "result", &["hit", "stale", "miss"]));
    expected.extend(labelled("loads_total", "result", &["found", "not_found", "failed"]));
    expected.extend(labelled(
        "ended_total",
        "reason",
        &EndReason::ALL.iter().map(|reason| reason.as_str()).collect::<Vec<_>>(),
    ));
    for operation in [
        "insert",
        "find",
        "list",
        "touch",
        "end",
        "expire",
        "end_all",
        "in_scope",
        "end_several",
        "rename",
        "set_data",
        "rotate",
        "purge",
        "forget_addresses",
        "ended_between",
        "see_device",
        "devices",
        "find_device",
        "rename_device",
        "trust_device",
        "distrust_devices",
        "forget_device",
        "purge_devices",
        "erase",
        "scan",
        "other",
    ] {
        for result in ["ok", "error", "timeout"] {
            expected.push(format!("device_sessions_store_seconds{{operation={operation},result={result}}}"));
        }
    }
    for name in [
        "started_total",
        "revocation_seconds",
        "remote_revocation_seconds",
        "activity_waiting",
        "activity_written_total",
        "activity_dropped_total",
        "connections_waiting",
        "bus_connected",
        "epoch_bumps_total",
        "retention_paused_total",
    ] {
        expected.push(format!("device_sessions_{name}{{}}"));
    }
    expected.sort();

    let (records, kit) = recorded();
    for user in ["ann", "bob"] {
        let started = kit.sign_in(user).await;
        assert_eq!(get_with(&kit.app(), "/me", started.token()).await.status, 200);
        kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    }
    assert_eq!(records.names(), expected);

    // Each is described, and in the documentation's table.
    let documentation = include_str!("../../../src/metrics/mod.rs");
    let described = records.described.lock().expect("unpoisoned");
    for name in expected.iter().filter_map(|name| name.split_once('{')).map(|(name, _)| name) {
        assert!(described.iter().any(|described| described == name), "{name} is not described");
        assert!(documentation.contains(&format!("//! | `{name}` |")), "{name} is not in the table");
    }
    Ok(())
}

#[tokio::test]
async fn requests_are_counted_by_their_outcome() -> TestResult {
    let (records, kit) = recorded();
    let app = app(&kit.sessions);
    let started = kit.sign_in("ann").await;
    for _ in 0..3 {
        assert_eq!(get_with(&app, "/me", started.token()).await.status, 200);
    }
    assert_eq!(get_with(&app, "/me", "nonsense").await.status, 401);
    assert_eq!(send(&app, Request::get("/maybe").body(Body::empty())?).await.status, 200);
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    assert_eq!(get_with(&app, "/me", started.token()).await.status, 401);
    let other = kit.sign_in("bob").await;
    kit.store.fail(StoreMethod::Find, Fault::FailBefore);
    assert_eq!(get_with(&app, "/me", other.token()).await.status, 503);

    for (outcome, count) in [("accepted", 3), ("invalid", 1), ("anonymous", 1), ("ended", 1), ("unavailable", 1)] {
        assert_eq!(records.count(&labelled("requests_total", "outcome", &[outcome])[0]), count, "{outcome}");
    }
    for (result, count) in [("hit", 2), ("miss", 4)] {
        assert_eq!(records.count(&labelled("cache_lookups_total", "result", &[result])[0]), count, "{result}");
    }
    for (result, count) in [("found", 2), ("failed", 1)] {
        assert_eq!(records.count(&labelled("loads_total", "result", &[result])[0]), count, "{result}");
    }
    assert_eq!(records.count("device_sessions_store_seconds{operation=find,result=ok}"), 2);
    assert_eq!(records.count("device_sessions_store_seconds{operation=find,result=error}"), 1);
    assert_eq!(records.count("device_sessions_started_total{}"), 2);
    assert_eq!(records.count("device_sessions_ended_total{reason=revoked_by_admin}"), 1);
    assert_eq!(records.count("device_sessions_revocation_seconds{}"), 1);
    Ok(())
}

#[tokio::test]
async fn activity_and_connections_are_measured() -> TestResult {
    let (records, kit) = recorded();
    let started = kit.sign_in("ann").await;
    kit.clock.advance(Duration::from_secs(120));
    let current = kit.sessions.authenticate(started.token()).await?;
    assert_eq!(records.gauge("device_sessions_activity_waiting{}"), 1.0);
    assert!(kit.sessions.flush_activity().await);
    assert_eq!(records.gauge("device_sessions_activity_waiting{}"), 0.0);
    assert_eq!(records.count("device_sessions_activity_written_total{}"), 1);

    let waiting = (current.ended(), current.ended());
    assert_eq!(records.gauge("device_sessions_connections_waiting{}"), 2.0);
    drop(waiting);
    assert_eq!(records.gauge("device_sessions_connections_waiting{}"), 0.0);
    Ok(())
}

/// A round of the cleaner that asks instead of deleting is counted.
#[tokio::test(start_paused = true)]
async fn a_pause_of_the_retention_is_counted() -> TestResult {
    let (records, kit) = recorded();
    for user in 0..150 {
        let started = kit.sign_in(&format!("user-{user}")).await;
        kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    }
    kit.clock.advance(Duration::from_secs(40 * 86_400));
    tokio::time::sleep(Duration::from_secs(4 * 3_600 + 60)).await;
    assert_eq!(records.count("device_sessions_retention_paused_total{}"), 2, "in the third round and in the fourth");
    Ok(())
}
