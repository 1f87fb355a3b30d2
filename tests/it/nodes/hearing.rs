//! A revocation reaches every node: what is told, what is heard, and what happens when nothing is.

use std::time::Duration;

use tower_device_sessions::{
    ClientInfo, KeyRing, SessionId,
    bus::{Affected, BusEvent, Cause, GapReason, LocalBus, RevocationBus, RevocationMessage},
    device::DeviceName,
    event::SessionEvent,
    manager::{RefreshPolicy, Revocation},
    policy::{Denied, OverLimit},
    session::EndReason,
    store::{Fault, StoreMethod},
};

use super::script::Script;
use crate::support::{Kit, SECRET, TestResult};

/// Another node over the kit's store, with this bus.
pub(super) fn node(kit: &Kit, bus: impl RevocationBus) -> Kit {
    Kit::over(kit.store.clone(), kit.clock.clone(), |builder| builder.bus(bus))
}

fn whose(messages: &[RevocationMessage]) -> Vec<(Cause, Affected)> {
    messages.iter().map(|message| (message.cause(), message.affected().clone())).collect()
}

/// S27: the time to live has nothing to do with it.
#[tokio::test]
async fn a_session_revoked_on_one_node_is_refused_on_the_other() -> TestResult {
    let bus = LocalBus::new();
    let here = Kit::with(|builder| builder.bus(bus.clone()));
    let there = node(&here, bus);
    let (phone, laptop) = (here.sign_in("ann").await, here.sign_in("ann").await);
    let current = here.sessions.authenticate(laptop.token()).await?;
    for started in [&phone, &laptop] {
        there.sessions.authenticate(started.token()).await?;
    }
    while !there.sessions.health().bus.is_some_and(|bus| bus.connected) {
        tokio::task::yield_now().await;
    }
    here.sessions.revoke_others(&current).await?;
    while there.sessions.authenticate(phone.token()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    there.sessions.authenticate(laptop.token()).await?;
    let health = there.sessions.health().bus.expect("there is one");
    assert_eq!((health.name, health.gaps, health.unpublished), ("local", 0, 0));
    Ok(())
}

/// S26, S27: the store has answered the read before the session ended elsewhere; the message is faster than the answer.
#[tokio::test]
async fn a_message_that_arrives_during_a_read_beats_what_the_read_brings() -> TestResult {
    let here = Kit::new();
    let bus = Script::new();
    let there = node(&here, bus.clone());
    let started = here.sign_in("ann").await;
    let (user, id) = (started.session().user_id.clone(), started.session().id);
    for all in [false, true] {
        let started = here.sign_in("ann").await;
        there.sessions.authenticate(started.token()).await?;
        bus.say(BusEvent::Gap(GapReason::Connected)).await;

        let gate = here.store.hold_after(StoreMethod::Find);
        let reading = tokio::spawn({
            let (sessions, token) = (there.sessions.clone(), started.token().to_owned());
            async move { sessions.authenticate(&token).await.map(drop) }
        });
        gate.arrived(1).await;
        here.sessions.revoke(&user, started.session().id, Revocation::by_application()).await?;
        let message = match all {
            true => RevocationMessage::all_ended(user.clone(), Some(id)),
            false => RevocationMessage::ended(user.clone(), [started.session().id]),
        };
        bus.say(BusEvent::Message(message)).await;
        gate.open();
        assert!(matches!(reading.await?, Err(Denied::Ended(ending)) if ending.reason == EndReason::RevokedByAdmin));
    }
    Ok(())
}

/// S27, R13–R15: a node that may have missed something trusts nothing it has cached, not even a read under way.
#[tokio::test]
async fn a_gap_voids_all_that_was_read_before_it() -> TestResult {
    let here = Kit::new();
    let bus = Script::new();
    let there = node(&here, bus.clone());
    for reason in [GapReason::Connected, GapReason::Disconnected, GapReason::Overflow, GapReason::Undecodable] {
        let (cached, loading) = (here.sign_in("ann").await, here.sign_in("bob").await);
        there.sessions.authenticate(cached.token()).await?;
        let gate = here.store.hold_after(StoreMethod::Find);
        let reading = tokio::spawn({
            let (sessions, token) = (there.sessions.clone(), loading.token().to_owned());
            async move { sessions.authenticate(&token).await.map(drop) }
        });
        gate.arrived(1).await;
        for started in [&cached, &loading] {
            here.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
        }
        there.sessions.authenticate(cached.token()).await?;

        let before = there.sessions.health().bus.expect("there is one").epoch_bumps;
        there.events.take();
        bus.say(BusEvent::Gap(reason)).await;
        gate.open();
        assert!(matches!(there.sessions.authenticate(cached.token()).await, Err(Denied::Ended(_))), "{reason}");
        assert!(matches!(reading.await?, Err(Denied::Ended(_))), "{reason}");
        assert_eq!(there.sessions.health().bus.expect("there is one").epoch_bumps, before + 1);
        let told = there.events.take();
        match reason {
            GapReason::Connected => assert!(matches!(told[0], SessionEvent::OtherNodesHeard { bus: "script", .. })),
            _ => assert!(
                matches!(told[0], SessionEvent::OtherNodesMissed { bus: "script", reason: why, .. } if why == reason.as_str())
            ),
        }
    }
    Ok(())
}

/// Anyone who may publish can say what nobody understands: it is heeded at once, and then once in a while.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_voids_everything_only_once_in_a_while() -> TestResult {
    let here = Kit::new();
    let bus = Script::new();
    let there = node(&here, bus.clone());
    let ann = here.sign_in("ann").await;
    there.sessions.authenticate(ann.token()).await?;
    let bumps = || there.sessions.health().bus.map(|bus| bus.epoch_bumps);
    for _ in 0..100 {
        bus.say(BusEvent::Gap(GapReason::Undecodable)).await;
    }
    assert_eq!((bumps(), there.events.take().len()), (Some(1), 1));
    here.sessions.revoke_all(&ann.session().user_id, Revocation::by_application()).await?;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!((bumps(), there.events.take().len()), (Some(2), 1), "what was put off is not forgotten");
    assert!(there.sessions.authenticate(ann.token()).await.is_err());
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(bumps(), Some(2));
    Ok(())
}

