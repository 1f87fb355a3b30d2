//! Endings in MySQL: of one session, and of several sessions of a user.

use std::time::Duration;

use sqlx::{
    MySql, MySqlConnection, Row,
    mysql::{MySqlArguments, MySqlRow},
    query::Query,
};
use uuid::Uuid;

use super::{MySqlStore, read_ending};
use crate::{
    id::{SessionId, SessionKey, UserId},
    session::{Actor, AsOf, EndReason, Ending},
    store::{
        EndOutcome, EndScope, StoreError,
        sql::{
            columns::{ended_keys, key_of},
            failure::failure,
        },
    },
};

/// How sessions end.
impl MySqlStore {
    /// Ends a session that has not ended; `false` when there is none.
    pub(super) async fn put_ending(
        &self,
        connection: &mut MySqlConnection,
        key: &SessionKey,
        asked: &Ending,
        allowance: Duration,
    ) -> Result<bool, StoreError> {
        let query =
            bind_ending(sqlx::query(self.sql.end), asked, allowance).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
        Ok(query.execute(connection).await.map_err(failure)?.rows_affected() > 0)
    }

    pub(super) async fn end_one(
        &self,
        key: &SessionKey,
        asked: &Ending,
        allowance: Duration,
    ) -> Result<EndOutcome, StoreError> {
        let mut lease = self.connection().await?;
        let ended_now = self.put_ending(&mut lease, key, asked, allowance).await?;
        // No later change can falsify this answer: an ending is final, and so are the deadlines of what has ended.
        let query = sqlx::query(self.sql.ending)
            .bind(asked.at.as_micros())
            .bind(AsOf::new(asked.at, allowance).idle_cutoff().as_micros())
            .bind(key.user_id.as_str())
            .bind(*key.id.as_uuid());
        let row = query.fetch_optional(&mut *lease).await.map_err(failure)?;
        lease.finish().await?;
        let on_record = row.as_ref().map(|row| read_ending(row, 1)).transpose()?.flatten();
        let was_due: i64 = row.map_or(Ok(0), |row| row.try_get(0)).map_err(failure)?;
        match on_record {
            Some(ending) if !ended_now || was_due != 0 => Ok(EndOutcome::AlreadyEnded(ending)),
            _ if ended_now => Ok(EndOutcome::Ended),
            _ => Ok(EndOutcome::NotFound),
        }
    }

    /// Puts the deadline on record that a session has passed. Returns the ending that is on record then.
    pub(super) async fn expire_one(&self, key: &SessionKey, as_of: &AsOf) -> Result<Option<Ending>, StoreError> {
        let asked = Ending::new(EndReason::Idle, Actor::System, as_of.now);
        let (user, id) = (key.user_id.as_str(), *key.id.as_uuid());
        let (now, cutoff) = (as_of.now.as_micros(), as_of.idle_cutoff().as_micros());
        let mut lease = self.connection().await?;
        let query = bind_ending(sqlx::query(self.sql.expire), &asked, as_of.idle_allowance).bind(user).bind(id);
        query.bind(now).bind(cutoff).execute(&mut *lease).await.map_err(failure)?;
        let query = sqlx::query(self.sql.ending).bind(now).bind(cutoff).bind(user).bind(id);
        let row = query.fetch_optional(&mut *lease).await.map_err(failure)?;
        lease.finish().await?;
        Ok(row.as_ref().map(|row| read_ending(row, 1)).transpose()?.flatten())
    }

