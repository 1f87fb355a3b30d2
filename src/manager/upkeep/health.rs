use crate::{error::Error, manager::SessionManager};

/// How a manager is doing, for a health check or a page of figures. What is counted is counted since it was built.
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

/// How the way to other nodes is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeHealth {
    /// The name of the bus, such as `redis`.
    pub name: &'static str,
    /// Whether other nodes are heard at the moment. While they are not, the cache's time to live is the bound. It is `false`
    /// before the first request.
    pub connected: bool,
    /// How many gaps there were in what this node has heard: connections lost, messages that came too fast or could not
    /// be read.
    pub gaps: u64,
    /// How often everything cached was given up: at each gap, and whenever the bus was connected to.
    pub epoch_bumps: u64,
    /// How many messages were heard, this node's own among them.
    pub received: u64,
    /// How many messages were handed over.
    pub published: u64,
    /// How many messages could not be handed over. Other nodes have noticed within the cache's time to live.
    pub unpublished: u64,
}

impl SessionManager {
    /// Finds out whether the store can be used: it answers, has its schema, and takes changes. It changes nothing. For a health
    /// check; ask no oftener than once a second.
    ///
    /// While the store takes no changes, sessions are still accepted: a node that is taken out of service for it serves
    /// nobody.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) with the reason as its source, within the store's deadline.
    pub async fn check_store(&self) -> Result<(), Error> {
        self.inner.within_deadline("check", self.inner.store.check()).await
    }

    /// How the manager is doing. It asks nobody, and takes each of the cache's locks once.
    pub fn health(&self) -> Health {
        let inner = &self.inner;
        let bus = inner.nodes.as_ref().map(|nodes| {
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
            activity_waiting: inner.activity.len(),
            activity_dropped: inner.activity.dropped(),
        }
    }
}
