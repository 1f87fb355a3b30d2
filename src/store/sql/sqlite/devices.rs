//! Devices in SQLite, and operations on all that belongs to a user.

use sqlx::{Connection, Row, sqlite::SqliteRow};

use super::{SqliteStore, read_session};
use crate::{
    clock::Timestamp,
    device::{DeviceName, DeviceUpkeep, KnownDevice, Trust},
    id::{DeviceId, UserId},
    store::{
        DevicePosition, DeviceStore, DevicesSwept, ScanPage, StoreError, StoreFuture,
        sql::{
            detached,
            devices::{Sweep, bind_device, device_readers, hints_text, users_of},
            failure::failure,
            scan::{ScanPosition, page_of, rows_of_page},
        },
    },
};

impl DeviceStore for SqliteStore {
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
        let (store, user, name) = (self.clone(), user.clone(), name.cloned());
        Box::pin(detached(async move { store.name_device(&user, id, name.as_ref()).await }))
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
        let (store, upkeep) = (self.clone(), *upkeep);
        Box::pin(detached(async move { store.sweep_devices(&upkeep, limit).await }))
    }
}

/// What the store knows of devices, and of users as a whole.
impl SqliteStore {
    pub(super) async fn note_device(&self, seen: &KnownDevice, most: u32) -> Result<bool, StoreError> {
        loop {
            let known = sqlx::query(self.sql.see_known_device)
                .bind(seen.user_id.as_str())
                .bind(*seen.id.as_uuid())
                .bind(seen.device.user_agent.as_deref())
                .bind(hints_text(seen))
                .bind(seen.last_seen_at.as_micros())
                .bind(i64::from(seen.standing.as_number()))
                .bind(seen.due_at.as_micros());
            if known.execute(self.writer()?).await.map_err(failure)?.rows_affected() > 0 {
                return Ok(false);
            }
            let new = bind_device!(sqlx::query(self.sql.see_new_device), seen);
            if new.execute(self.writer()?).await.map_err(failure)?.rows_affected() > 0 {
                let beyond = sqlx::query(self.sql.drop_devices_beyond).bind(seen.user_id.as_str());
                let beyond = beyond.bind(*seen.id.as_uuid()).bind(i64::from(most.saturating_sub(1)));
                beyond.execute(self.writer()?).await.map_err(failure)?;
                return Ok(true);
            }
            // Somebody else has put it on record between the two.
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
        trust: Option<Trust>,
    ) -> Result<bool, StoreError> {
        let query = sqlx::query(self.sql.trust_device)
            .bind(user.as_str())
            .bind(*id.as_uuid())
            .bind(trust.map(|trust| trust.until.as_micros()))
            .bind(trust.map(|trust| trust.hash.as_bytes().to_vec()));
        Ok(query.execute(self.writer()?).await.map_err(failure)?.rows_affected() > 0)
    }

    pub(super) async fn drop_trust(&self, user: &UserId) -> Result<u64, StoreError> {
        let query = sqlx::query(self.sql.distrust_devices).bind(user.as_str());
        Ok(query.execute(self.writer()?).await.map_err(failure)?.rows_affected())
    }

    pub(super) async fn drop_device(&self, user: &UserId, id: DeviceId, at: Timestamp) -> Result<bool, StoreError> {
        let query = sqlx::query(self.sql.forget_device).bind(user.as_str()).bind(*id.as_uuid()).bind(at.as_micros());
        Ok(query.execute(self.writer()?).await.map_err(failure)?.rows_affected() > 0)
    }

    /// Reads what is due, and deletes or puts off each, in one transaction, which waits for the disk once.
    pub(super) async fn sweep_devices(&self, upkeep: &DeviceUpkeep, limit: u32) -> Result<DevicesSwept, StoreError> {
        let now = upkeep.now.as_micros();
        let due = sqlx::query(self.sql.due_devices).bind(now).bind(i64::from(limit));
        let due = due.fetch_all(self.reader()).await.map_err(failure)?;
        let due: Vec<KnownDevice> = due.iter().map(read_due).collect::<Result<_, _>>()?;
        if due.is_empty() {
            return Ok(DevicesSwept::default());
        }
        let users = serde_json::to_string(&users_of(&due)).map_err(StoreError::corrupt)?;
        let ends = sqlx::query(self.sql.last_ends).bind(users).fetch_all(self.reader()).await.map_err(failure)?;
        let ends = ends.iter().map(read_last_end).collect::<Result<_, _>>()?;

        let sweep = Sweep::new(due, &ends, upkeep);
        let mut swept = DevicesSwept::new((sweep.gone.len() + sweep.kept.len()) as u64, 0);
        let mut connection = self.writer()?.acquire().await.map_err(failure)?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        for known in &sweep.gone {
            let query = sqlx::query(self.sql.purge_device).bind(known.user_id.as_str()).bind(*known.id.as_uuid());
            let query = query.bind(now).bind(upkeep.seen_before().as_micros());
            swept.deleted += query.execute(&mut *transaction).await.map_err(failure)?.rows_affected();
        }
        for known in &sweep.kept {
            let query = sqlx::query(self.sql.keep_device).bind(known.user_id.as_str()).bind(*known.id.as_uuid());
            let query = query.bind(now).bind(known.due_at.as_micros());
            query.execute(&mut *transaction).await.map_err(failure)?;
        }
        transaction.commit().await.map_err(failure)?;
        Ok(swept)
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
