//! The background tasks.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle, time};

use crate::{
    logging,
    manager::{
        Inner, SessionManager,
        records::{nodes::hear_other_nodes, watch::watch_sessions},
        upkeep::{cleaner::delete_old_records, next_round::next_round, setup::look_at_setup},
    },
};

/// The tasks that work beside the requests: writing activity, deleting old records, hearing other nodes, looking at the
/// sessions that connections wait for, and at how things are set up.
///
/// They start with the first request, since a manager may be built before there is a runtime, and end with the manager
/// or by [`SessionManager::shutdown`]. A task that panics is started again.
pub(super) struct Background {
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
    /// Stops the background tasks and writes the waiting activity, within `deadline`.
    ///
    /// The manager still works afterwards, but activity is no longer written. Call it when the server has stopped
    /// accepting requests. Calling it twice is harmless.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let inner = &self.inner;
        let ended = time::timeout(deadline, async {
            inner.upkeep.background.stop().await;
            while !inner.records.flush_activity().await {
                time::sleep(Duration::from_millis(50)).await;
            }
        });
        // Whether the deadline cut it short shows in what is left.
        let _ = ended.await;
        ShutdownReport { unwritten: inner.records.activity.len(), dropped: inner.records.activity.dropped() }
    }
}

impl Inner {
    /// Starts the tasks, if they have not been started yet.
    pub(in crate::manager) fn ensure_running(self: &Arc<Self>) {
        self.upkeep.background.ensure_running(self);
    }
}

impl Background {
    pub(super) fn new() -> Self {
        Self { started: AtomicBool::new(false), stop: watch::Sender::new(false), tasks: Mutex::default() }
    }

    fn ensure_running(&self, inner: &Arc<Inner>) {
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

async fn write_activity(inner: Weak<Inner>, mut stop: watch::Receiver<bool>) {
    let Some(interval) = inner.upgrade().map(|inner| inner.settings.flush_interval()) else {
        return;
    };
    while next_round(interval, &mut stop).await {
        let Some(inner) = inner.upgrade() else {
            return;
        };
        inner.records.flush_activity().await;
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);

const LONGEST_PAUSE: Duration = Duration::from_secs(60);
