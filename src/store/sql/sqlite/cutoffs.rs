//! Cutoffs in SQLite: which tokens from before this crate came are refused.

use sqlx::{Row, SqliteConnection};

use super::SqliteStore;
use crate::{
    clock::Timestamp,
    id::UserId,
    policy::{Adopting, NotAdopted, TokenCutoff},
    store::{
        StoreError,
        sql::{cutoffs::OnRecord, failure::failure},
        subject::{EVERYBODY, subject_of},
    },
};

/// Which tokens from before this crate came are put on record.
impl SqliteStore {
    /// Decides over a user's token, and begins the adoption if need be. Nobody else may write meanwhile.
    pub(super) async fn adopts(
        &self,
        connection: &mut SqliteConnection,
        user: &UserId,
        adopting: &Adopting,
        now: Timestamp,
    ) -> Result<Result<(), NotAdopted>, StoreError> {
        let query = sqlx::query(self.sql.cutoffs).bind(EVERYBODY.to_vec()).bind(subject_of(user.as_str()).to_vec());
        let mut on_record = OnRecord::default();
        for row in query.fetch_all(&mut *connection).await.map_err(failure)? {
            on_record.add(row.try_get(0).map_err(failure)?, row.try_get(1).map_err(failure)?);
        }
        let decided = on_record.decide(adopting, now);
        if decided.is_ok() && !on_record.has_begun {
            let note = sqlx::query(self.sql.cut_off).bind(EVERYBODY.to_vec()).bind(0_i64);
            note.bind(adopting.kept_until.as_micros()).execute(connection).await.map_err(failure)?;
        }
        Ok(decided)
    }

    pub(super) async fn put_cutoff(&self, user: &UserId, cutoff: &TokenCutoff) -> Result<(), StoreError> {
        let query = sqlx::query(self.sql.cut_off)
            .bind(subject_of(user.as_str()).to_vec())
            .bind(cutoff.issued_until.as_micros())
            .bind(cutoff.kept_until.as_micros());
        query.execute(self.writer()?).await.map_err(failure)?;
        Ok(())
    }

    pub(super) async fn purge_cutoffs(&self, kept_until_before: Timestamp, limit: u32) -> Result<(), StoreError> {
        let query = sqlx::query(self.sql.purge_cutoffs).bind(kept_until_before.as_micros()).bind(i64::from(limit));
        query.execute(self.writer()?).await.map_err(failure)?;
        Ok(())
    }
}
