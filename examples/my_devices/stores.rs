//! Where sessions are kept, and how nodes hear of each other, from environment variables.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `DATABASE_URL` | the URL of the store, see below | the application's |
//! | `MAX_CONNECTIONS` | how many connections the store keeps open to an SQL database at most | 10 |
//! | `TRANSACTION_POOLER` | `on`: behind a pooler in transaction mode, such as PgBouncer | `off` |
//! | `BUS` | `postgres`, `redis`, `poll` or `none` | the store's: `poll` for MySQL and poolers, `none` for SQLite |
//! | `REDIS_URL` | the server of `BUS=redis` | `DATABASE_URL`, if that is one |
//!
//! The store is at `sqlite://FILE`, `memory:`, or `postgres`, `mysql`, `mariadb`, `redis`, `rediss`.

use std::{error::Error, time::Duration};

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use tower_device_sessions::store::ConnectOptions;
use tower_device_sessions::{
    SessionManager,
    bus::{LocalBus, RevocationBus},
    manager::SessionManagerBuilder,
    store::{self, MemoryStore, SessionStore},
};

use crate::settings::text;

/// The store and the bus. All builders that it opens share them.
pub struct Shared {
    store: Location,
    bus: Bus,
}

enum Location {
    Memory(MemoryStore),
    #[cfg(feature = "sqlite")]
    Sqlite(String, ConnectOptions),
    #[cfg(feature = "postgres")]
    Postgres(String, ConnectOptions, Pooler),
    #[cfg(feature = "mysql")]
    MySql(String, ConnectOptions),
    #[cfg(feature = "redis")]
    Redis(String),
}

/// What stands between the application and a Postgres server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pooler {
    None,
    Transactions,
}

enum Bus {
    None,
    Local(LocalBus),
    Poll,
    #[cfg(feature = "postgres")]
    Postgres(String),
    #[cfg(feature = "redis")]
    Redis(String),
}

impl Shared {
    pub fn from_env(default: &str) -> Result<Self, String> {
        let url = text("DATABASE_URL")?.unwrap_or_else(|| default.to_owned());
        let pooler = match text("TRANSACTION_POOLER")?.as_deref() {
            None | Some("off") => Pooler::None,
            Some("on") => Pooler::Transactions,
            Some(other) => return Err(format!("TRANSACTION_POOLER: {other:?} is none of on, off")),
        };
        let (store, own) = location(&url, connections()?, pooler)?;
        let bus = match text("BUS")?.as_deref() {
            None => own,
            Some("postgres") if pooler == Pooler::Transactions => {
                return Err("BUS: no notification comes through a transaction pooler; use poll or redis".to_owned());
            }
            Some("none") => Bus::None,
            Some("poll") => Bus::Poll,
            Some("postgres") => postgres_bus(&url)?,
            Some("redis") => redis_bus(text("REDIS_URL")?.unwrap_or(url))?,
            Some(other) => return Err(format!("BUS: {other:?} is none of postgres, redis, poll, none")),
        };
        Ok(Self { store, bus })
    }

    /// Opens the store, brings its schema up to date, connects to the bus, and begins a session manager. What could not
    /// be used later is refused here.
    pub async fn open(&self) -> Result<SessionManagerBuilder, String> {
        let builder = match &self.store {
            Location::Memory(store) => begin(store.clone()).await?,
            #[cfg(feature = "sqlite")]
            Location::Sqlite(url, options) => {
                begin(store::SqliteStore::connect_with(url, *options).await.map_err(database)?).await?
            }
            #[cfg(feature = "postgres")]
            Location::Postgres(url, options, pooler) => {
                let store = store::PostgresStore::connect_with(url, *options).await.map_err(database)?;
                begin(if *pooler == Pooler::Transactions { store.transaction_pooler() } else { store }).await?
            }
            #[cfg(feature = "mysql")]
            Location::MySql(url, options) => {
                begin(store::MySqlStore::connect_with(url, *options).await.map_err(database)?).await?
            }
            #[cfg(feature = "redis")]
            Location::Redis(url) => begin(store::RedisStore::connect(url).await.map_err(database)?).await?,
        };
        Ok(match &self.bus {
            Bus::None => builder.without_bus(),
            Bus::Local(bus) => builder.bus(bus.clone()),
            Bus::Poll => builder.polling(Duration::from_millis(500)),
            #[cfg(feature = "postgres")]
            Bus::Postgres(url) => {
                builder.bus(heard(tower_device_sessions::bus::PostgresBus::connect(url).await.map_err(bus)?).await?)
            }
            #[cfg(feature = "redis")]
            Bus::Redis(url) => {
                builder.bus(heard(tower_device_sessions::bus::RedisBus::connect(url).await.map_err(bus)?).await?)
            }
        })
    }
}

