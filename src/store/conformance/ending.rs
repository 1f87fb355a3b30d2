//! Endings: once, as asked or as the deadline has it, one or all.

use std::time::Duration;

use super::support::{
    HOUR, MINUTE, NOW, Store, Verdict, Violation, ago, ensure, ensure_eq, ensure_unchanged, insert, insert_all, later,
    race, reread, revoked, session, session_of, sorted,
};
use crate::{
    id::{DeviceId, SessionId, SessionKey, UserId},
    session::{Actor, AsOf, EndReason, Ending, Session, Touch},
    store::{EndOutcome, EndScope},
};

pub(super) async fn ending_a_session_puts_it_on_record(store: Store) -> Verdict {
    let (ended, beside) = (session(1), session(1));
    insert_all(&store, [&ended, &beside]).await?;
    ensure_eq!(end(&store, &ended, &revoked()).await?, EndOutcome::Ended, "the answer");
    ensure_unchanged(&store, &Session { ended: Some(revoked()), ..ended }).await?;
    ensure_unchanged(&store, &beside).await
}

pub(super) async fn a_session_ends_once(store: Store) -> Verdict {
    let ended = session(1);
    insert(&store, &ended).await?;
    end(&store, &ended, &revoked()).await?;
    for again in [
        revoked(),
        Ending::new(EndReason::SignedOut, Actor::Session(ended.id), ago(MINUTE)),
        Ending::new(EndReason::Policy, Actor::System, later(100 * HOUR)),
    ] {
        ensure_eq!(end(&store, &ended, &again).await?, EndOutcome::AlreadyEnded(revoked()), "the answer to {again:?}");
    }
    ensure_unchanged(&store, &Session { ended: Some(revoked()), ..ended }).await
}

pub(super) async fn ending_an_absent_session_finds_nothing(store: Store) -> Verdict {
    let (present, absent) = (session(1), session(1));
    insert(&store, &present).await?;
    ensure_eq!(end(&store, &absent, &revoked()).await?, EndOutcome::NotFound, "the answer");
    ensure_eq!(store.find(&absent.key()).await?, None, "the record");
    ensure_unchanged(&store, &present).await
}

pub(super) async fn a_session_past_its_absolute_deadline_has_expired(store: Store) -> Verdict {
    let last_moment = Session { expires_at: NOW.saturating_add(Duration::from_micros(1)), ..session(1) };
    insert(&store, &last_moment).await?;
    ensure_eq!(end(&store, &last_moment, &revoked()).await?, EndOutcome::Ended, "the answer in the last moment");

    for expires_at in [NOW, ago(MINUTE)] {
        // It is past its idle deadline too: the absolute one comes first.
        let due = Session { expires_at, ..session_of(UserId::from(1), 5 * HOUR) };
        let expired = Ending::new(EndReason::Expired, Actor::System, expires_at);
        insert(&store, &due).await?;
        for _ in 0..2 {
            let outcome = end(&store, &due, &revoked()).await?;
            ensure_eq!(outcome, EndOutcome::AlreadyEnded(expired.clone()), "the answer past the deadline");
        }
        ensure_unchanged(&store, &Session { ended: Some(expired), ..due }).await?;
    }
    Ok(())
}

pub(super) async fn a_session_past_its_idle_deadline_was_idle(store: Store) -> Verdict {
    let allowance = 2 * MINUTE;
    let rested = 92 * MINUTE;
    let last_moment = session_of(UserId::from(1), rested - Duration::from_micros(1));
    insert(&store, &last_moment).await?;
    let outcome = store.end(&last_moment.key(), &revoked(), allowance).await?;
    ensure_eq!(outcome, EndOutcome::Ended, "the answer in the last moment of the allowance");

    let due = session_of(UserId::from(1), rested);
    insert(&store, &due).await?;
    let idle = Ending::new(EndReason::Idle, Actor::System, ago(2 * MINUTE));
    for asked in [revoked(), Ending::new(EndReason::Idle, Actor::System, NOW)] {
        let outcome = store.end(&due.key(), &asked, allowance).await?;
        ensure_eq!(outcome, EndOutcome::AlreadyEnded(idle.clone()), "the answer past the allowance");
    }
    ensure_unchanged(&store, &Session { ended: Some(idle), ..due }).await?;

    let unbounded = session_of(UserId::from(1), 24 * HOUR);
    insert(&store, &unbounded).await?;
    let outcome = store.end(&unbounded.key(), &revoked(), Duration::MAX).await?;
    ensure_eq!(outcome, EndOutcome::Ended, "the answer with the longest allowance");
    Ok(())
}

