//! Refresh tokens that come again: a lost answer, an app that was killed, or two holders who take turns.

use std::time::Duration;

use tower_device_sessions::{
    Error, StartedSession,
    event::SessionEvent,
    manager::RefreshPolicy,
    policy::{Denied, ReuseCause},
    session::EndReason,
};

use crate::support::{Kit, TestResult};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const MOMENT: Duration = Duration::from_micros(1);

fn kit(policy: RefreshPolicy) -> Kit {
    Kit::with(|builder| builder.refresh(policy))
}

async fn refresh(kit: &Kit, held: &StartedSession) -> Result<StartedSession, Error> {
    kit.sessions.refresh(held.refresh_token().expect("refresh tokens are on")).await
}

fn ended_by_reuse(outcome: &Result<StartedSession, Error>) -> bool {
    let denied = outcome.as_ref().err().and_then(Error::denied);
    matches!(denied, Some(Denied::Ended(ending)) if ending.reason == EndReason::RefreshReused)
}

/// The generation, the number and the age of each replay that was told.
fn replays(events: &[SessionEvent]) -> Vec<(u32, u32, Duration)> {
    let told = events.iter().filter_map(|event| match event {
        SessionEvent::RefreshReplayed { generation, times, after, .. } => Some((*generation, *times, *after)),
        _ => None,
    });
    told.collect()
}

/// S44: the answer was lost, and nobody has used it. It is given again as long as an access token lives, and no longer.
#[tokio::test]
async fn a_lost_answer_is_given_again_as_long_as_an_access_token_lives() -> TestResult {
    let kit = kit(RefreshPolicy::new());
    let started = kit.sign_in("ann").await;
    let lost = refresh(&kit, &started).await?;
    kit.clock.advance(10 * MINUTE - MOMENT);
    let again = refresh(&kit, &started).await?;
    assert_eq!(again.refresh_token(), lost.refresh_token());
    assert!(kit.sessions.authenticate(again.token()).await.is_ok(), "with an access token of its own age");

    let started = kit.sign_in("ann").await;
    let _ = refresh(&kit, &started).await?;
    kit.clock.advance(10 * MINUTE);
    kit.events.take();
    assert!(ended_by_reuse(&refresh(&kit, &started).await));
    let told = kit.events.take();
    let late = |event: &SessionEvent| matches!(event, SessionEvent::RefreshReused { cause: ReuseCause::Late, .. });
    assert!(told.iter().any(late), "{told:?}");
    Ok(())
}

/// The bound follows the access token's lifetime, or is set.
#[tokio::test]
async fn how_long_a_lost_answer_is_given_again_can_be_set() -> TestResult {
    for (policy, most) in [
        (RefreshPolicy::new().access_lifetime(MINUTE), MINUTE),
        (RefreshPolicy::new().access_lifetime(MINUTE).retry_for(3 * MINUTE), 3 * MINUTE),
        (RefreshPolicy::new().retry_for(Duration::ZERO), Duration::from_secs(30)),
        (RefreshPolicy::new().retry_for(3 * DAY), 3 * DAY),
    ] {
        for (age, answered) in [(most - MOMENT, true), (most, false)] {
            let kit = kit(policy.clone());
            let started = kit.sign_in("ann").await;
            let _ = refresh(&kit, &started).await?;
            kit.clock.advance(age);
            let outcome = refresh(&kit, &started).await;
            assert_eq!((outcome.is_ok(), ended_by_reuse(&outcome)), (answered, !answered), "{policy:?} after {age:?}");
        }
    }
    let kit = kit(RefreshPolicy::new().retry_for(Duration::MAX));
    let started = kit.sign_in("ann").await;
    let _ = refresh(&kit, &started).await?;
    kit.clock.advance(6 * DAY);
    assert!(refresh(&kit, &started).await.is_ok());
    Ok(())
}

/// S43, RFC 9700 §4.14.2: where access tokens never reach our nodes, two holders of one token who take turns within the
/// bound are told of each time; beyond it the session ends.
#[tokio::test]
async fn two_holders_who_take_turns_are_noticed() -> TestResult {
    let kit = kit(RefreshPolicy::new().grace(Duration::ZERO));
    let mut held = kit.sign_in("ann").await;
    kit.events.take();
    for round in 0..20 {
        let thief = refresh(&kit, &held).await?;
        kit.clock.advance(5 * MINUTE);
        let victim = refresh(&kit, &held).await?;
        assert_eq!(thief.refresh_token(), victim.refresh_token());
        assert_eq!(replays(&kit.events.take()), [(round, 1, 5 * MINUTE)]);
        kit.clock.advance(5 * MINUTE);
        held = victim;
    }
    let _ = refresh(&kit, &held).await?;
    kit.clock.advance(11 * MINUTE);
    assert!(ended_by_reuse(&refresh(&kit, &held).await));
    Ok(())
}

/// Each replay of one token is counted.
#[tokio::test]
async fn replays_of_a_token_are_counted() -> TestResult {
    let kit = kit(RefreshPolicy::new());
    let started = kit.sign_in("ann").await;
    let next = refresh(&kit, &started).await?;
    kit.events.take();
    for times in 1..=5 {
        kit.clock.advance(MINUTE);
        let _ = refresh(&kit, &started).await?;
        assert_eq!(replays(&kit.events.take()), [(0, times, times * MINUTE)]);
    }
    let _ = refresh(&kit, &next).await?;
    let _ = refresh(&kit, &next).await?;
    assert_eq!(replays(&kit.events.take()), [(1, 1, Duration::ZERO)]);
    Ok(())
}

/// An app is killed between using the new access token and storing the new refresh token. By choice the one that it has
/// stored is good until the new one is presented.
#[tokio::test]
async fn an_app_that_was_killed_before_it_stored_its_token_can_go_on_by_choice() -> TestResult {
    for (policy, goes_on) in [(RefreshPolicy::new(), false), (RefreshPolicy::new().until_next_refresh(), true)] {
        let kit = kit(policy);
        let stored = kit.sign_in("ann").await;
        let in_memory = refresh(&kit, &stored).await?;
        kit.sessions.authenticate(in_memory.token()).await?;
        kit.clock.advance(2 * DAY);
        kit.events.take();

        let outcome = refresh(&kit, &stored).await;
        assert_eq!((outcome.is_ok(), ended_by_reuse(&outcome)), (goes_on, !goes_on));
        if let Ok(again) = outcome {
            assert_eq!(again.refresh_token(), in_memory.refresh_token());
            assert_eq!(replays(&kit.events.take()), [(0, 1, 2 * DAY)]);
            // Once the new one was presented, the old one is used up for good.
            let _ = refresh(&kit, &again).await?;
            assert!(ended_by_reuse(&refresh(&kit, &stored).await));
        }
    }
    Ok(())
}
