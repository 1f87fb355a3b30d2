//! Endings in SQLite: of one session, and of several sessions of a user.

use std::time::Duration;

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{SqliteStore, read_ending};
use crate::{
    id::{SessionId, SessionKey, UserId},
    policy::Admission,
    session::{AsOf, Ending},
    store::{
        EndOutcome, EndScope, StoreError,
        sql::{
            columns::{ended_keys, key_of},
            failure::failure,
        },
    },
};

impl SqliteStore {
    /// Ends a session that has not ended, by one of two statements; `None` when there is none.
    pub(super) async fn put_ending(
        &self,
        statement: &'static str,
        connection: &mut SqliteConnection,
        key: &SessionKey,
        asked: &Ending,
        allowance: Duration,
    ) -> Result<Option<EndOutcome>, StoreError> {
        let query = sqlx::query(statement)
            .bind(key.user_id.as_str())
            .bind(*key.id.as_uuid())
            .bind(asked.at.as_micros())
            .bind(AsOf::new(asked.at, allowance).idle_cutoff().as_micros())
            .bind(asked.reason.as_str())
            .bind(asked.actor.to_stored());
        // All rows, not the first: only past the last one has the change been committed.
        let ended = query.fetch_all(connection).await.map_err(failure)?;
        let Some(row) = ended.first() else { return Ok(None) };
        let was_due: bool = row.try_get(0).map_err(failure)?;
        let on_record = read_ending(row, 1)?.filter(|_| was_due);
        Ok(Some(on_record.map_or(EndOutcome::Ended, EndOutcome::AlreadyEnded)))
    }

    /// Deletes records of ended sessions beyond those that are kept. One that fails is left to the next sign-in.
    pub(super) async fn trim(&self, user: &UserId, admission: &Admission) {
        if let Some(before) = admission.trims_before() {
            let query = sqlx::query(self.sql.trim)
                .bind(user.as_str())
                .bind(i64::from(admission.keep_ended))
                .bind(before.as_micros())
                .bind(i64::from(Admission::TRIMMED_AT_ONCE));
            if let Ok(writer) = self.writer() {
                let _ = query.execute(writer).await;
            }
        }
    }

    /// Ends a session by one of two statements: as it was asked, or only if it has passed a deadline.
    pub(super) async fn end_one(
        &self,
        statement: &'static str,
        key: &SessionKey,
        asked: &Ending,
        allowance: Duration,
    ) -> Result<EndOutcome, StoreError> {
        let mut connection = self.writer()?.acquire().await.map_err(failure)?;
        if let Some(outcome) = self.put_ending(statement, &mut connection, key, asked, allowance).await? {
            return Ok(outcome);
        }
        let query = sqlx::query(self.sql.ending).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
        let row = query.fetch_optional(&mut *connection).await.map_err(failure)?;
        let on_record = row.map(|row| read_ending(&row, 0)).transpose()?.flatten();
        Ok(on_record.map_or(EndOutcome::NotFound, EndOutcome::AlreadyEnded))
    }

    pub(super) async fn end_scope(
        &self,
        user: &UserId,
        scope: &EndScope,
        asked: &Ending,
        allowance: Duration,
    ) -> Result<Vec<SessionId>, StoreError> {
        let rows = sqlx::query(self.sql.end_all)
            .bind(user.as_str())
            .bind(scope.keep.map(Uuid::from))
            .bind(asked.at.as_micros())
            .bind(AsOf::new(asked.at, allowance).idle_cutoff().as_micros())
            .bind(asked.reason.as_str())
            .bind(asked.actor.to_stored())
            .bind(scope.device_id.map(Uuid::from));
        let rows = rows.fetch_all(self.writer()?).await.map_err(failure)?;
        let mut ended = Vec::with_capacity(rows.len());
        for row in rows {
            let was_due: bool = row.try_get(0).map_err(failure)?;
            if !was_due {
                ended.push(SessionId::from_uuid(row.try_get(1).map_err(failure)?));
            }
        }
        Ok(ended)
    }

    /// The sessions in scope that have not ended.
    pub(super) async fn ids_in(&self, user: &UserId, scope: &EndScope) -> Result<Vec<SessionId>, StoreError> {
        let query = sqlx::query(self.sql.in_scope)
            .bind(user.as_str())
            .bind(scope.keep.map(Uuid::from))
            .bind(scope.device_id.map(Uuid::from));
        let rows = query.fetch_all(self.reader()).await.map_err(failure)?;
        rows.iter().map(|row| Ok(SessionId::from_uuid(row.try_get(0).map_err(failure)?))).collect()
    }

    /// Ends sessions, of whichever users.
    pub(super) async fn end_keys(
        &self,
        keys: &[SessionKey],
        asked: &Ending,
        allowance: Duration,
    ) -> Result<Vec<SessionKey>, StoreError> {
        let users: Vec<&str> = keys.iter().map(|key| key.user_id.as_str()).collect();
        let ids: Vec<u8> = keys.iter().flat_map(|key| *key.id.as_uuid().as_bytes()).collect();
        let query = sqlx::query(self.sql.end_several)
            .bind(serde_json::to_string(&users).map_err(StoreError::corrupt)?)
            .bind(ids)
            .bind(asked.at.as_micros())
            .bind(AsOf::new(asked.at, allowance).idle_cutoff().as_micros())
            .bind(asked.reason.as_str())
            .bind(asked.actor.to_stored());
        let rows = query.fetch_all(self.writer()?).await.map_err(failure)?;
        ended_keys(rows.iter().map(read_ended))
    }
}

fn read_ended(row: &SqliteRow) -> Result<(bool, SessionKey), StoreError> {
    let (was_due, user, id): (bool, String, Uuid) =
        (row.try_get(0).map_err(failure)?, row.try_get(1).map_err(failure)?, row.try_get(2).map_err(failure)?);
    Ok((was_due, key_of(user, id)?))
}
