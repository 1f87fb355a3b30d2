//! A session as the columns of a row, the same in every dialect.

use std::{collections::BTreeMap, fmt::Display, net::IpAddr, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    device::{ClientHints, Device, DeviceName},
    id::{DeviceId, SessionId, SessionKey, UserId},
    location::Location,
    session::{Actor, EndReason, Ending, Salt, Session, TokenState},
    store::{Proof, StoreError},
    text,
};

/// The columns that are read, in the order of [`read_session!`].
macro_rules! session_columns {
    () => {
        "id, device_id, user_agent, hints, custom_name, created_ip, last_ip, city, region, country_code, created_at, \
         last_active_at, authenticated_at, expires_at, idle_timeout, methods, assurance_level, generation, \
         least_generation, rotated_at, newest_seen, salt, ended_at, end_reason, end_actor, data, levels"
    };
}

/// Reads the [`Columns`] of a row of any dialect, selected as [`session_columns!`].
macro_rules! read_columns {
    ($row:expr) => {{
        use sqlx::Row as _;
        let row = $row;
        crate::store::sql::columns::Columns {
            id: row.try_get(0)?,
            device_id: row.try_get(1)?,
            user_agent: row.try_get(2)?,
            hints: row.try_get(3)?,
            custom_name: row.try_get(4)?,
            created_ip: row.try_get(5)?,
            last_ip: row.try_get(6)?,
            city: row.try_get(7)?,
            region: row.try_get(8)?,
            country_code: row.try_get(9)?,
            created_at: row.try_get(10)?,
            last_active_at: row.try_get(11)?,
            authenticated_at: row.try_get(12)?,
            expires_at: row.try_get(13)?,
            idle_timeout: row.try_get(14)?,
            methods: row.try_get(15)?,
            assurance_level: row.try_get(16)?,
            generation: row.try_get(17)?,
            least_generation: row.try_get(18)?,
            rotated_at: row.try_get(19)?,
            newest_seen: row.try_get(20)?,
            salt: row.try_get(21)?,
            ended_at: row.try_get(22)?,
            end_reason: row.try_get(23)?,
            end_actor: row.try_get(24)?,
            data: row.try_get(25)?,
            levels: row.try_get(26)?,
        }
    }};
}

/// The columns that are written, in the order of [`bind_session!`]: those that are read, and those that only serve to
/// search by.
macro_rules! inserted_columns {
    () => {
        concat!(
            "user_id, browser, browser_version, os, os_version, model, kind, ",
            crate::store::sql::columns::session_columns!()
        )
    };
}

/// Binds what [`inserted_columns!`] names to a query of any dialect.
macro_rules! bind_session {
    ($query:expr, $session:expr) => {{
        use crate::store::sql::columns as text;
        let session: &Session = $session;
        let described = session.device.described();
        let hints = session.device.hints();
        let place = session.location.as_ref();
        let ended = session.ended.as_ref();
        $query
            .bind(session.user_id.as_str())
            .bind(text::searchable(described.browser.as_deref()))
            .bind(text::searchable(described.browser_version.as_deref()))
            .bind(text::searchable(described.os.as_deref()))
            .bind(text::searchable(described.os_version.as_deref()))
            .bind(text::searchable(described.model.as_deref()))
            .bind(described.kind.as_str())
            .bind(*session.id.as_uuid())
            .bind(session.device_id.map(uuid::Uuid::from))
            .bind(session.device.user_agent.as_deref())
            .bind((!hints.is_empty()).then(|| hints.to_compact()))
            .bind(session.device.custom_name.as_ref().map(DeviceName::as_str))
            .bind(session.created_ip.map(|ip| ip.to_string()))
            .bind(session.last_ip.map(|ip| ip.to_string()))
            .bind(place.and_then(|place| place.city.as_deref()))
            .bind(place.and_then(|place| place.region.as_deref()))
            .bind(place.and_then(|place| place.country_code.as_deref()))
            .bind(session.created_at.as_micros())
            .bind(session.last_active_at.as_micros())
            .bind(session.authenticated_at.as_micros())
            .bind(session.expires_at.as_micros())
            .bind(text::micros(session.idle_timeout))
            .bind(text::methods_text(&session.methods)?)
            .bind(i64::from(session.assurance_level))
            .bind(i64::from(session.tokens.generation))
            .bind(i64::from(session.tokens.least_generation))
            .bind(session.tokens.rotated_at.map(Timestamp::as_micros))
            .bind(session.tokens.newest_seen)
            .bind(session.tokens.salt.as_bytes().as_slice())
            .bind(ended.map(|ending| ending.at.as_micros()))
            .bind(ended.map(|ending| ending.reason.as_str()))
            .bind(ended.map(|ending| ending.actor.to_stored()))
            .bind(text::data_text(&session.data)?)
            .bind(text::levels_text(&session.levels)?)
    }};
}

