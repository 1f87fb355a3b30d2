//! Devices in MySQL, and operations on all that belongs to a user.

use sqlx::{
    MySql, Row,
    mysql::{MySqlArguments, MySqlRow},
    query::Query,
};

use super::{MySqlStore, read_session};
use crate::{
    clock::Timestamp,
    device::{DeviceName, DeviceUpkeep, KnownDevice, Trust},
    id::{DeviceId, UserId},
    store::{
        DevicePosition, DeviceStore, DevicesSwept, ScanPage, StoreError, StoreFuture,
        sql::{
            devices::{Sweep, bind_device, device_readers, hints_text, users_of},
            failure::failure,
            retry::retrying,
            scan::{ScanPosition, page_of, rows_of_page},
        },
    },
};

impl DeviceStore for MySqlStore {
    fn see_device<'a>(&'a self, device: &'a KnownDevice, most: u32) -> StoreFuture<'a, bool> {
        Box::pin(self.note_device(device, most))
    }

    fn devices<'a>(&'a self, user: &'a UserId, after: DevicePosition, limit: u32) -> StoreFuture<'a, Vec<KnownDevice>> {
        Box::pin(self.known_devices(user, after, limit))
    }

    fn find_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, Option<KnownDevice>> {
        Box::pin(self.known_device(user, id))
    }

    fn rename_device<'a>(
        &'a self,
        user: &'a UserId,
        id: DeviceId,
        name: Option<&'a DeviceName>,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move { retrying!(self.name_device(user, id, name)) })
    }

    fn trust_device<'a>(&'a self, user: &'a UserId, id: DeviceId, trust: Option<Trust>) -> StoreFuture<'a, bool> {
        Box::pin(self.set_trust(user, id, trust))
    }

    fn distrust_devices<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        Box::pin(self.drop_trust(user))
    }

    fn forget_device<'a>(&'a self, user: &'a UserId, id: DeviceId, at: Timestamp) -> StoreFuture<'a, bool> {
        Box::pin(self.drop_device(user, id, at))
    }

    fn purge_devices<'a>(&'a self, upkeep: &'a DeviceUpkeep, limit: u32) -> StoreFuture<'a, DevicesSwept> {
        Box::pin(self.sweep_devices(upkeep, limit))
    }
}

/// What the store knows of devices, and of users as a whole.
impl MySqlStore {
    pub(super) async fn note_device(&self, seen: &KnownDevice, most: u32) -> Result<bool, StoreError> {
        let (user, id) = (seen.user_id.as_str(), *seen.id.as_uuid());
        loop {
            let known = || {
                sqlx::query(self.sql.see_known_device)
                    .bind(seen.device.user_agent.as_deref())
                    .bind(hints_text(seen))
                    .bind(seen.last_seen_at.as_micros())
                    .bind(i64::from(seen.standing.as_number()))
                    .bind(seen.due_at.as_micros())
                    .bind(user)
                    .bind(id)
            };
            if retrying!(self.change(known()))? > 0 {
                return Ok(false);
            }
            let forgotten = || sqlx::query(self.sql.drop_forgotten_device).bind(user).bind(id);
            retrying!(self.change(forgotten()))?;
            let new = || bind_device!(sqlx::query(self.sql.see_new_device), seen);
            match retrying!(self.change(new())) {
                Err(error) if is_duplicate(&error) => {
                    // Somebody else has put it on record between the two.
                    continue;
                }
                inserted => inserted?,
            };
            let beyond = || {
                let beyond = sqlx::query(self.sql.drop_devices_beyond).bind(user).bind(user).bind(id);
                beyond.bind(i64::from(most.saturating_sub(1)))
            };
            retrying!(self.change(beyond()))?;
            return Ok(true);
        }
    }

    pub(super) async fn known_devices(
        &self,
        user: &UserId,
        after: DevicePosition,
        limit: u32,
    ) -> Result<Vec<KnownDevice>, StoreError> {
        let query = sqlx::query(self.sql.devices).bind(user.as_str());
        let query = query.bind(after.last_seen_at.as_micros()).bind(*after.id.as_uuid()).bind(i64::from(limit));
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
        trust: Option<Trust>,
    ) -> Result<bool, StoreError> {
        let query = || {
            sqlx::query(self.sql.trust_device)
                .bind(trust.map(|trust| trust.until.as_micros()))
                .bind(trust.map(|trust| trust.hash.as_bytes().to_vec()))
                .bind(user.as_str())
                .bind(*id.as_uuid())
        };
        Ok(retrying!(self.change(query()))? > 0)
    }

    pub(super) async fn drop_trust(&self, user: &UserId) -> Result<u64, StoreError> {
        retrying!(self.change(sqlx::query(self.sql.distrust_devices).bind(user.as_str())))
    }

    pub(super) async fn drop_device(&self, user: &UserId, id: DeviceId, at: Timestamp) -> Result<bool, StoreError> {
        let at = at.as_micros();
        let query = || sqlx::query(self.sql.forget_device).bind(at).bind(at).bind(at);
        Ok(retrying!(self.change(query().bind(user.as_str()).bind(*id.as_uuid())))? > 0)
    }

    /// Reads what is due, and deletes or puts off each by itself, so that no lock is held for long.
    pub(super) async fn sweep_devices(&self, upkeep: &DeviceUpkeep, limit: u32) -> Result<DevicesSwept, StoreError> {
        let now = upkeep.now.as_micros();
        let due = self.read(sqlx::query(self.sql.due_devices).bind(now).bind(i64::from(limit))).await?;
        let due: Vec<KnownDevice> = due.iter().map(read_due).collect::<Result<_, _>>()?;
        if due.is_empty() {
            return Ok(DevicesSwept::default());
        }
        let users = serde_json::to_string(&users_of(&due)).map_err(StoreError::corrupt)?;
        let ends = self.read(sqlx::query(self.sql.last_ends).bind(users)).await?;
        let ends = ends.iter().map(read_last_end).collect::<Result<_, _>>()?;

        let sweep = Sweep::new(due, &ends, upkeep);
        let mut swept = DevicesSwept::new((sweep.gone.len() + sweep.kept.len()) as u64, 0);
        for known in &sweep.gone {
            let query = || {
                let query = sqlx::query(self.sql.purge_device).bind(known.user_id.as_str()).bind(*known.id.as_uuid());
                query.bind(now).bind(upkeep.seen_before().as_micros()).bind(now).bind(now)
            };
            swept.deleted += retrying!(self.change(query()))?;
        }
        for known in &sweep.kept {
            let query = || {
                let query = sqlx::query(self.sql.keep_device).bind(known.due_at.as_micros());
                query.bind(known.user_id.as_str()).bind(*known.id.as_uuid()).bind(now)
            };
            retrying!(self.change(query()))?;
        }
        Ok(swept)
    }

    /// Executes a query that changes nothing.
    async fn read(&self, query: Query<'_, MySql, MySqlArguments>) -> Result<Vec<MySqlRow>, StoreError> {
        let mut lease = self.connection().await?;
        let rows = query.fetch_all(&mut *lease).await.map_err(failure)?;
        lease.finish().await?;
        Ok(rows)
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
