//! Trust in devices: given, taken away, and gone with the device.

use super::{
    devices::{device, ensure_known, full_device, see_all},
    support::{HOUR, NOW, Store, Verdict, ensure, ensure_eq, ensure_unchanged, insert_all, later, session},
};
use crate::{
    device::{DeviceName, KnownDevice},
    session::Session,
};

pub(super) async fn a_device_is_trusted_until_then(store: Store) -> Verdict {
    let (mut trusted, beside) = (full_device()?, device(1, HOUR));
    see_all(&store, [&trusted, &beside]).await?;
    for until in [Some(later(HOUR)), Some(NOW), None, Some(later(24 * HOUR)), None, None] {
        let found = store.trust_device(&trusted.user_id, trusted.id, until).await?;
        ensure!(found, "no device to trust until {until:?}");
        trusted.trusted_until = until;
        ensure_known(&store, &trusted).await?;
    }
    ensure_known(&store, &beside).await
}

pub(super) async fn no_device_of_the_user_is_trusted_any_longer(store: Store) -> Verdict {
    let (mut long, mut past, never) = (device(1, HOUR), device(1, HOUR), device(1, HOUR));
    let of_another = KnownDevice { trusted_until: Some(later(HOUR)), ..device(2, HOUR) };
    long.trusted_until = Some(later(HOUR));
    see_all(&store, [&long, &past, &never, &of_another]).await?;
    store.trust_device(&past.user_id, past.id, Some(NOW)).await?;

    ensure_eq!(store.distrust_devices(&3.into()).await?, 0, "how many devices of a stranger had been trusted");
    for had_been in [2, 0] {
        ensure_eq!(store.distrust_devices(&1.into()).await?, had_been, "how many devices had been trusted");
        (long.trusted_until, past.trusted_until) = (None, None);
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
    store.trust_device(&gone.user_id, gone.id, Some(later(HOUR))).await?;
    let mut on_it = Session { device_id: Some(gone.id), ..session(1) };
    insert_all(&store, [&on_it]).await?;
    store.rename_device(&gone.user_id, gone.id, Some(&name)).await?;

    for was_known in [true, false] {
        let found = store.forget_device(&gone.user_id, gone.id).await?;
        ensure_eq!(found, was_known, "whether the device was known");
        ensure_eq!(store.find_device(&gone.user_id, gone.id).await?, None, "a device that was forgotten");
    }
    ensure_known(&store, &beside).await?;
    on_it.device.custom_name = Some(name);
    ensure_unchanged(&store, &on_it).await?;

    (gone.first_seen_at, gone.last_seen_at) = (NOW, NOW);
    see_all(&store, [&gone]).await?;
    ensure_known(&store, &gone).await
}
