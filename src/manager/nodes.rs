//! Other nodes: telling them what has ended or changed here, and hearing what has there.
//!
//! 1. They are told after the store has committed, and after this node's cache has forgotten: so whoever hears of it and
//!    looks into the store sees it.
//! 2. They are told also when the store has failed to answer, since it may have committed.
//! 3. Telling them never fails the change. It takes a second at most; once it has failed, or the store has, changes do not wait
//!    for it at all until it succeeds again.
//! 4. A message voids what is cached of the sessions, as an ending on this node would, so it beats a read that is under way.
//! 5. A gap raises the epoch: everything is read anew, and all sessions that are waited for are looked at.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time};

use crate::{
    bus::{
        Affected, BusError, BusEvent, BusFuture, BusHealth, EndedSession, GapReason, PollEndings, PollingBus,
        RevocationBus, RevocationMessage,
    },
    clock::{Clock, Timestamp},
    event::{Listeners, SessionEvent},
    id::{SessionId, UserId},
    logging,
    manager::{Inner, SessionManagerBuilder},
    store::SessionStore,
};

/// How other nodes are heard, as it was asked for.
#[derive(Debug, Default)]
pub(super) enum Hearing {
    /// By polling where other processes may use the store too, else not at all.
    #[default]
    AsTheStoreNeeds,
    Bus(Arc<dyn RevocationBus>),
    Polling(Duration),
    None,
}

/// The way to the other nodes.
pub(crate) struct Nodes {
    bus: Arc<dyn RevocationBus>,
    /// Tells this node's messages from those of others.
    id: u64,
    is_listening: AtomicBool,
    /// Whether the newest message could not be handed over.
    is_failing: AtomicBool,
    /// Whether the newest call of the store failed.
    store_is_failing: AtomicBool,
    epoch_bumps: AtomicU64,
    listeners: Listeners,
    cache_ttl: Duration,
}

/// # Other nodes
///
/// Each node caches what it has read from the store for up to [`cache_ttl`](Self::cache_ttl). A bus makes the others look
/// again as soon as a session has ended. Without one, or while it is out of order, the time to live is the bound.
impl SessionManagerBuilder {
    /// The bus between nodes. Default: a store that other processes may use too is [polled](Self::polling) twice a second;
    /// one in memory, and a SQLite file, need nothing as long as there is one process.
    pub fn bus(mut self, bus: impl RevocationBus) -> Self {
        self.hearing = Hearing::Bus(Arc::new(bus));
        self
    }

    /// Asks the store this often what has ended, in place of another bus: from 10 ms to 1 s. It is for a SQLite file that
    /// several processes share, or to set the interval. Default: see [`bus`](Self::bus).
    ///
    /// Polling hears of endings alone. Renamed devices, tokens superseded by a step-up, and users that are
    /// [erased](crate::SessionManager::erase_user) within one interval reach other nodes within the time to live.
    pub fn polling(mut self, interval: Duration) -> Self {
        self.hearing = Hearing::Polling(interval);
        self
    }

    /// No bus: other nodes hear of an ending when what they have cached expires. Default: see [`bus`](Self::bus).
    pub fn without_bus(mut self) -> Self {
        self.hearing = Hearing::None;
        self
    }
}

impl Hearing {
    pub(super) fn resolve(
        self,
        store: &Arc<dyn SessionStore>,
        clock: &Arc<dyn Clock>,
        listeners: &Listeners,
        cache_ttl: Duration,
    ) -> Option<Arc<Nodes>> {
        let polling = || PollingBus::new(Arc::new(Endings(Arc::clone(store)))).clock(Arc::clone(clock));
        let bus: Arc<dyn RevocationBus> = match self {
            Self::Bus(bus) => bus,
            Self::Polling(interval) => Arc::new(polling().interval(interval)),
            Self::AsTheStoreNeeds if store.is_shared() => Arc::new(polling()),
            Self::AsTheStoreNeeds | Self::None => return None,
        };
        Some(Arc::new(Nodes {
            bus,
            id: RandomState::new().hash_one(0),
            is_listening: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            store_is_failing: AtomicBool::new(false),
            epoch_bumps: AtomicU64::new(0),
            listeners: listeners.clone(),
            cache_ttl,
        }))
    }
}

impl Nodes {
    /// Whether endings on other nodes are heard at the moment.
    pub(super) fn are_heard(&self) -> bool {
        self.is_listening.load(Ordering::Acquire) && self.bus.is_connected()
    }

    pub(super) fn bus_name(&self) -> &'static str {
        self.bus.name()
    }

    pub(super) fn bus_health(&self) -> BusHealth {
        self.bus.health()
    }

    pub(super) fn epoch_bumps(&self) -> u64 {
        self.epoch_bumps.load(Ordering::Relaxed)
    }

    pub(super) fn note_store(&self, is_failing: bool) {
        // Almost always it is as it was: a flag that is only read stays in every processor's cache.
        if self.store_is_failing.load(Ordering::Relaxed) != is_failing {
            self.store_is_failing.store(is_failing, Ordering::Relaxed);
        }
    }

    async fn publish(&self, message: &RevocationMessage) {
        let published = match time::timeout(PATIENCE, self.bus.publish(message)).await {
            Ok(published) => published,
            Err(elapsed) => Err(BusError::unavailable(elapsed)),
        };
        self.is_failing.store(published.is_err(), Ordering::Relaxed);
        if let Err(error) = published {
            logging::bus_unpublished(self.bus.name(), self.cache_ttl, &error);
            let (user_id, bound) = (message.user_id().clone(), self.cache_ttl);
            self.listeners.tell(&SessionEvent::OtherNodesNotTold { user_id, bound });
        }
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes").field("bus", &self.bus).finish_non_exhaustive()
    }
}

