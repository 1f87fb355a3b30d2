//! A session as the columns of a row, the same in every dialect.

use std::{collections::BTreeMap, fmt::Display, net::IpAddr, time::Duration};

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    device::{ClientHints, Device, DeviceName},
    id::{DeviceId, SessionId, UserId},
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
         least_generation, rotated_at, newest_seen, salt, ended_at, end_reason, end_actor, data"
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
        let session: &Session = $session;
        let columns = crate::store::sql::columns::Columns::of(session)?;
        let described = crate::store::sql::columns::DescribedColumns::of(session);
        $query
            .bind(session.user_id.as_str().to_owned())
            .bind(described.browser)
            .bind(described.browser_version)
            .bind(described.os)
            .bind(described.os_version)
            .bind(described.model)
            .bind(session.device.kind().as_str())
            .bind(columns.id)
            .bind(columns.device_id)
            .bind(columns.user_agent)
            .bind(columns.hints)
            .bind(columns.custom_name)
            .bind(columns.created_ip)
            .bind(columns.last_ip)
            .bind(columns.city)
            .bind(columns.region)
            .bind(columns.country_code)
            .bind(columns.created_at)
            .bind(columns.last_active_at)
            .bind(columns.authenticated_at)
            .bind(columns.expires_at)
            .bind(columns.idle_timeout)
            .bind(columns.methods)
            .bind(columns.assurance_level)
            .bind(columns.generation)
            .bind(columns.least_generation)
            .bind(columns.rotated_at)
            .bind(columns.newest_seen)
            .bind(columns.salt)
            .bind(columns.ended_at)
            .bind(columns.end_reason)
            .bind(columns.end_actor)
            .bind(columns.data)
    }};
}

pub(super) use {bind_session, inserted_columns, read_columns, session_columns};

/// One row, in types that every dialect has.
pub(super) struct Columns {
    pub(super) id: Uuid,
    pub(super) device_id: Option<Uuid>,
    pub(super) user_agent: Option<String>,
    pub(super) hints: Option<String>,
    pub(super) custom_name: Option<String>,
    pub(super) created_ip: Option<String>,
    pub(super) last_ip: Option<String>,
    pub(super) city: Option<String>,
    pub(super) region: Option<String>,
    pub(super) country_code: Option<String>,
    pub(super) created_at: i64,
    pub(super) last_active_at: i64,
    pub(super) authenticated_at: i64,
    pub(super) expires_at: i64,
    pub(super) idle_timeout: i64,
    pub(super) methods: String,
    pub(super) assurance_level: i64,
    pub(super) generation: i64,
    pub(super) least_generation: i64,
    pub(super) rotated_at: Option<i64>,
    pub(super) newest_seen: bool,
    pub(super) salt: Vec<u8>,
    pub(super) ended_at: Option<i64>,
    pub(super) end_reason: Option<String>,
    pub(super) end_actor: Option<String>,
    pub(super) data: String,
}

impl Columns {
    pub(super) fn of(session: &Session) -> Result<Self, StoreError> {
        let place = session.location.as_ref();
        let hints = &session.device.hints;
        let ended = session.ended.as_ref();
        Ok(Self {
            id: *session.id.as_uuid(),
            device_id: session.device_id.map(Uuid::from),
            user_agent: session.device.user_agent.as_deref().map(str::to_owned),
            hints: (!hints.is_empty()).then(|| hints.to_compact()),
            custom_name: session.device.custom_name.as_ref().map(ToString::to_string),
            created_ip: session.created_ip.map(|ip| ip.to_string()),
            last_ip: session.last_ip.map(|ip| ip.to_string()),
            city: place.and_then(|place| place.city.as_deref()).map(str::to_owned),
            region: place.and_then(|place| place.region.as_deref()).map(str::to_owned),
            country_code: place.and_then(|place| place.country_code.as_deref()).map(str::to_owned),
            created_at: session.created_at.as_micros(),
            last_active_at: session.last_active_at.as_micros(),
            authenticated_at: session.authenticated_at.as_micros(),
            expires_at: session.expires_at.as_micros(),
            idle_timeout: micros(session.idle_timeout),
            methods: methods_text(&session.methods)?,
            assurance_level: i64::from(session.assurance_level),
            generation: i64::from(session.tokens.generation),
            least_generation: i64::from(session.tokens.least_generation),
            rotated_at: session.tokens.rotated_at.map(Timestamp::as_micros),
            newest_seen: session.tokens.newest_seen,
            salt: session.tokens.salt.as_bytes().to_vec(),
            ended_at: ended.map(|ending| ending.at.as_micros()),
            end_reason: ended.map(|ending| ending.reason.as_str().to_owned()),
            end_actor: ended.map(|ending| ending.actor.to_stored()),
            data: data_text(&session.data)?,
        })
    }

