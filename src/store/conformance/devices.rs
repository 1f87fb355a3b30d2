//! Devices: what is known of them, and how they are named.

use std::{pin::Pin, time::Duration};

use super::support::{
    HOUR, MINUTE, NOW, SECOND, Store, Verdict, Violation, ago, devices_of, ensure, ensure_eq, ensure_unchanged,
    full_session, insert_all, later, race, reread, revoked, session, sorted, user_agent,
};
use crate::{
    clock::Timestamp,
    device::{ClientHints, Device, DeviceKind, DeviceName, KnownDevice, Standing, Trust, TrustSecret},
    id::{DeviceId, UserId},
    session::Session,
    store::DevicePosition,
};

/// A device of a user, seen for the first time so long before [`NOW`].
pub(super) fn device(user: u32, age: Duration) -> KnownDevice {
    let device = Device::new(Some(user_agent(DeviceKind::Desktop).into()), ClientHints::default());
    KnownDevice::new(UserId::from(user), DeviceId::new(), device, ago(age))
}

/// A device with something in every field.
pub(super) fn full_device() -> Result<KnownDevice, Violation> {
    let session = full_session()?;
    let mut device = KnownDevice::new(session.user_id, DeviceId::new(), session.device, ago(HOUR));
    device.last_seen_at = ago(MINUTE);
    device.trust = Some(trust(later(HOUR)));
    device.due_at = later(MINUTE);
    Ok(device)
}

/// More devices than a case has.
pub(super) const MANY: u32 = 1_000;

/// Trust until then, in a device that holds another secret each time.
pub(super) fn trust(until: Timestamp) -> Trust {
    Trust::new(until, TrustSecret::random().hash())
}

/// Notes the first sight of each of these, where the store keeps devices.
pub(super) fn see_all<'a>(
    store: &Store,
    devices: impl IntoIterator<Item = &'a KnownDevice>,
) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
    let store = store.clone();
    let devices: Vec<KnownDevice> = devices.into_iter().cloned().collect();
    Box::pin(async move {
        if store.device_store().is_none() {
            return Ok(());
        }
        for device in &devices {
            ensure!(
                devices_of(&store).see_device(device, MANY).await?,
                "a device that is seen for the first time was known"
            );
        }
        Ok(())
    })
}

/// The record as it is now, which must be there.
pub(super) async fn refind(store: &Store, device: &KnownDevice) -> Result<KnownDevice, Violation> {
    let found = devices_of(store).find_device(&device.user_id, device.id).await?;
    found.ok_or_else(|| Violation::new(format!("no record of device {} of user {:?}", device.id, device.user_id)))
}

pub(super) async fn ensure_known(store: &Store, device: &KnownDevice) -> Verdict {
    if store.device_store().is_some() {
        ensure_eq!(refind(store, device).await?, *device, "the record");
    }
    Ok(())
}

pub(super) async fn a_device_reads_back_exactly(store: Store) -> Verdict {
    let (full, bare) = (full_device()?, KnownDevice::new(1.into(), DeviceId::new(), Device::default(), NOW));
    see_all(&store, [&full, &bare]).await?;
    for device in [&full, &bare] {
        ensure_known(&store, device).await?;
        let listed = devices_of(&store).devices(&device.user_id, DevicePosition::FIRST, 10).await?;
        ensure_eq!(listed.as_slice(), std::slice::from_ref(device), "the list");
    }
    Ok(())
}

pub(super) async fn a_device_is_new_once(store: Store) -> Verdict {
    let device = device(1, HOUR);
    ensure_eq!(devices_of(&store).find_device(&device.user_id, device.id).await?, None, "a device before it was seen");
    for (first, new) in [("first", true), ("second", false), ("third", false)] {
        ensure_eq!(devices_of(&store).see_device(&device, MANY).await?, new, "the answer to the {first} sight");
    }
    ensure_known(&store, &device).await
}

pub(super) async fn seeing_again_changes_what_the_client_says(store: Store) -> Verdict {
    let mut known = full_device()?;
    see_all(&store, [&known]).await?;
    let phone = Device::new(Some(user_agent(DeviceKind::Desktop).into()), ClientHints::default());
    for said in [phone.clone(), Device::default(), phone.custom_name(Some("not by this".try_into()?))] {
        let mut again = KnownDevice::new(known.user_id.clone(), known.id, said.clone(), NOW);
        again.trust = Some(trust(later(24 * HOUR)));
        again.due_at = later(HOUR);
        ensure!(!devices_of(&store).see_device(&again, MANY).await?, "a device that is known was new");
        known.device = said.custom_name(known.device.custom_name.clone());
        (known.last_seen_at, known.due_at) = (NOW, later(HOUR));
        ensure_known(&store, &known).await?;
    }
    Ok(())
}

