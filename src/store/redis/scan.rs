//! Scans: shard by shard, and within a shard in the order of its names, which nothing changes.

use redis::{Cmd, from_redis_value};

use super::{
    RedisStore,
    failure::unexpected,
    keys::SHARDS,
    record::{self, Fields},
    script::{Call, FIND},
    sweep::split,
};
use crate::{
    id::SessionKey,
    session::Session,
    store::{ScanPage, StoreError},
};

impl RedisStore {
    pub(super) async fn scan_shards(&self, cursor: Option<&str>, limit: u32) -> Result<ScanPage, StoreError> {
        let (mut shard, mut after) = match cursor {
            Some(text) => read_cursor(text)?,
            None => (0, String::new()),
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut names: Vec<String> = Vec::new();
        let mut next = None;
        'shards: while shard < SHARDS {
            let last = SHARDS.min(shard + SHARDS_AT_ONCE);
            let lists: Vec<Cmd> = (shard..last)
                .map(|shard| {
                    let mut range = redis::cmd("ZRANGE");
                    range.arg(self.keys.ends(shard)).arg(0).arg(-1);
                    range
                })
                .collect();
            for (here, list) in (shard..last).zip(self.connection.query_all(lists).await?) {
                let mut list: Vec<String> = from_redis_value(list).map_err(unexpected)?;
                list.retain(|name| *name > after);
                list.sort_unstable();
                for name in list {
                    if names.len() >= limit {
                        next = Some(format!("{here}:{after}"));
                        break 'shards;
                    }
                    after.clone_from(&name);
                    names.push(name);
                }
                after.clear();
            }
            shard = last;
        }
        Ok(ScanPage::new(self.read_all(&names).await?, next))
    }

    /// The records of these names; those that are gone by now are left out.
    async fn read_all(&self, names: &[String]) -> Result<Vec<Session>, StoreError> {
        let mut keys = Vec::with_capacity(names.len());
        for name in names {
            keys.push(split(name)?);
        }
        let calls: Vec<Call> = keys
            .iter()
            .map(|(id, user)| {
                let of = self.keys.of(user);
                Call::new(&FIND, [of.record(*id), of.open()]).arg(id.to_string())
            })
            .collect();
        let mut sessions = Vec::with_capacity(keys.len());
        for ((id, user), answer) in keys.iter().zip(self.connection.invoke_all(&calls).await?) {
            let fields: Fields = from_redis_value(answer).map_err(unexpected)?;
            if !fields.is_empty() {
                sessions.push(record::decode(&SessionKey::new(user.clone(), *id), &fields)?);
            }
        }
        Ok(sessions)
    }
}

/// The shard to go on in, and the name to go on after.
fn read_cursor(text: &str) -> Result<(u16, String), StoreError> {
    let parts = text.split_once(':').and_then(|(shard, after)| Some((shard.parse().ok()?, after)));
    match parts {
        Some((shard, after)) if shard < SHARDS && (after.is_empty() || split(after).is_ok()) => {
            Ok((shard, after.to_owned()))
        }
        _ => Err(StoreError::corrupt("a cursor that no page has answered")),
    }
}

/// How many shards are looked at in one round trip.
const SHARDS_AT_ONCE: u16 = 64;
