//! Turns failures of the driver into the store's errors.
use sqlx::error::DatabaseError;

use crate::store::{StoreError, StoreErrorKind};

/// What a failure of the driver is to the callers of a store.
pub(super) fn failure(error: sqlx::Error) -> StoreError {
    let kind = match &error {
        sqlx::Error::Configuration(_) => StoreErrorKind::Location,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) | sqlx::Error::Decode(_) => {
            StoreErrorKind::Corrupt
        }
        sqlx::Error::Tls(_) => StoreErrorKind::Unsuitable,
        sqlx::Error::Io(io) if is_distrust(io) => StoreErrorKind::Unsuitable,
        sqlx::Error::Database(database) => {
            return match hint(&**database) {
                Some((kind, hint)) => StoreError::hinted(kind, hint, error),
                None => StoreError::new(StoreErrorKind::Unavailable, error),
            };
        }
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, error)
}

/// The same, for what is done to the schema.
pub(super) fn schema_failure(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) => match hint(&**database) {
            Some((kind, hint)) => StoreError::hinted(kind, hint, error),
            None => StoreError::new(StoreErrorKind::Schema, error),
        },
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => failure(error),
        _ => StoreError::new(StoreErrorKind::Schema, error),
    }
}

/// Whether the server is one that takes no changes (any more).
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(super) fn takes_no_changes(error: &StoreError) -> bool {
    matches!(error.driver_error(), Some(sqlx::Error::Database(error)) if is_read_only(&**error))
}

/// What is most likely wrong, where the database does not say what to do about it.
fn hint(error: &dyn DatabaseError) -> Option<(StoreErrorKind, &'static str)> {
    if is_missing_table(error) {
        return Some((StoreErrorKind::Schema, "a table is missing: call `migrate()` first"));
    }
    if is_missing_right(error) {
        return Some((StoreErrorKind::Schema, "the database's user lacks a right"));
    }
    if is_read_only(error) {
        let hint = "the database takes no changes: it is a replica, or read-only";
        return Some((StoreErrorKind::Unsuitable, hint));
    }
    if matches!(error.code().as_deref(), Some("42P05" | "26000")) {
        let hint = "what was prepared is gone with the next call, as behind a pooler in transaction mode: say \
                    `transaction_pooler()`";
        return Some((StoreErrorKind::Unsuitable, hint));
    }
    None
}

/// Whether the server's certificate is not to be trusted.
#[cfg(feature = "tls-rustls")]
fn is_distrust(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

#[cfg(not(feature = "tls-rustls"))]
fn is_distrust(_: &std::io::Error) -> bool {
    false
}

/// No such table, in the words of each database: SQLite has no code of its own for it.
fn is_missing_table(error: &dyn DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("42P01" | "42S02")) || error.message().starts_with("no such table")
}

/// `insufficient_privilege` of Postgres; of MySQL: to the database, to a command, to a column, or to administer.
fn is_missing_right(error: &dyn DatabaseError) -> bool {
    error.code().as_deref() == Some("42501") || matches!(mysql_number(error), Some(1044 | 1142 | 1143 | 1227))
}

/// `read_only_sql_transaction` of Postgres; `--read-only` and read-only mode of MySQL; `SQLITE_READONLY`, whatever its
/// extension.
fn is_read_only(error: &dyn DatabaseError) -> bool {
    error.code().as_deref() == Some("25006")
        || matches!(mysql_number(error), Some(1290 | 1836))
        || is_read_only_file(error)
}

#[cfg(feature = "mysql")]
fn mysql_number(error: &dyn DatabaseError) -> Option<u16> {
    error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(sqlx::mysql::MySqlDatabaseError::number)
}

#[cfg(not(feature = "mysql"))]
fn mysql_number(_: &dyn DatabaseError) -> Option<u16> {
    None
}

#[cfg(feature = "sqlite")]
fn is_read_only_file(error: &dyn DatabaseError) -> bool {
    let error = error.try_downcast_ref::<sqlx::sqlite::SqliteError>();
    let code = error.and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 8)
}

#[cfg(not(feature = "sqlite"))]
fn is_read_only_file(_: &dyn DatabaseError) -> bool {
    false
}
