//! Migrations in SQLite, in one transaction that locks the database first.

use std::time::Duration;

use sqlx::{Connection, Executor};

use super::{SqliteStore, connect::is_busy, statements::MIGRATIONS};
use crate::store::{
    StoreError,
    sql::{failure::schema_failure, names::under_prefix},
};

impl SqliteStore {
    /// Applies what is missing of the schema, in one transaction that waits for those of other processes.
    pub(super) async fn apply_migrations(&self) -> Result<(), StoreError> {
        let mut attempts_left = 20;
        loop {
            match self.try_migrations().await {
                Err(sqlx::Error::Database(error)) if attempts_left > 0 && is_busy(&*error) => {
                    attempts_left -= 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                result => return result.map_err(schema_failure),
            }
        }
    }

    async fn try_migrations(&self) -> Result<(), sqlx::Error> {
        let mut connection = self.writing.acquire().await?;
        // Without the right to change the schema, one that is complete is still good enough.
        let applied = sqlx::query_scalar(self.sql.applied_migrations).fetch_all(&mut *connection).await;
        if applied.is_ok_and(|applied: Vec<i64>| MIGRATIONS.iter().all(|(version, _)| applied.contains(version))) {
            return Ok(());
        }

        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(self.sql.create_migrations).execute(&mut *transaction).await?;
        let applied: Vec<i64> = sqlx::query_scalar(self.sql.applied_migrations).fetch_all(&mut *transaction).await?;
        for (version, statements) in MIGRATIONS.iter().filter(|(version, _)| !applied.contains(version)) {
            transaction.execute(sqlx::raw_sql(under_prefix(statements, &self.prefix))).await?;
            sqlx::query(self.sql.record_migration).bind(version).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}
