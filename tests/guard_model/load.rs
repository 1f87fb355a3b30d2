use std::sync::Arc;

use loom::sync::{Condvar, Mutex};

/// What a read has found: whether the session was active.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    pub(crate) active: bool,
    pub(crate) until: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum LoadOutcome {
    Found(Fresh),
    NotFound,
    Failed,
}

#[derive(Clone, Debug)]
pub(crate) struct RunningLoad {
    outcome: Arc<(Mutex<Option<LoadOutcome>>, Condvar)>,
}

impl RunningLoad {
    pub(super) fn new() -> Self {
        Self { outcome: Arc::new((Mutex::new(None), Condvar::new())) }
    }

    pub(super) fn finish(&self, outcome: LoadOutcome) {
        *self.outcome.0.lock().unwrap() = Some(outcome);
        self.outcome.1.notify_all();
    }

    pub(super) fn outcome(&self) -> LoadOutcome {
        let mut outcome = self.outcome.0.lock().unwrap();
        loop {
            if let Some(outcome) = &*outcome {
                return outcome.clone();
            }
            outcome = self.outcome.1.wait(outcome).unwrap();
        }
    }
}
