//! Turns failures of the driver and of scripts into the store's errors.

use redis::{ErrorKind, ParsingError, RedisError, ServerErrorKind};

use crate::store::{StoreError, StoreErrorKind};

/// What a failure of the driver or of a script is to the callers of the store.
pub(super) fn failure(error: RedisError) -> StoreError {
    if let Some(hint) = hint(&error) {
        return StoreError::hinted(StoreErrorKind::Unsuitable, hint, error);
    }
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

pub(super) fn unsuitable(why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unsuitable, why)
}

/// What is most likely wrong with the server, where it does not say what to do about it.
fn hint(error: &RedisError) -> Option<&'static str> {
    if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) {
        return Some("the server takes no changes: it is a replica");
    }
    let said = error.to_string();
    if error.code() == Some("NOPERM") || said.contains("The user executing the script can't") {
        let hint = "the server's user may not do what the store needs: EVAL, EVALSHA, and the commands of the scripts";
        return Some(hint);
    }
    if said.contains("Error compiling script") {
        return Some("the server cannot run the store's scripts: Redis 7 or newer, or Valkey, is needed");
    }
    if said.contains("unknown command") {
        return Some("the server does not know a command that the store needs: it is renamed or disabled");
    }
    None
}
