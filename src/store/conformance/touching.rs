//! Touches: activity recorded in batches, never backwards, never on what has ended.

use std::time::Duration;

use super::support::{
    AT_NOW, HOUR, MINUTE, NOW, SECOND, Store, Verdict, ago, ensure_eq, ensure_unchanged, insert, insert_all, race,
    reread, revoked, session, session_of,
};
use crate::{
    id::UserId,
    session::{AsOf, Session, Touch},
    store::Rotation,
};

pub(super) async fn a_touch_records_time_and_address(store: Store) -> Verdict {
    let (touched, beside) = (session(1), session(1));
    insert_all(&store, [&touched, &beside]).await?;
    for (at, ip) in [(ago(MINUTE), "192.0.2.1"), (NOW, "2001:db8::1"), (NOW, "192.0.2.2")] {
        let touch = Touch { ip: Some(ip.parse()?), ..touch(&touched, at) };
        ensure_eq!(store.touch(std::slice::from_ref(&touch)).await?, 1, "how many sessions were touched");
        let mut expected = touched.clone();
        (expected.last_active_at, expected.last_ip) = (at, touch.ip);
        ensure_unchanged(&store, &expected).await?;
    }
    ensure_unchanged(&store, &beside).await
}

pub(super) async fn activity_never_moves_backwards(store: Store) -> Verdict {
    let mut newest = session(1);
    newest.last_active_at = NOW;
    newest.last_ip = Some("192.0.2.1".parse()?);
    insert(&store, &newest).await?;
    for back in [Duration::from_micros(1), HOUR, 30 * HOUR] {
        let older = Touch { ip: Some("192.0.2.9".parse()?), ..touch(&newest, ago(back)) };
        ensure_eq!(store.touch(&[older]).await?, 1, "how many sessions were there");
        ensure_unchanged(&store, &newest).await?;
    }
    Ok(())
}

pub(super) async fn a_touch_without_an_address_keeps_the_one_on_record(store: Store) -> Verdict {
    let mut known = session(1);
    known.last_ip = Some("192.0.2.1".parse()?);
    insert(&store, &known).await?;
    store.touch(&[touch(&known, NOW)]).await?;
    known.last_active_at = NOW;
    ensure_unchanged(&store, &known).await
}

pub(super) async fn ended_and_gone_sessions_are_passed_over(store: Store) -> Verdict {
    let (first, ended, gone, last) = (session(1), session(1), session(1), session(2));
    insert_all(&store, [&first, &ended, &last]).await?;
    store.end(&ended.key(), &revoked(), Duration::ZERO).await?;

    let batch = [&first, &ended, &gone, &last].map(|session| Touch { generation: Some(0), ..touch(session, NOW) });
    ensure_eq!(store.touch(&batch).await?, 2, "how many sessions were touched");
    for session in [&first, &last] {
        let mut expected = session.clone();
        expected.last_active_at = NOW;
        expected.tokens.newest_seen = true;
        ensure_unchanged(&store, &expected).await?;
    }
    ensure_unchanged(&store, &Session { ended: Some(revoked()), ..ended }).await?;
    ensure_eq!(store.find(&gone.key()).await?, None, "the record of the session that is gone");
    Ok(())
}

pub(super) async fn touches_of_one_session_count_as_one(store: Store) -> Verdict {
    let (busy, beside) = (session(1), session(1));
    insert_all(&store, [&busy, &beside]).await?;
    let batch = [
        Touch { ip: Some("192.0.2.3".parse()?), ..touch(&busy, ago(3 * SECOND)) },
        touch(&busy, NOW),
        touch(&beside, ago(SECOND)),
        Touch { ip: Some("192.0.2.2".parse()?), generation: Some(0), ..touch(&busy, ago(2 * SECOND)) },
        touch(&busy, ago(HOUR)),
    ];
    ensure_eq!(store.touch(&batch).await?, 2, "how many sessions were touched");
    let mut expected = busy.clone();
    (expected.last_active_at, expected.last_ip) = (NOW, Some("192.0.2.2".parse()?));
    expected.tokens.newest_seen = true;
    ensure_unchanged(&store, &expected).await?;
    ensure_unchanged(&store, &Session { last_active_at: ago(SECOND), ..beside }).await
}

pub(super) async fn only_the_newest_generation_is_seen_in_use(store: Store) -> Verdict {
    let refreshed = session(1);
    insert(&store, &refreshed).await?;
    store.rotate(&refreshed.key(), &Rotation::new(0, AsOf::new(ago(MINUTE), Duration::ZERO))).await?;

    for (generation, seen) in [(None, false), (Some(0), false), (Some(1), true), (Some(0), true), (None, true)] {
        store.touch(&[Touch { generation, ..touch(&refreshed, NOW) }]).await?;
        let found = reread(&store, &refreshed).await?.tokens.newest_seen;
        ensure_eq!(found, seen, "whether generation 1 has been seen after a touch of {generation:?}");
    }

    store.rotate(&refreshed.key(), &Rotation::new(1, AT_NOW)).await?;
    let older = Touch { generation: Some(2), ..touch(&refreshed, ago(HOUR)) };
    store.touch(&[older]).await?;
    let found = reread(&store, &refreshed).await?;
    ensure_eq!(found.tokens.newest_seen, true, "whether an older touch of the newest generation counts as use");
    ensure_eq!(found.last_active_at, NOW, "the newest activity after an older touch");
    Ok(())
}

pub(super) async fn a_batch_may_be_of_any_length(store: Store) -> Verdict {
    ensure_eq!(store.touch(&[]).await?, 0, "the answer to an empty batch");

    let sessions: Vec<Session> = (0..30).map(|n| session(n % 3)).collect();
    insert_all(&store, &sessions).await?;
    let unknown: Vec<Session> = (0..2_500).map(|n| session(n % 7)).collect();
    let batch: Vec<Touch> = unknown.iter().chain(&sessions).map(|session| touch(session, NOW)).rev().collect();
    ensure_eq!(store.touch(&batch).await?, 30, "how many sessions were touched");
    for session in sessions {
        ensure_unchanged(&store, &Session { last_active_at: NOW, ..session }).await?;
    }
    Ok(())
}

pub(super) async fn racing_flushes_agree_on_the_newest(store: Store) -> Verdict {
    let sessions: Vec<Session> = (0..60).map(|n| session_of(UserId::from(n % 4), HOUR)).collect();
    insert_all(&store, &sessions).await?;

    race((0..8_usize).map(|flusher| {
        let store = store.clone();
        let mut batch: Vec<Touch> = sessions.iter().map(|session| touch(session, NOW)).collect();
        batch.rotate_left(flusher * 7);
        if flusher % 2 == 1 {
            batch.reverse();
        }
        async move {
            for round in (0..5_u32).rev() {
                for touch in &mut batch {
                    touch.at = ago(round * MINUTE + u32::try_from(flusher).unwrap_or(0) * SECOND);
                }
                ensure_eq!(store.touch(&batch).await?, 60, "how many sessions flusher {flusher} touched");
            }
            Ok(())
        }
    }))
    .await?;

    for session in sessions {
        ensure_unchanged(&store, &Session { last_active_at: NOW, ..session }).await?;
    }
    Ok(())
}

fn touch(session: &Session, at: crate::clock::Timestamp) -> Touch {
    Touch::new(session.key(), at)
}
