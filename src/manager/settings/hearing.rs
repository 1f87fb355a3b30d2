//! How other nodes are heard.

use std::{sync::Arc, time::Duration};

use crate::{
    bus::RevocationBus,
    manager::settings::{Hearing, SessionManagerBuilder},
    token::KeyRing,
};

/// # Other nodes
///
/// Each node caches what it has read from the store for up to [`cache_ttl`](Self::cache_ttl). A bus makes the others look
/// again as soon as a session has ended. Without one, or while it is out of order, the time to live is the bound.
impl SessionManagerBuilder {
    /// The bus between nodes. Default: a store that other processes may use too is [polled](Self::polling) twice a second;
    /// one in memory, and a SQLite file, need nothing as long as there is one process.
    ///
    /// Nodes hear each other when their stores have the same prefix, and their tokens the same issuer and audience; others
    /// that use the same server do not. A channel that the application names itself is shared by all that name it.
    pub fn bus(mut self, bus: impl RevocationBus) -> Self {
        self.settings.hearing = Hearing::Bus(Arc::new(bus));
        self
    }

    /// Has messages between nodes sealed, by secrets that only the nodes know: an HS256 ring, which may be that of the tokens.
    /// Default: not sealed; anyone who may publish on the channel can make nodes read sessions again, and nothing worse.
    ///
    /// A message without a good seal counts as one that cannot be read. So give the keys to all nodes at about the same time.
    pub fn bus_keys(mut self, keys: KeyRing) -> Self {
        self.settings.bus_keys = Some(keys);
        self
    }

    /// Asks the store this often what has ended, in place of another bus: from 10 ms to 1 s. It is for a SQLite file that
    /// several processes share, or to set the interval. Default: see [`bus`](Self::bus).
    ///
    /// Polling hears of endings alone. Renamed devices, tokens superseded by a step-up, and users that are
    /// [erased](crate::SessionManager::erase_user) within one interval reach other nodes within the time to live.
    pub fn polling(mut self, interval: Duration) -> Self {
        self.settings.hearing = Hearing::Polling(interval);
        self
    }

    /// No bus: other nodes hear of an ending when what they have cached expires. Default: see [`bus`](Self::bus).
    pub fn without_bus(mut self) -> Self {
        self.settings.hearing = Hearing::None;
        self
    }
}
