//! Revoked is revoked: the order in which a revocation and a running read must end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_device_sessions::{
    SessionLayer, manager::Revocation, policy::Denied, session::EndReason, store::StoreMethod,
};

use crate::support::{Kit, TestResult, app, get_with};

/// S26. The read has its answer from before the revocation; the revocation returns; only then the read comes back.
#[tokio::test]
async fn a_read_from_before_a_revocation_admits_nobody() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let (user, id) = (started.session().user_id.clone(), started.session().id);

    let gate = kit.store.hold_after(StoreMethod::Find);
    let early = tokio::spawn({
        let (sessions, token) = (kit.sessions.clone(), started.token().to_owned());
        async move { sessions.authenticate(&token).await.map(drop) }
    });
    gate.arrived(1).await;
    kit.sessions.revoke(&user, id, Revocation::by_application()).await?;
    // Starts after the revocation has returned, while the read from before it still runs.
    let late = tokio::spawn({
        let (sessions, token) = (kit.sessions.clone(), started.token().to_owned());
        async move { sessions.authenticate(&token).await.map(drop) }
    });
    tokio::task::yield_now().await;
    gate.open();

    for request in [early, late] {
        assert!(matches!(request.await?, Err(Denied::Ended(ending)) if ending.reason == EndReason::RevokedByAdmin));
    }
    Ok(())
}

/// S26. Many requests have joined one read when the revocation returns.
#[tokio::test]
async fn no_request_that_joined_a_read_survives_a_revocation() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let gate = kit.store.hold_after(StoreMethod::Find);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (sessions, token) = (kit.sessions.clone(), started.token().to_owned());
            tokio::spawn(async move { sessions.authenticate(&token).await.map(drop) })
        })
        .collect();
    gate.arrived(1).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    gate.open();
    for request in waiting {
        assert!(matches!(request.await?, Err(Denied::Ended(_))));
    }
    Ok(())
}

/// S26. The ordinary case: cached, revoked, refused, on this node at once.
#[tokio::test]
async fn a_cached_session_is_refused_once_it_is_revoked() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let started = kit.sign_in("ann").await;
    for _ in 0..3 {
        assert_eq!(get_with(&app, "/me", started.token()).await.status, 200);
    }
    assert_eq!(kit.store.calls(StoreMethod::Find), 1);

    kit.sessions.revoke(&started.session().user_id, started.session().id, Revocation::by_application()).await?;
    let answer = get_with(&app, "/me", started.token()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "session_revoked"));
    Ok(())
}

/// S26. Every token of the session is refused, not only the one that was used to revoke it.
#[tokio::test]
async fn all_layers_of_a_manager_refuse_a_revoked_session() -> TestResult {
    let kit = Kit::new();
    let (one, other) = (app(&kit.sessions), app(&kit.sessions).layer(SessionLayer::new(&kit.sessions)));
    let started = kit.sign_in("ann").await;
    assert_eq!(get_with(&one, "/me", started.token()).await.status, 200);
    assert_eq!(get_with(&other, "/me", started.token()).await.status, 200);
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    assert_eq!(get_with(&one, "/me", started.token()).await.status, 401);
    assert_eq!(get_with(&other, "/me", started.token()).await.status, 401);
    Ok(())
}

/// S27. Another node hears nothing, and its record lasts for the time to live at the most.
#[tokio::test]
async fn another_node_refuses_a_revoked_session_after_the_time_to_live() -> TestResult {
    let kit = Kit::new();
    let other = kit.another_node();
    let started = kit.sign_in("ann").await;
    other.sessions.authenticate(started.token()).await?;
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;

    kit.clock.advance(Duration::from_millis(8_900));
    assert!(other.sessions.authenticate(started.token()).await.is_ok(), "within the shortest time to live");
    kit.clock.advance(Duration::from_millis(1_100));
    assert!(matches!(other.sessions.authenticate(started.token()).await, Err(Denied::Ended(_))));
    Ok(())
}

