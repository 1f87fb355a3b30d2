//! The manager over SQLite: busy databases, small pools, cancelled writes, and long lists.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use axum::Router;
use tower_device_sessions::{
    ErrorKind, KeyRing, Session, SessionKey, SessionManager, UserId,
    clock::Timestamp,
    manager::{ListOptions, Revocation},
    policy::{Admission, Denied},
    session::{Actor, AsOf, EndReason, Ending},
    store::{
        SessionStore, SqliteStore,
        sqlx::{
            self,
            sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
        },
    },
};

use crate::support::{CHROME, SECRET, TestResult, app, delete_with, get_with};

/// A database file of a test's own, deleted with it.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("embedded-{}-{}.db", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    async fn store(&self) -> Result<SqliteStore, Box<dyn std::error::Error + Send + Sync>> {
        let store = SqliteStore::connect(&format!("sqlite://{}", self.0.display())).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Connections of the application's own: quick, and as few as it says.
    async fn pool(&self, connections: u32) -> Result<SqlitePool, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(&self.0)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off);
        SqlitePoolOptions::new().max_connections(connections).connect_with(options).await
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(suffix);
            // Whatever is left lies in the build's own folder.
            let _ = std::fs::remove_file(name);
        }
    }
}

fn manager(store: SqliteStore) -> SessionManager {
    SessionManager::builder(store).keys(KeyRing::hs256(SECRET).expect("a good secret")).build().expect("good settings")
}

/// The story of the README, on a database.
#[tokio::test]
async fn a_phone_that_is_signed_out_is_out() -> TestResult {
    let file = File::new();
    let sessions = manager(file.store().await?);
    let routes: Router = app(&sessions);
    let client = || tower_device_sessions::ClientInfo::new().user_agent(CHROME);
    let (laptop, phone) = (sessions.start("ann", client()).await?, sessions.start("ann", client()).await?);
    for started in [&laptop, &phone] {
        assert_eq!(get_with(&routes, "/me", started.token()).await.body, "ann");
    }
    let path = format!("/api/sessions/{}", phone.session().id);
    assert_eq!(delete_with(&routes, &path, laptop.token()).await.status, 204);
    let denied = get_with(&routes, "/me", phone.token()).await;
    assert_eq!((denied.status.as_u16(), denied.json()["reason"].as_str()), (401, Some("revoked_by_user")));

    // Another process, later.
    let restarted = manager(file.store().await?);
    assert!(restarted.authenticate(laptop.token()).await.is_ok());
    assert!(matches!(restarted.authenticate(phone.token()).await, Err(Denied::Ended(_))));
    Ok(())
}

/// R37, R02: while another process holds the database's write lock, changes fail within the deadline, requests go on,
/// and afterwards everything works.
#[tokio::test]
async fn a_database_that_another_process_is_writing_to_is_an_outage_of_changes_alone() -> TestResult {
    let file = File::new();
    let sessions = manager(file.store().await?);
    let started = sessions.start("ann", Default::default()).await?;
    let other_process = file.pool(1).await?;
    let mut lock = other_process.acquire().await?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *lock).await?;

    let refused = sessions.start("ann", Default::default()).await.map_err(|error| error.kind());
    assert_eq!(refused.map(drop), Err(ErrorKind::Unavailable));
    let current = sessions.authenticate(started.token()).await?;

    sqlx::query("ROLLBACK").execute(&mut *lock).await?;
    drop(lock);
    let _started = sessions.start("ann", Default::default()).await?;
    sessions.sign_out(&current).await?;
    assert!(matches!(sessions.authenticate(started.token()).await, Err(Denied::Ended(_))));
    Ok(())
}

/// R26: a pool of one connection, and a hundred cold sessions at once.
#[tokio::test]
async fn a_pool_of_one_connection_serves_a_hundred_cold_sessions() -> TestResult {
    let file = File::new();
    let store = SqliteStore::from_pool(file.pool(1).await?);
    store.migrate().await?;
    let sessions = manager(store.clone());
    let mut tokens = Vec::new();
    for number in 0..100 {
        tokens.push(sessions.start(format!("user-{number}").as_str(), Default::default()).await?.token().to_owned());
    }
    let requests: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let sessions = sessions.clone();
            tokio::spawn(async move { sessions.authenticate(&token).await.map(drop) })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await?, Ok(()));
    }
    Ok(())
}