pub(super) async fn a_device_is_last_seen_at_the_latest_sight(store: Store) -> Verdict {
    let mut known = device(1, HOUR);
    see_all(&store, [&known]).await?;
    for (at, last) in
        [(ago(2 * HOUR), ago(HOUR)), (ago(MINUTE), ago(MINUTE)), (ago(2 * MINUTE), ago(MINUTE)), (NOW, NOW)]
    {
        let again = KnownDevice { first_seen_at: at, last_seen_at: at, ..known.clone() };
        devices_of(&store).see_device(&again, MANY).await?;
        known.last_seen_at = last;
        ensure_known(&store, &known).await?;
    }
    Ok(())
}

pub(super) async fn a_device_is_each_users_own(store: Store) -> Verdict {
    let shared = device(1, HOUR);
    let of_another = KnownDevice { user_id: 2.into(), trust: Some(trust(later(HOUR))), ..shared.clone() };
    let theirs = Session { device_id: Some(shared.id), ..session(2) };
    see_all(&store, [&shared, &of_another]).await?;
    insert_all(&store, [&theirs]).await?;
    let name = DeviceName::try_from("mine")?;

    ensure!(
        devices_of(&store).rename_device(&shared.user_id, shared.id, Some(&name)).await?,
        "the device is not known"
    );
    ensure!(
        devices_of(&store).trust_device(&shared.user_id, shared.id, Some(trust(NOW))).await?,
        "the device is not known"
    );
    devices_of(&store).distrust_devices(&shared.user_id).await?;
    ensure!(devices_of(&store).forget_device(&shared.user_id, shared.id, NOW).await?, "the device is not known");
    ensure_known(&store, &of_another).await?;
    ensure_unchanged(&store, &theirs).await?;

    let (stranger, unknown) = (UserId::from(3), DeviceId::new());
    ensure_eq!(
        devices_of(&store).devices(&stranger, DevicePosition::FIRST, 10).await?,
        [],
        "the devices of a stranger"
    );
    for (user, id) in [(&stranger, shared.id), (&of_another.user_id, unknown)] {
        ensure_eq!(devices_of(&store).find_device(user, id).await?, None, "a device that is not known");
        ensure!(
            !devices_of(&store).rename_device(user, id, Some(&name)).await?,
            "a device that is not known was renamed"
        );
        ensure!(
            !devices_of(&store).trust_device(user, id, Some(trust(NOW))).await?,
            "a device that is not known was trusted"
        );
        ensure!(!devices_of(&store).forget_device(user, id, NOW).await?, "a device that is not known was forgotten");
    }
    ensure_known(&store, &of_another).await
}

pub(super) async fn devices_are_listed_newest_seen_first(store: Store) -> Verdict {
    // Three at each of these moments, so that ties are settled by the id.
    let mut devices: Vec<KnownDevice> =
        [3, 1, 2].into_iter().flat_map(|age| (0..3).map(move |_| device(1, age * SECOND))).collect();
    see_all(&store, devices.iter().chain([&device(2, MINUTE)])).await?;
    devices.sort_by_key(|device| std::cmp::Reverse((device.last_seen_at, device.id)));
    for limit in [0, 1, 4, 9, 100] {
        let listed = devices_of(&store).devices(&1.into(), DevicePosition::FIRST, limit).await?;
        let expected: Vec<KnownDevice> = devices.iter().take(limit as usize).cloned().collect();
        ensure_eq!(listed, expected, "the first {limit} devices");
    }
    for limit in [1, 2, 4, 9] {
        let (mut listed, mut after) = (Vec::new(), DevicePosition::FIRST);
        loop {
            let page = devices_of(&store).devices(&1.into(), after, limit).await?;
            let Some(last) = page.last() else { break };
            after = DevicePosition::of(last);
            listed.extend(page);
        }
        ensure_eq!(listed, devices, "the devices by pages of {limit}");
    }
    Ok(())
}

pub(super) async fn a_device_that_was_brought_back_lasts(store: Store) -> Verdict {
    let mut known = KnownDevice { standing: Standing::Provisional, ..device(1, HOUR) };
    see_all(&store, [&known]).await?;
    for (standing, due_at) in [
        (Standing::Provisional, later(HOUR)),
        (Standing::Lasting, later(MINUTE)),
        (Standing::Provisional, later(2 * HOUR)),
    ] {
        let again = KnownDevice { standing, due_at, last_seen_at: NOW, ..known.clone() };
        ensure!(!devices_of(&store).see_device(&again, MANY).await?, "a device that is known was new");
        known.last_seen_at = NOW;
        known.due_at = known.due_at.max(due_at);
        if standing == Standing::Lasting {
            known.standing = standing;
        }
        ensure_known(&store, &known).await?;
    }
    Ok(())
}

