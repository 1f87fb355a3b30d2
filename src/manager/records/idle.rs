//! Saying that a session is idle, once the store has taken it down.
//!
//! 1. That a session is idle follows from its activity, which is written some time after it has happened. While a store
//!    takes no writes, its records say less and less of it. So no client hears that a session is idle before that is on
//!    record, and if the store does not take it, it is unavailable.
//! 2. After a write of this node has failed, no client hears it either until the activity of other nodes, which has
//!    waited as well, should be written.
//! 3. What only a clock says that may be wrong ends nothing for good. For ten minutes after a start, or after the clock
//!    was set, the store's own time has to confirm it. If it does not, the session is idle as far as the answer goes,
//!    and its record stays as it is; the store still has to take a write, which changes nothing.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    clock::ticks,
    error::{Error, ErrorKind},
    manager::records::Records,
    metrics::Operation,
    session::{EndReason, Ending, Session, Touch},
};

/// When a write of activity has last failed.
#[derive(Debug, Default)]
pub(super) struct RefusedWrites {
    /// In ticks, until when no session is idle.
    until: AtomicU64,
}

impl Records {
    /// How a session has ended that has by `ending`, as far as its record and this node's clock say: what may be told.
    /// `None` when it has not after all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] when the store does not take an idle ending.
    pub(in crate::manager) async fn tellable(
        &self,
        session: &Session,
        ending: Ending,
    ) -> Result<Option<Ending>, Error> {
        if session.ended.is_some() || ending.reason != EndReason::Idle {
            return Ok(Some(ending));
        }
        if self.clock.ticks() < self.refused_writes.until.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable));
        }
        let written = self.put_idle_on_record(session, ending).await;
        self.note_write(&written);
        written
    }

    /// Notes whether the store has taken a write of activity, or what follows from it.
    pub(in crate::manager) fn note_write<T>(&self, written: &Result<T, Error>) {
        if written.is_err() {
            let until = self.clock.ticks().saturating_add(ticks(self.settings.idle_allowance()));
            self.refused_writes.until.fetch_max(until, Ordering::Relaxed);
        }
    }

    async fn put_idle_on_record(&self, session: &Session, ending: Ending) -> Result<Option<Ending>, Error> {
        let (key, allowance) = (session.key(), self.settings.idle_allowance());
        let believed =
            self.clock.has_run_for(PROBATION) || self.time_on_record().await? >= ending.at.saturating_add(allowance);
        // No more calls of these reach the store than reads of records.
        let in_turn = async {
            let _place = self.loads.acquire().await;
            if believed {
                return self.store.expire(&key, &self.as_of(self.clock.now())).await;
            }
            self.store.touch(&[Touch::new(key, session.last_active_at)]).await?;
            Ok(Some(ending))
        };
        self.within_deadline(if believed { Operation::Expire } else { Operation::Touch }, in_turn).await
    }
}

/// For how long a clock has to run after a start, or after it was set, before it is trusted on its own.
const PROBATION: Duration = Duration::from_secs(600);
