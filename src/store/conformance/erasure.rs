//! Erasure: nothing is left of a user, and nothing comes back.

use std::{slice, time::Duration};

use serde_json::json;

use super::{
    devices::{device, ensure_known, see_all, trust},
    support::{
        AT_NOW, DAY, HOUR, NOW, Store, Verdict, ago, data, devices_of, ensure, ensure_eq, ensure_unchanged, ids_in,
        insert_all, later, race, revoked, session,
    },
};
use crate::{
    device::{DeviceName, DeviceUpkeep},
    id::SessionKey,
    session::{Session, Touch},
    store::{DevicePosition, EndOutcome, EndScope, Rotation, RotationOutcome, SessionState},
};

pub(super) async fn an_erased_user_leaves_no_trace(store: Store) -> Verdict {
    let active: Vec<Session> = (0..3).map(|_| session(1)).collect();
    let ended = Session { ended: Some(revoked()), ..session(1) };
    let (theirs, their_device) = (session(2), device(2, HOUR));
    insert_all(&store, active.iter().chain([&ended, &theirs])).await?;
    let devices = [device(1, HOUR), device(1, HOUR), device(1, HOUR)];
    see_all(&store, devices.iter().chain([&their_device])).await?;
    devices_of(&store).forget_device(&1.into(), devices[2].id, NOW).await?;

    let erased = active[0].user_id.clone();
    for sessions in [4, 0] {
        ensure_eq!(store.erase(&erased).await?, sessions, "how many sessions were erased");
        for session in active.iter().chain([&ended]) {
            ensure_eq!(store.find(&SessionKey::new(erased.clone(), session.id)).await?, None, "an erased session");
        }
        for device in &devices {
            ensure_eq!(devices_of(&store).find_device(&erased, device.id).await?, None, "an erased device");
        }
        ensure_eq!(ids_in(&store, &erased, SessionState::All).await?, [], "the sessions of the erased user");
        ensure_eq!(
            devices_of(&store).devices(&erased, DevicePosition::FIRST, 100).await?,
            [],
            "the devices of the erased user"
        );
    }

    let far = later(1_000 * HOUR);
    let changes = store.ended_between(ago(1_000 * HOUR), far, 100).await?;
    ensure!(
        changes.iter().all(|change| change.key.user_id != erased),
        "the erased user is among the changes: {changes:?}"
    );
    let met = store.scan(None, 100).await?.sessions;
    ensure_eq!(met, slice::from_ref(&theirs), "what a scan meets");
    ensure_unchanged(&store, &theirs).await?;
    ensure_known(&store, &their_device).await?;
    let swept = devices_of(&store).purge_devices(&DeviceUpkeep::new(NOW, DAY, DAY), 100).await?;
    ensure!(swept.seen <= 1, "a sweep over devices has met {}, of the one that is left", swept.seen);
    ensure_eq!(store.purge(far, 100).await?, 1, "how many records there were to purge");
    Ok(())
}

pub(super) async fn nothing_brings_an_erased_session_back(store: Store) -> Verdict {
    let known = device(1, HOUR);
    let erased = Session { device_id: Some(known.id), ..session(1) };
    insert_all(&store, [&erased]).await?;
    see_all(&store, [&known]).await?;
    store.erase(&erased.user_id).await?;

    let (user, id, name) = (&erased.user_id, erased.id, DeviceName::try_from("back")?);
    let touched = store.touch(&[Touch::new(SessionKey::new(user.clone(), id), NOW)]).await?;
    ensure_eq!(touched, 0, "how many sessions were touched");
    let ended = store.end(&SessionKey::new(user.clone(), id), &revoked(), Duration::ZERO).await?;
    ensure_eq!(ended, EndOutcome::NotFound, "the answer to ending an erased session");
    let ended = store.end_all(user, &EndScope::all(), &revoked(), Duration::ZERO).await?;
    ensure_eq!(ended, [], "the sessions that were ended");
    ensure!(!store.rename(&SessionKey::new(user.clone(), id), Some(&name)).await?, "an erased session was renamed");
    ensure!(
        !store.set_data(&SessionKey::new(user.clone(), id), &data(json!({ "a": 1 }))).await?,
        "an erased session took data"
    );
    let rotated = store.rotate(&SessionKey::new(user.clone(), id), &Rotation::new(0, AT_NOW)).await?;
    ensure_eq!(rotated, RotationOutcome::NotFound, "the answer to rotating an erased session");
    ensure!(!devices_of(&store).rename_device(user, known.id, Some(&name)).await?, "an erased device was renamed");
    ensure!(!devices_of(&store).trust_device(user, known.id, Some(trust(NOW))).await?, "an erased device was trusted");
    ensure_eq!(devices_of(&store).distrust_devices(user).await?, 0, "how many devices had been trusted");

    ensure_eq!(ids_in(&store, user, SessionState::All).await?, [], "the sessions of the erased user");
    ensure_eq!(
        devices_of(&store).devices(user, DevicePosition::FIRST, 10).await?,
        [],
        "the devices of the erased user"
    );
    Ok(())
}

pub(super) async fn racing_erasures_count_each_session_once(store: Store) -> Verdict {
    let sessions: Vec<Session> = (0..20).map(|_| session(1)).collect();
    let devices: Vec<_> = (0..20).map(|_| device(1, HOUR)).collect();
    insert_all(&store, &sessions).await?;
    see_all(&store, &devices).await?;
    let erased: u64 = race((0..8).map(|_| {
        let store = store.clone();
        async move { Ok(store.erase(&1.into()).await?) }
    }))
    .await?
    .into_iter()
    .sum();
    ensure_eq!(erased, 20, "how many sessions racing erasures have counted");
    ensure_eq!(ids_in(&store, &1.into(), SessionState::All).await?, [], "the sessions of the erased user");
    ensure_eq!(
        devices_of(&store).devices(&1.into(), DevicePosition::FIRST, 100).await?,
        [],
        "the devices of the erased user"
    );
    Ok(())
}
