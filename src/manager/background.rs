use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle, time};

use crate::{
    clock::Timestamp,
    logging,
    manager::{Inner, SessionManager, nodes::hear_other_nodes, setup::look_at_setup, watch::watch_sessions},
};

/// The tasks that work beside the requests: writing activity, deleting old records, hearing other nodes, looking at the
/// sessions that connections wait for, and at how things are set up.
///
/// They start with the first request, since a manager may be built before there is a runtime, and end with the manager
/// or by [`SessionManager::shutdown`]. One that panics is started again.
pub(crate) struct Background {
    started: AtomicBool,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What [`SessionManager::shutdown`] has left undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Sessions whose last activity was still waiting when the deadline passed.
    pub unwritten: usize,
    /// Sessions whose last activity was dropped since the start because the queue was full.
    pub dropped: u64,
}

impl SessionManager {
    /// Stops the background tasks, and writes the activity that waits, within `deadline`.
    ///
    /// The manager still answers afterwards, but activity is no longer written. Call it when the server has stopped
    /// accepting requests. Calling it twice is harmless.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let inner = &self.inner;
        let ended = time::timeout(deadline, async {
            inner.background.stop().await;
            while !inner.flush_activity().await {
                time::sleep(Duration::from_millis(50)).await;
            }
        });
        // Whether the deadline cut it short shows in what is left.
        let _ = ended.await;
        ShutdownReport { unwritten: inner.activity.len(), dropped: inner.activity.dropped() }
    }

    /// Deletes ended records that are past their retention now, instead of at the next interval, and forgets addresses that
    /// are past theirs. Answers how many records were deleted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time. What was
    /// deleted until then stays deleted.
    pub async fn purge(&self) -> Result<u64, crate::Error> {
        let now = self.inner.clock.now();
        let purged = self.inner.purge(now).await?;
        self.inner.forget_addresses(now, None).await?;
        Ok(purged)
    }
}

impl Background {
    pub(crate) fn new() -> Self {
        Self { started: AtomicBool::new(false), stop: watch::Sender::new(false), tasks: Mutex::default() }
    }

    /// Starts the tasks, if they have not been started yet.
    pub(crate) fn ensure_running(&self, inner: &Arc<Inner>) {
        if self.started.load(Ordering::Relaxed) || self.started.swap(true, Ordering::AcqRel) {
            return;
        }
        let tasks = [
            supervise("activity writer", inner, self.stop.subscribe(), write_activity),
            supervise("cleaner", inner, self.stop.subscribe(), delete_old_records),
            supervise("listener", inner, self.stop.subscribe(), hear_other_nodes),
            supervise("watcher", inner, self.stop.subscribe(), watch_sessions),
            supervise("observer of the set-up", inner, self.stop.subscribe(), look_at_setup),
        ];
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend(tasks);
    }

    async fn stop(&self) {
        self.started.store(true, Ordering::Release);
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A supervisor ends without panicking; if it did, it has ended too.
            let _ = task.await;
        }
    }
}

/// Runs `work` in a task, and again whenever it ends before it is told to, waiting a little longer each time.
fn supervise<F, W>(name: &'static str, inner: &Arc<Inner>, stop: watch::Receiver<bool>, work: W) -> JoinHandle<()>
where
    W: Fn(Weak<Inner>, watch::Receiver<bool>) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let inner = Arc::downgrade(inner);
    tokio::spawn(async move {
        let mut pause = FIRST_PAUSE;
        loop {
            let ended = tokio::spawn(work(Weak::clone(&inner), stop.clone())).await;
            if must_stop(&stop) {
                return;
            }
            logging::task_ended(name, ended.is_err(), pause);
            time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    })
}

/// Whether a task is to end: it was told so, or the manager is gone.
fn must_stop(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

/// Waits for the interval; false when the task is to end.
pub(super) async fn next_round(interval: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    let waited = time::timeout(interval, stop.wait_for(|stop| *stop)).await;
    // What arrived within the interval is the word to stop, or the end of the manager.
    waited.is_err()
}

async fn write_activity(inner: Weak<Inner>, mut stop: watch::Receiver<bool>) {
    let Some(interval) = inner.upgrade().map(|inner| inner.timings.flush_interval) else {
        return;
    };
    while next_round(interval, &mut stop).await {
        let Some(inner) = inner.upgrade() else {
            return;
        };
        inner.flush_activity().await;
    }
}

async fn delete_old_records(inner: Weak<Inner>, mut stop: watch::Receiver<bool>) {
    let Some((interval, began)) = inner.upgrade().map(|inner| (inner.timings.purge_interval, inner.both_clocks()))
    else {
        return;
    };
    let mut forgotten = None;
    while next_round(interval, &mut stop).await {
        let Some(inner) = inner.upgrade() else {
            return;
        };
        // R11: a clock that has jumped ahead must not delete what a corrected clock would keep.
        let now = inner.both_clocks();
        let ahead = now.0.duration_since(began.0).saturating_sub(now.1.saturating_sub(began.1));
        if ahead > TOLERATED_JUMP {
            logging::clock_jumped(ahead);
            continue;
        }
        // An error is on the log already, and the next round tries again.
        let _ = inner.purge(now.0).await;
        if let Ok(until) = inner.forget_addresses(now.0, forgotten).await {
            forgotten = until;
        }
    }
}

impl Inner {
    async fn purge(&self, now: Timestamp) -> Result<u64, crate::Error> {
        let before = now.saturating_sub(self.timings.retention);
        let mut purged = 0;
        loop {
            let deleted = self.within_deadline("purge", self.store.purge(before, PURGE_BATCH)).await?;
            purged += deleted;
            if deleted < u64::from(PURGE_BATCH) {
                logging::purged(purged);
                return Ok(purged);
            }
            // Others wait for the same rows and the same disk.
            time::sleep(BETWEEN_BATCHES).await;
        }
    }

    fn both_clocks(&self) -> (Timestamp, Duration) {
        (self.clock.now(), Duration::from_nanos(self.clock.ticks()))
    }
}

const PURGE_BATCH: u32 = 1_000;

const BETWEEN_BATCHES: Duration = Duration::from_millis(20);

const TOLERATED_JUMP: Duration = Duration::from_secs(3_600);

const FIRST_PAUSE: Duration = Duration::from_secs(1);

const LONGEST_PAUSE: Duration = Duration::from_secs(60);
