use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use tower_device_sessions::store::{
    SessionStore, SqliteStore, StoreError,
    conformance::{Case, Failure},
};

/// A database file of a test's own, deleted with it.
struct Database(PathBuf);

impl Database {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sessions-{}-{}.db", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.0.display())
    }

    async fn store(&self) -> Result<SqliteStore, StoreError> {
        let store = SqliteStore::connect(&self.url()).await?;
        store.migrate().await?;
        Ok(store)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(with_suffix(&self.0, suffix));
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

mod in_a_file {
    use super::{Case, Database, Failure};

    tower_device_sessions::store_conformance!(
        run = async |case: &'static Case| -> Result<(), Failure> {
            let database = Database::new();
            case.check(database.store().await.unwrap()).await
        }
    );
}

mod in_memory {
    use super::{SessionStore, SqliteStore};

    async fn store() -> SqliteStore {
        let store = SqliteStore::connect("sqlite::memory:").await.unwrap().table_prefix("other_").unwrap();
        store.migrate().await.unwrap();
        store
    }

    tower_device_sessions::store_conformance!(store);
}
