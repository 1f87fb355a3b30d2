//! Records: kept exactly, and found only under their own user.

use std::time::Duration;

use super::support::{
    AT_NOW, HOUR, NOW, Store, Verdict, Violation, data, ensure, ensure_eq, ensure_unchanged, full_session, ids_in,
    insert, insert_all, reread, revoked, session, session_of,
};
use crate::{
    clock::Timestamp,
    device::{Device, DeviceKind},
    id::{DeviceId, SessionKey, UserId},
    session::{Actor, EndReason, Ending, Salt, Session, Touch},
    store::{EndOutcome, EndScope, Rotation, RotationOutcome, SessionState},
};

pub(super) async fn a_full_record_reads_back_exactly(store: Store) -> Verdict {
    let full = full_session()?;
    insert(&store, &full).await?;
    ensure_unchanged(&store, &full).await?;

    let mut swapped = full_session()?;
    (swapped.created_ip, swapped.last_ip) = (full.last_ip, Some("::ffff:192.0.2.1".parse()?));
    swapped.device =
        Device::new(Some(super::support::user_agent(DeviceKind::Desktop).into()), full.device.hints().clone());
    insert(&store, &swapped).await?;
    ensure_unchanged(&store, &swapped).await
}

pub(super) async fn a_bare_record_reads_back_exactly(store: Store) -> Verdict {
    let bare = session(1);
    insert(&store, &bare).await?;
    ensure_unchanged(&store, &bare).await
}

pub(super) async fn every_kind_of_device_reads_back_exactly(store: Store) -> Verdict {
    for user_agent in [
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/7.0 TV Safari/537.36",
        "Mozilla/5.0 (PlayStation 5 8.20) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15",
        "Mozilla/5.0 (X11; Linux x86_64; Quest 3) AppleWebKit/537.36 (KHTML, like Gecko) OculusBrowser/38.0 VR Safari/537.36",
        "Mozilla/5.0 (Linux; Tizen 7.0; SM-R960) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/5.0 Mobile Safari/537.36",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "curl/8.5.0",
        "MyApp/3.1 CFNetwork/1568.200.51 Darwin/24.1.0",
        "what is this?",
        "ünïcödé/1.0 (😀; '\"%_\\)",
    ] {
        let device = Device::new(Some(user_agent.into()), Default::default());
        let described = Session { device, ..session(1) };
        insert(&store, &described).await?;
        ensure_unchanged(&store, &described).await?;
    }
    Ok(())
}

pub(super) async fn the_largest_numbers_read_back_exactly(store: Store) -> Verdict {
    let mut largest = session(1);
    largest.expires_at = Timestamp::from_seconds(253_402_300_799);
    largest.last_active_at = Timestamp::from_micros(253_402_300_798_999_999);
    largest.idle_timeout = Duration::from_secs(20 * 365 * 86_400) + Duration::from_micros(1);
    largest.assurance_level = u8::MAX;
    largest.levels = [2, 3, u8::MAX].map(|level| (level, largest.expires_at)).into();
    largest.tokens.generation = u32::MAX;
    largest.tokens.least_generation = u32::MAX;
    largest.tokens.salt = Salt::from_bytes([0xff; 16]);
    largest.data = data(serde_json::json!({ "long": "ä".repeat(40_000), "float": 0.1 + 0.2, "least": i64::MIN }));
    insert(&store, &largest).await?;
    ensure_unchanged(&store, &largest).await?;

    let mut early = Session::new(UserId::from(1), Timestamp::UNIX_EPOCH, Timestamp::from_micros(1));
    early.authenticated_at = Timestamp::from_micros(-1);
    early.idle_timeout = Duration::ZERO;
    insert(&store, &early).await?;
    ensure_unchanged(&store, &early).await
}

pub(super) async fn every_ending_reads_back_exactly(store: Store) -> Verdict {
    let administrators = ["ann", "ann: the boss", "Zoë '\"%_\\ {0} 📱", ""];
    let mut actors = vec![Actor::System, Actor::Session(session(1).id), Actor::Application];
    actors.extend(administrators.map(|name| Actor::Administrator(name.into())));

    for &reason in EndReason::ALL {
        for actor in &actors {
            let (ended_later, mut imported) = (session(1), session(1));
            let ending = Ending::new(reason, actor.clone(), NOW);
            imported.ended = Some(ending.clone());
            insert_all(&store, [&ended_later, &imported]).await?;
            let outcome = store.end(&ended_later.key(), &ending, Duration::ZERO).await?;
            ensure_eq!(outcome, EndOutcome::Ended, "the answer to ending as {ending:?}");
            ensure_eq!(reread(&store, &ended_later).await?.ended, Some(ending), "the ending on record");
            ensure_unchanged(&store, &imported).await?;
        }
    }
    Ok(())
}

pub(super) async fn an_odd_name_of_an_administrator_ends_a_session(store: Store) -> Verdict {
    let longest = "ä".repeat(1_000);
    for name in ["eve\0", "\0", "e\u{202e}v\r\ne", &longest] {
        let ended = session(1);
        insert(&store, &ended).await?;
        let ending = Ending::new(EndReason::RevokedByAdmin, Actor::Administrator(name.into()), NOW);
        let outcome = store.end(&ended.key(), &ending, Duration::ZERO).await?;
        ensure_eq!(outcome, EndOutcome::Ended, "the answer to an ending by {name:?}");
        let reason = reread(&store, &ended).await?.ended.map(|ending| ending.reason);
        ensure_eq!(reason, Some(EndReason::RevokedByAdmin), "the reason on record of an ending by {name:?}");
    }
    Ok(())
}

