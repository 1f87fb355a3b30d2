//! Live connections: telling those who wait that a session has ended.
//!
//! 1. Whoever waits is listed under the session, apart from the cache, which may forget what it likes.
//! 2. A revocation on this node tells them once it is committed.
//! 3. Word of another node, a deadline that has passed, and a doubt at the time of listing make the session *due*: one task
//!    has the due sessions read, several at a time and the most urgent first, and tells those who wait, or sets the next
//!    deadline. `turns` says whose turn it is.
//! 4. While other nodes cannot be heard, all sessions that are waited for are due once per time to live. While they can, each is
//!    looked at every five minutes all the same: whatever was missed, that finds it.
//!
//! One timer serves all who wait; nothing is polled for each of them.

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
    id::{SessionId, UserId},
    logging,
    manager::{Inner, request::CurrentSession, upkeep::next_round::next_round},
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
    /// It is for connections that outlive their request: WebSockets, server-sent events, gRPC streams. New tokens for the
    /// same session, and records that leave the cache, do not end the wait. Word of another node comes as soon as the bus
    /// brings it; without one, within the cache's time to live or a second, whichever is longer. Should a message be lost
    /// without anybody noticing, the end is found within five minutes.
    ///
    /// Waiting is no activity: a connection that should keep its session from idling calls
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
            inner.watchers.turns().leave(&self.user, self.id);
            inner.metrics.connection_left();
        }
    }
}

impl Inner {
    fn wait_for_end(self: &Arc<Self>, current: &CurrentSession) -> Waiting {
        self.background.ensure_running(self);
        let session = current.session();
        let (user, id) = (session.user_id.clone(), session.id);
        let next_look = self.next_look(session);
        let ended = self.watchers.turns().join(&user, id, next_look, || Ended::new(None)).subscribe();
        self.metrics.connection_waits();
        // A revocation that was complete before we were listed has told nobody of us, but it has voided the entry.
        if !self.is_current(current) {
            self.watchers.doubt(&user, id);
        }
        Waiting { inner: Arc::downgrade(self), user, id, ended }
    }

    /// The earliest moment at which the session may have ended by itself, in ticks, or the next look at all sessions.
    fn next_look(&self, session: &Session) -> u64 {
        let idle = self.last_active_at(session).saturating_add(session.idle_timeout);
        let deadline = idle.saturating_add(self.timings.idle_allowance()).min(session.expires_at);
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

    /// Has a user's sessions looked at, but for the one to keep: another node says that something has happened to them.
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

/// A session whose turn it is. However its read ends, also by a panic, the session is looked at again unless it has ended.
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
        let (user, id, urgency) = inner.watchers.turns().take(inner.clock.ticks())?;
        Some(Self { inner: Arc::clone(inner), user, id, urgency, next: None })
    }

    /// Reads the record, and tells those who wait if the session has ended.
    async fn read(mut self) {
        let inner = Arc::clone(&self.inner);
        let Ok(found) = inner.within_deadline("find", inner.find_in_turn(&self.user, self.id)).await else {
            return;
        };
        let Some(session) = found else {
            // Lost by the store, or erased: whatever was, it is no session any more.
            let ending = Ending::new(EndReason::Policy, Actor::System, inner.clock.now());
            return inner.watchers.tell(&self.user, self.id, &ending);
        };
        match inner.ending_here(&session) {
            // What the store does not take down, and what is not so after all, is looked at again.
            Some(ending) => {
                if let Ok(Some(ending)) = inner.tellable(&session, ending).await {
                    inner.watchers.tell(&self.user, self.id, &ending);
                }
            }
            // Word of the end may be faster than the end itself, where a store reads its own writes late.
            None if self.urgency == Urgency::Ended => self.urgency = Urgency::Time,
            None => self.next = Some(inner.next_look(&session)),
        }
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        let (at, urgency) = match self.next {
            Some(at) => (at, Urgency::Time),
            None => (self.inner.ticks_in(RETRY), self.urgency),
        };
        self.inner.watchers.turns().finish(&self.user, self.id, at, urgency);
    }
}

/// The task that has the sessions read that are due.
pub(in crate::manager) async fn watch_sessions(inner: Weak<Inner>, mut stop: watch::Receiver<bool>) {
    let Some(manager) = inner.upgrade() else {
        return;
    };
    let watchers = Arc::clone(&manager.watchers);
    let mut next_sweep = manager.clock.ticks();
    drop(manager);
    let mut reads = JoinSet::new();
    loop {
        let Some(manager) = inner.upgrade() else {
            return;
        };
        manager.follow_clock();
        if manager.clock.ticks() >= next_sweep {
            next_sweep = manager.ticks_in(manager.timings.cache_ttl.max(ROUND));
            if !manager.hears_other_nodes() {
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

/// After how long each session is looked at again, whatever is heard.
const SWEEP: Duration = Duration::from_secs(300);
