use sqlx::{Row, mysql::MySqlRow};

use super::{MySqlStore, read_session};
use crate::{
    clock::Timestamp,
    device::{DeviceName, KnownDevice},
    id::{DeviceId, UserId},
    store::{
        ScanPage, StoreError,
        sql::{
            devices::{bind_device, device_readers, hints_text},
            failure::failure,
            retry::retrying,
            scan::{ScanPosition, page_of, rows_of_page},
        },
    },
};

/// What the store knows of devices, and of users as a whole.
impl MySqlStore {
    pub(super) async fn note_device(&self, seen: &KnownDevice) -> Result<bool, StoreError> {
        loop {
            let known = || {
                sqlx::query(self.sql.see_known_device)
                    .bind(seen.device.user_agent.as_deref())
                    .bind(hints_text(seen))
                    .bind(seen.last_seen_at.as_micros())
                    .bind(seen.user_id.as_str())
                    .bind(*seen.id.as_uuid())
            };
            if retrying!(self.change(known()))? > 0 {
                return Ok(false);
            }
            let new = || bind_device!(sqlx::query(self.sql.see_new_device), seen);
            match retrying!(self.change(new())) {
                Err(error) if is_duplicate(&error) => {
                    // Somebody else has put it on record between the two.
                }
                inserted => return inserted.map(|_| true),
            }
        }
    }

    pub(super) async fn known_devices(&self, user: &UserId, limit: u32) -> Result<Vec<KnownDevice>, StoreError> {
        let query = sqlx::query(self.sql.devices).bind(user.as_str()).bind(i64::from(limit));
        let mut lease = self.connection().await?;
        let rows = query.fetch_all(&mut *lease).await.map_err(failure)?;
        lease.finish().await?;
        rows.iter().map(|row| read_device(row, user)).collect()
    }

    pub(super) async fn known_device(&self, user: &UserId, id: DeviceId) -> Result<Option<KnownDevice>, StoreError> {
        let query = sqlx::query(self.sql.find_device).bind(user.as_str()).bind(*id.as_uuid());
        let mut lease = self.connection().await?;
        let row = query.fetch_optional(&mut *lease).await.map_err(failure)?;
        lease.finish().await?;
        row.map(|row| read_device(&row, user)).transpose()
    }

    /// Renames the device and its sessions, in one transaction.
    pub(super) async fn name_device(
        &self,
        user: &UserId,
        id: DeviceId,
        name: Option<&DeviceName>,
    ) -> Result<bool, StoreError> {
        let name = name.map(DeviceName::as_str);
        let mut lease = self.atomically().await?;
        let query = sqlx::query(self.sql.rename_device).bind(name).bind(user.as_str()).bind(*id.as_uuid());
        let known = query.execute(&mut *lease).await.map_err(failure)?.rows_affected() > 0;
        if known {
            let query = sqlx::query(self.sql.rename_on_device).bind(name).bind(user.as_str()).bind(*id.as_uuid());
            query.execute(&mut *lease).await.map_err(failure)?;
        }
        lease.finish().await?;
        Ok(known)
    }

    pub(super) async fn set_trust(
        &self,
        user: &UserId,
        id: DeviceId,
        until: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let query = || sqlx::query(self.sql.trust_device).bind(until.map(Timestamp::as_micros));
        Ok(retrying!(self.change(query().bind(user.as_str()).bind(*id.as_uuid())))? > 0)
    }

    pub(super) async fn drop_trust(&self, user: &UserId) -> Result<u64, StoreError> {
        retrying!(self.change(sqlx::query(self.sql.distrust_devices).bind(user.as_str())))
    }

    pub(super) async fn drop_device(&self, user: &UserId, id: DeviceId) -> Result<bool, StoreError> {
        let query = || sqlx::query(self.sql.forget_device).bind(user.as_str()).bind(*id.as_uuid());
        Ok(retrying!(self.change(query()))? > 0)
    }

    /// Deletes what there is about a user, in one transaction.
    pub(super) async fn erase_user(&self, user: &UserId) -> Result<u64, StoreError> {
        let mut lease = self.atomically().await?;
        let devices = sqlx::query(self.sql.erase_devices).bind(user.as_str());
        devices.execute(&mut *lease).await.map_err(failure)?;
        let sessions = sqlx::query(self.sql.erase_sessions).bind(user.as_str());
        let erased = sessions.execute(&mut *lease).await.map_err(failure)?.rows_affected();
        lease.finish().await?;
        Ok(erased)
    }

    pub(super) async fn page(&self, cursor: Option<&str>, limit: u32) -> Result<ScanPage, StoreError> {
        let after = ScanPosition::parse(cursor)?;
        let query = sqlx::query(self.sql.scan)
            .bind(after.user.as_str())
            .bind(after.user.as_str())
            .bind(after.id)
            .bind(rows_of_page(limit));
        let mut lease = self.connection().await?;
        let rows = query.fetch_all(&mut *lease).await.map_err(failure)?;
        lease.finish().await?;
        Ok(page_of(rows.iter().map(read_scanned).collect::<Result<_, _>>()?, limit))
    }
}

device_readers!(MySqlRow);

/// Whether a record is there already.
fn is_duplicate(error: &StoreError) -> bool {
    matches!(error.driver_error(), Some(sqlx::Error::Database(error)) if error.is_unique_violation())
}