pub(super) async fn a_passed_deadline_goes_on_record(store: Store) -> Verdict {
    let allowance = 2 * MINUTE;
    let as_of = AsOf::new(NOW, allowance);
    let expire = async |session: &Session| store.expire(&session.key(), &as_of).await;
    let (busy, absent) = (session(1), session(1));
    let last_moment = session_of(UserId::from(1), 92 * MINUTE - Duration::from_micros(1));
    insert_all(&store, [&busy, &last_moment]).await?;
    for active in [&busy, &last_moment] {
        ensure_eq!(expire(active).await?, None, "the answer for an active session");
        ensure_unchanged(&store, active).await?;
    }
    ensure_eq!(expire(&absent).await?, None, "the answer for an absent session");
    ensure_eq!(store.find(&absent.key()).await?, None, "the record of an absent session");

    let idle = session_of(UserId::from(1), 92 * MINUTE);
    let expired = Session { expires_at: ago(MINUTE), ..session_of(UserId::from(1), 5 * HOUR) };
    for (due, reason, at) in [(idle, EndReason::Idle, ago(2 * MINUTE)), (expired, EndReason::Expired, ago(MINUTE))] {
        insert(&store, &due).await?;
        let ending = Ending::new(reason, Actor::System, at);
        for _ in 0..2 {
            ensure_eq!(expire(&due).await?, Some(ending.clone()), "the answer past the deadline");
        }
        ensure_unchanged(&store, &Session { ended: Some(ending), ..due }).await?;
    }

    end(&store, &busy, &revoked()).await?;
    ensure_eq!(expire(&busy).await?, Some(revoked()), "the answer for an ended session");
    ensure_unchanged(&store, &Session { ended: Some(revoked()), ..busy }).await
}

pub(super) async fn activity_that_comes_first_keeps_a_session(store: Store) -> Verdict {
    for round in 0..30 {
        let idle = session_of(UserId::from(round), 5 * HOUR);
        insert(&store, &idle).await?;
        let touches = [Touch::new(idle.key(), NOW)];
        let (key, as_of) = (idle.key(), AsOf::new(NOW, Duration::ZERO));
        let (touched, expired) = tokio::join!(store.touch(&touches), store.expire(&key, &as_of));
        let (touched, expired) = (touched?, expired?);
        let on_record = reread(&store, &idle).await?;
        ensure_eq!(on_record.ended, expired, "the ending on record");
        ensure_eq!(
            (touched == 1, on_record.last_active_at == NOW),
            (expired.is_none(), expired.is_none()),
            "the activity"
        );
    }
    Ok(())
}

pub(super) async fn several_sessions_end_by_their_keys(store: Store) -> Verdict {
    let sessions: Vec<Session> = (0..40_u32).map(|number| session(number % 3)).collect();
    let over = Session { ended: Some(revoked()), ..session(1) };
    let expired = Session { expires_at: ago(MINUTE), ..session_of(UserId::from(2), 5 * HOUR) };
    let (untouched, absent) = (session(1), session(2));
    insert_all(&store, sessions.iter().chain([&expired, &untouched])).await?;
    insert(&store, &Session { ended: None, ..over.clone() }).await?;
    end(&store, &over, &revoked()).await?;

    let stranger = SessionKey::new(UserId::from(9), untouched.id);
    let others = [over.key(), expired.key(), absent.key(), stranger];
    let keys: Vec<SessionKey> = sessions.iter().map(Session::key).chain(others).collect();
    let ending = Ending::new(EndReason::Policy, Actor::Application, NOW);
    let mut ended = store.end_several(&keys, &ending, Duration::ZERO).await?;
    ended.sort_unstable();
    let mut expected: Vec<SessionKey> = sessions.iter().map(Session::key).collect();
    expected.sort_unstable();
    ensure_eq!(ended, expected, "those that ended");
    for each in &sessions {
        ensure_unchanged(&store, &Session { ended: Some(ending.clone()), ..each.clone() }).await?;
    }
    let passed = Ending::new(EndReason::Expired, Actor::System, ago(MINUTE));
    ensure_unchanged(&store, &Session { ended: Some(passed), ..expired }).await?;
    ensure_unchanged(&store, &over).await?;
    ensure_unchanged(&store, &untouched).await?;
    ensure_eq!(store.end_several(&keys, &ending, Duration::ZERO).await?, Vec::new(), "those that end the second time");
    ensure_eq!(store.end_several(&[], &ending, Duration::ZERO).await?, Vec::new(), "those of none");
    Ok(())
}

