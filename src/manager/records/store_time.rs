//! What time it is by the records in the store, so that a wrong clock deletes none of them that is good.
//!
//! 1. The first time that it matters, the newest moments are looked for that were on record when the manager was built:
//!    of sign-ins, activity and endings. What has been written since may be this node's own.
//! 2. By the store, the time is that moment plus the time on the monotonic hand since then.
//! 3. A store that was empty then has nothing that a wrong clock could harm, and is not considered.
//! 4. When the wall clock was set, all of this is found out again.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{clock::Timestamp, error::Error, logging, manager::records::Records, metrics::Operation, session::Session};

/// What is known of the store's time.
#[derive(Debug)]
pub(crate) struct StoreTime {
    /// The monotonic hand when the manager was built, in ticks.
    built: u64,
    known: Mutex<Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// Since when time is counted, in ticks.
    since: u64,
    newest: Newest,
}

/// The newest moment on record.
#[derive(Clone, Copy, Debug)]
enum Newest {
    /// Nobody has looked yet.
    Unknown,
    /// There was nothing on record.
    Nothing,
    At(Timestamp),
}

impl StoreTime {
    pub(crate) fn new(built: u64) -> Self {
        Self { built, known: Mutex::new(Known { since: built, newest: Newest::Unknown }) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The latest that it may be at this tick, if that is known.
    fn at(self, ticks: u64) -> Option<Timestamp> {
        match self.newest {
            Newest::Unknown => None,
            Newest::Nothing => Some(Timestamp::from_micros(i64::MAX)),
            Newest::At(newest) => Some(newest.saturating_add(Duration::from_nanos(ticks.saturating_sub(self.since)))),
        }
    }
}

impl Records {
    /// The present, as far as the store confirms it: never later than the clock, and behind it if the store has nothing
    /// as late.
    ///
    /// # Errors
    ///
    /// When the store has to be asked, and does not answer.
    pub(in crate::manager) async fn time_on_record(&self) -> Result<Timestamp, Error> {
        let known = self.store_time.known().at(self.clock.ticks());
        let latest = match known {
            Some(latest) => latest,
            None => self.ask_for_the_time().await?,
        };
        Ok(latest.min(self.clock.now()))
    }

    /// Looks at the wall clock. Once it has been set, all that was judged by it is judged again.
    pub(in crate::manager) fn follow_clock(&self) {
        self.clock.now();
        let Some((direction, by)) = self.clock.take_step() else {
            return;
        };
        logging::clock_set(direction, by);
        *self.store_time.known() = Known { since: self.clock.ticks(), newest: Newest::Unknown };
        self.cache.flush();
        self.watchers.doubt_everything();
    }

    async fn ask_for_the_time(&self) -> Result<Timestamp, Error> {
        let (ticks, since) = (self.clock.ticks(), self.store_time.known().since);
        let built = self.clock.now().saturating_sub(Duration::from_nanos(ticks.saturating_sub(self.store_time.built)));
        // The last endings, and the last sign-ins by when they are going to end.
        let mut newest = None;
        for until in [built, built.saturating_add(self.settings.policy.absolute_timeout)] {
            newest = newest.max(self.newest_ending_before(until, built).await?);
        }
        let newest = newest.map_or(Newest::Nothing, Newest::At);
        let known = Known { since, newest };
        *self.store_time.known() = known;
        Ok(known.at(ticks).unwrap_or(built))
    }

    /// The newest moment before `built` that is on record with some of the sessions that ended, or will end, last
    /// before `until`.
    async fn newest_ending_before(&self, until: Timestamp, built: Timestamp) -> Result<Option<Timestamp>, Error> {
        for window in WINDOWS.map(Duration::from_secs) {
            let since = until.saturating_sub(window);
            let ended = self.ask(Operation::EndedBetween, |store| store.ended_between(since, until, SAMPLE)).await?;
            let mut newest = None;
            for change in &ended {
                let found = self.find(&change.key).await?;
                newest = newest.max(found.and_then(|session| newest_of(&session, built)));
            }
            if newest.is_some() {
                return Ok(newest);
            }
        }
        Ok(None)
    }
}

/// The newest moment before this one that is on record with a session.
fn newest_of(session: &Session, before: Timestamp) -> Option<Timestamp> {
    let ended = session.ended.as_ref().map(|ending| ending.at);
    let moments = [Some(session.created_at), Some(session.last_active_at), session.tokens.rotated_at, ended];
    moments.into_iter().flatten().filter(|&moment| moment < before).max()
}

/// How many sessions are looked at.
const SAMPLE: u32 = 20;

/// How far back sessions are looked for, in seconds, until some are found: an hour, four hours and so on, and all of
/// them. Those that ended first within that time come first.
const WINDOWS: [u64; 10] = {
    let mut windows = [u64::MAX; 10];
    let mut index = 0;
    while index < 9 {
        windows[index] = 3_600 << (2 * index);
        index += 1;
    }
    windows
};
