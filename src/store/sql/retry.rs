//! Trying again what lost a conflict, or was said to a server that takes no changes any more.

use std::time::Duration;

use super::failure::takes_no_changes;
use crate::store::{StoreError, role};

/// How often a change that lost a conflict is tried again.
pub(super) const RETRIES: u32 = 6;

/// How often a change that a server has refused, since it takes none, is tried again. Another call may be the one that
/// gives the connections up.
const REFUSALS: u32 = 2;

/// Runs a change of a database that may choose it as the victim of a conflict; then nothing of it was applied, and it
/// is run again. So is one that a demoted primary has refused: it gets a new connection. Returns a future of the
/// change's `Result`.
macro_rules! retrying {
    ($change:expr) => {{
        let mut attempt = 0;
        loop {
            match $change.await {
                Err(error) => match crate::store::sql::retry::pause(&error, attempt) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => break Err(error),
                },
                result => break result,
            }
            attempt += 1;
        }
    }};
}

pub(super) use retrying;

/// The rest before another attempt, if there is to be one. After a conflict 2 ms and doubling, so that the rivals get
/// out of each other's way.
pub(super) fn pause(error: &StoreError, attempt: u32) -> Option<Duration> {
    if attempt < RETRIES && lost_a_conflict(error) {
        return Some(Duration::from_millis(2 << attempt.min(6)));
    }
    // By then the server is asked what it is, by this call or by another one.
    (attempt < REFUSALS && takes_no_changes(error)).then_some(role::PAUSE)
}

/// A deadlock, or a failed serialization.
pub(super) fn lost_a_conflict(error: &StoreError) -> bool {
    let Some(sqlx::Error::Database(error)) = error.driver_error() else {
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
