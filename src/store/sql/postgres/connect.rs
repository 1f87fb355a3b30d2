//! Connecting to Postgres, and what is set on each connection.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Connection, Executor, PgConnection, PgPool, Postgres, Row,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use tokio::time::timeout;

use super::{PostgresStore, statements::Statements};
use crate::{
    address::without_brackets,
    host::is_this_machine,
    store::{
        ConnectOptions, StoreError, StoreErrorKind,
        sql::{
            failure::failure,
            lease::Lease,
            names::{DEFAULT_PREFIX, check_prefix, check_scheme},
            pool::{Connections, Server},
        },
    },
};

/// How long a call waits for a free connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the first connection may take: nobody waits for it yet, and it may be a long way.
const PATIENCE_AT_START: Duration = Duration::from_secs(5);

/// How many connections there are at most.
const CONNECTIONS: u32 = 10;

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
    /// `?max_connections=30` sets how many there are. With the feature `tls-rustls`, connections to another
    /// machine are encrypted where the server can (`sslmode=prefer`);
    /// `?sslmode=verify-full&sslrootcert=/path/to/ca.pem` insists on it, and on a certificate for this host.
    /// `?sslmode=require` insists on encryption and believes any certificate.
    ///
    /// The schema is left to [`migrate`](crate::store::SessionStore::migrate).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Location`] when `url` is not the address of a Postgres database,
    /// [`StoreErrorKind::Unavailable`] when nothing answers there within 5 s, [`StoreErrorKind::Unsuitable`] when the
    /// server is a standby or read-only, its certificate is not to be trusted, or the database cannot hold UTF-8.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, ConnectOptions::new()).await
    }

    /// The same as [`connect`](Self::connect), with other settings than the defaults.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: ConnectOptions) -> Result<Self, StoreError> {
        check_scheme(url, &["postgres://", "postgresql://"])?;
        let (options, url) = options.and_those_of(url)?;
        let server = server_at(&url).map_err(failure)?;
        // A connection in use is known to live; one that has rested may have been cut by what is in between.
        let pool = PgPoolOptions::new()
            .max_connections(options.size_or(CONNECTIONS))
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .before_acquire(|connection, rest| {
                Box::pin(async move {
                    if rest.idle_for >= PATIENCE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            });
        match timeout(PATIENCE_AT_START, first(&server)).await {
            Ok(inspected) => inspected?,
            Err(elapsed) => return Err(StoreError::unavailable(elapsed)),
        }
        Ok(Self::with_pool(pool.connect_lazy_with(server), Access::Own))
    }

    /// A store on the application's own pool.
    ///
    /// Each write costs one message more than with [`connect`](Self::connect): a transaction that other code has left
    /// open on a pooled connection would swallow it, so the connection is asked first, and such a transaction is rolled
    /// back. The pool's own time to wait for a connection applies; a second or less suits the deadline of a request.
    /// When the server turns out to be a standby, the pool's idle connections are closed.
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
    /// [`StoreErrorKind::Location`] unless it is 1 to 21 lower-case letters, digits and underscores that do not start
    /// with a digit.
    pub fn table_prefix(mut self, prefix: &str) -> Result<Self, StoreError> {
        check_prefix(prefix)?;
        self.sql = Arc::new(Statements::with_prefix(prefix));
        self.prefix = prefix.into();
        Ok(self)
    }

    /// A connection for a statement that changes nothing.
    pub(super) async fn reading(&self) -> Result<Lease<Postgres>, StoreError> {
        match self.access {
            Access::Own | Access::Shared => self.connections.lend().await,
            Access::TransactionPooler => self.atomically().await,
        }
    }

    /// A connection for one statement that changes something, which commits on its own.
    pub(super) async fn writing(&self) -> Result<Lease<Postgres>, StoreError> {
        match self.access {
            Access::Own => self.connections.lend().await,
            Access::Shared => self.sound_connection().await,
            Access::TransactionPooler => self.atomically().await,
        }
    }

    /// A connection with a transaction begun on it.
    pub(super) async fn atomically(&self) -> Result<Lease<Postgres>, StoreError> {
        let lease = match self.access {
            Access::Own | Access::TransactionPooler => self.connections.lend().await?,
            Access::Shared => self.sound_connection().await?,
        };
        lease.begin("BEGIN").await
    }

    /// A connection without a transaction that somebody has left open on it.
    ///
    /// Such a transaction began before the statement that asks; one that has failed meanwhile returns nothing at all.
    /// The question is asked as text: a prepared statement is two messages, and the first begins the transaction.
    async fn sound_connection(&self) -> Result<Lease<Postgres>, StoreError> {
        let mut lease = self.connections.lend().await?;
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
        let options = self.connections.connect_options();
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
        Self { connections: Connections::new("postgres", pool), sql, prefix: DEFAULT_PREFIX.into(), access }
    }
}

impl Server for Postgres {
    async fn takes_changes(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        // Not whether this transaction is read-only: the application may have left one open that is.
        let question = "SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'";
        connection.fetch_one(sqlx::raw_sql(question)).await?.try_get(0)
    }

    fn is_full(error: &sqlx::Error) -> bool {
        matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("53300"))
    }
}

fn server_at(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let mut options = PgConnectOptions::from_str(url)?;
    if let Some(host) = without_brackets(options.get_host()).map(str::to_owned) {
        options = options.host(&host);
    }
    // Nobody else can read it: making such a connection would only take many times as long.
    if matches!(options.get_ssl_mode(), PgSslMode::Prefer) && !is_far(&options) {
        options = options.ssl_mode(PgSslMode::Disable);
    }
    Ok(options)
}

fn is_far(server: &PgConnectOptions) -> bool {
    server.get_socket().is_none() && !is_this_machine(server.get_host())
}

/// Makes the first connection, which says more than a pool about what is wrong.
async fn first(server: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect_with(server).await.map_err(failure)?;
    inspect(&mut connection).await?;
    // An error is of no interest: the connection has done its work.
    let _ = connection.close().await;
    Ok(())
}

/// Refuses a server on which sessions cannot live.
async fn inspect(connection: &mut PgConnection) -> Result<(), StoreError> {
    let row =
        connection.fetch_one(sqlx::raw_sql("SELECT current_setting('server_encoding')")).await.map_err(failure)?;
    let encoding: String = row.try_get(0).map_err(failure)?;
    // Without an encoding Postgres keeps the bytes as they are.
    if !matches!(encoding.as_str(), "UTF8" | "SQL_ASCII") {
        let told = format!("the database's encoding is {encoding}: create one with ENCODING 'UTF8' TEMPLATE template0");
        return Err(StoreError::new(StoreErrorKind::Unsuitable, told));
    }
    match Postgres::takes_changes(connection).await {
        Ok(false) => {
            let told = "the server takes no changes: it is a standby, or read-only";
            return Err(StoreError::new(StoreErrorKind::Unsuitable, told));
        }
        // A relative of Postgres may have no such question.
        Ok(true) | Err(sqlx::Error::Database(_)) => {}
        Err(error) => return Err(failure(error)),
    }
    Ok(())
}
