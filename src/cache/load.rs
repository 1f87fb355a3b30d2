//! A load that is under way, and the requests that wait for it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::session::Session;

/// A record with the moment, in ticks, until which it may be used without being read again.
///
/// The moment counts from the start of the read, since the record may have changed right after it.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    pub(crate) session: Arc<Session>,
    pub(crate) until: u64,
}

/// The result of a load: a record, that there is none, or a failure.
#[derive(Clone, Debug)]
pub(crate) enum LoadOutcome {
    Found(Fresh),
    NotFound,
    Failed,
}

/// A load that is under way. Other requests for the same record wait for it instead of asking the store again.
#[derive(Clone, Debug)]
pub(crate) struct RunningLoad {
    outcome: Arc<watch::Sender<Option<LoadOutcome>>>,
}

impl RunningLoad {
    pub(super) fn new() -> Self {
        Self { outcome: Arc::new(watch::Sender::new(None)) }
    }

    pub(super) fn finish(&self, outcome: LoadOutcome) {
        self.outcome.send_replace(Some(outcome));
    }

    /// Whether anybody waits for it, not counting its leader and the cache, which also hold it.
    pub(crate) fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.outcome) > 2
    }

    /// Waits until the load has ended. Cancel-safe: the load goes on without its waiters.
    pub(crate) async fn outcome(&self) -> LoadOutcome {
        let mut receiver = self.outcome.subscribe();
        match receiver.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(LoadOutcome::Failed),
            Err(_) => LoadOutcome::Failed,
        }
    }
}