/// With keys for messages, only those that have them are heard.
#[tokio::test]
async fn a_message_without_a_good_seal_is_not_believed() -> TestResult {
    let (bus, other_bus) = (Script::new(), Script::new());
    let keys = |secret: &str| KeyRing::hs256(secret).expect("a good secret");
    let here = Kit::with(|builder| builder.bus(bus.clone()).bus_keys(keys(SECRET)));
    let there = Kit::over(here.store.clone(), here.clock.clone(), |builder| {
        builder.bus(other_bus.clone()).bus_keys(keys(SECRET))
    });
    let (ann, bob) = (here.sign_in("ann").await, here.sign_in("bob").await);
    for started in [&ann, &bob] {
        there.sessions.authenticate(started.token()).await?;
    }
    here.sessions.revoke_all(&ann.session().user_id, Revocation::by_application()).await?;
    let sealed = bus.told().pop().ok_or("nothing was told")?;
    let (bare, seal) = sealed.unsealed();
    let seal = seal.ok_or("no seal")?;

    let about_bob = RevocationMessage::all_ended(bob.session().user_id.clone(), None);
    for forged in [bare.clone(), about_bob.clone(), about_bob.sealed(seal), bare.sealed("AAAA")] {
        other_bus.say(BusEvent::Message(forged)).await;
    }
    let bumps = || there.sessions.health().bus.map(|bus| bus.epoch_bumps);
    assert_eq!(bumps(), Some(1), "all of them together are one doubt");

    // Bob is cached again; what is sealed is heard, and is about ann only.
    there.sessions.authenticate(bob.token()).await?;
    let reads = here.store.calls(StoreMethod::Find);
    other_bus.say(BusEvent::Message(sealed)).await;
    assert!(there.sessions.authenticate(bob.token()).await.is_ok());
    assert_eq!((bumps(), here.store.calls(StoreMethod::Find)), (Some(1), reads));
    assert!(there.sessions.authenticate(ann.token()).await.is_err());
    Ok(())
}

/// S39, S27: the reason comes from the store, and no clock has to move.
#[tokio::test]
async fn a_live_connection_hears_at_once_of_the_end_on_another_node() -> TestResult {
    let here = Kit::new();
    let bus = Script::new();
    let there = node(&here, bus.clone());
    for event in 0..3 {
        let started = here.sign_in("ann").await;
        let current = there.sessions.authenticate(started.token()).await?;
        let ended = tokio::spawn(current.ended());
        let user = current.user_id().clone();
        here.sessions.revoke(&user, current.id(), Revocation::by_administrator("eve")).await?;
        bus.say(match event {
            0 => BusEvent::Message(RevocationMessage::ended(user, [current.id()])),
            1 => BusEvent::Message(RevocationMessage::all_ended(user, None)),
            _ => BusEvent::Gap(GapReason::Overflow),
        })
        .await;
        assert_eq!(ended.await?.reason, EndReason::RevokedByAdmin);
    }
    Ok(())
}

