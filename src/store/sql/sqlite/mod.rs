//! A store in a SQLite database.

mod connect;
mod cutoffs;
mod devices;
mod ending;
mod file;
mod migrate;
mod rotation;
mod statements;

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use serde_json::{Map, Value};
use sqlx::{Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};
use uuid::Uuid;

use self::{file::File, statements::Statements};
use super::{
    columns::{bind_session, data_text, row_readers},
    detached,
    failure::failure,
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

/// The most touches in one statement: it holds the write lock while it runs.
const TOUCHES: usize = 1_000;

/// A store in a SQLite database: for one machine, with nothing to install.
///
/// Writes go through one connection, one after another, and do not keep reads waiting (WAL). Each is on the disk when
/// the call returns (`synchronous = FULL`): a revocation survives a loss of power. Activity is written in batches, so
/// the cost of that is one sync per batch.
///
/// A file that [`connect`](Self::connect) creates can be read and written by its owner only.
///
/// Several processes on one machine can share the database. Not on a network file system: SQLite's locks do not work
/// there.
///
/// Clones share the connections. Dropping a method's future leaves the old state or the new one.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`table_prefix`](Self::table_prefix) | `tds_` |
/// | wait for another process's write | 1 s |
/// | wait for a free connection | 1 s |
/// | connections for writing | 1 |
/// | [`max_connections`](crate::store::ConnectOptions::max_connections), for reading | one per processor, 2 to 8 |
///
/// # When the file is replaced
///
/// A file that is removed or replaced while it is open, as by restoring a backup over it, is noticed at the next
/// change, and within seconds by reads: it is told on the log, and changes are refused until the process is restarted.
/// Otherwise they would be written where nobody finds them again. Overwriting the file in place (`cp`) cannot be told
/// from a write.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::store::{SessionStore, SqliteStore, StoreError};
///
/// # async fn open() -> Result<(), StoreError> {
/// let store = SqliteStore::connect("sqlite://sessions.db").await?;
/// store.migrate().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqliteStore {
    reading: SqlitePool,
    writing: SqlitePool,
    /// None in memory, and where the application has opened it.
    file: Option<Arc<File>>,
    sql: Arc<Statements>,
    prefix: Arc<str>,
}

impl SqliteStore {
    /// Inserts under a condition, in a transaction that no other writer can come between.
    async fn admit(&self, session: &Session, admission: &Admission) -> Result<Admitted, StoreError> {
        let user = session.user_id.as_str();
        let mut connection = self.writer()?.acquire().await.map_err(failure)?;
        let mut transaction =
            sqlx::Connection::begin_with(&mut *connection, "BEGIN IMMEDIATE").await.map_err(failure)?;

        let exists = sqlx::query(self.sql.exists).bind(user).bind(*session.id.as_uuid());
        if exists.fetch_optional(&mut *transaction).await.map_err(failure)?.is_some() {
            return Ok(Admitted::Inserted(Vec::new()));
        }
        if let Some(adopting) = &admission.adopts
            && let Err(why) = self.adopts(&mut transaction, &session.user_id, adopting, admission.as_of.now).await?
        {
            return Ok(Admitted::NotAdopted(why));
        }
        let cutoff = admission.as_of.idle_cutoff().as_micros();
        let active = sqlx::query(self.sql.active).bind(user).bind(admission.as_of.now.as_micros()).bind(cutoff);
        let active = active.fetch_all(&mut *transaction).await.map_err(failure)?;
        let active: Vec<ActiveSession> = active.iter().map(read_active).collect::<Result<_, _>>()?;
        let newcomer = ActiveSession::from(session);
        if let Some(joined) = admission.joins(&newcomer, &active) {
            return Ok(Admitted::Joined(joined));
        }
        let evictions = match admission.decide(&newcomer, &active) {
            Ok(evictions) => evictions,
            Err(full) => return Ok(Admitted::Refused(full)),
        };
        for Eviction { id, reason } in &evictions {
            let ending = Ending::new(*reason, Actor::System, admission.as_of.now);
            let key = SessionKey::new(session.user_id.clone(), *id);
            self.put_ending(self.sql.end, &mut transaction, &key, &ending, admission.as_of.idle_allowance).await?;
        }
        self.put(&mut transaction, session).await?;
        transaction.commit().await.map_err(failure)?;
        Ok(Admitted::Inserted(evictions))
    }