/// Defines how the rows of one dialect are read.
macro_rules! row_readers {
    ($row:ty) => {
        fn read_session(row: &$row, user: &UserId) -> Result<Session, StoreError> {
            let columns = || -> Result<_, sqlx::Error> { Ok(crate::store::sql::columns::read_columns!(row)) };
            columns().map_err(failure)?.into_session(user)
        }

        fn read_active(row: &$row) -> Result<ActiveSession, StoreError> {
            let device_id: Option<uuid::Uuid> = row.try_get(1).map_err(failure)?;
            Ok(ActiveSession {
                id: SessionId::from_uuid(row.try_get(0).map_err(failure)?),
                device_id: device_id.map(crate::id::DeviceId::from_uuid),
                kind: crate::device::DeviceKind::from_name(row.try_get(2).map_err(failure)?),
                created_at: Timestamp::from_micros(row.try_get(3).map_err(failure)?),
                authenticated_at: Timestamp::from_micros(row.try_get(4).map_err(failure)?),
                last_active_at: Timestamp::from_micros(row.try_get(5).map_err(failure)?),
            })
        }

        /// The ending in three columns from this one on.
        fn read_ending(row: &$row, from: usize) -> Result<Option<Ending>, StoreError> {
            let at = row.try_get(from).map_err(failure)?;
            let reason = row.try_get(from + 1).map_err(failure)?;
            let actor = row.try_get(from + 2).map_err(failure)?;
            Ok(crate::store::sql::columns::ending(at, reason, actor))
        }

        fn read_change(row: &$row) -> Result<EndedSession, StoreError> {
            let user: &str = row.try_get(0).map_err(failure)?;
            let user = UserId::try_from(user).map_err(StoreError::corrupt)?;
            let id = SessionId::from_uuid(row.try_get(1).map_err(failure)?);
            Ok(EndedSession::new(SessionKey::new(user, id), Timestamp::from_micros(row.try_get(2).map_err(failure)?)))
        }
    };
}

pub(super) use {bind_session, inserted_columns, read_columns, row_readers, session_columns};

/// One row, in types that every dialect has.
pub(super) struct Columns<'r> {
    pub(super) id: Uuid,
    pub(super) device_id: Option<Uuid>,
    pub(super) user_agent: Option<&'r str>,
    pub(super) hints: Option<&'r str>,
    pub(super) custom_name: Option<&'r str>,
    pub(super) created_ip: Option<&'r str>,
    pub(super) last_ip: Option<&'r str>,
    pub(super) city: Option<&'r str>,
    pub(super) region: Option<&'r str>,
    pub(super) country_code: Option<&'r str>,
    pub(super) created_at: i64,
    pub(super) last_active_at: i64,
    pub(super) authenticated_at: i64,
    pub(super) expires_at: i64,
    pub(super) idle_timeout: i64,
    pub(super) methods: &'r str,
    pub(super) assurance_level: i64,
    pub(super) generation: i64,
    pub(super) least_generation: i64,
    pub(super) rotated_at: Option<i64>,
    pub(super) newest_seen: bool,
    pub(super) salt: &'r [u8],
    pub(super) ended_at: Option<i64>,
    pub(super) end_reason: Option<&'r str>,
    pub(super) end_actor: Option<&'r str>,
    pub(super) data: &'r str,
    pub(super) levels: Option<&'r str>,
}

impl Columns<'_> {
    pub(super) fn into_session(self, user: &UserId) -> Result<Session, StoreError> {
        let location = Location {
            city: self.city.map(Box::from),
            region: self.region.map(Box::from),
            country_code: self.country_code.map(Box::from),
        };
        let hints = self.hints.map(ClientHints::from_compact).unwrap_or_default();
        let custom_name = self.custom_name.map(DeviceName::try_from).transpose().map_err(corrupt)?;
        let methods: BTreeMap<Box<str>, i64> = object(self.methods)?;
        let levels: BTreeMap<u8, i64> = object(self.levels.unwrap_or("{}"))?;
        Ok(Session {
            user_id: user.clone(),
            id: SessionId::from_uuid(self.id),
            device_id: self.device_id.map(DeviceId::from_uuid),
            device: Device::new(self.user_agent.map(Box::from), hints).custom_name(custom_name),
            created_ip: address(self.created_ip)?,
            last_ip: address(self.last_ip)?,
            location: (!location.is_empty()).then_some(location),
            created_at: Timestamp::from_micros(self.created_at),
            last_active_at: Timestamp::from_micros(self.last_active_at),
            authenticated_at: Timestamp::from_micros(self.authenticated_at),
            expires_at: Timestamp::from_micros(self.expires_at),
            idle_timeout: Duration::from_micros(narrow(self.idle_timeout)?),
            methods: methods.into_iter().map(|(method, at)| (method, Timestamp::from_micros(at))).collect(),
            assurance_level: narrow(self.assurance_level)?,
            levels: levels.into_iter().map(|(level, at)| (level, Timestamp::from_micros(at))).collect(),
            tokens: TokenState {
                generation: narrow(self.generation)?,
                least_generation: narrow(self.least_generation)?,
                rotated_at: self.rotated_at.map(Timestamp::from_micros),
                newest_seen: self.newest_seen,
                salt: Salt::from_bytes(self.salt.try_into().map_err(|_| corrupt("a salt is 16 bytes"))?),
            },
            ended: ending(self.ended_at, self.end_reason, self.end_actor),
            data: object(self.data)?,
        })
    }
}

