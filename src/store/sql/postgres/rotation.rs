//! Rotations in Postgres: from one generation of tokens to the next, once.

use super::{PostgresStore, read_session};
use crate::{
    id::SessionKey,
    store::{Rotation, RotationOutcome, SessionStore, StoreError, sql::columns::ProofColumns},
};

impl PostgresStore {
    /// Moves a session to its next generation, if it is where the rotation starts from.
    pub(super) async fn advance(&self, key: &SessionKey, rotation: &Rotation) -> Result<RotationOutcome, StoreError> {
        let proof = ProofColumns::of(rotation.proof.as_ref())?;
        let query = self
            .query(self.sql.rotate)
            .bind(key.user_id.as_str())
            .bind(*key.id.as_uuid())
            .bind(rotation.as_of.now.as_micros())
            .bind(rotation.as_of.idle_cutoff().as_micros())
            .bind(i64::from(rotation.from))
            .bind(rotation.refuse_older)
            .bind(proof.methods)
            .bind(proof.level)
            .bind(proof.levels);
        if let Some(row) = self.rows(query).await?.first() {
            return Ok(RotationOutcome::of(rotation, read_session(row, &key.user_id)?));
        }
        let unchanged = self.find(key).await?.map(Box::new);
        Ok(unchanged.map_or(RotationOutcome::NotFound, RotationOutcome::Unchanged))
    }
}
