//! A pooled connection that is closed, not returned, when its user is dropped halfway.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use sqlx::{Database, Executor, pool::PoolConnection};
use tokio::sync::OwnedSemaphorePermit;

use crate::store::{StoreError, role::Role, sql::failure::failure};

/// A connection on loan from a pool, in a transaction or not.
///
/// It begins its transactions itself: one begun by the driver in a future that is dropped meanwhile stays open on a
/// connection that goes back to the pool. A lease that is dropped before [`finish`](Self::finish) closes the connection
/// instead, and the server rolls back. Without a transaction the connection goes back, and there is doubt about the
/// server.
pub(super) struct Lease<DB: Database> {
    connection: PoolConnection<DB>,
    in_transaction: bool,
    is_finished: bool,
    role: Arc<Role>,
    _place: OwnedSemaphorePermit,
}

impl<DB: Database> Lease<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    pub(super) fn new(connection: PoolConnection<DB>, place: OwnedSemaphorePermit, role: Arc<Role>) -> Self {
        Self { connection, in_transaction: false, is_finished: false, role, _place: place }
    }

    /// Begins a transaction, with a statement that does so.
    pub(super) async fn begin(mut self, statement: &'static str) -> Result<Self, StoreError> {
        self.in_transaction = true;
        self.say(statement).await?;
        Ok(self)
    }

    /// Commits the transaction, if there is one, and gives the connection back.
    pub(super) async fn finish(mut self) -> Result<(), StoreError> {
        if self.in_transaction {
            self.say("COMMIT").await?;
            self.in_transaction = false;
        }
        self.is_finished = true;
        Ok(())
    }

    /// Closes the connection.
    pub(super) fn close(mut self) {
        self.connection.close_on_drop();
        self.is_finished = true;
    }

    /// Has the connection closed when it is given back.
    #[cfg(feature = "mysql")]
    pub(super) fn close_afterwards(&mut self) {
        self.connection.close_on_drop();
    }

    /// Executes a statement as text, in one message.
    pub(super) async fn say(&mut self, statement: &'static str) -> Result<(), StoreError> {
        self.connection.execute(sqlx::raw_sql(statement)).await.map_err(failure)?;
        Ok(())
    }
}

impl<DB: Database> Deref for Lease<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.connection
    }
}

impl<DB: Database> DerefMut for Lease<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }
}

impl<DB: Database> Drop for Lease<DB> {
    fn drop(&mut self) {
        if self.in_transaction {
            self.connection.close_on_drop();
        }
        if !self.is_finished {
            self.role.doubt();
        }
    }
}
