//! What the tests of the SQL stores share: where the servers are, and processes of their own.

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tower_device_sessions::{
    Session, SessionId, SessionKey, UserId,
    clock::Timestamp,
    device::DeviceName,
    policy::{Admission, OverLimit, SessionLimit},
    session::{Actor, AsOf, EndReason, Ending, Touch},
    store::{ListQuery, Rotation, SessionState, SessionStore, StoreErrorKind},
};

use crate::support::proxy::{Fault, Proxy};

/// The address of the server of this name: that in the environment variable, else `standard` when something answers at
/// its port on this machine. Without a server the test has nothing to do, unless `REQUIRE_STORES` names it.
pub(crate) fn url(name: &str, variable: &str, port: u16, standard: &str) -> Option<String> {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if let Ok(url) = env::var(variable) {
        return Some(url);
    }
    if TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(1)).is_ok() {
        return Some(standard.to_owned());
    }
    let required = env::var("REQUIRE_STORES").unwrap_or_default();
    assert!(!required.split(',').any(|store| store.trim() == name), "no {name} server answers on port {port}");
    if TOLD.lock().unwrap().insert(name.to_owned()) {
        // Not with `eprintln!`, which the test harness keeps to itself when a test passes.
        let _ = writeln!(io::stderr(), "not tested: {name}, no server answers on port {port} (or set {variable})");
    }
    None
}

