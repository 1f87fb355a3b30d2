//! Endings in MySQL: of one session, and of several sessions of a user.

use std::time::Duration;

use sqlx::{MySql, MySqlConnection, Row, mysql::MySqlArguments, query::Query};
use uuid::Uuid;

use super::{MySqlStore, read_ending};
use crate::{
    id::{SessionId, SessionKey, UserId},
    session::{AsOf, Ending},
    store::{EndOutcome, EndScope, StoreError, sql::failure::failure},
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
        let on_record = row.as_ref().map(|row| read_ending(row, 1)).transpose()?.flatten();
        let was_due: i64 = row.map_or(Ok(0), |row| row.try_get(0)).map_err(failure)?;
        match on_record {
            Some(ending) if !ended_now || was_due != 0 => Ok(EndOutcome::AlreadyEnded(ending)),
            _ if ended_now => Ok(EndOutcome::Ended),
            _ => Ok(EndOutcome::NotFound),
        }
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
