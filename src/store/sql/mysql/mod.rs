//! A store in a MySQL or MariaDB database.

mod connect;
mod cutoffs;
mod devices;
mod ending;
mod list;
mod migrate;
mod rotation;
mod statements;
mod trim;

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sqlx::{
    MySql, MySqlConnection, Row,
    mysql::{MySqlArguments, MySqlRow},
    query::Query,
};

use self::{connect::Access, statements::Statements};
use super::{
    columns::{bind_session, data_text, row_readers},
    detached,
    failure::failure,
    pool::Connections,
    retry::retrying,
};
use crate::{
    clock::Timestamp,
    device::DeviceName,
    id::{SessionId, SessionKey, UserId},
    policy::{ActiveSession, Admission, Eviction, TokenCutoff},
    session::{Actor, AsOf, EndedSession, Ending, Session, Touch},
    store::{
        Admitted, DeviceStore, EndOutcome, EndScope, ListQuery, Rotation, RotationOutcome, ScanPage, SessionStore,
        StoreError, StoreErrorKind, StoreFacts, StoreFuture, StoreRetention,
    },
};

/// The most touches in one statement: their rows are locked while it runs.
const TOUCHES: usize = 1_000;

/// The number of rows among which the locks of sign-ins are spread, as the migration makes them.
const STRIPES: u64 = 256;

/// A store in a MySQL or MariaDB database: MySQL from 8.0, MariaDB from 10.6.
///
/// Reads and most writes are prepared statements that commit on their own. What takes several is a short transaction
/// under `READ COMMITTED`; a sign-in under a limit holds one of 256 lock rows meanwhile, chosen by its user. What loses
/// a conflict is tried again a few times. The binary log must be in `ROW` or `MIXED` format, which is the default.
/// Clones share the connections. Dropping a method's future leaves the old state or the new one.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`table_prefix`](Self::table_prefix) | `tds_` |
/// | [`max_connections`](crate::store::ConnectOptions::max_connections) | 10 |
/// | wait for a free connection | 1 s |
///
/// # Examples
///
/// ```no_run
/// use tower_device_sessions::store::{MySqlStore, SessionStore, StoreError};
///
/// # async fn open() -> Result<(), StoreError> {
/// let store = MySqlStore::connect("mysql://app@db.internal/app").await?;
/// store.migrate().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MySqlStore {
    connections: Connections<MySql>,
    sql: Arc<Statements>,
    prefix: Arc<str>,
    access: Access,
}

impl MySqlStore {
    /// Inserts under a condition, in a transaction that no other such insert for the same user can come between.
    async fn admit(&self, session: &Session, admission: &Admission) -> Result<Admitted, StoreError> {
        let user = session.user_id.as_str();
        let mut lease = self.atomically().await?;
        self.lock_user(&mut lease, user).await?;

        let exists = sqlx::query(self.sql.exists).bind(user).bind(*session.id.as_uuid());
        if exists.fetch_optional(&mut *lease).await.map_err(failure)?.is_some() {
            lease.finish().await?;
            return Ok(Admitted::Inserted(Vec::new()));
        }
        if let Some(adopting) = &admission.adopts
            && let Err(why) = self.adopts(&mut lease, &session.user_id, adopting, admission.as_of.now).await?
        {
            lease.finish().await?;
            return Ok(Admitted::NotAdopted(why));
        }
        let cutoff = admission.as_of.idle_cutoff().as_micros();
        let active = sqlx::query(self.sql.active).bind(user).bind(admission.as_of.now.as_micros()).bind(cutoff);
        let active = active.fetch_all(&mut *lease).await.map_err(failure)?;
        let active: Vec<ActiveSession> = active.iter().map(read_active).collect::<Result<_, _>>()?;
        let newcomer = ActiveSession::from(session);
        if let Some(joined) = admission.joins(&newcomer, &active) {
            lease.finish().await?;
            return Ok(Admitted::Joined(joined));
        }
        let evictions = match admission.decide(&newcomer, &active) {
            Ok(evictions) => evictions,
            Err(full) => {
                lease.finish().await?;
                return Ok(Admitted::Refused(full));
            }
        };
        for Eviction { id, reason } in &evictions {
            let ending = Ending::new(*reason, Actor::System, admission.as_of.now);
            let key = SessionKey::new(session.user_id.clone(), *id);
            self.put_ending(&mut lease, &key, &ending, admission.as_of.idle_allowance).await?;
        }
        self.put(&mut lease, session).await?;
        lease.finish().await?;
        Ok(Admitted::Inserted(evictions))
    }

    /// Keeps the sign-ins of a user apart until the transaction ends.
    async fn lock_user(&self, connection: &mut MySqlConnection, user: &str) -> Result<(), StoreError> {
        let lock = sqlx::query(self.sql.lock_stripe).bind(stripe_of(user));
        if lock.execute(connection).await.map_err(failure)?.rows_affected() != 1 {
            return Err(StoreError::new(StoreErrorKind::Schema, "a row of the table of locks is missing"));
        }
        Ok(())
    }

    async fn put(&self, connection: &mut MySqlConnection, session: &Session) -> Result<(), StoreError> {
        let insert = bind_session!(sqlx::query(self.sql.insert), session);
        insert.execute(connection).await.map_err(failure)?;
        Ok(())
    }

    async fn flush(&self, chunk: &[Touch]) -> Result<u64, StoreError> {
        let rows: Vec<_> = chunk
            .iter()
            .map(|touch| {
                let (id, ip) = (touch.key.id.as_uuid().simple(), touch.ip.map(|ip| ip.to_string()));
                (&touch.key.user_id, id, touch.at.as_micros(), ip, touch.generation)
            })
            .collect();
        let rows = serde_json::to_string(&rows).map_err(StoreError::corrupt)?;
        self.change(sqlx::query(self.sql.touch).bind(rows)).await
    }

