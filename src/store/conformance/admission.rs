//! Admission: what makes room for a new session, and what refuses it.

use std::time::Duration;

use super::support::{
    HOUR, MINUTE, NOW, SECOND, Store, Verdict, Violation, ago, ensure, ensure_eq, ensure_unchanged, ids_in, insert,
    insert_all, plain, race, reread, revoked, session, session_of, sorted, user_agent,
};
use crate::{
    device::{Device, DeviceKind},
    id::{DeviceId, SessionId, UserId},
    policy::{Admission, Eviction, Full, OverLimit, SameDevice, SessionLimit},
    session::{Actor, AsOf, EndReason, Ending, Session},
    store::{Admitted, SessionState},
};

pub(super) async fn a_plain_insert_ends_nothing(store: Store) -> Verdict {
    let mut first = session(1);
    first.device_id = Some(DeviceId::new());
    let mut second = session(1);
    second.device_id = first.device_id;
    insert_all(&store, [&first, &second]).await?;
    ensure_unchanged(&store, &first).await
}

pub(super) async fn inserting_again_changes_nothing(store: Store) -> Verdict {
    let (beside, original) = (session(1), session(1));
    insert_all(&store, [&beside, &original]).await?;
    let mut changed = original.clone();
    changed.assurance_level = 3;
    changed.tokens.generation = 9;
    let limited = limited(1, OverLimit::RevokeOldest);

    for admission in [&plain(), &limited] {
        let again = store.insert(&changed, admission).await?;
        ensure_eq!(again, Admitted::Inserted(Vec::new()), "the answer to inserting again");
        ensure_unchanged(&store, &original).await?;
    }
    store.end(&original.key(), &revoked(), Duration::ZERO).await?;
    for admission in [&plain(), &limited] {
        let again = store.insert(&original, admission).await?;
        ensure_eq!(again, Admitted::Inserted(Vec::new()), "the answer to inserting an ended session again");
        ensure_eq!(reread(&store, &original).await?.ended, Some(revoked()), "the ending after inserting again");
    }
    ensure_unchanged(&store, &beside).await
}

pub(super) async fn the_superseded_session_is_replaced(store: Store) -> Verdict {
    let (held, beside, newcomer) = (session(1), session(1), session(1));
    insert_all(&store, [&held, &beside]).await?;
    let admission = Admission { supersedes: Some(held.id), ..plain() };
    let admitted = store.insert(&newcomer, &admission).await?;
    let replaced = Eviction { id: held.id, reason: EndReason::Replaced };
    ensure_eq!(admitted, Admitted::Inserted(vec![replaced]), "the answer");
    let ending = Ending::new(EndReason::Replaced, Actor::System, NOW);
    ensure_eq!(reread(&store, &held).await?.ended, Some(ending), "the ending of the session that was held");
    ensure_unchanged(&store, &newcomer).await?;
    ensure_unchanged(&store, &beside).await
}

pub(super) async fn a_session_that_ended_is_not_superseded(store: Store) -> Verdict {
    let (ended, idle, of_another) = (session(1), session_of(UserId::from(1), 3 * HOUR), session(2));
    insert_all(&store, [&ended, &idle, &of_another]).await?;
    store.end(&ended.key(), &revoked(), Duration::ZERO).await?;
    let unknown = session(1);
    for gone in [&ended, &idle, &of_another, &unknown] {
        let admission = Admission { supersedes: Some(gone.id), ..plain() };
        let admitted = store.insert(&session(1), &admission).await?;
        ensure_eq!(admitted, Admitted::Inserted(Vec::new()), "the answer to superseding {gone:?}");
    }
    ensure_eq!(reread(&store, &ended).await?.ended, Some(revoked()), "the ending on record");
    ensure_unchanged(&store, &idle).await?;
    ensure_unchanged(&store, &of_another).await
}

pub(super) async fn sessions_on_the_same_device_are_replaced(store: Store) -> Verdict {
    let device_id = Some(DeviceId::new());
    let on_device = |user: u32| Session { device_id, ..session(user) };
    let (old, newcomer, of_another) = (on_device(1), on_device(1), on_device(2));
    let (elsewhere, nowhere) = (Session { device_id: Some(DeviceId::new()), ..session(1) }, session(1));
    insert_all(&store, [&old, &of_another, &elsewhere, &nowhere]).await?;

    let admission = Admission { same_device: SameDevice::Replace, ..plain() };
    let admitted = store.insert(&newcomer, &admission).await?;
    let replaced = Eviction { id: old.id, reason: EndReason::Replaced };
    ensure_eq!(admitted, Admitted::Inserted(vec![replaced]), "the answer");
    let ending = Ending::new(EndReason::Replaced, Actor::System, NOW);
    ensure_eq!(reread(&store, &old).await?.ended, Some(ending), "the ending of the older session");
    for left in [&of_another, &elsewhere, &nowhere] {
        ensure_unchanged(&store, left).await?;
    }
    let admitted = store.insert(&session(1), &admission).await?;
    ensure_eq!(admitted, Admitted::Inserted(Vec::new()), "the answer to a sign-in on a device that is not known");
    Ok(())
}

