//! Rotation: from one generation of tokens to the next, once.

use std::{collections::BTreeMap, time::Duration};

use super::support::{
    AT_NOW, HOUR, MINUTE, NOW, Store, Verdict, Violation, ago, ensure, ensure_eq, ensure_unchanged, full_session,
    insert, insert_all, later, race, reread, revoked, session, session_of,
};
use crate::{
    id::UserId,
    session::{AsOf, Session},
    store::{Proof, Rotation, RotationOutcome},
};

pub(super) async fn a_rotation_moves_to_the_next_generation(store: Store) -> Verdict {
    let (mut rotated, beside) = (full_session()?, full_session()?);
    insert_all(&store, [&rotated, &beside]).await?;
    for (from, at) in [(7, NOW), (8, later(MINUTE))] {
        let outcome = rotate(&store, &rotated, &Rotation::new(from, AsOf::new(at, Duration::ZERO))).await?;
        rotated.tokens.generation = from + 1;
        rotated.tokens.rotated_at = Some(at);
        rotated.tokens.newest_seen = false;
        rotated.last_active_at = at;
        ensure_eq!(outcome, RotationOutcome::Rotated(Box::new(rotated.clone())), "the answer");
        ensure_unchanged(&store, &rotated).await?;
    }

    // An older clock moves the activity no further back than a touch does.
    rotate(&store, &rotated, &Rotation::new(9, AT_NOW)).await?;
    let found = reread(&store, &rotated).await?;
    ensure_eq!(found.last_active_at, later(MINUTE), "the newest activity");
    ensure_unchanged(&store, &beside).await
}

pub(super) async fn a_rotation_from_another_generation_changes_nothing(store: Store) -> Verdict {
    let refreshed = full_session()?;
    insert(&store, &refreshed).await?;
    for from in [0, 6, 8, u32::MAX] {
        let rotation = Rotation { refuse_older: true, ..Rotation::new(from, AT_NOW) };
        let outcome = rotate(&store, &refreshed, &rotation).await?;
        ensure_eq!(outcome, RotationOutcome::Unchanged(Box::new(refreshed.clone())), "the answer from {from}");
        ensure_unchanged(&store, &refreshed).await?;
    }
    let absent = rotate(&store, &session(1), &Rotation::new(0, AT_NOW)).await?;
    ensure_eq!(absent, RotationOutcome::NotFound, "the answer for a session that is not there");
    Ok(())
}

pub(super) async fn a_rotation_may_refuse_older_tokens(store: Store) -> Verdict {
    let refreshed = session(1);
    insert(&store, &refreshed).await?;
    for (from, refuse_older, least) in [(0, false, 0), (1, true, 2), (2, false, 2), (3, true, 4)] {
        let rotation = Rotation { refuse_older, ..Rotation::new(from, AT_NOW) };
        rotate(&store, &refreshed, &rotation).await?;
        let found = reread(&store, &refreshed).await?.tokens;
        ensure_eq!((found.generation, found.least_generation), (from + 1, least), "newest and least generation");
    }
    Ok(())
}

pub(super) async fn a_rotation_records_a_proof(store: Store) -> Verdict {
    let mut proven = full_session()?;
    insert(&store, &proven).await?;
    let methods = BTreeMap::from([("pwd".into(), ago(HOUR)), ("hwk".into(), NOW), ("x'\"".into(), ago(MINUTE))]);
    let levels = BTreeMap::from([(2, ago(2 * MINUTE)), (3, NOW)]);
    let proof = Proof { levels: levels.clone(), ..Proof::new(methods.clone(), 3) };
    let rotation = Rotation { proof: Some(proof), ..Rotation::new(7, AsOf::new(NOW, Duration::ZERO)) };
    let outcome = rotate(&store, &proven, &rotation).await?;
    (proven.methods, proven.assurance_level, proven.authenticated_at) = (methods, 3, NOW);
    proven.levels = levels;
    (proven.tokens.generation, proven.tokens.rotated_at, proven.tokens.newest_seen) = (8, Some(NOW), false);
    proven.last_active_at = NOW;
    ensure_eq!(outcome, RotationOutcome::Rotated(Box::new(proven.clone())), "the answer");
    ensure_unchanged(&store, &proven).await?;

    let unproven = Rotation { proof: Some(Proof::new(BTreeMap::new(), 0)), ..Rotation::new(7, AT_NOW) };
    rotate(&store, &proven, &unproven).await?;
    ensure_unchanged(&store, &proven).await
}

pub(super) async fn an_ended_session_is_not_rotated(store: Store) -> Verdict {
    let ended = Session { ended: Some(revoked()), ..session(1) };
    let expired = Session { expires_at: NOW, ..session(1) };
    let idle = session_of(UserId::from(1), 92 * MINUTE);
    let within_the_allowance = session_of(UserId::from(1), 91 * MINUTE);
    insert_all(&store, [&ended, &expired, &idle, &within_the_allowance]).await?;

    let rotation = Rotation { refuse_older: true, ..Rotation::new(0, AsOf::new(NOW, 2 * MINUTE)) };
    for session in [&ended, &expired, &idle] {
        let outcome = rotate(&store, session, &rotation).await?;
        ensure_eq!(outcome, RotationOutcome::Unchanged(Box::new(session.clone())), "the answer");
        ensure_unchanged(&store, session).await?;
    }
    let outcome = rotate(&store, &within_the_allowance, &rotation).await?;
    ensure!(matches!(outcome, RotationOutcome::Rotated(_)), "the answer within the allowance is {outcome:?}");
    Ok(())
}

pub(super) async fn the_last_generation_has_no_successor(store: Store) -> Verdict {
    let mut last = session(1);
    last.tokens.generation = u32::MAX - 1;
    insert(&store, &last).await?;
    let outcome = rotate(&store, &last, &Rotation::new(u32::MAX - 1, AT_NOW)).await?;
    ensure!(matches!(outcome, RotationOutcome::Rotated(_)), "the answer before the last generation is {outcome:?}");
    let at_the_end = reread(&store, &last).await?;
    let outcome = rotate(&store, &last, &Rotation::new(u32::MAX, AT_NOW)).await?;
    ensure_eq!(outcome, RotationOutcome::Unchanged(Box::new(at_the_end.clone())), "the answer at the last generation");
    ensure_unchanged(&store, &at_the_end).await
}

pub(super) async fn racing_rotations_have_one_winner(store: Store) -> Verdict {
    let contested = session(1);
    insert(&store, &contested).await?;
    for from in 0..2 {
        let outcomes = race((0..64).map(|_| {
            let (store, contested) = (store.clone(), contested.clone());
            async move { rotate(&store, &contested, &Rotation::new(from, AT_NOW)).await }
        }))
        .await?;
        let mut winners = 0;
        for outcome in outcomes {
            let session = match outcome {
                RotationOutcome::Rotated(session) => {
                    winners += 1;
                    session
                }
                RotationOutcome::Unchanged(session) => session,
                RotationOutcome::NotFound => return Err(Violation::new("a racer did not find the session")),
            };
            ensure_eq!(session.tokens.generation, from + 1, "the generation that a racer was told");
        }
        ensure_eq!(winners, 1, "how many of 64 rotated from {from}");
    }
    ensure_eq!(reread(&store, &contested).await?.tokens.generation, 2, "the newest generation");
    Ok(())
}

async fn rotate(store: &Store, session: &Session, rotation: &Rotation) -> Result<RotationOutcome, Violation> {
    Ok(store.rotate(&session.key(), rotation).await?)
}
