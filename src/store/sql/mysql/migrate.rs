//! Migrations in MySQL, in single statements because it commits each change of a schema at once.

use sqlx::{Executor, MySqlConnection, Row};

use super::{MySqlStore, statements::MIGRATIONS};
use crate::store::{
    StoreError,
    sql::{failure::schema_failure, names::under_prefix},
};

impl MySqlStore {
    /// Applies what is missing of the schema. A change of the schema commits by itself here, so a lock on the server
    /// keeps other processes out meanwhile, and each step can be repeated.
    pub(super) async fn apply_migrations(&self) -> Result<(), StoreError> {
        // Closing the connection gives the lock back, however this ends.
        let mut connection = self.connections.lend().await?;
        connection.close_afterwards();
        Self::check_mode(&mut connection).await?;
        // Without the right to change the schema, one that is complete is still good enough.
        let applied = self.applied(&mut connection).await;
        if applied.is_ok_and(|applied| MIGRATIONS.iter().all(|(version, _)| applied.contains(version))) {
            return connection.finish().await;
        }

        let lock =
            sqlx::query("SELECT GET_LOCK(CONCAT(DATABASE(), '.', ?), 30)").bind(format!("{}migrations", self.prefix));
        let locked = lock.fetch_one(&mut *connection).await.and_then(|row| row.try_get::<Option<i64>, _>(0));
        if locked.map_err(schema_failure)? != Some(1) {
            return Err(StoreError::unavailable("another process has been changing the schema for 30 seconds"));
        }
        connection.execute(sqlx::raw_sql(self.sql.create_migrations)).await.map_err(schema_failure)?;
        let applied = self.applied(&mut connection).await.map_err(schema_failure)?;
        for (version, statements) in MIGRATIONS.iter().filter(|(version, _)| !applied.contains(version)) {
            for statement in statements_of(under_prefix(statements, &self.prefix)) {
                match connection.execute(sqlx::raw_sql(statement)).await {
                    Err(error) if is_done_already(&error) => {}
                    done => {
                        done.map_err(schema_failure)?;
                    }
                }
            }
            sqlx::query(self.sql.record_migration)
                .bind(version)
                .execute(&mut *connection)
                .await
                .map_err(schema_failure)?;
        }
        connection.finish().await
    }

    async fn applied(&self, connection: &mut MySqlConnection) -> Result<Vec<i64>, sqlx::Error> {
        let rows = sqlx::query(self.sql.applied_migrations).fetch_all(connection).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }
}

/// The single statements of a step: where one was cut off in the middle, those before it are met again.
fn statements_of(step: &'static str) -> impl Iterator<Item = &'static str> {
    step.split_inclusive(";\n")
        .filter(|statement| statement.lines().any(|line| !line.is_empty() && !line.starts_with("--")))
}

/// Whether a column or an index was added by a process that did not live to put the step on record.
fn is_done_already(error: &sqlx::Error) -> bool {
    let number = |error: &dyn sqlx::error::DatabaseError| {
        error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(sqlx::mysql::MySqlDatabaseError::number)
    };
    matches!(error, sqlx::Error::Database(error) if matches!(number(&**error), Some(1060 | 1061)))
}
