use sqlx::{Connection, Row, sqlite::SqliteRow};

use super::{SqliteStore, read_session};
use crate::{
    clock::Timestamp,
    device::{DeviceName, KnownDevice},
    id::{DeviceId, UserId},
    store::{
        ScanPage, StoreError,
        sql::{
            devices::{bind_device, device_readers, hints_text},
            failure::failure,
            scan::{ScanPosition, page_of, rows_of_page},
        },
    },
};

/// What the store knows of devices, and of users as a whole.
impl SqliteStore {
    pub(super) async fn note_device(&self, seen: &KnownDevice) -> Result<bool, StoreError> {
        loop {
            let known = sqlx::query(self.sql.see_known_device)
                .bind(seen.user_id.as_str())
                .bind(*seen.id.as_uuid())
                .bind(seen.device.user_agent.as_deref())
                .bind(hints_text(seen))
                .bind(seen.last_seen_at.as_micros());
            if known.execute(self.writer()?).await.map_err(failure)?.rows_affected() > 0 {
                return Ok(false);
            }
            let new = bind_device!(sqlx::query(self.sql.see_new_device), seen);
            if new.execute(self.writer()?).await.map_err(failure)?.rows_affected() > 0 {
                return Ok(true);
            }
            // Somebody else has put it on record between the two.
        }
    }

    pub(super) async fn known_devices(&self, user: &UserId, limit: u32) -> Result<Vec<KnownDevice>, StoreError> {
        let query = sqlx::query(self.sql.devices).bind(user.as_str()).bind(i64::from(limit));
        let rows = query.fetch_all(self.reader()).await.map_err(failure)?;
        rows.iter().map(|row| read_device(row, user)).collect()
    }

    pub(super) async fn known_device(&self, user: &UserId, id: DeviceId) -> Result<Option<KnownDevice>, StoreError> {
        let query = sqlx::query(self.sql.find_device).bind(user.as_str()).bind(*id.as_uuid());
        let row = query.fetch_optional(self.reader()).await.map_err(failure)?;
        row.map(|row| read_device(&row, user)).transpose()
    }

    /// Renames the device and its sessions, in a transaction that no other writer can come between.
    pub(super) async fn name_device(
        &self,
        user: &UserId,
        id: DeviceId,
        name: Option<&DeviceName>,
    ) -> Result<bool, StoreError> {
        let name = name.map(DeviceName::as_str);
        let mut connection = self.writer()?.acquire().await.map_err(failure)?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        let query = sqlx::query(self.sql.rename_device).bind(user.as_str()).bind(*id.as_uuid()).bind(name);
        let known = query.execute(&mut *transaction).await.map_err(failure)?.rows_affected() > 0;
        if known {
            let query = sqlx::query(self.sql.rename_on_device).bind(user.as_str()).bind(*id.as_uuid()).bind(name);
            query.execute(&mut *transaction).await.map_err(failure)?;
        }
        transaction.commit().await.map_err(failure)?;
        Ok(known)
    }

    pub(super) async fn set_trust(
        &self,
        user: &UserId,
        id: DeviceId,
        until: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let query = sqlx::query(self.sql.trust_device).bind(user.as_str()).bind(*id.as_uuid());
        let query = query.bind(until.map(Timestamp::as_micros));
        Ok(query.execute(self.writer()?).await.map_err(failure)?.rows_affected() > 0)
    }

    pub(super) async fn drop_trust(&self, user: &UserId) -> Result<u64, StoreError> {
        let query = sqlx::query(self.sql.distrust_devices).bind(user.as_str());
        Ok(query.execute(self.writer()?).await.map_err(failure)?.rows_affected())
    }

    pub(super) async fn drop_device(&self, user: &UserId, id: DeviceId) -> Result<bool, StoreError> {
        let query = sqlx::query(self.sql.forget_device).bind(user.as_str()).bind(*id.as_uuid());
        Ok(query.execute(self.writer()?).await.map_err(failure)?.rows_affected() > 0)
    }

    /// Deletes what there is about a user, in a transaction that no other writer can come between.
    pub(super) async fn erase_user(&self, user: &UserId) -> Result<u64, StoreError> {
        let mut connection = self.writer()?.acquire().await.map_err(failure)?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        let devices = sqlx::query(self.sql.erase_devices).bind(user.as_str());
        devices.execute(&mut *transaction).await.map_err(failure)?;
        let sessions = sqlx::query(self.sql.erase_sessions).bind(user.as_str());
        let erased = sessions.execute(&mut *transaction).await.map_err(failure)?.rows_affected();
        transaction.commit().await.map_err(failure)?;
        Ok(erased)
    }

    pub(super) async fn page(&self, cursor: Option<&str>, limit: u32) -> Result<ScanPage, StoreError> {
        let after = ScanPosition::parse(cursor)?;
        let query = sqlx::query(self.sql.scan).bind(after.user).bind(after.id).bind(rows_of_page(limit));
        let rows = query.fetch_all(self.reader()).await.map_err(failure)?;
        Ok(page_of(rows.iter().map(read_scanned).collect::<Result<_, _>>()?, limit))
    }
}

device_readers!(SqliteRow);
