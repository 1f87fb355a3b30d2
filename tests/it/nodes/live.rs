//! Connections that wait for the end of their session hear of it, no matter what is read meanwhile and what else waits.

use std::time::Duration;

use tokio::{task::JoinHandle, time};
use tower_device_sessions::{
    ClientInfo, CurrentSession, KeyRing, SessionManager,
    bus::{BusEvent, GapReason, LocalBus, RevocationBus, RevocationMessage},
    device::DeviceName,
    event::SessionEvent,
    manager::Revocation,
    policy::{OverLimit, SessionPolicy},
    session::{EndReason, Ending},
    store::{FailingStore, Fault, MemoryStore, SessionStore, StoreMethod},
};

use super::{hearing::node, script::Script};
use crate::support::{Kit, SECRET, TestResult, clocks::SteppingClock};

const SECOND: Duration = Duration::from_secs(1);

/// Lets time pass on the kit's clock and on tokio's.
async fn pass(kit: &Kit, duration: Duration) {
    for _ in 0..duration.as_secs() {
        kit.clock.advance(SECOND);
        time::sleep(SECOND).await;
    }
}

async fn told(ended: JoinHandle<Ending>) -> Result<EndReason, Box<dyn std::error::Error + Send + Sync>> {
    Ok(time::timeout(20 * SECOND, ended).await.map_err(|_| "the connection was never told")??.reason)
}

/// S39: the store has answered the read before the session ended, and the word of the end is faster than the answer.
#[tokio::test(start_paused = true)]
async fn an_end_that_is_heard_during_a_read_is_told() -> TestResult {
    let here = Kit::new();
    let bus = Script::new();
    let there = node(&here, bus.clone());
    for word in 0..4 {
        let started = here.sign_in("ann").await;
        let (user, id) = (started.session().user_id.clone(), started.session().id);
        let current = there.sessions.authenticate(started.token()).await?;
        let ended = tokio::spawn(current.ended());

        let gate = here.store.hold_after(StoreMethod::Find);
        bus.say(BusEvent::Message(RevocationMessage::changed(user.clone(), [id]))).await;
        gate.arrived(1).await;
        let by = Revocation::by_administrator("eve");
        match word {
            0 => {
                here.sessions.revoke(&user, id, by).await?;
                bus.say(BusEvent::Message(RevocationMessage::ended(user, [id]))).await;
            }
            1 => {
                here.sessions.revoke(&user, id, by).await?;
                bus.say(BusEvent::Message(RevocationMessage::all_ended(user, None))).await;
            }
            2 => {
                here.sessions.revoke(&user, id, by).await?;
                bus.say(BusEvent::Gap(GapReason::Overflow)).await;
            }
            _ => {
                // This node's own attempt, committed and never answered.
                here.store.fail_next(StoreMethod::End, 2, Fault::FailAfter);
                assert!(there.sessions.revoke(&user, id, by).await.is_err());
            }
        }
        gate.open();
        assert_eq!(told(ended).await?, EndReason::RevokedByAdmin, "word {word}");
    }
    Ok(())
}

/// S39: connections on this node are told right after the store has committed, no matter how long the other nodes take
/// to hear.
#[tokio::test(start_paused = true)]
async fn a_connection_on_this_node_is_told_before_the_other_nodes_are() -> TestResult {
    let bus = Script::new();
    let kit = Kit::with(|builder| builder.bus(bus.clone()));
    for all in [false, true] {
        let current = kit.sessions.authenticate(kit.sign_in("ann").await.token()).await?;
        let ended = tokio::spawn(current.ended());
        bus.mute(true);
        let revoking = tokio::spawn({
            let (sessions, user, id) = (kit.sessions.clone(), current.user_id().clone(), current.id());
            async move {
                match all {
                    false => sessions.revoke(&user, id, Revocation::by_administrator("eve")).await.map(drop),
                    true => sessions.revoke_all(&user, Revocation::by_administrator("eve")).await.map(drop),
                }
            }
        });
        assert_eq!(told(ended).await?, EndReason::RevokedByAdmin);
        assert!(!revoking.is_finished(), "it waits for the bus");
        bus.mute(false);
        revoking.await??;
        // The one that could not be told is out of the way when the next one is.
        drop(kit.sign_in("ann").await);
        kit.sessions.revoke_all(current.user_id(), Revocation::by_application()).await?;
        time::sleep(2 * SECOND).await;
    }
    Ok(())
}