/// R17: what has been answered is what the next read sees, though reads have connections of their own.
#[tokio::test]
async fn a_read_after_a_write_sees_it() -> TestResult {
    let file = File::new();
    let store = file.store().await?;
    let sessions = SessionManager::builder(store).keys(KeyRing::hs256(SECRET)?).cache_ttl(Duration::ZERO).build()?;
    for _ in 0..30 {
        let started = sessions.start("ann", Default::default()).await?;
        let current = sessions.authenticate(started.token()).await?;
        sessions.sign_out(&current).await?;
        assert!(matches!(sessions.authenticate(started.token()).await, Err(Denied::Ended(_))));
    }
    Ok(())
}

/// S37, R28: a sign-in that is cancelled at any moment poisons no connection: what is answered with Ok afterwards is
/// there, as another process sees it.
#[tokio::test]
async fn a_cancelled_transaction_poisons_no_later_write() -> TestResult {
    let file = File::new();
    let store = file.store().await?;
    let other_process = file.store().await?;
    let (user, now) = (UserId::from(1), Timestamp::from_seconds(1_767_225_600));
    let session = || Session::new(user.clone(), now, now.saturating_add(Duration::from_secs(3_600)));
    let ending = Ending::new(EndReason::SignedOut, Actor::System, now);
    for micros in (0..40).map(|step| step * 60) {
        let held = session();
        store.insert(&held, &Admission::new(AsOf::new(now, Duration::ZERO))).await?;
        let mut admission = Admission::new(AsOf::new(now, Duration::ZERO));
        admission.supersedes = Some(held.id);
        let newcomer = session();
        // Whether it was in time does not matter.
        let _ = tokio::time::timeout(Duration::from_micros(micros), store.insert(&newcomer, &admission)).await;

        let later = session();
        store.insert(&later, &Admission::new(AsOf::new(now, Duration::ZERO))).await?;
        store.end(&SessionKey::new(user.clone(), later.id), &ending, Duration::ZERO).await?;
        let seen =
            other_process.find(&SessionKey::new(user.clone(), later.id)).await?.expect("it was answered with Ok");
        assert_eq!(seen.ended, Some(ending.clone()), "after {micros} µs");

        let replaced =
            other_process.find(&SessionKey::new(user.clone(), held.id)).await?.expect("it was there").ended.is_some();
        let is_there = other_process.find(&SessionKey::new(user.clone(), newcomer.id)).await?.is_some();
        assert_eq!(replaced, is_there, "the old state or the new one, after {micros} µs");
    }
    Ok(())
}

/// S82: a user with 10,000 sessions pages through all of them. The times are printed: 3 ms a page on a quiet machine.
#[tokio::test]
async fn a_user_with_ten_thousand_sessions_pages_through_them() -> TestResult {
    let file = File::new();
    let store = SqliteStore::from_pool(file.pool(2).await?);
    store.migrate().await?;
    let now = Timestamp::from(std::time::SystemTime::now());
    let (ann, bob) = (UserId::try_from("ann")?, UserId::try_from("bob")?);
    for number in 0..10_000_u64 {
        let at = now.saturating_sub(Duration::from_secs(number * 60));
        let session = Session::new(ann.clone(), at, now.saturating_add(Duration::from_secs(3_600)));
        store.insert(&session, &Admission::new(AsOf::new(at, Duration::ZERO))).await?;
        if number % 100 == 0 {
            let other = Session::new(bob.clone(), at, now.saturating_add(Duration::from_secs(3_600)));
            store.insert(&other, &Admission::new(AsOf::new(at, Duration::ZERO))).await?;
        }
    }
    let sessions = manager(store);
    let (mut seen, mut times, mut cursor) = (Vec::new(), Vec::new(), None);
    loop {
        let began = Instant::now();
        let page = sessions.list(&ann, &ListOptions::new().limit(100).cursor(cursor)).await?;
        times.push(began.elapsed());
        seen.extend(page.sessions.iter().map(|session| (std::cmp::Reverse(session.last_active_at), session.id)));
        let Some(next) = page.next else { break };
        cursor = Some(next);
    }
    assert_eq!((seen.len(), times.len()), (10_000, 100));
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0), "each once, newest activity first");
    times.sort();
    println!("a page of 100 among 10,000 sessions: median {:?}, slowest {:?}", times[50], times[99]);

    assert_eq!(sessions.revoke_all(&ann, Revocation::by_application()).await?, 10_000);
    assert_eq!(sessions.list(&bob, &ListOptions::new().limit(100)).await?.sessions.len(), 100);
    Ok(())
}
