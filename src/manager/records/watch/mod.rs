//! Live connections: telling waiting connections that their session has ended.
//!
//! 1. A waiting connection is listed under its session, apart from the cache, which may drop entries at any time.
//! 2. A revocation on this node tells the waiting connections once it is committed.
//! 3. A message of another node, a deadline that has passed, and a doubt at the time of listing make the session *due*.
//!    One task reads the due sessions, several at a time and the most urgent first, and tells the waiting connections
//!    or sets the next deadline. `turns` decides the order.
//! 4. While other nodes cannot be heard, all sessions that connections wait for are due once per time to live. While
//!    they can, each is still read every five minutes, to find what was missed.
//!
//! One timer serves all waiting connections; nothing is polled for each of them.

mod turns;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use self::turns::{Turns, Urgency};
use crate::{
    bus::Cause,
    clock::ticks,
    device::ClientInfo,
    id::{SessionId, SessionKey, UserId},
    logging,
    manager::{Inner, records::Records, request::CurrentSession, upkeep::next_round::next_round},
    session::{Actor, EndReason, Ending, Session},
};

/// Everyone who waits for the end of a session.
#[derive(Debug)]
pub(crate) struct Watchers {
    turns: Mutex<Turns<Ended>>,
    due: Notify,
    /// How many records are read at the same time.
    at_once: usize,
}

/// By which those who wait for one session are told.
type Ended = watch::Sender<Option<Ending>>;

