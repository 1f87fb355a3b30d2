//! Several nodes over one store: restarts, clocks that differ, and races between them.

use std::time::Duration;

use tower_device_sessions::{
    ErrorKind,
    bus::{BusError, BusFuture, BusHealth, LocalBus, RevocationBus, RevocationMessage, Subscription},
    clock::ManualClock,
    event::SessionEvent,
    manager::{ListOptions, Revocation},
    policy::Denied,
    session::EndReason,
    store::{Fault, StoreMethod},
};

use crate::support::{Kit, TestResult};

const SECOND: Duration = Duration::from_secs(1);

/// R07: a node that starts knows nothing, and nothing depends on what it knows; one that ends in the middle of a read
/// takes nothing with it.
#[tokio::test]
async fn a_node_that_is_restarted_in_the_middle_of_a_read_serves_at_once() -> TestResult {
    let old = Kit::new();
    let (kept, gone) = (old.sign_in("ann").await, old.sign_in("ann").await);
    old.sessions.revoke(&gone.session().user_id, gone.session().id, Revocation::by_application()).await?;
    let gate = old.store.hold_after(StoreMethod::Find);
    let reading = tokio::spawn({
        let (sessions, token) = (old.sessions.clone(), kept.token().to_owned());
        async move { sessions.authenticate(&token).await.map(drop) }
    });
    gate.arrived(1).await;
    reading.abort();
    assert!(reading.await.is_err());
    let (store, clock) = (old.store.clone(), old.clock.clone());
    drop(old);
    gate.open();

    let new = Kit::over(store, clock, |builder| builder);
    new.sessions.authenticate(kept.token()).await?;
    assert!(matches!(new.sessions.authenticate(gone.token()).await, Err(Denied::Ended(_))));
    assert_eq!(new.sessions.list(&kept.session().user_id, &ListOptions::new()).await?.sessions.len(), 1);
    Ok(())
}

/// R09: a node whose clock is 20 s off takes the tokens of the others, and they take its.
#[tokio::test]
async fn nodes_whose_clocks_differ_by_20_seconds_take_each_others_tokens() -> TestResult {
    let here = Kit::new();
    let true_time = here.sign_in("ann").await;
    let now = true_time.session().created_at;
    for off in [now.saturating_add(20 * SECOND), now.saturating_sub(20 * SECOND)] {
        let there = Kit::over(here.store.clone(), ManualClock::at(off), |builder| builder);
        let theirs = there.sign_in("ann").await;
        there.sessions.authenticate(true_time.token()).await?;
        here.sessions.authenticate(theirs.token()).await?;
        there.sessions.authenticate(theirs.token()).await?;

        // What one of them revokes is revoked for the other, whatever the time there.
        there.sessions.revoke(&theirs.session().user_id, theirs.session().id, Revocation::by_application()).await?;
        here.clock.advance(11 * SECOND);
        assert!(matches!(here.sessions.authenticate(theirs.token()).await, Err(Denied::Ended(_))));
    }
    Ok(())
}

/// R09: deadlines of sessions have no leeway: each node applies its own clock.
#[tokio::test]
async fn the_leeway_of_tokens_is_none_of_sessions() -> TestResult {
    let here = Kit::new();
    let started = here.sessions.start("ann", Default::default()).absolute_timeout(60 * SECOND).await?;
    let ahead = ManualClock::at(started.session().created_at.saturating_add(20 * SECOND));
    let there = Kit::over(here.store.clone(), ahead, |builder| builder);
    for kit in [&here, &there] {
        kit.clock.advance(40 * SECOND);
    }
    here.sessions.authenticate(started.token()).await?;
    let denied = there.sessions.authenticate(started.token()).await;
    assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::Expired));
    Ok(())
}

/// S33: others sign in while one session ends all others: it stays, all from before are gone, and of the rest each is
/// either signed in or signed out, everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ending_the_others_races_with_sign_ins_and_is_never_half_done() -> TestResult {
    let kit = Kit::new();
    let node = kit.another_node();
    for round in 0..40 {
        let user = format!("user-{round}");
        let asking = kit.sign_in(&user).await;
        let mut before = Vec::new();
        for _ in 0..4 {
            before.push(kit.sign_in(&user).await);
            kit.sessions.authenticate(before.last().expect("just pushed").token()).await?;
        }
        let current = kit.sessions.authenticate(asking.token()).await?;
        let racing: Vec<_> = (0..8)
            .map(|number| {
                let sessions = if number % 2 == 0 { kit.sessions.clone() } else { node.sessions.clone() };
                let user = user.clone();
                tokio::spawn(async move { sessions.start(user.as_str(), Default::default()).await })
            })
            .collect();
        let revoked = kit.sessions.revoke_others(&current).await?;
        assert!((4..=12).contains(&revoked), "{revoked}");
        let after = kit.sign_in(&user).await;

        let mut survivors = vec![asking.session().id, after.session().id];
        for started in racing {
            let started = started.await??;
            if kit.sessions.authenticate(started.token()).await.is_ok() {
                survivors.push(started.session().id);
            }
        }
        for started in &before {
            assert!(matches!(kit.sessions.authenticate(started.token()).await, Err(Denied::Ended(_))));
            assert!(matches!(node.sessions.authenticate(started.token()).await, Err(Denied::Ended(_))));
        }
        for started in [&asking, &after] {
            kit.sessions.authenticate(started.token()).await?;
            node.sessions.authenticate(started.token()).await?;
        }
        let mut listed: Vec<_> = node
            .sessions
            .list(&asking.session().user_id, &ListOptions::new())
            .await?
            .sessions
            .iter()
            .map(|s| s.id)
            .collect();
        listed.sort();
        survivors.sort();
        assert_eq!(listed, survivors);
        assert_eq!(kit.sessions.revoke_others(&current).await?, survivors.len() as u64 - 1);
    }
    Ok(())
}

