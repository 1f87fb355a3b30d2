use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tower_device_sessions::{
    Session, UserId,
    clock::Timestamp,
    policy::{Admission, OverLimit, SessionLimit},
    session::{Actor, AsOf, EndReason, Ending, Touch},
    store::{
        ListPosition, ListQuery, SessionState, SessionStore, SqliteStore, StoreError, StoreErrorKind,
        conformance::{Case, Failure},
        sqlx,
    },
};

use super::servers;

const DAY: Duration = Duration::from_secs(86_400);

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

mod with_shared_connections {
    use super::{Case, Database, Failure, SessionStore, SqliteStore, sqlx::SqlitePool};

    tower_device_sessions::store_conformance!(
        run = async |case: &'static Case| -> Result<(), Failure> {
            let database = Database::new();
            let pool = SqlitePool::connect(&format!("{}?mode=rwc", database.url())).await.unwrap();
            let store = SqliteStore::from_pool(pool);
            store.migrate().await.unwrap();
            case.check(store).await
        }
    );
}

/// R37.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_worth_of_writers_wait_for_each_other() {
    let database = Database::new();
    let stores = [database.store().await.unwrap(), database.store().await.unwrap()];
    let now = Timestamp::from_seconds(1_767_225_600);
    let mut writers = tokio::task::JoinSet::new();
    for (place, store) in (0..).zip(stores.clone()) {
        writers.spawn(async move {
            for round in 0..100 {
                let session = Session::new(UserId::from(place), now, now.saturating_add(DAY));
                let mut admission = Admission::new(AsOf::new(now, Duration::ZERO));
                if round % 2 == 0 {
                    admission.limits.push(SessionLimit::new(10, OverLimit::RevokeOldest));
                }
                store.insert(&session, &admission).await.unwrap();
                store.touch(&[Touch::new(session.key(), now)]).await.unwrap();
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    for user in [0, 1] {
        let everything = ListQuery::new(SessionState::All, 1_000, AsOf::new(now, Duration::ZERO));
        assert_eq!(stores[0].list(&UserId::from(user), &everything).await.unwrap().len(), 100);
    }
}

#[tokio::test]
async fn a_user_with_10_000_sessions_pages_through_them() {
    let store = SqliteStore::connect("sqlite::memory:").await.unwrap();
    store.migrate().await.unwrap();
    let (ann, now) = (UserId::from(1), Timestamp::from_seconds(1_767_225_600));
    for age in 0..10_000 {
        let started = now.saturating_sub(Duration::from_secs(age / 3));
        let session = Session::new(ann.clone(), started, now.saturating_add(DAY));
        store.insert(&session, &Admission::new(AsOf::new(now, Duration::ZERO))).await.unwrap();
    }

    let mut query = ListQuery::new(SessionState::Active, 100, AsOf::new(now, Duration::ZERO));
    let mut shown = Vec::new();
    loop {
        let page = store.list(&ann, &query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some(ListPosition::of(last));
        shown.extend(page.iter().map(ListPosition::of));
    }
    assert_eq!(shown.len(), 10_000);
    assert!(shown.is_sorted_by(|newer, older| newer > older));
}

/// R24.
#[test]
fn eight_processes_migrate_at_once() {
    let database = Database::new();
    servers::run_in_processes(8, "stores::sqlite::migrates_and_inserts", &database.url(), "eight_");
}

#[tokio::test]
#[ignore = "is run in processes of its own by `eight_processes_migrate_at_once`"]
async fn migrates_and_inserts() {
    let Some((url, prefix)) = servers::assignment() else { return };
    let store = SqliteStore::connect(&url).await.unwrap().table_prefix(&prefix).unwrap();
    servers::migrate_and_insert(&store).await;
}

#[tokio::test]
async fn a_missing_schema_is_told_from_a_store_that_is_down() {
    let store = SqliteStore::connect("sqlite::memory:").await.unwrap();
    servers::ensure_schema_is_missed(&store).await;
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused() {
    for url in ["", "sessions.db", "postgres://127.0.0.1/test", "mysql://127.0.0.1/test", "SQLITE::memory:"] {
        let error = SqliteStore::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Location, "{url}");
    }
    let elsewhere = SqliteStore::connect("sqlite:///nonexistent/sessions.db").await.unwrap_err();
    assert_eq!(elsewhere.kind(), StoreErrorKind::Unavailable);
    let memory = SqliteStore::connect("sqlite::memory:").await.unwrap();
    assert_eq!(memory.table_prefix("no; such").unwrap_err().kind(), StoreErrorKind::Location);
}

/// Sessions are nobody else's business on a machine that several people use.
#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_for_its_owner_only() -> Result<(), Box<dyn std::error::Error>> {
    use std::os::unix::fs::PermissionsExt;

    let rights = |path: &Path| Ok::<_, std::io::Error>(std::fs::metadata(path)?.permissions().mode() & 0o777);
    let database = Database::new();
    let store = database.store().await?;
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", database.0.display()));
    for path in [database.0.clone(), beside("-wal"), beside("-shm")] {
        assert_eq!(rights(&path)?, 0o600, "{}", path.display());
    }
    drop(store);

    // What was there before keeps the rights that somebody has given it.
    std::fs::set_permissions(&database.0, std::fs::Permissions::from_mode(0o640))?;
    database.store().await?;
    assert_eq!(rights(&database.0)?, 0o640);
    Ok(())
}

/// A restart would undo whatever was written to the file that nobody sees any more, revocations too.
#[cfg(unix)]
#[tokio::test]
async fn a_file_that_was_replaced_or_removed_takes_no_changes() {
    let now = Timestamp::from_seconds(1_767_225_600);
    for is_replaced in [true, false] {
        let database = Database::new();
        let store = database.store().await.unwrap();
        let session = Session::new(UserId::from(1), now, now.saturating_add(DAY));
        store.insert(&session, &Admission::new(AsOf::new(now, Duration::ZERO))).await.unwrap();
        store.check().await.unwrap();

        if is_replaced {
            let backup = database.0.with_extension("backup");
            std::fs::copy(&database.0, &backup).unwrap();
            std::fs::rename(&backup, &database.0).unwrap();
        } else {
            std::fs::remove_file(&database.0).unwrap();
        }
        let ending = Ending::new(EndReason::RevokedByUser, Actor::System, now);
        let ended = store.end(&session.key(), &ending, Duration::ZERO).await;
        let touched = store.touch(&[Touch::new(session.key(), now)]).await;
        for error in [ended.unwrap_err(), touched.unwrap_err(), store.check().await.unwrap_err()] {
            assert_eq!(error.kind(), StoreErrorKind::Unsuitable, "{error:?}");
        }
        // Nobody is signed out for it, and what had been revoked before is not back.
        assert!(store.find(&session.key()).await.unwrap().is_some());

        let restarted = database.store().await.unwrap();
        restarted.check().await.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_takes_no_changes_is_refused() {
    let database = Database::new();
    drop(database.store().await.unwrap());
    let read_only = match SqliteStore::connect(&format!("{}?mode=ro", database.url())).await {
        Ok(store) => store.migrate().await,
        Err(error) => Err(error),
    };
    assert_eq!(read_only.unwrap_err().kind(), StoreErrorKind::Unsuitable);
}
