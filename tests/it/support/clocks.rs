//! A clock that somebody sets while it runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tower_device_sessions::{
    Timestamp,
    clock::{Clock, SystemClock},
};

/// The system's clocks, with a wall clock that is set ahead and back. Clones are one clock.
#[derive(Clone, Debug, Default)]
pub struct SteppingClock {
    system: SystemClock,
    ahead: Arc<AtomicI64>,
}

impl SteppingClock {
    /// Sets the wall clock to this many seconds ahead of the right time, or behind it.
    pub fn set(&self, ahead: i64) {
        self.ahead.store(ahead * 1_000_000, Ordering::SeqCst);
    }

    /// Takes one step after another, each for as long as `pause` takes: within the half minute that clocks may be
    /// behind, and as far ahead as it pleases, until it is stopped.
    pub fn keep_stepping(&self, pause: Duration) -> tokio::task::JoinHandle<()> {
        let clock = self.clone();
        tokio::spawn(async move {
            for ahead in [365 * 86_400, 0, -20, 0, 3_600, -10, 20 * 3_600, 0].into_iter().cycle() {
                clock.set(ahead);
                tokio::time::sleep(pause).await;
            }
        })
    }
}

impl Clock for SteppingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.system.now().as_micros() + self.ahead.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }

    fn coarse(&self) -> Duration {
        self.system.coarse()
    }

    fn coarseness(&self) -> Duration {
        self.system.coarseness()
    }
}
