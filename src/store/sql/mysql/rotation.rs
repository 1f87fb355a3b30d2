//! Rotations in MySQL: from one generation of tokens to the next, once.

use super::{MySqlStore, read_session};
use crate::{
    id::SessionKey,
    store::{
        Rotation, RotationOutcome, SessionStore, StoreError,
        sql::{columns::ProofColumns, failure::failure},
    },
};

impl MySqlStore {
    /// Moves a session to its next generation, if it is where the rotation starts from.
    pub(super) async fn advance(&self, key: &SessionKey, rotation: &Rotation) -> Result<RotationOutcome, StoreError> {
        if let Some(next) = rotation.from.checked_add(1) {
            let proof = ProofColumns::of(rotation.proof.as_ref())?;
            let at = rotation.as_of.now.as_micros();
            let query = sqlx::query(self.sql.rotate)
                .bind(i64::from(next))
                .bind(at)
                .bind(at)
                .bind(rotation.refuse_older)
                .bind(i64::from(next))
                .bind(rotation.proof.as_ref().map(|_| at))
                .bind(proof.methods)
                .bind(proof.level)
                .bind(proof.levels)
                .bind(key.user_id.as_str())
                .bind(*key.id.as_uuid())
                .bind(i64::from(rotation.from))
                .bind(at)
                .bind(rotation.as_of.idle_cutoff().as_micros());
            let mut lease = self.atomically().await?;
            let rotated = query.execute(&mut *lease).await.map_err(failure)?.rows_affected() > 0;
            let find = sqlx::query(self.sql.find).bind(key.user_id.as_str()).bind(*key.id.as_uuid());
            let row = if rotated { find.fetch_optional(&mut *lease).await.map_err(failure)? } else { None };
            lease.finish().await?;
            if let Some(row) = row {
                return Ok(RotationOutcome::of(rotation, read_session(&row, &key.user_id)?));
            }
        }
        let unchanged = self.find(key).await?.map(Box::new);
        Ok(unchanged.map_or(RotationOutcome::NotFound, RotationOutcome::Unchanged))
    }
}
