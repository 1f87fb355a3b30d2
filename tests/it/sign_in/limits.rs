//! Limits: how many sessions a user may have, and who gives way.

use std::time::Duration;

use axum::{http::Method, response::IntoResponse};
use tower_device_sessions::{
    ClientInfo, ErrorKind, KeyRing, SessionManager, UserId,
    device::DeviceKind,
    event::SessionEvent,
    manager::ListOptions,
    policy::{OverLimit, SessionLimit},
    session::EndReason,
    store::{MemoryStore, SessionStore, StoreMethod},
};

use crate::support::{Answer, CHROME, IPHONE, Kit, SECRET, TestResult, get_with, request, send};

const MINUTE: Duration = Duration::from_secs(60);

async fn active(sessions: &SessionManager, user: &UserId) -> usize {
    let page = sessions.list(user, &ListOptions::new().limit(100)).await.expect("a working store");
    page.sessions.len()
}

/// Nobody who has no limit meets one.
#[tokio::test]
async fn there_is_no_limit_unless_one_is_set() -> TestResult {
    let kit = Kit::new();
    for _ in 0..60 {
        drop(kit.sign_in("ann").await);
    }
    assert_eq!(active(&kit.sessions, &"ann".parse()?).await, 60);
    Ok(())
}

/// S85: the newcomer is refused, nothing changes, and an event tells.
#[tokio::test]
async fn a_sign_in_over_the_limit_is_refused() -> TestResult {
    let kit = Kit::with(|builder| builder.max_sessions(2, OverLimit::RejectNew));
    let (one, two) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    kit.events.take();
    let refused = kit.sessions.start("ann", ClientInfo::new()).await;
    let error = refused.err().ok_or("it was let in")?;
    assert_eq!((error.kind(), error.kind().grpc_code()), (ErrorKind::TooManySessions, 8));
    let events = kit.events.take();
    assert!(matches!(&events[..], [SessionEvent::LimitReached { full, .. }] if full.active == 2), "{events:?}");
    for started in [&one, &two] {
        assert!(kit.sessions.authenticate(started.token()).await.is_ok());
    }
    drop(kit.sign_in("bob").await);

    let answer = Answer::read(error.into_response()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "too_many_sessions"));
    assert_eq!((answer.header("cache-control"), answer.header("retry-after")), (Some("no-store"), None));

    // Room is made by signing out.
    send(&kit.app(), request(Method::POST, "/api/logout", one.token())).await;
    drop(kit.sign_in("ann").await);
    Ok(())
}

/// The evicted session is told why, and so is who listens.
#[tokio::test]
async fn the_oldest_gives_way_and_is_told_so() -> TestResult {
    let kit = Kit::with(|builder| builder.max_sessions(2, OverLimit::RevokeOldest));
    let app = kit.app();
    let mut started = Vec::new();
    for _ in 0..3 {
        kit.clock.advance(MINUTE);
        started.push(kit.sign_in("ann").await);
        get_with(&app, "/me", started[0].token()).await;
    }
    let denied = get_with(&app, "/me", started[0].token()).await;
    assert_eq!((denied.status.as_u16(), denied.code().as_str()), (401, "session_evicted"));
    for lives in &started[1..] {
        assert_eq!(get_with(&app, "/me", lives.token()).await.status, 200);
    }
    let evicted = |event: &SessionEvent| matches!(event, SessionEvent::Ended { ending, .. } if ending.reason == EndReason::Evicted);
    assert_eq!(kit.events.take().iter().filter(|event| evicted(event)).count(), 1);
    Ok(())
}

/// "Eviction of the session in use": what this node has seen, and not written yet, counts.
#[tokio::test]
async fn the_session_in_use_is_not_the_one_that_gives_way() -> TestResult {
    let kit = Kit::with(|builder| builder.max_sessions(2, OverLimit::RevokeLeastRecent));
    let in_use = kit.sign_in("ann").await;
    kit.clock.advance(10 * MINUTE);
    let resting = kit.sign_in("ann").await;
    kit.clock.advance(10 * MINUTE);
    assert!(kit.sessions.authenticate(in_use.token()).await.is_ok());
    let newcomer = kit.sign_in("ann").await;
    for (started, lives) in [(&in_use, true), (&resting, false), (&newcomer, true)] {
        assert_eq!(kit.sessions.authenticate(started.token()).await.is_ok(), lives);
    }
    Ok(())
}

