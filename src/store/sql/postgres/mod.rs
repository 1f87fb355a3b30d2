//! A store in a Postgres database.

mod connect;
mod cutoffs;
mod devices;
mod ending;
mod migrate;
mod rotation;
mod statements;

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sqlx::{
    PgConnection, Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use uuid::Uuid;

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
    session::{Actor, AsOf, EndReason, EndedSession, Ending, Session, Touch},
    store::{
        Admitted, DeviceStore, EndOutcome, EndScope, ListPosition, ListQuery, Rotation, RotationOutcome, ScanPage,
        SessionState, SessionStore, StoreError, StoreFacts, StoreFuture, StoreRetention,
    },
};

/// The most touches in one statement: their rows are locked while it runs.
const TOUCHES: usize = 1_000;

/// A store in a Postgres database.
///
/// Reads and most writes are one prepared statement each. A sign-in under a limit holds an advisory lock of its user
/// for one short transaction. What loses a conflict is tried again a few times. Clones share the connections. Dropping
/// a method's future leaves the old state or the new one.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`table_prefix`](Self::table_prefix) | `tds_` |
/// | [`transaction_pooler`](Self::transaction_pooler) | off |
/// | [`max_connections`](crate::store::ConnectOptions::max_connections) | 10 |
/// | wait for a free connection | 1 s |
///
/// # Examples
///
/// ```no_run
/// use tower_device_sessions::store::{PostgresStore, SessionStore, StoreError};
/// # async fn open() -> Result<(), StoreError> {
/// let store = PostgresStore::connect("postgres://app@db.internal/app").await?;
/// store.migrate().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PostgresStore {
    connections: Connections<Postgres>,
    sql: Arc<Statements>,
    prefix: Arc<str>,
    access: Access,
}

impl PostgresStore {
    fn query<'q>(&self, statement: &'static str) -> Query<'q, Postgres, PgArguments> {
        // Behind a pooler the next call may reach another server, which does not know what this one prepared.
        sqlx::query(statement).persistent(self.access != Access::TransactionPooler)
    }

    /// Inserts under a condition, in a transaction that no other such insert for the same user can come between.
    async fn admit(&self, session: &Session, admission: &Admission) -> Result<Admitted, StoreError> {
        let user = session.user_id.as_str();
        let mut lease = self.atomically().await?;
        let lock = self.query(self.sql.lock_user).bind(lock_key(&self.prefix, user));
        lock.execute(&mut *lease).await.map_err(failure)?;

        let exists = self.query(self.sql.exists).bind(user).bind(*session.id.as_uuid());
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
        let active = self.query(self.sql.active).bind(user).bind(admission.as_of.now.as_micros()).bind(cutoff);
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
            self.put_ending(self.sql.end, &mut lease, &key, &ending, admission.as_of.idle_allowance).await?;
        }
        self.put(&mut lease, session).await?;
        lease.finish().await?;
        Ok(Admitted::Inserted(evictions))
    }

    async fn put(&self, connection: &mut PgConnection, session: &Session) -> Result<(), StoreError> {
        let insert = bind_session!(self.query(self.sql.insert), session);
        insert.execute(connection).await.map_err(failure)?;
        Ok(())
    }

    async fn flush(&self, chunk: &[Touch]) -> Result<u64, StoreError> {
        let query = self
            .query(self.sql.touch)
            .bind(chunk.iter().map(|touch| touch.key.user_id.as_str()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|touch| *touch.key.id.as_uuid()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|touch| touch.at.as_micros()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|touch| touch.ip.map(|ip| ip.to_string())).collect::<Vec<_>>())
            .bind(chunk.iter().map(|touch| touch.generation.map(i64::from)).collect::<Vec<_>>());
        self.change(query).await
    }

    /// Executes a change. Returns how many rows it applied to.
    async fn change(&self, query: Query<'_, Postgres, PgArguments>) -> Result<u64, StoreError> {
        let mut lease = self.writing().await?;
        let done = query.execute(&mut *lease).await.map_err(failure)?;
        lease.finish().await?;
        Ok(done.rows_affected())
    }

    /// Executes a change and returns its rows.
    async fn rows(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, StoreError> {
        let mut lease = self.writing().await?;
        let rows = query.fetch_all(&mut *lease).await.map_err(failure)?;
        lease.finish().await?;
        Ok(rows)
    }
}

