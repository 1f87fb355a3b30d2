//! The server is killed under load, and started again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_device_sessions::{StartedSession, manager::Revocation, policy::Denied};

use super::{
    hears, node,
    servers::{Database, Kind},
    sign_in,
};
use crate::support::{TestResult, app, get_with};

/// R01, R02, R20: 503 while it is gone, nobody signed out, no acknowledged revocation lost, also in the moment of the
/// crash.
async fn a_server_that_dies_signs_nobody_out(kind: Kind) -> TestResult {
    let Some(mut database) = Database::start(kind).await else { return Ok(()) };
    let ttl = Duration::from_millis(300);
    let nodes = [node(database.with_bus().await, ttl), node(database.with_bus().await, ttl)];
    let mut kept = Vec::new();
    for number in 0..10 {
        kept.push(sign_in(&nodes[0], &format!("kept-{number}")).await);
    }
    let mut doomed = Vec::new();
    for number in 0..150 {
        doomed.push(sign_in(&nodes[0], &format!("doomed-{number}")).await);
    }
    for sessions in &nodes {
        sessions.authenticate(kept[0].token()).await?;
        hears(sessions, 1).await;
    }
    let bumps = nodes[1].health().bus.map(|bus| bus.epoch_bumps).unwrap_or_default();

    let kept: Arc<[StartedSession]> = kept.into();
    let (is_over, unavailable) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let reading: Vec<_> = nodes
        .iter()
        .cloned()
        .map(|sessions| {
            let (kept, is_over, unavailable) = (Arc::clone(&kept), Arc::clone(&is_over), Arc::clone(&unavailable));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    for started in kept.iter() {
                        match sessions.authenticate(started.token()).await {
                            Ok(_) => {}
                            Err(Denied::Unavailable) => drop(unavailable.fetch_add(1, Ordering::Relaxed)),
                            Err(denied) => panic!("signed out: {denied:?}"),
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        })
        .collect();
    let revoking = tokio::spawn({
        let sessions = nodes[0].clone();
        async move {
            let mut acknowledged = Vec::new();
            for started in doomed {
                let (user, id) = (started.session().user_id.clone(), started.session().id);
                let revoked = sessions.revoke(&user, id, Revocation::by_application()).await;
                if revoked.is_ok() {
                    acknowledged.push(started);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            acknowledged
        }
    });

    tokio::time::sleep(Duration::from_millis(400)).await;
    database.kill();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // What was cached has expired by now.
    let answer = get_with(&app(&nodes[0]), "/me", kept[0].token()).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after").is_some()), (503, true), "{}", answer.body);
    database.restart().await;
    let acknowledged = revoking.await?;
    is_over.store(true, Ordering::Relaxed);
    for task in reading {
        task.await?;
    }
    assert!(unavailable.load(Ordering::Relaxed) > 0 && !acknowledged.is_empty());

    tokio::time::sleep(ttl).await;
    for sessions in &nodes {
        for started in kept.iter() {
            // A pool may still hold a connection to the server that was.
            while matches!(sessions.authenticate(started.token()).await, Err(Denied::Unavailable)) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            sessions.authenticate(started.token()).await?;
        }
        for started in &acknowledged {
            assert!(matches!(sessions.authenticate(started.token()).await, Err(Denied::Ended(_))), "lost");
        }
    }
    if kind != Kind::MariaDb {
        hears(&nodes[1], bumps + 2).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_dies_signs_nobody_out() -> TestResult {
    a_server_that_dies_signs_nobody_out(Kind::Postgres).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mariadb_that_dies_signs_nobody_out() -> TestResult {
    a_server_that_dies_signs_nobody_out(Kind::MariaDb).await
}

/// With an append-only file that is synced at each write. Without it a crash may lose what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_dies_signs_nobody_out() -> TestResult {
    a_server_that_dies_signs_nobody_out(Kind::Redis).await
}
