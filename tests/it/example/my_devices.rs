//! The example, as a process: what its users and its operators see.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{CHROME, IPHONE, TestResult};

/// The binary that cargo has built beside the tests.
fn binary() -> PathBuf {
    let tests = std::env::current_exe().expect("a path");
    let profile = tests.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps");
    profile.join("examples").join(format!("my_devices{}", std::env::consts::EXE_SUFFIX))
}

/// A running server. It is killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = command(variables).stderr(Stdio::piped()).spawn().expect("the example is built with the tests");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("listening on http://").map(|(_, address)| address.to_owned()))
            .expect("the server says where it listens");
        // What it writes later must not fill the pipe.
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| kept.lock().expect("no panic").push(line));
        });
        Self { child, address, log }
    }

    /// The newest line of the log that contains `text`. The log may come a moment after the answer.
    pub fn logged(&self, text: &str) -> String {
        loop {
            if let Some(line) = self.log.lock().expect("no panic").iter().rev().find(|line| line.contains(text)) {
                return line.clone();
            }
            std::thread::yield_now();
        }
    }

    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> (u16, String) {
        let (status, _, body) = self.exchange(method, path, headers, body);
        (status, body)
    }

    /// Status, head and body of an answer.
    pub fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        if !body.is_empty() {
            head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        write!(stream, "{head}\r\n{body}").expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, head.to_owned(), body.to_owned())
    }

    pub fn sign_in(&self, email: &str, user_agent: &str, more: &[(&str, &str)]) -> Value {
        let mut headers = vec![("user-agent", user_agent)];
        headers.extend_from_slice(more);
        let form = json!({ "email": email, "password": "correct horse battery staple" });
        let (status, body) = self.call("POST", "/api/auth/login", &headers, Some(&form));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    pub fn with_token(&self, method: &str, path: &str, token: &Value) -> (u16, String) {
        let bearer = format!("Bearer {}", token["token"].as_str().expect("a token"));
        self.call(method, path, &[("authorization", &bearer)], None)
    }
}

impl Server {
    /// Tells the server to stop, as a process manager does, and waits for it.
    #[cfg(unix)]
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        // The shell has a `kill` of its own; the program of that name is not on every machine.
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
        self.child.wait().expect("a child of ours")
    }

    /// The most memory that the process has taken so far, in KiB.
    #[cfg(target_os = "linux")]
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("ADDR", "127.0.0.1:0").env("DATABASE_URL", "memory:");
    command.env("SESSION_SECRET", "the tests' secret of more than 32 bytes");
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

