//! Database servers of a test's own.

use std::time::{Duration, Instant};

use tower_device_sessions::{
    SessionManager,
    bus::{PostgresBus, RedisBus},
    manager::SessionManagerBuilder,
    store::{FailingStore, Fault, MySqlStore, PostgresStore, RedisStore, SessionStore, StoreError, StoreMethod},
};

use crate::{
    support::proxy::Proxy,
    support::servers::RedisServer,
    support::sql_server::{Engine, SqlServer},
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    MariaDb,
    Redis,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "Postgres",
            Self::MariaDb => "MariaDB",
            Self::Redis => "Redis",
        }
    }
}

pub(super) struct Database {
    pub(super) kind: Kind,
    pub(super) port: u16,
    process: Process,
}

enum Process {
    Sql(SqlServer),
    Redis(RedisServer),
}

impl Database {
    /// Starts a server; `None` when this machine has none of the kind.
    pub(super) async fn start(kind: Kind) -> Option<Self> {
        let process = match kind {
            Kind::Redis => Process::Redis(RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"])?),
            Kind::Postgres => Process::Sql(SqlServer::start(Engine::Postgres, &[])?),
            Kind::MariaDb => Process::Sql(SqlServer::start(Engine::MariaDb, &["--skip-grant-tables"])?),
        };
        let port = match &process {
            Process::Sql(server) => server.port,
            Process::Redis(server) => server.port,
        };
        let mut database = Self { kind, port, process };
        database.answers().await;
        Some(database)
    }

    pub(super) fn kill(&mut self) {
        match &mut self.process {
            Process::Sql(server) => server.kill(),
            Process::Redis(server) => server.kill(),
        }
    }

    pub(super) async fn restart(&mut self) {
        match &mut self.process {
            Process::Sql(server) => server.run(),
            Process::Redis(server) => server.run(),
        }
        self.answers().await;
    }

    /// Waits until the server answers. One whose predecessor is still dying gives up, and is started again.
    async fn answers(&mut self) {
        let began = Instant::now();
        while let Err(error) = self.migrate(self.port).await {
            assert!(began.elapsed() < Duration::from_secs(60), "the server does not answer: {error:?}");
            if let Process::Sql(server) = &mut self.process {
                server.run_again();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn migrate(&self, port: u16) -> Result<(), StoreError> {
        let url = self.url(port);
        match self.kind {
            Kind::Postgres => PostgresStore::connect(&url).await?.migrate().await,
            Kind::MariaDb => MySqlStore::connect(&url).await?.migrate().await,
            Kind::Redis => RedisStore::connect(&url).await?.migrate().await,
        }
    }

    pub(super) fn url(&self, port: u16) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            Kind::MariaDb => format!("mysql://root@127.0.0.1:{port}/test"),
            Kind::Redis => format!("redis://127.0.0.1:{port}/"),
        }
    }

    /// A manager over the server behind this port, without a bus.
    pub(super) async fn alone(&self, port: u16) -> SessionManagerBuilder {
        let url = self.url(port);
        let builder = match self.kind {
            Kind::Postgres => SessionManager::builder(PostgresStore::connect(&url).await.expect("it answers")),
            Kind::MariaDb => SessionManager::builder(MySqlStore::connect(&url).await.expect("it answers")),
            Kind::Redis => SessionManager::builder(RedisStore::connect(&url).await.expect("it answers")),
        };
        builder.without_bus()
    }

    /// A manager with the bus that fits the store, whose store takes this long to return a record.
    pub(super) async fn late(&self, by: Duration) -> SessionManagerBuilder {
        let url = self.url(self.port);
        let store = match self.kind {
            Kind::Postgres => FailingStore::new(PostgresStore::connect(&url).await.expect("it answers")),
            Kind::MariaDb => FailingStore::new(MySqlStore::connect(&url).await.expect("it answers")),
            Kind::Redis => FailingStore::new(RedisStore::connect(&url).await.expect("it answers")),
        };
        store.fail(StoreMethod::Find, Fault::DelayAfter(by));
        self.hearing(SessionManager::builder(store), self.port).await
    }

    /// Has the server refuse writes and answer reads, or take both again.
    pub(super) async fn take_writes(&self, are_taken: bool) {
        match &self.process {
            Process::Redis(server) => drop(server.ask(&format!("CONFIG SET maxmemory {}", u8::from(!are_taken)))),
            Process::Sql(_) if self.kind == Kind::Postgres => {
                let pool = sqlx::PgPool::connect(&self.url(self.port)).await.expect("it answers");
                let mut connection = pool.acquire().await.expect("it answers");
                let set = match are_taken {
                    true => "ALTER SYSTEM SET default_transaction_read_only = off",
                    false => "ALTER SYSTEM SET default_transaction_read_only = on",
                };
                for statement in ["SET default_transaction_read_only = off", set, "SELECT pg_reload_conf()"] {
                    sqlx::query(statement).execute(&mut *connection).await.expect("a superuser");
                }
                drop(connection);
                pool.close().await;
            }
            Process::Sql(_) => unimplemented!("MariaDB has no such setting for those who may do everything"),
        }
    }

    pub(super) async fn proxy(&self) -> std::io::Result<Proxy> {
        Proxy::to(([127, 0, 0, 1], self.port).into()).await
    }

    /// A manager with the bus that fits the store.
    pub(super) async fn with_bus(&self) -> SessionManagerBuilder {
        self.with_bus_behind(self.port).await
    }

    /// The same with a bus, but not a store, behind this port.
    pub(super) async fn with_bus_behind(&self, port: u16) -> SessionManagerBuilder {
        self.hearing(self.alone(self.port).await, port).await
    }

    async fn hearing(&self, builder: SessionManagerBuilder, port: u16) -> SessionManagerBuilder {
        let url = self.url(port);
        match self.kind {
            Kind::Postgres => builder.bus(PostgresBus::connect(&url).await.expect("it answers")),
            Kind::MariaDb => builder.polling(Duration::from_millis(200)),
            Kind::Redis => builder.bus(RedisBus::connect(&url).await.expect("it answers")),
        }
    }

    /// Ends the connections on which messages are heard. Polling has none of its own.
    pub(super) async fn cut_bus(&self) {
        match &self.process {
            Process::Redis(server) => drop(server.ask("CLIENT KILL TYPE pubsub")),
            Process::Sql(_) if self.kind == Kind::Postgres => {
                let pool = sqlx::PgPool::connect(&self.url(self.port)).await.expect("it answers");
                let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
                sqlx::query(cut).execute(&pool).await.expect("a superuser");
                pool.close().await;
            }
            Process::Sql(_) => {}
        }
    }
}
