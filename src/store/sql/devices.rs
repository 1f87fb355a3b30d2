//! A device as the columns of a row, the same in every dialect.

use uuid::Uuid;

use crate::{
    clock::Timestamp,
    device::{ClientHints, Device, DeviceName, KnownDevice},
    id::{DeviceId, UserId},
    store::StoreError,
};

/// The columns that are read, in the order of [`read_device_columns!`].
macro_rules! device_columns {
    () => {
        "id, user_agent, hints, custom_name, first_seen_at, last_seen_at, trusted_until"
    };
}

/// Reads the [`DeviceColumns`] of a row of any dialect, selected as [`device_columns!`].
macro_rules! read_device_columns {
    ($row:expr) => {{
        use sqlx::Row as _;
        let row = $row;
        crate::store::sql::devices::DeviceColumns {
            id: row.try_get(0)?,
            user_agent: row.try_get(1)?,
            hints: row.try_get(2)?,
            custom_name: row.try_get(3)?,
            first_seen_at: row.try_get(4)?,
            last_seen_at: row.try_get(5)?,
            trusted_until: row.try_get(6)?,
        }
    }};
}

pub(super) use {device_columns, read_device_columns};

/// One row, in types that every dialect has.
pub(super) struct DeviceColumns {
    pub(super) id: Uuid,
    pub(super) user_agent: Option<String>,
    pub(super) hints: Option<String>,
    pub(super) custom_name: Option<String>,
    pub(super) first_seen_at: i64,
    pub(super) last_seen_at: i64,
    pub(super) trusted_until: Option<i64>,
}

impl DeviceColumns {
    pub(super) fn of(known: &KnownDevice) -> Self {
        let hints = &known.device.hints;
        Self {
            id: *known.id.as_uuid(),
            user_agent: known.device.user_agent.as_deref().map(str::to_owned),
            hints: (!hints.is_empty()).then(|| hints.to_compact()),
            custom_name: known.device.custom_name.as_ref().map(ToString::to_string),
            first_seen_at: known.first_seen_at.as_micros(),
            last_seen_at: known.last_seen_at.as_micros(),
            trusted_until: known.trusted_until.map(Timestamp::as_micros),
        }
    }

    pub(super) fn into_device(self, user: &UserId) -> Result<KnownDevice, StoreError> {
        let hints = self.hints.as_deref().map(ClientHints::from_compact).unwrap_or_default();
        let name = self.custom_name.as_deref().map(DeviceName::try_from).transpose().map_err(StoreError::corrupt)?;
        Ok(KnownDevice {
            user_id: user.clone(),
            id: DeviceId::from_uuid(self.id),
            device: Device::new(self.user_agent.map(String::into_boxed_str), hints).custom_name(name),
            first_seen_at: Timestamp::from_micros(self.first_seen_at),
            last_seen_at: Timestamp::from_micros(self.last_seen_at),
            trusted_until: self.trusted_until.map(Timestamp::from_micros),
        })
    }
}
