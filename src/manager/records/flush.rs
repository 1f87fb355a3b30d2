//! Writing the activity that waits.
//!
//! 1. All that waits is taken at once, sorted by key, and written in chunks, one after another.
//! 2. A chunk is as long as the store writes in [`TARGET`], going by the time that it took for the chunks before: it
//!    holds its locks about as long as it takes, and revocations and sign-ins wait for those. Chunks shrink at once,
//!    and grow by half: SQLite's checkpoints and the like make one chunk out of several slow.
//! 3. What has not been written, by an error, a deadline or a panic, waits again.

use std::{
    slice,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::{
    activity::ActivityQueue,
    clock::ticks,
    error::Error,
    id::{SessionId, UserId},
    manager::{SessionManager, records::Records},
    metrics::Operation,
    policy::{Admission, OverLimit},
    session::Touch,
};

/// How many sessions' activity is written at once; what has been learned lasts from one flush to the next.
#[derive(Debug)]
pub(crate) struct ChunkSize {
    sessions: AtomicUsize,
}

impl SessionManager {
    /// Writes the waiting activity now, instead of at the next interval. Returns whether all of it was written.
    pub async fn flush_activity(&self) -> bool {
        self.inner.records.flush_activity().await
    }
}

impl Records {
    /// Writes what waits, in chunks. Returns whether nothing was left behind.
    pub(in crate::manager) async fn flush_activity(&self) -> bool {
        self.metrics.activity_dropped(self.activity.dropped());
        let mut batch = Batch { queue: &self.activity, unwritten: self.activity.take() };
        while !batch.unwritten.is_empty() {
            let chunk = &batch.unwritten[..batch.unwritten.len().min(self.chunk_size.sessions())];
            let (length, since) = (chunk.len(), self.clock.ticks());
            let written = self.ask(Operation::Touch, |store| store.touch(chunk)).await;
            let taken = Duration::from_nanos(self.clock.ticks().saturating_sub(since));
            self.note_write(&written);
            if written.is_err() {
                self.chunk_size.failed(length, taken);
                return false;
            }
            self.chunk_size.took(length, taken);
            batch.unwritten.drain(..length);
            self.metrics.activity_written(length);
            self.metrics.activity_waiting(|| self.activity.len() + batch.unwritten.len());
        }
        true
    }

    /// Lets the store know which sessions of the user this node has lately seen in use, if that decides who gives way.
    ///
    /// It is known to the activity interval: of two sessions that were both in use within one, either may go.
    pub(in crate::manager) async fn settle_activity(&self, admission: &Admission, user: &UserId) {
        if !admission.limits.iter().any(|limit| limit.over == OverLimit::RevokeLeastRecent) {
            return;
        }
        self.write_activity_of_user(user).await;
    }

    /// Writes what activity of a user waits on this node. Returns whether there was any.
    pub(in crate::manager) async fn write_activity_of_user(&self, user: &UserId) -> bool {
        let touches = self.activity.take_of(user);
        if touches.is_empty() {
            return false;
        }
        // A failure is on the log. The caller goes on with what is on record.
        if self.ask(Operation::Touch, |store| store.touch(&touches)).await.is_err() {
            self.activity.put_back(touches);
        }
        true
    }

    /// Writes the activity of one session: what waits must not make it look idle to the store.
    pub(in crate::manager) async fn write_activity_of(&self, id: SessionId) -> Result<(), Error> {
        let Some(touch) = self.activity.take_one(id) else {
            return Ok(());
        };
        let written = self.ask(Operation::Touch, |store| store.touch(slice::from_ref(&touch))).await;
        self.note_write(&written);
        if written.is_err() {
            self.activity.put_back([touch]);
        }
        written.map(drop)
    }
}

impl ChunkSize {
    pub(crate) fn new() -> Self {
        Self { sessions: AtomicUsize::new(FIRST) }
    }

    fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Learns from a chunk that was written. Time spent waiting for a connection or for others' locks counts, too: the
    /// two look the same here, and after a long wait a small chunk is better.
    fn took(&self, sessions: usize, taken: Duration) {
        let (now, fitting) = (self.sessions(), fitting(sessions, taken));
        // What is left at the end of a flush may be a single session: it can be too slow, but that it was quick says
        // nothing of a full chunk, and what a commit costs by itself is not to be multiplied.
        if sessions >= now || taken > TARGET {
            self.sessions.store(fitting.clamp(LEAST, MOST).min(now + now / 2), Ordering::Relaxed);
        }
    }

    /// Learns from a chunk that was not: no store is quick by refusing.
    fn failed(&self, sessions: usize, taken: Duration) {
        if taken > TARGET {
            self.took(sessions, taken);
        }
    }
}

/// How many sessions fit into [`TARGET`] if so many took that long.
fn fitting(sessions: usize, taken: Duration) -> usize {
    let fitting = sessions as u128 * u128::from(ticks(TARGET)) / u128::from(ticks(taken).max(1));
    usize::try_from(fitting).unwrap_or(usize::MAX)
}

/// Activity that is being written. What has not been when it is dropped, by an error, a deadline or a panic, waits
/// again.
struct Batch<'a> {
    queue: &'a ActivityQueue,
    unwritten: Vec<Touch>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.queue.put_back(std::mem::take(&mut self.unwritten));
    }
}

