//! A bus over `LISTEN` and `NOTIFY` of Postgres.

use std::{fmt, sync::Arc, time::Duration};

use sqlx::{
    PgPool, Row,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::time;

use super::{
    BusError, BusErrorKind, BusFuture, BusHealth, Realm, RevocationBus, RevocationMessage, Subscription,
    reconnect::{Link, Lost, listen},
    tally::Tally,
};
use crate::address::{take_parameter, without_brackets};

/// A bus on the `LISTEN` and `NOTIFY` of Postgres.
///
/// Each subscription has a connection of its own, which must not go through a pooler in transaction mode, such as
/// PgBouncer: `LISTEN` seems to succeed there, and no message ever arrives. Publishing may go through one, see
/// [`publish_through`](Self::publish_through). If there is no other way to the database, use the [polling
/// bus](super::PollingBus).
///
/// Postgres commits transactions that notify one after another. That does not matter for revocations, which are few.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`channel`](Self::channel) | one for each [realm](crate::bus::Realm) |
/// | [`keep_alive`](Self::keep_alive) | 10 s |
///
/// # Examples
///
/// ```
/// use tower_device_sessions::bus::{BusError, PostgresBus};
///
/// # async fn open() -> Result<(), BusError> {
/// let bus = PostgresBus::connect("postgres://app@localhost/app").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresBus {
    options: PgConnectOptions,
    publisher: PgPool,
    channel: Arc<str>,
    /// Whether the application has chosen the channel.
    is_named: bool,
    keep_alive: Duration,
    tally: Arc<Tally>,
}

impl PostgresBus {
    /// A bus on the database at `url`, with a connection of its own to publish by.
    ///
    /// # Errors
    ///
    /// [`BusErrorKind::Location`] when `url` is not the address of a database, [`BusErrorKind::Unavailable`] when it
    /// cannot be reached. TLS is asked for in the URL, as by [`PostgresStore`](crate::store::PostgresStore::connect).
    pub async fn connect(url: &str) -> Result<Self, BusError> {
        let (url, _) = take_parameter(url, "max_connections");
        let options: PgConnectOptions =
            url.parse().map_err(|error: sqlx::Error| BusError::new(BusErrorKind::Location, error))?;
        let options = match without_brackets(options.get_host()).map(str::to_owned) {
            Some(host) => options.host(&host),
            None => options,
        };
        let publisher = one_connection().connect_with(options.clone()).await.map_err(BusError::unavailable)?;
        Ok(Self::new(options, publisher))
    }

    /// A bus on the database of this pool. It publishes by the pool's connections; each subscription makes one of its
    /// own with the pool's options.
    pub fn from_pool(pool: PgPool) -> Self {
        let options = pool.connect_options().as_ref().clone();
        Self::new(options, pool)
    }

    fn new(options: PgConnectOptions, publisher: PgPool) -> Self {
        let (channel, tally) = (CHANNEL.into(), Arc::default());
        Self { options, publisher, channel, is_named: false, keep_alive: KEEP_ALIVE, tally }
    }

    /// The name of the channel, for nodes of several realms that should hear each other. Default: a manager names it
    /// `tds_revocations_` and after its [realm](crate::bus::Realm); a bus without a manager is on `tds_revocations`.
    ///
    /// # Errors
    ///
    /// [`BusErrorKind::Location`] unless it is 1 to 63 lower-case letters, digits and underscores.
    pub fn channel(mut self, channel: &str) -> Result<Self, BusError> {
        let fits = (1..=63).contains(&channel.len());
        let clean = channel.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !fits || !clean {
            let rule = "a channel is 1 to 63 lower-case letters, digits and underscores";
            return Err(BusError::new(BusErrorKind::Location, rule));
        }
        self.channel = channel.into();
        self.is_named = true;
        Ok(self)
    }

