//! The state of a manager.

use crate::{error::Error, manager::SessionManager, metrics::Operation};

/// The state of a manager, for a health check or a page of figures. Counters start when it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The way to other nodes; `None` when there is none.
    pub bus: Option<NodeHealth>,
    /// How many sessions the cache holds.
    pub cached_sessions: u64,
    /// How many sessions' activity waits to be written.
    pub activity_waiting: usize,
    /// How many sessions' activity was dropped because the queue was full.
    pub activity_dropped: u64,
}

/// The state of the connection to other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeHealth {
    /// The name of the bus, such as `redis`.
    pub name: &'static str,
    /// Whether messages of other nodes arrive at the moment. While they do not, the cache's time to live is the bound.
    /// It is `false` before the first request.
    pub connected: bool,
    /// How many gaps there were in the messages to this node: connections lost, messages that came too fast or could
    /// not be read.
    pub gaps: u64,
    /// How often the whole cache was voided: at each gap, and at each connection to the bus.
    pub epoch_bumps: u64,
    /// How many messages were received, including this node's own.
    pub received: u64,
    /// How many messages were handed over.
    pub published: u64,
    /// How many messages could not be handed over. Other nodes noticed within the cache's time to live.
    pub unpublished: u64,
}

impl SessionManager {
    /// Finds out whether the store can be used: it answers, has its schema, and takes changes. It changes nothing. For
    /// a health check; call it at most once a second.
    ///
    /// While the store takes no changes, sessions are still accepted: a node that is taken out of service for it serves
    /// nobody.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) with the reason as its source, within the store's
    /// deadline.
    pub async fn check_store(&self) -> Result<(), Error> {
        self.inner.records.ask(Operation::Check, |store| store.check()).await
    }

    /// Returns the state of the manager. It does no I/O, and takes each of the cache's locks once.
    pub fn health(&self) -> Health {
        let inner = &self.inner;
        let bus = inner.records.nodes.as_ref().map(|nodes| {
            let health = nodes.bus_health();
            NodeHealth {
                name: nodes.bus_name(),
                connected: nodes.are_heard(),
                gaps: health.gaps,
                epoch_bumps: nodes.epoch_bumps(),
                received: health.received,
                published: health.published,
                unpublished: health.unpublished,
            }
        });
        Health {
            bus,
            cached_sessions: self.cached_sessions(),
            activity_waiting: inner.records.activity.len(),
            activity_dropped: inner.records.activity.dropped(),
        }
    }
}
