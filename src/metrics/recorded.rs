//! Metrics that are recorded.

use std::time::Duration;

use ::metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::{
    clock::SteadyClock,
    denied::Outcome,
    metrics::{Answered, Loaded, LookedUp, Operation},
    session::EndReason,
};

/// The handles of one manager.
pub(crate) struct Metrics {
    requests: [Counter; 9],
    lookups: [Counter; 3],
    loads: [Counter; 3],
    store: Vec<[Histogram; 3]>,
    started: Counter,
    ended: Box<[Counter]>,
    revocation: Histogram,
    remote_revocation: Histogram,
    activity_waiting: Gauge,
    activity_written: Counter,
    activity_dropped: Counter,
    connections_waiting: Gauge,
    bus_connected: Gauge,
    epoch_bumps: Counter,
    retention_paused: Counter,
}

/// When something began.
pub(crate) struct Stopwatch(u64);

impl Stopwatch {
    pub(crate) fn start(clock: &SteadyClock) -> Self {
        Self(clock.ticks())
    }

    fn elapsed(self, clock: &SteadyClock) -> Duration {
        Duration::from_nanos(clock.ticks().saturating_sub(self.0))
    }
}

impl Metrics {
    /// The handles of the recorder that is installed now.
    pub(crate) fn new() -> Self {
        describe();
        let answers = |operation: &Operation| {
            ANSWERS.map(|result| histogram!(STORE, "operation" => operation.as_str(), "result" => result))
        };
        Self {
            requests: OUTCOMES.map(|outcome| counter!(REQUESTS, "outcome" => outcome)),
            lookups: LOOKUPS.map(|result| counter!(CACHE_LOOKUPS, "result" => result)),
            loads: LOADS.map(|result| counter!(LOADS_TOTAL, "result" => result)),
            store: Operation::ALL.iter().map(answers).collect(),
            started: counter!(STARTED),
            ended: EndReason::ALL.iter().map(|reason| counter!(ENDED, "reason" => reason.as_str())).collect(),
            revocation: histogram!(REVOCATION),
            remote_revocation: histogram!(REMOTE_REVOCATION),
            activity_waiting: gauge!(ACTIVITY_WAITING),
            activity_written: counter!(ACTIVITY_WRITTEN),
            activity_dropped: counter!(ACTIVITY_DROPPED),
            connections_waiting: gauge!(CONNECTIONS_WAITING),
            bus_connected: gauge!(BUS_CONNECTED),
            epoch_bumps: counter!(EPOCH_BUMPS),
            retention_paused: counter!(RETENTION_PAUSED),
        }
    }

    pub(crate) fn request(&self, outcome: Outcome) {
        self.requests[outcome as usize].increment(1);
    }

    pub(crate) fn looked_up(&self, result: LookedUp) {
        self.lookups[result as usize].increment(1);
    }

    pub(crate) fn loaded(&self, result: Loaded) {
        self.loads[result as usize].increment(1);
    }

    /// The store has answered.
    pub(crate) fn answered(&self, operation: Operation, result: Answered, since: Stopwatch, clock: &SteadyClock) {
        self.store[operation as usize][result as usize].record(since.elapsed(clock));
    }

    pub(crate) fn started(&self) {
        self.started.increment(1);
    }

    pub(crate) fn ended(&self, reason: EndReason) {
        if let Some(index) = EndReason::ALL.iter().position(|known| *known == reason) {
            self.ended[index].increment(1);
        }
    }

    /// A revocation is complete on this node.
    pub(crate) fn revoked(&self, since: Stopwatch, clock: &SteadyClock) {
        self.revocation.record(since.elapsed(clock));
    }

    /// An ending on another node has been heard of, this long after it was.
    pub(crate) fn revocation_heard(&self, after: Duration) {
        self.remote_revocation.record(after);
    }

    pub(crate) fn activity_waiting(&self, sessions: impl FnOnce() -> usize) {
        self.activity_waiting.set(sessions() as f64);
    }