pub(super) async fn ended_sessions_beyond_the_bound_go(store: Store) -> Verdict {
    let ended = |age: Duration, ended_at| {
        let ending = Ending::new(EndReason::SignedOut, Actor::Application, ended_at);
        Session { ended: Some(ending), ..session_of(UserId::from(1), age) }
    };
    // The newest activity first; the third has ended too lately to go.
    let mut all: Vec<Session> = (1..=6_u32).map(|n| ended(n * HOUR, ago(HOUR / 2))).collect();
    all[2] = ended(3 * HOUR, ago(MINUTE));
    let (active, theirs) = (session(1), Session { user_id: 2.into(), ..ended(9 * HOUR, ago(HOUR)) });
    insert_all(&store, all.iter().chain([&active, &theirs])).await?;

    let keeping = |keep_ended, limits| Admission { keep_ended, limits, ..plain() };
    let limit = SessionLimit::new(100, OverLimit::RevokeOldest);
    for (keep, limits, left) in [
        (6, Vec::new(), vec![0, 1, 2, 3, 4, 5]),
        (4, Vec::new(), vec![0, 1, 2, 3]),
        (2, vec![limit], vec![0, 1, 2]),
        (0, vec![limit], vec![2]),
    ] {
        let admitted = store.insert(&session(1), &keeping(keep, limits)).await?;
        ensure_eq!(admitted, Admitted::Inserted(Vec::new()), "the answer");
        for (place, session) in all.iter().enumerate() {
            let expected = left.contains(&place).then(|| session.clone());
            ensure_eq!(store.find(&session.key()).await?, expected, "session {place} where {keep} are kept");
        }
    }
    let changes = store.ended_between(ago(100 * HOUR), NOW, 100).await?;
    ensure_eq!(changes.len(), 2, "how many endings are reported");
    for left in [&all[2], &active, &theirs] {
        ensure_unchanged(&store, left).await?;
    }
    Ok(())
}

pub(super) async fn the_oldest_gives_way(store: Store) -> Verdict {
    evicts(store, OverLimit::RevokeOldest, [2, 0]).await
}

pub(super) async fn the_least_recent_gives_way(store: Store) -> Verdict {
    evicts(store, OverLimit::RevokeLeastRecent, [1, 2]).await
}

/// Lowers the limit to two beside three sessions, so that two of them, by their places here, make room.
async fn evicts(store: Store, over: OverLimit, gone: [usize; 2]) -> Verdict {
    let mut sessions = [2 * HOUR, HOUR, 3 * HOUR].map(|age| session_of(UserId::from(1), age));
    for (session, rest) in sessions.iter_mut().zip([MINUTE, 3 * MINUTE, 2 * MINUTE]) {
        session.last_active_at = ago(rest);
    }
    insert_all(&store, &sessions).await?;

    let newcomer = session_of(UserId::from(1), Duration::ZERO);
    let admitted = store.insert(&newcomer, &limited(2, over)).await?;
    let evicted = gone.map(|place| Eviction { id: sessions[place].id, reason: EndReason::Evicted });
    ensure_eq!(admitted, Admitted::Inserted(evicted.to_vec()), "the answer under {over:?}");
    for (place, session) in sessions.iter().enumerate() {
        let ending = gone.contains(&place).then(|| Ending::new(EndReason::Evicted, Actor::System, NOW));
        ensure_eq!(reread(&store, session).await?.ended, ending, "the ending of session {place} under {over:?}");
    }
    ensure_unchanged(&store, &newcomer).await
}

pub(super) async fn a_refused_sign_in_changes_nothing(store: Store) -> Verdict {
    let sessions = [session(1), session(1), session(1)];
    insert_all(&store, &sessions).await?;
    let refused = session(1);
    let mut admission = limited(2, OverLimit::RejectNew);
    admission.supersedes = Some(sessions[0].id);
    let answer = store.insert(&refused, &admission).await?;
    ensure_eq!(answer, Admitted::Refused(Full { active: 2 }), "the answer");
    ensure_eq!(store.find(&refused.key()).await?, None, "the record of the refused session");
    for session in &sessions {
        ensure_unchanged(&store, session).await?;
    }
    let admitted = store.insert(&refused, &limited(4, OverLimit::RejectNew)).await?;
    ensure_eq!(admitted, Admitted::Inserted(Vec::new()), "the answer when there is room");
    Ok(())
}

