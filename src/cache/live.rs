use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    cache::{Entry, Fresh, LoadOutcome, Publication, RunningLoad, token_map::TokenMap},
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

type Shard<V> = HashMap<UserId, HashMap<SessionId, LiveSession<V>>>;

struct LiveSession<V> {
    revision: u64,
    epoch: u64,
    load: Option<RunningLoad>,
    /// What the newest load brought.
    record: Option<Fresh>,
    entries: Vec<Arc<Entry<V>>>,
    activity: Option<Activity>,
}

#[derive(Clone, Copy)]
struct Activity {
    at: Timestamp,
    /// When the next one is due to be recorded, in ticks.
    next: u64,
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
    pub(crate) fn user(&self) -> &UserId {
        &self.user
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }
}

/// An entry that was published, and the weight of its session with all its tokens.
pub(super) struct Published<V> {
    pub(super) entry: Arc<Entry<V>>,
    pub(super) bytes: u32,
}

/// How a request comes by a session's record.
pub(crate) enum Joined {
    /// A recent load has brought it.
    Fresh(Ticket, Fresh),
    /// A load is under way.
    Running(Ticket, RunningLoad),
    /// The caller has to load it, and to call [`Cache::complete`](super::Cache::complete) whatever happens.
    Lead(Ticket, RunningLoad),
}

/// The most tokens that are remembered of one session: a client that gets a new one for each request must not fill the
/// memory with the old ones.
const TOKENS_PER_SESSION: usize = 8;

const SHARDS: usize = 64;

impl<V> LiveSessions<V> {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new(), revisions: AtomicU64::new(0), epoch: AtomicU64::new(0) }
    }

    pub(super) fn join(&self, user: &UserId, id: SessionId, now: u64, tokens: &TokenMap<V>) -> Joined {
        let mut shard = self.shard(user);
        let live = self.live(&mut shard, user, id, tokens);
        let ticket = live.ticket(user, id);
        if let Some(fresh) = live.record.as_ref().filter(|fresh| now < fresh.until) {
            return Joined::Fresh(ticket, fresh.clone());
        }
        if let Some(load) = &live.load {
            return Joined::Running(ticket, load.clone());
        }
        let load = RunningLoad::new();
        live.load = Some(load.clone());
        Joined::Lead(ticket, load)
    }

    /// A ticket, and whether the session has no entry yet.
    pub(super) fn ticket(&self, user: &UserId, id: SessionId, tokens: &TokenMap<V>) -> (Ticket, bool) {
        let mut shard = self.shard(user);
        let live = self.live(&mut shard, user, id, tokens);
        (live.ticket(user, id), live.entries.is_empty())
    }

    /// Takes what a load brought. Answers whether it is kept for a session that has no entry yet.
    pub(super) fn complete(&self, ticket: &Ticket, outcome: &LoadOutcome) -> bool {
        let mut shard = self.shard(&ticket.user);
        let Some(live) = current(&mut shard, ticket) else {
            return false;
        };
        live.load = None;
        let has_no_entry = live.entries.is_empty();
        match outcome {
            LoadOutcome::Found(fresh) => {
                live.record = Some(fresh.clone());
                has_no_entry
            }
            LoadOutcome::NotFound | LoadOutcome::Failed => {
                if has_no_entry {
                    remove(&mut shard, &ticket.user, ticket.id);
                }
                false
            }
        }
    }

    pub(super) fn publish(
        &self,
        ticket: &Ticket,
        publication: Publication<V>,
        tokens: &TokenMap<V>,
    ) -> Option<Published<V>> {
        let mut shard = self.shard(&ticket.user);
        let live = current(&mut shard, ticket).filter(|live| live.epoch == self.epoch())?;

        let touch_due = live.activity.map_or(publication.touch_due, |activity| activity.next);
        let entry = Arc::new(Entry {
            valid_until: AtomicU64::new(publication.valid_until),
            touch_due: AtomicU64::new(touch_due),
            epoch: ticket.epoch.wrapping_add(publication.key_revision),
            bytes: publication.bytes,
            token: publication.token,
            value: publication.value,
        });
        live.entries.retain(|old| old.token != entry.token);
        if live.entries.len() >= TOKENS_PER_SESSION {
            void(&live.entries.remove(0), tokens);
        }
        live.entries.push(Arc::clone(&entry));
        tokens.insert(Arc::clone(&entry));
        let bytes = live.entries.iter().map(|entry| entry.bytes).fold(0, u32::saturating_add);
        Some(Published { entry, bytes })
    }

    /// Notes activity, unless another token of the session has done so within the interval.
    pub(super) fn record_activity(&self, user: &UserId, id: SessionId, now: u64, at: Timestamp, next: u64) -> bool {
        let mut shard = self.shard(user);
        let Some(live) = shard.get_mut(user).and_then(|sessions| sessions.get_mut(&id)) else {
            return true;
        };
        if live.activity.is_some_and(|activity| now < activity.next) {
            return false;
        }
        live.activity = Some(Activity { at, next });
        for entry in &live.entries {
            entry.touch_due.store(next, Ordering::Relaxed);
        }
        true
    }

    pub(super) fn last_activity(&self, user: &UserId, id: SessionId) -> Option<Timestamp> {
        let shard = self.shard(user);
        shard.get(user)?.get(&id)?.activity.map(|activity| activity.at)
    }

    /// Drops the user's chosen sessions: their entries are void, and no ticket for them holds any more.
    pub(super) fn revoke(&self, user: &UserId, chosen: impl Fn(SessionId) -> bool, tokens: &TokenMap<V>) {
        let mut shard = self.shard(user);
        let Some(sessions) = shard.get_mut(user) else {
            return;
        };
        sessions.retain(|id, live| {
            let keep = !chosen(*id);
            if !keep {
                live.void(tokens);
            }
            keep
        });
        if sessions.is_empty() {
            shard.remove(user);
        }
    }

    /// Drops every session, as each is next asked for.
    pub(super) fn raise_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Drops a session that the eviction policy no longer wants. A load that is under way finds it gone, and loads again.
    pub(super) fn forget(&self, user: &UserId, id: SessionId, tokens: &TokenMap<V>) {
        let mut shard = self.shard(user);
        if let Some(live) = remove(&mut shard, user, id) {
            live.void(tokens);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).values().map(HashMap::len).sum::<usize>()).sum()
    }

    fn live<'a>(
        &self,
        shard: &'a mut Shard<V>,
        user: &UserId,
        id: SessionId,
        tokens: &TokenMap<V>,
    ) -> &'a mut LiveSession<V> {
        let epoch = self.epoch();
        let sessions = shard.entry(user.clone()).or_default();
        let live = sessions.entry(id).or_insert_with(|| LiveSession::new(self.next_revision(), epoch));
        if live.epoch != epoch {
            live.void(tokens);
            *live = LiveSession::new(self.next_revision(), epoch);
        }
        live
    }

    fn next_revision(&self) -> u64 {
        self.revisions.fetch_add(1, Ordering::Relaxed)
    }

    fn shard(&self, user: &UserId) -> MutexGuard<'_, Shard<V>> {
        // The remainder is less than the number of shards, which is small.
        let index = usize::try_from(self.hasher.hash_one(user) % SHARDS as u64).unwrap_or(0);
        lock(&self.shards[index])
    }
}

