//! Connecting to MySQL, and what is set on each connection.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Connection, Executor, MySql, MySqlConnection, MySqlPool, Row,
    mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlSslMode},
};
use tokio::time::timeout;

use super::{MySqlStore, statements::Statements};
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
}

impl MySqlStore {
    /// Connects to the database at `url`, such as `mysql://user:password@host/database`, with up to 10 connections.
    ///
    /// `?max_connections=30` sets how many there are. With the feature `tls-rustls`, connections to another
    /// machine are encrypted where the server can (`ssl-mode=PREFERRED`);
    /// `?ssl-mode=VERIFY_IDENTITY&ssl-ca=/path/to/ca.pem` insists on it, and on a certificate for this host.
    /// `?ssl-mode=REQUIRED` insists on encryption and believes any certificate.
    ///
    /// Each connection has a `sql_mode` of its own choosing, whatever the server's is, and `utf8mb4`. On a Galera
    /// cluster it sees what had been committed on other nodes before it asked (`wsrep_sync_wait`).
    /// The schema is left to [`migrate`](crate::store::SessionStore::migrate).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Location`] when `url` is not the address of a MySQL database, [`StoreErrorKind::Unavailable`]
    /// when nothing answers there within 5 s, [`StoreErrorKind::Unsuitable`] when the server is read-only, as replicas
    /// are, or its certificate is not to be trusted.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, ConnectOptions::new()).await
    }

    /// The same as [`connect`](Self::connect), with other settings than the defaults.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: ConnectOptions) -> Result<Self, StoreError> {
        check_scheme(url, &["mysql://", "mariadb://"])?;
        let (options, url) = options.and_those_of(url)?;
        let server = server_at(&url).map_err(failure)?;
        // A connection in use is known to live; one that has rested may have been cut by what is in between.
        let pool = MySqlPoolOptions::new()
            .max_connections(options.size_or(CONNECTIONS))
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(SET_MODE)).await?;
                    match connection.execute(sqlx::raw_sql(WAIT_FOR_OTHERS)).await {
                        Err(error) if is_unknown_variable(&error) => Ok(()),
                        set => set.map(drop),
                    }
                })
            })
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
    /// Each call costs one message more than with [`connect`](Self::connect): a transaction that other code has left
    /// open on a pooled connection would swallow a write and show a read what was so when it began, so it is rolled
    /// back first. The pool's own time to wait for a connection applies; a second or less suits the deadline of a
    /// request. When the server turns out to be read-only, the pool's idle connections are closed.
    ///
    /// The connections keep their `sql_mode`. [`check`](crate::store::SessionStore::check) refuses
    /// `EMPTY_STRING_IS_NULL`.
    pub fn from_pool(pool: MySqlPool) -> Self {
        Self::with_pool(pool, Access::Shared)
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

    /// A connection for one statement, which commits on its own. It is to be [finished](Lease::finish).
    pub(super) async fn connection(&self) -> Result<Lease<MySql>, StoreError> {
        let mut lease = self.connections.lend().await?;
        if self.access == Access::Shared {
            lease.say("ROLLBACK").await?;
        }
        Ok(lease)
    }

    /// A connection with a transaction begun on it, which locks the rows it meets and no gaps between them.
    ///
    /// Not by `BEGIN`, which is something else where `sql_mode` is `ORACLE`.
    pub(super) async fn atomically(&self) -> Result<Lease<MySql>, StoreError> {
        let begin = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION";
        self.connection().await?.begin(begin).await
    }

    /// Refuses a `sql_mode` in which the statements mean something else.
    pub(super) async fn check_mode(connection: &mut MySqlConnection) -> Result<(), StoreError> {
        let mode = connection.fetch_one(sqlx::raw_sql("SELECT @@sql_mode")).await.map_err(failure)?;
        let mode: String = mode.try_get(0).map_err(failure)?;
        if mode.split(',').any(|mode| mode == "EMPTY_STRING_IS_NULL") {
            let told = "sql_mode has EMPTY_STRING_IS_NULL, in which an empty text is not one: take it out";
            return Err(StoreError::new(StoreErrorKind::Unsuitable, told));
        }
        Ok(())
    }

    /// The server, if it is on another machine and says that the connection is not encrypted.
    pub(super) async fn peer_in_clear_text(&self) -> Result<Option<String>, StoreError> {
        let options = self.connections.connect_options();
        let host = options.get_host();
        if options.get_socket().is_some() || is_this_machine(host) {
            return Ok(None);
        }
        let mut lease = self.connection().await?;
        let query = sqlx::query("SHOW SESSION STATUS LIKE 'Ssl_cipher'");
        let row = query.fetch_optional(&mut *lease).await.map_err(failure)?;
        lease.finish().await?;
        let cipher: Option<String> = row.map(|row| row.try_get(1)).transpose().map_err(failure)?;
        Ok(cipher.is_some_and(|cipher| cipher.is_empty()).then(|| host.to_owned()))
    }

    fn with_pool(pool: MySqlPool, access: Access) -> Self {
        let sql = Arc::new(Statements::with_prefix(DEFAULT_PREFIX));
        Self { connections: Connections::new("mysql", pool), sql, prefix: DEFAULT_PREFIX.into(), access }
    }
}

