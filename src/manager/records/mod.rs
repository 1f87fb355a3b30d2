//! Records of sessions: how they are read and changed, on this node and for others.
//!
//! Nobody else asks the store.
//!
//! - `reads`: the store is asked, within its deadline; what it brings is described as the application wishes.
//! - `change`: the one order in which a change is made and becomes known.
//! - `advance`: the one loop that moves a session to its next generation of tokens.
//! - `seen`: what of a client may go on record.
//! - `nodes`: other nodes are told what has ended or changed here, and heard; `spacing` keeps nonsense at a distance.
//! - `watch`: long-lived connections hear of the end of their session.
//! - `touch`, `flush`: activity is noted, and written in chunks that the store finishes quickly.
//! - `idle`: sessions are idle once that is on record.
//! - `ends`, `store_time`: what ended between two moments, and what time it is by the records.

pub(super) mod advance;
pub(super) mod change;
pub(super) mod ends;
mod flush;
mod idle;
pub(super) mod nodes;
mod reads;
mod seen;
mod spacing;
mod store_time;
mod touch;
pub(super) mod watch;

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use self::{flush::ChunkSize, idle::RefusedWrites, nodes::Nodes, store_time::StoreTime, watch::Watchers};
use crate::{
    activity::ActivityQueue,
    cache::Cache,
    clock::{SteadyClock, Timestamp},
    error::ConfigError,
    event::SessionEvent,
    manager::{request::Authenticated, settings::Settings},
    metrics::Metrics,
    session::{AsOf, Ending, Session},
    store::SessionStore,
};

/// All that is known of sessions: on record, in the cache, and waiting to be written.
pub(crate) struct Records {
    pub(super) settings: Arc<Settings>,
    pub(super) clock: SteadyClock,
    pub(super) cache: Cache<Authenticated>,
    pub(super) activity: ActivityQueue,
    pub(super) nodes: Option<Arc<Nodes>>,
    pub(super) metrics: Metrics,
    store: Arc<dyn SessionStore>,
    /// Places for reads of records that requests wait for.
    loads: Semaphore,
    watchers: Arc<Watchers>,
    chunk_size: ChunkSize,
    refused_writes: RefusedWrites,
    store_time: StoreTime,
}

impl Records {
    pub(super) fn new(store: Arc<dyn SessionStore>, settings: Arc<Settings>) -> Result<Self, ConfigError> {
        let clock = SteadyClock::new(Arc::clone(&settings.clock));
        Ok(Self {
            nodes: Nodes::new(&settings, &store, &clock)?,
            store_time: StoreTime::new(clock.ticks()),
            cache: Cache::new(settings.cache_capacity, CACHE_FORGETS_AFTER),
            activity: ActivityQueue::new(MOST_WAITING),
            metrics: Metrics::new(),
            loads: Semaphore::new(settings.concurrent_loads),
            watchers: Arc::new(Watchers::new(settings.loads_ahead_of_time())),
            chunk_size: ChunkSize::new(),
            refused_writes: RefusedWrites::default(),
            store,
            clock,
            settings,
        })
    }

    /// Tells the listeners what has happened.
    pub(super) fn tell(&self, event: &SessionEvent) {
        self.settings.listeners.tell(event);
    }

    /// This moment, with what recorded activity may lag the real one by.
    pub(super) fn as_of(&self, now: Timestamp) -> AsOf {
        AsOf::new(now, self.settings.idle_allowance())
    }

    /// How a session has ended by now, going by its record.
    pub(super) fn ending_of(&self, session: &Session) -> Option<Ending> {
        session.ending(&self.as_of(self.clock.now()))
    }

    /// How a session has ended by now, given the activity that this node has seen and the store may not have yet.
    pub(super) fn ending_here(&self, session: &Session) -> Option<Ending> {
        let last_active_at = self.last_active_at(session);
        session.ending_after(last_active_at, &self.as_of(self.clock.now()))
    }

    /// The newest activity of a session that this node knows of.
    pub(super) fn last_active_at(&self, session: &Session) -> Timestamp {
        let seen_here = self.cache.last_activity(&session.user_id, session.id);
        seen_here.map_or(session.last_active_at, |at| at.max(session.last_active_at))
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("store", &self.store).finish_non_exhaustive()
    }
}

/// How long the cache remembers a session that nobody asks for.
const CACHE_FORGETS_AFTER: Duration = Duration::from_secs(300);

/// How many sessions' activity may wait to be written.
const MOST_WAITING: usize = 10_000;
