mod connect;
mod devices;
mod migrate;
mod statements;

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use serde_json::{Map, Value};
use sqlx::{Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};
use uuid::Uuid;

use self::statements::Statements;
use super::{
    columns::{bind_session, data_text, idle_cutoff, proof_columns, row_readers},
    detached,
    failure::failure,
};
use crate::{
    clock::Timestamp,
    device::{DeviceName, KnownDevice},
    id::{DeviceId, SessionId, UserId},
    policy::{ActiveSession, Admission, Eviction},
    session::{Actor, EndReason, Ending, Session, Touch},
    store::{
        Admitted, Change, EndOutcome, EndScope, ListPosition, ListQuery, Rotation, RotationOutcome, ScanPage,
        SessionState, SessionStore, StoreError, StoreFuture,
    },
};

/// The most touches in one statement: it holds the write lock while it runs.
const TOUCHES: usize = 1_000;

/// A store in a SQLite database: for one machine, with nothing to install.
///
/// Writes go through one connection, one after another, and do not keep reads waiting (WAL). Each is on the disk when it
/// is answered (`synchronous = FULL`): a revocation survives a loss of power. Activity is written in batches, so the
/// cost of that is one sync per batch.
///
/// Several processes on one machine can share the database. Not on a network file system: SQLite's locks do not work
/// there.
///
/// Clones share the connections. Dropping any method's future leaves the old state or the new one.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`table_prefix`](Self::table_prefix) | `tds_` |
/// | wait for another process's write | 1 s |
/// | wait for a free connection | 1 s |
/// | connections | one for writing, as many as there are processors, from 2 to 8, for reading |
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
    reader: SqlitePool,
    writer: SqlitePool,
    sql: Arc<Statements>,
    prefix: Arc<str>,
}

impl SqliteStore {
    /// Inserts under a condition, in a transaction that no other writer can come between.
    async fn admit(&self, session: &Session, admission: &Admission) -> Result<Admitted, StoreError> {
        let user = session.user_id.as_str();
        let mut connection = self.writer.acquire().await.map_err(failure)?;
        let mut transaction =
            sqlx::Connection::begin_with(&mut *connection, "BEGIN IMMEDIATE").await.map_err(failure)?;

        let exists = sqlx::query(self.sql.exists).bind(user).bind(*session.id.as_uuid());
        if exists.fetch_optional(&mut *transaction).await.map_err(failure)?.is_some() {
            return Ok(Admitted::Inserted(Vec::new()));
        }
        let cutoff = idle_cutoff(admission.now, admission.idle_allowance);
        let active = sqlx::query(self.sql.active).bind(user).bind(admission.now.as_micros()).bind(cutoff);
        let active = active.fetch_all(&mut *transaction).await.map_err(failure)?;
        let active: Vec<ActiveSession> = active.iter().map(read_active).collect::<Result<_, _>>()?;
        let evictions = match admission.decide(&ActiveSession::from(session), &active) {
            Ok(evictions) => evictions,
            Err(full) => return Ok(Admitted::Refused(full)),
        };
        for Eviction { id, reason } in &evictions {
            let ending = Ending::new(*reason, Actor::System, admission.now);
            self.put_ending(self.sql.end, &mut transaction, user, *id, &ending, admission.idle_allowance).await?;
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

    /// Ends a session that has not ended; `None` when there is none.
    async fn put_ending(
        &self,
        statement: &'static str,
        connection: &mut SqliteConnection,
        user: &str,
        id: SessionId,
        asked: &Ending,
        allowance: Duration,
    ) -> Result<Option<EndOutcome>, StoreError> {
        let query = sqlx::query(statement)
            .bind(user)
            .bind(*id.as_uuid())
            .bind(asked.at.as_micros())
            .bind(idle_cutoff(asked.at, allowance))
            .bind(asked.reason.as_str())
            .bind(asked.actor.to_stored());
        // All rows, not the first: only past the last one has the change been committed.
        let ended = query.fetch_all(connection).await.map_err(failure)?;
        let Some(row) = ended.first() else { return Ok(None) };
        let was_due: bool = row.try_get(0).map_err(failure)?;
        let on_record = read_ending(row, 1)?.filter(|_| was_due);
        Ok(Some(on_record.map_or(EndOutcome::Ended, EndOutcome::AlreadyEnded)))
    }

    /// Ends a session by one of two statements: as it was asked, or only if it has passed a deadline.
    async fn end_by(
        &self,
        statement: &'static str,
        user: &UserId,
        id: SessionId,
        asked: &Ending,
        allowance: Duration,
    ) -> Result<EndOutcome, StoreError> {
        let mut connection = self.writer.acquire().await.map_err(failure)?;
        let ended = self.put_ending(statement, &mut connection, user.as_str(), id, asked, allowance).await?;
        if let Some(outcome) = ended {
            return Ok(outcome);
        }
        let query = sqlx::query(self.sql.ending).bind(user.as_str()).bind(*id.as_uuid());
        let row = query.fetch_optional(&mut *connection).await.map_err(failure)?;
        let on_record = row.map(|row| read_ending(&row, 0)).transpose()?.flatten();
        Ok(on_record.map_or(EndOutcome::NotFound, EndOutcome::AlreadyEnded))
    }

    async fn flush(&self, chunk: &[Touch]) -> Result<u64, StoreError> {
        let rows: Vec<_> = chunk
            .iter()
            .map(|touch| (&touch.user_id, touch.at.as_micros(), touch.ip.map(|ip| ip.to_string()), touch.generation))
            .collect();
        let rows = serde_json::to_string(&rows).map_err(StoreError::corrupt)?;
        let ids: Vec<u8> = chunk.iter().flat_map(|touch| *touch.id.as_uuid().as_bytes()).collect();
        let touched = sqlx::query(self.sql.touch).bind(rows).bind(ids).execute(&self.writer).await;
        Ok(touched.map_err(failure)?.rows_affected())
    }
}

impl SessionStore for SqliteStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    /// Usually there is one process. Several of them should ask for [polling](crate::manager::SessionManagerBuilder::polling).
    fn is_shared(&self) -> bool {
        false
    }

    fn migrate(&self) -> StoreFuture<'_, ()> {
        let store = self.clone();
        Box::pin(detached(async move { store.apply_migrations().await }))
    }

    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted> {
        if admission.is_unconditional() {
            return Box::pin(async move {
                let mut connection = self.writer.acquire().await.map_err(failure)?;
                self.put(&mut connection, session).await?;
                Ok(Admitted::Inserted(Vec::new()))
            });
        }
        let (store, session, admission) = (self.clone(), session.clone(), admission.clone());
        Box::pin(detached(async move { store.admit(&session, &admission).await }))
    }