pub(super) async fn what_is_in_scope_is_open(store: Store) -> Verdict {
    let device = DeviceId::from_uuid(uuid::Uuid::from_u128(7));
    let (kept, over, other) = (session(1), session(1), session(2));
    let on_device = Session { device_id: Some(device), ..session(1) };
    insert_all(&store, [&kept, &over, &other, &on_device]).await?;
    end(&store, &over, &revoked()).await?;
    for (scope, mut expected) in [
        (EndScope::all(), vec![kept.id, on_device.id]),
        (EndScope::others(kept.id), vec![on_device.id]),
        (EndScope::on_device(device), vec![on_device.id]),
    ] {
        let mut found = store.in_scope(&kept.user_id, &scope).await?;
        found.sort_unstable();
        expected.sort_unstable();
        // A store that ends all of them in one step need not tell.
        ensure!(found.is_empty() || found == expected, "{scope:?}: {found:?} instead of {expected:?}");
    }
    Ok(())
}

pub(super) async fn racing_endings_have_one_winner(store: Store) -> Verdict {
    let contested = session(1);
    insert(&store, &contested).await?;
    let outcomes = race((0..16_u64).map(|racer| {
        let (store, contested) = (store.clone(), contested.clone());
        let name = format!("racer {racer}").into_boxed_str();
        let ending =
            Ending::new(EndReason::RevokedByAdmin, Actor::Administrator(name), later(Duration::from_micros(racer)));
        async move { Ok((ending.clone(), end(&store, &contested, &ending).await?)) }
    }))
    .await?;

    let on_record = reread(&store, &contested).await?.ended;
    let winners: Vec<&Ending> =
        outcomes.iter().filter(|(_, outcome)| *outcome == EndOutcome::Ended).map(|(ending, _)| ending).collect();
    ensure_eq!(winners.len(), 1, "how many were told that they ended it");
    ensure_eq!(on_record.as_ref(), winners.first().copied(), "the ending on record");
    for (ending, outcome) in &outcomes {
        if *outcome != EndOutcome::Ended {
            let told = Some(outcome.clone());
            ensure_eq!(told, on_record.clone().map(EndOutcome::AlreadyEnded), "the answer to {ending:?}");
        }
    }
    Ok(())
}

pub(super) async fn ending_all_ends_what_is_in_scope(store: Store) -> Verdict {
    type Choice = fn(&[Session], DeviceId) -> EndScope;
    let choices: [Choice; 5] = [
        |_, _| EndScope::all(),
        |sessions, _| EndScope::others(sessions[0].id),
        |_, _| EndScope::others(SessionId::from_uuid(uuid::Uuid::nil())),
        |_, phone| EndScope::on_device(phone),
        |sessions, phone| EndScope { keep: Some(sessions[1].id), device_id: Some(phone) },
    ];
    for (user, choose) in (1..).zip(choices) {
        let phone = DeviceId::new();
        let mut sessions: Vec<Session> = (0..6).map(|_| session(user)).collect();
        for (session, device_id) in sessions.iter_mut().zip([phone, phone, DeviceId::new()]) {
            session.device_id = Some(device_id);
        }
        let scope = choose(&sessions, phone);
        insert_all(&store, &sessions).await?;

        let in_scope = sorted(sessions.iter().filter(|session| scope.includes(session)).map(|session| session.id));
        let ended = store.end_all(&UserId::from(user), &scope, &revoked(), Duration::ZERO).await?;
        ensure_eq!(sorted(ended), in_scope, "the answer for {scope:?}");
        for session in &sessions {
            let ending = in_scope.contains(&session.id).then(revoked);
            ensure_unchanged(&store, &Session { ended: ending, ..session.clone() }).await?;
        }
        let again = store.end_all(&UserId::from(user), &scope, &revoked(), Duration::ZERO).await?;
        ensure!(again.is_empty(), "ending {scope:?} again ended {again:?}");
    }
    Ok(())
}

