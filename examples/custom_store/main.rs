//! A store of one's own: sessions in a file of redb, an embedded key-value engine.
//!
//!     cargo run --example custom_store
//!
//! `store.rs` is the store. It keeps no devices and needs no bus, since one process has the file open. The suite that
//! all stores of the crate pass holds it to its promises: `cargo test --all-features --example custom_store`.

mod store;

use tower_device_sessions::{ClientInfo, KeyRing, SessionManager, manager::Revocation, store::SessionStore};

use crate::store::RedbStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join("custom_store.redb");
    let store = RedbStore::open(&path)?;
    println!("sessions of ann in {}: {}", path.display(), count(&store).await?);

    let keys = KeyRing::hs256("2sGqvEN7ZbFZ0Uzs9qfKxPZC0mHzTdxW")?;
    let sessions = SessionManager::builder(store.clone()).keys(keys).build()?;
    let phone = sessions.start("ann", ClientInfo::new()).await?;
    let laptop = sessions.start("ann", ClientInfo::new()).await?;
    sessions.revoke(&phone.session().user_id, phone.session().id, Revocation::by_application()).await?;
    println!("the phone: {:?}", sessions.authenticate(phone.token()).await.map(|current| current.id()));
    println!("the laptop: {:?}", sessions.authenticate(laptop.token()).await.map(|current| current.id()));
    sessions.shutdown(std::time::Duration::from_secs(5)).await;
    println!("sessions of ann in the file: {}", count(&store).await?);
    Ok(())
}

async fn count(store: &RedbStore) -> Result<usize, Box<dyn std::error::Error>> {
    Ok(store.scan(None, 1_000).await?.sessions.len())
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A store over a file of its own, which is gone with the process.
    #[expect(clippy::expect_used, reason = "a test has nobody else to tell")]
    async fn empty_store() -> RedbStore {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let name = format!("custom_store-{}-{}.redb", std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let store = RedbStore::open(&path).expect("a temporary file");
        let _ = std::fs::remove_file(path);
        store
    }

    tower_device_sessions::store_conformance!(empty_store);
}
