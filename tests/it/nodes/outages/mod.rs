//! Two nodes on a real server that is killed, cut off and slow: nobody is signed out, and no acknowledged revocation is
//! lost.
//!
//! Each test starts a server of its own, on a free port.

mod deaf;
mod failover;
mod history;
mod many;
mod readonly;
mod restarts;
mod servers;
mod wire;

use std::time::Duration;

use tower_device_sessions::{KeyRing, SessionManager, StartedSession, manager::SessionManagerBuilder};

use crate::support::SECRET;

/// A node whose cache forgets soon enough for a test.
fn node(builder: SessionManagerBuilder, cache_ttl: Duration) -> SessionManager {
    let keys = KeyRing::hs256(SECRET).expect("a good secret");
    builder.keys(keys).cache_ttl(cache_ttl).build().expect("good settings")
}

async fn sign_in(sessions: &SessionManager, user: &str) -> StartedSession {
    sessions.start(user, Default::default()).await.expect("a working store")
}

/// Waits until a node hears the others, and for so many epochs to have passed.
async fn hears(sessions: &SessionManager, epoch_bumps: u64) {
    while !sessions.health().bus.is_some_and(|bus| bus.connected && bus.epoch_bumps >= epoch_bumps) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
