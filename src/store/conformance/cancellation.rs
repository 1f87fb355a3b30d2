//! Cancellation: futures dropped at each of their awaits.

use std::{future::poll_fn, pin::Pin, slice, task::Poll, time::Duration};

use serde_json::json;

use super::{
    devices::{device, refind, see_all},
    support::{
        AT_NOW, HOUR, NOW, SECOND, Store, Verdict, data, devices_of, ensure, ensure_eq, insert, insert_all, later,
        plain, race, reread, revoked, session,
    },
};
use crate::{
    device::DeviceName,
    id::SessionKey,
    policy::Admission,
    session::{Session, Touch},
    store::{EndScope, Rotation},
};

/// More polls than any method needs, so that the last attempts of each case are not dropped at all.
const POLLS: usize = 12;

pub(super) async fn a_dropped_change_is_old_or_new(store: Store) -> Verdict {
    // A user for each change: what was dropped may still be under way, and would end another session of the user.
    let mut users = 0..;
    for polls in 0..POLLS {
        for change in 0..6 {
            let original = session(users.next().unwrap_or_default());
            insert(&store, &original).await?;
            let name = DeviceName::try_from("renamed")?;
            let new_data = data(json!({ "new": true }));
            let rotation = Rotation::new(0, AT_NOW);
            let touch = Touch::new(original.key(), later(SECOND));
            let scope = EndScope::all();
            let (user, id, ending) = (&original.user_id, original.id, revoked());

            let mut new = original.clone();
            match change {
                0 => {
                    new.ended = Some(revoked());
                    drop_after(polls, store.end(&SessionKey::new(user.clone(), id), &ending, Duration::ZERO)).await;
                }
                1 => {
                    new.ended = Some(revoked());
                    drop_after(polls, store.end_all(user, &scope, &ending, Duration::ZERO)).await;
                }
                2 => {
                    new.device.custom_name = Some(name.clone());
                    drop_after(polls, store.rename(&SessionKey::new(user.clone(), id), Some(&name))).await;
                }
                3 => {
                    new.data = new_data.clone();
                    drop_after(polls, store.set_data(&SessionKey::new(user.clone(), id), &new_data)).await;
                }
                4 => {
                    new.tokens.generation = 1;
                    new.tokens.rotated_at = Some(NOW);
                    new.last_active_at = NOW;
                    drop_after(polls, store.rotate(&SessionKey::new(user.clone(), id), &rotation)).await;
                }
                _ => {
                    new.last_active_at = later(SECOND);
                    drop_after(polls, store.touch(slice::from_ref(&touch))).await;
                }
            }
            let found = reread(&store, &original).await?;
            ensure!(
                found == original || found == new,
                "after {polls} polls of change {change} the record is neither old nor new: {found:?}"
            );
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_insert_is_all_or_nothing(store: Store) -> Verdict {
    for polls in 0..POLLS {
        let (held, newcomer) = (session(1), session(1));
        insert(&store, &held).await?;
        let admission = Admission { supersedes: Some(held.id), ..plain() };
        drop_after(polls, store.insert(&newcomer, &admission)).await;

        // The newcomer first: when it is there, the other has made room already, in any order of reading.
        let inserted = store.find(&newcomer.key()).await?.is_some();
        let ended = reread(&store, &held).await?.ended.is_some();
        ensure!(!inserted || ended, "after {polls} polls there is a new session and the old one is active");
        if !inserted && ended {
            let inserted = store.find(&newcomer.key()).await?.is_some();
            ensure!(inserted, "after {polls} polls the old session has ended and there is no new one");
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_change_of_a_user_is_all_or_nothing(store: Store) -> Verdict {
    if store.device_store().is_none() {
        return Ok(());
    }
    for (user, polls) in (0..).zip(0..POLLS) {
        // A user for each round: what was dropped may still be under way.
        let known = device(user, HOUR);
        see_all(&store, [&known]).await?;
        let on_it = Session { device_id: Some(known.id), ..session(user) };
        insert(&store, &on_it).await?;
        let (user, name) = (&on_it.user_id, DeviceName::try_from("renamed")?);

        drop_after(polls, devices_of(&store).rename_device(user, known.id, Some(&name))).await;
        // The device second: what is done to it is done to its sessions at the same time.
        let on_session = reread(&store, &on_it).await?.device.custom_name.is_some();
        let on_device = refind(&store, &known).await?.device.custom_name.is_some();
        ensure!(on_device || !on_session, "after {polls} polls the session has a name that its device has not");

        drop_after(polls, store.erase(user)).await;
        let has_session = store.find(&SessionKey::new(user.clone(), on_it.id)).await?.is_some();
        let has_device = devices_of(&store).find_device(user, known.id).await?.is_some();
        ensure!(has_session || !has_device, "after {polls} polls the session is erased and its device is not");
    }
    Ok(())
}

pub(super) async fn a_dropped_call_breaks_no_later_one(store: Store) -> Verdict {
    let sessions: Vec<Session> = (0..8).map(|_| session(1)).collect();
    insert_all(&store, &sessions).await?;
    for polls in 1..POLLS {
        race(sessions.iter().cloned().map(|session| {
            let store = store.clone();
            async move {
                let admission = Admission { supersedes: Some(session.id), ..plain() };
                let newcomer = Session { id: super::support::session(2).id, user_id: 2.into(), ..session };
                drop_after(polls, store.insert(&newcomer, &admission)).await;
                drop_after(polls, store.end_all(&newcomer.user_id, &EndScope::all(), &revoked(), SECOND)).await;
                Ok(())
            }
        }))
        .await?;

        // Every pooled connection serves some of these: what they were told is done must be seen by all others.
        race(sessions.iter().cloned().map(|session| {
            let store = store.clone();
            async move { Ok(store.set_data(&session.key(), &data(json!({ "polls": polls }))).await?) }
        }))
        .await?;
        for _ in 0..2 {
            for found in race(sessions.iter().cloned().map(|session| {
                let store = store.clone();
                async move { reread(&store, &session).await }
            }))
            .await?
            {
                ensure_eq!(found.data, data(json!({ "polls": polls })), "data that was set after dropped calls");
            }
        }
    }
    Ok(())
}

/// Polls `future` so many times, when it wakes its task in between, and drops it.
async fn drop_after<F: Future + Unpin>(polls: usize, mut future: F) {
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        match Pin::new(&mut future).poll(context) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending if left == 0 => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
}
