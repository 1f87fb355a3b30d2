//! Adoption: which tokens from before this crate came are put on record. A store that keeps no cutoffs says so, and is
//! not held to this.

use std::time::Duration;

use super::support::{
    HOUR, NOW, SECOND, Store, Verdict, Violation, ago, ensure_eq, ids_in, later, plain, race, revoked, session,
};
use crate::{
    clock::Timestamp,
    id::UserId,
    policy::{Admission, Adopting, NotAdopted, TokenCutoff},
    session::Session,
    store::{Admitted, EndScope, SessionState, StoreRetention},
};

const INSERTED: Admitted = Admitted::Inserted(Vec::new());
const CUT_OFF: Admitted = Admitted::NotAdopted(NotAdopted::CutOff);
const NOT_BEGUN: Admitted = Admitted::NotAdopted(NotAdopted::NotBegun);

fn keeps_none(store: &Store) -> bool {
    store.facts().retention == StoreRetention::Unknown
}

/// The admission of a token that was issued then, when it is not too late for adoption to begin.
fn issued_at(issued_at: Timestamp) -> Admission {
    Admission { adopts: Some(Adopting::new(issued_at, later(SECOND), later(24 * HOUR))), ..plain() }
}

/// The same when it is too late.
fn issued_at_and_late(issued_at: Timestamp) -> Admission {
    Admission { adopts: Some(Adopting::new(issued_at, NOW, later(24 * HOUR))), ..plain() }
}

fn cutoff_at(issued_until: Timestamp) -> TokenCutoff {
    TokenCutoff::new(issued_until, later(24 * HOUR))
}

async fn adopt(store: &Store, user: u32, admission: Admission) -> Result<Admitted, Violation> {
    Ok(store.insert(&session(user), &admission).await?)
}

pub(super) async fn a_token_issued_up_to_the_cutoff_is_not_adopted(store: Store) -> Verdict {
    if keeps_none(&store) {
        return Ok(());
    }
    store.cut_off(&1.into(), &cutoff_at(ago(HOUR))).await?;
    for (user, at, expected) in [
        (1, ago(2 * HOUR), CUT_OFF),
        (1, ago(HOUR), CUT_OFF),
        (2, ago(HOUR), INSERTED),
        (1, ago(HOUR - SECOND), INSERTED),
    ] {
        ensure_eq!(adopt(&store, user, issued_at(at)).await?, expected, "user {user}'s token of {at}");
    }
    ensure_eq!(ids_in(&store, &1.into(), SessionState::All).await?.len(), 1, "how many sessions are on record");
    ensure_eq!(store.insert(&session(1), &plain()).await?, INSERTED, "a sign-in after the cutoff");
    Ok(())
}

pub(super) async fn a_cutoff_never_moves_back(store: Store) -> Verdict {
    if keeps_none(&store) {
        return Ok(());
    }
    for hours in [3, 1, 2] {
        store.cut_off(&1.into(), &cutoff_at(ago(hours * HOUR))).await?;
    }
    ensure_eq!(adopt(&store, 1, issued_at(ago(HOUR))).await?, CUT_OFF, "a token of the latest cutoff");
    ensure_eq!(adopt(&store, 1, issued_at(ago(HOUR - SECOND))).await?, INSERTED, "a token after it");
    Ok(())
}

pub(super) async fn a_cutoff_outlives_an_erasure_and_a_purge(store: Store) -> Verdict {
    if keeps_none(&store) {
        return Ok(());
    }
    let user: UserId = 1.into();
    store.cut_off(&user, &cutoff_at(ago(HOUR))).await?;
    store.erase(&user).await?;
    store.purge(later(24 * HOUR), 100).await?;
    ensure_eq!(adopt(&store, 1, issued_at(ago(HOUR))).await?, CUT_OFF, "a token of the erased user");
    store.purge(later(25 * HOUR), 100).await?;
    Ok(())
}

pub(super) async fn adoption_begins_in_time_or_not_at_all(store: Store) -> Verdict {
    if keeps_none(&store) {
        return Ok(());
    }
    ensure_eq!(adopt(&store, 1, issued_at_and_late(ago(HOUR))).await?, NOT_BEGUN, "a token that comes too late");
    ensure_eq!(ids_in(&store, &1.into(), SessionState::All).await?, [], "the sessions on record");
    ensure_eq!(adopt(&store, 1, issued_at(ago(HOUR))).await?, INSERTED, "the first token");
    store.purge(later(24 * HOUR), 100).await?;
    for user in 1..20 {
        let late = adopt(&store, user, issued_at_and_late(ago(HOUR))).await?;
        ensure_eq!(late, INSERTED, "a token of user {user} once adoption has begun");
    }
    Ok(())
}

pub(super) async fn what_is_on_record_already_is_adopted(store: Store) -> Verdict {
    if keeps_none(&store) {
        return Ok(());
    }
    let session = session(1);
    ensure_eq!(store.insert(&session, &issued_at(ago(HOUR))).await?, INSERTED, "the first use");
    store.cut_off(&session.user_id, &cutoff_at(NOW)).await?;
    ensure_eq!(store.insert(&session, &issued_at(ago(HOUR))).await?, INSERTED, "a use after the cutoff");
    Ok(())
}

pub(super) async fn no_adoption_slips_past_a_cutoff(store: Store) -> Verdict {
    if keeps_none(&store) {
        return Ok(());
    }
    for user in 0..12_u32 {
        let adopting = (0..8).map(|number| (store.clone(), number)).map(|(store, number)| async move {
            if number == 4 {
                let user = UserId::from(user);
                store.cut_off(&user, &cutoff_at(NOW)).await?;
                store.end_all(&user, &EndScope::all(), &revoked(), Duration::ZERO).await?;
            } else {
                let session: Session = session(user);
                store.insert(&session, &issued_at(ago(HOUR))).await?;
            }
            Ok(())
        });
        race(adopting).await?;
        let active = ids_in(&store, &user.into(), SessionState::Active).await?;
        ensure_eq!(active, [], "what is active after all of user {user} was ended");
    }
    Ok(())
}