/// How long a chunk is to take: a third of the 30 ms that it may, since the same work does not always take the same
/// time.
const TARGET: Duration = Duration::from_millis(10);

/// Within the limit also where a session costs 0.3 ms, far more than in any store of this crate.
const FIRST: usize = 100;

/// However slow the store is, as many share a commit: one that is far away, for which short chunks are no quicker,
/// still takes 2,500 a second at 20 ms each.
const LEAST: usize = 50;

const MOST: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// How long each of so many chunks is, and the longest time one took, when a chunk and a session cost so many µs.
    fn chunks<const N: usize>(size: &ChunkSize, chunk: u64, session: u64) -> ([usize; N], Duration) {
        let mut longest = Duration::ZERO;
        let lengths = [(); N].map(|()| {
            let length = size.sessions();
            let taken = Duration::from_micros(chunk + session * length as u64);
            size.took(length, taken);
            longest = longest.max(taken);
            length
        });
        (lengths, longest)
    }

    #[test]
    fn chunks_grow_while_the_store_is_quick_and_shrink_at_once_when_it_is_slow() {
        let size = ChunkSize::new();
        for (session, expected) in [
            (4, [100, 150, 225, 337, 505, 757]),
            (60, [1_000, 166, 166, 166, 166, 166]),
            (75, [166, 133, 133, 133, 133, 133]),
            (2_000, [133, 50, 50, 50, 50, 50]),
            (20, [50, 75, 112, 168, 252, 378]),
        ] {
            assert_eq!(chunks(&size, 0, session).0, expected, "at {session} µs");
        }
    }

    #[test]
    fn no_chunk_takes_longer_than_30_ms_while_the_costs_stay_the_same() {
        for chunk in [0, 1_000, 5_000, 12_000] {
            for session in [0, 1, 10, 50, 100, 180] {
                let (_, longest) = chunks::<30>(&ChunkSize::new(), chunk, session);
                assert!(longest <= Duration::from_millis(30), "{longest:?} with {chunk} and {session} µs");
            }
        }
    }

    #[test]
    fn the_rest_of_a_flush_tells_only_that_it_was_slow() {
        let size = ChunkSize::new();
        size.took(1, Duration::from_millis(5));
        size.took(99, Duration::ZERO);
        assert_eq!(size.sessions(), 100);
        size.took(90, Duration::from_millis(15));
        assert_eq!(size.sessions(), 60);
    }

    #[test]
    fn a_failure_never_lets_chunks_grow() {
        let size = ChunkSize::new();
        size.failed(100, Duration::from_micros(50));
        assert_eq!(size.sessions(), 100);
        size.failed(100, Duration::from_millis(16));
        assert_eq!(size.sessions(), 62);
        size.failed(62, Duration::from_secs(1));
        assert_eq!(size.sessions(), LEAST);
    }
}
