//! Connecting to Postgres, and what is set on each connection.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Connection, Executor, PgPool, Postgres, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{PostgresStore, statements::Statements};
use crate::{
    host::is_this_machine,
    store::{
        StoreError,
        sql::{
            failure::failure,
            lease::Lease,
            names::{DEFAULT_PREFIX, check_prefix, check_scheme},
        },
    },
};

/// How long a call waits for a free connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who else uses the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nobody: each is in the state in which this store left it.
    Own,
    /// The application, so that any state may be met.
    Shared,
    /// Other clients of a pooler, which gives a server connection to a transaction, not to a client.
    TransactionPooler,
}

impl PostgresStore {
    /// Connects to the database at `url`, such as `postgres://user:password@host/database`, with up to 10 connections.
    ///
    /// The schema is left to [`migrate`](crate::store::SessionStore::migrate).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Location`](crate::store::StoreErrorKind::Location) when `url` is not the address of a Postgres
    /// database, [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable) when nothing answers there
    /// within a second.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        check_scheme(url, &["postgres://", "postgresql://"])?;
        let options = PgConnectOptions::from_str(url).map_err(failure)?;
        // A connection in use is known to live; one that has rested may have been cut by what is in between.
        let pool = PgPoolOptions::new().acquire_timeout(PATIENCE).test_before_acquire(false).before_acquire(
            |connection, rest| {
                Box::pin(async move {
                    if rest.idle_for >= PATIENCE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            },
        );
        let pool = pool.connect_with(options).await.map_err(failure)?;
        Ok(Self::with_pool(pool, Access::Own))
    }

    /// A store on the application's own pool.
    ///
    /// Each write costs one message more than with [`connect`](Self::connect): a transaction that other code has left
    /// open on a pooled connection would swallow it, so the connection is asked first, and such a transaction is rolled
    /// back. The pool's own time to wait for a connection applies; a second or less suits the deadline of a request.
    pub fn from_pool(pool: PgPool) -> Self {
        Self::with_pool(pool, Access::Shared)
    }

    /// For connections that go through a pooler in transaction mode, such as PgBouncer: each call is a transaction of
    /// its own and prepares nothing that outlives it. Default: off.
    ///
    /// It costs two messages a call. A pooler that follows prepared statements itself does not need it.
    #[must_use]
    pub fn transaction_pooler(mut self) -> Self {
        self.access = Access::TransactionPooler;
        self
    }

    /// The prefix of the names of all tables. Default: `tds_`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Location`](crate::store::StoreErrorKind::Location) unless it is 1 to 21 lower-case letters,
    /// digits and underscores that do not start with a digit.
    pub fn table_prefix(mut self, prefix: &str) -> Result<Self, StoreError> {
        check_prefix(prefix)?;
        self.sql = Arc::new(Statements::with_prefix(prefix));
        self.prefix = prefix.into();
        Ok(self)
    }

    /// A connection for a statement that changes nothing.
    pub(super) async fn reading(&self) -> Result<Lease<Postgres>, StoreError> {
        match self.access {
            Access::Own | Access::Shared => self.any_connection().await,
            Access::TransactionPooler => self.atomically().await,
        }
    }

    /// A connection for one statement that changes something, which commits on its own.
    pub(super) async fn writing(&self) -> Result<Lease<Postgres>, StoreError> {
        match self.access {
            Access::Own => self.any_connection().await,
            Access::Shared => self.sound_connection().await,
            Access::TransactionPooler => self.atomically().await,
        }
    }

    /// A connection with a transaction begun on it.
    pub(super) async fn atomically(&self) -> Result<Lease<Postgres>, StoreError> {
        let lease = match self.access {
            Access::Own | Access::TransactionPooler => self.any_connection().await?,
            Access::Shared => self.sound_connection().await?,
        };
        lease.begin("BEGIN").await
    }

    async fn any_connection(&self) -> Result<Lease<Postgres>, StoreError> {
        Ok(Lease::new(self.pool.acquire().await.map_err(failure)?))
    }

    /// A connection without a transaction that somebody has left open on it.
    ///
    /// Such a transaction began before the statement that asks; one that has failed meanwhile returns nothing at all.
    /// The question is asked as text: a prepared statement is two messages, and the first begins the transaction.
    async fn sound_connection(&self) -> Result<Lease<Postgres>, StoreError> {
        let mut lease = self.any_connection().await?;
        let question = sqlx::raw_sql("SELECT transaction_timestamp() = statement_timestamp()");
        let answer = lease.fetch_one(question).await.and_then(|row| row.try_get(0));
        if !matches!(answer, Ok(true)) {
            lease.say("ROLLBACK").await?;
        }
        Ok(lease)
    }

    /// The server, if it is on another machine and says that the connection is not encrypted. A pooler in between
    /// speaks for itself only.
    pub(super) async fn peer_in_clear_text(&self) -> Result<Option<String>, StoreError> {
        let options = self.pool.connect_options();
        let host = options.get_host();
        if options.get_socket().is_some() || host.starts_with('/') || is_this_machine(host) {
            return Ok(None);
        }
        let query = self.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
        let mut lease = self.reading().await?;
        let row = query.fetch_optional(&mut *lease).await.map_err(failure)?;
        lease.finish().await?;
        let is_encrypted: Option<bool> = row.map(|row| row.try_get(0)).transpose().map_err(failure)?;
        Ok((is_encrypted == Some(false)).then(|| host.to_owned()))
    }

    fn with_pool(pool: PgPool, access: Access) -> Self {
        let sql = Arc::new(Statements::with_prefix(DEFAULT_PREFIX));
        Self { pool, sql, prefix: DEFAULT_PREFIX.into(), access }
    }
}
