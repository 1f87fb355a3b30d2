//! Clocks that are wrong: one reading, at the start, for a while, or for good. Nobody is signed out, nothing that is
//! good is deleted, and nothing lives longer.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use tower_device_sessions::{
    DevicesPage, SessionLayer, SessionPolicy, UserId,
    assurance::Requirement,
    bus::LocalBus,
    clock::{Clock, ManualClock},
    credentials::{CookieOptions, Transport},
    event::SessionEvent,
    manager::{ListOptions, RefreshPolicy, Revocation},
    policy::Denied,
    session::{EndReason, Ending, Touch},
    store::{SessionState, SessionStore, StoreMethod},
};

use crate::support::{Kit, TestResult, app, send};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Lets time pass on all of these clocks, and on tokio's.
async fn pass(clocks: &[&ManualClock], duration: Duration) {
    let step = (duration / 10).clamp(SECOND, 300 * SECOND);
    let mut left = duration;
    while !left.is_zero() {
        let step = step.min(left);
        clocks.iter().for_each(|clock| clock.advance(step));
        tokio::time::sleep(step).await;
        left -= step;
    }
}

fn set_ahead(clock: &ManualClock, by: Duration) {
    clock.set_wall(clock.now().saturating_add(by));
}

fn set_back(clock: &ManualClock, by: Duration) {
    clock.set_wall(clock.now().saturating_sub(by));
}

/// A node of its own over the kit's store, whose clock is ahead.
fn node_ahead(kit: &Kit, by: Duration) -> Kit {
    Kit::over(kit.store.clone(), ManualClock::at(kit.clock.now().saturating_add(by)), |builder| builder)
}

/// R11: with a shared store, all that is live would have been gone an hour later.
#[tokio::test(start_paused = true)]
async fn a_node_that_booted_ahead_and_was_corrected_deletes_nothing_that_is_good() -> TestResult {
    let good = Kit::new();
    let ann = good.sign_in("ann").await;
    let bad = node_ahead(&good, 90 * DAY);
    assert!(bad.sessions.authenticate(ann.token()).await.is_err(), "by its clock it has expired");
    pass(&[&good.clock, &bad.clock], 5 * SECOND).await;
    bad.clock.set_wall(good.clock.now());
    bad.sessions.authenticate(ann.token()).await?;
    pass(&[&good.clock, &bad.clock], 10 * HOUR).await;
    for kit in [&good, &bad] {
        kit.sessions.authenticate(ann.token()).await?;
    }
    assert!(bad.store.calls(StoreMethod::Purge) > 0, "the cleaners work all the same");
    Ok(())
}

/// R11: nobody corrects it, it signs users in, and is even told to delete.
#[tokio::test(start_paused = true)]
async fn a_node_whose_clock_stays_ahead_deletes_no_session_that_is_live_by_the_store() -> TestResult {
    for ahead in [31 * DAY, 90 * DAY, 3_650 * DAY] {
        let good = Kit::new();
        let mut signed_in = Vec::new();
        for user in 0..150 {
            signed_in.push(good.sign_in(&format!("user-{user}")).await);
        }
        let bad = node_ahead(&good, ahead);
        for user in 0..30 {
            drop(bad.sign_in(&format!("newcomer-{user}")).await);
        }
        pass(&[&good.clock, &bad.clock], 5 * HOUR).await;
        assert_eq!(bad.sessions.purge().await?, 0, "{ahead:?}");
        for started in &signed_in {
            good.sessions.authenticate(started.token()).await?;
        }
    }
    Ok(())
}

/// R11: a jump that lasts counts, signs users out, and is taken back.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ahead_for_hours_deletes_nothing_and_heals_in_the_same_process() -> TestResult {
    let kit = Kit::new();
    let ann = kit.sign_in("ann").await;
    kit.sessions.authenticate(ann.token()).await?;
    pass(&[&kit.clock], 2 * HOUR).await;
    set_ahead(&kit.clock, 3_650 * DAY);
    pass(&[&kit.clock], 5 * HOUR).await;
    assert!(kit.sessions.authenticate(ann.token()).await.is_err());
    assert_eq!(kit.sessions.purge().await?, 0);
    set_back(&kit.clock, 3_650 * DAY);
    pass(&[&kit.clock], 3 * SECOND).await;
    kit.sessions.authenticate(ann.token()).await?;
    Ok(())
}

