//! Last activity: a bounded queue that coalesces by session, never blocks and never waits.
//!
//! 1. One session has at most one place in the queue; newer activity replaces older.
//! 2. A full queue drops sessions that are not in it yet, and counts them.
//! 3. What could not be written is put back, unless newer activity has taken its place.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    id::{SessionId, UserId},
    session::Touch,
};

/// Activity that waits to be written.
#[derive(Debug)]
pub(crate) struct ActivityQueue {
    waiting: Mutex<HashMap<SessionId, Touch>>,
    capacity: usize,
    dropped: AtomicU64,
}

impl ActivityQueue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { waiting: Mutex::default(), capacity, dropped: AtomicU64::new(0) }
    }

    /// Notes activity.
    pub(crate) fn push(&self, touch: Touch) {
        self.push_all([touch]);
    }

    /// Takes everything that waits, sorted, so that writers of several nodes meet the rows in the same order.
    pub(crate) fn take(&self) -> Vec<Touch> {
        let taken = std::mem::take(&mut *self.waiting());
        let mut touches: Vec<Touch> = taken.into_values().collect();
        touches.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        touches
    }

    /// Takes what waits of one session.
    pub(crate) fn take_one(&self, id: SessionId) -> Option<Touch> {
        self.waiting().remove(&id)
    }

    /// Takes what waits of one user's sessions, sorted.
    pub(crate) fn take_of(&self, user: &UserId) -> Vec<Touch> {
        let mut touches: Vec<Touch> =
            self.waiting().extract_if(|_, touch| touch.key.user_id == *user).map(|(_, touch)| touch).collect();
        touches.sort_unstable_by_key(|touch| touch.key.id);
        touches
    }

    /// Puts back what could not be written.
    pub(crate) fn put_back(&self, touches: impl IntoIterator<Item = Touch>) {
        self.push_all(touches);
    }

    /// How many sessions wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting().len()
    }

    /// How much activity has been dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn push_all(&self, touches: impl IntoIterator<Item = Touch>) {
        let mut waiting = self.waiting();
        let mut dropped = 0;
        for touch in touches {
            if let Some(present) = waiting.get_mut(&touch.key.id) {
                merge(present, touch);
            } else if waiting.len() < self.capacity {
                waiting.insert(touch.key.id, touch);
            } else {
                dropped += 1;
            }
        }
        drop(waiting);
        if dropped > 0 && self.dropped.fetch_add(dropped, Ordering::Relaxed) == 0 {
            crate::logging::activity_dropped(dropped);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<SessionId, Touch>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newer activity wins; the newer generation that was seen wins too.
fn merge(present: &mut Touch, other: Touch) {
    present.generation = present.generation.max(other.generation);
    if present.at <= other.at {
        present.at = other.at;
        present.ip = other.ip.or(present.ip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        id::{SessionKey, UserId},
    };

    fn touch(session: i64, at: i64) -> Touch {
        let id = SessionId::from_uuid(uuid::Uuid::from_u128(u128::from(session.unsigned_abs())));
        Touch::new(SessionKey::new(UserId::from(1), id), Timestamp::from_seconds(at))
    }

    #[test]
    fn a_session_waits_once_with_its_newest_activity() {
        let queue = ActivityQueue::new(10);
        for at in [1, 3, 2] {
            queue.push(touch(1, at));
        }
        assert_eq!(queue.take(), [touch(1, 3)]);
        assert_eq!(queue.len(), 0);
    }

    /// R21.
    #[test]
    fn a_full_queue_coalesces_what_it_knows_and_counts_what_it_drops() {
        let queue = ActivityQueue::new(2);
        for session in 1..=5 {
            queue.push(touch(session, 1));
        }
        queue.push(touch(1, 9));
        assert_eq!((queue.len(), queue.dropped()), (2, 3));
        assert_eq!(queue.take(), [touch(1, 9), touch(2, 1)]);
    }

    #[test]
    fn what_is_put_back_does_not_overwrite_newer_activity() {
        let queue = ActivityQueue::new(10);
        queue.push(touch(1, 1));
        queue.push(touch(2, 1));
        let failed = queue.take();
        queue.push(touch(1, 5));
        queue.put_back(failed);
        assert_eq!(queue.take(), [touch(1, 5), touch(2, 1)]);
    }

    /// R23.
    #[test]
    fn what_is_taken_is_sorted_by_key() {
        let queue = ActivityQueue::new(100);
        for session in [5, 3, 9, 1] {
            queue.push(touch(session, 1));
        }
        assert!(queue.take().is_sorted_by_key(|touch| touch.key.id));
    }
}