/// S28, S85: each way in which a session ends, or its tokens or its record change.
#[tokio::test]
async fn whatever_ends_or_changes_a_session_is_told_to_other_nodes() -> TestResult {
    let bus = Script::new();
    let kit = Kit::with(|builder| {
        builder
            .bus(bus.clone())
            .max_sessions(3, OverLimit::RevokeOldest)
            .refresh(RefreshPolicy::new().latest_token_only())
    });
    let sessions = &kit.sessions;
    let mut three = Vec::new();
    for _ in 0..3 {
        three.push(kit.sign_in("ann").await);
        kit.clock.advance(Duration::from_secs(1));
    }
    let [first, second, third] = three.try_into().expect("three");
    let (user, first) = (first.session().user_id.clone(), first.session().id);
    let ended = |ids: &[SessionId]| (Cause::Ended, Affected::Sessions(ids.to_vec()));
    let changed = |ids: &[SessionId]| (Cause::Changed, Affected::Sessions(ids.to_vec()));
    assert_eq!(whose(&bus.told()), [], "nobody else knows a session that has just started");

    let fourth = kit.sign_in("ann").await;
    assert_eq!(whose(&bus.told()), [ended(&[first])], "evicted");

    let client = ClientInfo::new().held(user.clone(), fourth.session().id);
    let fifth = sessions.start("ann", client).await?;
    assert_eq!(whose(&bus.told()), [ended(&[fourth.session().id])], "replaced");
    let client = ClientInfo::new().held(user.clone(), fifth.session().id);
    drop(sessions.start("bob", client).await?);
    assert_eq!(whose(&bus.told()), [ended(&[fifth.session().id])], "replaced by another user's");

    let current = sessions.authenticate(second.token()).await?;
    sessions.rename(&user, current.id(), Some(DeviceName::try_from("laptop")?)).await?;
    sessions.set_data(&user, current.id(), Default::default()).await?;
    let stepped_up = sessions.reauthenticated(&current, "otp").await?;
    assert_eq!(whose(&bus.told()), vec![changed(&[current.id()]); 3], "changed");
    let refreshed = sessions.refresh(stepped_up.refresh_token().expect("refresh is on")).await?;
    assert_eq!(whose(&bus.told()), [], "older tokens are good until the newest is used");
    let current = sessions.authenticate(refreshed.token()).await?;
    assert_eq!(whose(&bus.told()), [changed(&[current.id()])], "superseded");
    assert!(sessions.refresh(second.refresh_token().expect("refresh is on")).await.is_err());
    assert_eq!(whose(&bus.told()), [ended(&[current.id()])], "reused");

    let current = sessions.authenticate(third.token()).await?;
    sessions.revoke_others(&current).await?;
    sessions.revoke_all(&user, Revocation::by_application()).await?;
    sessions.revoke(&user, current.id(), Revocation::by_application()).await?;
    assert_eq!(
        whose(&bus.told()),
        [
            (Cause::Ended, Affected::AllBut(Some(current.id()))),
            (Cause::Ended, Affected::AllBut(None)),
            ended(&[current.id()])
        ],
        "revoked"
    );
    sessions.erase_user(&user).await?;
    assert!(whose(&bus.told()).iter().all(|told| *told == (Cause::Ended, Affected::AllBut(None))));

    let started = kit.sign_in("cem").await;
    let swept = sessions.revoke_matching(&Default::default(), Revocation::by_policy(), None).await?;
    assert_eq!(swept.revoked, 2, "of bob and cem");
    assert!(whose(&bus.told()).contains(&ended(&[started.session().id])));
    Ok(())
}

/// R03: the store may have committed what it could not answer.
#[tokio::test]
async fn other_nodes_are_told_also_when_the_store_does_not_answer() -> TestResult {
    let bus = Script::new();
    let kit = Kit::with(|builder| builder.bus(bus.clone()).max_sessions(2, OverLimit::RevokeOldest));
    let first = kit.sign_in("ann").await;
    kit.clock.advance(Duration::from_secs(1));
    let second = kit.sign_in("ann").await;
    kit.sessions.authenticate(first.token()).await?;
    kit.store.fail_next(StoreMethod::Insert, 1, Fault::FailAfter);
    drop(kit.sessions.start("ann", ClientInfo::new()).await?);
    assert_eq!(whose(&bus.told()), [(Cause::Changed, Affected::AllBut(None))]);
    assert!(kit.sessions.authenticate(first.token()).await.is_err(), "whoever was evicted is out here too");

    let (user, id) = (second.session().user_id.clone(), second.session().id);
    kit.sessions.authenticate(second.token()).await?;
    kit.store.fail_all(Fault::FailAfter);
    assert!(kit.sessions.revoke(&user, id, Revocation::by_application()).await.is_err());
    assert!(kit.sessions.revoke_all(&user, Revocation::by_application()).await.is_err());
    assert_eq!(
        whose(&bus.told()),
        [(Cause::Ended, Affected::Sessions(vec![id])), (Cause::Ended, Affected::AllBut(None))]
    );
    kit.store.heal();
    assert!(kit.sessions.authenticate(second.token()).await.is_err());
    Ok(())
}

