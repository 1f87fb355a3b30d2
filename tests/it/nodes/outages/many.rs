//! Many sessions at once: of one user who signs out everywhere, and of everybody in an emergency. Nobody else waits for
//! long.
//!
//! The figures are printed by `cargo test --all-features --test it -- --ignored --nocapture many::figures`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tower_device_sessions::{
    Session, SessionManager, Timestamp, UserId,
    manager::{Revocation, SessionFilter},
    policy::Admission,
    session::AsOf,
    store::{MySqlStore, PostgresStore, RedisStore, SessionStore},
};

use super::{
    node,
    servers::{Database, Kind},
    sign_in,
};
use crate::support::TestResult;

async fn store(database: &Database) -> Arc<dyn SessionStore> {
    let url = database.url(database.port);
    match database.kind {
        Kind::Postgres => Arc::new(PostgresStore::connect(&url).await.expect("it answers")),
        Kind::MariaDb => Arc::new(MySqlStore::connect(&url).await.expect("it answers")),
        Kind::Redis => Arc::new(RedisStore::connect(&url).await.expect("it answers")),
    }
}

/// Puts so many sessions on record, the number of each said to be that of a user.
async fn fill(database: &Database, count: u32, user_of: fn(u32) -> UserId) {
    let store = store(database).await;
    let now = Timestamp::from(std::time::SystemTime::now());
    let mut filling = JoinSet::new();
    for worker in 0..16 {
        let store = Arc::clone(&store);
        filling.spawn(async move {
            for number in (worker..count).step_by(16) {
                let session = Session::new(user_of(number), now, now.saturating_add(Duration::from_secs(86_400)));
                let admission = Admission::new(AsOf::new(now, Duration::ZERO));
                store.insert(&session, &admission).await.expect("it answers");
            }
        });
    }
    while let Some(filled) = filling.join_next().await {
        filled.expect("no panic");
    }
}

/// Reads another user's session until it is told to stop. Returns how long the slowest read took.
fn watch(
    sessions: &SessionManager,
    user: UserId,
    id: tower_device_sessions::SessionId,
) -> (Arc<AtomicBool>, tokio::task::JoinHandle<Duration>) {
    let (is_over, sessions) = (Arc::new(AtomicBool::new(false)), sessions.clone());
    let over = Arc::clone(&is_over);
    let watching = tokio::spawn(async move {
        let mut slowest = Duration::ZERO;
        while !over.load(Ordering::Relaxed) {
            let began = Instant::now();
            // On a busy machine the disk may be slower than the deadline. Nobody is told that there is no session.
            if let Ok(found) = sessions.find(&user, id).await {
                assert!(found.is_some(), "it is there");
            }
            slowest = slowest.max(began.elapsed());
        }
        slowest
    });
    (is_over, watching)
}

async fn everybody_goes_on_while_many_end(kind: Kind, of_one: u32, of_all: u32) -> TestResult {
    let Some(database) = Database::start(kind).await else { return Ok(()) };
    let sessions = node(database.alone(database.port).await, Duration::from_secs(1));
    fill(&database, of_one, |_| UserId::from(7)).await;
    fill(&database, of_all, |number| UserId::from(1_000 + number)).await;
    let other = sign_in(&sessions, "other").await;
    let (user, id) = (other.session().user_id.clone(), other.session().id);

    let (is_over, watching) = watch(&sessions, user.clone(), id);
    let began = Instant::now();
    let ended = sessions.revoke_all(&UserId::from(7), Revocation::by_application()).await?;
    let took = began.elapsed();
    is_over.store(true, Ordering::Relaxed);
    let slowest = watching.await?;
    let name = kind.name();
    println!("{name}: {ended} sessions of one user ended in {took:.2?}; others waited {slowest:.1?} at most");
    // Where an answer was lost, what ended by that attempt is not counted.
    assert!(ended <= u64::from(of_one));
    assert_eq!(sessions.revoke_all(&UserId::from(7), Revocation::by_application()).await?, 0);

    let (is_over, watching) = watch(&sessions, user, id);
    let (began, mut cursor, mut revoked) = (Instant::now(), None, 0);
    let filter = SessionFilter::new().started_before(other.session().created_at);
    loop {
        let by = Revocation::by_administrator("figures");
        let step = sessions.revoke_matching(&filter, by, cursor.as_deref()).await?;
        revoked += step.revoked;
        cursor = step.next;
        if cursor.is_none() {
            break;
        }
    }
    let took = began.elapsed();
    is_over.store(true, Ordering::Relaxed);
    let slowest = watching.await?;
    println!("{name}: {revoked} sessions of everybody ended in {took:.2?}; others waited {slowest:.1?} at most");
    assert!(revoked <= u64::from(of_all));
    assert_eq!(sessions.count_matching(&filter, None).await?.matched, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sessions_end_in_postgres() -> TestResult {
    everybody_goes_on_while_many_end(Kind::Postgres, 1_700, 600).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sessions_end_in_mariadb() -> TestResult {
    everybody_goes_on_while_many_end(Kind::MariaDb, 1_700, 600).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sessions_end_in_redis() -> TestResult {
    everybody_goes_on_while_many_end(Kind::Redis, 1_700, 600).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes, to print figures"]
async fn figures() -> TestResult {
    for kind in [Kind::Postgres, Kind::MariaDb, Kind::Redis] {
        everybody_goes_on_while_many_end(kind, 43_200, 20_000).await?;
    }
    Ok(())
}
