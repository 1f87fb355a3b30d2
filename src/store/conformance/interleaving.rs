//! Interleaving: what holds in every order in which changes arrive.

use std::{slice, time::Duration};

use serde_json::json;

use super::support::{
    HOUR, SECOND, Store, Verdict, Violation, ago, data, ensure, ensure_eq, insert, later, plain, race, reread, revoked,
    session, session_of,
};
use crate::{
    id::{SessionKey, UserId},
    session::{Actor, AsOf, EndReason, Ending, Session, Touch},
    store::{EndOutcome, EndScope, Rotation, RotationOutcome},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Touch,
    Rotate,
    SetData,
    End,
    EndAll,
    InsertAgain,
}

const CHANGES: [Change; 6] =
    [Change::Touch, Change::Rotate, Change::SetData, Change::End, Change::EndAll, Change::InsertAgain];

pub(super) async fn no_order_of_changes_clears_an_ending(store: Store) -> Verdict {
    let mut orders = orders(&CHANGES[..5]);
    orders.extend(orders_with_one_more(&CHANGES));
    let orders: Vec<(u32, Vec<Change>)> = (0..).zip(orders).collect();
    for together in orders.chunks(16) {
        race(together.iter().cloned().map(|(user, order)| follow(store.clone(), user, order))).await?;
    }
    Ok(())
}

/// Applies the changes in this order, and watches the record from its ending on.
async fn follow(store: Store, user: u32, order: Vec<Change>) -> Verdict {
    let original = session(user);
    insert(&store, &original).await?;
    let mut at_the_end: Option<Session> = None;
    for (step, change) in (1..).zip(&order) {
        apply(&store, &original, *change, later(step * SECOND)).await?;
        let now = reread(&store, &original).await?;
        match &at_the_end {
            Some(ended) => ensure_eq!(now, *ended, "the ended record after {change:?}, step {step} of {order:?}"),
            None => {
                let ends = matches!(change, Change::End | Change::EndAll);
                ensure_eq!(now.ended.is_some(), ends, "whether {change:?} ended it, step {step} of {order:?}");
                at_the_end = ends.then_some(now);
            }
        }
    }
    Ok(())
}

pub(super) async fn no_race_clears_an_ending(store: Store) -> Verdict {
    for round in 0..12_u32 {
        let contested = session(round);
        insert(&store, &contested).await?;
        let racers = CHANGES.iter().cycle().take(18).enumerate();
        let winners: Vec<Ending> = race(racers.map(|(place, change)| {
            let (store, contested, change) = (store.clone(), contested.clone(), *change);
            let at = later(Duration::from_micros(place as u64 + 1));
            async move { apply(&store, &contested, change, at).await }
        }))
        .await?
        .into_iter()
        .flatten()
        .collect();

        ensure_eq!(winners.len(), 1, "how many were told that they ended it, in round {round}");
        let ended = reread(&store, &contested).await?;
        ensure_eq!(ended.ended.as_ref(), winners.first(), "the ending on record, in round {round}");
        for change in CHANGES {
            apply(&store, &contested, change, later(HOUR)).await?;
            ensure_eq!(reread(&store, &contested).await?, ended, "the ended record after {change:?}");
        }
    }
    Ok(())
}

pub(super) async fn a_record_is_never_seen_half_changed(store: Store) -> Verdict {
    let watched = session_of(UserId::from(1), HOUR);
    insert(&store, &watched).await?;

    // The generation, the time it was issued and the activity move together, so each tells the others.
    let writer = {
        let (store, watched) = (store.clone(), watched.clone());
        async move {
            for from in 0..40 {
                let rotation =
                    Rotation { refuse_older: true, ..Rotation::new(from, AsOf::new(issued(from + 1), Duration::ZERO)) };
                let outcome = store.rotate(&watched.key(), &rotation).await?;
                ensure!(matches!(outcome, RotationOutcome::Rotated(_)), "rotation {from} answered {outcome:?}");
            }
            Ok(())
        }
    };
    let reader = |store: Store, watched: Session| async move {
        let mut generation = 0;
        while generation < 40 {
            let seen = reread(&store, &watched).await?;
            ensure!(seen.tokens.generation >= generation, "generation {generation} was followed by {:?}", seen.tokens);
            generation = seen.tokens.generation;
            if generation > 0 {
                let expected = (Some(issued(generation)), issued(generation), generation);
                let found = (seen.tokens.rotated_at, seen.last_active_at, seen.tokens.least_generation);
                ensure_eq!(found, expected, "what was seen of generation {generation}");
            }
        }
        Ok(())
    };

    let mut running = tokio::task::JoinSet::new();
    running.spawn(writer);
    for _ in 0..3 {
        running.spawn(reader(store.clone(), watched.clone()));
    }
    while let Some(verdict) = running.join_next().await {
        verdict??;
    }
    Ok(())
}

fn issued(generation: u32) -> crate::clock::Timestamp {
    ago(HOUR).saturating_add(generation * SECOND)
}

/// Applies a change at this moment; returns the ending when this is what ended the session.
async fn apply(
    store: &Store,
    original: &Session,
    change: Change,
    at: crate::clock::Timestamp,
) -> Result<Option<Ending>, Violation> {
    let (user, id) = (&original.user_id, original.id);
    match change {
        Change::Touch => {
            let touch = Touch {
                generation: Some(0),
                ip: Some([192, 0, 2, 1].into()),
                ..Touch::new(SessionKey::new(user.clone(), id), at)
            };
            store.touch(slice::from_ref(&touch)).await?;
        }
        Change::Rotate => {
            let rotation = Rotation { refuse_older: true, ..Rotation::new(0, AsOf::new(at, Duration::ZERO)) };
            store.rotate(&SessionKey::new(user.clone(), id), &rotation).await?;
        }
        Change::SetData => {
            store.set_data(&SessionKey::new(user.clone(), id), &data(json!({ "at": at.as_micros() }))).await?;
        }
        Change::InsertAgain => {
            store.insert(original, &plain()).await?;
        }
        Change::End => {
            let ending = Ending::new(EndReason::SignedOut, Actor::Session(id), at);
            let outcome = store.end(&SessionKey::new(user.clone(), id), &ending, Duration::ZERO).await?;
            return Ok((outcome == EndOutcome::Ended).then_some(ending));
        }
        Change::EndAll => {
            let ending = Ending { at, ..revoked() };
            let ended = store.end_all(user, &EndScope::all(), &ending, Duration::ZERO).await?;
            return Ok(ended.contains(&id).then_some(ending));
        }
    }
    Ok(None)
}

/// Every order of these.
fn orders(changes: &[Change]) -> Vec<Vec<Change>> {
    let Some((first, rest)) = changes.split_first() else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for order in orders(rest) {
        for place in 0..=order.len() {
            let mut longer = order.clone();
            longer.insert(place, *first);
            all.push(longer);
        }
    }
    all
}

/// Every rotation of these, so that each comes right after each ending once.
fn orders_with_one_more(changes: &[Change]) -> impl Iterator<Item = Vec<Change>> {
    (0..changes.len()).map(|by| {
        let mut order = changes.to_vec();
        order.rotate_left(by);
        order
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_orders_as_there_should_be() {
        let mut all: Vec<String> = orders(&CHANGES[..5]).iter().map(|order| format!("{order:?}")).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 120);
    }
}
