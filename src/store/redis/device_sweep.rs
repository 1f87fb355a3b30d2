//! Sweeps over devices that are due: read and judged here, and settled there, each in a step of its own.

use std::collections::{BTreeSet, HashMap};

use redis::{Cmd, from_redis_value};

use super::{
    RedisStore,
    devices::{Fields, decode},
    failure::unexpected,
    keys::SHARDS,
    script::{Call, SETTLE_DEVICE},
    sweep::split,
};
use crate::{
    clock::Timestamp,
    device::DeviceUpkeep,
    id::{DeviceId, UserId},
    store::{DevicesSwept, StoreError},
};

type LastEnds = HashMap<(UserId, DeviceId), Timestamp>;

impl RedisStore {
    pub(super) async fn sweep_devices(&self, upkeep: &DeviceUpkeep, limit: u32) -> Result<DevicesSwept, StoreError> {
        let due = self.due_devices(upkeep.now, u64::from(limit)).await?;
        let records = due.iter().map(|(user, id)| {
            let mut get = redis::cmd("HGETALL");
            get.arg(self.keys.of(user).device(*id));
            get
        });
        let records = if due.is_empty() { Vec::new() } else { self.connection.query_all(records.collect()).await? };
        let mut known = Vec::new();
        for ((user, id), fields) in due.iter().zip(records) {
            let fields: Fields = from_redis_value(fields).map_err(unexpected)?;
            known.push(if fields.is_empty() { None } else { Some(decode(user, *id, &fields)?) });
        }
        let users = known.iter().flatten().filter(|known| upkeep.asks_for_sessions(known)).map(|known| &known.user_id);
        let last_ends = self.last_ends(users.collect()).await?;

        let settle = |((user, id), known): (&(UserId, DeviceId), &Option<_>)| {
            let keys = self.keys.of(user);
            let last_end = last_ends.get(&(user.clone(), *id)).copied();
            let until = known.as_ref().and_then(|known| upkeep.keeps(known, last_end));
            Call::new(&SETTLE_DEVICE, [keys.device(*id), keys.devices(), keys.due()])
                .arg(user.as_str())
                .arg(id.to_string())
                .number(upkeep.now.as_micros())
                .number(upkeep.seen_before().as_micros())
                .arg(until.map(|until| until.as_micros().to_string()).unwrap_or_default())
        };
        let calls: Vec<Call> = due.iter().zip(&known).map(settle).collect();
        let mut swept = DevicesSwept::new(due.len() as u64, 0);
        for deleted in self.connection.invoke_all(&calls).await? {
            swept.deleted += from_redis_value::<u64>(deleted).map_err(unexpected)?;
        }
        Ok(swept)
    }

    /// The devices that are due, shard by shard.
    async fn due_devices(&self, now: Timestamp, limit: u64) -> Result<Vec<(UserId, DeviceId)>, StoreError> {
        let counts = (0..SHARDS).map(|shard| {
            let mut count = redis::cmd("ZCOUNT");
            count.arg(self.keys.due(shard)).arg("-inf").arg(now.as_micros());
            count
        });
        let counts = self.connection.query_all(counts.collect()).await?;
        let (mut left, mut ranges) = (limit, Vec::new());
        for (shard, count) in (0..SHARDS).zip(counts) {
            let due = from_redis_value::<u64>(count).map_err(unexpected)?.min(left);
            if due > 0 {
                let mut range = redis::cmd("ZRANGEBYSCORE");
                range.arg(self.keys.due(shard)).arg("-inf").arg(now.as_micros()).arg("LIMIT").arg(0).arg(due);
                ranges.push(range);
                left -= due;
            }
        }
        let mut devices = Vec::new();
        let names = if ranges.is_empty() { Vec::new() } else { self.connection.query_all(ranges).await? };
        for names in names {
            for name in from_redis_value::<Vec<String>>(names).map_err(unexpected)? {
                // A device's id is spelt like a session's.
                let (id, user) = split(&name)?;
                devices.push((user, DeviceId::from_uuid(*id.as_uuid())));
            }
        }
        Ok(devices)
    }

    /// When the last session on each device of these users ended, or will at the latest.
    async fn last_ends(&self, users: BTreeSet<&UserId>) -> Result<LastEnds, StoreError> {
        let mut last_ends = LastEnds::new();
        for user in users {
            let keys = self.keys.of(user);
            let lists = [keys.open(), keys.over()].map(|index| {
                let mut range = redis::cmd("ZRANGE");
                range.arg(index).arg(0).arg(-1);
                range
            });
            let mut sessions: Vec<String> = Vec::new();
            for list in self.connection.query_all(lists.into()).await? {
                sessions.extend(from_redis_value::<Vec<String>>(list).map_err(unexpected)?);
            }
            for chunk in sessions.chunks(AT_ONCE) {
                let reads: Vec<Cmd> = chunk
                    .iter()
                    .map(|id| {
                        let mut get = redis::cmd("HMGET");
                        get.arg(format!("{}s:{id}:{user}", keys.base))
                            .arg("device_id")
                            .arg("ended_at")
                            .arg("expires_at");
                        get
                    })
                    .collect();
                for fields in self.connection.query_all(reads).await? {
                    let (device, ended_at, expires_at): (Option<String>, Option<i64>, Option<i64>) =
                        from_redis_value(fields).map_err(unexpected)?;
                    let Some((device, at)) = device.zip(ended_at.or(expires_at)) else { continue };
                    let id: DeviceId = device.parse().map_err(StoreError::corrupt)?;
                    let last = last_ends.entry((user.clone(), id)).or_insert(Timestamp::from_micros(at));
                    *last = (*last).max(Timestamp::from_micros(at));
                }
            }
        }
        Ok(last_ends)
    }
}

/// How many sessions are read together.
const AT_ONCE: usize = 500;
