//! Database servers of a test's own.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use tower_device_sessions::{
    SessionManager,
    bus::{PostgresBus, RedisBus},
    manager::SessionManagerBuilder,
    store::{FailingStore, Fault, MySqlStore, PostgresStore, RedisStore, SessionStore, StoreError, StoreMethod},
};

use crate::{
    support::proxy::Proxy,
    support::servers::{RedisServer, free_port, skip, unique_name},
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    MariaDb,
    Redis,
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
            kind => Process::Sql(SqlServer::start(kind)?),
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

    /// A manager with the bus that fits the store, whose store answers this late when it is asked for a record.
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

/// A Postgres or MariaDB server. It ends with this value, and with the process at the latest.
struct SqlServer {
    kind: Kind,
    port: u16,
    folder: PathBuf,
    process: Option<(Child, ChildStdin)>,
}

impl SqlServer {
    fn start(kind: Kind) -> Option<Self> {
        let (name, program) = match kind {
            Kind::Postgres => ("postgres", postgres_program("initdb")),
            _ => ("mysql", Some("mariadb-install-db".into())),
        };
        let Some(program) = program else {
            skip(name, "there is no server to start");
            return None;
        };
        let folder = std::env::temp_dir().join(unique_name());
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let owned = Command::new("chown").arg(user(kind)).arg(&folder).status();
        assert!(!is_root() || owned.is_ok_and(|status| status.success()), "the server's user");
        let data = folder.join("data");
        let mut install = as_user(kind);
        install.arg(program);
        match kind {
            Kind::Postgres => install.args(["--no-sync", "-A", "trust", "-U", "postgres", "-D"]).arg(&data),
            _ => install
                .args(["--no-defaults", "--auth-root-authentication-method=normal"])
                .arg(format!("--datadir={}", data.display()))
                .arg(temporary(&folder)),
        };
        let Ok(installed) = install.current_dir(&folder).stdin(Stdio::null()).output() else {
            skip(name, "there is no server to start");
            return None;
        };
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let mut server = Self { kind, port: free_port(), folder, process: None };
        server.run();
        Some(server)
    }

    fn run(&mut self) {
        // The shell kills the server when its standard input ends, as it does with this process, however that ends.
        let script = r#""$@" >> log 2>&1 & server=$!; read -r _; kill -9 $server; wait"#;
        let mut command = as_user(self.kind);
        command.args(["sh", "-c", script, "sh"]).current_dir(&self.folder);
        let (data, port) = (self.folder.join("data"), self.port.to_string());
        match self.kind {
            Kind::Postgres => command
                .arg(postgres_program("postgres").expect("found before"))
                .arg("-D")
                .arg(data)
                .args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]),
            _ => command.arg("mariadbd").args([
                "--no-defaults",
                "--skip-grant-tables",
                "--bind-address=127.0.0.1",
                &format!("--port={port}"),
                &format!("--datadir={}", data.display()),
                &temporary(&self.folder),
                &format!("--socket={}", self.folder.join("socket").display()),
            ]),
        };
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
        let input = child.stdin.take().expect("a pipe");
        self.process = Some((child, input));
    }

    /// Starts the server again if its log says that it could not begin.
    fn run_again(&mut self) {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        if log.trim_end().ends_with("is still in use") || log.contains("terminate any old server processes") {
            let _ = std::fs::remove_file(self.folder.join("log"));
            self.kill();
            self.run();
        }
    }

    fn kill(&mut self) {
        if let Some((mut child, input)) = self.process.take() {
            drop(input);
            let _ = child.wait();
        }
    }
}

impl Drop for SqlServer {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// MariaDB's option for a folder of its own for temporary tables: at its start a server removes what it finds there, also
/// what another one is using.
fn temporary(folder: &Path) -> String {
    format!("--tmpdir={}", folder.display())
}

/// A command that runs as the server's user, since servers refuse to run as root.
fn as_user(kind: Kind) -> Command {
    if !is_root() {
        return Command::new("env");
    }
    let mut command = Command::new("runuser");
    command.args(["-u", user(kind), "--"]);
    command
}

fn user(kind: Kind) -> &'static str {
    if kind == Kind::Postgres { "postgres" } else { "mysql" }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Where Debian keeps a program of Postgres.
fn postgres_program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.flatten().map(|version| version.path().join("bin").join(name)).find(|program| program.exists())
}
