//! Connecting to MySQL, and what is set on each connection.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Connection, MySql, MySqlPool, Row,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};

use super::{MySqlStore, statements::Statements};
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
}

impl MySqlStore {
    /// Connects to the database at `url`, such as `mysql://user:password@host/database`, with up to 10 connections.
    ///
    /// The schema is left to [`migrate`](crate::store::SessionStore::migrate).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Location`](crate::store::StoreErrorKind::Location) when `url` is not the address of a MySQL
    /// database, [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable) when nothing answers there
    /// within a second.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        check_scheme(url, &["mysql://", "mariadb://"])?;
        let options = MySqlConnectOptions::from_str(url).map_err(failure)?;
        // A connection in use is known to live; one that has rested may have been cut by what is in between.
        let pool = MySqlPoolOptions::new().acquire_timeout(PATIENCE).test_before_acquire(false).before_acquire(
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
    /// Each call costs one message more than with [`connect`](Self::connect): a transaction that other code has left
    /// open on a pooled connection would swallow a write and show a read what was so when it began, so it is rolled
    /// back first. The pool's own time to wait for a connection applies; a second or less suits the deadline of a
    /// request.
    pub fn from_pool(pool: MySqlPool) -> Self {
        Self::with_pool(pool, Access::Shared)
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

    /// A connection for one statement, which commits on its own.
    pub(super) async fn connection(&self) -> Result<Lease<MySql>, StoreError> {
        let mut lease = Lease::new(self.pool.acquire().await.map_err(failure)?);
        if self.access == Access::Shared {
            lease.say("ROLLBACK").await?;
        }
        Ok(lease)
    }

    /// A connection with a transaction begun on it, which locks the rows it meets and no gaps between them.
    pub(super) async fn atomically(&self) -> Result<Lease<MySql>, StoreError> {
        self.connection().await?.begin("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN").await
    }

    /// The server, if it is on another machine and says that the connection is not encrypted.
    pub(super) async fn peer_in_clear_text(&self) -> Result<Option<String>, StoreError> {
        let options = self.pool.connect_options();
        let host = options.get_host();
        if options.get_socket().is_some() || is_this_machine(host) {
            return Ok(None);
        }
        let mut lease = self.connection().await?;
        let query = sqlx::query("SHOW SESSION STATUS LIKE 'Ssl_cipher'");
        let row = query.fetch_optional(&mut *lease).await.map_err(failure)?;
        let cipher: Option<String> = row.map(|row| row.try_get(1)).transpose().map_err(failure)?;
        Ok(cipher.is_some_and(|cipher| cipher.is_empty()).then(|| host.to_owned()))
    }

    fn with_pool(pool: MySqlPool, access: Access) -> Self {
        let sql = Arc::new(Statements::with_prefix(DEFAULT_PREFIX));
        Self { pool, sql, prefix: DEFAULT_PREFIX.into(), access }
    }
}