/// S39: so is a connection whose session makes room for a sign-in, and the application hears of it last.
#[tokio::test(start_paused = true)]
async fn a_session_that_makes_room_is_told_here_then_there_then_to_the_application() -> TestResult {
    let bus = Script::new();
    let kit = Kit::with(|builder| builder.bus(bus.clone()).max_sessions(1, OverLimit::RevokeOldest));
    let current = kit.sessions.authenticate(kit.sign_in("ann").await.token()).await?;
    let ended = tokio::spawn(current.ended());
    kit.events.take();
    bus.mute(true);
    let signing_in = tokio::spawn({
        let sessions = kit.sessions.clone();
        async move { sessions.start("ann", ClientInfo::new()).await }
    });
    assert_eq!(told(ended).await?, EndReason::Evicted);
    assert!(!signing_in.is_finished(), "it waits for the bus");
    let is_ended = |event: &SessionEvent| matches!(event, SessionEvent::Ended { .. });
    assert!(!kit.events.take().iter().any(is_ended), "the application hears of it when the other nodes have");
    drop(signing_in.await??);
    assert!(kit.events.take().iter().any(is_ended));
    Ok(())
}

/// R31: a driver panics when the deadlines of three connections have come.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_store_loses_no_connection() -> TestResult {
    let policy = SessionPolicy::new().absolute_timeout(3_600 * SECOND).idle_timeout(3_600 * SECOND);
    let kit = Kit::with(|builder| builder.bus(LocalBus::new()).policy(policy));
    let mut waiting = Vec::new();
    for user in ["ann", "bob", "cid"] {
        let current = kit.sessions.authenticate(kit.sign_in(user).await.token()).await?;
        waiting.push(tokio::spawn(current.ended()));
    }
    pass(&kit, 5 * SECOND).await;
    kit.store.fail_next(StoreMethod::Find, 1, Fault::Panic);
    kit.clock.advance(3_700 * SECOND);
    pass(&kit, 5 * SECOND).await;
    for ended in waiting {
        assert_eq!(told(ended).await?, EndReason::Expired);
    }
    Ok(())
}

/// A gap makes ten thousand connections due; a sign-out that is heard of next is looked at next.
#[tokio::test(start_paused = true)]
async fn a_sign_out_overtakes_the_look_at_ten_thousand_others() -> TestResult {
    let here = Kit::new();
    let bus = Script::new();
    let there = node(&here, bus.clone());
    let mut others = Vec::new();
    for number in 0..10_000 {
        let started = here.sign_in(&format!("user-{number}")).await;
        others.push(there.sessions.authenticate(started.token()).await?.ended());
    }
    let current = there.sessions.authenticate(here.sign_in("ann").await.token()).await?;
    let ended = tokio::spawn(current.ended());
    here.store.fail(StoreMethod::Find, Fault::Delay(Duration::from_millis(2)));
    let doubt = |number| RevocationMessage::all_changed(format!("user-{number}").try_into().expect("a good name"));
    for as_messages in [false, true] {
        match as_messages {
            false => bus.say(BusEvent::Gap(GapReason::Overflow)).await,
            true => {
                for number in 0..10_000 {
                    bus.say(BusEvent::Message(doubt(number))).await;
                }
            }
        }
        time::sleep(Duration::from_millis(20)).await;
    }
    let (reads, began) = (here.store.calls(StoreMethod::Find), time::Instant::now());
    here.sessions.revoke(current.user_id(), current.id(), Revocation::by_administrator("eve")).await?;
    bus.say(BusEvent::Message(RevocationMessage::ended(current.user_id().clone(), [current.id()]))).await;
    assert_eq!(told(ended).await?, EndReason::RevokedByAdmin);
    let (reads, after) = (here.store.calls(StoreMethod::Find) - reads, began.elapsed());
    println!("told after {after:?} and {reads} reads, behind 10,000 others at 2 ms a read");
    assert!(reads <= 64, "{reads} others were read first");
    Ok(())
}

/// Nobody has told this node, and it hears the others well.
#[tokio::test(start_paused = true)]
async fn an_end_that_was_missed_is_found_while_the_bus_is_healthy() -> TestResult {
    let here = Kit::new();
    let bus = Script::new();
    let there = node(&here, bus.clone());
    let current = there.sessions.authenticate(here.sign_in("ann").await.token()).await?;
    let ended = tokio::spawn(current.ended());
    pass(&here, 5 * SECOND).await;
    here.sessions.revoke(current.user_id(), current.id(), Revocation::by_administrator("eve")).await?;
    pass(&here, 20 * SECOND).await;
    assert!(!ended.is_finished(), "there is no hurry");
    pass(&here, 300 * SECOND).await;
    assert_eq!(told(ended).await?, EndReason::RevokedByAdmin);
    Ok(())
}

