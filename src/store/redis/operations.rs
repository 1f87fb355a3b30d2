//! The contract, method by method.

use std::time::Duration;

use redis::{FromRedisValue, Value, from_redis_value};
use serde_json::{Map, Value as Json};

use super::{
    RedisStore,
    failure::unexpected,
    keys::shard_of,
    script::{
        CHECK, Call, END, END_ALL, EXPIRE, FIND, FORGET_ADDRESSES, LIST, RENAME, ROTATE, SET_DATA, Script, TOUCH,
    },
    time_to_live,
};
use crate::{
    clock::Timestamp,
    device::{DeviceName, DeviceUpkeep, KnownDevice, Trust},
    id::{DeviceId, SessionId, SessionKey, UserId},
    policy::{Admission, TokenCutoff},
    session::{Actor, AsOf, EndReason, EndedSession, Ending, Session, Touch},
    store::{
        Admitted, DevicePosition, DeviceStore, DevicesSwept, EndOutcome, EndScope, ListPosition, ListQuery, Rotation,
        RotationOutcome, ScanPage, SessionState, SessionStore, StoreError, StoreFacts, StoreFuture, StoreRetention,
        record::{self, Fields},
    },
};

impl SessionStore for RedisStore {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn facts(&self) -> StoreFacts {
        StoreFacts::new().retention(StoreRetention::AtLeast(self.retention)).prefix(self.keys.prefix())
    }

