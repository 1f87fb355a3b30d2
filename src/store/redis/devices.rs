//! Devices: a hash each, and a sorted set per user by when they were last seen.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use redis::from_redis_value;

use super::{
    RedisStore,
    failure::unexpected,
    script::{Call, DEVICES, DISTRUST_DEVICES, ERASE, FORGET_DEVICE, RENAME_DEVICE, SEE_DEVICE, TRUST_DEVICE},
};
use crate::{
    clock::Timestamp,
    device::{ClientHints, Device, DeviceName, KnownDevice, Standing, Trust, TrustHash},
    id::{DeviceId, UserId},
    store::{DevicePosition, StoreError},
};

pub(super) type Fields = HashMap<String, String>;

impl RedisStore {
    pub(super) async fn put_device(&self, seen: &KnownDevice, most: u32) -> Result<bool, StoreError> {
        let keys = self.keys.of(&seen.user_id);
        let device = &seen.device;
        let call = Call::new(&SEE_DEVICE, [keys.device(seen.id), keys.devices(), keys.due()])
            .arg(keys.base)
            .arg(seen.user_id.as_str())
            .arg(seen.id.to_string())
            .number(i64::from(most))
            .number(seen.first_seen_at.as_micros())
            .number(seen.last_seen_at.as_micros())
            .arg(device.user_agent.as_deref().unwrap_or_default())
            .arg(device.hints().to_compact())
            .arg(device.custom_name.as_ref().map_or("", DeviceName::as_str));
        let call = with_trust(call, seen.trust);
        self.answer(&call.number(i64::from(seen.standing.as_number())).number(seen.due_at.as_micros())).await
    }

    pub(super) async fn list_devices(
        &self,
        user: &UserId,
        after: DevicePosition,
        limit: u32,
    ) -> Result<Vec<KnownDevice>, StoreError> {
        let keys = self.keys.of(user);
        let call = Call::new(&DEVICES, [keys.devices()])
            .arg(keys.base)
            .arg(user.as_str())
            .number(after.last_seen_at.as_micros())
            .arg(after.id.to_string())
            .number(i64::from(limit));
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
        trust: Option<Trust>,
    ) -> Result<bool, StoreError> {
        self.answer(&with_trust(Call::new(&TRUST_DEVICE, [self.keys.of(user).device(id)]), trust)).await
    }

    pub(super) async fn drop_trust(&self, user: &UserId) -> Result<u64, StoreError> {
        let keys = self.keys.of(user);
        self.answer(&Call::new(&DISTRUST_DEVICES, [keys.devices()]).arg(keys.base).arg(user.as_str())).await
    }

    pub(super) async fn drop_device(&self, user: &UserId, id: DeviceId, at: Timestamp) -> Result<bool, StoreError> {
        let keys = self.keys.of(user);
        let call = Call::new(&FORGET_DEVICE, [keys.device(id), keys.devices(), keys.due()]);
        self.answer(&call.arg(user.as_str()).arg(id.to_string()).number(at.as_micros())).await
    }

    /// Deletes what there is about a user, a few records in one step: others wait meanwhile.
    pub(super) async fn erase_user(&self, user: &UserId) -> Result<u64, StoreError> {
        let mut erased = 0;
        loop {
            let keys = self.keys.of(user);
            let of_user = [keys.open(), keys.over(), keys.ends(), keys.devices(), keys.due()];
            let call = Call::new(&ERASE, of_user).arg(keys.base).arg(user.as_str()).number(ERASED_AT_ONCE);
            let (sessions, has_more): (u64, bool) =
                from_redis_value(self.invoke_ending(&call).await?).map_err(unexpected)?;
            erased += sessions;
            if !has_more {
                return Ok(erased);
            }
        }
    }

    async fn answer<T: redis::FromRedisValue>(&self, call: &Call) -> Result<T, StoreError> {
        from_redis_value(self.connection.invoke(call).await?).map_err(unexpected)
    }
}

/// The device that these are the fields of.
pub(super) fn decode(user: &UserId, id: DeviceId, fields: &Fields) -> Result<KnownDevice, StoreError> {
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
    known.standing = text("standing")
        .map_or(Ok(Standing::Lasting), |text| text.parse().map(Standing::from_number))
        .map_err(StoreError::corrupt)?;
    known.due_at = moment("due_at")?;
    if let Some(hash) = text("trust_hash") {
        let hash = BASE64_STANDARD_NO_PAD.decode(hash).map_err(StoreError::corrupt)?;
        let hash = hash.try_into().map_err(|_| StoreError::corrupt("a hash of a secret is 32 bytes"))?;
        known.trust = Some(Trust::new(moment("trusted_until")?, TrustHash::from_bytes(hash)));
    }
    Ok(known)
}

fn with_trust(call: Call, trust: Option<Trust>) -> Call {
    call.arg(trust.map(|trust| trust.until.as_micros().to_string()).unwrap_or_default())
        .arg(trust.map(|trust| BASE64_STANDARD_NO_PAD.encode(trust.hash.as_bytes())).unwrap_or_default())
}

/// How many records one step deletes at most.
const ERASED_AT_ONCE: i64 = 250;