#[cfg(feature = "sqlite")]
pub fn database(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.db", std::process::id()));
    for suffix in ["", "-wal", "-shm"] {
        // A file of an earlier run with the same process id.
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    format!("sqlite://{}", path.display())
}

/// What the server says when it refuses to start with these settings.
pub fn refused(variables: &[(&str, &str)]) -> String {
    let output = command(variables).output().expect("the example is built with the tests");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{variables:?}: {stderr}");
    stderr
}

pub fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_phone_that_is_signed_out_is_out() {
    let server = Server::start(&[]);
    let laptop = server.sign_in("demo@example.com", CHROME, &[]);
    let phone = server.sign_in("demo@example.com", IPHONE, &[]);
    assert_eq!(laptop["tokenType"], "Bearer");
    assert!(laptop["expiresAt"].as_str().is_some_and(|time| time.ends_with('Z')));

    let (_, me) = server.with_token("GET", "/api/me", &phone);
    assert_eq!(
        json_of(&me),
        json!({ "email": "demo@example.com", "sessionId": phone["sessionId"], "deviceName": "Safari on iPhone" })
    );
    let (_, list) = server.with_token("GET", "/api/sessions", &laptop);
    let names: Vec<Value> =
        json_of(&list).as_array().expect("an array").iter().map(|s| s["deviceName"].clone()).collect();
    assert_eq!(names, ["Chrome on Windows", "Safari on iPhone"]);

    let path = format!("/api/sessions/{}", phone["sessionId"].as_str().expect("an id"));
    assert_eq!(server.with_token("DELETE", &path, &laptop).0, 204);
    let (status, body) = server.with_token("GET", "/api/me", &phone);
    assert_eq!((status, &json_of(&body)["error"]), (401, &"Signed out from another device".into()));
    assert_eq!(server.with_token("GET", "/api/me", &laptop).0, 200);
    assert_eq!(server.with_token("POST", "/api/auth/logout", &laptop).0, 204);
    assert_eq!(server.with_token("GET", "/api/me", &laptop).0, 401);
    assert_eq!(server.call("GET", "/health", &[], None).0, 200);
}

#[test]
fn a_wrong_password_is_a_401_with_problem_details() {
    let server = Server::start(&[]);
    for (email, password) in [("demo@example.com", "wrong"), ("nobody@example.com", "correct horse battery staple")] {
        let form = json!({ "email": email, "password": password });
        let (status, body) = server.call("POST", "/api/auth/login", &[], Some(&form));
        assert_eq!((status, &json_of(&body)["status"]), (401, &401.into()));
    }
    assert_eq!(server.call("POST", "/api/auth/login", &[], Some(&json!([]))).0, 400);
}

/// S86: a client that is not a trusted proxy cannot choose the address that is shown.
#[test]
fn the_address_is_the_peers_unless_a_trusted_proxy_says_otherwise() {
    let forged = [("x-forwarded-for", "198.51.100.7")];
    for (trusted, shown) in [("", "127.0.0.1"), ("10.0.0.0/8", "127.0.0.1"), ("127.0.0.0/8", "198.51.100.7")] {
        let server = Server::start(&[("TRUSTED_PROXIES", trusted)]);
        let started = server.sign_in("demo@example.com", "curl/8.5.0", &forged);
        let (_, list) = server.with_token("GET", "/api/sessions", &started);
        assert_eq!(json_of(&list)[0]["ipAddress"], shown, "trusted: {trusted:?}");
    }
}

/// Where the proxy was forgotten, every session would show its address: the log says so.
#[test]
fn a_proxy_that_nobody_has_named_is_in_the_log() {
    let server = Server::start(&[]);
    server.sign_in("demo@example.com", CHROME, &[("x-forwarded-for", "198.51.100.7")]);
    let line = server.logged("none is trusted");
    assert!(line.contains("WARN") && line.contains("127.0.0.1") && !line.contains("198.51.100.7"), "{line}");
}

/// R20: the process is killed, and not asked to stop; no revocation is lost, and nobody is signed out.
#[cfg(feature = "sqlite")]
#[test]
fn sessions_and_sign_outs_survive_a_restart() {
    let url = database("restart");
    let variables = [("DATABASE_URL", url.as_str())];
    let server = Server::start(&variables);
    let (kept, gone) =
        (server.sign_in("demo@example.com", CHROME, &[]), server.sign_in("demo@example.com", IPHONE, &[]));
    assert_eq!(server.with_token("POST", "/api/logout", &gone).0, 204);
    drop(server);

    let server = Server::start(&variables);
    assert_eq!(server.with_token("GET", "/api/me", &kept).0, 200);
    assert_eq!(server.with_token("GET", "/api/me", &gone).0, 401);
    let (_, ended) = server.with_token("GET", "/api/sessions?state=ended", &kept);
    assert_eq!(json_of(&ended)[0]["endReason"], "signed_out");
}

/// What cannot be written is found out at the start, and later by who asks for the health.
#[cfg(all(unix, feature = "sqlite"))]
#[test]
fn the_health_tells_of_a_store_that_takes_no_changes() {
    let url = database("health");
    let server = Server::start(&[("DATABASE_URL", url.as_str())]);
    assert_eq!(server.call("GET", "/health", &[], None), (200, "ok".to_owned()));
    let started = server.sign_in("demo@example.com", CHROME, &[]);
    let read_only = format!("{url}?mode=ro");
    assert!(refused(&[("DATABASE_URL", &read_only)]).contains("takes no changes"));

    std::fs::remove_file(url.trim_start_matches("sqlite://")).expect("it is there");
    while server.call("GET", "/health", &[], None).0 == 200 {}
    let (status, head, body) = server.exchange("GET", "/health", &[], None);
    assert_eq!((status, &json_of(&body)["code"]), (503, &"store_unavailable".into()));
    assert!(head.contains("retry-after: 1"), "{head}");
    // A sign-out that nobody would find again is refused, and says so.
    assert_eq!(server.with_token("POST", "/api/logout", &started).0, 503);
}

/// A wrong value is one clear line, and exit code 2.
#[test]
fn a_wrong_setting_is_one_clear_line_and_exit_code_2() {
    for (name, value, says) in [
        ("ADDR", "nonsense", "ADDR"),
        ("DATABASE_URL", "oracle://x", "DATABASE_URL"),
        ("DATABASE_URL", "sqlite:///nowhere/at/all/x.db", "session store"),
        ("MAX_CONNECTIONS", "0", "MAX_CONNECTIONS"),
        ("TRANSACTION_POOLER", "maybe", "TRANSACTION_POOLER"),
        ("TRANSACTION_POOLER", "on", "TRANSACTION_POOLER"),
        ("SESSION_SECRET", "short", "SESSION_SECRET"),
        ("SESSION_SECRET", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "SESSION_SECRET"),
        ("ABSOLUTE_TIMEOUT", "soon", "ABSOLUTE_TIMEOUT"),
        ("ABSOLUTE_TIMEOUT", "0", "absolute timeout"),
        ("IDLE_TIMEOUT", "-1s", "IDLE_TIMEOUT"),
        ("CACHE_TTL", "10 parsecs", "CACHE_TTL"),
        ("CACHE_TTL", "2m", "time to live"),
        ("ACTIVITY_INTERVAL", "30d", "activity interval"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "TRUSTED_PROXIES"),
        ("REQUEST_TIMEOUT", "0", "REQUEST_TIMEOUT"),
        ("TRUSTED_ORIGINS", "https://app.example.com/path", "trusted origin"),
        ("PATH_PREFIX", "devices", "PATH_PREFIX"),
        ("PATH_PREFIX", "/a//b", "PATH_PREFIX"),
        ("COOKIE_NAME", "a name", "cookie name"),
        ("MAX_SESSIONS", "-1", "MAX_SESSIONS"),
        ("MAX_SESSIONS", "many", "MAX_SESSIONS"),
        ("OVER_LIMIT", "newest", "OVER_LIMIT"),
        ("SAME_DEVICE", "burn", "SAME_DEVICE"),
        ("TRANSACTION_POOLER", "yes", "TRANSACTION_POOLER"),
        ("ADMIN_TOKEN", "short", "ADMIN_TOKEN"),
        ("TRANSPORT", "pigeon", "TRANSPORT"),
        ("REFRESH", "yes", "REFRESH"),
        ("REFRESH_GRACE", "a while", "REFRESH_GRACE"),
        ("PRESET", "aal4", "PRESET"),
        ("OTP", "1", "OTP"),
    ] {
        let output = command(&[(name, value)]).output().expect("the example is built with the tests");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{name}={value}: {stderr}");
        assert!(stderr.contains(says), "{name}={value}: {stderr}");
    }
}

/// The development key is warned about, loudly.
#[test]
fn an_unset_secret_is_warned_about() {
    let mut child = command(&[]).env_remove("SESSION_SECRET").stderr(Stdio::piped()).spawn().expect("built");
    let stderr = BufReader::new(child.stderr.take().expect("piped"));
    let warned = stderr
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.contains("listening"))
        .any(|line| line.contains("WARNING"));
    let _ = child.kill();
    let _ = child.wait();
    assert!(warned);
}

/// R19: told to stop, it writes what waits and ends well.
#[cfg(all(unix, feature = "sqlite"))]
#[test]
fn sigterm_writes_the_activity_and_ends_the_server() -> TestResult {
    let url = database("sigterm");
    let variables = [("DATABASE_URL", url.as_str()), ("ACTIVITY_INTERVAL", "10ms"), ("CACHE_TTL", "1ms")];
    let mut server = Server::start(&variables);
    let started = server.sign_in("demo@example.com", CHROME, &[]);
    let (_, before) = server.with_token("GET", "/api/sessions", &started);
    let before = json_of(&before)[0]["createdAt"].clone();
    loop {
        let (_, list) = server.with_token("GET", "/api/sessions", &started);
        if json_of(&list)[0]["lastActivityAt"] != before {
            break;
        }
    }
    assert!(server.terminate().success());

    let server = Server::start(&variables);
    let (_, list) = server.with_token("GET", "/api/sessions", &started);
    assert_ne!(json_of(&list)[0]["lastActivityAt"], before);
    Ok(())
}