pub(super) async fn a_limit_on_a_kind_leaves_other_kinds_alone(store: Store) -> Verdict {
    let of_kind = |kind: DeviceKind| {
        let device = Device::new(Some(user_agent(kind).into()), Default::default());
        Session { device, ..session(1) }
    };
    let (phone, desktop, newcomer) =
        (of_kind(DeviceKind::Mobile), of_kind(DeviceKind::Desktop), of_kind(DeviceKind::Mobile));
    insert_all(&store, [&phone, &desktop]).await?;

    let limit = SessionLimit::new(1, OverLimit::RevokeOldest).kind(DeviceKind::Mobile);
    let admission = Admission { limits: vec![limit], ..plain() };
    let admitted = store.insert(&newcomer, &admission).await?;
    let evicted = Eviction { id: phone.id, reason: EndReason::Evicted };
    ensure_eq!(admitted, Admitted::Inserted(vec![evicted]), "the answer");
    ensure_eq!(reread(&store, &desktop).await?.ended, None, "the ending of the session of another kind");
    let admitted = store.insert(&of_kind(DeviceKind::Desktop), &admission).await?;
    ensure_eq!(admitted, Admitted::Inserted(Vec::new()), "the answer to a newcomer of another kind");
    Ok(())
}

pub(super) async fn a_limit_is_each_users_own(store: Store) -> Verdict {
    let others = [session(2), session(2), session(3)];
    insert_all(&store, &others).await?;
    for over in [OverLimit::RejectNew, OverLimit::RevokeOldest, OverLimit::RevokeLeastRecent] {
        let user = UserId::from(format!("{over:?}").len() as u64 + 10);
        let admitted = store.insert(&session_of(user, HOUR), &limited(1, over)).await?;
        ensure_eq!(admitted, Admitted::Inserted(Vec::new()), "the answer under {over:?}");
    }
    for other in &others {
        ensure_unchanged(&store, other).await?;
    }
    Ok(())
}

pub(super) async fn sessions_past_a_deadline_take_no_room(store: Store) -> Verdict {
    let (ended, idle) = (session(1), session_of(UserId::from(1), 2 * HOUR));
    let expired = Session { expires_at: NOW, ..session(1) };
    insert_all(&store, [&ended, &idle, &expired]).await?;
    store.end(&ended.key(), &revoked(), Duration::ZERO).await?;

    let strict = limited(1, OverLimit::RejectNew);
    let allowing = Admission { as_of: AsOf::new(NOW, 31 * MINUTE), ..strict.clone() };
    let refused = store.insert(&session(1), &allowing).await?;
    ensure_eq!(refused, Admitted::Refused(Full { active: 1 }), "the answer while the allowance keeps one active");
    let admitted = store.insert(&session(1), &strict).await?;
    ensure_eq!(admitted, Admitted::Inserted(Vec::new()), "the answer when all have ended");
    ensure_unchanged(&store, &idle).await?;
    ensure_unchanged(&store, &expired).await
}

pub(super) async fn racing_sign_ins_never_pass_a_limit(store: Store) -> Verdict {
    for (user, over) in [OverLimit::RejectNew, OverLimit::RevokeOldest, OverLimit::RevokeLeastRecent].iter().enumerate()
    {
        let user = UserId::from(user as u64);
        let racers: Vec<Session> = (0..50).map(|_| session_of(user.clone(), MINUTE)).collect();
        let admission = limited(5, *over);
        let answers = sign_in_together(&store, &racers, &admission).await?;

        let staying = sorted(ids_in(&store, &user, SessionState::Active).await?);
        ensure_eq!(staying.len(), 5, "how many sessions stay under {over:?}");
        let mut told_to_stay = Vec::new();
        let mut told_to_go = Vec::new();
        for (id, answer) in answers {
            match answer {
                Admitted::Inserted(evictions) => {
                    told_to_stay.push(id);
                    told_to_go.extend(evictions.iter().map(|eviction| eviction.id));
                }
                Admitted::Refused(full) => ensure_eq!(full.active, 5, "how many were counted under {over:?}"),
                other => ensure!(false, "a sign-in was answered by {other:?}"),
            }
        }
        let mut distinct = sorted(told_to_go.clone());
        distinct.dedup();
        ensure_eq!(distinct.len(), told_to_go.len(), "how many different sessions were evicted under {over:?}");
        told_to_stay.retain(|id| !told_to_go.contains(id));
        ensure_eq!(sorted(told_to_stay), staying, "the sessions told to stay under {over:?}");
    }
    Ok(())
}

