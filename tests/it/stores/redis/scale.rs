//! What it costs when there is much: counted by the server.

use std::time::Duration;

use tower_device_sessions::{
    Session, UserId,
    clock::Timestamp,
    policy::Admission,
    session::{Actor, AsOf, EndReason, Ending},
    store::SessionStore,
};

use super::store_at;
use crate::support::{TestResult, servers::RedisServer};

const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// What the server has counted under this name.
fn counted(server: &RedisServer, name: &str) -> u64 {
    let stats = server.ask("INFO stats");
    let line = stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {stats}"))
}

async fn insert(store: &impl SessionStore, user: u32, at: u32) -> TestResult {
    let expires_at = NOW.saturating_add(Duration::from_secs(u64::from(at) + 60));
    store
        .insert(&Session::new(UserId::from(user), NOW, expires_at), &Admission::new(AsOf::new(NOW, Duration::ZERO)))
        .await?;
    Ok(())
}

/// Pages of 50 over 10 users: twice as many sessions cost twice as much, wherever they lie.
#[tokio::test]
async fn a_sweep_costs_as_much_as_there_is_to_read() -> TestResult {
    let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
    let store = store_at(&server.url(), "scale:").await?;
    let mut costs = Vec::new();
    for sessions in [1_000, 2_000] {
        for at in 0..1_000 {
            insert(&store, at % 10, at).await?;
        }
        let before = (counted(&server, "total_commands_processed"), counted(&server, "total_net_output_bytes"));
        let (mut met, mut pages, mut cursor) = (0, 0, None::<String>);
        loop {
            let page = store.scan(cursor.as_deref(), 50).await?;
            assert!(page.sessions.len() <= 50);
            (met, pages) = (met + page.sessions.len(), pages + 1);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(met, sessions);
        let (commands, bytes) = (
            counted(&server, "total_commands_processed") - before.0,
            counted(&server, "total_net_output_bytes") - before.1,
        );
        costs.push((commands, bytes));
        println!("{sessions} sessions, {pages} pages: {commands} commands, {bytes} bytes");
    }
    let [(few, few_bytes), (many, many_bytes)] = costs[..] else { panic!("two sweeps") };
    assert!(many * 10 <= few * 21, "{costs:?}");
    assert!(many_bytes * 10 <= few_bytes * 21, "{costs:?}");
    Ok(())
}

/// A session at which a page ended may end, or go, before the next page is asked for.
#[tokio::test]
async fn a_scan_goes_on_where_its_last_session_was() -> TestResult {
    let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
    let store = store_at(&server.url(), "scan:").await?;
    // Half of them have the same deadline.
    for at in 0..30 {
        insert(&store, 7, at.max(15)).await?;
    }
    let (mut met, mut cursor, mut ended) = (Vec::new(), None::<String>, 0);
    loop {
        let page = store.scan(cursor.as_deref(), 4).await?;
        met.extend(page.sessions.iter().map(|session| session.id));
        cursor = page.next;
        let Some(last) = page.sessions.last().filter(|_| cursor.is_some()) else { break };
        let ending = Ending::new(EndReason::SignedOut, Actor::System, NOW);
        store.end(&last.key(), &ending, Duration::ZERO).await?;
        ended += 1;
        assert!(ended < 30, "the scan does not end");
    }
    met.sort_unstable();
    met.dedup();
    assert_eq!(met.len(), 30);
    Ok(())
}
