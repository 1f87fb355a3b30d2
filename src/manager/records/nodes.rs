//! Other nodes: telling them what has ended or changed here, and hearing what has ended or changed there.
//!
//! 1. They are told after the store has committed, and after this node's cache has been voided. So a node that receives
//!    the message and reads the store sees the change.
//! 2. They are also told when the store has failed to answer, because it may have committed.
//! 3. Telling them never fails the change. It takes a second at most; once it has failed, or the store has, changes do
//!    not wait for it at all until it succeeds again.
//! 4. A message voids what is cached of the sessions, as an ending on this node would, so it beats a read that is under
//!    way.
//! 5. A gap raises the epoch: everything is read again, and all sessions that connections wait for are looked at. So
//!    does a message that is unreadable or lacks a required seal, but only once in a while.

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
        records::{Records, spacing::Spacing},
        settings::{Hearing, Settings, invalid},
    },
    session::EndedSession,
    store::SessionStore,
    token::Seals,
};

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

impl Nodes {
    /// The way to the other nodes, if there is one.
    ///
    /// # Errors
    ///
    /// Keys for messages where there are none, or that are no secrets.
    pub(super) fn new(
        settings: &Settings,
        store: &Arc<dyn SessionStore>,
        clock: &SteadyClock,
    ) -> Result<Option<Arc<Self>>, ConfigError> {
        let [issuer, audience] = settings.token_options.names();
        let realm = Realm::new(&store.facts().prefix, issuer, audience);
        let polling = || PollingBus::new(Arc::new(Endings(Arc::clone(store)))).clock(Arc::new(clock.clone()));
        let bus: Option<Arc<dyn RevocationBus>> = match &settings.hearing {
            Hearing::Bus(bus) => Some(bus.in_realm(&realm).unwrap_or_else(|| Arc::clone(bus))),
            Hearing::Polling(interval) => Some(Arc::new(polling().interval(*interval))),
            Hearing::AsTheStoreNeeds if store.is_shared() => Some(Arc::new(polling())),
            Hearing::AsTheStoreNeeds | Hearing::None => None,
        };
        let seals = match &settings.bus_keys {
            Some(_) if bus.as_ref().is_none_or(|bus| bus.name() == PollingBus::NAME) => {
                return Err(invalid(
                    "there are keys for messages between nodes, and no bus that sends any: call `bus`",
                ));
            }
            Some(keys) => Some(Seals::new(keys.clone(), &settings.token_options, realm.as_str())?),
            None => None,
        };
        let nodes = |bus| Self {
            bus,
            id: RandomState::new().hash_one(0),
            is_listening: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            store_is_failing: AtomicBool::new(false),
            epoch_bumps: AtomicU64::new(0),
            listeners: settings.listeners.clone(),
            cache_ttl: settings.cache_ttl(),
            seals,
        };
        Ok(bus.map(nodes).map(Arc::new))
    }

    /// Whether endings on other nodes are received at the moment.
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

impl Records {
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
            // A thousand revocations must not wait a second each for a bus that is known to be dead, nor one that has
            // spent its time on a store for a bus that may be the same server.
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
        self.tell(&match reason {
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
    let nodes = inner.upgrade().and_then(|inner| inner.records.nodes.clone());
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
            Some(event) => inner.records.hear(&nodes, &event, &mut spacing),
            None => inner.records.hear_gap(&nodes, GapReason::Undecodable),
        }
    }
}

/// Reports that nothing is heard any more, no matter how the task ends.
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
            inner.records.metrics.bus_connected(false);
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
