//! Migrations in Postgres, in one transaction under an advisory lock.

use sqlx::{Executor, PgConnection, Row};

use super::{PostgresStore, lock_key, statements::MIGRATIONS};
use crate::store::{
    StoreError,
    sql::{failure::schema_failure, names::under_prefix},
};

impl PostgresStore {
    /// Applies what is missing of the schema, in one transaction that only one process at a time gets to run.
    pub(super) async fn apply_migrations(&self) -> Result<(), StoreError> {
        // Without the right to change the schema, one that is complete is still good enough.
        let mut lease = self.reading().await?;
        let applied = self.applied(&mut lease).await;
        if applied.is_ok_and(|applied| MIGRATIONS.iter().all(|(version, _)| applied.contains(version))) {
            return lease.finish().await;
        }
        drop(lease);

        let mut lease = self.atomically().await?;
        let lock = self.query(self.sql.lock_user).bind(lock_key(&self.prefix, "migrations"));
        lock.execute(&mut *lease).await.map_err(schema_failure)?;
        lease.execute(sqlx::raw_sql(self.sql.create_migrations)).await.map_err(schema_failure)?;
        let applied = self.applied(&mut lease).await.map_err(schema_failure)?;
        for (version, statements) in MIGRATIONS.iter().filter(|(version, _)| !applied.contains(version)) {
            lease.execute(sqlx::raw_sql(under_prefix(statements, &self.prefix))).await.map_err(schema_failure)?;
            self.query(self.sql.record_migration).bind(version).execute(&mut *lease).await.map_err(schema_failure)?;
        }
        lease.finish().await
    }

    async fn applied(&self, connection: &mut PgConnection) -> Result<Vec<i64>, sqlx::Error> {
        let rows = self.query(self.sql.applied_migrations).fetch_all(connection).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }
}