    fn find<'a>(&'a self, user: &'a UserId, id: SessionId) -> StoreFuture<'a, Option<Session>> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.find).bind(user.as_str()).bind(*id.as_uuid());
            let row = query.fetch_optional(&self.reader).await.map_err(failure)?;
            row.map(|row| read_session(&row, user)).transpose()
        })
    }

    fn list<'a>(&'a self, user: &'a UserId, query: &'a ListQuery) -> StoreFuture<'a, Vec<Session>> {
        Box::pin(async move {
            let after = query
                .after
                .unwrap_or(ListPosition::new(Timestamp::from_micros(i64::MAX), SessionId::from_uuid(Uuid::max())));
            let rows = sqlx::query(self.sql.list)
                .bind(user.as_str())
                .bind(query.now.as_micros())
                .bind(idle_cutoff(query.now, query.idle_allowance))
                .bind(query.state != SessionState::Ended)
                .bind(query.state != SessionState::Active)
                .bind(query.except.map(Uuid::from))
                .bind(after.last_active_at.as_micros())
                .bind(*after.id.as_uuid())
                .bind(i64::from(query.limit));
            // Rows are read while SQLite, in a thread of its own, is looking for more.
            let mut rows = rows.fetch(&self.reader);
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
        user: &'a UserId,
        id: SessionId,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, EndOutcome> {
        Box::pin(self.end_by(self.sql.end, user, id, ending, idle_allowance))
    }

    fn expire<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        now: Timestamp,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Option<Ending>> {
        Box::pin(async move {
            let asked = Ending::new(EndReason::Idle, Actor::System, now);
            Ok(self.end_by(self.sql.expire, user, id, &asked, idle_allowance).await?.on_record())
        })
    }

    fn end_all<'a>(
        &'a self,
        user: &'a UserId,
        scope: &'a EndScope,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionId>> {
        Box::pin(async move {
            let rows = sqlx::query(self.sql.end_all)
                .bind(user.as_str())
                .bind(scope.keep.map(Uuid::from))
                .bind(ending.at.as_micros())
                .bind(idle_cutoff(ending.at, idle_allowance))
                .bind(ending.reason.as_str())
                .bind(ending.actor.to_stored())
                .bind(scope.device_id.map(Uuid::from));
            let rows = rows.fetch_all(&self.writer).await.map_err(failure)?;
            let mut ended = Vec::with_capacity(rows.len());
            for row in rows {
                let was_due: bool = row.try_get(0).map_err(failure)?;
                if !was_due {
                    ended.push(SessionId::from_uuid(row.try_get(1).map_err(failure)?));
                }
            }
            Ok(ended)
        })
    }

    fn rename<'a>(&'a self, user: &'a UserId, id: SessionId, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.rename).bind(user.as_str()).bind(*id.as_uuid());
            let query = query.bind(name.map(DeviceName::as_str));
            Ok(query.execute(&self.writer).await.map_err(failure)?.rows_affected() > 0)
        })
    }

    fn set_data<'a>(&'a self, user: &'a UserId, id: SessionId, data: &'a Map<String, Value>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.set_data).bind(user.as_str()).bind(*id.as_uuid()).bind(data_text(data)?);
            Ok(query.execute(&self.writer).await.map_err(failure)?.rows_affected() > 0)
        })
    }

    fn rotate<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        rotation: &'a Rotation,
    ) -> StoreFuture<'a, RotationOutcome> {
        Box::pin(async move {
            let (methods, level) = proof_columns(rotation.proof.as_ref())?;
            let rotated = sqlx::query(self.sql.rotate)
                .bind(user.as_str())
                .bind(*id.as_uuid())
                .bind(rotation.at.as_micros())
                .bind(idle_cutoff(rotation.at, rotation.idle_allowance))
                .bind(i64::from(rotation.from))
                .bind(rotation.refuse_older)
                .bind(methods)
                .bind(level);
            let rotated = rotated.fetch_all(&self.writer).await.map_err(failure)?;
            if let Some(row) = rotated.first() {
                return Ok(RotationOutcome::Rotated(Box::new(read_session(row, user)?)));
            }
            let unchanged = self.find(user, id).await?.map(Box::new);
            Ok(unchanged.map_or(RotationOutcome::NotFound, RotationOutcome::Unchanged))
        })
    }

    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.purge).bind(ended_before.as_micros()).bind(i64::from(limit));
            Ok(query.execute(&self.writer).await.map_err(failure)?.rows_affected())
        })
    }

    fn forget_addresses<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        ended_before: Timestamp,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.forget_addresses).bind(user.as_str()).bind(*id.as_uuid());
            let query = query.bind(ended_before.as_micros());
            Ok(query.execute(&self.writer).await.map_err(failure)?.rows_affected() > 0)
        })
    }

    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<Change>> {
        Box::pin(async move {
            let query = sqlx::query(self.sql.ended_between).bind(since.as_micros()).bind(until.as_micros());
            let rows = query.bind(i64::from(limit)).fetch_all(&self.reader).await.map_err(failure)?;
            rows.iter().map(read_change).collect()
        })
    }

    fn see_device<'a>(&'a self, device: &'a KnownDevice) -> StoreFuture<'a, bool> {
        Box::pin(self.note_device(device))
    }

    fn devices<'a>(&'a self, user: &'a UserId, limit: u32) -> StoreFuture<'a, Vec<KnownDevice>> {
        Box::pin(self.known_devices(user, limit))
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

    fn trust_device<'a>(&'a self, user: &'a UserId, id: DeviceId, until: Option<Timestamp>) -> StoreFuture<'a, bool> {
        Box::pin(self.set_trust(user, id, until))
    }

    fn distrust_devices<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        Box::pin(self.drop_trust(user))
    }

    fn forget_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, bool> {
        Box::pin(self.drop_device(user, id))
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
        let rows = sqlx::query(explain).fetch_all(&store.reader).await.unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }

    #[tokio::test]
    async fn every_statement_finds_its_rows_by_a_key() {
        let store = SqliteStore::connect("sqlite::memory:").await.unwrap();
        store.migrate().await.unwrap();
        let sql = &store.sql;
        let one = "SEARCH tds_sessions USING PRIMARY KEY (user_id=? AND id=?)";
        let of_a_user = "SEARCH tds_sessions USING PRIMARY KEY (user_id=?)";
        for (statement, expected) in
            [(sql.find, one), (sql.ending, one), (sql.list, of_a_user), (sql.active, of_a_user)]
        {
            let plan = plan(&store, statement).await;
            let reads: Vec<_> = plan.iter().filter(|step| !step.starts_with("USE TEMP B-TREE FOR ORDER BY")).collect();
            assert_eq!(reads, [expected], "{statement}");
        }
        for statement in [sql.end, sql.end_all, sql.rename, sql.set_data, sql.rotate] {
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