    pub(super) async fn end_scope(
        &self,
        user: &UserId,
        scope: &EndScope,
        asked: &Ending,
        allowance: Duration,
    ) -> Result<Vec<SessionId>, StoreError> {
        let device_id = scope.device_id.map(Uuid::from);
        let mut lease = self.atomically().await?;
        let to_end = sqlx::query(self.sql.to_end)
            .bind(asked.at.as_micros())
            .bind(AsOf::new(asked.at, allowance).idle_cutoff().as_micros())
            .bind(user.as_str())
            .bind(scope.keep.map(Uuid::from))
            .bind(device_id)
            .bind(device_id);
        let (mut all, mut ended) = (Vec::new(), Vec::new());
        for row in to_end.fetch_all(&mut *lease).await.map_err(failure)? {
            let was_due: i64 = row.try_get(0).map_err(failure)?;
            let id: Uuid = row.try_get(1).map_err(failure)?;
            all.push(id.simple());
            if was_due == 0 {
                ended.push(SessionId::from_uuid(id));
            }
        }
        if !all.is_empty() {
            let all = serde_json::to_string(&all).map_err(StoreError::corrupt)?;
            let query = bind_ending(sqlx::query(self.sql.end_all).bind(all), asked, allowance).bind(user.as_str());
            query.execute(&mut *lease).await.map_err(failure)?;
        }
        lease.finish().await?;
        Ok(ended)
    }

    /// The sessions in scope that have not ended.
    pub(super) async fn ids_in(&self, user: &UserId, scope: &EndScope) -> Result<Vec<SessionId>, StoreError> {
        let device_id = scope.device_id.map(Uuid::from);
        let query = sqlx::query(self.sql.in_scope).bind(user.as_str()).bind(scope.keep.map(Uuid::from));
        let query = query.bind(device_id).bind(device_id);
        let mut lease = self.connection().await?;
        let rows = query.fetch_all(&mut *lease).await.map_err(failure)?;
        lease.finish().await?;
        rows.iter().map(|row| Ok(SessionId::from_uuid(row.try_get(0).map_err(failure)?))).collect()
    }

    /// Ends sessions, of whichever users. Those that are locked in the order of their keys meet no others half-way.
    pub(super) async fn end_keys(
        &self,
        keys: &[SessionKey],
        asked: &Ending,
        allowance: Duration,
    ) -> Result<Vec<SessionKey>, StoreError> {
        let mut sorted: Vec<(&str, _)> =
            keys.iter().map(|key| (key.user_id.as_str(), key.id.as_uuid().simple())).collect();
        sorted.sort_unstable();
        let keys = serde_json::to_string(&sorted).map_err(StoreError::corrupt)?;
        let to_end = sqlx::query(self.sql.to_end_several)
            .bind(asked.at.as_micros())
            .bind(AsOf::new(asked.at, allowance).idle_cutoff().as_micros())
            .bind(&keys);
        let mut lease = self.atomically().await?;
        let rows = to_end.fetch_all(&mut *lease).await.map_err(failure)?;
        let ended = ended_keys(rows.iter().map(read_ended))?;
        if !rows.is_empty() {
            let query = bind_ending(sqlx::query(self.sql.end_several).bind(&keys), asked, allowance);
            query.execute(&mut *lease).await.map_err(failure)?;
        }
        lease.finish().await?;
        Ok(ended)
    }
}

fn read_ended(row: &MySqlRow) -> Result<(bool, SessionKey), StoreError> {
    let (was_due, user, id): (i64, String, Uuid) =
        (row.try_get(0).map_err(failure)?, row.try_get(1).map_err(failure)?, row.try_get(2).map_err(failure)?);
    Ok((was_due != 0, key_of(user, id)?))
}

/// Binds the nine parameters of an ending.
fn bind_ending<'q>(
    query: Query<'q, MySql, MySqlArguments>,
    asked: &Ending,
    allowance: Duration,
) -> Query<'q, MySql, MySqlArguments> {
    let (at, cutoff) = (asked.at.as_micros(), AsOf::new(asked.at, allowance).idle_cutoff().as_micros());
    let query = query.bind(at).bind(cutoff).bind(at);
    let query = query.bind(at).bind(cutoff).bind(asked.reason.as_str());
    query.bind(at).bind(cutoff).bind(asked.actor.to_stored())
}
