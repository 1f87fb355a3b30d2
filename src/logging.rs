//! Everything the crate logs, in one place, so that a reader can check what is never logged.
//!
//! No token, key, cookie value, raw session id or text from a request is ever logged. A session is named by a keyed
//! hash of its id, which is the same within one process and means nothing outside it. Applications put the same name
//! into their own spans: [`CurrentSession::correlation_id`](crate::CurrentSession::correlation_id).

use std::{
    error::Error,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use crate::{clock::Direction, id::SessionId};

static CORRELATION: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The name of a session in logs and spans.
pub(crate) fn correlation(id: SessionId) -> String {
    format!("{:016x}", CORRELATION.hash_one(id))
}

/// What a sign-in is done in.
pub(crate) fn starting(id: SessionId) -> tracing::Span {
    tracing::debug_span!("start_session", session = correlation(id))
}

/// What the ending of one session is done in.
pub(crate) fn revoking(id: SessionId) -> tracing::Span {
    tracing::debug_span!("revoke_session", session = correlation(id))
}

/// What the ending of several sessions is done in.
pub(crate) fn revoking_several() -> tracing::Span {
    tracing::debug_span!("revoke_sessions")
}

pub(crate) fn listener_panicked() {
    tracing::error!("a listener for session events panicked");
}

pub(crate) fn locate_panicked() {
    tracing::error!("finding the place of an address panicked");
}

pub(crate) fn token_refused(why: &'static str) {
    tracing::debug!(why, "token refused");
}

pub(crate) fn old_token_refused(why: &'static str) {
    tracing::debug!(why, "token refused as an old one, too");
}

pub(crate) fn adoption_not_begun() {
    static TOLD: std::sync::Once = std::sync::Once::new();
    TOLD.call_once(|| {
        tracing::error!(
            "the store knows of no adoption that has begun in time: it has lost its records, or is not the right one; \
             tokens without a session are refused"
        );
    });
}

pub(crate) fn session_refused(id: SessionId, why: &'static str) {
    tracing::debug!(session = correlation(id), why, "session refused");
}

pub(crate) fn refresh_reused(id: SessionId, cause: &'static str) {
    tracing::error!(session = correlation(id), cause, "a refresh token was used twice; the session was ended");
}

pub(crate) fn misconfigured(what: &'static str, why: impl fmt::Display) {
    tracing::warn!(what, "{why}");
}

pub(crate) fn start_failed(error: &crate::error::Error) {
    let cause = Error::source(error).map(tracing::field::display);
    tracing::error!(error = %error, cause, "a session could not be started");
}

/// A server that does not say who its peers are is set up so for all of its requests.
pub(crate) fn no_peer_address() {
    tracing::warn!(
        "no request has its peer's address: serve with `into_make_service_with_connect_info::<SocketAddr>()`, or insert \
         `PeerAddress`; sessions have no address to show"
    );
}

pub(crate) fn second_manager_in_memory() {
    tracing::warn!(
        "a second session manager over a `MemoryStore`: over another store it has other sessions, so build one manager and \
         clone it; over the same store, give both one `LocalBus`"
    );
}

pub(crate) fn store_failed(operation: &'static str, error: &(dyn Error + 'static)) {
    tracing::error!(operation, error, "the session store failed");
}

pub(crate) fn store_timed_out(operation: &'static str) {
    tracing::error!(operation, "the session store did not answer within the deadline");
}

#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis"))]
pub(crate) fn store_role(store: &'static str, takes_changes: bool) {
    if takes_changes {
        tracing::warn!(store, "the session store's server takes changes again");
    } else {
        tracing::error!(
            store,
            "the session store's server takes no changes: it is a replica, or read-only; what is read may be old"
        );
    }
}

#[cfg(feature = "sqlite")]
pub(crate) fn store_replaced(store: &'static str) {
    tracing::error!(
        store,
        "the session store's file was removed or replaced under this process; no changes are made until it is restarted"
    );
}

pub(crate) fn proxy_unlisted(peer: std::net::IpAddr) {
    tracing::warn!(
        %peer,
        "requests seem to come through a proxy, and none is trusted: sessions show its address, not their client's; \
         name it by SessionManagerBuilder::trusted_proxies"
    );
}

pub(crate) fn activity_dropped(sessions: u64) {
    tracing::warn!(sessions, "last activity was dropped: the queue is full");
}

pub(crate) fn task_ended(task: &'static str, panicked: bool, restart_in: std::time::Duration) {
    tracing::error!(task, panicked, ?restart_in, "a background task of the session manager ended; it is restarted");
}

pub(crate) fn purged(sessions: u64) {
    tracing::debug!(sessions, "ended sessions were deleted");
}

pub(crate) fn clock_set(direction: Direction, by: std::time::Duration) {
    tracing::warn!(?direction, ?by, "the wall clock was set, and is followed");
}

pub(crate) fn retention_paused(due: u64, kept: u64) {
    tracing::error!(
        due,
        kept,
        "more than half of all sessions are past their retention, so none was deleted: if the clock is right, call purge()"
    );
}

pub(crate) fn bus_connected(bus: &'static str) {
    tracing::info!(bus, "connected to the bus between nodes");
}

#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) fn bus_lost(bus: &'static str, error: &(dyn Error + 'static)) {
    tracing::warn!(bus, error, "the connection to the bus between nodes was lost");
}

pub(crate) fn bus_unreachable(bus: &'static str, error: &(dyn Error + 'static)) {
    tracing::warn!(bus, error, "the bus between nodes cannot be reached");
}

pub(crate) fn bus_unpublished(bus: &'static str, bound: std::time::Duration, error: &(dyn Error + 'static)) {
    tracing::warn!(
        bus,
        error,
        "other nodes could not be told of an ending or a change; they notice it within {bound:?}"
    );
}

pub(crate) fn bus_gap(bus: &'static str, reason: &'static str) {
    tracing::warn!(bus, reason, "messages of other nodes may have been missed; what is cached is read anew");
}
