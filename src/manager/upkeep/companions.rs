//! Managers of one process that do not know of each other.

use std::sync::{
    Once,
    atomic::{AtomicUsize, Ordering},
};

use crate::logging;

/// How many managers of this process have a store in memory, and do not hear each other.
static IN_MEMORY: AtomicUsize = AtomicUsize::new(0);

/// Counts a manager over a store in memory, as long as it lives.
pub(super) struct Companions {
    counts: bool,
}

impl Companions {
    /// Counts a manager over a store of this name, and hints at it if there is another one: they have different
    /// sessions, or do not hear each other.
    pub(super) fn join(store: &str, hears_others: bool) -> Self {
        let counts = store == "memory" && !hears_others;
        if counts && IN_MEMORY.fetch_add(1, Ordering::Relaxed) > 0 {
            static HINTED: Once = Once::new();
            HINTED.call_once(logging::second_manager_in_memory);
        }
        Self { counts }
    }
}

impl Drop for Companions {
    fn drop(&mut self) {
        if self.counts {
            IN_MEMORY.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