/// S40: what a node remembers of a refusal delays nobody who has just signed in elsewhere.
#[tokio::test]
async fn a_remembered_refusal_does_not_delay_a_new_session() -> TestResult {
    let kit = Kit::new();
    let node = kit.another_node();
    let elsewhere = Kit::new();
    for _ in 0..5 {
        let ended = node.sign_in("ann").await;
        node.sessions.revoke_all(&ended.session().user_id, Revocation::by_application()).await?;
        assert!(kit.sessions.authenticate(ended.token()).await.is_err());
        let unknown = elsewhere.sign_in("ann").await;
        assert_eq!(kit.sessions.authenticate(unknown.token()).await.map(drop), Err(Denied::Invalid));
        let fresh = node.sign_in("ann").await;
        kit.sessions.authenticate(fresh.token()).await?;
    }
    Ok(())
}

/// S90: an event for each thing that happened, in order, with its reason.
#[tokio::test]
async fn everything_that_happens_to_a_users_sessions_is_told() -> TestResult {
    let kit = Kit::new();
    let (laptop, phone, tablet) = (kit.sign_in("ann").await, kit.sign_in("ann").await, kit.sign_in("ann").await);
    let current = kit.sessions.authenticate(laptop.token()).await?;
    kit.sessions.revoke(current.user_id(), phone.session().id, &current).await?;
    kit.sessions.revoke_others(&current).await?;
    assert!(kit.sessions.authenticate(tablet.token()).await.is_err());
    let unknown = Kit::new().sign_in("ann").await;
    assert!(kit.sessions.authenticate(unknown.token()).await.is_err());
    let client = tower_device_sessions::ClientInfo::new().held(current.user_id().clone(), current.id());
    drop(kit.sessions.start("ann", client).await?);

    let told: Vec<String> = kit
        .events
        .take()
        .iter()
        .map(|event| match event {
            SessionEvent::Started { .. } => "started".to_owned(),
            SessionEvent::Ended { ending, .. } => format!("ended: {}", ending.reason),
            SessionEvent::UsedAfterEnd { ending, .. } => format!("used after end: {}", ending.reason),
            SessionEvent::UnknownSession { .. } => "unknown".to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "started",
            "started",
            "started",
            "ended: revoked_by_user",
            "ended: revoked_by_user",
            "used after end: revoked_by_user",
            "unknown",
            "ended: replaced",
            "started",
        ]
    );
    Ok(())
}

/// A bus that never returns, as one on the server that the store is on.
#[derive(Debug)]
struct Stalled;

impl RevocationBus for Stalled {
    fn name(&self) -> &'static str {
        "stalled"
    }

    fn publish<'a>(&'a self, _: &'a RevocationMessage) -> BusFuture<'a, Result<(), BusError>> {
        Box::pin(std::future::pending())
    }

    fn subscribe(&self) -> Subscription {
        LocalBus::new().subscribe()
    }

    fn health(&self) -> BusHealth {
        LocalBus::new().health()
    }
}

/// The store has had its second. The bus does not get another one.
#[tokio::test(start_paused = true)]
async fn a_revocation_that_the_store_does_not_take_does_not_wait_for_the_bus_as_well() -> TestResult {
    let kit = Kit::impatient(|builder| builder.bus(Stalled));
    let started = kit.sign_in("ann").await;
    let (user, id) = (&started.session().user_id, started.session().id);
    for method in [StoreMethod::End, StoreMethod::EndAll] {
        kit.store.fail(method, Fault::HangBefore);
    }
    let began = tokio::time::Instant::now();
    assert!(kit.sessions.revoke(user, id, Revocation::by_application()).await.is_err());
    assert_eq!(began.elapsed().as_secs(), 1);
    let began = tokio::time::Instant::now();
    assert!(kit.sessions.revoke_all(user, Revocation::by_application()).await.is_err());
    assert_eq!(began.elapsed().as_secs(), 1);
    Ok(())
}

#[tokio::test]
async fn the_store_is_checked_within_its_deadline() -> TestResult {
    let kit = Kit::new();
    kit.sessions.check_store().await?;
    kit.store.fail(StoreMethod::Check, Fault::FailBefore);
    let error = kit.sessions.check_store().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    kit.store.heal();
    kit.sessions.check_store().await?;
    Ok(())
}
