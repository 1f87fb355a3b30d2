//! A user with very many sessions signs out everywhere: in parts, each of which may be repeated.

use tower_device_sessions::{
    UserId,
    clock::ManualClock,
    event::SessionEvent,
    manager::{Revocation, SessionFilter},
    policy::Denied,
    store::{FailingStore, Fault, SessionStore, SqliteStore, StoreMethod},
};

use crate::support::{Kit, TestResult};

async fn kit() -> Result<Kit, Box<dyn std::error::Error + Send + Sync>> {
    let store = SqliteStore::connect("sqlite::memory:").await?;
    store.migrate().await?;
    Ok(Kit::over(FailingStore::new(store), ManualClock::new(), |builder| builder))
}

fn ended(kit: &Kit) -> usize {
    kit.events.take().iter().filter(|event| matches!(event, SessionEvent::Ended { .. })).count()
}

#[tokio::test]
async fn many_sessions_end_in_parts_that_may_be_repeated() -> TestResult {
    let kit = kit().await?;
    let mut started = Vec::new();
    for _ in 0..1_100 {
        started.push(kit.sign_in("ann").await);
    }
    let other = kit.sign_in("bob").await;
    let current = kit.sessions.authenticate(started[0].token()).await?;
    kit.sessions.authenticate(started[1].token()).await?;
    kit.events.take();

    // The first part is committed, and its answer lost, twice.
    kit.store.fail(StoreMethod::EndSeveral, Fault::FailAfter);
    assert!(kit.sessions.revoke_others(&current).await.is_err());
    assert_eq!(kit.store.calls(StoreMethod::EndSeveral), 2);
    kit.store.heal();
    // What is cached is void all the same.
    for session in &started[1..3] {
        assert!(matches!(kit.sessions.authenticate(session.token()).await, Ok(_) | Err(Denied::Ended(_))));
    }
    kit.events.take();

    // Of the others the rest ends now.
    let revoked = kit.sessions.revoke_others(&current).await?;
    assert_eq!((revoked, ended(&kit)), (849, 849));
    for session in &started[1..] {
        assert!(matches!(kit.sessions.authenticate(session.token()).await, Err(Denied::Ended(_))));
    }
    kit.sessions.authenticate(started[0].token()).await?;
    kit.sessions.authenticate(other.token()).await?;
    assert_eq!(kit.sessions.revoke_all(&UserId::try_from("ann")?, Revocation::by_application()).await?, 1);
    Ok(())
}

/// One statement for each page of 500, whoever they belong to.
#[tokio::test]
async fn an_emergency_takes_one_change_a_page() -> TestResult {
    let kit = kit().await?;
    for number in 0..1_200 {
        drop(kit.sign_in(&format!("user-{}", number % 700)).await);
    }
    kit.events.take();
    let by = Revocation::by_administrator("ann");
    let sweep = kit.sessions.revoke_matching(&SessionFilter::new(), by, None).await?;
    assert_eq!((sweep.looked_at, sweep.matched, sweep.revoked, sweep.next), (1_200, 1_200, 1_200, None));
    assert_eq!((kit.store.calls(StoreMethod::EndSeveral), kit.store.calls(StoreMethod::End)), (3, 0));
    assert_eq!(ended(&kit), 1_200);
    Ok(())
}