/// The store at a URL, and the bus that fits it.
#[allow(unused_variables, reason = "without a store's feature there is nothing to connect to")]
fn location(url: &str, options: ConnectOptions, pooler: Pooler) -> Result<(Location, Bus), String> {
    let scheme = url.split(':').next().unwrap_or_default();
    if pooler == Pooler::Transactions && !scheme.starts_with("postgres") {
        return Err("TRANSACTION_POOLER: takes a DATABASE_URL that is postgres://".to_owned());
    }
    match scheme {
        "memory" if matches!(url, "memory:" | "memory://") => {
            Ok((Location::Memory(MemoryStore::new()), Bus::Local(LocalBus::new())))
        }
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok((Location::Sqlite(url.to_owned(), options), Bus::None)),
        // What is heard needs a connection of its own, which a pooler does not give.
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" if pooler == Pooler::Transactions => {
            Ok((Location::Postgres(url.to_owned(), options, pooler), Bus::Poll))
        }
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            Ok((Location::Postgres(url.to_owned(), options, pooler), Bus::Postgres(url.to_owned())))
        }
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok((Location::MySql(url.to_owned(), options), Bus::Poll)),
        #[cfg(feature = "redis")]
        "redis" | "rediss" | "redis+unix" => Ok((Location::Redis(url.to_owned()), Bus::Redis(url.to_owned()))),
        _ => Err(match FEATURES.iter().find(|(schemes, _)| schemes.contains(&scheme)) {
            Some((_, feature)) => format!("DATABASE_URL: build with `--features {feature}`, or use memory:"),
            None => {
                "DATABASE_URL: use sqlite://FILE, postgres://, mysql://, mariadb://, redis://, rediss:// or memory:"
                    .to_owned()
            }
        }),
    }
}

const FEATURES: &[(&[&str], &str)] = &[
    (&["sqlite"], "sqlite"),
    (&["postgres", "postgresql"], "postgres"),
    (&["mysql", "mariadb"], "mysql"),
    (&["redis", "rediss", "redis+unix"], "redis"),
];

/// Without an SQL store there is nothing to set.
#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
type ConnectOptions = ();

fn connections() -> Result<ConnectOptions, String> {
    let Some(number) = text("MAX_CONNECTIONS")? else {
        return Ok(ConnectOptions::default());
    };
    match number.parse() {
        Ok(number) if number > 0 => Ok(with_connections(number)),
        _ => Err(format!("MAX_CONNECTIONS: {number:?} is not a number of connections, from 1")),
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
fn with_connections(number: u32) -> ConnectOptions {
    ConnectOptions::new().max_connections(number)
}

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
fn with_connections(_: u32) -> ConnectOptions {}

#[cfg(feature = "postgres")]
fn postgres_bus(url: &str) -> Result<Bus, String> {
    match url.starts_with("postgres") {
        true => Ok(Bus::Postgres(url.to_owned())),
        false => Err("BUS: postgres takes a DATABASE_URL that is postgres://".to_owned()),
    }
}

#[cfg(not(feature = "postgres"))]
fn postgres_bus(_: &str) -> Result<Bus, String> {
    Err("BUS: build with `--features postgres`".to_owned())
}

#[cfg(feature = "redis")]
fn redis_bus(url: String) -> Result<Bus, String> {
    match url.starts_with("redis") {
        true => Ok(Bus::Redis(url)),
        false => Err("BUS: redis takes a REDIS_URL that is redis:// or rediss://".to_owned()),
    }
}

#[cfg(not(feature = "redis"))]
fn redis_bus(_: String) -> Result<Bus, String> {
    Err("BUS: build with `--features redis`".to_owned())
}

async fn begin(store: impl SessionStore) -> Result<SessionManagerBuilder, String> {
    store.migrate().await.map_err(database)?;
    Ok(SessionManager::builder(store))
}

/// A bus on which messages can be heard. Later nobody would be told: a subscription only tries again.
#[allow(dead_code, reason = "without a store's feature there is nothing to connect to")]
async fn heard<B: RevocationBus>(heard: B) -> Result<B, String> {
    heard.check().await.map_err(bus)?;
    Ok(heard)
}

#[allow(dead_code, reason = "without a store's feature there is nothing to connect to")]
fn database(error: impl Error) -> String {
    format!("DATABASE_URL: {}", describe(&error))
}

#[allow(dead_code, reason = "without a store's feature there is nothing to connect to")]
fn bus(error: impl Error) -> String {
    format!("BUS: {}", describe(&error))
}

/// An error with its causes, on one line.
fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text.replace('\n', " ")
}