    async fn put(&self, connection: &mut SqliteConnection, session: &Session) -> Result<(), StoreError> {
        let insert = bind_session!(sqlx::query(self.sql.insert), session);
        insert.execute(connection).await.map_err(failure)?;
        Ok(())
    }

    async fn flush(&self, chunk: &[Touch]) -> Result<u64, StoreError> {
        let rows: Vec<_> = chunk
            .iter()
            .map(|touch| {
                (&touch.key.user_id, touch.at.as_micros(), touch.ip.map(|ip| ip.to_string()), touch.generation)
            })
            .collect();
        let rows = serde_json::to_string(&rows).map_err(StoreError::corrupt)?;
        let ids: Vec<u8> = chunk.iter().flat_map(|touch| *touch.key.id.as_uuid().as_bytes()).collect();
        let touched = sqlx::query(self.sql.touch).bind(rows).bind(ids).execute(self.writer()?).await;
        Ok(touched.map_err(failure)?.rows_affected())
    }
}

impl SessionStore for SqliteStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    /// Usually there is one process. Several of them should ask for
    /// [polling](crate::manager::SessionManagerBuilder::polling).
    fn is_shared(&self) -> bool {
        false
    }

    fn facts(&self) -> StoreFacts {
        StoreFacts::new().retention(StoreRetention::UntilPurged).prefix(&*self.prefix)
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
            sqlx::query(self.sql.check).execute(self.writer()?).await.map_err(failure)?;
            Ok(())
        })
    }

    fn device_store(&self) -> Option<&dyn DeviceStore> {
        Some(self)
    }

    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted> {
        if admission.is_unconditional() {
            return Box::pin(async move {
                let mut connection = self.writer()?.acquire().await.map_err(failure)?;
                self.put(&mut connection, session).await?;
                drop(connection);
                self.trim(&session.user_id, admission).await;
                Ok(Admitted::Inserted(Vec::new()))
            });
        }
        let (store, session, admission) = (self.clone(), session.clone(), admission.clone());
        Box::pin(detached(async move {
            let admitted = store.admit(&session, &admission).await?;
            store.trim(&session.user_id, &admission).await;
            Ok(admitted)
        }))
    }

    fn find<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, Option<Session>> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.find).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
            let row = query.fetch_optional(self.reader()).await.map_err(failure)?;
            row.map(|row| read_session(&row, &key.user_id)).transpose()
        })
    }

    fn list<'a>(&'a self, user: &'a UserId, query: &'a ListQuery) -> StoreFuture<'a, Vec<Session>> {
        Box::pin(async move {
            let (statement, place) = match query.above {
                Some(above) => (self.sql.list_above, above),
                None => (self.sql.list, query.after.unwrap_or(ListPosition::TOP)),
            };
            let rows = sqlx::query(statement)
                .bind(user.as_str())
                .bind(query.as_of.now.as_micros())
                .bind(query.as_of.idle_cutoff().as_micros())
                .bind(query.state != SessionState::Ended)
                .bind(query.state != SessionState::Active)
                .bind(query.except.map(Uuid::from))
                .bind(place.last_active_at.as_micros())
                .bind(*place.id.as_uuid())
                .bind(i64::from(query.limit));
            // Rows are read while SQLite, in a thread of its own, is looking for more.
            let mut rows = rows.fetch(self.reader());
            let mut sessions = Vec::new();
            while let Some(row) = rows.try_next().await.map_err(failure)? {
                sessions.push(read_session(&row, user)?);
            }
            Ok(sessions)
        })
    }

    fn touch<'a>(&'a self, touches: &'a [Touch]) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut touched = 0;
            for chunk in Touch::coalesce(touches).chunks(TOUCHES) {
                touched += self.flush(chunk).await?;
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
        Box::pin(self.end_one(self.sql.end, key, ending, idle_allowance))
    }

    fn expire<'a>(&'a self, key: &'a SessionKey, as_of: &'a AsOf) -> StoreFuture<'a, Option<Ending>> {
        Box::pin(async move {
            let asked = Ending::new(EndReason::Idle, Actor::System, as_of.now);
            Ok(self.end_one(self.sql.expire, key, &asked, as_of.idle_allowance).await?.on_record())
        })
    }

    fn end_all<'a>(
        &'a self,
        user: &'a UserId,
        scope: &'a EndScope,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionId>> {
        Box::pin(self.end_scope(user, scope, ending, idle_allowance))
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
        Box::pin(self.end_keys(keys, ending, idle_allowance))
    }

    fn cut_off<'a>(&'a self, user: &'a UserId, cutoff: &'a TokenCutoff) -> StoreFuture<'a, ()> {
        Box::pin(self.put_cutoff(user, cutoff))
    }

    fn rename<'a>(&'a self, key: &'a SessionKey, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.rename).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
            let query = query.bind(name.map(DeviceName::as_str));
            Ok(query.execute(self.writer()?).await.map_err(failure)?.rows_affected() > 0)
        })
    }

    fn set_data<'a>(&'a self, key: &'a SessionKey, data: &'a Map<String, Value>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.set_data)
                .bind(key.user_id.as_str())
                .bind(*key.id.as_uuid())
                .bind(data_text(data)?);
            Ok(query.execute(self.writer()?).await.map_err(failure)?.rows_affected() > 0)
        })
    }

    fn rotate<'a>(&'a self, key: &'a SessionKey, rotation: &'a Rotation) -> StoreFuture<'a, RotationOutcome> {
        Box::pin(self.advance(key, rotation))
    }

    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.purge).bind(ended_before.as_micros()).bind(i64::from(limit));
            let purged = query.execute(self.writer()?).await.map_err(failure)?.rows_affected();
            self.purge_cutoffs(ended_before, limit).await?;
            Ok(purged)
        })
    }

    fn forget_addresses<'a>(&'a self, key: &'a SessionKey, ended_before: Timestamp) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.forget_addresses).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
            let query = query.bind(ended_before.as_micros());
            Ok(query.execute(self.writer()?).await.map_err(failure)?.rows_affected() > 0)
        })
    }

    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<EndedSession>> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.ended_between).bind(since.as_micros()).bind(until.as_micros());
            let rows = query.bind(i64::from(limit)).fetch_all(self.reader()).await.map_err(failure)?;
            rows.iter().map(read_change).collect()
        })
    }

    fn erase<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        let (store, user) = (self.clone(), user.clone());
        Box::pin(detached(async move { store.erase_user(&user).await }))
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: u32) -> StoreFuture<'a, ScanPage> {
        Box::pin(self.page(cursor, limit))
    }
}