impl CurrentSession {
    /// Waits until the session has ended, and returns how: revoked here or on another node, expired, or idle.
    ///
    /// It is for connections that outlive their request: WebSockets, server-sent events, gRPC streams. New tokens for
    /// the same session, and records that leave the cache, do not end the wait. An ending on another node is reported
    /// as soon as the bus brings it; without a bus, within the cache's time to live or a second, whichever is longer.
    /// If a message is lost unnoticed, the end is found within five minutes.
    ///
    /// Waiting does not count as activity. A connection that should keep its session alive calls
    /// [`record_activity`](Self::record_activity) when something happens on it.
    ///
    /// The future holds nothing of the request. It never resolves once the manager is gone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait.
    pub fn ended(&self) -> impl Future<Output = Ending> + Send + use<> {
        let waiting = self.entry().value().manager().map(|inner| inner.wait_for_end(self));
        async move {
            match waiting {
                Some(waiting) => waiting.ending().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Records that the session is active, as a request would: at most once per activity interval, and without waiting.
    pub fn record_activity(&self) {
        if let Some(manager) = self.manager() {
            manager.touch(self, || Some(ClientInfo::new()));
        }
    }
}

/// One who waits.
struct Waiting {
    inner: Weak<Inner>,
    user: UserId,
    id: SessionId,
    ended: watch::Receiver<Option<Ending>>,
}

impl Waiting {
    async fn ending(mut self) -> Ending {
        // The sender lives until the last who waits has gone, or it has been used.
        if let Ok(ended) = self.ended.wait_for(Option::is_some).await
            && let Some(ending) = &*ended
        {
            return ending.clone();
        }
        std::future::pending().await
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            inner.records.watchers.turns().leave(&self.user, self.id);
            inner.records.metrics.connection_left();
        }
    }
}

impl Inner {
    fn wait_for_end(self: &Arc<Self>, current: &CurrentSession) -> Waiting {
        self.ensure_running();
        let (records, session) = (&self.records, current.session());
        let (user, id) = (session.user_id.clone(), session.id);
        let next_look = records.next_look(session);
        let ended = records.watchers.turns().join(&user, id, next_look, || Ended::new(None)).subscribe();
        records.metrics.connection_waits();
        // A revocation that was complete before we were listed has told nobody of us, but it has voided the entry.
        if !self.is_current(current) {
            records.watchers.doubt(&user, id);
        }
        Waiting { inner: Arc::downgrade(self), user, id, ended }
    }
}

impl Records {
    /// The earliest moment at which the session may have ended by itself, in ticks, or the next look at all sessions.
    fn next_look(&self, session: &Session) -> u64 {
        let idle = self.last_active_at(session).saturating_add(session.idle_timeout);
        let deadline = idle.saturating_add(self.settings.idle_allowance()).min(session.expires_at);
        self.ticks_in(deadline.duration_since(self.clock.now()).min(SWEEP))
    }

    fn ticks_in(&self, duration: Duration) -> u64 {
        self.clock.ticks().saturating_add(ticks(duration))
    }
}

impl Watchers {
    pub(in crate::manager) fn new(at_once: usize) -> Self {
        Self { turns: Mutex::default(), due: Notify::new(), at_once }
    }

    /// Tells those who wait for this session that it has ended.
    pub(in crate::manager) fn tell(&self, user: &UserId, id: SessionId, ending: &Ending) {
        if let Some(ended) = self.turns().end(user, id) {
            ended.send_replace(Some(ending.clone()));
        }
    }

    /// Has this session looked at, if anybody waits for it: another node says that something has happened to it.
    pub(in crate::manager) fn hear(&self, user: &UserId, id: SessionId, cause: Cause) {
        self.turns().make_due(user, id, Urgency::from(cause));
        self.due.notify_one();
    }

    /// Has a user's sessions looked at, except the one to keep: another node says that something has happened to them.
    pub(in crate::manager) fn hear_of_all(&self, user: &UserId, keep: Option<SessionId>, cause: Cause) {
        self.turns().make_all_due(user, keep, Urgency::from(cause));
        self.due.notify_one();
    }

    /// Has this session looked at, if anybody waits for it: it may have ended or not.
    pub(in crate::manager) fn doubt(&self, user: &UserId, id: SessionId) {
        self.hear(user, id, Cause::Changed);
    }

    /// Has all of a user's sessions looked at that are waited for.
    pub(in crate::manager) fn doubt_all(&self, user: &UserId) {
        self.hear_of_all(user, None, Cause::Changed);
    }

    /// Has every session looked at that is waited for.
    pub(in crate::manager) fn doubt_everything(&self) {
        self.turns().make_every_due(Urgency::Doubt);
        self.due.notify_one();
    }

    fn turns(&self) -> MutexGuard<'_, Turns<Ended>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Cause> for Urgency {
    fn from(cause: Cause) -> Self {
        if cause == Cause::Ended { Self::Ended } else { Self::Changed }
    }
}

/// A session whose turn it is. However its read ends, also by a panic, the session is looked at again unless it has
/// ended.
struct Look {
    inner: Arc<Inner>,
    user: UserId,
    id: SessionId,
    urgency: Urgency,
    /// When to look next, in ticks, once the record was read.
    next: Option<u64>,
}

impl Look {
    fn take(inner: &Arc<Inner>) -> Option<Self> {
        let (user, id, urgency) = inner.records.watchers.turns().take(inner.records.clock.ticks())?;
        Some(Self { inner: Arc::clone(inner), user, id, urgency, next: None })
    }

    /// Reads the record, and tells those who wait if the session has ended.
    async fn read(mut self) {
        let inner = Arc::clone(&self.inner);
        let Ok(found) = inner.records.find_in_turn(&SessionKey::new(self.user.clone(), self.id)).await else {
            return;
        };
        let Some(session) = found else {
            // Lost by the store, or erased: whatever was, it is no session any more.
            let ending = Ending::new(EndReason::Policy, Actor::System, inner.records.clock.now());
            return inner.records.watchers.tell(&self.user, self.id, &ending);
        };
        match inner.records.ending_here(&session) {
            // What the store does not take down, and what is not so after all, is looked at again.
            Some(ending) => {
                if let Ok(Some(ending)) = inner.records.tellable(&session, ending).await {
                    inner.records.watchers.tell(&self.user, self.id, &ending);
                }
            }
            // The message of the end may be faster than the end itself, where a store reads its own writes late.
            None if self.urgency == Urgency::Ended => self.urgency = Urgency::Time,
            None => self.next = Some(inner.records.next_look(&session)),
        }
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        let (at, urgency) = match self.next {
            Some(at) => (at, Urgency::Time),
            None => (self.inner.records.ticks_in(RETRY), self.urgency),
        };
        self.inner.records.watchers.turns().finish(&self.user, self.id, at, urgency);
    }
}

/// The task that has the sessions read that are due.
pub(in crate::manager) async fn watch_sessions(inner: Weak<Inner>, mut stop: watch::Receiver<bool>) {
    let Some(manager) = inner.upgrade() else {
        return;
    };
    let watchers = Arc::clone(&manager.records.watchers);
    let mut next_sweep = manager.records.clock.ticks();
    drop(manager);
    let mut reads = JoinSet::new();
    loop {
        let Some(manager) = inner.upgrade() else {
            return;
        };
        manager.records.follow_clock();
        if manager.records.clock.ticks() >= next_sweep {
            next_sweep = manager.records.ticks_in(manager.settings.cache_ttl().max(ROUND));
            if !manager.records.hears_other_nodes() {
                watchers.doubt_everything();
            }
        }
        while reads.len() < watchers.at_once
            && let Some(look) = Look::take(&manager)
        {
            reads.spawn(look.read());
        }
        drop(manager);
        tokio::select! {
            () = watchers.due.notified() => {}
            Some(read) = reads.join_next() => {
                if let Err(panicked) = read {
                    logging::store_failed("find", &panicked);
                }
            }
            goes_on = next_round(ROUND, &mut stop) => {
                if !goes_on {
                    return;
                }
            }
        }
    }
}

/// How often deadlines are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// When a session that could not be read is looked at again.
const RETRY: Duration = Duration::from_secs(1);

/// After how long each session is looked at again, even without a message.
const SWEEP: Duration = Duration::from_secs(300);
