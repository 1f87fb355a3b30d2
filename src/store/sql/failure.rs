//! Turns failures of the driver into the store's errors.

use crate::store::{StoreError, StoreErrorKind};

/// What a failure of the driver is to the callers of a store.
pub(super) fn failure(error: sqlx::Error) -> StoreError {
    let kind = match &error {
        sqlx::Error::Configuration(_) => StoreErrorKind::Location,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) | sqlx::Error::Decode(_) => {
            StoreErrorKind::Corrupt
        }
        sqlx::Error::Database(database) if is_missing_table(&**database) => {
            return StoreError::new(StoreErrorKind::Schema, SchemaMissing(error));
        }
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, error)
}

/// No such table, in the words of each database: SQLite has no code of its own for it.
fn is_missing_table(error: &dyn sqlx::error::DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("42P01" | "42S02")) || error.message().starts_with("no such table")
}

/// A hint at what is most likely wrong.
#[derive(Debug)]
struct SchemaMissing(sqlx::Error);

impl std::fmt::Display for SchemaMissing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a table is missing: call `migrate()` first")
    }
}

impl std::error::Error for SchemaMissing {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
