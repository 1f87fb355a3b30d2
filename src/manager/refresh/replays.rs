//! How often used refresh tokens have returned their successor again.

use moka::{ops::compute::Op, policy::EvictionPolicy};

use crate::id::SessionId;

/// Counts, for the sessions that did so lately, how often each generation was repeated on this node.
///
/// Only the newest such generation of a session is counted: anything older ends the session.
pub(super) struct Replays {
    recent: moka::sync::Cache<SessionId, Counted>,
}

#[derive(Clone, Copy)]
struct Counted {
    generation: u32,
    times: u32,
}

impl Replays {
    pub(super) fn new() -> Self {
        let recent = moka::sync::Cache::builder().max_capacity(10_000).eviction_policy(EvictionPolicy::lru()).build();
        Self { recent }
    }

    /// Counts one more, and returns how often it has been.
    pub(super) fn count(&self, session: SessionId, generation: u32) -> u32 {
        let counted = self.recent.entry(session).and_compute_with(|entry| {
            let before = entry.map(moka::Entry::into_value).filter(|counted| counted.generation == generation);
            let times = before.map_or(0, |counted| counted.times).saturating_add(1);
            Op::Put(Counted { generation, times })
        });
        counted.into_entry().map_or(1, |entry| entry.value().times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn each_generation_of_a_session_is_counted_for_itself() {
        let replays = Replays::new();
        let (one, other) = (SessionId::at(Timestamp::UNIX_EPOCH), SessionId::at(Timestamp::UNIX_EPOCH));
        let counts = [(one, 0), (one, 0), (other, 0), (one, 1), (one, 1), (one, 0)];
        assert_eq!(counts.map(|(session, generation)| replays.count(session, generation)), [1, 2, 1, 1, 2, 1]);
    }
}