/// R13: one revocation waits a second for a dead bus, the others not at all, and all of them are done.
#[tokio::test(start_paused = true)]
async fn a_bus_that_does_not_answer_fails_no_revocation() -> TestResult {
    let bus = Script::new();
    let kit = Kit::with(|builder| builder.bus(bus.clone()));
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(kit.sign_in("ann").await);
    }
    bus.mute(true);
    let began = tokio::time::Instant::now();
    for started in &all {
        let (user, id) = (&started.session().user_id, started.session().id);
        kit.sessions.revoke(user, id, Revocation::by_application()).await?;
        assert!(kit.sessions.authenticate(started.token()).await.is_err());
    }
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let bound = Duration::from_secs(10);
    let untold =
        |event: &SessionEvent| matches!(event, SessionEvent::OtherNodesNotTold { bound: told, .. } if *told == bound);
    assert_eq!(kit.events.take().iter().filter(|event| untold(event)).count(), 100);

    bus.mute(false);
    for _ in 0..2 {
        let started = kit.sign_in("bob").await;
        kit.sessions.revoke(&started.session().user_id, started.session().id, Revocation::by_application()).await?;
    }
    assert_eq!(bus.told().len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_node_ignores_what_it_has_said_itself() -> TestResult {
    let bus = Script::new();
    let kit = Kit::with(|builder| builder.bus(bus.clone()));
    let started = kit.sign_in("ann").await;
    kit.sessions.authenticate(started.token()).await?;
    bus.say(BusEvent::Gap(GapReason::Connected)).await;
    kit.sessions.set_data(&started.session().user_id, started.session().id, Default::default()).await?;
    kit.sessions.authenticate(started.token()).await?;
    let reads = kit.store.calls(StoreMethod::Find);
    let own = bus.told().remove(0);
    bus.say(BusEvent::Message(own.clone())).await;
    kit.sessions.authenticate(started.token()).await?;
    assert_eq!(kit.store.calls(StoreMethod::Find), reads);
    let origin = own.origin().expect("managers say who they are");
    bus.say(BusEvent::Message(own.sent(origin.node ^ 1, origin.at))).await;
    kit.sessions.authenticate(started.token()).await?;
    assert_eq!(kit.store.calls(StoreMethod::Find), reads + 1);
    Ok(())
}

/// S27, R16: nothing but the store.
#[tokio::test]
async fn nodes_that_poll_hear_of_each_others_endings() -> TestResult {
    let kit = Kit::new();
    let there = Kit::over(kit.store.clone(), kit.clock.clone(), |builder| builder.polling(Duration::from_millis(10)));
    let started = kit.sign_in("ann").await;
    there.sessions.authenticate(started.token()).await?;
    while !there.sessions.health().bus.is_some_and(|bus| bus.connected) {
        tokio::task::yield_now().await;
    }
    there.sessions.authenticate(started.token()).await?;
    kit.sessions.revoke(&started.session().user_id, started.session().id, Revocation::by_application()).await?;
    while there.sessions.authenticate(started.token()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

#[tokio::test]
async fn only_a_store_that_processes_share_is_polled() -> TestResult {
    assert_eq!(Kit::new().sessions.health().bus, None);
    #[cfg(feature = "postgres")]
    {
        use tower_device_sessions::{KeyRing, SessionManager, store::PostgresStore};

        let keys = KeyRing::hs256(crate::support::SECRET)?;
        let store = PostgresStore::from_pool(sqlx::PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none")?);
        let name = |sessions: SessionManager| sessions.health().bus.map(|bus| bus.name);
        assert_eq!(name(SessionManager::builder(store.clone()).keys(keys.clone()).build()?), Some("polling"));
        assert_eq!(name(SessionManager::builder(store).keys(keys).without_bus().build()?), None);
    }
    Ok(())
}
