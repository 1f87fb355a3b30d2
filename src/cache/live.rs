//! The live sessions, and the guard: tickets, loads and revocations.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU64,
};

use super::{
    entry::{Entry, Publication},
    load::{Fresh, LoadOutcome, RunningLoad},
    shard::{Activity, LiveSession, Shard},
    sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError},
    token_map::TokenMap,
};
use crate::{
    clock::Timestamp,
    id::{SessionId, UserId},
};

/// Every session that has an entry or a running load. The module documentation of the cache describes the guard.
pub(super) struct LiveSessions<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    hasher: RandomState,
    revisions: AtomicU64,
    epoch: AtomicU64,
}

/// The right to publish what was read since: it holds as long as the session's revision does.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    user: UserId,
    id: SessionId,
    revision: u64,
    epoch: u64,
}

impl Ticket {
    fn of<V>(live: &LiveSession<V>, user: &UserId, id: SessionId) -> Self {
        Self { user: user.clone(), id, revision: live.revision, epoch: live.epoch }
    }

    pub(crate) fn user(&self) -> &UserId {
        &self.user
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }
}

/// How a request comes by a session's record.
pub(crate) enum Joined {
    /// A recent load has brought it.
    Fresh(Ticket, Fresh),
    /// A load is under way.
    Running(Ticket, RunningLoad),
    /// The caller has to load it, and has to call [`Cache::complete`](super::Cache::complete) in any case.
    Lead(Ticket, RunningLoad),
}

/// How much the live sessions may take, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How many locks share the users, and the bytes.
    pub(super) shards: usize,
    pub(super) bytes: u64,
    /// For how many ticks a session that nobody asks for is kept.
    pub(super) forget_after: u64,
}

impl<V> LiveSessions<V> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let share = bounds.bytes / bounds.shards as u64;
        let shards = (0..bounds.shards).map(|_| Mutex::new(Shard::new(share, bounds.forget_after))).collect();
        Self { shards, hasher: RandomState::new(), revisions: AtomicU64::new(0), epoch: AtomicU64::new(0) }
    }

    /// Takes the record if it is good beyond the moment `beyond`, joins the load that is under way, or leads a new one.
    pub(super) fn join(&self, user: &UserId, id: SessionId, now: u64, beyond: u64, tokens: &TokenMap<V>) -> Joined {
        let mut shard = self.shard(user);
        shard.note(now);
        let live = self.live(&mut shard, user, id, tokens);
        live.asked_for(now);
        let ticket = Ticket::of(live, user, id);
        if let Some(fresh) = live.record.as_ref().filter(|fresh| beyond < fresh.until) {
            return Joined::Fresh(ticket, fresh.clone());
        }
        if let Some(load) = &live.load {
            return Joined::Running(ticket, load.clone());
        }
        let load = RunningLoad::new();
        live.load = Some(load.clone());
        shard.make_room(ticket.epoch, tokens);
        Joined::Lead(ticket, load)
    }

    /// A ticket for one read that nobody else may join.
    pub(super) fn ticket(&self, user: &UserId, id: SessionId, now: u64, tokens: &TokenMap<V>) -> Ticket {
        let mut shard = self.shard(user);
        shard.note(now);
        let live = self.live(&mut shard, user, id, tokens);
        live.asked_for(now);
        let ticket = Ticket::of(live, user, id);
        shard.make_room(ticket.epoch, tokens);
        ticket
    }

    pub(super) fn complete(&self, ticket: &Ticket, outcome: &LoadOutcome, tokens: &TokenMap<V>) {
        let mut shard = self.shard(&ticket.user);
        let Some(live) = current(&mut shard, ticket) else {
            return;
        };
        live.load = None;
        match outcome {
            LoadOutcome::Found(fresh) => shard.set_record(&ticket.user, ticket.id, fresh.clone()),
            LoadOutcome::NotFound | LoadOutcome::Failed if live.entries.is_empty() => {
                shard.remove(&ticket.user, ticket.id, tokens);
            }
            LoadOutcome::NotFound | LoadOutcome::Failed => {}
        }
    }

    pub(super) fn publish(
        &self,
        ticket: &Ticket,
        publication: Publication<'_, V>,
        tokens: &TokenMap<V>,
    ) -> Option<Entry<V>> {
        let mut shard = self.shard(&ticket.user);
        let live = current(&mut shard, ticket).filter(|live| live.epoch == self.epoch())?;

        let touch_due = live.activity.map_or(publication.touch_due, |activity| activity.next.get());
        let entry = Entry::new(publication, touch_due, ticket.epoch);
        shard.add_entry(&ticket.user, ticket.id, entry.clone(), tokens);
        shard.make_room(ticket.epoch, tokens);
        Some(entry)
    }

    /// Notes activity, unless another token of the session has done so within the interval.
    pub(super) fn record_activity(&self, user: &UserId, id: SessionId, now: u64, at: Timestamp, next: u64) -> bool {
        let mut shard = self.shard(user);
        let Some(live) = shard.get_mut(user, id) else {
            return true;
        };
        if live.activity.is_some_and(|activity| now < activity.next.get()) {
            return false;
        }
        live.activity = NonZeroU64::new(next).map(|next| Activity { at, next });
        for entry in &live.entries {
            entry.put_off_touch(next);
        }
        true
    }

    pub(super) fn last_activity(&self, user: &UserId, id: SessionId) -> Option<Timestamp> {
        self.shard(user).get(user, id)?.activity.map(|activity| activity.at)
    }

    /// Drops the user's chosen sessions: their entries are void, and no ticket for them holds any more.
    pub(super) fn revoke(&self, user: &UserId, chosen: impl Fn(SessionId) -> bool, tokens: &TokenMap<V>) {
        self.shard(user).remove_chosen(user, chosen, tokens);
    }

    /// Drops every session, as each is next asked for.
    pub(super) fn raise_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| lock(shard).bytes()).sum()
    }

    /// The live session of this epoch, new if need be.
    fn live<'a>(
        &self,
        shard: &'a mut Shard<V>,
        user: &UserId,
        id: SessionId,
        tokens: &TokenMap<V>,
    ) -> &'a mut LiveSession<V> {
        shard.get_or_add(user, id, self.epoch(), || self.revisions.fetch_add(1, Ordering::Relaxed), tokens)
    }

    fn shard(&self, user: &UserId) -> MutexGuard<'_, Shard<V>> {
        // The remainder is less than the number of shards, which is small.
        let index = usize::try_from(self.hasher.hash_one(user) % self.shards.len() as u64).unwrap_or(0);
        lock(&self.shards[index])
    }
}

/// The live session under the ticket's revision, if that still holds.
fn current<'a, V>(shard: &'a mut Shard<V>, ticket: &Ticket) -> Option<&'a mut LiveSession<V>> {
    shard.get_mut(&ticket.user, ticket.id).filter(|live| live.revision == ticket.revision)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while a shard is locked; if it did, the state would still be one that the guard allows.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
