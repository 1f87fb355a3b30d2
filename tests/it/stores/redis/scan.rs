//! A scan while sessions come and go, in an order that is forced.

use std::time::Duration;

use tower_device_sessions::{
    Session, UserId,
    clock::Timestamp,
    policy::Admission,
    session::AsOf,
    store::{RedisStore, SessionStore},
};

use super::store_at;
use crate::support::{
    TestResult,
    proxy::{Fault, Proxy},
    servers::RedisServer,
};

const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);
/// How many shards a scan counts before it reads the first.
const COUNTED_FIRST: u64 = 8;

fn session(user: u32, lives: u64) -> Session {
    Session::new(UserId::from(user), NOW, NOW.saturating_add(Duration::from_secs(lives)))
}

async fn insert(store: &RedisStore, session: &Session) -> TestResult {
    store.insert(session, &Admission::new(AsOf::new(NOW, Duration::ZERO))).await?;
    Ok(())
}

/// How many shards the server has counted, by its own account.
fn counted(server: &RedisServer) -> u64 {
    let stats = server.ask("INFO commandstats");
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_zcard:calls="));
    calls.and_then(|calls| calls.split(',').next()?.parse().ok()).unwrap_or(0)
}

/// A user whose shard is among those that a scan counts first.
async fn user_of_a_first_shard(store: &RedisStore) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    for user in 0..10_000 {
        insert(store, &session(user, 60)).await?;
        let cursor = store.scan(None, 1).await?.next.unwrap_or_default();
        let shard: u64 = cursor.split(':').next().unwrap_or_default().parse()?;
        if shard < COUNTED_FIRST {
            return Ok(user);
        }
        store.erase(&UserId::from(user)).await?;
    }
    Err("no user in a first shard".into())
}

#[tokio::test]
async fn a_scan_meets_what_stays_though_sessions_come_between_count_and_read() -> TestResult {
    let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
    let proxy = Proxy::to(([127, 0, 0, 1], server.port).into()).await?;
    let store = store_at(&server.url(), "scan:").await?;
    let scanning = store_at(&format!("redis://127.0.0.1:{}", proxy.port), "scan:").await?;
    let user = user_of_a_first_shard(&store).await?;
    let staying = store.scan(None, 1).await?.sessions.remove(0);

    let before = counted(&server);
    proxy.set(Fault::Hold);
    let page = tokio::spawn(async move { scanning.scan(None, 2).await });
    while counted(&server) < before + COUNTED_FIRST {
        tokio::task::yield_now().await;
    }
    let coming = session(user, 3_600);
    insert(&store, &coming).await?;
    proxy.set(Fault::None);

    let met: Vec<_> = page.await??.sessions.iter().map(|session| session.id).collect();
    assert_eq!(met, [coming.id, staying.id], "the one that came lies before the one that stayed");
    Ok(())
}
