//! Turns failures of the driver and of scripts into the store's errors.

use redis::{ErrorKind, ParsingError, RedisError};

use crate::store::{StoreError, StoreErrorKind};

/// What a failure of the driver or of a script is to the callers of the store.
pub(super) fn failure(error: RedisError) -> StoreError {
    let kind = match (error.kind(), error.code()) {
        (ErrorKind::InvalidClientConfig, _) => StoreErrorKind::Location,
        // Said by a script, and by Redis where something else lives under the name of a record.
        (_, Some("CORRUPT" | "WRONGTYPE")) => StoreErrorKind::Corrupt,
        (ErrorKind::UnexpectedReturnType, _) => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, error)
}

/// An answer of another form than the script's.
pub(super) fn unexpected(error: ParsingError) -> StoreError {
    StoreError::corrupt(error)
}