impl Inner {
    /// Whether endings on other nodes are heard of by themselves.
    pub(super) fn hears_other_nodes(&self) -> bool {
        self.nodes.as_ref().is_some_and(|nodes| nodes.are_heard())
    }

    /// Tells the other nodes that these sessions have ended, or may have.
    pub(super) async fn publish_ended(&self, user: &UserId, ids: impl IntoIterator<Item = SessionId>) {
        self.tell_nodes(|| RevocationMessage::ended(user.clone(), ids)).await;
    }

    /// Tells the other nodes that all sessions of a user but one have ended, or may have.
    pub(super) async fn publish_all_ended(&self, user: &UserId, keep: Option<SessionId>) {
        self.tell_nodes(|| RevocationMessage::all_ended(user.clone(), keep)).await;
    }

    /// Tells the other nodes that something else about a session has changed.
    pub(super) async fn publish_changed(&self, user: &UserId, id: SessionId) {
        self.tell_nodes(|| RevocationMessage::changed(user.clone(), [id])).await;
    }

    /// Tells the other nodes that something else about all sessions of a user has changed.
    pub(super) async fn publish_all_changed(&self, user: &UserId) {
        self.tell_nodes(|| RevocationMessage::all_changed(user.clone())).await;
    }

    async fn tell_nodes(&self, message: impl FnOnce() -> RevocationMessage) {
        let Some(nodes) = &self.nodes else {
            return;
        };
        let message = message().sent(nodes.id, self.clock.now());
        if nodes.is_failing.load(Ordering::Relaxed) || nodes.store_is_failing.load(Ordering::Relaxed) {
            // A thousand revocations must not wait a second each for a bus that is known to be dead, nor one that has spent its
            // time on a store for a bus that may be the same server.
            let nodes = Arc::clone(nodes);
            tokio::spawn(async move { nodes.publish(&message).await });
            return;
        }
        nodes.publish(&message).await;
    }

    fn hear(&self, nodes: &Nodes, event: &BusEvent) {
        match event {
            BusEvent::Message(message) => self.hear_message(nodes, message),
            BusEvent::Gap(reason) => {
                nodes.epoch_bumps.fetch_add(1, Ordering::Relaxed);
                self.metrics.epoch_bumped();
                // A bus may be connected again, or have been lost again, by the time we hear of it.
                self.metrics.bus_connected(nodes.bus.is_connected());
                self.cache.flush();
                self.watchers.make_all_due(None);
                let (bus, reason) = (nodes.bus_name(), *reason);
                self.listeners.tell(&match reason {
                    GapReason::Connected => SessionEvent::OtherNodesHeard { bus },
                    _ => SessionEvent::OtherNodesMissed { bus, reason: reason.as_str() },
                });
            }
        }
    }

    fn hear_message(&self, nodes: &Nodes, message: &RevocationMessage) {
        let origin = message.origin();
        if origin.is_some_and(|origin| origin.node == nodes.id) {
            return;
        }
        let user = message.user_id();
        match message.affected() {
            Affected::Sessions(ids) => {
                for &id in ids {
                    self.cache.revoke(user, id);
                    self.watchers.make_due(id);
                }
            }
            Affected::AllBut(keep) => {
                self.cache.revoke_all(user, *keep);
                self.watchers.make_all_due(Some(user));
            }
        }
        if let Some(origin) = origin {
            self.metrics.revocation_heard(self.clock.now().duration_since(origin.at));
        }
    }
}

/// The task that hears other nodes. Without a bus it waits for the end.
pub(super) async fn hear_other_nodes(inner: Weak<Inner>, mut stop: watch::Receiver<bool>) {
    let nodes = inner.upgrade().and_then(|inner| inner.nodes.clone());
    let Some(nodes) = nodes else {
        // An error means that the manager is gone.
        let _ = stop.wait_for(|stop| *stop).await;
        return;
    };
    let mut subscription = nodes.bus.subscribe();
    let _listening = Listening::begin(&nodes, &inner);
    loop {
        let event = tokio::select! {
            event = subscription.next() => event,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Some(inner) = inner.upgrade() else {
            return;
        };
        inner.hear(&nodes, &event);
    }
}

/// Says that nobody listens any more, whichever way the task ends.
struct Listening<'a> {
    nodes: &'a Nodes,
    inner: &'a Weak<Inner>,
}

impl<'a> Listening<'a> {
    fn begin(nodes: &'a Nodes, inner: &'a Weak<Inner>) -> Self {
        nodes.is_listening.store(true, Ordering::Release);
        Self { nodes, inner }
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.nodes.is_listening.store(false, Ordering::Release);
        if let Some(inner) = self.inner.upgrade() {
            inner.metrics.bus_connected(false);
        }
    }
}

/// The endings that are on record in a store.
#[derive(Debug)]
struct Endings(Arc<dyn SessionStore>);

impl PollEndings for Endings {
    fn ended_between(
        &self,
        since: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> BusFuture<'_, Result<Vec<EndedSession>, BusError>> {
        Box::pin(async move {
            let changes = self.0.ended_between(since, until, limit).await.map_err(BusError::unavailable)?;
            Ok(changes.into_iter().map(|change| EndedSession::new(change.user_id, change.id, change.at)).collect())
        })
    }
}

/// How long a change waits for its message to be handed over.
const PATIENCE: Duration = Duration::from_secs(1);