/// S26. Readers on all threads, one revoker: nothing that begins after the revocation is accepted. It fails when the
/// guard is taken out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_begun_after_a_revocation_is_accepted_under_load() -> TestResult {
    let kit = Kit::with(|builder| builder.cache_ttl(Duration::from_secs(60)));
    let accepted = Arc::new(AtomicU64::new(0));

    for _ in 0..300 {
        let started = kit.sign_in("ann").await;
        let token: Arc<str> = started.token().into();
        let revoked = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let (sessions, token) = (kit.sessions.clone(), Arc::clone(&token));
                let (revoked, accepted) = (Arc::clone(&revoked), Arc::clone(&accepted));
                tokio::spawn(async move {
                    loop {
                        let began_after = revoked.load(Ordering::SeqCst);
                        let accepts = sessions.authenticate(&token).await.is_ok();
                        assert!(!(began_after && accepts), "accepted after the revocation had returned");
                        if !accepts {
                            return;
                        }
                        accepted.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        kit.sessions.revoke(&started.session().user_id, started.session().id, Revocation::by_application()).await?;
        revoked.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.await?;
        }
    }
    assert!(accepted.load(Ordering::Relaxed) > 300, "the readers were not there in time");
    Ok(())
}

/// R04: one read, no matter how large the herd.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_of_a_thousand_on_a_cold_session_reads_once() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let gate = kit.store.hold_before(StoreMethod::Find);
    let herd: Vec<_> = (0..1_000)
        .map(|_| {
            let (sessions, token) = (kit.sessions.clone(), started.token().to_owned());
            tokio::spawn(async move { sessions.authenticate(&token).await.is_ok() })
        })
        .collect();
    gate.arrived(1).await;
    gate.open();
    for request in herd {
        assert!(request.await?);
    }
    assert_eq!(kit.store.calls(StoreMethod::Find), 1);
    Ok(())
}

/// R08. The request that leads a read may hang up; those who joined it do not notice.
#[tokio::test]
async fn a_read_goes_on_without_the_request_that_began_it() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let gate = kit.store.hold_before(StoreMethod::Find);
    let authenticate = || {
        let (sessions, token) = (kit.sessions.clone(), started.token().to_owned());
        tokio::spawn(async move { sessions.authenticate(&token).await.is_ok() })
    };
    let leader = authenticate();
    gate.arrived(1).await;
    let follower = authenticate();
    tokio::task::yield_now().await;
    leader.abort();
    gate.open();
    assert!(follower.await?);
    assert_eq!(kit.store.calls(StoreMethod::Find), 1);
    Ok(())
}

/// S40. A refusal is remembered for a moment, and costs no second read.
#[tokio::test]
async fn a_refused_session_is_not_read_again_for_two_seconds() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    for _ in 0..5 {
        assert!(kit.sessions.authenticate(started.token()).await.is_err());
    }
    assert_eq!(kit.store.calls(StoreMethod::Find), 1);
    kit.clock.advance(Duration::from_secs(2));
    assert!(kit.sessions.authenticate(started.token()).await.is_err());
    assert_eq!(kit.store.calls(StoreMethod::Find), 2);
    Ok(())
}

/// S28. A session that ends soon is not cached beyond its end.
#[tokio::test]
async fn the_cache_does_not_outlive_the_session() -> TestResult {
    let kit = Kit::with(|builder| builder.cache_ttl(Duration::from_secs(60)));
    let started = kit.sessions.start("ann", Default::default()).absolute_timeout(Duration::from_secs(2)).await?;
    kit.sessions.authenticate(started.token()).await?;
    kit.clock.advance(Duration::from_millis(1_999));
    kit.sessions.authenticate(started.token()).await?;
    kit.clock.advance(Duration::from_millis(1));
    let denied = kit.sessions.authenticate(started.token()).await;
    assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::Expired));
    Ok(())
}

/// Defaults table: a time to live of zero reads the store for every request.
#[tokio::test]
async fn without_a_cache_every_request_reads_the_store() -> TestResult {
    let kit = Kit::with(|builder| builder.cache_ttl(Duration::ZERO));
    let other = kit.another_node();
    let started = kit.sign_in("ann").await;
    for reads in 1..=3 {
        kit.sessions.authenticate(started.token()).await?;
        assert_eq!(kit.store.calls(StoreMethod::Find), reads);
    }
    other.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    assert!(kit.sessions.authenticate(started.token()).await.is_err());
    Ok(())
}