impl SessionStore for PostgresStore {
    fn name(&self) -> &'static str {
        "postgres"
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
            retrying!(store.apply_migrations())?;
            store.check().await
        }))
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let mut lease = self.writing().await?;
            lease.say(self.sql.check).await?;
            lease.finish().await
        })
    }

    fn device_store(&self) -> Option<&dyn DeviceStore> {
        Some(self)
    }

    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted> {
        Box::pin(async move {
            let admitted = if admission.is_unconditional() {
                retrying!(async {
                    let mut lease = self.writing().await?;
                    self.put(&mut lease, session).await?;
                    lease.finish().await
                })?;
                Admitted::Inserted(Vec::new())
            } else {
                retrying!(self.admit(session, admission))?
            };
            self.trim(&session.user_id, admission).await;
            Ok(admitted)
        })
    }

    fn find<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, Option<Session>> {
        Box::pin(async move {
            let mut row = None;
            // Once more when a server that was demoted does not know of it.
            for _ in 0..2 {
                let query = self.query(self.sql.find).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
                let mut lease = self.reading().await?;
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
        Box::pin(async move {
            let (statement, place) = match query.above {
                Some(above) => (self.sql.list_above, above),
                None => (self.sql.list, query.after.unwrap_or(ListPosition::TOP)),
            };
            let rows = self
                .query(statement)
                .bind(user.as_str())
                .bind(query.as_of.now.as_micros())
                .bind(query.as_of.idle_cutoff().as_micros())
                .bind(query.state != SessionState::Ended)
                .bind(query.state != SessionState::Active)
                .bind(query.except.map(Uuid::from))
                .bind(place.last_active_at.as_micros())
                .bind(*place.id.as_uuid())
                .bind(i64::from(query.limit));
            let mut lease = self.reading().await?;
            let rows = rows.fetch_all(&mut *lease).await.map_err(failure)?;
            lease.finish().await?;
            rows.iter().map(|row| read_session(row, user)).collect()
        })
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
        Box::pin(async move { retrying!(self.end_one(self.sql.end, key, ending, idle_allowance)) })
    }

    fn expire<'a>(&'a self, key: &'a SessionKey, as_of: &'a AsOf) -> StoreFuture<'a, Option<Ending>> {
        Box::pin(async move {
            let asked = Ending::new(EndReason::Idle, Actor::System, as_of.now);
            Ok(retrying!(self.end_one(self.sql.expire, key, &asked, as_of.idle_allowance))?.on_record())
        })
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
            let query = || self.query(self.sql.rename).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
            Ok(retrying!(self.change(query().bind(name.map(DeviceName::as_str))))? > 0)
        })
    }

    fn set_data<'a>(&'a self, key: &'a SessionKey, data: &'a Map<String, Value>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let data = data_text(data)?;
            let query = || self.query(self.sql.set_data).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
            Ok(retrying!(self.change(query().bind(&data)))? > 0)
        })
    }

    fn rotate<'a>(&'a self, key: &'a SessionKey, rotation: &'a Rotation) -> StoreFuture<'a, RotationOutcome> {
        Box::pin(async move { retrying!(self.advance(key, rotation)) })
    }

    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let query = || self.query(self.sql.purge).bind(ended_before.as_micros()).bind(i64::from(limit));
            let purged = retrying!(self.change(query()))?;
            self.purge_cutoffs(ended_before, limit).await?;
            Ok(purged)
        })
    }

    fn forget_addresses<'a>(&'a self, key: &'a SessionKey, ended_before: Timestamp) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = || self.query(self.sql.forget_addresses).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
            Ok(retrying!(self.change(query().bind(ended_before.as_micros())))? > 0)
        })
    }

    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<EndedSession>> {
        Box::pin(async move {
            let query = self.query(self.sql.ended_between).bind(since.as_micros()).bind(until.as_micros());
            let mut lease = self.reading().await?;
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

/// The number of an advisory lock for `what` of the store with this prefix.
fn lock_key(prefix: &str, what: &str) -> i64 {
    let digest = Sha256::new().chain_update(prefix).chain_update([0]).chain_update(what).finalize();
    digest[..8].iter().fold(0, |key, &byte| key << 8 | i64::from(byte))
}

row_readers!(PgRow);
