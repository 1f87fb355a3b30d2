//! Trying again what lost a conflict.

use std::{error::Error as _, time::Duration};

use crate::store::StoreError;

/// How often a change that lost a conflict is tried again.
pub(super) const RETRIES: u32 = 6;

/// Runs a change of a database that may choose it as the victim of a conflict; then nothing of it was applied, and it
/// is run again. Returns a future of the change's `Result`.
macro_rules! retrying {
    ($change:expr) => {{
        let mut attempt = 0;
        loop {
            match $change.await {
                Err(error)
                    if attempt < crate::store::sql::retry::RETRIES
                        && crate::store::sql::retry::lost_a_conflict(&error) =>
                {
                    attempt += 1;
                    tokio::time::sleep(crate::store::sql::retry::pause(attempt)).await;
                }
                result => break result,
            }
        }
    }};
}

pub(super) use retrying;

/// A deadlock, or a failed serialization.
pub(super) fn lost_a_conflict(error: &StoreError) -> bool {
    let Some(sqlx::Error::Database(error)) = error.source().and_then(|source| source.downcast_ref()) else {
        return false;
    };
    // MySQL has no SQLSTATE of its own for these two: a lock that was not given in time, and (MariaDB) a record that
    // has changed since it was read.
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        && matches!(error.number(), 1205 | 1020)
    {
        return true;
    }
    matches!(error.code().as_deref(), Some("40001" | "40P01"))
}

/// The rest before an attempt: 2 ms and doubling, so that the rivals get out of each other's way.
pub(super) fn pause(attempt: u32) -> Duration {
    Duration::from_millis(1 << attempt.min(6))
}
