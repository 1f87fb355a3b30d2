//! The connections to the server are slow, silent, cut in the middle of a commit, or half closed.

use std::time::Duration;

use tower_device_sessions::{manager::Revocation, policy::Denied};

use super::{
    node,
    servers::{Database, Kind},
    sign_in,
};
use crate::{support::TestResult, support::proxy::Fault};

/// R01, R03, R04: nobody is signed out, what was answered has been done, and all is well when the fault is over.
async fn faults_on_the_wire_sign_nobody_out(kind: Kind) -> TestResult {
    let Some(database) = Database::start(kind).await else { return Ok(()) };
    let proxy = database.proxy().await?;
    // Without a cache each request asks the server.
    let sessions = node(database.alone(proxy.port).await, Duration::ZERO);
    let observer = node(database.alone(database.port).await, Duration::ZERO);
    for fault in [Fault::Delay, Fault::Hold, Fault::Cut, Fault::HalfClose, Fault::Cut] {
        let (kept, doomed) = (sign_in(&sessions, "ann").await, sign_in(&sessions, "ann").await);
        let (user, id) = (doomed.session().user_id.clone(), doomed.session().id);
        proxy.set(fault);
        let accepted = sessions.authenticate(kept.token()).await;
        assert!(matches!(accepted, Ok(_) | Err(Denied::Unavailable)), "{fault:?}: {accepted:?}");
        let revoked = sessions.revoke(&user, id, Revocation::by_application()).await;
        assert!(revoked.is_ok() || fault != Fault::Delay, "{fault:?}");
        let refreshed = sessions.start("bob", Default::default()).await;
        assert!(refreshed.is_ok() || fault != Fault::Delay, "{fault:?}");
        if revoked.is_ok() {
            assert!(matches!(observer.authenticate(doomed.token()).await, Err(Denied::Ended(_))), "{fault:?}");
        }
        proxy.set(Fault::None);

        let mut attempts = 0;
        while let Err(denied) = sessions.authenticate(kept.token()).await {
            assert_eq!(denied, Denied::Unavailable, "{fault:?}");
            attempts += 1;
            assert!(attempts < 100, "{fault:?}: it does not recover");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        while sessions.revoke(&user, id, Revocation::by_application()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for sessions in [&sessions, &observer] {
            assert!(matches!(sessions.authenticate(doomed.token()).await, Err(Denied::Ended(_))), "{fault:?}");
            sessions.authenticate(kept.token()).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn faults_on_the_way_to_postgres_sign_nobody_out() -> TestResult {
    faults_on_the_wire_sign_nobody_out(Kind::Postgres).await
}

#[tokio::test]
async fn faults_on_the_way_to_mariadb_sign_nobody_out() -> TestResult {
    faults_on_the_wire_sign_nobody_out(Kind::MariaDb).await
}

#[tokio::test]
async fn faults_on_the_way_to_redis_sign_nobody_out() -> TestResult {
    faults_on_the_wire_sign_nobody_out(Kind::Redis).await
}
