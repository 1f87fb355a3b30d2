//! When the store fails, hangs, panics or loses its answer: 503 within the deadline, and nothing is lost.

use std::{
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use axum::http::Method;
use tower_device_sessions::{
    ErrorKind,
    manager::Revocation,
    policy::Denied,
    store::{Fault, StoreMethod},
};

use crate::support::{Kit, TestResult, delete_with, get_with, request, send};

const FAULTS: [Fault; 4] = [Fault::FailBefore, Fault::HangBefore, Fault::Panic, Fault::Delay(Duration::from_secs(5))];

/// S79, R01, R02, R05, R30: never 401, never for longer than the deadline, and nothing is remembered.
#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_is_answered_by_503_within_the_deadline() -> TestResult {
    for fault in FAULTS {
        let kit = Kit::impatient(|builder| builder);
        let app = kit.app();
        let started = kit.sign_in("ann").await;
        kit.store.fail(StoreMethod::Find, fault);

        let began = tokio::time::Instant::now();
        let answer = get_with(&app, "/me", started.token()).await;
        assert_eq!(answer.status, 503, "{fault:?}");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.header("set-cookie"), None);
        assert_eq!(answer.code(), "store_unavailable");
        assert!(began.elapsed() <= Duration::from_millis(1_010), "{fault:?} took {:?}", began.elapsed());

        kit.store.heal();
        assert_eq!(get_with(&app, "/me", started.token()).await.status, 200, "{fault:?}");
    }
    Ok(())
}

/// R01, R12. What is cached goes on, also on a node that is cut off from the store.
#[tokio::test]
async fn a_cached_session_outlives_an_outage_for_its_time_to_live() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let started = kit.sign_in("ann").await;
    assert_eq!(get_with(&app, "/me", started.token()).await.status, 200);
    kit.store.fail_all(Fault::FailBefore);
    assert_eq!(get_with(&app, "/me", started.token()).await.status, 200);
    kit.clock.advance(Duration::from_secs(11));
    assert_eq!(get_with(&app, "/me", started.token()).await.status, 503);
    Ok(())
}

/// R05. One failed read fails all who joined it, and the next request reads again.
#[tokio::test]
async fn a_failed_read_is_never_cached() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.store.fail_next(StoreMethod::Find, 1, Fault::FailBefore);
    let gate = kit.store.hold_before(StoreMethod::Find);
    let herd: Vec<_> = (0..1_000)
        .map(|_| {
            let (sessions, token) = (kit.sessions.clone(), started.token().to_owned());
            tokio::spawn(async move { sessions.authenticate(&token).await.map(drop) })
        })
        .collect();
    gate.arrived(1).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    gate.open();
    for request in herd {
        assert_eq!(request.await?, Err(Denied::Unavailable));
    }
    assert_eq!(kit.store.calls(StoreMethod::Find), 1);
    kit.sessions.authenticate(started.token()).await?;
    Ok(())
}

/// S30. The answer to a sign-out is an error, and the session is as it was.
#[tokio::test(start_paused = true)]
async fn a_sign_out_that_the_store_did_not_take_is_an_error_and_changes_nothing() -> TestResult {
    for fault in FAULTS {
        let kit = Kit::impatient(|builder| builder);
        let app = kit.app();
        let started = kit.sign_in("ann").await;
        kit.store.fail(StoreMethod::End, fault);

        let began = tokio::time::Instant::now();
        let answer = send(&app, request(Method::POST, "/api/logout", started.token())).await;
        assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (503, None), "{fault:?}");
        assert!(began.elapsed() <= Duration::from_millis(1_010), "{fault:?} took {:?}", began.elapsed());

        kit.store.heal();
        let list = get_with(&app, "/api/sessions", started.token()).await;
        assert_eq!(list.json().as_array().map(Vec::len), Some(1), "{fault:?}");
    }
    Ok(())
}

/// R03. One failure is repeated away; the change is idempotent.
#[tokio::test]
async fn a_change_is_repeated_once() -> TestResult {
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        let kit = Kit::new();
        let started = kit.sign_in("ann").await;
        let current = kit.sessions.authenticate(started.token()).await?;
        kit.store.fail_next(StoreMethod::End, 1, fault);
        kit.sessions.sign_out(&current).await?;
        assert!(kit.sessions.authenticate(started.token()).await.is_err());
    }
    Ok(())
}

/// R03. The store committed and could not say so, twice: the caller hears of an error, and the session is out all the
/// same, here and at once.
#[tokio::test]
async fn a_revocation_whose_answer_was_lost_counts() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    kit.store.fail(StoreMethod::End, Fault::FailAfter);
    let error = kit.sessions.sign_out(&current).await.expect_err("the answer was lost");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(matches!(kit.sessions.authenticate(started.token()).await, Err(Denied::Ended(_))));
    Ok(())
}