pub(super) async fn racing_sign_ins_on_one_device_leave_one(store: Store) -> Verdict {
    let device_id = Some(DeviceId::new());
    let racers: Vec<Session> = (0..20).map(|_| Session { device_id, ..session(1) }).collect();
    let admission = Admission { same_device: SameDevice::Replace, ..plain() };
    sign_in_together(&store, &racers, &admission).await?;
    let staying = ids_in(&store, &UserId::from(1), SessionState::Active).await?;
    ensure!(staying.len() == 1, "{} sessions stay on the device", staying.len());
    insert(&store, &session(2)).await
}

pub(super) async fn a_sign_in_joins_the_one_of_a_moment_ago(store: Store) -> Verdict {
    let device_id = Some(DeviceId::new());
    let within = Admission::JOINED_WITHIN;
    let since = |user: u32, device_id, age: Duration| Session { device_id, ..session_of(UserId::from(user), age) };
    let (lately, before) = (since(1, device_id, SECOND), since(1, device_id, within - Duration::from_micros(1)));
    let (elsewhere, theirs) = (since(1, Some(DeviceId::new()), SECOND), since(2, device_id, SECOND));
    let (nowhere, newcomer) = (since(1, None, SECOND), since(1, device_id, Duration::ZERO));
    let others = [&before, &elsewhere, &theirs, &nowhere];
    insert_all(&store, others.into_iter().chain([&lately])).await?;

    // It takes no room: a limit that is reached refuses it no more than it makes others give way.
    let joining = |limits| Admission { same_device: SameDevice::Join, limits, ..plain() };
    for over in [OverLimit::RejectNew, OverLimit::RevokeOldest] {
        let admission = joining(vec![SessionLimit::new(1, over)]);
        ensure_eq!(store.insert(&newcomer, &admission).await?, Admitted::Joined(lately.id), "the answer");
        ensure_eq!(store.find(&newcomer.key()).await?, None, "the record of the sign-in that joined");
        for other in others.into_iter().chain([&lately]) {
            ensure_unchanged(&store, other).await?;
        }
    }
    store.end(&lately.key(), &revoked(), Duration::ZERO).await?;
    ensure_eq!(store.insert(&newcomer, &joining(Vec::new())).await?, Admitted::Joined(before.id), "the next answer");

    // What the client held makes room, and so does what was longer ago; the time counts from the last authentication.
    let superseding = Admission { supersedes: Some(before.id), ..joining(Vec::new()) };
    let replaced = |id| Admitted::Inserted(vec![Eviction { id, reason: EndReason::Replaced }]);
    ensure_eq!(store.insert(&newcomer, &superseding).await?, replaced(before.id), "the answer to superseding it");
    let (user, long_ago) = (UserId::from(3), since(3, device_id, within));
    let confirmed = Session { authenticated_at: NOW, ..since(3, device_id, HOUR) };
    let newcomer = Session { device_id, ..session_of(user, Duration::ZERO) };
    insert_all(&store, [&long_ago, &confirmed]).await?;
    let admission = joining(Vec::new());
    ensure_eq!(store.insert(&newcomer, &admission).await?, Admitted::Joined(confirmed.id), "one just confirmed");
    store.end(&confirmed.key(), &revoked(), Duration::ZERO).await?;
    ensure_eq!(store.insert(&newcomer, &admission).await?, replaced(long_ago.id), "the answer to one too late");
    ensure_unchanged(&store, &newcomer).await
}

pub(super) async fn racing_sign_ins_on_one_device_join_one(store: Store) -> Verdict {
    let device_id = Some(DeviceId::new());
    let racers: Vec<Session> =
        (0..20).map(|_| Session { device_id, ..session_of(UserId::from(1), Duration::ZERO) }).collect();
    let admission = Admission { same_device: SameDevice::Join, ..plain() };
    let answers = sign_in_together(&store, &racers, &admission).await?;
    let staying = ids_in(&store, &UserId::from(1), SessionState::Active).await?;
    ensure!(staying.len() == 1, "{} sessions are on the device", staying.len());
    for (id, answer) in answers {
        let expected = if id == staying[0] { Admitted::Inserted(Vec::new()) } else { Admitted::Joined(staying[0]) };
        ensure_eq!(answer, expected, "the answer to {id}");
    }
    Ok(())
}

async fn sign_in_together(
    store: &Store,
    racers: &[Session],
    admission: &Admission,
) -> Result<Vec<(SessionId, Admitted)>, Violation> {
    race(racers.iter().map(|racer| {
        let (store, racer, admission) = (store.clone(), racer.clone(), admission.clone());
        async move { Ok((racer.id, store.insert(&racer, &admission).await?)) }
    }))
    .await
}

fn limited(sessions: u32, over: OverLimit) -> Admission {
    Admission { limits: vec![SessionLimit::new(sessions, over)], ..plain() }
}
