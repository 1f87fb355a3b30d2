//! Records of ended sessions beyond those that are kept, deleted with a sign-in.

use sqlx::Row;

use super::MySqlStore;
use crate::{
    clock::Timestamp,
    id::UserId,
    policy::Admission,
    session::Session,
    store::{
        StoreError,
        sql::{failure::failure, retry::retrying},
    },
};

/// What fails is left to the next sign-in.
impl MySqlStore {
    /// Inserts, and deletes by the same transaction, which waits for the disk once.
    pub(super) async fn put_and_trim(&self, session: &Session, admission: &Admission) -> Result<(), StoreError> {
        if let Some(beyond) = self.beyond(&session.user_id, admission).await
            && retrying!(self.put_for(session, &beyond)).is_ok()
        {
            return Ok(());
        }
        retrying!(async {
            let mut lease = self.connection().await?;
            self.put(&mut lease, session).await?;
            lease.finish().await
        })
    }

    pub(super) async fn trim(&self, user: &UserId, admission: &Admission) {
        if let Some(beyond) = self.beyond(user, admission).await {
            let query = || sqlx::query(self.sql.trim).bind(&beyond.ids).bind(user.as_str()).bind(beyond.ended_before);
            let _ = retrying!(self.change(query()));
        }
    }

    async fn put_for(&self, session: &Session, beyond: &Beyond) -> Result<(), StoreError> {
        let mut lease = self.atomically().await?;
        self.put(&mut lease, session).await?;
        let trim = sqlx::query(self.sql.trim).bind(&beyond.ids).bind(session.user_id.as_str());
        trim.bind(beyond.ended_before).execute(&mut *lease).await.map_err(failure)?;
        lease.finish().await
    }

    async fn beyond(&self, user: &UserId, admission: &Admission) -> Option<Beyond> {
        let ended_before = admission.trims_before().map(Timestamp::as_micros)?;
        let query = sqlx::query(self.sql.beyond)
            .bind(user.as_str())
            .bind(i64::from(Admission::TRIMMED_AT_ONCE))
            .bind(i64::from(admission.keep_ended))
            .bind(user.as_str())
            .bind(ended_before);
        let mut lease = self.connection().await.ok()?;
        let rows = query.fetch_all(&mut *lease).await.ok()?;
        lease.finish().await.ok()?;
        let ids: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().ok()?;
        let has_some = !ids.is_empty();
        has_some.then(|| Beyond { ids: serde_json::Value::from(ids).to_string(), ended_before })
    }
}

/// The records that go: their ids as a JSON array, and before when they must have ended.
struct Beyond {
    ids: String,
    ended_before: i64,
}
