//! A server that answers reads and takes no writes, for longer than the idle timeout: nobody is signed out who has
//! worked.

use std::time::Duration;

use tower_device_sessions::{
    SessionPolicy, clock::ManualClock, manager::SessionManagerBuilder, policy::Denied, session::EndReason,
};

use super::{
    node,
    servers::{Database, Kind},
    sign_in,
};
use crate::support::TestResult;

const MINUTE: Duration = Duration::from_secs(60);

async fn nobody_is_idle_while_nothing_can_be_written(kind: Kind) -> TestResult {
    let Some(database) = Database::start(kind).await else { return Ok(()) };
    let clock = ManualClock::new();
    let build = |builder: SessionManagerBuilder| {
        let policy = SessionPolicy::new().idle_timeout(30 * MINUTE).absolute_timeout(24 * 60 * MINUTE);
        let builder = builder.policy(policy).activity_interval(MINUTE).store_deadline(Duration::from_secs(20));
        node(builder.clock(clock.clone()), Duration::from_secs(1))
    };
    let (here, there) = (build(database.alone(database.port).await), build(database.alone(database.port).await));
    clock.advance(11 * MINUTE);
    let worker = sign_in(&here, "ann").await;
    here.authenticate(worker.token()).await?;
    there.authenticate(worker.token()).await?;

    // A store is refused while it takes no writes; this one is there before.
    let restarting = database.alone(database.port).await;

    database.take_writes(false).await;
    let mut refused = 0;
    while refused < 45 {
        clock.advance(MINUTE);
        here.authenticate(worker.token()).await?;
        refused += u32::from(!here.flush_activity().await);
    }
    let restarted = build(restarting);
    for sessions in [&there, &restarted] {
        assert_eq!(sessions.authenticate(worker.token()).await.err(), Some(Denied::Unavailable));
    }

    database.take_writes(true).await;
    while !here.flush_activity().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for sessions in [&here, &there, &restarted] {
        sessions.authenticate(worker.token()).await?;
    }

    // Who has rested in truth is told so, and it is on record.
    clock.advance(45 * MINUTE);
    let denied = there.authenticate(worker.token()).await;
    assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::Idle));
    let session = worker.session();
    let record = here.find(&session.user_id, session.id).await?.ok_or("a record")?;
    assert_eq!(record.ended.map(|ending| ending.reason), Some(EndReason::Idle));
    Ok(())
}

/// `default_transaction_read_only`, as on a standby, or by an administrator.
#[tokio::test]
async fn nobody_is_idle_while_postgres_is_read_only() -> TestResult {
    nobody_is_idle_while_nothing_can_be_written(Kind::Postgres).await
}

/// A server that is out of memory still ends sessions when it is asked to, but takes no activity.
#[tokio::test]
async fn nobody_is_idle_while_redis_is_full() -> TestResult {
    nobody_is_idle_while_nothing_can_be_written(Kind::Redis).await
}