/// A table prefix that no other test uses, now or later.
pub(crate) fn prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("t{}_{}_", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs the ignored test of this name in so many processes at once, each assigned the same database and table prefix.
pub(crate) fn run_in_processes(count: usize, test: &str, url: &str, prefix: &str) {
    let started: Vec<_> = (0..count)
        .map(|_| {
            let mut process = Command::new(env::current_exe().unwrap());
            process.args([test, "--exact", "--ignored", "--nocapture"]).stdout(Stdio::piped()).stderr(Stdio::piped());
            process.env(ASSIGNMENT, format!("{prefix} {url}")).spawn().unwrap()
        })
        .collect();
    for process in started {
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}

/// The database and the table prefix that this process was started for, if it was.
pub(crate) fn assignment() -> Option<(String, String)> {
    let assignment = env::var(ASSIGNMENT).ok()?;
    let (prefix, url) = assignment.split_once(' ')?;
    Some((url.to_owned(), prefix.to_owned()))
}

/// What each of several processes does when it starts.
pub(crate) async fn migrate_and_insert(store: &dyn SessionStore) {
    let now = Timestamp::from_seconds(1_767_225_600);
    let session = Session::new(UserId::from(std::process::id()), now, now.saturating_add(Duration::from_secs(60)));
    store.migrate().await.unwrap();
    store.insert(&session, &Admission::new(AsOf::new(now, Duration::ZERO))).await.unwrap();
    store.migrate().await.unwrap();
    assert!(store.find(&session.key()).await.unwrap().is_some());
}

pub(crate) async fn ensure_schema_is_missed(store: &dyn SessionStore) {
    let id = SessionId::at(Timestamp::UNIX_EPOCH);
    let error = store.find(&SessionKey::new(UserId::from(1), id)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Schema);
    assert!(error.source().is_some_and(|source| source.to_string().contains("migrate()")), "{error:?}");
}

/// Lets other tasks run until the condition holds.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// Begins what `future` does, and drops it when the server has been asked and its answer is still on the way. The
/// answer arrives afterwards.
pub(crate) async fn drop_when_asked(proxy: &Proxy, future: impl Future) {
    proxy.set(Fault::Hold);
    let asked = proxy.asked();
    tokio::select! {
        biased;
        _ = future => panic!("it has got an answer"),
        () = until(|| proxy.asked() > asked) => {}
    }
    proxy.set(Fault::None);
}

/// Changes things through `store`, each of which `observer` must see at once. Returns a session that has ended.
pub(crate) async fn ensure_writes_are_seen(store: &dyn SessionStore, observer: &dyn SessionStore) -> Session {
    let now = Timestamp::from_seconds(1_767_225_600);
    let session = Session::new(UserId::from(1), now, now.saturating_add(Duration::from_secs(60)));
    let (user, id) = (&session.user_id, session.id);
    let seen = async || observer.find(&SessionKey::new(user.clone(), id)).await.unwrap().unwrap();
    let mut admission = Admission::new(AsOf::new(now, Duration::ZERO));
    admission.limits.push(SessionLimit::new(10, OverLimit::RevokeOldest));

    store.insert(&session, &admission).await.unwrap();
    assert!(seen().await.ended.is_none());
    let name = DeviceName::try_from("phone").unwrap();
    store.rename(&SessionKey::new(user.clone(), id), Some(&name)).await.unwrap();
    assert_eq!(seen().await.device.custom_name, Some(name));
    store
        .touch(&[Touch::new(SessionKey::new(user.clone(), id), now.saturating_add(Duration::from_secs(1)))])
        .await
        .unwrap();
    assert!(seen().await.last_active_at > now);
    store.rotate(&SessionKey::new(user.clone(), id), &Rotation::new(0, AsOf::new(now, Duration::ZERO))).await.unwrap();
    assert_eq!(seen().await.tokens.generation, 1);
    let ending = Ending::new(EndReason::RevokedByUser, Actor::Application, now);
    store.end(&SessionKey::new(user.clone(), id), &ending, Duration::ZERO).await.unwrap();
    assert_eq!(seen().await.ended, Some(ending));
    session
}

pub(crate) async fn ensure_ended(observer: &dyn SessionStore, session: &Session) {
    let found = observer.find(&session.key()).await.unwrap().unwrap();
    assert!(found.ended.is_some(), "an ending that had been acknowledged is gone");
}

/// Reads and ends sessions from 100 tasks at once.
pub(crate) async fn serve_100_requests(store: impl SessionStore) {
    let store = Arc::new(store);
    let now = Timestamp::from_seconds(1_767_225_600);
    let mut requests = tokio::task::JoinSet::new();
    for user in 0..100 {
        let store = store.clone();
        requests.spawn(async move {
            let session = Session::new(UserId::from(user), now, now.saturating_add(Duration::from_secs(60)));
            let ending = Ending::new(EndReason::SignedOut, Actor::Session(session.id), now);
            store.insert(&session, &Admission::new(AsOf::new(now, Duration::ZERO))).await.unwrap();
            store.end(&session.key(), &ending, Duration::ZERO).await.unwrap();
            ensure_ended(&*store, &session).await;
        });
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap();
    }
}

/// Inserts 50 sessions of each of so many users, and returns the first of them.
pub(crate) async fn fill(store: &(impl SessionStore + Clone), users: u32) -> UserId {
    let now = Timestamp::from_seconds(1_767_225_600);
    let mut inserting = tokio::task::JoinSet::new();
    for user in 0..users {
        let store = store.clone();
        inserting.spawn(async move {
            for _ in 0..50 {
                let session = Session::new(UserId::from(user), now, now.saturating_add(Duration::from_secs(60)));
                store.insert(&session, &Admission::new(AsOf::new(now, Duration::ZERO))).await.unwrap();
            }
        });
    }
    while let Some(inserted) = inserting.join_next().await {
        inserted.unwrap();
    }
    UserId::from(0)
}

/// Lists half of the sessions that [`fill`] has made for a user.
pub(crate) async fn list_25(store: &dyn SessionStore, user: &UserId) {
    let query =
        ListQuery::new(SessionState::Active, 25, AsOf::new(Timestamp::from_seconds(1_767_225_600), Duration::ZERO));
    assert_eq!(store.list(user, &query).await.unwrap().len(), 25);
}

const ASSIGNMENT: &str = "TEST_STORE_ASSIGNMENT";
