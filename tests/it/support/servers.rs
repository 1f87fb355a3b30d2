//! Real servers: those that run on this machine, and those that a test starts for itself.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    net::TcpListener,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// Says, once and on one line, that this server is not tested, unless `REQUIRE_STORES` names it: then the test fails.
pub(crate) fn skip(name: &str, why: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let required = std::env::var("REQUIRE_STORES").unwrap_or_default();
    assert!(!required.split(',').any(|store| store.trim() == name), "{name} is required: {why}");
    if TOLD.lock().is_ok_and(|mut told| told.insert(name.to_owned())) {
        // Not with `eprintln!`, which the test harness keeps to itself when a test passes.
        let _ = writeln!(io::stderr(), "not tested: {name}, {why}");
    }
}

/// A name that no other test uses.
pub(crate) fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let moment = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock past 1970").as_nanos();
    format!("t{}-{}-{moment:x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The address of the Redis server on this machine, when one answers.
#[cfg(feature = "redis")]
pub(crate) async fn redis_url() -> Option<String> {
    use tower_device_sessions::redis;

    let url = std::env::var("TEST_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379/".to_owned());
    let connected = match redis::Client::open(url.as_str()) {
        Ok(client) => client.get_multiplexed_async_connection().await.map(drop),
        Err(error) => Err(error),
    };
    match connected {
        Ok(()) => Some(url),
        Err(error) => {
            skip("redis", &error.to_string());
            None
        }
    }
}

/// A Redis server of a test's own on a loopback port. It ends with this value, and with the process at the latest.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    folder: PathBuf,
    process: Option<(Child, ChildStdin)>,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts one with these further arguments; `None` when this machine has no Redis.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        if Command::new("redis-server").arg("--version").output().is_err() {
            skip("redis", "there is no redis-server to start");
            return None;
        }
        let folder = std::env::temp_dir().join(unique_name());
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut server = Self { port: free_port(), folder, process: None, arguments };
        server.run();
        Some(server)
    }

    /// Starts a Sentinel that watches over this server and its replicas, under the name `sessions`.
    pub(crate) fn sentinel(&self) -> Self {
        let folder = std::env::temp_dir().join(unique_name());
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let port = free_port();
        let settings = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor sessions 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds sessions 500\nsentinel failover-timeout sessions 5000\n",
            folder.display(),
            self.port
        );
        std::fs::write(folder.join(SENTINEL), settings).expect("a file");
        let mut server = Self { port, folder, process: None, arguments: Vec::new() };
        server.run();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Starts the server again where it was.
    pub(crate) fn run(&mut self) {
        // The shell kills the server when its standard input ends, as it does with this process, however that ends.
        let script = r#"redis-server "$@" >/dev/null & read -r _; kill -9 $!; wait"#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]);
        let sentinel = self.folder.join(SENTINEL);
        if sentinel.exists() {
            command.arg(sentinel).arg("--sentinel");
        } else {
            command
                .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
                .args(["--dir", &self.folder.to_string_lossy()])
                .args(&self.arguments);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a shell");
        let input = child.stdin.take().expect("a pipe");
        self.process = Some((child, input));
        self.wait_until("PING", "PONG");
    }

    /// Kills the server, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some((mut child, input)) = self.process.take() {
            drop(input);
            let _ = child.wait();
        }
    }

    /// What `redis-cli` answers to a command.
    pub(crate) fn ask(&self, command: &str) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command.split(' ')).output();
        String::from_utf8_lossy(&output.expect("redis-cli").stdout).into_owned()
    }

    /// Asks until the answer contains `expected`.
    pub(crate) fn wait_until(&self, command: &str, expected: &str) {
        let began = Instant::now();
        loop {
            let answer = self.ask(command);
            if answer.contains(expected) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{command} still answers {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a Sentinel is told, and keeps up to date by itself.
const SENTINEL: &str = "sentinel.conf";

/// A Redis Cluster of three primaries, and perhaps three replicas.
pub(crate) struct RedisCluster {
    pub(crate) nodes: Vec<RedisServer>,
}

impl RedisCluster {
    pub(crate) fn start() -> Option<Self> {
        Self::with_replicas(0)
    }

    /// The same with so many replicas of each primary.
    pub(crate) fn with_replicas(replicas: usize) -> Option<Self> {
        let start = |_| RedisServer::start(&["--cluster-enabled", "yes", "--repl-diskless-sync-delay", "0"]);
        let nodes: Vec<RedisServer> = (0..3 * (1 + replicas)).map(start).collect::<Option<_>>()?;
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(addresses)
            .args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"])
            .output()
            .expect("redis-cli");
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        for node in &nodes {
            node.wait_until("CLUSTER INFO", "cluster_state:ok");
        }
        Some(Self { nodes })
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }
}

/// A port that nothing listens on, and whose cluster bus, 10,000 above, is a port too. No other test is given it.
///
/// Both lie below those that the system hands out to connections, one of which might take the place of a server that a
/// test has killed and is about to start again.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Another process of tests begins elsewhere.
    let beginning = std::process::id().wrapping_mul(257);
    let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let step = beginning.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = 12_000 + u16::try_from(step % 10_000).expect("below 10,000");
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}