/// R11: nobody notices, and what is issued meanwhile is good everywhere.
#[tokio::test(start_paused = true)]
async fn a_year_ahead_for_twenty_seconds_is_as_if_it_had_not_been() -> TestResult {
    let kit = Kit::new();
    let ann = kit.sign_in("ann").await;
    kit.sessions.authenticate(ann.token()).await?;
    let healthy = node_ahead(&kit, Duration::ZERO);
    set_ahead(&kit.clock, 365 * DAY);
    for _ in 0..20 {
        kit.sessions.authenticate(ann.token()).await?;
        pass(&[&kit.clock, &healthy.clock], SECOND).await;
    }
    let bob = kit.sign_in("bob").await;
    healthy.sessions.authenticate(bob.token()).await?;
    set_back(&kit.clock, 365 * DAY);
    for started in [&ann, &bob] {
        kit.sessions.authenticate(started.token()).await?;
    }
    assert_eq!(kit.sessions.now(), healthy.clock.now());
    Ok(())
}

/// R11, S56: a clock that was ahead for a second stops neither expiry nor the age of an authentication.
#[tokio::test(start_paused = true)]
async fn a_day_ahead_for_a_second_lets_nothing_live_longer() -> TestResult {
    let kit = Kit::with(|builder| builder.policy(SessionPolicy::hardened()).refresh(RefreshPolicy::new()));
    kit.sessions.authenticate(kit.sign_in("ann").await.token()).await?;
    set_ahead(&kit.clock, 20 * HOUR);
    let _ = kit.sessions.now();
    kit.clock.advance(SECOND);
    set_back(&kit.clock, 20 * HOUR);
    let bob = kit.sign_in("bob").await;
    let recent = Requirement::recent(300 * SECOND);
    let current = kit.sessions.authenticate(bob.token()).await?;
    assert!(current.meets(&recent).is_ok());
    kit.clock.advance(301 * SECOND);
    assert!(current.meets(&recent).is_err());
    kit.clock.advance(330 * SECOND);
    assert_eq!(kit.sessions.authenticate(bob.token()).await.err(), Some(Denied::TokenExpired));
    Ok(())
}

/// R11: a machine whose monotonic hand stands still while it is suspended. After a minute it is as late as the wall
/// says.
#[tokio::test(start_paused = true)]
async fn the_cleaner_goes_on_after_a_suspension() -> TestResult {
    let kit = Kit::with(|builder| builder.retention(DAY));
    let ann = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(ann.token()).await?;
    kit.sessions.sign_out(&current).await?;
    pass(&[&kit.clock], 4 * HOUR).await;
    let calls = kit.store.calls(StoreMethod::Purge);
    set_ahead(&kit.clock, 2 * HOUR);
    pass(&[&kit.clock], 70 * SECOND).await;
    assert_eq!(kit.sessions.now(), kit.clock.now());
    pass(&[&kit.clock], 25 * HOUR).await;
    assert!(kit.store.calls(StoreMethod::Purge) > calls);
    assert!(kit.sessions.find(current.user_id(), current.id()).await?.is_none());
    Ok(())
}

/// Ends sessions of these many users, forty days before the kit's present, at which somebody else signs in. Nobody
/// runs.
async fn ended_long_ago(users: u32) -> Result<Kit, Box<dyn std::error::Error + Send + Sync>> {
    let kit = Kit::new();
    for user in 0..users {
        let started = kit.sign_in(&format!("user-{user}")).await;
        kit.sessions.revoke(&started.session().user_id, started.session().id, Revocation::by_application()).await?;
    }
    kit.clock.advance(40 * DAY);
    drop(kit.sign_in("ann").await);
    kit.sessions.shutdown(SECOND).await;
    kit.clock.advance(SECOND);
    Ok(kit)
}

async fn is_there(kit: &Kit, user: &str) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let all = ListOptions::new().state(SessionState::All);
    Ok(!kit.sessions.list(&UserId::try_from(user)?, &all).await?.sessions.is_empty())
}

/// R11, S38.
#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_in_the_first_rounds_after_a_start() -> TestResult {
    let before = ended_long_ago(1).await?;
    let kit = before.another_node();
    drop(kit.sign_in("bob").await);
    pass(&[&kit.clock], 2 * HOUR + 10 * SECOND).await;
    assert!(is_there(&kit, "user-0").await?);
    pass(&[&kit.clock], HOUR).await;
    assert!(!is_there(&kit, "user-0").await?);
    Ok(())
}

/// R11: whether that many may go, a person says.
#[tokio::test(start_paused = true)]
async fn the_cleaner_asks_before_it_takes_most_of_all_sessions() -> TestResult {
    let before = ended_long_ago(150).await?;
    let kit = before.another_node();
    drop(kit.sign_in("bob").await);
    pass(&[&kit.clock], 5 * HOUR + 60 * SECOND).await;
    assert!(is_there(&kit, "user-0").await?);
    let asked = |event: &SessionEvent| matches!(event, SessionEvent::RetentionPaused { due: 150, kept: 2, .. });
    assert_eq!(kit.events.take().iter().filter(|&event| asked(event)).count(), 3, "in each round");

    assert_eq!(kit.sessions.purge().await?, 150);
    pass(&[&kit.clock], 5 * HOUR).await;
    assert_eq!(kit.events.take().iter().filter(|&event| asked(event)).count(), 0);
    Ok(())
}

