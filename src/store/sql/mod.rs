//! SQL stores, one per database.
//!
//! 1. Every statement is a `&'static str` with bound parameters; only the table prefix is ever put into one, once per
//!    store, after it was checked.
//! 2. A change is a single statement where the database allows it. What takes several runs, on SQLite, in a task of its
//!    own which the method awaits; on a server, over a connection that is closed when the method's future is dropped.
//!    Neither can leave a transaction open on a pooled connection.
//! 3. A change finds its record by user and id together, and what has ended by its `WHERE`, never by an earlier read.

mod columns;
mod cutoffs;
mod devices;
mod failure;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod lease;
#[cfg(feature = "mysql")]
pub(super) mod mysql;
mod names;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod pool;
#[cfg(feature = "postgres")]
pub(super) mod postgres;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod retry;
mod scan;
#[cfg(feature = "sqlite")]
pub(super) mod sqlite;

use crate::store::StoreError;

/// Runs `work`, which is not to be cut in half, to its end, also when the future of this call is dropped.
async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(work).await.map_err(StoreError::unavailable)?
}
