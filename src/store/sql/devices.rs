//! A device as the columns of a row, the same in every dialect.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::{
    clock::Timestamp,
    device::{ClientHints, Device, DeviceName, DeviceUpkeep, KnownDevice, Standing, Trust, TrustHash},
    id::{DeviceId, UserId},
    store::StoreError,
};

/// The columns that are read, in the order of [`device_readers!`].
macro_rules! device_columns {
    () => {
        "id, user_agent, hints, custom_name, first_seen_at, last_seen_at, trusted_until, trust_hash, standing, due_at"
    };
}

/// Binds the user and what [`device_columns!`] names to a query of any dialect.
macro_rules! bind_device {
    ($query:expr, $known:expr) => {{
        let known: &KnownDevice = $known;
        $query
            .bind(known.user_id.as_str())
            .bind(*known.id.as_uuid())
            .bind(known.device.user_agent.as_deref())
            .bind(crate::store::sql::devices::hints_text(known))
            .bind(known.device.custom_name.as_ref().map(DeviceName::as_str))
            .bind(known.first_seen_at.as_micros())
            .bind(known.last_seen_at.as_micros())
            .bind(known.trust.map(|trust| trust.until.as_micros()))
            .bind(known.trust.map(|trust| trust.hash.as_bytes().to_vec()))
            .bind(i64::from(known.standing.as_number()))
            .bind(known.due_at.as_micros())
    }};
}

/// Defines how the rows of one dialect are read.
macro_rules! device_readers {
    ($row:ty) => {
        /// A row that was selected as [`device_columns!`].
        fn read_device(row: &$row, user: &UserId) -> Result<KnownDevice, StoreError> {
            let columns = || -> Result<_, sqlx::Error> {
                Ok(crate::store::sql::devices::DeviceColumns {
                    id: row.try_get(0)?,
                    user_agent: row.try_get(1)?,
                    hints: row.try_get(2)?,
                    custom_name: row.try_get(3)?,
                    first_seen_at: row.try_get(4)?,
                    last_seen_at: row.try_get(5)?,
                    trusted_until: row.try_get(6)?,
                    trust_hash: row.try_get(7)?,
                    standing: row.try_get(8)?,
                    due_at: row.try_get(9)?,
                })
            };
            columns().map_err(failure)?.into_device(user)
        }

        /// A row that was selected as [`device_columns!`] and the user.
        fn read_due(row: &$row) -> Result<KnownDevice, StoreError> {
            let user: &str = row.try_get("user_id").map_err(failure)?;
            read_device(row, &UserId::try_from(user).map_err(StoreError::corrupt)?)
        }

        /// A user, a device, and when the last session on it ends.
        fn read_last_end(row: &$row) -> Result<((String, DeviceId), Timestamp), StoreError> {
            let user: String = row.try_get(0).map_err(failure)?;
            let device = DeviceId::from_uuid(row.try_get(1).map_err(failure)?);
            Ok(((user, device), Timestamp::from_micros(row.try_get(2).map_err(failure)?)))
        }

        /// A row that was selected as [`session_columns!`] and the user.
        fn read_scanned(row: &$row) -> Result<crate::session::Session, StoreError> {
            let user: &str = row.try_get("user_id").map_err(failure)?;
            read_session(row, &UserId::try_from(user).map_err(StoreError::corrupt)?)
        }
    };
}

pub(super) use {bind_device, device_columns, device_readers};

/// One row, in types that every dialect has.
pub(super) struct DeviceColumns<'r> {
    pub(super) id: Uuid,
    pub(super) user_agent: Option<&'r str>,
    pub(super) hints: Option<&'r str>,
    pub(super) custom_name: Option<&'r str>,
    pub(super) first_seen_at: i64,
    pub(super) last_seen_at: i64,
    pub(super) trusted_until: Option<i64>,
    pub(super) trust_hash: Option<&'r [u8]>,
    pub(super) standing: i64,
    pub(super) due_at: i64,
}

impl DeviceColumns<'_> {
    pub(super) fn into_device(self, user: &UserId) -> Result<KnownDevice, StoreError> {
        let hints = self.hints.map(ClientHints::from_compact).unwrap_or_default();
        let name = self.custom_name.map(DeviceName::try_from).transpose().map_err(StoreError::corrupt)?;
        let trust = self.trusted_until.zip(self.trust_hash).map(|(until, hash)| trust(until, hash)).transpose()?;
        Ok(KnownDevice {
            user_id: user.clone(),
            id: DeviceId::from_uuid(self.id),
            device: Device::new(self.user_agent.map(Box::from), hints).custom_name(name),
            first_seen_at: Timestamp::from_micros(self.first_seen_at),
            last_seen_at: Timestamp::from_micros(self.last_seen_at),
            trust,
            standing: Standing::from_number(self.standing),
            due_at: Timestamp::from_micros(self.due_at),
        })
    }
}

fn trust(until: i64, hash: &[u8]) -> Result<Trust, StoreError> {
    let hash = hash.try_into().map_err(|_| StoreError::corrupt("a hash of a secret is 32 bytes"))?;
    Ok(Trust::new(Timestamp::from_micros(until), TrustHash::from_bytes(hash)))
}

/// What a sweep over devices that are due has to do.
pub(super) struct Sweep {
    pub(super) gone: Vec<KnownDevice>,
    /// Those that stay, with when they are due again.
    pub(super) kept: Vec<KnownDevice>,
}

impl Sweep {
    /// Decides over `due`, given when the last sessions on devices of the same users end.
    pub(super) fn new(
        due: Vec<KnownDevice>,
        last_ends: &HashMap<(String, DeviceId), Timestamp>,
        upkeep: &DeviceUpkeep,
    ) -> Self {
        let mut sweep = Self { gone: Vec::new(), kept: Vec::new() };
        for mut known in due {
            let last_end = last_ends.get(&(known.user_id.as_str().to_owned(), known.id)).copied();
            match upkeep.keeps(&known, last_end) {
                Some(until) => {
                    known.due_at = until;
                    sweep.kept.push(known);
                }
                None => sweep.gone.push(known),
            }
        }
        sweep
    }
}

/// The users of these devices, each once.
pub(super) fn users_of(due: &[KnownDevice]) -> Vec<&str> {
    let users: BTreeSet<&str> = due.iter().map(|known| known.user_id.as_str()).collect();
    users.into_iter().collect()
}

/// The Client Hints as text, when there are any.
pub(super) fn hints_text(known: &KnownDevice) -> Option<String> {
    let hints = known.device.hints();
    (!hints.is_empty()).then(|| hints.to_compact())
}
