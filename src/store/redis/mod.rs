//! The layout is in `keys`, a record's fields are in `record`, what Redis does in one step is in `lua/`.

mod admit;
mod connection;
mod device_sweep;
mod devices;
mod ending;
mod failure;
mod keys;
mod operations;
mod scan;
mod script;
mod single;
mod sweep;

use std::time::Duration;

use redis::{Client, Value, aio::ConnectionManager, cluster::ClusterClient};

use self::{
    connection::{Connection, Replicas, Source},
    keys::Keys,
    script::Call,
    single::Single,
};
use crate::store::StoreError;

/// A store in Redis or Valkey, on one server or a cluster.
///
/// Every change is one script, so it is one atomic step; it takes one round trip, save for a sign-in under a limit,
/// which takes two, and more while others of the same user race it. All keys of a user are on one node of a cluster.
/// Times come from the caller; the server's clock only decides when a record that nobody has purged is dropped at last,
/// a day or more after its time.
///
/// # What can be lost
///
/// A session whose record is lost is signed out, never let in. That goes for `FLUSHALL`, for a server that forgets on
/// restart, and for a server that evicts keys when it is full, which it should not be allowed to
/// (`maxmemory-policy noeviction`; ending sessions still works when it is full).
///
/// A revocation can be lost too, and then the session **is let in again**:
///
/// - Replication is asynchronous. When a primary fails right after it has answered, and a replica without the change
///   takes its place, the change is gone. [`wait_replicas`](Self::wait_replicas) makes that much less likely, not
///   impossible: Redis is not a strongly consistent store.
/// - Persistence is off or up to a second behind by default. A server that crashes and restarts from its disk goes back
///   to what was there, unless it runs with `appendonly yes` and `appendfsync always`.
/// - A restored backup brings back the sessions that were active in it.
///
/// Where that is not acceptable, use an SQL store and let Redis carry the messages between nodes only.
///
/// # Requirements
///
/// Redis 7 or Valkey. Reads go to primaries: a server that has become a replica is noticed within a second, and another
/// connection made. While a slot of a cluster is being moved, calls on it may fail and are worth
/// repeating. Clones share the connections.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`key_prefix`](Self::key_prefix) | `tds:` |
/// | [`retention`](Self::retention) | 60 days |
/// | [`wait_replicas`](Self::wait_replicas) | none |
/// | wait for a connection, and for an answer | 500 ms each |
///
/// # Examples
///
/// ```
/// use tower_device_sessions::store::{RedisStore, StoreError};
///
/// # async fn open() -> Result<(), StoreError> {
/// let store = RedisStore::connect("redis://127.0.0.1/").await?;
/// let store = store.key_prefix("shop:")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RedisStore {
    connection: Connection,
    source: Source,
    /// Endings that wait for replicas use a connection of their own: `WAIT` blocks everything behind it.
    endings: Option<(Connection, Replicas)>,
    keys: Keys,
    retention: Duration,
}

impl RedisStore {
    /// Connects to the server at `url`: `redis://[user][:password@]host[:port][/database]`, or
    /// `redis+unix:///path/to/socket`. `rediss://` is TLS, with the feature `tls-rustls`: the server's
    /// certificate has to be one that the system trusts, or that `?ssl-ca=/path/to/ca.pem` does; `ssl-cert` and
    /// `ssl-key` name the client's own.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Location`](crate::store::StoreErrorKind::Location) when `url` is not the address of a server,
    /// [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable) when it does not answer,
    /// [`StoreErrorKind::Unsuitable`](crate::store::StoreErrorKind::Unsuitable) when it is a replica, is older than
    /// Redis 7, or does not let this user run scripts.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::from_source(Source::single(url)?).await
    }

    /// Connects to the cluster that these nodes belong to; the others are found through them.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub async fn cluster(urls: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, StoreError> {
        Self::from_source(Source::cluster(urls)?).await
    }

    /// A store on a client of the application's own, with its address, credentials and TLS.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub async fn from_client(client: Client) -> Result<Self, StoreError> {
        Self::from_source(Source::Client(Box::new(client))).await
    }

    /// A store on a cluster client of the application's own, with its retries and timeouts. Those of the driver by
    /// default are longer than a request should wait.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub async fn from_cluster_client(client: ClusterClient) -> Result<Self, StoreError> {
        Self::from_source(Source::Cluster { client: Box::new(client), plain: None }).await
    }

    /// A store on a connection of the application's own, with its timeouts. When its server turns out to be a replica,
    /// it is told to close the connection, which is then made again.
    pub fn from_connection_manager(manager: ConnectionManager) -> Self {
        Self::with_connection(Connection::Single(Single::of_the_application(manager)), Source::Application)
    }

    async fn from_source(source: Source) -> Result<Self, StoreError> {
        let connection = source.connect(Duration::ZERO).await?;
        connection.inspect().await?;
        Ok(Self::with_connection(connection, source))
    }

    fn with_connection(connection: Connection, source: Source) -> Self {
        Self { connection, source, endings: None, keys: Keys::default(), retention: RETENTION }
    }

    /// What the names of all keys begin with. Default: `tds:`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Location`](crate::store::StoreErrorKind::Location) unless it is 1 to 64 ASCII letters, digits
    /// and characters of `_-.:/`.
    pub fn key_prefix(mut self, prefix: &str) -> Result<Self, StoreError> {
        self.keys = Keys::new(prefix)?;
        Ok(self)
    }

    /// How long a record is kept after its session has ended, if nobody purges it. Default: 60 days.
    ///
    /// A day is added to it, since the server's clock decides. It should be longer than the retention of the manager,
    /// which purges what is older.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Reports that sessions have ended, or that older tokens are refused, only once this many replicas have the
    /// change, and fails if they do not within `timeout`. Default: only the primary.
    ///
    /// Choose a timeout below the deadline that the manager gives the store. A change that failed this way is on the
    /// primary, and is safe to repeat. These changes get a connection of their own, on which each waits for the one
    /// before.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable) when the connection cannot be made,
    /// [`StoreErrorKind::Location`](crate::store::StoreErrorKind::Location) for a store that was
    /// [given a connection](Self::from_connection_manager).
    pub async fn wait_replicas(mut self, replicas: u32, timeout: Duration) -> Result<Self, StoreError> {
        let connection = self.source.connect(timeout).await?;
        self.endings = Some((connection, Replicas { count: replicas, timeout }));
        Ok(self)
    }

    /// Runs a script that ends sessions.
    async fn invoke_ending(&self, call: &Call) -> Result<Value, StoreError> {
        match &self.endings {
            Some((connection, replicas)) => {
                let answers = connection.invoke_and_wait(std::slice::from_ref(call), *replicas).await?;
                answers.into_iter().next().ok_or_else(|| StoreError::unavailable("no answer"))
            }
            None => self.connection.invoke(call).await,
        }
    }

    /// How long a record is kept after its end.
    fn kept_for(&self) -> Duration {
        self.retention.saturating_add(SLACK)
    }
}

/// A time to live, in milliseconds that Redis takes: never none, and never so many that adding the present overflows.
fn time_to_live(duration: Duration) -> String {
    duration.min(LONGEST_LIFE).as_millis().max(1).to_string()
}

/// How long records outlive their sessions by default, if nobody purges them.
const RETENTION: Duration = Duration::from_secs(60 * 86_400);

/// What the server's clock may be wrong by.
const SLACK: Duration = Duration::from_secs(86_400);

/// Ten thousand years.
const LONGEST_LIFE: Duration = Duration::from_secs(10_000 * 365 * 86_400);
