//! The live sessions of some of the users, and which of them make room for others.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    num::NonZeroU64,
};

use super::{
    entry::Entry,
    load::{Fresh, RunningLoad},
    token_map::TokenMap,
};
use crate::{
    clock::Timestamp,
    id::{SessionId, UserId},
};

/// The live sessions of some of the users, within a bound.
///
/// Every session in here waits in a queue. Past the bound, the one in front is removed, unless a request has found it
/// or asked for it again since it was queued, or it is being read: then it gets a second chance, at the end. A flood of
/// sessions that are used once therefore pushes itself out.
pub(super) struct Shard<V> {
    /// The sessions of each user, by their ids.
    users: HashMap<UserId, Vec<LiveSession<V>>>,
    /// May name sessions that are gone, but no more of these than of the others.
    queue: VecDeque<Queued>,
    sessions: usize,
    bytes: u64,
    capacity: u64,
    /// For how many ticks a session that nobody asks for is kept.
    forget_after: u64,
    /// The newest moment that was seen in here, in ticks.
    now: u64,
}

/// A session that has an entry, a record or a running load.
pub(super) struct LiveSession<V> {
    id: SessionId,
    /// Never given twice.
    pub(super) revision: u64,
    pub(super) epoch: u64,
    pub(super) load: Option<RunningLoad>,
    /// What the newest load brought.
    pub(super) record: Option<Fresh>,
    pub(super) entries: Vec<Entry<V>>,
    pub(super) activity: Option<Activity>,
    asked_at: u64,
    /// Whether it was asked for again since it was queued.
    used: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Activity {
    pub(super) at: Timestamp,
    /// When the next one is due to be recorded, in ticks. It is never zero, so that no room is taken to say that there
    /// was no activity.
    pub(super) next: NonZeroU64,
}

struct Queued {
    user: UserId,
    id: SessionId,
    revision: u64,
}

impl<V> Shard<V> {
    pub(super) fn new(capacity: u64, forget_after: u64) -> Self {
        let (users, queue) = (HashMap::new(), VecDeque::new());
        Self { users, queue, sessions: 0, bytes: 0, capacity, forget_after, now: 0 }
    }

    pub(super) fn get(&self, user: &UserId, id: SessionId) -> Option<&LiveSession<V>> {
        let sessions = self.users.get(user)?;
        sessions.get(position(sessions, id).ok()?)
    }

    pub(super) fn get_mut(&mut self, user: &UserId, id: SessionId) -> Option<&mut LiveSession<V>> {
        let sessions = self.users.get_mut(user)?;
        let at = position(sessions, id).ok()?;
        sessions.get_mut(at)
    }

    /// The session under `epoch`, which is added if need be, in place of one of an earlier epoch.
    pub(super) fn get_or_add(
        &mut self,
        user: &UserId,
        id: SessionId,
        epoch: u64,
        next_revision: impl FnOnce() -> u64,
        tokens: &TokenMap<V>,
    ) -> &mut LiveSession<V> {
        if self.get(user, id).is_some_and(|live| live.epoch != epoch) {
            self.remove(user, id, tokens);
        }
        let sessions = self.users.entry(user.clone()).or_default();
        let at = match position(sessions, id) {
            Ok(at) => at,
            Err(at) => {
                let live = LiveSession::new(id, next_revision(), epoch);
                self.bytes = self.bytes.saturating_add(live.bytes());
                self.sessions += 1;
                if self.queue.len() == self.queue.capacity() {
                    // By a quarter: twice the room would be idle memory for each session.
                    self.queue.reserve_exact(self.queue.len().div_ceil(4).max(4));
                }
                self.queue.push_back(Queued { user: user.clone(), id, revision: live.revision });
                // Most users have one session, and are spared the room for four.
                if sessions.len() == sessions.capacity() {
                    sessions.reserve_exact(sessions.len().max(1));
                }
                sessions.insert(at, live);
                at
            }
        };
        &mut sessions[at]
    }

    /// Keeps what a load has brought.
    pub(super) fn set_record(&mut self, user: &UserId, id: SessionId, record: Fresh) {
        let now = self.now;
        let Some(live) = self.get_mut(user, id) else {
            return;
        };
        let before = live.bytes();
        live.record = Some(record);
        let after = live.bytes();
        live.asked_at = live.asked_at.max(now);
        self.recount(before, after);
    }

    /// Removes a session, and voids its entries.
    pub(super) fn remove(&mut self, user: &UserId, id: SessionId, tokens: &TokenMap<V>) {
        self.remove_chosen(user, |candidate| candidate == id, tokens);
    }

    /// Removes the user's chosen sessions, and voids their entries.
    pub(super) fn remove_chosen(&mut self, user: &UserId, chosen: impl Fn(SessionId) -> bool, tokens: &TokenMap<V>) {
        let Some(sessions) = self.users.get_mut(user) else {
            return;
        };
        sessions.retain(|live| {
            let keep = !chosen(live.id);
            if !keep {
                live.void(tokens);
                self.bytes = self.bytes.saturating_sub(live.bytes());
                self.sessions -= 1;
            }
            keep
        });
        if sessions.is_empty() {
            self.users.remove(user);
        }
        self.tidy_queue();
    }