/// R10: a correction brings back what only the wrong clock had ended, and nothing that is on record.
#[tokio::test(start_paused = true)]
async fn what_is_on_record_as_ended_stays_ended_when_the_clock_is_corrected() -> TestResult {
    let good = Kit::new();
    let (kept, gone) = (good.sign_in("ann").await, good.sign_in("ann").await);
    let bad = node_ahead(&good, 60 * DAY);
    for started in [&kept, &gone] {
        let denied = bad.sessions.authenticate(started.token()).await;
        let is_over = |ending: &Ending| ending.reason == EndReason::Expired;
        assert!(matches!(&denied, Err(Denied::Ended(ending)) if is_over(ending)), "{:?}", denied.err());
    }
    good.sessions.revoke(&gone.session().user_id, gone.session().id, Revocation::by_application()).await?;
    bad.clock.set_wall(good.clock.now());
    bad.clock.advance(3 * SECOND);
    bad.sessions.authenticate(kept.token()).await?;
    let denied = bad.sessions.authenticate(gone.token()).await;
    assert!(matches!(denied, Err(Denied::Ended(ending)) if ending.reason == EndReason::RevokedByAdmin));
    Ok(())
}

/// R10: the node cannot know how late it is. It is a 503 until it does, the page leaves the cookie alone, and anyone
/// who wants to can sign in.
#[tokio::test(start_paused = true)]
async fn a_restart_with_the_clock_behind_clears_no_cookie_that_will_be_good_again() -> TestResult {
    let with_cookies = |kit: &Kit, clock: ManualClock| {
        Kit::over(kit.store.clone(), clock, |builder| builder.transport(Transport::Cookie(CookieOptions::new())))
    };
    let before = Kit::new();
    let before = with_cookies(&before, before.clock.clone());
    let ann = before.sign_in("ann").await;
    let cookie = format!("__Host-session={}", ann.token());

    let behind = ManualClock::at(before.clock.now().saturating_sub(6 * 365 * DAY));
    let kit = with_cookies(&before, behind);
    let page = DevicesPage::new(&kit.sessions, "/devices").into_router();
    let app: Router =
        app(&kit.sessions).merge(Router::new().nest("/devices", page).layer(SessionLayer::new(&kit.sessions)));
    let ask = async |path: &str| -> Result<_, axum::http::Error> {
        let request = Request::get(path).header(header::COOKIE, &cookie).header("sec-fetch-site", "none");
        Ok(send(&app, request.body(Body::empty())?).await)
    };
    let answer = ask("/me").await?;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "clocks_disagree"));
    assert_eq!((answer.header("set-cookie"), answer.header("www-authenticate")), (None, None));
    assert_eq!(ask("/maybe").await?.body, "nobody", "what needs no session is there");
    let answer = ask("/devices").await?;
    assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (303, None));

    // The clock is corrected, and the very next token bears that out.
    kit.clock.set_wall(before.clock.now());
    assert_eq!(ask("/me").await?.body, "ann");
    assert_eq!(kit.sessions.now(), before.clock.now());
    Ok(())
}

/// A node that was suspended does not wait for a minute where others know better.
#[tokio::test(start_paused = true)]
async fn what_other_nodes_write_and_say_bears_a_jump_out() -> TestResult {
    for by_message in [true, false] {
        let bus = LocalBus::new();
        let here = Kit::with(|builder| builder.bus(bus.clone()));
        let there = Kit::over(here.store.clone(), ManualClock::at(here.clock.now()), |builder| builder.bus(bus));
        let (ann, bob) = (here.sign_in("ann").await, here.sign_in("bob").await);
        there.sessions.authenticate(ann.token()).await?;
        pass(&[], SECOND).await;
        set_ahead(&here.clock, 2 * HOUR);
        let _ = here.sessions.now();
        for clock in [&here.clock, &there.clock] {
            clock.advance(60 * SECOND);
        }
        assert_eq!(here.sessions.now(), here.clock.now(), "it has waited");
        set_ahead(&there.clock, 2 * HOUR);
        let before = there.sessions.now();
        assert_eq!(before.saturating_add(2 * HOUR), here.sessions.now());
        match by_message {
            true => {
                here.sessions.revoke(&bob.session().user_id, bob.session().id, Revocation::by_application()).await?;
                pass(&[], SECOND).await;
            }
            false => {
                let touch = Touch::new(bob.session().key(), here.sessions.now());
                here.store.touch(&[touch]).await?;
                there.sessions.authenticate(bob.token()).await?;
            }
        }
        assert_eq!(there.sessions.now(), before.saturating_add(2 * HOUR), "by message: {by_message}");
        there.sessions.authenticate(ann.token()).await?;
    }
    Ok(())
}