pub(super) async fn ending_all_leaves_other_users_alone(store: Store) -> Verdict {
    let device_id = Some(DeviceId::new());
    let own = Session { device_id, ..session(1) };
    let of_another = Session { device_id, ..session(2) };
    insert_all(&store, [&own, &of_another]).await?;
    let none = store.end_all(&UserId::from(3), &EndScope::all(), &revoked(), Duration::ZERO).await?;
    ensure!(none.is_empty(), "ending all of a stranger's sessions ended {none:?}");
    let ended = store.end_all(&own.user_id, &EndScope { keep: None, device_id }, &revoked(), Duration::ZERO).await?;
    ensure_eq!(ended, [own.id], "the answer");
    ensure_unchanged(&store, &of_another).await
}

pub(super) async fn ending_all_leaves_endings_alone(store: Store) -> Verdict {
    let (first, active) = (session(1), session(1));
    insert_all(&store, [&first, &active]).await?;
    let signed_out = Ending::new(EndReason::SignedOut, Actor::Session(first.id), ago(MINUTE));
    end(&store, &first, &signed_out).await?;
    let ended = store.end_all(&UserId::from(1), &EndScope::all(), &revoked(), Duration::ZERO).await?;
    ensure_eq!(ended, [active.id], "the answer");
    ensure_unchanged(&store, &Session { ended: Some(signed_out), ..first }).await?;
    ensure_unchanged(&store, &Session { ended: Some(revoked()), ..active }).await
}

pub(super) async fn ending_all_gives_deadlines_their_due(store: Store) -> Verdict {
    let active = session(1);
    let expired = Session { expires_at: ago(MINUTE), ..session(1) };
    let idle = session_of(UserId::from(1), 92 * MINUTE);
    let within_the_allowance = session_of(UserId::from(1), 91 * MINUTE);
    insert_all(&store, [&active, &expired, &idle, &within_the_allowance]).await?;

    let ended = store.end_all(&UserId::from(1), &EndScope::all(), &revoked(), 2 * MINUTE).await?;
    ensure_eq!(sorted(ended), sorted([active.id, within_the_allowance.id]), "the answer");
    let endings = [
        (active, revoked()),
        (within_the_allowance, revoked()),
        (expired, Ending::new(EndReason::Expired, Actor::System, ago(MINUTE))),
        (idle, Ending::new(EndReason::Idle, Actor::System, ago(2 * MINUTE))),
    ];
    for (session, ending) in endings {
        ensure_unchanged(&store, &Session { ended: Some(ending), ..session }).await?;
    }
    Ok(())
}

pub(super) async fn ending_all_ends_what_was_there_before(store: Store) -> Verdict {
    for round in 0..5_u32 {
        let before: Vec<Session> = (0..8).map(|_| session(round)).collect();
        let kept = session(round);
        insert_all(&store, before.iter().chain([&kept])).await?;
        let during: Vec<Session> = (0..8).map(|_| session(round)).collect();

        let signing_in = during.clone().into_iter().map(|newcomer| {
            let store = store.clone();
            Box::pin(async move { insert(&store, &newcomer).await.map(|()| Vec::new()) })
                as std::pin::Pin<Box<dyn Future<Output = Result<Vec<SessionId>, Violation>> + Send>>
        });
        let (all_of, scope, all) = (UserId::from(round), EndScope::others(kept.id), store.clone());
        let ending = Box::pin(async move { Ok(all.end_all(&all_of, &scope, &revoked(), Duration::ZERO).await?) }) as _;
        let ended: Vec<SessionId> = race(signing_in.chain([ending])).await?.concat();

        for session in &before {
            ensure!(ended.contains(&session.id), "{} was there before the call and is not in the answer", session.id);
            ensure_unchanged(&store, &Session { ended: Some(revoked()), ..session.clone() }).await?;
        }
        for session in &during {
            let ending = ended.contains(&session.id).then(revoked);
            ensure_unchanged(&store, &Session { ended: ending, ..session.clone() }).await?;
        }
        ensure_unchanged(&store, &kept).await?;
    }
    Ok(())
}

async fn end(store: &Store, session: &Session, ending: &Ending) -> Result<EndOutcome, Violation> {
    Ok(store.end(&session.key(), ending, Duration::ZERO).await?)
}