    /// Adds an entry to a session, in place of one with the same token, or of the oldest when there are many.
    pub(super) fn add_entry(&mut self, user: &UserId, id: SessionId, entry: Entry<V>, tokens: &TokenMap<V>) {
        let Some(live) = self.get_mut(user, id) else {
            return;
        };
        let before = live.bytes();
        live.entries.retain(|old| old.token() != entry.token());
        if live.entries.len() >= TOKENS_PER_SESSION {
            void(&live.entries.remove(0), tokens);
        }
        live.entries.reserve_exact(1);
        live.entries.push(entry.clone());
        tokens.insert(entry);
        let after = live.bytes();
        self.recount(before, after);
    }

    /// Notes the time.
    pub(super) fn note(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    /// Makes sessions go while the bound is passed. In passing, looks for some that nobody has asked for in a while.
    pub(super) fn make_room(&mut self, epoch: u64, tokens: &TokenMap<V>) {
        for looked in 0..MOST_LOOKS {
            let is_full = self.bytes > self.capacity;
            if !is_full && looked >= LOOKS_IN_PASSING {
                return;
            }
            let Some(next) = self.queue.pop_front() else {
                return;
            };
            let (now, forget_after) = (self.now, self.forget_after);
            let Some(live) = self.get_mut(&next.user, next.id).filter(|live| live.revision == next.revision) else {
                continue;
            };
            let is_forgotten = live.asked_at.saturating_add(forget_after) <= now;
            if live.epoch != epoch || is_forgotten || (is_full && live.gives_way(now)) {
                self.remove(&next.user, next.id, tokens);
            } else {
                self.queue.push_back(next);
            }
        }
    }

    fn recount(&mut self, before: u64, after: u64) {
        self.bytes = self.bytes.saturating_sub(before).saturating_add(after);
    }

    fn tidy_queue(&mut self) {
        if self.queue.len() <= 2 * self.sessions + MOST_LOOKS {
            return;
        }
        let mut queue = mem::take(&mut self.queue);
        queue.retain(|queued| self.get(&queued.user, queued.id).is_some_and(|live| live.revision == queued.revision));
        self.queue = queue;
    }

    pub(super) fn len(&self) -> usize {
        self.sessions
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl<V> LiveSession<V> {
    fn new(id: SessionId, revision: u64, epoch: u64) -> Self {
        let entries = Vec::new();
        Self { id, revision, epoch, asked_at: 0, used: false, load: None, record: None, entries, activity: None }
    }

    /// Notes that it was asked for.
    pub(super) fn asked_for(&mut self, now: u64) {
        self.asked_at = now;
        self.used |= !self.entries.is_empty();
    }

    /// Whether it goes to make room. Having been used it stays this time, and will have to be used again.
    fn gives_way(&mut self, now: u64) -> bool {
        if self.entries.is_empty() {
            // Somebody reads the record, or is about to publish it: going now would have it read again. Only a request
            // that was given up leaves it like this for long.
            let patience = if self.record.is_some() { PUBLISHED_WITHIN } else { READ_WITHIN };
            return self.load.is_none() && self.asked_at.saturating_add(patience) <= now;
        }
        // Each of them starts over.
        let found = self.entries.iter().fold(false, |found, entry| entry.take_use() | found);
        !(mem::take(&mut self.used) | found)
    }

    fn bytes(&self) -> u64 {
        let record = if self.entries.is_empty() && self.record.is_some() { RECORD } else { 0 };
        self.entries.iter().map(|entry| u64::from(entry.bytes())).fold(LIVE + record, u64::saturating_add)
    }

    /// Voids the session's entries for their holders, and makes them unreachable for others.
    fn void(&self, tokens: &TokenMap<V>) {
        self.entries.iter().for_each(|entry| void(entry, tokens));
    }
}

/// Voids an entry for its holders, and makes it unreachable for others.
fn void<V>(entry: &Entry<V>, tokens: &TokenMap<V>) {
    entry.void();
    tokens.remove(entry);
}

fn position<V>(sessions: &[LiveSession<V>], id: SessionId) -> Result<usize, usize> {
    sessions.binary_search_by_key(&id, |live| live.id)
}

/// The most tokens that are remembered of one session: a client that gets a new one for each request must not fill the
/// memory with the old ones.
pub(super) const TOKENS_PER_SESSION: usize = 8;

/// About what a session takes in here without its entries, in bytes.
const LIVE: u64 = 256;

/// About what a record takes that no entry has been made of, in bytes.
const RECORD: u64 = 1_024;

/// A request that has a record publishes it at once, unless it has been given up. In ticks: 100 ms.
const PUBLISHED_WITHIN: u64 = 100_000_000;

/// Longer than any deadline of a read that nobody else may join. In ticks: 61 seconds.
const READ_WITHIN: u64 = 61_000_000_000;

/// How many sessions are looked at to make room for one: more would hold the lock for long. Should none of them give
/// way, the next one to come makes room for two.
const MOST_LOOKS: usize = 32;

/// How many are looked at in passing.
const LOOKS_IN_PASSING: usize = 2;
