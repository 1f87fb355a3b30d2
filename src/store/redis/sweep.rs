//! Sweeps: over all shards, each of which is one atomic step of its own. A session is in one shard for ever.

use redis::{Cmd, from_redis_value};

use super::{
    RedisStore,
    failure::unexpected,
    keys::SHARDS,
    script::{Call, ENDED_BETWEEN, PURGE},
};
use crate::{
    clock::Timestamp,
    id::{SessionId, SessionKey, UserId},
    session::EndedSession,
    store::StoreError,
};

impl RedisStore {
    pub(super) async fn purge_shards(&self, ended_before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let counts = (0..SHARDS).map(|shard| {
            let mut count = redis::cmd("ZCOUNT");
            count.arg(self.keys.ends(shard)).arg("-inf").arg(format!("({}", ended_before.as_micros()));
            count
        });
        let counts = self.connection.query_all(counts.collect()).await?;
        let mut purged = 0;
        for (shard, count) in (0..SHARDS).zip(counts) {
            let due: u64 = from_redis_value(count).map_err(unexpected)?;
            let mut left = due.min(u64::from(limit).saturating_sub(purged));
            // What expired by itself has left a name behind that counts for nothing.
            while left > 0 {
                let (deleted, seen) = self.purge_shard(shard, ended_before, left.min(AT_ONCE)).await?;
                purged += deleted;
                left = if seen == 0 { 0 } else { left.saturating_sub(deleted) };
            }
        }
        Ok(purged)
    }

    /// Deletes records of one shard. Returns how many, and how many names were looked at.
    async fn purge_shard(&self, shard: u16, ended_before: Timestamp, limit: u64) -> Result<(u64, u64), StoreError> {
        let call = Call::new(&PURGE, [self.keys.ends(shard)])
            .arg(self.keys.base(shard))
            .number(ended_before.as_micros())
            .arg(limit.to_string());
        from_redis_value(self.connection.invoke(&call).await?).map_err(unexpected)
    }

    pub(super) async fn changes(
        &self,
        since: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<EndedSession>, StoreError> {
        if limit == 0 || until <= since {
            return Ok(Vec::new());
        }
        let (until, most) = (format!("({}", until.as_micros()), limit.to_string());
        let mut changes = Vec::new();
        if self.connection.is_single() {
            // A server that has all shards is asked for many at a time.
            let calls: Vec<Call> = (0..SHARDS)
                .step_by(SHARDS_AT_ONCE.into())
                .map(|first| {
                    let lists = (first..SHARDS.min(first + SHARDS_AT_ONCE)).map(|shard| self.keys.ends(shard));
                    Call::new(&ENDED_BETWEEN, lists).number(since.as_micros()).arg(until.as_str()).arg(most.as_str())
                })
                .collect();
            for answer in self.connection.invoke_all(&calls).await? {
                let page: Vec<String> = from_redis_value(answer).map_err(unexpected)?;
                for entry in page.as_chunks::<2>().0 {
                    changes.push(change(&entry[0], entry[1].parse().map_err(StoreError::corrupt)?)?);
                }
            }
        } else {
            let ranges: Vec<Cmd> = (0..SHARDS)
                .map(|shard| {
                    let mut range = redis::cmd("ZRANGEBYSCORE");
                    range.arg(self.keys.ends(shard)).arg(since.as_micros()).arg(&until);
                    range.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
                    range
                })
                .collect();
            for range in self.connection.query_all(ranges).await? {
                let entries: Vec<(String, f64)> = from_redis_value(range).map_err(unexpected)?;
                for (entry, at) in entries {
                    changes.push(change(&entry, at)?);
                }
            }
        }
        changes.sort_unstable_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
        changes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(changes)
    }
}

fn change(entry: &str, at: f64) -> Result<EndedSession, StoreError> {
    let (id, user) = split(entry)?;
    #[expect(clippy::cast_possible_truncation, reason = "a score is a whole number that was 64 bits wide")]
    let at = Timestamp::from_micros(at as i64);
    Ok(EndedSession::new(SessionKey::new(user, id), at))
}

/// The session and the user of a name in a shard's list.
pub(super) fn split(entry: &str) -> Result<(SessionId, UserId), StoreError> {
    let (id, user) =
        entry.split_at_checked(SESSION_ID).ok_or_else(|| StoreError::corrupt("a name that is too short"))?;
    Ok((id.parse().map_err(StoreError::corrupt)?, UserId::try_from(user).map_err(StoreError::corrupt)?))
}

/// The bytes of a session's id as text.
const SESSION_ID: usize = 36;

/// How many records one step deletes at most: others wait meanwhile.
const AT_ONCE: u64 = 250;

/// How many shards one script reads: others wait meanwhile.
const SHARDS_AT_ONCE: u16 = 128;
