//! Sweeping: purging old records, and reporting endings to those who poll.

use std::time::Duration;

use super::support::{
    HOUR, MINUTE, NOW, SECOND, Store, Verdict, ago, ensure, ensure_eq, ensure_unchanged, insert, insert_all, later,
    race, revoked, session, session_of, sorted,
};
use crate::{
    clock::Timestamp,
    id::{SessionKey, UserId},
    location::Location,
    session::{Actor, EndReason, EndedSession, Ending, Session},
};

pub(super) async fn a_purge_deletes_what_ended_before(store: Store) -> Verdict {
    let (old, recent) = (ended_at(1, ago(2 * HOUR)), ended_at(1, ago(HOUR)));
    let (expired_long_ago, expired) = (expiring_at(2, ago(2 * HOUR)), expiring_at(2, ago(HOUR)));
    // Ended recently although its deadline lies after, and the other way round.
    let (idle, active) = (session_of(UserId::from(3), 24 * HOUR), session(3));
    insert_all(&store, [&old, &recent, &expired_long_ago, &expired, &idle, &active]).await?;

    ensure_eq!(store.purge(ago(3 * HOUR), 100).await?, 0, "how many records were old enough at first");
    ensure_eq!(store.purge(ago(HOUR), 100).await?, 2, "how many records were purged");
    for gone in [&old, &expired_long_ago] {
        ensure_eq!(store.find(&gone.key()).await?, None, "what ended before");
    }
    for kept in [&recent, &expired, &idle, &active] {
        ensure_unchanged(&store, kept).await?;
    }

    store.end(&active.key(), &revoked(), Duration::ZERO).await?;
    ensure_eq!(store.purge(NOW, 100).await?, 2, "how many records were purged later");
    ensure_eq!(store.purge(later(Duration::from_micros(1)), 100).await?, 1, "how many had ended at that moment");
    ensure_unchanged(&store, &idle).await
}

pub(super) async fn a_purge_is_bounded(store: Store) -> Verdict {
    let ended: Vec<Session> = (0..25).map(|n| ended_at(n % 4, ago(HOUR + n * SECOND))).collect();
    let active = session(1);
    insert_all(&store, ended.iter().chain([&active])).await?;
    let mut purged = Vec::new();
    for limit in [0, 1, 10, 10, 10, 10] {
        purged.push(store.purge(NOW, limit).await?);
    }
    ensure_eq!(purged, [0, 1, 10, 10, 4, 0], "how many records each call purged");
    ensure_unchanged(&store, &active).await
}

pub(super) async fn racing_purges_delete_each_record_once(store: Store) -> Verdict {
    let ended: Vec<Session> = (0..80).map(|n| ended_at(n % 4, ago(HOUR))).collect();
    insert_all(&store, &ended).await?;
    let purged = race((0..4).map(|_| {
        let store = store.clone();
        async move {
            let mut purged = 0;
            for _ in 0..4 {
                purged += store.purge(NOW, 15).await?;
            }
            Ok(purged)
        }
    }))
    .await?;
    let mut total: u64 = purged.iter().sum();
    ensure!(total <= 80, "racing purges answered {total} deletions of 80 records");
    loop {
        let more = store.purge(NOW, 15).await?;
        total += more;
        if more == 0 {
            break;
        }
    }
    ensure_eq!(total, 80, "how many records were purged");
    Ok(())
}

pub(super) async fn addresses_of_ended_sessions_can_be_forgotten(store: Store) -> Verdict {
    let place = Location::new(Some("Lyon"), Some("Rhône"), Some("FR"));
    let addressed = |mut session: Session| {
        session.created_ip = "203.0.113.9".parse().ok();
        session.last_ip = "2001:db8::7".parse().ok();
        session.location = Some(place.clone());
        session
    };
    let (old, expired) = (addressed(ended_at(1, ago(2 * HOUR))), addressed(expiring_at(2, ago(2 * HOUR))));
    let (recent, active) = (addressed(ended_at(1, ago(HOUR))), addressed(session(1)));
    insert_all(&store, [&old, &expired, &recent, &active]).await?;

    for session in [&old, &expired] {
        for _ in 0..2 {
            let found = store.forget_addresses(&session.key(), ago(HOUR)).await?;
            ensure!(found, "a session that ended before was not found");
        }
        let forgotten = Session { created_ip: None, last_ip: None, location: None, ..session.clone() };
        ensure_unchanged(&store, &forgotten).await?;
    }
    for session in [&recent, &active] {
        let found = store.forget_addresses(&session.key(), ago(HOUR)).await?;
        ensure!(!found, "a session that had not ended before was taken for one");
        ensure_unchanged(&store, session).await?;
    }
    let somebody_else = UserId::from(3);
    ensure!(
        !store.forget_addresses(&SessionKey::new(somebody_else.clone(), old.id), NOW).await?,
        "somebody else's session was found"
    );
    Ok(())
}

pub(super) async fn changes_are_reported_in_their_order(store: Store) -> Verdict {
    let mut ended: Vec<Session> = (0..9).map(|n| ended_at(n % 3, ago((9 - n) * MINUTE))).collect();
    ended.push(expiring_at(1, ago(150 * SECOND)));
    ended.push(expiring_at(2, later(MINUTE)));
    insert_all(&store, &ended).await?;
    let mut all: Vec<EndedSession> = ended.iter().map(|s| EndedSession::new(s.key(), end_of(s))).collect();
    all.sort_by_key(|change| change.at);

    for (since, until) in [
        (ago(HOUR), later(HOUR)),
        (ago(5 * MINUTE), NOW),
        (ago(5 * MINUTE), ago(2 * MINUTE)),
        (ago(150 * SECOND), later(MINUTE)),
        (later(MINUTE), later(HOUR)),
        (NOW, NOW),
        (NOW, ago(HOUR)),
    ] {
        for limit in [0, 1, 3, 100] {
            let found = store.ended_between(since, until, limit).await?;
            let within = all.iter().filter(|change| since <= change.at && change.at < until);
            let expected: Vec<EndedSession> = within.take(limit as usize).cloned().collect();
            ensure_eq!(found, expected, "the first {limit} changes from {since} to {until}");
        }
    }

    let together: Vec<Session> = (0..5).map(|n| ended_at(n % 2, later(2 * HOUR))).collect();
    insert_all(&store, &together).await?;
    let found = store.ended_between(later(2 * HOUR), later(3 * HOUR), 100).await?;
    let ids = sorted(found.iter().map(|change| change.key.id));
    ensure_eq!(ids, sorted(together.iter().map(|session| session.id)), "the sessions that ended at one moment");
    Ok(())
}

pub(super) async fn an_early_ending_is_reported_once(store: Store) -> Verdict {
    let revoked_early = expiring_at(1, later(HOUR));
    insert(&store, &revoked_early).await?;
    store.end(&revoked_early.key(), &revoked(), Duration::ZERO).await?;
    let found = store.ended_between(ago(HOUR), later(2 * HOUR), 100).await?;
    ensure_eq!(found, [EndedSession::new(revoked_early.key(), NOW)], "the changes");
    Ok(())
}

fn ended_at(user: u32, at: Timestamp) -> Session {
    Session { ended: Some(Ending::new(EndReason::SignedOut, Actor::System, at)), ..session(user) }
}

fn expiring_at(user: u32, at: Timestamp) -> Session {
    Session { expires_at: at, ..session(user) }
}

fn end_of(session: &Session) -> Timestamp {
    session.ended.as_ref().map_or(session.expires_at, |ending| ending.at)
}