    /// Executes a change of one statement. Returns how many rows it applied to.
    async fn change(&self, query: Query<'_, MySql, MySqlArguments>) -> Result<u64, StoreError> {
        let mut lease = self.connection().await?;
        let changed = query.execute(&mut *lease).await.map_err(failure)?.rows_affected();
        lease.finish().await?;
        Ok(changed)
    }
}

impl SessionStore for MySqlStore {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn facts(&self) -> StoreFacts {
        StoreFacts::new().retention(StoreRetention::UntilPurged).prefix(&*self.prefix)
    }

    fn plain_text_peer(&self) -> StoreFuture<'_, Option<String>> {
        Box::pin(self.peer_in_clear_text())
    }

    fn migrate(&self) -> StoreFuture<'_, ()> {
        let store = self.clone();
        Box::pin(detached(async move {
            store.apply_migrations().await?;
            store.check().await
        }))
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let mut lease = self.connection().await?;
            Self::check_mode(&mut lease).await?;
            lease.say(self.sql.check).await?;
            lease.finish().await
        })
    }

    fn device_store(&self) -> Option<&dyn DeviceStore> {
        Some(self)
    }

    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted> {
        Box::pin(async move {
            if admission.is_unconditional() {
                self.put_and_trim(session, admission).await?;
                return Ok(Admitted::Inserted(Vec::new()));
            }
            let admitted = retrying!(self.admit(session, admission))?;
            self.trim(&session.user_id, admission).await;
            Ok(admitted)
        })
    }

    fn find<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, Option<Session>> {
        Box::pin(async move {
            let mut row = None;
            // Once more when a server that was demoted does not know of it.
            for _ in 0..2 {
                let query = sqlx::query(self.sql.find).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
                let mut lease = self.connection().await?;
                row = query.fetch_optional(&mut *lease).await.map_err(failure)?;
                let is_so = row.is_some() || self.connections.is_current(&mut lease).await;
                lease.finish().await?;
                if is_so {
                    break;
                }
            }
            row.map(|row| read_session(&row, &key.user_id)).transpose()
        })
    }

    fn list<'a>(&'a self, user: &'a UserId, query: &'a ListQuery) -> StoreFuture<'a, Vec<Session>> {
        Box::pin(self.list_page(user, query))
    }

    fn touch<'a>(&'a self, touches: &'a [Touch]) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut touched = 0;
            for chunk in Touch::coalesce(touches).chunks(TOUCHES) {
                touched += retrying!(self.flush(chunk))?;
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
        Box::pin(async move { retrying!(self.end_one(key, ending, idle_allowance)) })
    }

    fn expire<'a>(&'a self, key: &'a SessionKey, as_of: &'a AsOf) -> StoreFuture<'a, Option<Ending>> {
        Box::pin(async move { retrying!(self.expire_one(key, as_of)) })
    }

    fn end_all<'a>(
        &'a self,
        user: &'a UserId,
        scope: &'a EndScope,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionId>> {
        Box::pin(async move { retrying!(self.end_scope(user, scope, ending, idle_allowance)) })
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
        Box::pin(async move { retrying!(self.end_keys(keys, ending, idle_allowance)) })
    }

    fn cut_off<'a>(&'a self, user: &'a UserId, cutoff: &'a TokenCutoff) -> StoreFuture<'a, ()> {
        Box::pin(async move { retrying!(self.put_cutoff(user, cutoff)) })
    }

    fn rename<'a>(&'a self, key: &'a SessionKey, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = || sqlx::query(self.sql.rename).bind(name.map(DeviceName::as_str));
            Ok(retrying!(self.change(query().bind(key.user_id.as_str()).bind(*key.id.as_uuid())))? > 0)
        })
    }

    fn set_data<'a>(&'a self, key: &'a SessionKey, data: &'a Map<String, Value>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let data = data_text(data)?;
            let query = || sqlx::query(self.sql.set_data).bind(&data);
            Ok(retrying!(self.change(query().bind(key.user_id.as_str()).bind(*key.id.as_uuid())))? > 0)
        })
    }

    fn rotate<'a>(&'a self, key: &'a SessionKey, rotation: &'a Rotation) -> StoreFuture<'a, RotationOutcome> {
        Box::pin(async move { retrying!(self.advance(key, rotation)) })
    }

    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let query = || sqlx::query(self.sql.purge).bind(ended_before.as_micros()).bind(i64::from(limit));
            let purged = retrying!(self.change(query()))?;
            self.purge_cutoffs(ended_before, limit).await?;
            Ok(purged)
        })
    }

    fn forget_addresses<'a>(&'a self, key: &'a SessionKey, ended_before: Timestamp) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = || sqlx::query(self.sql.forget_addresses).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
            Ok(retrying!(self.change(query().bind(ended_before.as_micros())))? > 0)
        })
    }

    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<EndedSession>> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.ended_between).bind(since.as_micros()).bind(until.as_micros());
            let mut lease = self.connection().await?;
            let rows = query.bind(i64::from(limit)).fetch_all(&mut *lease).await.map_err(failure)?;
            lease.finish().await?;
            rows.iter().map(read_change).collect()
        })
    }

    fn erase<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        Box::pin(async move { retrying!(self.erase_user(user)) })
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: u32) -> StoreFuture<'a, ScanPage> {
        Box::pin(self.page(cursor, limit))
    }
}

/// Which of the locks keeps the sign-ins of this user apart.
fn stripe_of(user: &str) -> i64 {
    let digest = Sha256::digest(user);
    (u64::from(digest[0]) % STRIPES).cast_signed()
}

row_readers!(MySqlRow);
