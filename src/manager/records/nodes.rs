//! Other nodes: telling them what has ended or changed here, and hearing what has there.
//!
//! 1. They are told after the store has committed, and after this node's cache has forgotten: so whoever hears of it and
//!    looks into the store sees it.
//! 2. They are told also when the store has failed to answer, since it may have committed.
//! 3. Telling them never fails the change. It takes a second at most; once it has failed, or the store has, changes do not wait
//!    for it at all until it succeeds again.
//! 4. A message voids what is cached of the sessions, as an ending on this node would, so it beats a read that is under way.
//! 5. A gap raises the epoch: everything is read anew, and all sessions that are waited for are looked at. So does a message
//!    that cannot be read, or lacks the seal that is asked for, but not more often than once in a while.

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
        Affected, BusError, BusEvent, BusFuture, BusHealth, GapReason, PollEndings, PollingBus, Realm, RevocationBus,
        RevocationMessage,
    },
    clock::{SteadyClock, Timestamp},
    error::ConfigError,
    event::{Listeners, SessionEvent},
    logging,
    manager::{
        Inner,
        records::spacing::Spacing,
        settings::{SessionManagerBuilder, builder::invalid},
    },
    session::EndedSession,
    store::SessionStore,
    token::{KeyRing, Seals},
};

/// How other nodes are heard, as it was asked for.
#[derive(Debug, Default)]
pub(in crate::manager) enum Hearing {
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
    /// Tells the messages of our own nodes from those of anybody else who may publish.
    seals: Option<Seals>,
}

/// # Other nodes
///
/// Each node caches what it has read from the store for up to [`cache_ttl`](Self::cache_ttl). A bus makes the others look
/// again as soon as a session has ended. Without one, or while it is out of order, the time to live is the bound.
impl SessionManagerBuilder {
    /// The bus between nodes. Default: a store that other processes may use too is [polled](Self::polling) twice a second;
    /// one in memory, and a SQLite file, need nothing as long as there is one process.
    ///
    /// Nodes hear each other when their stores have the same prefix, and their tokens the same issuer and audience; others
    /// that use the same server do not. A channel that the application names itself is shared by all that name it.
    pub fn bus(mut self, bus: impl RevocationBus) -> Self {
        self.hearing = Hearing::Bus(Arc::new(bus));
        self
    }

