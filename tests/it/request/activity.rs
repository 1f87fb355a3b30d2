//! Activity: throttled, batched, flushed on shutdown; idle and absolute timeouts.

use std::time::Duration;

use tower_device_sessions::{
    ClientInfo, SessionPolicy,
    location::Location,
    manager::{ListOptions, Revocation},
    policy::Denied,
    session::EndReason,
    store::{Fault, StoreMethod},
};

use crate::support::{Kit, TestResult};

const MINUTE: Duration = Duration::from_secs(60);

fn short_lived() -> Kit {
    Kit::with(|builder| {
        let policy = SessionPolicy::new().idle_timeout(30 * MINUTE).absolute_timeout(120 * MINUTE);
        builder.policy(policy).activity_interval(MINUTE)
    })
}

/// At most one write per session and interval.
#[tokio::test]
async fn a_busy_session_is_written_once_per_interval() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    for _ in 0..600 {
        kit.sessions.authenticate(started.token()).await?;
        kit.clock.advance(Duration::from_millis(500));
    }
    // Five minutes: the sign-in counts as activity, so the writes are due after one, two, three and four.
    let mut writes = 0;
    while kit.store.calls(StoreMethod::Touch) == writes {
        assert!(kit.sessions.flush_activity().await);
        if kit.store.calls(StoreMethod::Touch) == writes {
            break;
        }
        writes += 1;
    }
    assert_eq!(kit.store.calls(StoreMethod::Touch), 1, "what waited was coalesced into one write");
    let record = kit.sessions.find(&started.session().user_id, started.session().id).await?.expect("a record");
    assert_eq!(record.last_active_at, started.session().created_at.saturating_add(4 * MINUTE));
    Ok(())
}

/// S51, S54: not idle before the timeout, idle after it and the allowance.
#[tokio::test]
async fn a_session_is_idle_after_its_timeout_and_the_allowance() -> TestResult {
    let kit = short_lived();
    let started = kit.sign_in("ann").await;
    kit.clock.advance(30 * MINUTE);
    kit.sessions.authenticate(started.token()).await?;

    kit.clock.advance(31 * MINUTE + Duration::from_secs(10));
    let denied = kit.sessions.authenticate(started.token()).await;
    assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::Idle));
    Ok(())
}

/// S51. The store knows nothing of the activity yet; this node does.
#[tokio::test]
async fn activity_that_is_not_written_yet_keeps_a_session_alive() -> TestResult {
    let kit = short_lived();
    let started = kit.sign_in("ann").await;
    for _ in 0..3 {
        kit.clock.advance(29 * MINUTE);
        kit.sessions.authenticate(started.token()).await?;
    }
    assert_eq!(kit.store.calls(StoreMethod::Touch), 0);
    Ok(())
}

/// S51: working on one node never signs a user out on another.
#[tokio::test]
async fn work_on_one_node_keeps_the_session_alive_on_the_other() -> TestResult {
    let kit = short_lived();
    let other = Kit::over(kit.store.clone(), kit.clock.clone(), |builder| {
        let policy = SessionPolicy::new().idle_timeout(30 * MINUTE).absolute_timeout(120 * MINUTE);
        builder.policy(policy).activity_interval(MINUTE)
    });
    let started = kit.sign_in("ann").await;
    other.sessions.authenticate(started.token()).await?;
    for _ in 0..100 {
        kit.sessions.authenticate(started.token()).await?;
        kit.sessions.flush_activity().await;
        kit.clock.advance(MINUTE);
    }
    other.sessions.authenticate(started.token()).await?;
    Ok(())
}

/// S52.
#[tokio::test]
async fn the_busiest_session_ends_at_its_absolute_timeout() -> TestResult {
    let kit = short_lived();
    let started = kit.sign_in("ann").await;
    for _ in 0..119 {
        kit.clock.advance(MINUTE);
        kit.sessions.authenticate(started.token()).await?;
    }
    kit.clock.advance(MINUTE);
    let denied = kit.sessions.authenticate(started.token()).await;
    assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::Expired));
    Ok(())
}

