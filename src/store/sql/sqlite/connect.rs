//! Opening a SQLite database: one connection that writes, and several that read.

use std::{str::FromStr, sync::Arc, thread::available_parallelism, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    SqliteStore,
    file::{File, create_private},
    statements::Statements,
};
use crate::store::{
    ConnectOptions, StoreError,
    sql::{
        failure::failure,
        names::{DEFAULT_PREFIX, check_prefix, check_scheme},
    },
};

/// How long a write waits for that of another process, and any call for a free connection.
const PATIENCE: Duration = Duration::from_secs(1);

impl SqliteStore {
    /// Opens the database at `url`, such as `sqlite://sessions.db`; it is created when it is not there, for its owner
    /// only.
    ///
    /// `sqlite::memory:` is a database of its own that is gone with the store; it has one connection for everything.
    /// The schema is left to [`migrate`](crate::store::SessionStore::migrate).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Location`](crate::store::StoreErrorKind::Location) when `url` is not the address of a SQLite
    /// database, [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable) when it cannot be opened.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, ConnectOptions::new()).await
    }

    /// The same as [`connect`](Self::connect), with other settings than the defaults: how many connections read.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: ConnectOptions) -> Result<Self, StoreError> {
        check_scheme(url, &["sqlite:"])?;
        let (size, url) = options.and_those_of(url)?;
        let options =
            SqliteConnectOptions::from_str(&url).map_err(failure)?.create_if_missing(true).busy_timeout(PATIENCE);
        if url.contains(":memory:") || url.contains("mode=memory") {
            let pool = one_connection().connect_with(options).await.map_err(failure)?;
            return Ok(Self::from_pool(pool));
        }

        if !url.contains("mode=ro") {
            create_private(options.get_filename());
        }
        let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        // Where the process was when it opened it: it may go elsewhere.
        let path = std::path::absolute(options.get_filename()).map_err(StoreError::unavailable)?;
        let writing = open_writer(&options).await?;
        let file = File::opened(path).map_err(StoreError::unavailable)?;
        let processors = available_parallelism().map_or(2, usize::from);
        let readers = u32::try_from(processors.clamp(2, 8)).unwrap_or(2);
        let reading =
            pool_options().max_connections(size.size_or(readers)).connect_lazy_with(options.create_if_missing(false));
        Ok(Self { file: Some(Arc::new(file)), ..Self::with_pools(reading, writing) })
    }

    /// A store on the application's own connections, for reading and writing.
    ///
    /// How they are set up is the application's choice: without WAL a write keeps reads waiting, without
    /// `synchronous = FULL` a loss of power can undo a revocation, and a busy timeout above the deadline of a request
    /// helps nobody.
    pub fn from_pool(pool: SqlitePool) -> Self {
        Self::with_pools(pool.clone(), pool)
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

    /// The connections for a statement that changes nothing.
    ///
    /// When the file is gone, only the one that writes is sure to have it: another one may be opened on what took its
    /// place, in which sessions that were revoked are not.
    pub(super) fn reader(&self) -> &SqlitePool {
        match &self.file {
            Some(file) if file.was_gone() => &self.writing,
            _ => &self.reading,
        }
    }

    /// The connections for a change, unless it would be lost.
    pub(super) fn writer(&self) -> Result<&SqlitePool, StoreError> {
        if let Some(file) = &self.file {
            file.check()?;
        }
        Ok(&self.writing)
    }

    fn with_pools(reading: SqlitePool, writing: SqlitePool) -> Self {
        let sql = Arc::new(Statements::with_prefix(DEFAULT_PREFIX));
        Self { reading, writing, file: None, sql, prefix: DEFAULT_PREFIX.into() }
    }
}

/// Opens the connection that writes. Switching a new database to WAL fails at once while another process does the same:
/// SQLite does not wait for that, so it is tried again.
async fn open_writer(options: &SqliteConnectOptions) -> Result<SqlitePool, StoreError> {
    let mut attempts_left = 40;
    loop {
        let pool = one_connection().connect_with(options.clone()).await;
        match pool {
            Err(sqlx::Error::Database(error)) if attempts_left > 0 && is_busy(&*error) => {
                attempts_left -= 1;
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
            pool => return pool.map_err(failure),
        }
    }
}

/// `SQLITE_BUSY`, whatever its extension.
pub(super) fn is_busy(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

fn one_connection() -> SqlitePoolOptions {
    // A database in memory lives as long as its connection, which therefore is never retired.
    pool_options().min_connections(1).max_connections(1).idle_timeout(None).max_lifetime(None)
}

fn pool_options() -> SqlitePoolOptions {
    // A file does not hang up, so asking it whether it is still there would only cost time.
    SqlitePoolOptions::new().acquire_timeout(PATIENCE).test_before_acquire(false)
}