/// Part of what a device is called, for searches; a record is described by the raw strings.
pub(super) fn searchable(part: Option<&str>) -> Option<String> {
    part.map(|part| text::cut(part, 255).to_owned())
}

/// The ending that these columns tell of, if any.
pub(super) fn ending(at: Option<i64>, reason: Option<&str>, actor: Option<&str>) -> Option<Ending> {
    let at = Timestamp::from_micros(at?);
    let reason = EndReason::from_name(reason.unwrap_or_default());
    let actor = Actor::from_stored(actor.unwrap_or_default());
    Some(Ending::new(reason, actor, at))
}

/// What a proof puts on record; nothing without one.
#[derive(Default)]
pub(super) struct ProofColumns {
    pub(super) methods: Option<String>,
    pub(super) level: Option<i64>,
    pub(super) levels: Option<String>,
}

impl ProofColumns {
    pub(super) fn of(proof: Option<&Proof>) -> Result<Self, StoreError> {
        let Some(proof) = proof else { return Ok(Self::default()) };
        Ok(Self {
            methods: Some(methods_text(&proof.methods)?),
            level: Some(i64::from(proof.assurance_level)),
            levels: Some(levels_text(&proof.levels)?.unwrap_or_else(|| "{}".to_owned())),
        })
    }
}

/// What a column of JSON holds. Most are empty, and need no parser.
fn object<T: DeserializeOwned + Default>(text: &str) -> Result<T, StoreError> {
    if text == "{}" { Ok(T::default()) } else { serde_json::from_str(text).map_err(corrupt) }
}

/// The application's data as JSON.
pub(super) fn data_text(data: &Map<String, Value>) -> Result<String, StoreError> {
    serde_json::to_string(data).map_err(corrupt)
}

/// A duration in whole microseconds, saturating.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The methods as JSON, with their times in microseconds.
pub(super) fn methods_text(methods: &BTreeMap<Box<str>, Timestamp>) -> Result<String, StoreError> {
    let micros: BTreeMap<&str, i64> = methods.iter().map(|(method, at)| (&**method, at.as_micros())).collect();
    serde_json::to_string(&micros).map_err(corrupt)
}

/// The levels as JSON, with their times in microseconds; nothing for none.
pub(super) fn levels_text(levels: &BTreeMap<u8, Timestamp>) -> Result<Option<String>, StoreError> {
    if levels.is_empty() {
        return Ok(None);
    }
    let micros: BTreeMap<u8, i64> = levels.iter().map(|(&level, at)| (level, at.as_micros())).collect();
    serde_json::to_string(&micros).map(Some).map_err(corrupt)
}

fn address(text: Option<&str>) -> Result<Option<IpAddr>, StoreError> {
    text.map(|text| text.parse().map_err(corrupt)).transpose()
}

fn narrow<T: TryFrom<i64, Error: Display>>(number: i64) -> Result<T, StoreError> {
    T::try_from(number).map_err(|error| corrupt(error.to_string()))
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::corrupt(source)
}
/// The key of a session, as its record has it.
pub(super) fn key_of(user: String, id: Uuid) -> Result<SessionKey, StoreError> {
    let user = UserId::try_from(user).map_err(StoreError::corrupt)?;
    Ok(SessionKey::new(user, SessionId::from_uuid(id)))
}

/// Those that ended as it was asked, of rows that also say whether a deadline had passed before.
pub(super) fn ended_keys(
    rows: impl Iterator<Item = Result<(bool, SessionKey), StoreError>>,
) -> Result<Vec<SessionKey>, StoreError> {
    let as_asked = rows.filter(|row| !matches!(row, Ok((true, _))));
    as_asked.map(|row| row.map(|(_, key)| key)).collect()
}