row_readers!(SqliteRow);

#[cfg(test)]
mod tests {
    use super::*;

    /// What SQLite says that it does for a statement.
    async fn plan(store: &SqliteStore, statement: &str) -> Vec<String> {
        let explain: &str = format!("EXPLAIN QUERY PLAN {statement}").leak();
        let rows = sqlx::query(explain).fetch_all(store.reader()).await.unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }

    #[tokio::test]
    async fn every_statement_finds_its_rows_by_a_key() {
        let store = SqliteStore::connect("sqlite::memory:").await.unwrap();
        store.migrate().await.unwrap();
        let sql = &store.sql;
        let one = "SEARCH tds_sessions USING PRIMARY KEY (user_id=? AND id=?)";
        let open = "SEARCH tds_sessions USING INDEX tds_sessions_rested_at (user_id=? AND rested_at=?)";
        for (statement, expected) in [(sql.find, one), (sql.ending, one), (sql.active, open), (sql.end_all, open)] {
            assert_eq!(plan(&store, statement).await, [expected], "{statement}");
        }
        let over = "USING INDEX tds_sessions_rested_at (user_id=? AND rested_at";
        for statement in [sql.list, sql.trim] {
            let plan = plan(&store, statement).await;
            let reads = plan.iter().filter(|step| step.contains("tds_sessions") && !step.contains(one));
            assert!(plan.iter().any(|step| step.contains(over)), "{plan:?}");
            assert!(reads.clone().all(|step| step.contains("rested_at") || step.contains("id=?)")), "{plan:?}");
        }
        for statement in [sql.end, sql.rename, sql.set_data, sql.rotate] {
            let plan = plan(&store, statement).await;
            assert!(plan.iter().all(|step| step.contains("USING PRIMARY KEY (user_id=?")), "{statement}: {plan:?}");
        }
        let by_end = plan(&store, sql.ended_between).await;
        assert_eq!(by_end[0], "SEARCH tds_sessions USING INDEX tds_sessions_ends_at (ends_at>? AND ends_at<?)");
        let swept = plan(&store, sql.purge).await;
        assert!(!swept.iter().any(|step| step.starts_with("SCAN tds_sessions")), "{swept:?}");
        let touched = plan(&store, sql.touch).await;
        assert!(touched.iter().any(|step| step.contains("USING PRIMARY KEY (user_id=? AND id=?)")), "{touched:?}");
    }
}
