//! One refresh of a session at a time on each node.

use std::{sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{error::Elapsed, timeout},
};

use crate::id::SessionId;

/// Lets the refreshes of one session follow each other. Anyone who repeats one token keeps only one connection of the
/// store busy with it, and what the first attempt has found out serves the others.
///
/// Correctness does not depend on it: two nodes do not wait for each other either.
pub(super) struct Turns {
    of_sessions: Cache<SessionId, Arc<Semaphore>>,
}

/// Ends the turn when it is dropped.
pub(super) type Turn = Option<OwnedSemaphorePermit>;

impl Turns {
    pub(super) fn new() -> Self {
        let lru = EvictionPolicy::lru();
        let of_sessions = Cache::builder().max_capacity(MOST_SESSIONS).eviction_policy(lru).time_to_idle(FORGET_AFTER);
        Self { of_sessions: of_sessions.build() }
    }

    /// Waits for the turn of a session, at most for `deadline`.
    pub(super) async fn take(&self, session: SessionId, deadline: Duration) -> Result<Turn, Elapsed> {
        let turns = self.of_sessions.get_with(session, || Arc::new(Semaphore::new(1)));
        // Nobody closes the semaphore.
        timeout(deadline, turns.acquire_owned()).await.map(Result::ok)
    }
}

const MOST_SESSIONS: u64 = 10_000;

const FORGET_AFTER: Duration = Duration::from_secs(60);
