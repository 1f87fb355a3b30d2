//! Sign-ins: decided here, applied there, if nothing has changed in between.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use redis::{Value, from_redis_value};

use super::{
    RedisStore,
    failure::unexpected,
    keys::{SHARDS, shard_of},
    script::{CUT_OFF, Call, INSERT},
    time_to_live,
};
use crate::{
    clock::Timestamp,
    id::UserId,
    policy::{ActiveSession, Admission, Adopting, Eviction, NotAdopted, TokenCutoff},
    session::Session,
    store::{Admitted, StoreError, record},
};

impl RedisStore {
    /// Calls the script until it inserts, or somebody decides that it must not.
    pub(super) async fn admit(&self, session: &Session, admission: &Admission) -> Result<Admitted, StoreError> {
        let fields = record::encode(session)?;
        let newcomer = ActiveSession::from(session);
        let mut evictions = Vec::new();
        let mut begins = admission.adopts.filter(|adopting| admission.as_of.now < adopting.may_begin_before);
        let mut view = if admission.leaves_others_alone() { ANY_VIEW.to_owned() } else { String::new() };

        for attempt in 0..ATTEMPTS {
            let call = self.insert_call(session, admission, &view, &evictions, &fields);
            let answer = if evictions.is_empty() {
                self.connection.invoke(&call).await?
            } else {
                self.invoke_ending(&call).await?
            };
            let active = match read_insertion(answer)? {
                Insertion::Inserted => return Ok(Admitted::Inserted(evictions)),
                Insertion::Present => return Ok(Admitted::Inserted(Vec::new())),
                Insertion::NotAdopted(NotAdopted::NotBegun) if let Some(adopting) = begins.take() => {
                    self.begin_adoption(&adopting, admission.as_of.now).await?;
                    continue;
                }
                Insertion::NotAdopted(why) => return Ok(Admitted::NotAdopted(why)),
                Insertion::Overtaken { view: present, active } => {
                    view = present;
                    active
                }
            };
            if let Some(joined) = admission.joins(&newcomer, &active) {
                return Ok(Admitted::Joined(joined));
            }
            evictions = match admission.decide(&newcomer, &active) {
                Ok(evictions) => evictions,
                Err(full) => return Ok(Admitted::Refused(full)),
            };
            if attempt > 0 {
                tokio::time::sleep(pause(attempt)).await;
            }
        }
        Err(StoreError::unavailable("too many sign-ins of one user at once"))
    }

    fn insert_call(
        &self,
        session: &Session,
        admission: &Admission,
        view: &str,
        evictions: &[Eviction],
        fields: &[Vec<u8>],
    ) -> Call {
        let keys = self.keys.of(&session.user_id);
        let ends_at = session.ended.as_ref().map_or(session.expires_at, |ending| ending.at);
        let lifetime = ends_at.duration_since(admission.as_of.now).saturating_add(self.kept_for());
        let state = if session.ended.is_some() { "over" } else { "open" };

        let before = admission.trims_before();
        let adoption = self.keys.adoption(shard_of(&session.user_id));
        let keys_of_call = [keys.record(session.id), keys.open(), keys.over(), keys.ends(), adoption, keys.cutoff()];
        let mut call = Call::new(&INSERT, keys_of_call)
            .arg(keys.base)
            .arg(session.user_id.as_str())
            .arg(session.id.to_string())
            .arg(view)
            .number(admission.as_of.now.as_micros())
            .number(admission.as_of.idle_cutoff().as_micros())
            .arg(time_to_live(self.kept_for()))
            .arg(time_to_live(lifetime))
            .number(session.last_active_at.as_micros())
            .number(ends_at.as_micros())
            .arg(state)
            .arg(admission.adopts.map(|adopting| adopting.issued_at.as_micros().to_string()).unwrap_or_default())
            .arg(before.map(|_| admission.keep_ended.to_string()).unwrap_or_default())
            .arg(before.map(|before| before.as_micros().to_string()).unwrap_or_default())
            .number(i64::from(Admission::TRIMMED_AT_ONCE))
            .arg(evictions.len().to_string());
        for eviction in evictions {
            call = call.arg(eviction.id.to_string()).arg(eviction.reason.as_str());
        }
        fields.iter().fold(call, |call, field| call.arg(field.as_slice()))
    }
}

/// Which tokens from before this crate came are put on record.
impl RedisStore {
    /// Notes in every shard that an adoption has begun. A server that loses one loses the note with it.
    async fn begin_adoption(&self, adopting: &Adopting, now: Timestamp) -> Result<(), StoreError> {
        let lifetime = adopting.kept_until.duration_since(now).saturating_add(self.kept_for());
        let notes = (0..SHARDS).map(|shard| {
            let mut note = redis::cmd("SET");
            note.arg(self.keys.adoption(shard)).arg(1).arg("NX").arg("PX").arg(time_to_live(lifetime));
            note
        });
        self.connection.query_all(notes.collect()).await.map(drop)
    }

    pub(super) async fn put_cutoff(&self, user: &UserId, cutoff: &TokenCutoff) -> Result<(), StoreError> {
        let lifetime = cutoff.kept_until.duration_since(cutoff.issued_until).saturating_add(self.kept_for());
        let call = Call::new(&CUT_OFF, [self.keys.of(user).cutoff()])
            .number(cutoff.issued_until.as_micros())
            .arg(time_to_live(lifetime));
        self.invoke_ending(&call).await.map(drop)
    }
}

/// What the script says.
enum Insertion {
    Inserted,
    /// The record is there already.
    Present,
    NotAdopted(NotAdopted),
    /// The user's sessions are not those that were decided over, but these.
    Overtaken {
        view: String,
        active: Vec<ActiveSession>,
    },
}

fn read_insertion(answer: Value) -> Result<Insertion, StoreError> {
    let mut parts: std::vec::IntoIter<Value> = from_redis_value::<Vec<Value>>(answer).map_err(unexpected)?.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let word: String = from_redis_value(next()).map_err(unexpected)?;
    match word.as_str() {
        "inserted" => Ok(Insertion::Inserted),
        "present" => Ok(Insertion::Present),
        "not begun" => Ok(Insertion::NotAdopted(NotAdopted::NotBegun)),
        "cut off" => Ok(Insertion::NotAdopted(NotAdopted::CutOff)),
        _ => {
            let view = from_redis_value(next()).map_err(unexpected)?;
            Ok(Insertion::Overtaken { view, active: parts.filter_map(read_active).collect() })
        }
    }
}

/// A session that takes room. One that cannot be read cannot be used either, so it takes none.
fn read_active(session: Value) -> Option<ActiveSession> {
    let (id, fixed, device_id, authenticated_at, last_active_at) =
        from_redis_value::<(String, Vec<u8>, String, String, String)>(session).ok()?;
    record::decode_active(&id, &fixed, &device_id, [&authenticated_at, &last_active_at]).ok()
}

/// A pause of random length, longer the more attempts have failed, so that those who race get out of step.
fn pause(attempt: u32) -> Duration {
    let longest = u64::from(attempt.min(16)) * 500;
    Duration::from_micros(RandomState::new().hash_one(attempt) % longest.max(1))
}

/// Says that it does not matter which sessions there are.
const ANY_VIEW: &str = "*";

/// Each attempt fails only because another sign-in of the same user has succeeded, or activity was recorded.
const ATTEMPTS: u32 = 100;