    /// Of clients and connections of the application's own, only what a client tells is known.
    fn plain_text_peer(&self) -> StoreFuture<'_, Option<String>> {
        Box::pin(async { Ok(self.source.plain_text_peer().map(str::to_owned)) })
    }

    /// There is no schema to create.
    fn migrate(&self) -> StoreFuture<'_, ()> {
        self.check()
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            self.connection.invoke(&Call::new(&CHECK, [self.keys.none()])).await?;
            Ok(())
        })
    }

    fn device_store(&self) -> Option<&dyn DeviceStore> {
        Some(self)
    }

    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted> {
        Box::pin(self.admit(session, admission))
    }

    fn find<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, Option<Session>> {
        Box::pin(async move {
            let keys = self.keys.of(&key.user_id);
            let call = Call::new(&FIND, [keys.record(key.id), keys.open()]).arg(key.id.to_string());
            let mut fields: Fields = read(self.connection.invoke(&call).await?)?;
            // Once more when a server that was demoted does not know of it.
            if fields.is_empty() && !self.connection.is_current().await {
                fields = read(self.connection.invoke(&call).await?)?;
            }
            if fields.is_empty() {
                return Ok(None);
            }
            record::decode(key, &fields).map(Some)
        })
    }

    fn list<'a>(&'a self, user: &'a UserId, query: &'a ListQuery) -> StoreFuture<'a, Vec<Session>> {
        Box::pin(async move {
            let keys = self.keys.of(user);
            let (side, place) = match query.above {
                Some(above) => ("above", above),
                None => ("after", query.after.unwrap_or(ListPosition::TOP)),
            };
            let call = Call::new(&LIST, [keys.open(), keys.over()])
                .arg(keys.base)
                .arg(user.as_str())
                .arg(match query.state {
                    SessionState::Active => "active",
                    SessionState::Ended => "ended",
                    SessionState::All => "all",
                })
                .number(query.as_of.now.as_micros())
                .number(query.as_of.idle_cutoff().as_micros())
                .arg(query.except.map(|id| id.to_string()).unwrap_or_default())
                .arg(side)
                .number(place.last_active_at.as_micros())
                .arg(place.id.to_string())
                .number(i64::from(query.limit));
            let page: Vec<Value> = read(self.connection.invoke(&call).await?)?;
            let session = |entry| {
                let (id, fields): (String, Fields) = read(entry)?;
                let key = SessionKey::new(user.clone(), id.parse().map_err(StoreError::corrupt)?);
                record::decode(&key, &fields)
            };
            page.into_iter().map(session).collect()
        })
    }

    fn touch<'a>(&'a self, touches: &'a [Touch]) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut touches = Touch::coalesce(touches);
            touches.sort_by_cached_key(|touch| shard_of(&touch.key.user_id));
            let mut touched = 0;
            for chunk in touches.chunks(TOUCHES) {
                let calls: Vec<Call> = chunk.iter().map(|touch| self.touch_call(touch)).collect();
                for answer in self.connection.invoke_all(&calls).await? {
                    touched += read::<u64>(answer)?;
                }
            }
            Ok(touched)
        })
    }

    fn end<'a>(
        &'a self,
        key: &'a SessionKey,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, EndOutcome> {
        Box::pin(async move {
            let call = self.end_call(&END, key, ending, idle_allowance).flag("if_due", false);
            read_end(self.invoke_ending(&call).await?)
        })
    }

    fn expire<'a>(&'a self, key: &'a SessionKey, as_of: &'a AsOf) -> StoreFuture<'a, Option<Ending>> {
        Box::pin(async move {
            let asked = Ending::new(EndReason::Idle, Actor::System, as_of.now);
            let call = self.end_call(&EXPIRE, key, &asked, as_of.idle_allowance).flag("if_due", true);
            Ok(read_end(self.invoke_ending(&call).await?)?.on_record())
        })
    }

    fn end_all<'a>(
        &'a self,
        user: &'a UserId,
        scope: &'a EndScope,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionId>> {
        Box::pin(async move {
            let keys = self.keys.of(user);
            let call = Call::new(&END_ALL, [keys.open(), keys.over(), keys.ends()])
                .arg(keys.base)
                .arg(user.as_str())
                .arg(scope.keep.map(|id| id.to_string()).unwrap_or_default())
                .arg(scope.device_id.as_ref().map(DeviceId::to_string).unwrap_or_default());
            let ended: Vec<String> = read(self.invoke_ending(&self.with_ending(call, ending, idle_allowance)).await?)?;
            ended.iter().map(|id| id.parse().map_err(StoreError::corrupt)).collect()
        })
    }

    fn in_scope<'a>(&'a self, user: &'a UserId, scope: &'a EndScope) -> StoreFuture<'a, Vec<SessionId>> {
        Box::pin(self.ids_in(user, scope))
    }

    fn end_several<'a>(
        &'a self,
        keys: &'a [SessionKey],
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionKey>> {
        Box::pin(self.end_keys(keys, ending, idle_allowance))
    }

    fn cut_off<'a>(&'a self, user: &'a UserId, cutoff: &'a TokenCutoff) -> StoreFuture<'a, ()> {
        Box::pin(self.put_cutoff(user, cutoff))
    }

    fn rename<'a>(&'a self, key: &'a SessionKey, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let keys = self.keys.of(&key.user_id);
            let call = Call::new(&RENAME, [keys.record(key.id), keys.open()])
                .arg(key.id.to_string())
                .arg(name.map_or("", DeviceName::as_str));
            read(self.connection.invoke(&call).await?)
        })
    }

    fn set_data<'a>(&'a self, key: &'a SessionKey, data: &'a Map<String, Json>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let keys = self.keys.of(&key.user_id);
            let call = Call::new(&SET_DATA, [keys.record(key.id), keys.open()])
                .arg(key.id.to_string())
                .arg(record::data_text(data)?);
            read(self.connection.invoke(&call).await?)
        })
    }

    fn rotate<'a>(&'a self, key: &'a SessionKey, rotation: &'a Rotation) -> StoreFuture<'a, RotationOutcome> {
        Box::pin(async move {
            let keys = self.keys.of(&key.user_id);
            let next = rotation.from.checked_add(1).map(|next| next.to_string()).unwrap_or_default();
            let proof = rotation.proof.as_ref();
            let methods = proof.map(|proof| record::methods_text(&proof.methods)).transpose()?.unwrap_or_default();
            let call = Call::new(&ROTATE, [keys.record(key.id), keys.open()])
                .arg(key.id.to_string())
                .number(rotation.as_of.now.as_micros())
                .number(rotation.as_of.idle_cutoff().as_micros())
                .number(i64::from(rotation.from))
                .arg(next)
                .flag("refuse_older", rotation.refuse_older)
                .arg(methods)
                .number(proof.map_or(0, |proof| i64::from(proof.assurance_level)))
                .arg(proof.map(|proof| record::levels_text(&proof.levels)).transpose()?.unwrap_or_default());
            let answer = if rotation.refuse_older {
                self.invoke_ending(&call).await?
            } else {
                self.connection.invoke(&call).await?
            };
            let (word, fields): (String, Fields) = read(answer)?;
            match word.as_str() {
                "rotated" => Ok(RotationOutcome::of(rotation, record::decode(key, &fields)?)),
                "unchanged" => Ok(RotationOutcome::Unchanged(Box::new(record::decode(key, &fields)?))),
                _ => Ok(RotationOutcome::NotFound),
            }
        })
    }

    /// Goes from shard to shard, so what was deleted until the future is dropped stays deleted.
    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64> {
        Box::pin(self.purge_shards(ended_before, limit))
    }

    fn forget_addresses<'a>(&'a self, key: &'a SessionKey, ended_before: Timestamp) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            // What never changes is one field: it is read, and written again without them.
            let Some(session) = self.find(key).await? else {
                return Ok(false);
            };
            let keys = self.keys.of(&key.user_id);
            let call = Call::new(&FORGET_ADDRESSES, [keys.record(key.id), keys.open()])
                .arg(key.id.to_string())
                .arg(record::fixed_without_addresses(&session)?)
                .number(ended_before.as_micros());
            read(self.connection.invoke(&call).await?)
        })
    }

    /// Asks all 1,024 shards, in one round trip on a single server.
    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<EndedSession>> {
        Box::pin(self.changes(since, until, limit))
    }

    /// Deletes a few hundred records in one step, and goes on to the end when this future is dropped.
    fn erase<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        let (store, user) = (self.clone(), user.clone());
        Box::pin(async move {
            tokio::spawn(async move { store.erase_user(&user).await }).await.map_err(StoreError::unavailable)?
        })
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: u32) -> StoreFuture<'a, ScanPage> {
        Box::pin(self.scan_shards(cursor, limit))
    }
}

