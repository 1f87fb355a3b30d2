//! The cache: which token belongs to which live session, and the guard that keeps a revoked session out.
//!
//! Two structures, each with one job:
//!
//! - `token_map` finds the [`Entry`] of a token. The common request reads only this: no lock, no future.
//! - `live` knows every session that has an entry or a running load, under a lock per shard of users. It is the guard:
//!   everything that is reachable through the token map is listed here, so a revocation always finds it. Each shard
//!   enforces its share of the bound.
//!
//! # The guard
//!
//! 1. Every live session has a *revision*, a number that is never given twice.
//! 2. A load notes the revision before it asks the store.
//! 3. A revocation, once the store has committed it, voids the session's entries and drops the session, all under the
//!    lock. When it is needed again, it gets a new revision; the result of a load that is still running is not cached.
//! 4. The result of a load is published under the lock, and only under the revision that the load noted. If that
//!    revision is gone, the request loads again, and so does every request that had joined the load.
//!
//! A record read before a revocation can therefore never be published after it, and an entry published before it is
//! void once it has returned. A session without an entry and without a running load need not be listed: the next
//! request reads the store. For the guard, making room is the same as a revocation.
//!
//! Losing touch with the other nodes raises the *epoch*. A live session, a ticket and an entry belong to the epoch they
//! were made in, and are void in a later one.
//!
//! # Reading ahead
//!
//! An entry says when its record should be read again, which is before the record's end. The first request that finds
//! it due starts that read in the background, and is served from the entry like those that follow. The new record is
//! published like any other: by a load with a ticket.

mod entry;
mod live;
mod load;
mod shard;
mod sync;
mod token_map;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    entry::{Entry, Lookup, Publication},
    live::{Joined, Ticket},
    load::{Fresh, LoadOutcome, RunningLoad},
};

use std::time::Duration;

use crate::{
    cache::{
        live::{Bounds, LiveSessions},
        token_map::TokenMap,
    },
    clock::{Timestamp, ticks},
    id::{SessionId, UserId},
};

/// Finds the entry of a verified token, or what is needed to make one.
pub(crate) struct Cache<V> {
    tokens: TokenMap<V>,
    live: LiveSessions<V>,
}

impl<V> Cache<V> {
    /// A cache that holds about `capacity` bytes, and sessions that nobody asks for at most `forget_after`.
    pub(crate) fn new(capacity: u64, forget_after: Duration) -> Self {
        let bounds = Bounds { shards: SHARDS, bytes: capacity, forget_after: ticks(forget_after) };
        Self { tokens: TokenMap::new(), live: LiveSessions::new(bounds) }
    }

    /// Looks a token up. `key_revision` is that of the key ring: a changed ring voids what it once verified.
    pub(crate) fn get(&self, token: &[u8], now: u64, key_revision: u64) -> Lookup<V> {
        let epoch = self.live.epoch();
        self.tokens.with(token, |entry| match entry {
            Some(entry) if !entry.is_of(epoch, key_revision) => Lookup::Miss,
            Some(entry) if entry.is_valid(now) => {
                entry.note_use();
                Lookup::Hit(entry.clone())
            }
            Some(entry) => Lookup::Stale(entry.clone()),
            None => Lookup::Miss,
        })
    }

    /// Whether an entry is neither of an earlier epoch nor of another revision of the key ring.
    pub(crate) fn is_recent(&self, entry: &Entry<V>, key_revision: u64) -> bool {
        entry.is_of(self.live.epoch(), key_revision)
    }

    /// Joins the session's running load, takes what an earlier one brought, or leads a new one.
    ///
    /// An earlier record is enough if it is valid beyond the moment `beyond`: `now`, or later to plan ahead.
    pub(crate) fn join(&self, user: &UserId, id: SessionId, now: u64, beyond: u64) -> Joined {
        self.live.join(user, id, now, beyond, &self.tokens)
    }

    /// A ticket for one read that nobody else may join.
    pub(crate) fn read_alone(&self, user: &UserId, id: SessionId, now: u64) -> Ticket {
        self.live.ticket(user, id, now, &self.tokens)
    }

    /// Notes that nobody will publish what was read under `ticket`. What others have published stays.
    pub(crate) fn give_up(&self, ticket: &Ticket) {
        self.live.complete(ticket, &LoadOutcome::NotFound, &self.tokens);
    }

    /// Ends the load that `ticket` leads, and tells those who joined it.
    pub(crate) fn complete(&self, ticket: &Ticket, load: &RunningLoad, outcome: LoadOutcome) {
        self.live.complete(ticket, &outcome, &self.tokens);
        load.finish(outcome);
    }

    /// Publishes an entry, unless the session was revoked, or everything flushed, since `ticket` was taken.
    pub(crate) fn publish(&self, ticket: &Ticket, publication: Publication<'_, V>) -> Option<Entry<V>> {
        self.live.publish(ticket, publication, &self.tokens)
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
        let next = now.saturating_add(interval);
        entry.claim_touch(now, next) && self.live.record_activity(user, id, now, at, next)
    }

    /// The newest activity of the session that this node has seen, which the store may not have yet.
    pub(crate) fn last_activity(&self, user: &UserId, id: SessionId) -> Option<Timestamp> {
        self.live.last_activity(user, id)
    }

    /// Voids everything known of a session. Called after the store has committed a change to it.
    pub(crate) fn revoke(&self, user: &UserId, id: SessionId) {
        self.live.revoke(user, |candidate| candidate == id, &self.tokens);
    }

    /// Voids everything known of all sessions of a user, except the one to keep.
    pub(crate) fn revoke_all(&self, user: &UserId, keep: Option<SessionId>) {
        self.live.revoke(user, |candidate| Some(candidate) != keep, &self.tokens);
    }

    /// Voids everything, by raising the epoch.
    pub(crate) fn flush(&self) {
        self.live.raise_epoch();
    }

    /// How many sessions have an entry, a record or a running load.
    pub(crate) fn sessions(&self) -> usize {
        self.live.len()
    }
}

/// How many locks share the live sessions.
const SHARDS: usize = 16;