pub(super) async fn odd_user_ids_are_kept(store: Store) -> Verdict {
    let longest = "x".repeat(128);
    let longest_wide = "語".repeat(42);
    let odd = [
        "0",
        "{}",
        "{user}",
        "a}{b",
        "$1",
        "?",
        ":id",
        "%",
        "_",
        "%s",
        "\\",
        "'",
        "''",
        "\"",
        "`",
        "--",
        "/*",
        "*",
        "[a-z]",
        "a:b:c",
        "a/b",
        "a b",
        "a\u{a0}b",
        "null",
        "NaN",
        "1e3",
        "-1",
        "auth0|5f7c8ec7",
        "did:plc:xyz",
        "demo@example.com",
        "'; DROP TABLE sessions; --",
        "Zoë",
        "😀",
        "\u{10FFFF}",
        "ﷺ",
        "e\u{301}",
        &longest,
        &longest_wide,
    ];
    let mut sessions = Vec::new();
    for id in odd {
        sessions.push(session_of(UserId::try_from(id)?, HOUR));
    }
    insert_all(&store, &sessions).await?;
    for session in &sessions {
        ensure_unchanged(&store, session).await?;
        let listed = ids_in(&store, &session.user_id, SessionState::All).await?;
        ensure_eq!(listed, [session.id], "the sessions of {:?}", session.user_id);
        let outcome = store.end(&session.key(), &revoked(), Duration::ZERO).await?;
        ensure_eq!(outcome, EndOutcome::Ended, "the answer to ending the session of {:?}", session.user_id);
    }
    Ok(())
}

/// R38: MySQL would otherwise compare them by its collation.
pub(super) async fn user_ids_are_compared_byte_by_byte(store: Store) -> Verdict {
    let alike = ["ann", "Ann", "ANN", "ánn", "a\u{301}nn", "ａｎｎ", "straße", "strasse", "ﬁ", "fi", "1", "01", "1.0"];
    let mut sessions = Vec::new();
    for id in alike {
        // The same session id under each: the user is part of the key.
        let mut session = session_of(UserId::try_from(id)?, HOUR);
        session.id = sessions.first().map_or(session.id, |first: &Session| first.id);
        session.data = data(serde_json::json!({ "of": id }));
        sessions.push(session);
    }
    insert_all(&store, &sessions).await?;
    for session in &sessions {
        ensure_unchanged(&store, session).await?;
        let listed = ids_in(&store, &session.user_id, SessionState::All).await?;
        ensure_eq!(listed.len(), 1, "how many sessions {:?} has", session.user_id);
    }

    let [first, rest @ ..] = sessions.as_slice() else { return Ok(()) };
    let ended = store.end_all(&first.user_id, &EndScope::all(), &revoked(), Duration::ZERO).await?;
    ensure_eq!(ended, [first.id], "the sessions ended for {:?}", first.user_id);
    for session in rest {
        ensure_unchanged(&store, session).await?;
    }
    Ok(())
}

pub(super) async fn another_users_record_is_as_good_as_absent(store: Store) -> Verdict {
    let mut owned = session(1);
    owned.device_id = Some(DeviceId::new());
    insert_all(&store, [&owned, &session(2)]).await?;
    let id = owned.id;

    for (who, user) in [("a user with sessions", UserId::from(2)), ("a stranger", UserId::from(3))] {
        let ended = store.end(&SessionKey::new(user.clone(), id), &revoked(), Duration::ZERO).await?;
        ensure_eq!(ended, EndOutcome::NotFound, "the answer to {who} ending it");
        ensure_eq!(store.find(&SessionKey::new(user.clone(), id)).await?, None, "what {who} finds");
        ensure!(!store.rename(&SessionKey::new(user.clone(), id), None).await?, "{who} could rename it");
        ensure!(
            !store.set_data(&SessionKey::new(user.clone(), id), &data(serde_json::json!({ "by": who }))).await?,
            "{who} could set its data"
        );
        let rotated = store.rotate(&SessionKey::new(user.clone(), id), &Rotation::new(0, AT_NOW)).await?;
        ensure_eq!(rotated, RotationOutcome::NotFound, "the answer to {who} rotating it");
        let touched = store.touch(&[Touch::new(SessionKey::new(user.clone(), id), NOW)]).await?;
        ensure_eq!(touched, 0, "how many sessions {who} could touch");
        let scope = EndScope { keep: None, device_id: owned.device_id };
        let ended = store.end_all(&user, &scope, &revoked(), Duration::ZERO).await?;
        ensure!(ended.is_empty(), "{who} could end {ended:?}");
        ensure_unchanged(&store, &owned).await?;
    }
    Ok(())
}

pub(super) async fn migrating_again_keeps_every_record(store: Store) -> Verdict {
    let full = full_session()?;
    insert(&store, &full).await?;
    let again = (0..4).map(|_| {
        let store = store.clone();
        async move { store.migrate().await.map_err(Violation::from) }
    });
    super::support::race(again).await?;
    ensure_unchanged(&store, &full).await
}
