//! The cache: which token stands for which live session, and the guard that keeps a revoked session out.
//!
//! Three structures, each with one job:
//!
//! - `token_map` finds the [`Entry`] of a token. It is all that the common request reads: no lock, no future.
//! - `live` knows every session that has an entry or a running load, under a lock per shard of users. It is the guard:
//!   whatever is reachable through the token map is listed here, so a revocation always finds it.
//! - an eviction policy (`moka`) bounds both by weight.
//!
//! # The guard
//!
//! 1. Every live session has a *revision*, a number that is never given twice.
//! 2. A load notes the revision before it asks the store.
//! 3. A revocation, once the store has committed it, voids the session's entries and drops the session, all under the
//!    lock. Should it be needed again, it gets a new revision; a load that is still running is on its own.
//! 4. What a load brought is published under the lock, and only under the revision it noted. Whoever finds that gone
//!    loads again. So does everyone who had joined that load.
//!
//! A record read before a revocation can therefore never be published after it, and an entry published before it is void
//! once it has returned. A session without an entry and without a running load is not listed, and needs no guarding: the
//! next request reads the store.
//!
//! Losing touch with the other nodes raises the *epoch*. A live session, a ticket and an entry belong to the epoch they
//! were made in, and are of no use in a later one.

mod live;
mod load;
mod token_map;

pub(crate) use self::{
    live::{Joined, Ticket},
    load::{Fresh, LoadOutcome, RunningLoad},
};

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    cache::{live::LiveSessions, token_map::TokenMap},
    clock::Timestamp,
    id::{SessionId, UserId},
};

/// Finds the entry of a verified token, or what is needed to make one.
pub(crate) struct Cache<V> {
    shared: Arc<Shared<V>>,
    policy: moka::sync::Cache<SessionId, Weighted>,
}

/// What the eviction policy's listener shares with the cache.
struct Shared<V> {
    tokens: TokenMap<V>,
    live: LiveSessions<V>,
}

#[derive(Clone)]
struct Weighted {
    user: UserId,
    bytes: u32,
}

/// A verified token with the session it stands for, as of one read of the store.
pub(crate) struct Entry<V> {
    /// Until when it may be used, in ticks; 0 once it is void.
    valid_until: AtomicU64,
    /// From when on the session's activity is worth recording again, in ticks.
    touch_due: AtomicU64,
    epoch: u64,
    /// What the entry weighs, in bytes.
    bytes: u32,
    token: Arc<[u8]>,
    value: V,
}

impl<V> Entry<V> {
    /// What was stored with the entry.
    pub(crate) fn value(&self) -> &V {
        &self.value
    }

    /// The token's bytes.
    pub(crate) fn token(&self) -> &[u8] {
        &self.token
    }

    /// Whether activity at `now` is worth recording.
    pub(crate) fn is_touch_due(&self, now: u64) -> bool {
        self.touch_due.load(Ordering::Relaxed) <= now
    }

    fn is_valid(&self, now: u64, epoch: u64) -> bool {
        now < self.valid_until.load(Ordering::Acquire) && self.epoch == epoch
    }
}

/// What the cache knows of a token.
pub(crate) enum Lookup<V> {
    /// The token is good, and so is the session.
    Hit(Arc<Entry<V>>),
    /// The token was good; the session must be looked at again.
    Stale(Arc<Entry<V>>),
    /// Nothing.
    Miss,
}

/// What [`Cache::publish`] is to publish.
pub(crate) struct Publication<V> {
    pub(crate) token: Arc<[u8]>,
    pub(crate) value: V,
    /// The revision that the key ring had before the token was verified.
    pub(crate) key_revision: u64,
    pub(crate) valid_until: u64,
    /// When activity is due to be recorded, unless another token of the session has recorded some meanwhile.
    pub(crate) touch_due: u64,
    pub(crate) bytes: u32,
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// A cache that holds about `capacity` bytes.
    pub(crate) fn new(capacity: u64, forget_after: Duration) -> Self {
        let shared = Arc::new(Shared { tokens: TokenMap::new(), live: LiveSessions::new() });
        let evicting = Arc::clone(&shared);
        let policy = moka::sync::Cache::builder()
            .max_capacity(capacity)
            .time_to_idle(forget_after)
            .weigher(|_, weighted: &Weighted| weighted.bytes)
            .eviction_listener(move |id, weighted: Weighted, cause| {
                if cause.was_evicted() {
                    evicting.live.forget(&weighted.user, *id, &evicting.tokens);
                }
            })
            .build();
        Self { shared, policy }
    }