/// A client that signs in again takes its own place, and nobody else's.
#[tokio::test]
async fn signing_in_again_takes_no_place_from_another() -> TestResult {
    for over in [OverLimit::RejectNew, OverLimit::RevokeOldest, OverLimit::RevokeLeastRecent] {
        let kit = Kit::with(|builder| builder.max_sessions(2, over));
        let (other, held) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
        let client = ClientInfo::new().held("ann".parse()?, held.session().id);
        let again = kit.sessions.start("ann", client).await?;
        for (started, lives) in [(&other, true), (&held, false), (&again, true)] {
            assert_eq!(kit.sessions.authenticate(started.token()).await.is_ok(), lives, "{over:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_limit_on_a_kind_of_device_counts_that_kind_alone() -> TestResult {
    let phones = SessionLimit::new(1, OverLimit::RevokeOldest).kind(DeviceKind::Mobile);
    let kit = Kit::with(|builder| builder.limit(phones).max_sessions(3, OverLimit::RejectNew));
    let phone = || ClientInfo::new().user_agent(IPHONE);
    let desktop = || ClientInfo::new().user_agent(CHROME);
    let old = kit.sessions.start("ann", phone()).await?;
    drop(kit.sessions.start("ann", desktop()).await?);
    drop(kit.sessions.start("ann", desktop()).await?);
    drop(kit.sessions.start("ann", phone()).await?);
    assert!(kit.sessions.authenticate(old.token()).await.is_err(), "one phone replaces the other");
    assert!(kit.sessions.start("ann", desktop()).await.is_err(), "and beside it there is no room");
    Ok(())
}

/// The last limit on a kind counts.
#[tokio::test]
async fn a_later_limit_takes_the_place_of_an_earlier_one() -> TestResult {
    let kit = Kit::with(|builder| builder.max_sessions(1, OverLimit::RejectNew).max_sessions(3, OverLimit::RejectNew));
    for _ in 0..3 {
        drop(kit.sign_in("ann").await);
    }
    assert!(kit.sessions.start("ann", ClientInfo::new()).await.is_err());
    Ok(())
}

#[tokio::test]
async fn each_user_may_have_limits_of_their_own() -> TestResult {
    let kit = Kit::with(|builder| {
        builder.limits_of(|user| match user.as_str() {
            "premium" => Vec::new(),
            "suspicious" => vec![SessionLimit::new(0, OverLimit::RevokeOldest)],
            _ => vec![SessionLimit::new(2, OverLimit::RejectNew)],
        })
    });
    for (user, most) in [("premium", 5), ("ann", 2), ("suspicious", 1)] {
        for _ in 0..5 {
            drop(kit.sessions.start(user, ClientInfo::new()).await);
        }
        assert_eq!(active(&kit.sessions, &user.parse()?).await, most, "{user}");
    }
    Ok(())
}

#[test]
fn a_limit_of_nothing_is_refused_when_it_is_set() -> TestResult {
    let builder = || {
        let keys = KeyRing::hs256(SECRET).expect("a good secret");
        SessionManager::builder(MemoryStore::new()).keys(keys)
    };
    assert!(builder().max_sessions(0, OverLimit::RevokeOldest).build().is_err());
    let phones = SessionLimit::new(0, OverLimit::RejectNew).kind(DeviceKind::Mobile);
    assert!(builder().limit(phones).build().is_err());
    assert!(builder().max_sessions(1, OverLimit::RejectNew).build().is_ok());
    Ok(())
}

/// A refused sign-in puts no device on record either.
#[tokio::test]
async fn a_refused_sign_in_leaves_no_trace() -> TestResult {
    let kit = Kit::with(|builder| builder.max_sessions(1, OverLimit::RejectNew));
    let client = || ClientInfo::new().device_id(Some(tower_device_sessions::DeviceId::new()));
    drop(kit.sessions.start("ann", client()).await?);
    assert!(kit.sessions.start("ann", client()).await.is_err());
    assert_eq!(kit.sessions.devices(&"ann".parse()?).await?.len(), 1);
    assert_eq!(kit.store.calls(StoreMethod::SeeDevice), 1);
    Ok(())
}

/// S85: exactly so many stay, however many nodes sign in at once.
pub async fn racing_sign_ins_keep_to_the_limit(stores: Vec<impl SessionStore + Clone>) -> TestResult {
    for over in [OverLimit::RejectNew, OverLimit::RevokeOldest, OverLimit::RevokeLeastRecent] {
        let user: UserId = format!("{over:?}").parse()?;
        let nodes: Vec<SessionManager> = stores
            .iter()
            .map(|store| {
                let keys = KeyRing::hs256(SECRET).expect("a good secret");
                let builder = SessionManager::builder(store.clone()).keys(keys).max_sessions(5, over);
                builder.store_deadline(Duration::from_secs(30)).build().expect("good settings")
            })
            .collect();
        let racing: Vec<_> = (0..50)
            .map(|place| {
                let (node, user) = (nodes[place % nodes.len()].clone(), user.clone());
                tokio::spawn(async move { node.start(&user, ClientInfo::new()).await })
            })
            .collect();
        let mut started = Vec::new();
        for sign_in in racing {
            match sign_in.await? {
                Ok(session) => started.push(session),
                Err(error) => assert_eq!(error.kind(), ErrorKind::TooManySessions, "{error:?}"),
            }
        }
        assert_eq!(started.len(), if over == OverLimit::RejectNew { 5 } else { 50 }, "{over:?}");
        assert_eq!(active(&nodes[0], &user).await, 5, "{over:?}");
        let mut accepted = 0;
        for session in &started {
            accepted += usize::from(nodes[0].authenticate(session.token()).await.is_ok());
        }
        assert_eq!(accepted, 5, "{over:?}");
    }
    Ok(())
}

/// S85.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_50_racing_sign_ins_five_stay_in_memory() -> TestResult {
    let store = MemoryStore::new();
    racing_sign_ins_keep_to_the_limit(vec![store.clone(), store]).await
}

/// S85: two nodes, each with connections of its own, on one file.
#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_50_racing_sign_ins_five_stay_in_sqlite() -> TestResult {
    use tower_device_sessions::store::SqliteStore;

    let path = std::env::temp_dir().join(format!("limits-{}.db", std::process::id()));
    let url = format!("sqlite://{}", path.display());
    let stores = vec![SqliteStore::connect(&url).await?, SqliteStore::connect(&url).await?];
    stores[0].migrate().await?;
    let result = racing_sign_ins_keep_to_the_limit(stores).await;
    for suffix in ["", "-wal", "-shm"] {
        // Whatever is there of it.
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    result
}
