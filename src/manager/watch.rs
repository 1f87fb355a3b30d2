//! Live connections: telling those who wait that a session has ended.
//!
//! 1. Whoever waits is listed under the session, apart from the cache, which may forget what it likes.
//! 2. A revocation on this node tells them once it is committed.
//! 3. Word of another node, a deadline that has passed, and a doubt at the time of listing make the session *due*: one task
//!    reads the due sessions from the store, and tells those who wait, or sets the next deadline.
//! 4. While other nodes cannot be heard, all sessions that are waited for are due once per time to live.
//!
//! One timer serves all who wait; nothing is polled for each of them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::{Notify, watch};

use crate::{
    clock::Timestamp,
    device::ClientInfo,
    id::{SessionId, UserId},
    manager::{CurrentSession, Inner, background::next_round},
    session::{Actor, EndReason, Ending, Session},
};

/// Everyone who waits for the end of a session.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    watched: Mutex<Watched>,
    due: Notify,
}

#[derive(Debug, Default)]
struct Watched {
    sessions: HashMap<SessionId, Watch>,
    /// When each session has to be looked at again.
    schedule: BTreeSet<(Timestamp, SessionId)>,
}

#[derive(Debug)]
struct Watch {
    user: UserId,
    look_at: Timestamp,
    waiting: usize,
    ended: watch::Sender<Option<Ending>>,
}

impl CurrentSession {
    /// Waits until the session has ended, and says how: revoked here or on another node, expired, or idle.
    ///
    /// It is for connections that outlive their request: WebSockets, server-sent events, gRPC streams. New tokens for the
    /// same session, and records that leave the cache, do not end the wait. Word of another node comes as soon as the bus
    /// brings it; without one, within the cache's time to live or a second, whichever is longer.
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
            inner.watchers.leave(self.id);
            inner.metrics.connection_left();
        }
    }
}

impl Inner {
    fn wait_for_end(self: &Arc<Self>, current: &CurrentSession) -> Waiting {
        self.background.ensure_running(self);
        let session = current.session();
        let ended = self.watchers.join(session, self.look_at(session));
        self.metrics.connection_waits();
        // A revocation that was complete before we were listed has told nobody of us, but it has voided the entry.
        if !self.is_current(current) {
            self.watchers.make_due(session.id);
        }
        Waiting { inner: Arc::downgrade(self), id: session.id, ended }
    }

    /// The earliest moment at which the session may have ended by itself.
    fn look_at(&self, session: &Session) -> Timestamp {
        let idle = self.last_active_at(session).saturating_add(session.idle_timeout);
        idle.saturating_add(self.timings.idle_allowance()).min(session.expires_at)
    }

    /// Reads the sessions that are due, and tells those who wait for the ended ones.
    async fn look_at_due_sessions(&self) {
        for (user, id) in self.watchers.take_due(self.clock.now()) {
            let Ok(found) = self.within_deadline("find", self.find_in_turn(&user, id)).await else {
                self.watchers.look_again(id, self.clock.now().saturating_add(RETRY));
                continue;
            };
            match found {
                None => {
                    // Lost by the store, or erased: whatever was, it is no session any more.
                    let ending = Ending::new(EndReason::Policy, Actor::System, self.clock.now());
                    self.watchers.tell(id, &ending);
                }
                Some(session) => match self.ending_here(&session) {
                    Some(ending) => self.watchers.tell(id, &ending),
                    None => self.watchers.look_again(id, self.look_at(&session)),
                },
            }
        }
    }
}

impl Watchers {
    fn join(&self, session: &Session, look_at: Timestamp) -> watch::Receiver<Option<Ending>> {
        let mut watched = self.watched();
        let Watched { sessions, schedule } = &mut *watched;
        let watch = sessions.entry(session.id).or_insert_with(|| {
            schedule.insert((look_at, session.id));
            Watch { user: session.user_id.clone(), look_at, waiting: 0, ended: watch::Sender::new(None) }
        });
        watch.waiting += 1;
        watch.ended.subscribe()
    }

    fn leave(&self, id: SessionId) {
        let mut watched = self.watched();
        let Some(watch) = watched.sessions.get_mut(&id) else {
            return;
        };
        watch.waiting -= 1;
        if watch.waiting == 0 {
            watched.remove(id);
        }
    }

    /// Tells those who wait for this session that it has ended.
    pub(super) fn tell(&self, id: SessionId, ending: &Ending) {
        let watched = self.watched();
        if let Some(watch) = watched.sessions.get(&id) {
            watch.ended.send_replace(Some(ending.clone()));
        }
    }

    /// Has this session looked at, if anybody waits for it.
    pub(super) fn make_due(&self, id: SessionId) {
        self.look_again(id, Timestamp::from_micros(i64::MIN));
        self.due.notify_one();
    }

    /// Has all sessions that are waited for looked at; of one user, if one is named.
    pub(super) fn make_all_due(&self, of: Option<&UserId>) {
        let mut watched = self.watched();
        let ids: Vec<SessionId> = watched
            .sessions
            .iter()
            .filter(|(_, watch)| of.is_none_or(|user| watch.user == *user))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            watched.reschedule(id, Timestamp::from_micros(i64::MIN));
        }
        drop(watched);
        self.due.notify_one();
    }

    fn look_again(&self, id: SessionId, at: Timestamp) {
        self.watched().reschedule(id, at);
    }

    fn take_due(&self, now: Timestamp) -> Vec<(UserId, SessionId)> {
        let mut watched = self.watched();
        let mut due = Vec::new();
        while let Some(&(at, id)) = watched.schedule.first().filter(|(at, _)| *at <= now) {
            watched.schedule.remove(&(at, id));
            if let Some(watch) = watched.sessions.get(&id).filter(|watch| watch.ended.borrow().is_none()) {
                due.push((watch.user.clone(), id));
            }
        }
        due
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn remove(&mut self, id: SessionId) {
        if let Some(watch) = self.sessions.remove(&id) {
            self.schedule.remove(&(watch.look_at, id));
        }
    }

    fn reschedule(&mut self, id: SessionId, at: Timestamp) {
        if let Some(watch) = self.sessions.get_mut(&id) {
            self.schedule.remove(&(watch.look_at, id));
            watch.look_at = at;
            self.schedule.insert((at, id));
        }
    }
}

/// The task that looks at the sessions that are due.
pub(super) async fn watch_sessions(inner: Weak<Inner>, mut stop: watch::Receiver<bool>) {
    let Some(manager) = inner.upgrade() else {
        return;
    };
    let sweep_every = manager.timings.cache_ttl.max(ROUND);
    let mut next_sweep = manager.clock.ticks();
    drop(manager);
    loop {
        let Some(manager) = inner.upgrade() else {
            return;
        };
        let now = manager.clock.ticks();
        if now >= next_sweep {
            next_sweep = now.saturating_add(crate::clock::ticks(sweep_every));
            if !manager.hears_other_nodes() {
                manager.watchers.make_all_due(None);
            }
        }
        manager.look_at_due_sessions().await;
        let watchers = Arc::clone(&manager.watchers);
        drop(manager);
        tokio::select! {
            () = watchers.due.notified() => {}
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
