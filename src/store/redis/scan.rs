//! Scans: shard by shard, and within a shard from the latest end to the earliest. An ending brings a session's end
//! forward and never puts it off, so that a session moves only to where the scan has not been yet.

use redis::{Cmd, from_redis_value};

use super::{
    RedisStore,
    failure::unexpected,
    keys::SHARDS,
    script::{Call, FIND, SCAN},
    sweep::split,
};
use crate::{
    id::SessionKey,
    session::Session,
    store::{
        ScanPage, StoreError,
        record::{self, Fields},
    },
};

/// An entry of a shard's list, with its score as Redis spells it.
type Entry = (String, String);

impl RedisStore {
    /// Reads as many names as the page holds, from as many shards as that takes.
    pub(super) async fn scan_shards(&self, cursor: Option<&str>, limit: u32) -> Result<ScanPage, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        let mut shard = 0;
        let mut entries: Vec<(u16, Entry)> = Vec::new();
        if let Some(text) = cursor {
            let (here, last) = read_cursor(text)?;
            let call = self.scan_call(here, Some(&last), limit);
            let page = read_entries(self.connection.invoke(&call).await?)?;
            entries.extend(page.into_iter().map(|entry| (here, entry)));
            shard = here + 1;
        }
        let mut ahead = FEWEST_AHEAD;
        while entries.len() < limit && shard < SHARDS {
            let behind = SHARDS.min(shard + ahead);
            let counts: Vec<Cmd> = (shard..behind).map(|shard| self.count(shard)).collect();
            let room = limit - entries.len();
            let (mut counted, mut wanted, mut calls) = (0, Vec::new(), Vec::new());
            for (here, count) in (shard..behind).zip(self.connection.query_all(counts).await?) {
                let count: usize = from_redis_value(count).map_err(unexpected)?;
                if count > 0 && counted < room {
                    wanted.push(here);
                    calls.push(self.scan_call(here, None, room));
                    counted += count;
                }
            }
            // Each shard is asked for as much as there is room, whatever was counted: sessions come and go between the
            // two questions, and a shard is only done with when it had less than that, or when the page is full.
            shard = if counted < room { behind } else { wanted.last().map_or(behind, |last| last + 1) };
            for (here, page) in wanted.into_iter().zip(self.connection.invoke_all(&calls).await?) {
                entries.extend(read_entries(page)?.into_iter().map(|entry| (here, entry)));
            }
            entries.truncate(limit);
            ahead = ahead.saturating_mul(2).min(MOST_AHEAD);
        }
        let last = entries.last().filter(|_| entries.len() >= limit);
        let next = last.map(|(shard, (name, score))| format!("{shard}:{score}:{name}"));
        let names: Vec<String> = entries.into_iter().map(|(_, (name, _))| name).collect();
        Ok(ScanPage::new(self.read_all(&names).await?, next))
    }

    fn count(&self, shard: u16) -> Cmd {
        let mut count = redis::cmd("ZCARD");
        count.arg(self.keys.ends(shard));
        count
    }

    fn scan_call(&self, shard: u16, last: Option<&Entry>, limit: usize) -> Call {
        let (name, score) = last.map_or(("", ""), |(name, score)| (name, score));
        Call::new(&SCAN, [self.keys.ends(shard)]).arg(score).arg(name).arg(limit.to_string())
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

fn read_entries(page: redis::Value) -> Result<Vec<Entry>, StoreError> {
    let page: Vec<String> = from_redis_value(page).map_err(unexpected)?;
    let (entries, []) = page.as_chunks::<2>() else {
        return Err(StoreError::corrupt("a page of another form than the script's"));
    };
    Ok(entries.iter().map(|[name, score]| (name.clone(), score.clone())).collect())
}

/// The shard to go on in, and the entry to go on behind.
fn read_cursor(text: &str) -> Result<(u16, Entry), StoreError> {
    let mut parts = text.splitn(3, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (shard, score, name) = (next().parse(), next(), next());
    match shard {
        Ok(shard) if shard < SHARDS && score.parse::<f64>().is_ok_and(f64::is_finite) && split(name).is_ok() => {
            Ok((shard, (name.to_owned(), score.to_owned())))
        }
        _ => Err(StoreError::corrupt("a cursor that no page has answered")),
    }
}

/// How many shards are counted in one round trip: twice as many each time that a page still has room.
const FEWEST_AHEAD: u16 = 8;
const MOST_AHEAD: u16 = 256;