pub(super) async fn a_user_has_so_many_devices_at_most(store: Store) -> Verdict {
    let others = device(2, 9 * HOUR);
    let named = KnownDevice { device: full_device()?.device, ..device(1, 9 * HOUR) };
    let trusted = KnownDevice { trust: Some(trust(NOW)), ..device(1, 8 * HOUR) };
    let provisional = |age| KnownDevice { standing: Standing::Provisional, ..device(1, age) };
    let (fresh, forgotten) = (provisional(HOUR), device(1, 7 * HOUR));
    let (old, recent) = (device(1, 6 * HOUR), device(1, 5 * HOUR));
    see_all(&store, [&others, &named, &trusted, &fresh, &forgotten, &old, &recent]).await?;
    devices_of(&store).forget_device(&1.into(), forgotten.id, later(HOUR)).await?;

    let mut left = vec![named.id, trusted.id, fresh.id, forgotten.id, old.id, recent.id];
    for gone in [fresh.id, forgotten.id, old.id, recent.id, named.id] {
        // It stays itself, although it has neither name nor trust.
        let newcomer = provisional(10 * HOUR);
        ensure!(devices_of(&store).see_device(&newcomer, 6).await?, "a new device was known");
        left.retain(|id| *id != gone);
        left.push(newcomer.id);
        let listed = devices_of(&store).devices(&1.into(), DevicePosition::FIRST, MANY).await?;
        ensure_eq!(sorted(listed.iter().map(|known| known.id)), sorted(left.clone()), "the devices of the user");
        devices_of(&store).forget_device(&1.into(), newcomer.id, NOW).await?;
        let kept = KnownDevice { id: newcomer.id, ..device(1, MINUTE) };
        ensure!(devices_of(&store).see_device(&kept, 6).await?, "a device that was forgotten was known");
        devices_of(&store).rename_device(&1.into(), kept.id, Some(&"kept".try_into()?)).await?;
    }
    ensure!(devices_of(&store).see_device(&provisional(HOUR), 2).await?, "a new device was known");
    ensure_eq!(
        devices_of(&store).devices(&1.into(), DevicePosition::FIRST, MANY).await?.len(),
        2,
        "how many there are at most two of"
    );
    ensure_known(&store, &others).await
}

pub(super) async fn racing_sights_of_a_device_have_one_first(store: Store) -> Verdict {
    for round in 0..4_u32 {
        let seen = device(round, HOUR);
        let answers = race((0..64_i64).map(|place| {
            let (store, mut seen) = (store.clone(), seen.clone());
            seen.last_seen_at = Timestamp::from_micros(seen.last_seen_at.as_micros() + place);
            async move { Ok(devices_of(&store).see_device(&seen, MANY).await?) }
        }))
        .await?;
        let new = answers.into_iter().filter(|new| *new).count();
        ensure_eq!(new, 1, "how many of 64 were told that the device is new");
        ensure_eq!(
            devices_of(&store).devices(&seen.user_id, DevicePosition::FIRST, 10).await?.len(),
            1,
            "how many devices there are"
        );
        let last = refind(&store, &seen).await?.last_seen_at;
        ensure_eq!(
            last.as_micros() - seen.first_seen_at.as_micros(),
            63,
            "the last sight after the first, in microseconds"
        );
    }
    Ok(())
}

pub(super) async fn a_device_is_renamed_on_its_sessions_too(store: Store) -> Verdict {
    let mut known = device(1, HOUR);
    let beside = device(1, HOUR);
    see_all(&store, [&known, &beside]).await?;
    let mut on_it: Vec<Session> = (0..3).map(|_| Session { device_id: Some(known.id), ..session(1) }).collect();
    on_it[1].ended = Some(revoked());
    let elsewhere = Session { device_id: Some(beside.id), ..session(1) };
    let nowhere = session(1);
    insert_all(&store, on_it.iter().chain([&elsewhere, &nowhere])).await?;

    let longest = "😀".repeat(DeviceName::MAX_LENGTH);
    for name in [Some("Zoë's 'phone' \"%_\\"), None, Some("x"), Some(longest.as_str()), None, None] {
        let name = name.map(DeviceName::try_from).transpose()?;
        let found = devices_of(&store).rename_device(&known.user_id, known.id, name.as_ref()).await?;
        ensure!(found, "no device to rename to {name:?}");
        known.device.custom_name = name.clone();
        ensure_known(&store, &known).await?;
        for session in &mut on_it {
            session.device.custom_name = name.clone();
            ensure_eq!(
                reread(&store, session).await?,
                *session,
                "a session on the device that was renamed to {name:?}"
            );
        }
    }
    ensure_known(&store, &beside).await?;
    ensure_unchanged(&store, &elsewhere).await?;
    ensure_unchanged(&store, &nowhere).await
}