/// S36, R27. A client that asks for a change may hang up at any moment: the store is as before, or as asked for.
#[tokio::test]
async fn a_change_whose_caller_hangs_up_is_done_or_not_begun() -> TestResult {
    for polls in 0..6 {
        let kit = Kit::new();
        let started = kit.sign_in("ann").await;
        let other = kit.sign_in("ann").await;
        let current = kit.sessions.authenticate(started.token()).await?;
        {
            let mut revocation = pin!(kit.sessions.revoke_others(&current));
            for _ in 0..polls {
                let mut context = Context::from_waker(Waker::noop());
                if revocation.as_mut().poll(&mut context).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let accepted = kit.sessions.authenticate(other.token()).await.is_ok();
        let listed = kit.sessions.find(&other.session().user_id, other.session().id).await?.expect("a record");
        assert_eq!(accepted, listed.ended.is_none(), "after {polls} polls");
        assert_eq!(accepted, polls == 0, "after {polls} polls");
        assert!(kit.sessions.authenticate(started.token()).await.is_ok());
    }
    Ok(())
}

/// S36. The same over HTTP: the handler's future is dropped while the store is at work.
#[tokio::test]
async fn a_request_that_hangs_up_during_a_revocation_revokes() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let started = kit.sign_in("ann").await;
    assert_eq!(get_with(&app, "/me", started.token()).await.status, 200);
    let gate = kit.store.hold_before(StoreMethod::EndAll);
    let hung_up = tokio::spawn({
        let (app, token) = (app.clone(), started.token().to_owned());
        async move { delete_with(&app, "/api/sessions", &token).await.status }
    });
    gate.arrived(1).await;
    hung_up.abort();
    assert!(hung_up.await.is_err());
    gate.open();
    while kit.sessions.authenticate(started.token()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// A sign-in that fails leaves the user able to try again.
#[tokio::test(start_paused = true)]
async fn a_sign_in_that_the_store_did_not_take_is_an_error() -> TestResult {
    for fault in FAULTS {
        let kit = Kit::impatient(|builder| builder);
        kit.store.fail(StoreMethod::Insert, fault);
        let failed = kit.sessions.start("ann", Default::default()).await;
        assert_eq!(failed.err().map(|error| error.kind()), Some(ErrorKind::Unavailable), "{fault:?}");
        kit.store.heal();
        assert_eq!(kit.sign_in("ann").await.session().user_id.as_str(), "ann");
    }
    Ok(())
}

/// R06. At most so many reads at once; the others wait their turn within the deadline.
#[tokio::test]
async fn no_more_reads_run_at_once_than_allowed() -> TestResult {
    let kit = Kit::with(|builder| builder.concurrent_loads(4));
    let mut tokens = Vec::new();
    for number in 0..100 {
        tokens.push(kit.sign_in(&format!("user-{number}")).await.token().to_owned());
    }
    let gate = kit.store.hold_before(StoreMethod::Find);
    let requests: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let sessions = kit.sessions.clone();
            tokio::spawn(async move { sessions.authenticate(&token).await.is_ok() })
        })
        .collect();
    gate.arrived(4).await;
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(kit.store.calls(StoreMethod::Find), 4);
    gate.open();
    for request in requests {
        assert!(request.await?);
    }
    Ok(())
}

/// R26. A place that is not free within the deadline is an outage, not a sign-out.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_place_counts_towards_the_deadline() -> TestResult {
    let kit = Kit::impatient(|builder| builder.concurrent_loads(1));
    let (ann, bob) = (kit.sign_in("ann").await, kit.sign_in("bob").await);
    let _gate = kit.store.hold_before(StoreMethod::Find);
    let began = tokio::time::Instant::now();
    let (one, other) = tokio::join!(kit.sessions.authenticate(ann.token()), kit.sessions.authenticate(bob.token()));
    assert_eq!((one.map(drop), other.map(drop)), (Err(Denied::Unavailable), Err(Denied::Unavailable)));
    assert!(began.elapsed() <= Duration::from_millis(1_010), "{:?}", began.elapsed());
    Ok(())
}

/// A listener that panics changes nothing.
#[tokio::test]
async fn a_listener_that_panics_changes_nothing() -> TestResult {
    let kit = Kit::with(|builder| {
        builder.on_event(|_: &tower_device_sessions::event::SessionEvent| panic!("a planned panic in a listener"))
    });
    let started = kit.sign_in("ann").await;
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    assert!(kit.sessions.authenticate(started.token()).await.is_err());
    Ok(())
}
