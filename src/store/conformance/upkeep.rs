//! Upkeep: devices that are not needed any longer go, in bounded steps.

use std::time::Duration;

use super::{
    devices::{MANY, device, ensure_known, full_device, refind, see_all, trust},
    support::{
        DAY, HOUR, NOW, Store, Verdict, ago, devices_of, ensure, ensure_eq, insert_all, later, race, revoked, session,
    },
};
use crate::{
    clock::Timestamp,
    device::{DeviceUpkeep, KnownDevice, Standing},
    session::Session,
    store::DevicesSwept,
};

const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// Devices are known for 400 days, and for 30 without sessions, name and trust.
fn upkeep(now: Timestamp) -> DeviceUpkeep {
    DeviceUpkeep::new(now, 400 * DAY, MONTH)
}

/// A device that was seen once, so long ago, and is due.
fn due(user: u32, age: Duration) -> KnownDevice {
    KnownDevice { due_at: NOW, ..device(user, age) }
}

pub(super) async fn devices_that_are_not_needed_go(store: Store) -> Verdict {
    let provisional = |age| KnownDevice { standing: Standing::Provisional, ..due(1, age) };
    let named = |age| -> Result<_, super::support::Violation> {
        Ok(KnownDevice { device: full_device()?.device, ..due(1, age) })
    };
    let trusted = |age, until| KnownDevice { trust: Some(trust(until)), ..due(1, age) };
    let (with_active, with_ended, provisional_with_ended) = (due(1, 90 * DAY), due(1, 90 * DAY), provisional(9 * DAY));
    let on = |known: &KnownDevice| Session { device_id: Some(known.id), ..session(1) };
    let ended = |known: &KnownDevice| Session { ended: Some(revoked()), ..on(known) };
    let sessions = [
        on(&with_active),
        ended(&with_ended),
        ended(&provisional_with_ended),
        // Of another user, on the same device.
        Session { device_id: Some(with_active.id), ..session(2) },
    ];
    insert_all(&store, &sessions).await?;

    // Each with how long it is kept at least, if it is.
    let month_old = due(1, 30 * DAY);
    let shared = KnownDevice { user_id: 3.into(), id: with_active.id, ..due(3, 30 * DAY) };
    let cases = [
        (due(1, 400 * DAY), None),
        (named(400 * DAY)?, None),
        (named(399 * DAY)?, Some(later(DAY))),
        (trusted(90 * DAY, later(HOUR)), Some(later(HOUR))),
        (trusted(90 * DAY, NOW), None),
        (month_old, None),
        (due(2, 29 * DAY), Some(later(DAY))),
        (provisional(DAY), None),
        (provisional(HOUR), Some(later(23 * HOUR))),
        (with_active, Some(later(MONTH))),
        (with_ended, Some(later(MONTH))),
        (provisional_with_ended, Some(later(DAY))),
        (shared, None),
        (KnownDevice { due_at: later(HOUR), ..device(1, 400 * DAY) }, Some(later(HOUR))),
    ];
    see_all(&store, cases.iter().map(|(known, _)| known)).await?;
    let forgotten = [(device(4, DAY), ago(400 * DAY), None), (device(4, DAY), ago(399 * DAY), Some(later(DAY)))];
    see_all(&store, forgotten.iter().map(|(known, ..)| known)).await?;
    for (known, at, _) in &forgotten {
        devices_of(&store).forget_device(&known.user_id, known.id, *at).await?;
    }

    let swept = devices_of(&store).purge_devices(&upkeep(NOW), MANY).await?;
    ensure_eq!(swept, DevicesSwept::new(15, 7), "how many devices were due, and how many of them went");
    for (known, kept_until) in &cases {
        match kept_until {
            Some(due_at) => ensure_known(&store, &KnownDevice { due_at: *due_at, ..known.clone() }).await?,
            None => {
                ensure_eq!(
                    devices_of(&store).find_device(&known.user_id, known.id).await?,
                    None,
                    "a device that was not needed"
                );
            }
        }
    }
    for (known, at, kept_until) in &forgotten {
        let left = kept_until
            .map(|due_at| KnownDevice { due_at, ..KnownDevice::forgotten(known.user_id.clone(), known.id, *at) });
        ensure_eq!(
            devices_of(&store).find_device(&known.user_id, known.id).await?,
            left,
            "what is left of a forgotten device"
        );
    }
    let again = devices_of(&store).purge_devices(&upkeep(NOW), MANY).await?;
    ensure_eq!(again, DevicesSwept::default(), "what was due right afterwards");
    Ok(())
}

pub(super) async fn a_sweep_over_devices_is_bounded(store: Store) -> Verdict {
    // Of three users, by turns needed and not.
    let devices: Vec<KnownDevice> = (0..25).map(|n| due(n % 3, 28 * DAY + (n % 2) * 3 * DAY)).collect();
    see_all(&store, &devices).await?;
    let (mut seen, mut deleted) = (0, 0);
    loop {
        let swept = devices_of(&store).purge_devices(&upkeep(NOW), 4).await?;
        ensure!(swept.seen <= 4 && swept.deleted <= swept.seen, "a sweep over at most 4 was {swept:?}");
        (seen, deleted) = (seen + swept.seen, deleted + swept.deleted);
        if swept.seen == 0 {
            break;
        }
    }
    ensure_eq!((seen, deleted), (25, 12), "how many were looked at, and how many went");
    Ok(())
}

pub(super) async fn a_device_that_is_used_meanwhile_stays(store: Store) -> Verdict {
    for user in 0..24 {
        let known = due(user, 60 * DAY);
        see_all(&store, [&known]).await?;
        let seen = KnownDevice { last_seen_at: NOW, due_at: later(MONTH), ..known.clone() };
        race((0..2).map(|task| {
            let (store, seen) = (store.clone(), seen.clone());
            async move {
                if task == 0 {
                    devices_of(&store).purge_devices(&upkeep(NOW), MANY).await?;
                } else {
                    devices_of(&store).see_device(&seen, MANY).await?;
                }
                Ok(())
            }
        }))
        .await?;
        ensure_eq!(refind(&store, &seen).await?.last_seen_at, NOW, "the last sight of the device");
    }
    Ok(())
}
