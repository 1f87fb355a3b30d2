//! What the flows share: a manager over a scripted store with a clock that the test moves.

pub mod clocks;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "redis"))]
pub mod proxy;
pub mod servers;
#[cfg(all(unix, feature = "postgres", feature = "mysql", feature = "redis"))]
pub mod sql_server;

use std::{
    env,
    error::Error,
    io,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response, StatusCode, header},
    routing::get,
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use tower_device_sessions::{
    ClientInfo, CurrentSession, KeyRing, SessionLayer, SessionManager, SessionRoutes, StartedSession,
    clock::ManualClock,
    event::SessionEvent,
    manager::SessionManagerBuilder,
    store::{FailingStore, MemoryStore},
};
use tracing_subscriber::fmt::MakeWriter;

pub type TestResult = Result<(), Box<dyn Error + Send + Sync>>;

pub const SECRET: &str = "the tests' secret of more than 32 bytes";

pub const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
                          (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
pub const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Chrome/131.0.0.0 Safari/537.36";

/// A manager, and handles on all that it depends on.
pub struct Kit {
    pub sessions: SessionManager,
    pub store: FailingStore,
    pub clock: ManualClock,
    pub events: Events,
}

/// What the manager has told its listener.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Vec<SessionEvent>>>);

impl Events {
    pub fn take(&self) -> Vec<SessionEvent> {
        std::mem::take(&mut self.0.lock().expect("no listener panics"))
    }
}

impl Kit {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// A kit whose manager is built with other settings than the defaults.
    pub fn with(settings: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder) -> Self {
        let clock = ManualClock::new();
        let store = FailingStore::new(MemoryStore::new());
        Self::over(store, clock, settings)
    }

    /// Another node over the same store and clock.
    pub fn another_node(&self) -> Self {
        Self::over(self.store.clone(), self.clock.clone(), |builder| builder)
    }

    /// A kit whose store is given up on as early as by default, for tests that are about that.
    pub fn impatient(settings: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder) -> Self {
        Self::built(FailingStore::new(MemoryStore::new()), ManualClock::new(), settings)
    }

    /// A kit that waits for its store however busy the machine is.
    pub fn over(
        store: FailingStore,
        clock: ManualClock,
        settings: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder,
    ) -> Self {
        Self::built(store, clock, |builder| settings(builder.store_deadline(Duration::from_secs(60))))
    }

    fn built(
        store: FailingStore,
        clock: ManualClock,
        settings: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder,
    ) -> Self {
        Self::proven(store, clock, |builder| settings(builder.keys(KeyRing::hs256(SECRET).expect("a good secret"))))
    }

    /// A kit whose manager is given no keys, for settings that prove tokens in another way.
    pub fn without_keys(settings: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder) -> Self {
        Self::proven(FailingStore::new(MemoryStore::new()), ManualClock::new(), |builder| {
            settings(builder.store_deadline(Duration::from_secs(60)))
        })
    }

    fn proven(
        store: FailingStore,
        clock: ManualClock,
        settings: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder,
    ) -> Self {
        let events = Events::default();
        let told = events.clone();
        let builder = SessionManager::builder(store.clone())
            .clock(clock.clone())
            .on_event(move |event: &SessionEvent| told.0.lock().expect("no listener panics").push(event.clone()));
        let sessions = settings(builder).build().expect("good settings");
        Self { sessions, store, clock, events }
    }

    pub async fn sign_in(&self, user: &str) -> StartedSession {
        self.sessions.start(user, ClientInfo::new().user_agent("curl/8.5.0")).await.expect("a working store")
    }

    pub fn app(&self) -> Router {
        app(&self.sessions)
    }
}

/// An application with one handler of its own, and the ready-made routes under `/api`.
pub fn app(sessions: &SessionManager) -> Router {
    Router::new()
        .route("/me", get(async |session: CurrentSession| session.user_id().to_string()))
        .route(
            "/maybe",
            get(async |session: Option<CurrentSession>| {
                session.map_or_else(|| "nobody".to_owned(), |session| session.user_id().to_string())
            }),
        )
        .nest("/api", SessionRoutes::new(sessions).into_router())
        .layer(SessionLayer::new(sessions))
}

/// A response, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body in memory").to_bytes();
        let body = String::from_utf8(bytes.to_vec()).expect("text");
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a visible header"))
    }
}

/// A request with a bearer token.
pub fn request(method: Method, path: &str, token: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .expect("a good request")
}

pub async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
    Answer::read(response).await
}

pub async fn get_with(app: &Router, path: &str, token: &str) -> Answer {
    send(app, request(Method::GET, path, token)).await
}

pub async fn delete_with(app: &Router, path: &str, token: &str) -> Answer {
    send(app, request(Method::DELETE, path, token)).await
}

/// Keeps what is logged.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no writer panics")).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Runs the ignored test of this name in a process of its own.
///
/// It is for those that listen to the log of one thread: where a line of code is first reached by another thread
/// meanwhile, `tracing` asks that thread's subscriber whether anybody wants to hear of it, and goes by the answer ever
/// after.
pub fn in_a_process_of_its_own(test: &str) {
    let mut process = Command::new(env::current_exe().expect("this test"));
    let output = process.args([test, "--exact", "--ignored", "--nocapture"]).output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