impl Server for MySql {
    async fn takes_changes(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
        let question = "SELECT CONCAT(@@global.read_only, ',', @@global.innodb_read_only)";
        let answer: String = connection.fetch_one(sqlx::raw_sql(question)).await?.try_get(0)?;
        // Newer servers of MariaDB know more than on and off.
        Ok(answer.split(',').all(|is_on| matches!(is_on, "0" | "OFF")))
    }

    /// Too many connections, to the server or of this user.
    fn is_full(error: &sqlx::Error) -> bool {
        let sqlx::Error::Database(error) = error else { return false };
        let error = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
        error.is_some_and(|error| matches!(error.number(), 1040 | 1203 | 1226))
    }
}

fn server_at(url: &str) -> Result<MySqlConnectOptions, sqlx::Error> {
    let options = MySqlConnectOptions::from_str(url)?.charset("utf8mb4");
    // They are set afterwards, with the rest of `SET_MODE`.
    let mut options = options.pipes_as_concat(false).no_engine_substitution(false);
    if let Some(host) = without_brackets(options.get_host()).map(str::to_owned) {
        options = options.host(&host);
    }
    // Nobody else can read it: making such a connection would only take many times as long.
    if matches!(options.get_ssl_mode(), MySqlSslMode::Preferred) && !is_far(&options) {
        options = options.ssl_mode(MySqlSslMode::Disabled);
    }
    Ok(options)
}

fn is_far(server: &MySqlConnectOptions) -> bool {
    server.get_socket().is_none() && !is_this_machine(server.get_host())
}

/// Makes the first connection, which says more than a pool about what is wrong.
async fn first(server: &MySqlConnectOptions) -> Result<(), StoreError> {
    let mut connection = MySqlConnection::connect_with(server).await.map_err(failure)?;
    inspect(&mut connection).await?;
    // An error is of no interest: the connection has done its work.
    let _ = connection.close().await;
    Ok(())
}

/// Refuses a server on which sessions cannot live.
async fn inspect(connection: &mut MySqlConnection) -> Result<(), StoreError> {
    if !MySql::takes_changes(connection).await.map_err(failure)? {
        let told = "the server takes no changes: it is read-only, as a replica is";
        return Err(StoreError::new(StoreErrorKind::Unsuitable, told));
    }
    Ok(())
}

/// Where it exists, as in Galera: reads and changes wait until what other nodes had committed before is there.
/// Elsewhere it is one message for each connection.
const WAIT_FOR_OTHERS: &str = "SET SESSION wsrep_sync_wait = 7";

fn is_unknown_variable(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().is_some_and(|error| error.number() == 1193)
}

/// What the statements are written for: that of the server, or of the user, may change what they mean.
const SET_MODE: &str = "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'";