/// A message about one user has the sessions of that user read, and those that a revocation has spared not.
#[tokio::test(start_paused = true)]
async fn a_message_about_one_user_has_nobody_elses_sessions_read() -> TestResult {
    let here = Kit::new();
    let bus = Script::new();
    let there = node(&here, bus.clone());
    let mut waiting = Vec::new();
    let mut kept = None;
    for user in ["ann", "bob", "ann", "cid", "ann"] {
        let current = there.sessions.authenticate(here.sign_in(user).await.token()).await?;
        waiting.push(tokio::spawn(current.ended()));
        kept = Some(current);
    }
    let kept = kept.ok_or("the last")?;
    time::sleep(5 * SECOND).await;
    let reads = here.store.calls(StoreMethod::Find);
    bus.say(BusEvent::Message(RevocationMessage::all_ended(kept.user_id().clone(), Some(kept.id())))).await;
    time::sleep(Duration::from_millis(500)).await;
    assert_eq!(here.store.calls(StoreMethod::Find) - reads, 2);
    Ok(())
}

/// Signs users in, lets connections on `there` wait for the ends of their sessions, and ends them from `here` right
/// after a change, while the change is being read. The store of `there` is slow. A connection that is not told fails
/// the test.
async fn no_connection_misses_its_end(
    here: &SessionManager,
    there: &SessionManager,
    late: &FailingStore,
) -> TestResult {
    late.fail(StoreMethod::Find, Fault::DelayAfter(Duration::from_millis(5)));
    let warm = here.start("warm", Default::default()).await?;
    there.authenticate(warm.token()).await?;
    while !there.health().bus.is_some_and(|bus| bus.connected) {
        time::sleep(Duration::from_millis(5)).await;
    }
    let mut waiting = Vec::new();
    for number in 0..60 {
        let started = here.start(format!("user-{number}"), Default::default()).await?;
        let current = there.authenticate(started.token()).await?;
        let ended = tokio::spawn(current.ended());
        waiting.push(tokio::spawn(end_amid_changes(here.clone(), current, ended, number)));
    }
    for waiting in waiting {
        waiting.await??;
    }
    Ok(())
}

async fn end_amid_changes(
    here: SessionManager,
    current: CurrentSession,
    ended: JoinHandle<Ending>,
    number: u64,
) -> TestResult {
    let (user, id) = (current.user_id(), current.id());
    for _ in 0..3 {
        here.rename(user, id, Some(DeviceName::try_from("phone")?)).await?;
        time::sleep(Duration::from_micros(number * 100)).await;
    }
    here.revoke(user, id, Revocation::by_administrator("eve")).await?;
    assert_eq!(told(ended).await?, EndReason::RevokedByAdmin);
    Ok(())
}

/// Two nodes, the second with a slow store and a clock that is set all the time.
fn two_nodes(
    stores: [impl SessionStore; 2],
    buses: [impl RevocationBus; 2],
) -> Result<([SessionManager; 2], FailingStore), Box<dyn std::error::Error + Send + Sync>> {
    let ([here, there], [speaks, hears]) = (stores, buses);
    let late = FailingStore::new(there);
    let here = SessionManager::builder(here).keys(KeyRing::hs256(SECRET)?).bus(speaks).build()?;
    let clock = SteppingClock::default();
    let there = SessionManager::builder(late.clone()).keys(KeyRing::hs256(SECRET)?).bus(hears).clock(clock.clone());
    let there = there.build()?;
    // It begins with the right time: what a clock has shown before a step back bears out a jump to it.
    drop(clock.keep_stepping(Duration::from_millis(7)));
    Ok(([here, there], late))
}

/// S39, S27.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_misses_its_end_on_a_node_whose_store_answers_late() -> TestResult {
    let (store, bus) = (MemoryStore::new(), LocalBus::new());
    let ([here, there], late) = two_nodes([store.clone(), store], [bus.clone(), bus])?;
    no_connection_misses_its_end(&here, &there, &late).await
}

/// S39, S27: the same with a real store, and a real bus that is faster than its answers.
#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_misses_its_end_on_postgres_with_notify() -> TestResult {
    use tower_device_sessions::{bus::PostgresBus, store::PostgresStore};

    use crate::{stores::servers, support::servers::unique_name};

    let url = servers::url("postgres", "TEST_POSTGRES_URL", 5432, "postgres://postgres@127.0.0.1:5432/test");
    let Some(url) = url else { return Ok(()) };
    let (prefix, channel) = (servers::prefix(), unique_name().replace('-', "_"));
    let store = async || PostgresStore::connect(&url).await?.table_prefix(&prefix);
    let bus = async || PostgresBus::connect(&url).await?.channel(&channel);
    let stores = [store().await?, store().await?];
    stores[0].migrate().await?;
    let ([here, there], late) = two_nodes(stores, [bus().await?, bus().await?])?;
    let outcome = no_connection_misses_its_end(&here, &there, &late).await;

    let tables: &str = format!("DROP TABLE {prefix}sessions, {prefix}devices, {prefix}migrations").leak();
    let pool = sqlx::PgPool::connect(&url).await?;
    sqlx::raw_sql(tables).execute(&pool).await?;
    outcome
}
