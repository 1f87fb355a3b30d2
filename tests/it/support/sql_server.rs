//! SQL servers of a test's own.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use super::servers::{free_port, skip, unique_name};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    MariaDb,
}

/// A Postgres or MariaDB server. It ends with this value, and with the process at the latest.
pub(crate) struct SqlServer {
    engine: Engine,
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
    process: Option<(Child, ChildStdin)>,
    arguments: Vec<String>,
}

impl SqlServer {
    /// Starts one with these further arguments; `None` when this machine has none.
    pub(crate) fn start(engine: Engine, arguments: &[&str]) -> Option<Self> {
        let folder = folder_for(engine)?;
        Some(Self::start_in(folder, engine, arguments))
    }

    /// The same in a folder that [`folder_for`] has made.
    pub(crate) fn start_in(folder: PathBuf, engine: Engine, arguments: &[&str]) -> Self {
        let data = folder.join("data");
        let mut install = as_user(engine);
        install.arg(program(engine).expect("found before"));
        match engine {
            Engine::Postgres => install.args(["--no-sync", "-A", "trust", "-U", "postgres", "-D"]).arg(&data),
            Engine::MariaDb => install
                .args(["--no-defaults", "--auth-root-authentication-method=normal"])
                .arg(format!("--datadir={}", data.display()))
                .arg(temporary(&folder)),
        };
        let installed = install.current_dir(&folder).stdin(Stdio::null()).output().expect("found before");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        Self::begin(folder, engine, arguments)
    }

    /// A standby of a Postgres that is running.
    pub(crate) fn standby_of(primary: &Self) -> Option<Self> {
        let folder = folder_for(Engine::Postgres)?;
        let mut copy = as_user(Engine::Postgres);
        copy.arg(postgres_program("pg_basebackup").expect("it is beside initdb"));
        copy.args(["-h", "127.0.0.1", "-U", "postgres", "-R", "-X", "stream", "-c", "fast", "--no-sync", "-p"]);
        copy.arg(primary.port.to_string()).arg("-D").arg(folder.join("data"));
        let copied = copy.current_dir(&folder).stdin(Stdio::null()).output().expect("it was found");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        Some(Self::begin(folder, Engine::Postgres, &[]))
    }

    fn begin(folder: PathBuf, engine: Engine, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut server = Self { engine, port: free_port(), folder, process: None, arguments };
        server.run();
        server
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// The address of a database on it, for a superuser, behind this port.
    pub(crate) fn url(&self, port: u16) -> String {
        match self.engine {
            Engine::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            Engine::MariaDb => format!("mysql://root@127.0.0.1:{port}/test"),
        }
    }

    pub(crate) fn run(&mut self) {
        // The shell kills the server when its standard input ends, as it does with this process, however that ends.
        let script = r#""$@" >> log 2>&1 & server=$!; read -r _; kill -9 $server; wait"#;
        let mut command = as_user(self.engine);
        command.args(["sh", "-c", script, "sh"]).current_dir(&self.folder);
        let (data, port) = (self.folder.join("data"), self.port.to_string());
        match self.engine {
            Engine::Postgres => command
                .arg(postgres_program("postgres").expect("found before"))
                .arg("-D")
                .arg(data)
                .args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]),
            Engine::MariaDb => command.arg("mariadbd").args([
                "--no-defaults",
                "--skip-name-resolve",
                "--bind-address=127.0.0.1",
                &format!("--port={port}"),
                &format!("--datadir={}", data.display()),
                &temporary(&self.folder),
                &format!("--socket={}", self.folder.join("socket").display()),
            ]),
        };
        command.args(&self.arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
        let input = child.stdin.take().expect("a pipe");
        self.process = Some((child, input));
    }

    /// Starts the server again if its log says that it could not begin.
    pub(crate) fn run_again(&mut self) {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        if log.trim_end().ends_with("is still in use") || log.contains("terminate any old server processes") {
            let _ = std::fs::remove_file(self.folder.join("log"));
            self.kill();
            self.run();
        }
    }

    pub(crate) fn kill(&mut self) {
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

/// A folder for a server, which belongs to its user; `None` when this machine has no such server.
pub(crate) fn folder_for(engine: Engine) -> Option<PathBuf> {
    let name = if engine == Engine::Postgres { "postgres" } else { "mysql" };
    if program(engine).is_none_or(|program| Command::new(program).arg("--help").output().is_err()) {
        skip(name, "there is no server to start");
        return None;
    }
    let folder = std::env::temp_dir().join(unique_name());
    std::fs::create_dir_all(&folder).expect("a folder for the server");
    own(engine, &folder);
    Some(folder)
}

/// Gives a file to the server's user.
pub(crate) fn own(engine: Engine, path: &Path) {
    let owned = Command::new("chown").arg(user(engine)).arg(path).status();
    assert!(!is_root() || owned.is_ok_and(|status| status.success()), "the server's user");
}

/// What makes the data of a new server.
fn program(engine: Engine) -> Option<PathBuf> {
    match engine {
        Engine::Postgres => postgres_program("initdb"),
        Engine::MariaDb => Some("mariadb-install-db".into()),
    }
}

/// MariaDB's option for a folder of its own for temporary tables: at its start a server removes what it finds there,
/// also what another one is using.
fn temporary(folder: &Path) -> String {
    format!("--tmpdir={}", folder.display())
}

/// A command that runs as the server's user, since servers refuse to run as root.
fn as_user(engine: Engine) -> Command {
    if !is_root() {
        return Command::new("env");
    }
    let mut command = Command::new("runuser");
    command.args(["-u", user(engine), "--"]);
    command
}

fn user(engine: Engine) -> &'static str {
    if engine == Engine::Postgres { "postgres" } else { "mysql" }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Where Debian keeps a program of Postgres.
fn postgres_program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.flatten().map(|version| version.path().join("bin").join(name)).find(|program| program.exists())
}
