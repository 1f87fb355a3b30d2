//! Access tokens that have run out: whether the client is told to refresh, or that its session has ended.

use std::time::Duration;

use tower_device_sessions::{
    SessionPolicy, StartedSession,
    event::SessionEvent,
    manager::{Endings, RefreshPolicy, Revocation},
    store::{Fault, StoreMethod},
};

use crate::support::{Kit, TestResult, get_with};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Access tokens live for ten minutes.
fn kit() -> Kit {
    Kit::with(|builder| builder.refresh(RefreshPolicy::new()))
}

async fn code(kit: &Kit, started: &StartedSession) -> String {
    let answer = get_with(&kit.app(), "/me", started.token()).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    answer.code()
}

#[tokio::test]
async fn a_token_that_ran_out_says_so_while_its_session_goes_on() -> TestResult {
    for cached in [false, true] {
        let kit = kit();
        let started = kit.sign_in("ann").await;
        if cached {
            kit.sessions.authenticate(started.token()).await?;
        }
        kit.clock.advance(HOUR);
        assert_eq!(code(&kit, &started).await, "token_expired", "cached: {cached}");
        // And that is true: the client may refresh.
        assert!(kit.sessions.refresh(started.refresh_token().expect("one")).await.is_ok());
    }
    Ok(())
}

#[tokio::test]
async fn only_a_session_past_its_end_says_that_it_has_expired() -> TestResult {
    // Tokens that live as long as their session run out with it.
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    kit.clock.advance(30 * DAY + Duration::from_secs(31));
    assert_eq!(code(&kit, &started).await, "session_expired");

    // So does the last access token of a session that is refreshed.
    let policy = SessionPolicy::new().absolute_timeout(HOUR).idle_timeout(HOUR);
    let kit = Kit::with(|builder| builder.policy(policy).refresh(RefreshPolicy::new()));
    let started = kit.sign_in("ann").await;
    kit.clock.advance(HOUR - Duration::from_secs(120));
    assert_eq!(code(&kit, &started).await, "token_expired");
    let last = kit.sessions.refresh(started.refresh_token().expect("one")).await?;
    kit.clock.advance(Duration::from_secs(300));
    assert_eq!(code(&kit, &last).await, "session_expired");
    Ok(())
}

/// How the session has ended, also when the token has run out since.
#[tokio::test]
async fn a_token_that_ran_out_after_its_session_ended_says_how_it_ended() -> TestResult {
    let kit = kit();
    let (revoked, idle) = (kit.sign_in("ann").await, kit.sign_in("bob").await);
    kit.sessions.revoke_all(&revoked.session().user_id, Revocation::by_administrator("ops")).await?;
    kit.clock.advance(HOUR);
    kit.events.take();
    assert_eq!(code(&kit, &revoked).await, "session_revoked");
    assert!(
        !kit.events.take().iter().any(|event| matches!(event, SessionEvent::UsedAfterEnd { .. })),
        "it is worth nothing"
    );
    kit.clock.advance(8 * DAY);
    assert_eq!(code(&kit, &idle).await, "session_idle");

    let concealing = Kit::with(|builder| builder.refresh(RefreshPolicy::new()).endings(Endings::Concealed));
    let started = concealing.sign_in("ann").await;
    concealing.clock.advance(HOUR);
    assert_eq!(code(&concealing, &started).await, "token_invalid");
    Ok(())
}

/// A client that is told to refresh learns there whatever cannot be said here.
#[tokio::test]
async fn a_token_that_ran_out_says_so_when_nothing_is_known_of_its_session() -> TestResult {
    let (kit, elsewhere) = (kit(), kit());
    let unknown = elsewhere.sign_in("ann").await;
    kit.clock.advance(HOUR);
    assert_eq!(code(&kit, &unknown).await, "token_expired");

    let started = kit.sign_in("ann").await;
    kit.clock.advance(HOUR);
    kit.store.fail(StoreMethod::Find, Fault::FailBefore);
    assert_eq!(code(&kit, &started).await, "token_expired");
    Ok(())
}

/// S40: repeating it costs one store call in two seconds.
#[tokio::test]
async fn tokens_that_ran_out_do_not_flood_the_store() -> TestResult {
    let (kit, elsewhere) = (kit(), kit());
    let (alive, dead, unknown) = (kit.sign_in("ann").await, kit.sign_in("bob").await, elsewhere.sign_in("eve").await);
    kit.sessions.revoke_all(&dead.session().user_id, Revocation::by_application()).await?;
    kit.clock.advance(HOUR);
    for (started, expected) in [(&alive, "token_expired"), (&dead, "session_revoked"), (&unknown, "token_expired")] {
        let finds = kit.store.calls(StoreMethod::Find);
        for _ in 0..300 {
            assert_eq!(code(&kit, started).await, expected);
        }
        assert_eq!(kit.store.calls(StoreMethod::Find) - finds, 1, "{expected}");
    }
    Ok(())
}