/// R19.
#[tokio::test]
async fn shutdown_writes_the_activity_that_waits() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.clock.advance(5 * MINUTE);
    kit.sessions.authenticate(started.token()).await?;

    let report = kit.sessions.shutdown(Duration::from_secs(5)).await;
    assert_eq!((report.unwritten, report.dropped), (0, 0));
    let record = kit.another_node().sessions.find(&started.session().user_id, started.session().id).await?;
    assert_eq!(
        record.map(|record| record.last_active_at),
        Some(started.session().created_at.saturating_add(5 * MINUTE))
    );
    Ok(())
}

/// R19. A store that does not answer cannot hold up the shutdown, and the report says what is lost.
#[tokio::test(start_paused = true)]
async fn shutdown_reports_what_a_dead_store_did_not_take() -> TestResult {
    let kit = Kit::new();
    for user in ["ann", "bob", "cid"] {
        let started = kit.sign_in(user).await;
        kit.clock.advance(5 * MINUTE);
        kit.sessions.authenticate(started.token()).await?;
    }
    kit.store.fail(StoreMethod::Touch, Fault::HangBefore);
    let report = kit.sessions.shutdown(Duration::from_secs(5)).await;
    assert_eq!(report.unwritten, 3);
    Ok(())
}

/// R21. Requests do not notice a store that cannot write.
#[tokio::test]
async fn requests_do_not_wait_for_writes() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.sessions.authenticate(started.token()).await?;
    kit.store.fail(StoreMethod::Touch, Fault::HangBefore);
    for _ in 0..10 {
        kit.clock.advance(MINUTE);
        kit.sessions.authenticate(started.token()).await?;
    }
    Ok(())
}

/// What could not be written is written later.
#[tokio::test]
async fn activity_survives_a_failed_write() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.clock.advance(5 * MINUTE);
    kit.sessions.authenticate(started.token()).await?;
    kit.store.fail_next(StoreMethod::Touch, 1, Fault::FailBefore);
    assert!(!kit.sessions.flush_activity().await);
    assert!(kit.sessions.flush_activity().await);
    assert_eq!(kit.store.calls(StoreMethod::Touch), 2);
    Ok(())
}

/// R22. A session that was revoked meanwhile does not poison the batch, and is not brought back.
#[tokio::test]
async fn a_batch_with_a_revoked_session_is_written_without_it() -> TestResult {
    let kit = Kit::new();
    let (ann, bob) = (kit.sign_in("ann").await, kit.sign_in("bob").await);
    kit.clock.advance(5 * MINUTE);
    for started in [&ann, &bob] {
        kit.sessions.authenticate(started.token()).await?;
    }
    let current = kit.sessions.authenticate(ann.token()).await?;
    kit.sessions.sign_out(&current).await?;
    assert!(kit.sessions.flush_activity().await);
    assert!(kit.sessions.authenticate(ann.token()).await.is_err());
    let bob = kit.sessions.find(&bob.session().user_id, bob.session().id).await?.expect("a record");
    assert_eq!(bob.last_active_at, bob.created_at.saturating_add(5 * MINUTE));
    Ok(())
}

/// The writer works by itself.
#[tokio::test(start_paused = true)]
async fn activity_is_written_in_the_background() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.clock.advance(5 * MINUTE);
    kit.sessions.authenticate(started.token()).await?;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(kit.store.calls(StoreMethod::Touch), 1);
    Ok(())
}

/// R31. A writer that panics is started again, and loses nothing.
#[tokio::test(start_paused = true)]
async fn the_writer_is_restarted_after_a_panic() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.store.fail_next(StoreMethod::Touch, 1, Fault::Panic);
    for _ in 0..2 {
        kit.clock.advance(5 * MINUTE);
        kit.sessions.authenticate(started.token()).await?;
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    assert_eq!(kit.store.calls(StoreMethod::Touch), 3, "the panic, what it was about, and the second activity");
    let record = kit.sessions.find(&started.session().user_id, started.session().id).await?.expect("a record");
    assert_eq!(record.last_active_at, record.created_at.saturating_add(10 * MINUTE));
    Ok(())
}

