//! How other nodes are heard.

use std::{sync::Arc, time::Duration};

use crate::{
    bus::RevocationBus,
    manager::settings::{Hearing, SessionManagerBuilder},
    token::KeyRing,
};

/// # Other nodes
///
/// Each node caches what it has read from the store for up to [`cache_ttl`](Self::cache_ttl). A bus makes the others
/// read again as soon as a session has ended. Without one, or while it fails, the time to live is the bound.
impl SessionManagerBuilder {
    /// The bus between nodes. Default: a store that other processes may use too is [polled](Self::polling) twice a
    /// second; one in memory, and a SQLite file, need no bus as long as there is one process.
    ///
    /// Nodes hear each other when their stores have the same prefix, and their tokens the same issuer and audience.
    /// Others on the same server do not. A channel that the application names is shared by all nodes that name it.
    pub fn bus(mut self, bus: impl RevocationBus) -> Self {
        self.settings.hearing = Hearing::Bus(Arc::new(bus));
        self
    }

    /// Seals messages between nodes with secrets that only the nodes know: an HS256 ring, which may be that of the
    /// tokens. Default: not sealed; anyone who may publish on the channel can make nodes read sessions again, and
    /// nothing worse.
    ///
    /// A message without a valid seal counts as unreadable. So give the keys to all nodes at about the same time.
    pub fn bus_keys(mut self, keys: KeyRing) -> Self {
        self.settings.bus_keys = Some(keys);
        self
    }

    /// Polls the store for endings at this interval, instead of another bus: from 10 ms to 1 s. Use it for a SQLite
    /// file that several processes share, or to set the interval. Default: see [`bus`](Self::bus).
    ///
    /// Polling only reports endings. Renamed devices, tokens superseded by a step-up, and users that are
    /// [erased](crate::SessionManager::erase_user) within one interval reach other nodes within the time to live.
    pub fn polling(mut self, interval: Duration) -> Self {
        self.settings.hearing = Hearing::Polling(interval);
        self
    }

    /// No bus: other nodes learn of an ending when their cache entries expire. Default: see [`bus`](Self::bus).
    pub fn without_bus(mut self) -> Self {
        self.settings.hearing = Hearing::None;
        self
    }
}