impl<V> LiveSession<V> {
    fn new(revision: u64, epoch: u64) -> Self {
        Self { revision, epoch, load: None, record: None, entries: Vec::new(), activity: None }
    }

    fn ticket(&self, user: &UserId, id: SessionId) -> Ticket {
        Ticket { user: user.clone(), id, revision: self.revision, epoch: self.epoch }
    }

    /// Makes the session's entries useless to those who hold them, and unreachable to others.
    fn void(&self, tokens: &TokenMap<V>) {
        self.entries.iter().for_each(|entry| void(entry, tokens));
    }
}

/// The live session under the ticket's revision, if that still holds.
fn current<'a, V>(shard: &'a mut Shard<V>, ticket: &Ticket) -> Option<&'a mut LiveSession<V>> {
    let live = shard.get_mut(&ticket.user)?.get_mut(&ticket.id)?;
    (live.revision == ticket.revision).then_some(live)
}

fn remove<V>(shard: &mut Shard<V>, user: &UserId, id: SessionId) -> Option<LiveSession<V>> {
    let sessions = shard.get_mut(user)?;
    let live = sessions.remove(&id);
    if sessions.is_empty() {
        shard.remove(user);
    }
    live
}

/// Makes an entry useless to those who hold it, and unreachable to others.
fn void<V>(entry: &Arc<Entry<V>>, tokens: &TokenMap<V>) {
    entry.valid_until.store(0, Ordering::Release);
    tokens.remove(entry);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while a shard is locked; should it ever, the state is still one of those the guard allows.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
