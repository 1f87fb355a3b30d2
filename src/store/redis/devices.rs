//! Devices: a hash each, and a sorted set per user by when they were last seen.

use std::collections::HashMap;

use redis::{Value, from_redis_value};

use super::{
    RedisStore,
    failure::unexpected,
    script::{Call, DEVICES, DISTRUST_DEVICES, ERASE, FORGET_DEVICE, RENAME_DEVICE, SEE_DEVICE, TRUST_DEVICE},
};
use crate::{
    clock::Timestamp,
    device::{ClientHints, Device, DeviceName, KnownDevice},
    id::{DeviceId, UserId},
    store::StoreError,
};

type Fields = HashMap<String, String>;

impl RedisStore {
    pub(super) async fn put_device(&self, seen: &KnownDevice) -> Result<bool, StoreError> {
        let keys = self.keys.of(&seen.user_id);
        let device = &seen.device;
        let call = Call::new(&SEE_DEVICE, [keys.device(seen.id), keys.devices()])
            .arg(seen.id.to_string())
            .number(seen.first_seen_at.as_micros())
            .number(seen.last_seen_at.as_micros())
            .arg(device.user_agent.as_deref().unwrap_or_default())
            .arg(device.hints().to_compact())
            .arg(device.custom_name.as_ref().map_or("", DeviceName::as_str))
            .arg(seen.trusted_until.map(|until| until.as_micros().to_string()).unwrap_or_default());
        self.answer(&call).await
    }

    pub(super) async fn list_devices(&self, user: &UserId, limit: u32) -> Result<Vec<KnownDevice>, StoreError> {
        let keys = self.keys.of(user);
        // The last place, counted from zero: no place at all would be all of them.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let call = Call::new(&DEVICES, [keys.devices()]).arg(keys.base).arg(user.as_str()).number(i64::from(limit));
        let page: Vec<(String, Fields)> = self.answer(&call).await?;
        let device = |(id, fields): (String, Fields)| decode(user, id.parse().map_err(StoreError::corrupt)?, &fields);
        page.into_iter().filter(|(_, fields)| !fields.is_empty()).map(device).collect()
    }

    pub(super) async fn get_device(&self, user: &UserId, id: DeviceId) -> Result<Option<KnownDevice>, StoreError> {
        let mut get = redis::cmd("HGETALL");
        get.arg(self.keys.of(user).device(id));
        let answers = self.connection.query_all(vec![get]).await?;
        let Some(answer) = answers.into_iter().next() else {
            return Ok(None);
        };
        let fields: Fields = from_redis_value(answer).map_err(unexpected)?;
        if fields.is_empty() { Ok(None) } else { decode(user, id, &fields).map(Some) }
    }

    pub(super) async fn put_device_name(
        &self,
        user: &UserId,
        id: DeviceId,
        name: Option<&DeviceName>,
    ) -> Result<bool, StoreError> {
        let keys = self.keys.of(user);
        let call = Call::new(&RENAME_DEVICE, [keys.device(id), keys.open(), keys.over()])
            .arg(keys.base)
            .arg(user.as_str())
            .arg(id.to_string())
            .arg(name.map_or("", DeviceName::as_str));
        self.answer(&call).await
    }

    pub(super) async fn put_trust(
        &self,
        user: &UserId,
        id: DeviceId,
        until: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let call = Call::new(&TRUST_DEVICE, [self.keys.of(user).device(id)])
            .arg(until.map(|until| until.as_micros().to_string()).unwrap_or_default());
        self.answer(&call).await
    }

    pub(super) async fn drop_trust(&self, user: &UserId) -> Result<u64, StoreError> {
        let keys = self.keys.of(user);
        self.answer(&Call::new(&DISTRUST_DEVICES, [keys.devices()]).arg(keys.base).arg(user.as_str())).await
    }

    pub(super) async fn drop_device(&self, user: &UserId, id: DeviceId) -> Result<bool, StoreError> {
        let keys = self.keys.of(user);
        self.answer(&Call::new(&FORGET_DEVICE, [keys.device(id), keys.devices()]).arg(id.to_string())).await
    }

    pub(super) async fn erase_user(&self, user: &UserId) -> Result<u64, StoreError> {
        let keys = self.keys.of(user);
        let call = Call::new(&ERASE, [keys.open(), keys.over(), keys.ends(), keys.devices()])
            .arg(keys.base)
            .arg(user.as_str());
        let answer: Value = self.invoke_ending(&call).await?;
        from_redis_value(answer).map_err(unexpected)
    }

    async fn answer<T: redis::FromRedisValue>(&self, call: &Call) -> Result<T, StoreError> {
        from_redis_value(self.connection.invoke(call).await?).map_err(unexpected)
    }
}

fn decode(user: &UserId, id: DeviceId, fields: &Fields) -> Result<KnownDevice, StoreError> {
    let moment = |name: &str| {
        let text = fields.get(name).ok_or_else(|| StoreError::corrupt("a field of a device is missing"))?;
        text.parse().map(Timestamp::from_micros).map_err(StoreError::corrupt)
    };
    let text = |name: &str| fields.get(name).filter(|text| !text.is_empty());
    let hints = text("hints").map(|hints| ClientHints::from_compact(hints)).unwrap_or_default();
    let user_agent = text("user_agent").map(|text| text.clone().into_boxed_str());
    let name = text("name").map(|name| DeviceName::try_from(name.as_str())).transpose().map_err(StoreError::corrupt)?;

    let device = Device::new(user_agent, hints).custom_name(name);
    let mut known = KnownDevice::new(user.clone(), id, device, moment("first_seen_at")?);
    known.last_seen_at = moment("last_seen_at")?;
    known.trusted_until = if fields.contains_key("trusted_until") { Some(moment("trusted_until")?) } else { None };
    Ok(known)
}