impl DeviceStore for RedisStore {
    fn see_device<'a>(&'a self, device: &'a KnownDevice, most: u32) -> StoreFuture<'a, bool> {
        Box::pin(self.put_device(device, most))
    }

    fn devices<'a>(&'a self, user: &'a UserId, after: DevicePosition, limit: u32) -> StoreFuture<'a, Vec<KnownDevice>> {
        Box::pin(self.list_devices(user, after, limit))
    }

    fn find_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, Option<KnownDevice>> {
        Box::pin(self.get_device(user, id))
    }

    fn rename_device<'a>(
        &'a self,
        user: &'a UserId,
        id: DeviceId,
        name: Option<&'a DeviceName>,
    ) -> StoreFuture<'a, bool> {
        Box::pin(self.put_device_name(user, id, name))
    }

    fn trust_device<'a>(&'a self, user: &'a UserId, id: DeviceId, trust: Option<Trust>) -> StoreFuture<'a, bool> {
        Box::pin(self.put_trust(user, id, trust))
    }

    fn distrust_devices<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        Box::pin(self.drop_trust(user))
    }

    fn forget_device<'a>(&'a self, user: &'a UserId, id: DeviceId, at: Timestamp) -> StoreFuture<'a, bool> {
        Box::pin(self.drop_device(user, id, at))
    }

    /// Goes from shard to shard, so it is within a shard that the longest due come first.
    fn purge_devices<'a>(&'a self, upkeep: &'a DeviceUpkeep, limit: u32) -> StoreFuture<'a, DevicesSwept> {
        Box::pin(self.sweep_devices(upkeep, limit))
    }
}

impl RedisStore {
    fn touch_call(&self, touch: &Touch) -> Call {
        let keys = self.keys.of(&touch.key.user_id);
        Call::new(&TOUCH, [keys.record(touch.key.id), keys.open()])
            .arg(touch.key.id.to_string())
            .number(touch.at.as_micros())
            .arg(touch.ip.map(|ip| ip.to_string()).unwrap_or_default())
            .arg(touch.generation.map(|generation| generation.to_string()).unwrap_or_default())
    }

    /// The arguments that scripts which end sessions share.
    /// A call of a script that ends a session.
    pub(super) fn end_call(
        &self,
        script: &'static Script,
        key: &SessionKey,
        ending: &Ending,
        idle_allowance: Duration,
    ) -> Call {
        let keys = self.keys.of(&key.user_id);
        let call = Call::new(script, [keys.record(key.id), keys.open(), keys.over(), keys.ends()])
            .arg(key.id.to_string())
            .arg(key.user_id.as_str());
        self.with_ending(call, ending, idle_allowance)
    }

    fn with_ending(&self, call: Call, ending: &Ending, idle_allowance: Duration) -> Call {
        call.number(ending.at.as_micros())
            .number(AsOf::new(ending.at, idle_allowance).idle_cutoff().as_micros())
            .arg(ending.reason.as_str())
            .arg(ending.actor.to_stored())
            .arg(time_to_live(self.kept_for()))
            .flag("again", self.endings.is_some())
    }
}

fn read<T: FromRedisValue>(answer: Value) -> Result<T, StoreError> {
    from_redis_value(answer).map_err(unexpected)
}

pub(super) fn read_end(answer: Value) -> Result<EndOutcome, StoreError> {
    let parts: Vec<String> = read(answer)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["now"] => Ok(EndOutcome::Ended),
        ["absent"] => Ok(EndOutcome::NotFound),
        ["before", at, reason, actor] => {
            let at = at.parse().map_err(StoreError::corrupt)?;
            Ok(EndOutcome::AlreadyEnded(record::ending(at, Some(reason), Some(actor))))
        }
        _ => Err(StoreError::corrupt("an answer of another form than the script's")),
    }
}

/// How many touches are sent together.
const TOUCHES: usize = 500;
