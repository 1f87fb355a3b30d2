//! Whether a server takes changes, and when to ask it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    clock::{Clock, SystemClock},
    logging,
};

/// Whether the server takes changes, as far as is known.
///
/// A primary that is demoted keeps its connections: reads go on, and are older from moment to moment, and every change
/// fails. So one of the calls asks now and then, and one that follows a failure does so at once.
#[derive(Debug)]
pub(super) struct Role {
    store: &'static str,
    clock: SystemClock,
    asked_at: AtomicU64,
    ask_again_at: AtomicU64,
    /// Until then connections to a server that was demoted may come back from those who use them.
    suspicious_until: AtomicU64,
    takes_changes: AtomicBool,
}

impl Role {
    /// That of a server which nobody has asked yet.
    pub(super) fn new(store: &'static str) -> Self {
        Self {
            store,
            clock: SystemClock::new(),
            asked_at: AtomicU64::new(0),
            ask_again_at: AtomicU64::new(0),
            suspicious_until: AtomicU64::new(0),
            takes_changes: AtomicBool::new(true),
        }
    }

    /// Whether it is time to ask. Of several calls at once one is told so; all are, for a while, when a server was
    /// demoted.
    ///
    /// Some of several connections may lead elsewhere than the others: of more, more are asked.
    pub(super) fn is_due(&self, connections: u32) -> bool {
        let now = millis(self.clock.monotonic());
        if now < self.suspicious_until.load(Ordering::Relaxed) && self.takes_changes.load(Ordering::Relaxed) {
            return true;
        }
        let due = self.ask_again_at.load(Ordering::Relaxed);
        if now < due {
            return false;
        }
        let next = now + millis(ASK_EVERY / connections.max(1));
        let is_first = self.ask_again_at.compare_exchange(due, next, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if is_first {
            self.asked_at.store(now, Ordering::Relaxed);
        }
        is_first
    }

    /// Something has failed: the next call asks, unless the answer is known anyway or one has just asked.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(super) fn doubt(&self) {
        if self.takes_changes.load(Ordering::Relaxed) {
            let soonest = self.asked_at.load(Ordering::Relaxed) + millis(PAUSE);
            self.ask_again_at.fetch_min(soonest, Ordering::AcqRel);
        }
    }

    /// The next call asks. Returns whether that is news: a server that is known to take no changes stays what it is for
    /// a while.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(super) fn ask_at_once(&self) -> bool {
        let is_news = self.takes_changes.load(Ordering::Relaxed);
        if is_news {
            self.ask_again_at.store(0, Ordering::Release);
        }
        is_news
    }

    /// Whether the server takes changes as far as is known.
    pub(super) fn takes_changes(&self) -> bool {
        self.takes_changes.load(Ordering::Relaxed)
    }

    /// A server was demoted: each connection is asked for a while.
    pub(super) fn suspect(&self) {
        let until = millis(self.clock.monotonic() + SUSPICION);
        self.suspicious_until.store(until, Ordering::Release);
    }

    /// Takes note of the answer, and tells when it is another one than before.
    pub(super) fn is(&self, takes_changes: bool) {
        if self.takes_changes.swap(takes_changes, Ordering::AcqRel) == takes_changes {
            return;
        }
        if takes_changes {
            self.suspect();
        }
        logging::store_role(self.store, takes_changes);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long a demoted server is read from before it is noticed.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// By then all connections that were in use when a server was demoted have come back.
const SUSPICION: Duration = Duration::from_secs(5);

/// How soon after an answer the server is asked again, even after many failures.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(super) const PAUSE: Duration = Duration::from_millis(20);

#[cfg(all(test, any(feature = "mysql", feature = "postgres")))]
mod tests {
    use super::*;

    #[test]
    fn one_call_asks_and_the_next_one_after_a_failure() {
        let role = Role::new("postgres");
        assert!(role.is_due(1));
        assert!(!role.is_due(1));
        role.doubt();
        while !role.is_due(1) {
            std::thread::yield_now();
        }
        assert!(!role.is_due(1));
    }

    #[test]
    fn a_server_that_is_known_to_take_no_changes_is_not_asked_at_each_failure() {
        let role = Role::new("postgres");
        assert!(role.is_due(1));
        role.is(false);
        let next = role.ask_again_at.load(Ordering::Relaxed);
        role.doubt();
        assert_eq!(role.ask_again_at.load(Ordering::Relaxed), next);
        role.is(true);
        assert!(role.is_due(1) && role.is_due(1), "all are asked when it has been another server meanwhile");
        role.doubt();
        assert!(role.ask_again_at.load(Ordering::Relaxed) < next);
    }
}
