//! Changes: the device's name and the application's data.

use std::time::Duration;

use serde_json::json;

use super::support::{
    Store, Verdict, data, ensure, ensure_unchanged, full_session, insert, insert_all, revoked, session,
};
use crate::{device::DeviceName, id::SessionKey, session::Session};

pub(super) async fn a_device_is_renamed(store: Store) -> Verdict {
    let (mut renamed, beside) = (full_session()?, full_session()?);
    insert_all(&store, [&renamed, &beside]).await?;
    let longest = "😀".repeat(DeviceName::MAX_LENGTH);
    for name in [Some("Zoë's 'phone' \"%_\\"), None, Some("x"), Some(longest.as_str()), None, None] {
        let name = name.map(DeviceName::try_from).transpose()?;
        let found = store.rename(&renamed.key(), name.as_ref()).await?;
        ensure!(found, "no session to rename to {name:?}");
        renamed.device.custom_name = name;
        ensure_unchanged(&store, &renamed).await?;
    }
    let absent = store.rename(&SessionKey::new(renamed.user_id.clone(), session(1).id), None).await?;
    ensure!(!absent, "a session that is not there could be renamed");
    ensure_unchanged(&store, &beside).await
}

pub(super) async fn an_ended_session_is_renamed_too(store: Store) -> Verdict {
    let mut ended = Session { ended: Some(revoked()), ..session(1) };
    insert(&store, &ended).await?;
    let name = DeviceName::try_from("the phone I lost")?;
    let found = store.rename(&ended.key(), Some(&name)).await?;
    ensure!(found, "the answer says there is no such session");
    ended.device.custom_name = Some(name);
    ensure_unchanged(&store, &ended).await
}

pub(super) async fn data_is_replaced(store: Store) -> Verdict {
    let (mut changed, beside) = (full_session()?, full_session()?);
    insert_all(&store, [&changed, &beside]).await?;
    for replacement in [json!({ "a": 1, "b": { "'": "\u{0}\"\\" } }), json!({ "b": 2 }), json!({}), json!({})] {
        let replacement = data(replacement);
        let found = store.set_data(&changed.key(), &replacement).await?;
        ensure!(found, "no session to set {replacement:?} on");
        changed.data = replacement;
        ensure_unchanged(&store, &changed).await?;
    }
    let absent =
        store.set_data(&SessionKey::new(changed.user_id.clone(), session(1).id), &data(json!({ "a": 1 }))).await?;
    ensure!(!absent, "a session that is not there took data");
    ensure_unchanged(&store, &beside).await
}

pub(super) async fn data_of_an_ended_session_stays(store: Store) -> Verdict {
    let mut ended = full_session()?;
    insert(&store, &ended).await?;
    store.end(&ended.key(), &revoked(), Duration::ZERO).await?;
    let found = store.set_data(&ended.key(), &data(json!({ "late": true }))).await?;
    ensure!(!found, "an ended session took data");
    ended.ended = Some(revoked());
    ensure_unchanged(&store, &ended).await
}