/// S38. Old records go in the background, in batches; younger ones stay.
#[tokio::test(start_paused = true)]
async fn ended_sessions_are_deleted_after_their_retention() -> TestResult {
    let kit = Kit::new();
    let old = kit.sign_in("ann").await;
    kit.sessions.sign_out(&kit.sessions.authenticate(old.token()).await?).await?;
    kit.clock.advance(Duration::from_secs(31 * 86_400));
    let young = kit.sign_in("ann").await;

    // Both clocks move together, as they do when time passes.
    assert_eq!(kit.sessions.purge().await?, 1);
    let all = ListOptions::new().state(tower_device_sessions::store::SessionState::All);
    let left = kit.sessions.list(&young.session().user_id, &all).await?;
    assert_eq!(left.sessions.iter().map(|session| session.id).collect::<Vec<_>>(), [young.session().id]);

    let calls = kit.store.calls(StoreMethod::Purge);
    tokio::time::sleep(Duration::from_secs(3 * 3_600 + 1)).await;
    assert!(kit.store.calls(StoreMethod::Purge) > calls, "the cleaner works by itself");
    Ok(())
}

/// Addresses and places may go before the sessions that they belong to, also when more ended at one moment than fit on
/// a page.
#[tokio::test(start_paused = true)]
async fn addresses_are_forgotten_after_their_own_retention() -> TestResult {
    let day = Duration::from_secs(86_400);
    let policy = SessionPolicy::new().idle_timeout(20 * day);
    let kit = Kit::with(|builder| builder.policy(policy).address_retention(7 * day));
    let client =
        || ClientInfo::new().ip("203.0.113.9".parse().ok()).location(Some(Location::new(Some("Lyon"), None, None)));
    for _ in 0..600 {
        let _ = kit.sessions.start("ann", client()).await?;
    }
    let ann = tower_device_sessions::UserId::try_from("ann")?;
    kit.sessions.revoke_all(&ann, Revocation::by_application()).await?;
    let active = kit.sessions.start("ann", client()).await?;
    kit.sessions.purge().await?;
    let ended = ListOptions::new().state(tower_device_sessions::store::SessionState::Ended).limit(100);
    let addressed = async || {
        let page = kit.sessions.list(&ann, &ended).await?;
        let known = |session: &&tower_device_sessions::Session| {
            session.created_ip.is_some() || session.last_ip.is_some() || session.location.is_some()
        };
        Ok::<_, tower_device_sessions::Error>((page.sessions.len(), page.sessions.iter().filter(known).count()))
    };
    assert_eq!(addressed().await?, (100, 100), "not before their time");

    kit.clock.advance(8 * day);
    kit.sessions.purge().await?;
    assert_eq!(addressed().await?, (100, 0));
    assert_eq!(kit.store.calls(StoreMethod::ForgetAddresses), 600, "each once");
    let kept = kit.sessions.find(&ann, active.session().id).await?.expect("a record");
    assert!(kept.created_ip.is_some() && kept.location.is_some());
    Ok(())
}

/// S38: in batches of a thousand, each a call of its own.
#[tokio::test(start_paused = true)]
async fn old_records_are_deleted_in_batches() -> TestResult {
    let kit = Kit::new();
    for number in 0..2_500 {
        drop(kit.sign_in(&format!("user-{number}")).await);
    }
    // Past the absolute timeout and the retention.
    kit.clock.advance(Duration::from_secs(61 * 86_400));
    assert_eq!(kit.sessions.purge().await?, 2_500);
    assert_eq!(kit.store.calls(StoreMethod::Purge), 3);
    Ok(())
}