    /// Has messages between nodes sealed, by secrets that only the nodes know: an HS256 ring, which may be that of the tokens.
    /// Default: not sealed; anyone who may publish on the channel can make nodes read sessions again, and nothing worse.
    ///
    /// A message without a good seal counts as one that cannot be read. So give the keys to all nodes at about the same time.
    pub fn bus_keys(mut self, keys: KeyRing) -> Self {
        self.bus_keys = Some(keys);
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

impl SessionManagerBuilder {
    /// The way to the other nodes, if there is one.
    ///
    /// # Errors
    ///
    /// Keys for messages where there are none, or that are no secrets.
    pub(in crate::manager) fn nodes(
        &self,
        store: &Arc<dyn SessionStore>,
        clock: &SteadyClock,
        cache_ttl: Duration,
    ) -> Result<Option<Arc<Nodes>>, ConfigError> {
        let [issuer, audience] = self.token_options.names();
        let realm = Realm::new(&store.facts().prefix, issuer, audience);
        let polling = || PollingBus::new(Arc::new(Endings(Arc::clone(store)))).clock(Arc::new(clock.clone()));
        let bus: Option<Arc<dyn RevocationBus>> = match &self.hearing {
            Hearing::Bus(bus) => Some(bus.in_realm(&realm).unwrap_or_else(|| Arc::clone(bus))),
            Hearing::Polling(interval) => Some(Arc::new(polling().interval(*interval))),
            Hearing::AsTheStoreNeeds if store.is_shared() => Some(Arc::new(polling())),
            Hearing::AsTheStoreNeeds | Hearing::None => None,
        };
        let seals = match &self.bus_keys {
            Some(_) if bus.as_ref().is_none_or(|bus| bus.name() == PollingBus::NAME) => {
                return Err(invalid(
                    "there are keys for messages between nodes, and no bus that sends any: call `bus`",
                ));
            }
            Some(keys) => Some(Seals::new(keys.clone(), &self.token_options, realm.as_str())?),
            None => None,
        };
        let nodes = |bus| Nodes {
            bus,
            id: RandomState::new().hash_one(0),
            is_listening: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            store_is_failing: AtomicBool::new(false),
            epoch_bumps: AtomicU64::new(0),
            listeners: self.listeners.clone(),
            cache_ttl,
            seals,
        };
        Ok(bus.map(nodes).map(Arc::new))
    }
}

impl Nodes {
    /// Whether endings on other nodes are heard at the moment.
    pub(in crate::manager) fn are_heard(&self) -> bool {
        self.is_listening.load(Ordering::Acquire) && self.bus.is_connected()
    }

    pub(in crate::manager) fn bus_name(&self) -> &'static str {
        self.bus.name()
    }

    pub(in crate::manager) fn bus_health(&self) -> BusHealth {
        self.bus.health()
    }

    pub(in crate::manager) fn epoch_bumps(&self) -> u64 {
        self.epoch_bumps.load(Ordering::Relaxed)
    }

    pub(in crate::manager) fn note_store(&self, is_failing: bool) {
        // Almost always it is as it was: a flag that is only read stays in every processor's cache.
        if self.store_is_failing.load(Ordering::Relaxed) != is_failing {
            self.store_is_failing.store(is_failing, Ordering::Relaxed);
        }
    }

    /// Puts our seal on a message, where there is one.
    fn seal(&self, message: RevocationMessage) -> RevocationMessage {
        let seal = self.seals.as_ref().and_then(|seals| seals.seal(&message.encode()));
        match seal {
            Some(seal) => message.sealed(seal),
            None => message,
        }
    }

    /// Whether a message comes from one of our nodes, as far as anybody can tell.
    fn trusts(&self, message: &RevocationMessage) -> bool {
        let Some(seals) = &self.seals else {
            return true;
        };
        let (message, seal) = message.unsealed();
        seal.is_some_and(|seal| seals.is_sealed(&message.encode(), seal))
    }

    async fn publish(&self, messages: &[RevocationMessage]) {
        let publishing = match messages {
            [message] => self.bus.publish(message),
            messages => self.bus.publish_all(messages),
        };
        let published = match time::timeout(PATIENCE, publishing).await {
            Ok(published) => published,
            Err(elapsed) => Err(BusError::unavailable(elapsed)),
        };
        self.is_failing.store(published.is_err(), Ordering::Relaxed);
        if let Err(error) = published {
            logging::bus_unpublished(self.bus.name(), self.cache_ttl, &error);
            for message in messages {
                let (user_id, bound) = (message.user_id().clone(), self.cache_ttl);
                self.listeners.tell(&SessionEvent::OtherNodesNotTold { user_id, bound });
            }
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
    pub(in crate::manager) fn hears_other_nodes(&self) -> bool {
        self.nodes.as_ref().is_some_and(|nodes| nodes.are_heard())
    }

    /// Tells the other nodes which sessions have ended or changed, or may have.
    pub(in crate::manager) async fn tell_nodes(&self, messages: impl FnOnce() -> Vec<RevocationMessage>) {
        let Some(nodes) = &self.nodes else {
            return;
        };
        let now = self.clock.now();
        let messages: Vec<RevocationMessage> =
            messages().into_iter().map(|message| nodes.seal(message.sent(nodes.id, now))).collect();
        if nodes.is_failing.load(Ordering::Relaxed) || nodes.store_is_failing.load(Ordering::Relaxed) {
            // A thousand revocations must not wait a second each for a bus that is known to be dead, nor one that has spent its
            // time on a store for a bus that may be the same server.
            let nodes = Arc::clone(nodes);
            tokio::spawn(async move { nodes.publish(&messages).await });
            return;
        }
        nodes.publish(&messages).await;
    }

    fn hear(&self, nodes: &Nodes, event: &BusEvent, spacing: &mut Spacing) {
        match event {
            BusEvent::Message(message) if nodes.trusts(message) => self.hear_message(nodes, message),
            BusEvent::Message(_) | BusEvent::Gap(GapReason::Undecodable) => {
                if spacing.allows() {
                    self.hear_gap(nodes, GapReason::Undecodable);
                }
            }
            BusEvent::Gap(reason) => {
                spacing.done();
                self.hear_gap(nodes, *reason);
            }
        }
    }

    fn hear_gap(&self, nodes: &Nodes, reason: GapReason) {
        nodes.epoch_bumps.fetch_add(1, Ordering::Relaxed);
        self.metrics.epoch_bumped();
        // A bus may be connected again, or have been lost again, by the time we hear of it.
        self.metrics.bus_connected(nodes.bus.is_connected());
        self.cache.flush();
        self.watchers.doubt_everything();
        let bus = nodes.bus_name();
        if reason == GapReason::Undecodable {
            logging::bus_gap(bus, reason.as_str());
        }
        self.listeners.tell(&match reason {
            GapReason::Connected => SessionEvent::OtherNodesHeard { bus },
            _ => SessionEvent::OtherNodesMissed { bus, reason: reason.as_str() },
        });
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
                    self.watchers.hear(user, id, message.cause());
                }
            }
            Affected::AllBut(keep) => {
                self.cache.revoke_all(user, *keep);
                self.watchers.hear_of_all(user, *keep, message.cause());
            }
        }
        if let Some(origin) = origin {
            self.clock.bear_out(origin.at);
            self.metrics.revocation_heard(self.clock.now().duration_since(origin.at));
        }
    }
}

/// The task that hears other nodes. Without a bus it waits for the end.
pub(in crate::manager) async fn hear_other_nodes(inner: Weak<Inner>, mut stop: watch::Receiver<bool>) {
    let nodes = inner.upgrade().and_then(|inner| inner.nodes.clone());
    let Some(nodes) = nodes else {
        // An error means that the manager is gone.
        let _ = stop.wait_for(|stop| *stop).await;
        return;
    };
    let mut subscription = nodes.bus.subscribe();
    let _listening = Listening::begin(&nodes, &inner);
    let mut spacing = Spacing::default();
    loop {
        let event = tokio::select! {
            event = subscription.next() => Some(event),
            () = spacing.due() => None,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Some(inner) = inner.upgrade() else {
            return;
        };
        match event {
            Some(event) => inner.hear(&nodes, &event, &mut spacing),
            None => inner.hear_gap(&nodes, GapReason::Undecodable),
        }
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
        Box::pin(async move { self.0.ended_between(since, until, limit).await.map_err(BusError::unavailable) })
    }
}

/// How long a change waits for its message to be handed over.
const PATIENCE: Duration = Duration::from_secs(1);
