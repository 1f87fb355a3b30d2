//! The record of a session is read, by one request for all that wait for it.

use std::{hash::BuildHasher, sync::Arc, time::Duration};

use crate::{
    cache::{Fresh, Joined, LoadOutcome, RunningLoad, Ticket},
    clock::ticks,
    id::{SessionId, SessionKey, UserId},
    manager::Inner,
    metrics::Loaded,
    policy::Denied,
    token::VerifiedToken,
};

impl Inner {
    /// The session's record, with the right to publish it: from a recent load, a running one, or one of our own.
    pub(in crate::manager) async fn record(
        self: &Arc<Self>,
        verified: &VerifiedToken,
    ) -> Result<Option<(Ticket, Fresh)>, Denied> {
        // What is about to end can serve no other request.
        self.record_good_for(self.records.clock.coarseness(), verified).await
    }

    /// The session's record, which is not to end within so many ticks.
    pub(in crate::manager) async fn record_good_for(
        self: &Arc<Self>,
        least: u64,
        verified: &VerifiedToken,
    ) -> Result<Option<(Ticket, Fresh)>, Denied> {
        let (user, id, now) = (&verified.user_id, verified.session_id, self.records.clock.ticks());
        let (ticket, outcome) = if self.settings.cache_ttl().is_zero() {
            // Without a cache each request reads for itself: what another one has read may be older than this request.
            let ticket = self.records.cache.read_alone(user, id, now);
            let mut alone = Alone { inner: self, ticket: &ticket, found: false };
            let outcome = self.read(user, id).await;
            alone.found = matches!(outcome, LoadOutcome::Found(_));
            drop(alone);
            (ticket, outcome)
        } else {
            match self.records.cache.join(user, id, now, now.saturating_add(least)) {
                Joined::Fresh(ticket, fresh) => return Ok(Some((ticket, fresh))),
                Joined::Running(ticket, load) => (ticket, load.outcome().await),
                Joined::Lead(ticket, load) => {
                    self.lead(ticket.clone(), load.clone());
                    (ticket, load.outcome().await)
                }
            }
        };
        match outcome {
            LoadOutcome::Found(fresh) => Ok(Some((ticket, fresh))),
            LoadOutcome::NotFound => Ok(None),
            LoadOutcome::Failed => Err(Denied::Unavailable),
        }
    }

    /// Starts a load that outlives the request that leads it.
    fn lead(self: &Arc<Self>, ticket: Ticket, load: RunningLoad) {
        let mut leading = Leading { inner: Arc::clone(self), ticket, load, outcome: LoadOutcome::Failed };
        tokio::spawn(async move {
            let outcome = leading.inner.read(leading.ticket.user(), leading.ticket.id()).await;
            leading.end(outcome);
        });
    }

    /// Reads a record within the deadline, which counts the wait for a free place among the loads.
    async fn read(&self, user: &UserId, id: SessionId) -> LoadOutcome {
        let started = self.records.clock.ticks();
        match self.records.find_in_turn(&SessionKey::new(user.clone(), id)).await {
            Ok(Some(mut session)) => {
                self.records.metrics.loaded(Loaded::Found);
                self.records.clock.bear_out(session.last_active_at);
                if session.user_id == *user {
                    // One copy of the id serves the record, its entries and the cache.
                    session.user_id = user.clone();
                }
                let until = started.saturating_add(ticks(self.jittered_ttl(id, started)));
                LoadOutcome::Found(Fresh { session: Arc::new(session), until })
            }
            Ok(None) => {
                self.records.metrics.loaded(Loaded::NotFound);
                LoadOutcome::NotFound
            }
            Err(_) => {
                self.records.metrics.loaded(Loaded::Failed);
                LoadOutcome::Failed
            }
        }
    }

    /// The time to live, shortened by up to a tenth so that sessions that were read together are not read together
    /// again. It is never lengthened: the time to live bounds what other nodes may miss.
    fn jittered_ttl(&self, id: SessionId, started: u64) -> Duration {
        let random = self.request.jitter.hash_one((id, started)) % 1_024;
        let ttl = self.settings.cache_ttl();
        let tenth = u32::try_from(random).map_or(Duration::ZERO, |random| ttl / 10 * random / 1_024);
        ttl - tenth
    }
}

/// A read that nobody else may join. If it brings nothing, or is given up, the cache is told.
struct Alone<'a> {
    inner: &'a Inner,
    ticket: &'a Ticket,
    found: bool,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        if !self.found {
            self.inner.records.cache.give_up(self.ticket);
        }
    }
}

/// Ends a load when its task does, also by a panic.
struct Leading {
    inner: Arc<Inner>,
    ticket: Ticket,
    load: RunningLoad,
    outcome: LoadOutcome,
}

impl Leading {
    fn end(&mut self, outcome: LoadOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        let is_awaited = self.load.is_awaited();
        self.inner.records.cache.complete(&self.ticket, &self.load, self.outcome.clone());
        if !is_awaited {
            // All who wanted the record have hung up: the cache has no use for it.
            self.inner.records.cache.give_up(&self.ticket);
        }
    }
}
