//! A node that cannot hear the others for a while, and has sessions in its cache for far longer than that.

use std::time::Duration;

use tower_device_sessions::{
    SessionManager, StartedSession,
    manager::{Revocation, Revoked},
    policy::Denied,
};

use super::{
    hears, node,
    servers::{Database, Kind},
    sign_in,
};
use crate::{support::TestResult, support::proxy::Fault};

async fn revoke(sessions: &SessionManager, started: &StartedSession) -> TestResult {
    let (user, id) = (&started.session().user_id, started.session().id);
    assert_eq!(sessions.revoke(user, id, Revocation::by_application()).await?, Revoked::Now);
    Ok(())
}

/// R13, R15: losing the bus and finding it again both void what was read before. In between the time to live is the
/// bound.
async fn what_a_deaf_node_missed_it_knows_when_it_hears_again(kind: Kind) -> TestResult {
    let Some(database) = Database::start(kind).await else { return Ok(()) };
    let proxy = database.proxy().await?;
    let ttl = Duration::from_secs(60);
    let talking = node(database.with_bus().await, ttl);
    let deaf = node(database.with_bus_behind(proxy.port).await, ttl);
    let (kept, first, second) =
        (sign_in(&talking, "ann").await, sign_in(&talking, "ann").await, sign_in(&talking, "ann").await);
    for started in [&kept, &first] {
        talking.authenticate(started.token()).await?;
        deaf.authenticate(started.token()).await?;
    }
    hears(&talking, 1).await;
    hears(&deaf, 1).await;
    deaf.authenticate(first.token()).await?;

    // The message itself is what the connection is cut at, and so is every attempt to make it again.
    proxy.set(Fault::Cut);
    revoke(&talking, &first).await?;
    while deaf.health().bus.is_none_or(|bus| bus.connected) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(matches!(deaf.authenticate(first.token()).await, Err(Denied::Ended(_))));

    deaf.authenticate(second.token()).await?;
    revoke(&talking, &second).await?;
    // It is in the cache, and nobody has told. That is what the time to live bounds.
    deaf.authenticate(second.token()).await?;

    let bumps = deaf.health().bus.map(|bus| bus.epoch_bumps).unwrap_or_default();
    proxy.set(Fault::None);
    hears(&deaf, bumps + 1).await;
    assert!(matches!(deaf.authenticate(second.token()).await, Err(Denied::Ended(_))));
    deaf.authenticate(kept.token()).await?;
    Ok(())
}

#[tokio::test]
async fn what_a_node_deaf_to_postgres_missed_it_knows_when_it_hears_again() -> TestResult {
    what_a_deaf_node_missed_it_knows_when_it_hears_again(Kind::Postgres).await
}

#[tokio::test]
async fn what_a_node_deaf_to_redis_missed_it_knows_when_it_hears_again() -> TestResult {
    what_a_deaf_node_missed_it_knows_when_it_hears_again(Kind::Redis).await
}