    /// Looks a token up. `key_revision` is that of the key ring: a changed ring voids what it once verified.
    pub(crate) fn get(&self, token: &[u8], now: u64, key_revision: u64) -> Lookup<V> {
        let epoch = self.epoch(key_revision);
        self.shared.tokens.with(token, |entry| match entry {
            Some(entry) if entry.is_valid(now, epoch) => Lookup::Hit(Arc::clone(entry)),
            Some(entry) if entry.epoch == epoch => Lookup::Stale(Arc::clone(entry)),
            _ => Lookup::Miss,
        })
    }

    /// Joins the session's running load, takes what an earlier one brought, or leads a new one.
    pub(crate) fn join(&self, user: &UserId, id: SessionId, now: u64) -> Joined {
        self.shared.live.join(user, id, now, &self.shared.tokens)
    }

    /// A ticket for one read that nobody else may join.
    pub(crate) fn read_alone(&self, user: &UserId, id: SessionId) -> Ticket {
        let (ticket, has_no_entry) = self.shared.live.ticket(user, id, &self.shared.tokens);
        if has_no_entry {
            self.weigh_without_entry(&ticket);
        }
        ticket
    }

    /// Notes that a read by [`read_alone`](Self::read_alone) brought nothing.
    pub(crate) fn give_up(&self, ticket: &Ticket) {
        self.shared.live.complete(ticket, &LoadOutcome::NotFound);
    }

    /// Ends the load that `ticket` leads, and tells those who joined it.
    pub(crate) fn complete(&self, ticket: &Ticket, load: &RunningLoad, outcome: LoadOutcome) {
        if self.shared.live.complete(ticket, &outcome) {
            self.weigh_without_entry(ticket);
        }
        load.finish(outcome);
    }

    /// Tells the policy of a session before it has an entry: its request may have been dropped, and then it never gets one.
    fn weigh_without_entry(&self, ticket: &Ticket) {
        self.policy.insert(ticket.id(), Weighted { user: ticket.user().clone(), bytes: WITHOUT_ENTRY });
    }

    /// Publishes an entry, unless the session was revoked, or everything flushed, since `ticket` was taken.
    pub(crate) fn publish(&self, ticket: &Ticket, publication: Publication<V>) -> Option<Arc<Entry<V>>> {
        let published = self.shared.live.publish(ticket, publication, &self.shared.tokens)?;
        // Outside the lock: the policy may call the eviction listener, which takes it.
        self.policy.insert(ticket.id(), Weighted { user: ticket.user().clone(), bytes: published.bytes });
        Some(published.entry)
    }

    /// Claims the recording of activity at `now`: true for one caller per interval and session.
    pub(crate) fn claim_touch(
        &self,
        entry: &Entry<V>,
        user: &UserId,
        id: SessionId,
        now: u64,
        at: Timestamp,
        interval: u64,
    ) -> bool {
        let due = entry.touch_due.load(Ordering::Relaxed);
        let next = now.saturating_add(interval);
        let claimed =
            due <= now && entry.touch_due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        claimed && self.shared.live.record_activity(user, id, now, at, next)
    }

    /// The newest activity of the session that this node has seen, which the store may not have yet.
    pub(crate) fn last_activity(&self, user: &UserId, id: SessionId) -> Option<Timestamp> {
        self.shared.live.last_activity(user, id)
    }

    /// Voids everything known of a session. Called after the store has committed a change to it.
    pub(crate) fn revoke(&self, user: &UserId, id: SessionId) {
        self.shared.live.revoke(user, |candidate| candidate == id, &self.shared.tokens);
    }

    /// Voids everything known of all sessions of a user, but for the one to keep.
    pub(crate) fn revoke_all(&self, user: &UserId, keep: Option<SessionId>) {
        self.shared.live.revoke(user, |candidate| Some(candidate) != keep, &self.shared.tokens);
    }

    /// Voids everything, by raising the epoch.
    #[expect(dead_code, reason = "the bus between nodes calls it")]
    pub(crate) fn flush(&self) {
        self.shared.live.raise_epoch();
    }

    /// How many sessions have an entry, a record or a running load.
    pub(crate) fn sessions(&self) -> usize {
        self.shared.live.len()
    }

    /// The epoch of the cache and that of the keys both only grow, so their sum changes when either does.
    fn epoch(&self, key_revision: u64) -> u64 {
        self.shared.live.epoch().wrapping_add(key_revision)
    }
}

/// About what a session weighs that has no entry, in bytes.
const WITHOUT_ENTRY: u32 = 1_024;