    /// How long a connection may be silent before it is tested. Only this detects a server that is gone without closing
    /// the connection, as behind a broken network. Default: 10 s, at least 100 ms.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval.max(SHORTEST_KEEP_ALIVE);
        self
    }

    /// Publishes through the connections of this pool instead.
    #[must_use]
    pub fn publish_through(mut self, pool: PgPool) -> Self {
        self.publisher = pool;
        self
    }

    async fn notify(&self, payloads: Vec<String>) -> Result<(), BusError> {
        // Not prepared: a pooler in transaction mode may not know the statement the next time.
        let notify = "SELECT count(pg_notify($1, payload)), current_setting('default_transaction_read_only') \
                      FROM UNNEST($2::text[]) AS payload";
        let notified = async {
            let mut connection = self.publisher.acquire().await?;
            let query = || sqlx::query(notify).bind(&*self.channel).bind(&payloads).persistent(false);
            let row = query().fetch_one(&mut *connection).await?;
            if row.try_get::<String, _>(1)? == "off" {
                return Ok(());
            }
            // Nobody may listen any more to a server that has been demoted. The next connection leads to its successor,
            // or back.
            connection.close_on_drop();
            drop(connection);
            query().fetch_one(&self.publisher).await.map(drop)
        };
        match time::timeout(PATIENCE, notified).await {
            Ok(notified) => notified.map_err(BusError::unavailable),
            Err(elapsed) => Err(BusError::unavailable(elapsed)),
        }
    }

    fn link(&self) -> PostgresLink {
        PostgresLink { options: self.options.clone(), channel: Arc::clone(&self.channel), keep_alive: self.keep_alive }
    }
}

impl RevocationBus for PostgresBus {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn in_realm(&self, realm: &Realm) -> Option<Arc<dyn RevocationBus>> {
        let scoped = || Self { channel: format!("{CHANNEL}_{realm}").into(), is_named: true, ..self.clone() };
        if self.is_named { None } else { Some(Arc::new(scoped())) }
    }

    fn publish<'a>(&'a self, message: &'a RevocationMessage) -> BusFuture<'a, Result<(), BusError>> {
        Box::pin(async { self.tally.publishing(self.notify(vec![message.encode()]).await) })
    }

    /// In one statement.
    fn publish_all<'a>(&'a self, messages: &'a [RevocationMessage]) -> BusFuture<'a, Result<(), BusError>> {
        let payloads: Vec<String> = messages.iter().map(RevocationMessage::encode).collect();
        Box::pin(async { self.tally.publishing(self.notify(payloads).await) })
    }

    fn subscribe(&self) -> Subscription {
        listen(self.name(), self.link(), &self.tally)
    }

    fn check(&self) -> BusFuture<'_, Result<(), BusError>> {
        Box::pin(async { self.link().connect().await.map(drop).map_err(BusError::unavailable) })
    }

    fn health(&self) -> BusHealth {
        self.tally.health()
    }
}

impl fmt::Debug for PostgresBus {
    /// Names no address: the options hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBus").field("channel", &self.channel).finish_non_exhaustive()
    }
}

struct PostgresLink {
    options: PgConnectOptions,
    channel: Arc<str>,
    keep_alive: Duration,
}

impl Link for PostgresLink {
    type Connection = PgListener;

    async fn connect(&self) -> Result<PgListener, Lost> {
        let pool = one_connection().connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.ignore_pool_close_event(true);
        // A listener that reconnects by itself does not always tell, and does not do it at all after some errors. This
        // one is thrown away whenever anything is wrong.
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await?;
        Ok(listener)
    }

    async fn receive(&self, listener: &mut PgListener) -> Result<Vec<u8>, Lost> {
        loop {
            match time::timeout(self.keep_alive, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => return Ok(notification.payload().as_bytes().to_vec()),
                Ok(Ok(None)) => return Err("the connection was closed".into()),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    let question = "SELECT current_setting('default_transaction_read_only')";
                    let row = sqlx::query(question).fetch_one(&mut *listener);
                    let is_read_only: String = time::timeout(PATIENCE, row).await??.try_get(0)?;
                    if is_read_only != "off" {
                        return Err("the server takes no changes any more, and may not hear of any".into());
                    }
                }
            }
        }
    }
}

fn one_connection() -> PgPoolOptions {
    PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).acquire_timeout(PATIENCE)
}

const CHANNEL: &str = "tds_revocations";

/// How long a statement, or a wait for a connection, may take.
const PATIENCE: Duration = Duration::from_secs(2);

const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// More often would be a burden.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_millis(100);