    pub(crate) fn activity_written(&self, sessions: usize) {
        self.activity_written.increment(sessions as u64);
    }

    /// So much has been dropped since the start.
    pub(crate) fn activity_dropped(&self, sessions: u64) {
        self.activity_dropped.absolute(sessions);
    }

    pub(crate) fn connection_waits(&self) {
        self.connections_waiting.increment(1);
    }

    pub(crate) fn connection_left(&self) {
        self.connections_waiting.decrement(1);
    }

    pub(crate) fn bus_connected(&self, connected: bool) {
        self.bus_connected.set(f64::from(u8::from(connected)));
    }

    pub(crate) fn epoch_bumped(&self) {
        self.epoch_bumps.increment(1);
    }

    pub(crate) fn retention_paused(&self) {
        self.retention_paused.increment(1);
    }
}

fn describe() {
    describe_counter!(REQUESTS, "Requests that the layer has judged.");
    describe_counter!(CACHE_LOOKUPS, "Look-ups of a token.");
    describe_counter!(LOADS_TOTAL, "Records read because the cache did not have them.");
    describe_histogram!(STORE, Unit::Seconds, "How long the store took, the wait for it included.");
    describe_counter!(STARTED, "Sign-ins.");
    describe_counter!(ENDED, "Sessions ended on purpose, by this node.");
    describe_histogram!(REVOCATION, Unit::Seconds, "From the call of a revocation until it is complete on this node.");
    describe_histogram!(REMOTE_REVOCATION, Unit::Seconds, "From an ending on another node until this one heard of it.");
    describe_gauge!(ACTIVITY_WAITING, "Sessions whose activity waits to be written.");
    describe_counter!(ACTIVITY_WRITTEN, "Activity that was written, by session.");
    describe_counter!(ACTIVITY_DROPPED, "Activity that was dropped because the queue was full.");
    describe_gauge!(CONNECTIONS_WAITING, "Connections that wait for the end of their session.");
    describe_gauge!(BUS_CONNECTED, "1 while other nodes can be heard, 0 while not.");
    describe_counter!(EPOCH_BUMPS, "How often everything cached was given up.");
    describe_counter!(
        RETENTION_PAUSED,
        "Rounds in which nothing was deleted because it would have been most of all sessions."
    );
}

const REQUESTS: &str = "device_sessions_requests_total";
const CACHE_LOOKUPS: &str = "device_sessions_cache_lookups_total";
const LOADS_TOTAL: &str = "device_sessions_loads_total";
const STORE: &str = "device_sessions_store_seconds";
const STARTED: &str = "device_sessions_started_total";
const ENDED: &str = "device_sessions_ended_total";
const REVOCATION: &str = "device_sessions_revocation_seconds";
const REMOTE_REVOCATION: &str = "device_sessions_remote_revocation_seconds";
const ACTIVITY_WAITING: &str = "device_sessions_activity_waiting";
const ACTIVITY_WRITTEN: &str = "device_sessions_activity_written_total";
const ACTIVITY_DROPPED: &str = "device_sessions_activity_dropped_total";
const CONNECTIONS_WAITING: &str = "device_sessions_connections_waiting";
const BUS_CONNECTED: &str = "device_sessions_bus_connected";
const EPOCH_BUMPS: &str = "device_sessions_epoch_bumps_total";
const RETENTION_PAUSED: &str = "device_sessions_retention_paused_total";

// In the order of the enums.
const OUTCOMES: [&str; 9] =
    ["accepted", "anonymous", "malformed", "invalid", "token_expired", "ended", "forged", "step_up", "unavailable"];
const LOOKUPS: [&str; 3] = ["hit", "stale", "miss"];
const LOADS: [&str; 3] = ["found", "not_found", "failed"];
const ANSWERS: [&str; 3] = ["ok", "error", "timeout"];
