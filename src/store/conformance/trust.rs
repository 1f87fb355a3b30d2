//! Trust in devices: given, taken away, and gone with the device.

use super::{
    devices::{device, ensure_known, full_device, see_all, trust},
    support::{HOUR, NOW, Store, Verdict, devices_of, ensure, ensure_eq, ensure_unchanged, insert_all, later, session},
};
use crate::{
    device::{DeviceName, KnownDevice},
    session::Session,
    store::DevicePosition,
};

pub(super) async fn a_device_is_trusted_until_then(store: Store) -> Verdict {
    let (mut trusted, beside) = (full_device()?, device(1, HOUR));
    see_all(&store, [&trusted, &beside]).await?;
    for until in [Some(later(HOUR)), Some(later(HOUR)), Some(NOW), None, Some(later(24 * HOUR)), None, None] {
        let given = until.map(trust);
        let found = devices_of(&store).trust_device(&trusted.user_id, trusted.id, given).await?;
        ensure!(found, "no device to trust until {until:?}");
        trusted.trust = given;
        ensure_known(&store, &trusted).await?;
    }
    ensure_known(&store, &beside).await
}

pub(super) async fn no_device_of_the_user_is_trusted_any_longer(store: Store) -> Verdict {
    let (mut long, mut past, never) = (device(1, HOUR), device(1, HOUR), device(1, HOUR));
    let of_another = KnownDevice { trust: Some(trust(later(HOUR))), ..device(2, HOUR) };
    long.trust = Some(trust(later(HOUR)));
    see_all(&store, [&long, &past, &never, &of_another]).await?;
    devices_of(&store).trust_device(&past.user_id, past.id, Some(trust(NOW))).await?;

    ensure_eq!(
        devices_of(&store).distrust_devices(&3.into()).await?,
        0,
        "how many devices of a stranger had been trusted"
    );
    for had_been in [2, 0] {
        ensure_eq!(
            devices_of(&store).distrust_devices(&1.into()).await?,
            had_been,
            "how many devices had been trusted"
        );
        (long.trust, past.trust) = (None, None);
        for device in [&long, &past, &never, &of_another] {
            ensure_known(&store, device).await?;
        }
    }
    Ok(())
}

pub(super) async fn a_forgotten_device_is_unknown(store: Store) -> Verdict {
    let (mut gone, beside) = (device(1, HOUR), device(1, HOUR));
    see_all(&store, [&gone, &beside]).await?;
    let name = DeviceName::try_from("the one I sold")?;
    devices_of(&store).trust_device(&gone.user_id, gone.id, Some(trust(later(HOUR)))).await?;
    let mut on_it = Session { device_id: Some(gone.id), ..session(1) };
    insert_all(&store, [&on_it]).await?;
    devices_of(&store).rename_device(&gone.user_id, gone.id, Some(&name)).await?;

    let left = KnownDevice::forgotten(gone.user_id.clone(), gone.id, NOW);
    for (was_known, at) in [(true, NOW), (false, later(HOUR))] {
        let found = devices_of(&store).forget_device(&gone.user_id, gone.id, at).await?;
        ensure_eq!(found, was_known, "whether the device was known");
        ensure_known(&store, &left).await?;
        let listed = devices_of(&store).devices(&gone.user_id, DevicePosition::FIRST, 10).await?;
        ensure!(listed.contains(&left), "what is left of the device is not in the list: {listed:?}");
    }
    ensure!(
        !devices_of(&store).rename_device(&gone.user_id, gone.id, Some(&name)).await?,
        "a forgotten device was renamed"
    );
    let given = Some(trust(later(HOUR)));
    ensure!(!devices_of(&store).trust_device(&gone.user_id, gone.id, given).await?, "a forgotten device was trusted");
    ensure_known(&store, &left).await?;
    ensure_known(&store, &beside).await?;
    on_it.device.custom_name = Some(name);
    ensure_unchanged(&store, &on_it).await?;

    (gone.first_seen_at, gone.last_seen_at, gone.due_at) = (NOW, NOW, NOW);
    see_all(&store, [&gone]).await?;
    ensure_known(&store, &gone).await
}