    pub(super) fn into_session(self, user: &UserId) -> Result<Session, StoreError> {
        let [city, region, country_code] = [self.city, self.region, self.country_code];
        let location = Location::new(city.as_deref(), region.as_deref(), country_code.as_deref());
        let hints = self.hints.as_deref().map(ClientHints::from_compact).unwrap_or_default();
        let custom_name = self.custom_name.as_deref().map(DeviceName::try_from).transpose().map_err(corrupt)?;
        let methods: BTreeMap<Box<str>, i64> = serde_json::from_str(&self.methods).map_err(corrupt)?;
        Ok(Session {
            user_id: user.clone(),
            id: SessionId::from_uuid(self.id),
            device_id: self.device_id.map(DeviceId::from_uuid),
            device: Device::new(self.user_agent.map(String::into_boxed_str), hints).custom_name(custom_name),
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
            tokens: TokenState {
                generation: narrow(self.generation)?,
                least_generation: narrow(self.least_generation)?,
                rotated_at: self.rotated_at.map(Timestamp::from_micros),
                newest_seen: self.newest_seen,
                salt: Salt::from_bytes(self.salt.try_into().map_err(|_| corrupt("a salt is 16 bytes"))?),
            },
            ended: ending(self.ended_at, self.end_reason.as_deref(), self.end_actor.as_deref()),
            data: serde_json::from_str(&self.data).map_err(corrupt)?,
        })
    }
}

/// What a device is called, for searches; [`Columns::into_session`] makes it anew of the raw strings.
pub(super) struct DescribedColumns<'a> {
    pub(super) browser: Option<&'a str>,
    pub(super) browser_version: Option<&'a str>,
    pub(super) os: Option<&'a str>,
    pub(super) os_version: Option<&'a str>,
    pub(super) model: Option<&'a str>,
}

impl<'a> DescribedColumns<'a> {
    pub(super) fn of(session: &'a Session) -> Self {
        let described = &session.device.described;
        let cut = |part: &'a str| text::cut(part, 255);
        Self {
            browser: described.browser.as_deref().map(cut),
            browser_version: described.browser_version.as_deref().map(cut),
            os: described.os.as_deref().map(cut),
            os_version: described.os_version.as_deref().map(cut),
            model: described.model.as_deref().map(cut),
        }
    }
}

/// The ending that these columns tell of, if any.
pub(super) fn ending(at: Option<i64>, reason: Option<&str>, actor: Option<&str>) -> Option<Ending> {
    let reason = EndReason::from_name(reason.unwrap_or_default());
    let actor = Actor::from_stored(actor.unwrap_or_default());
    Some(Ending::new(reason, actor, Timestamp::from_micros(at?)))
}

/// The last moment of activity for a session whose idle timeout is zero to count as idle at `now`; a session with a
/// longer one is idle when its activity lies that much further back. Never before the epoch, so that subtracting any
/// timeout from it stays within 64 bits.
pub(super) fn idle_cutoff(now: Timestamp, allowance: Duration) -> i64 {
    now.saturating_sub(allowance).as_micros().max(0)
}

/// The methods and the level of a proof.
pub(super) fn proof_columns(proof: Option<&Proof>) -> Result<(Option<String>, Option<i64>), StoreError> {
    let methods = proof.map(|proof| methods_text(&proof.methods)).transpose()?;
    Ok((methods, proof.map(|proof| i64::from(proof.assurance_level))))
}

/// The application's data as JSON.
pub(super) fn data_text(data: &Map<String, Value>) -> Result<String, StoreError> {
    serde_json::to_string(data).map_err(corrupt)
}

/// A duration in whole microseconds, saturating.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn methods_text(methods: &BTreeMap<Box<str>, Timestamp>) -> Result<String, StoreError> {
    let micros: BTreeMap<&str, i64> = methods.iter().map(|(method, at)| (&**method, at.as_micros())).collect();
    serde_json::to_string(&micros).map_err(corrupt)
}

fn address(text: Option<String>) -> Result<Option<IpAddr>, StoreError> {
    text.map(|text| text.parse().map_err(corrupt)).transpose()
}

fn narrow<T: TryFrom<i64, Error: Display>>(number: i64) -> Result<T, StoreError> {
    T::try_from(number).map_err(|error| corrupt(error.to_string()))
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::corrupt(source)
}
