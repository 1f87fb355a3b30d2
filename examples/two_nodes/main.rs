//! Two servers over one store and one bus: a session that is revoked on one is refused by the other.
//!
//! ```text
//! cargo run --example two_nodes
//! DATABASE_URL=postgres://postgres@127.0.0.1/test cargo run --release --example two_nodes --features postgres
//! ```
//!
//! It revokes one session, then many (`REVOCATIONS`, 1,000 by default), and prints how long after the call of the
//! revocation on one node the other responds with 401. `DATABASE_URL`, `BUS` and `REDIS_URL` are those of `my_devices`;
//! in memory the bus is a local one. `CACHE_TTL` is, in milliseconds, how long records may be used without being read
//! again.

#![allow(missing_debug_implementations, unreachable_pub, reason = "nobody depends on an application")]

mod client;
mod settings;
#[path = "../my_devices/stores.rs"]
mod stores;

use std::{
    error::Error,
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet, time};
use tower_device_sessions::{
    ClientInfo, CurrentSession, KeyRing, SessionLayer, SessionManager, SessionRoutes, StartedSession,
};

use crate::{client::Client, settings::text, stores::Shared};

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone, Copy)]
struct Settings {
    revocations: usize,
    cache_ttl: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    let settings = settings().and_then(|settings| Ok((settings, Shared::from_env("memory:")?)));
    let (settings, shared) = match settings {
        Ok(settings) => settings,
        Err(message) => return fail(2, &message),
    };
    match run(settings, &shared).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error.to_string()),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("two_nodes: {message}");
    ExitCode::from(code)
}

fn settings() -> Result<Settings, String> {
    let number = |name: &str, default: u64| match text(name)? {
        Some(value) => value.parse().map_err(|_| format!("{name}: {value:?} is not a number")),
        None => Ok(default),
    };
    let revocations = number("REVOCATIONS", 1_000)?.clamp(1, 100_000);
    let cache_ttl = Duration::from_millis(number("CACHE_TTL", 10_000)?);
    Ok(Settings { revocations: usize::try_from(revocations).unwrap_or(1), cache_ttl })
}

async fn run(settings: Settings, shared: &Shared) -> Result<(), Failure> {
    let keys = KeyRing::random()?;
    let (here, there) = (node(settings, shared, &keys).await?, node(settings, shared, &keys).await?);
    let nodes = Nodes { here: serve(&here).await?, there: serve(&there).await? };

    // One, step by step.
    let mut clients = nodes.connect().await?;
    let token = clients.sign_in("ann").await?;
    println!("ann signs in on the first node ({})", nodes.here);
    println!("the second node ({}) answers {}", nodes.there, clients.there.call("GET", "/me", &token).await?.status);
    let bus = await_bus(&there).await;
    println!("ann signs out on the first node: {}", clients.here.call("POST", "/api/logout", &token).await?.status);
    let refused = clients.refused(&token).await?;
    println!("the second node answers 401: {}", refused["error"].as_str().unwrap_or_default());

    // Where a bus carries messages one revocation follows the other; else many wait at the same time.
    let at_once = if matches!(bus, "none" | "polling") { 100 } else { 1 };
    let places = Arc::new(Semaphore::new(at_once));
    let mut running = JoinSet::new();
    for number in 0..settings.revocations {
        let place = Arc::clone(&places).acquire_owned().await?;
        running.spawn(async move {
            let _place = place;
            nodes.revoke(&format!("user-{number}")).await
        });
    }
    let mut times = Vec::new();
    while let Some(time) = running.join_next().await {
        times.push(time??);
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!(
        "{} revocations, bus {bus}: refused by the other node after p50 {:.1?}, p99 {:.1?}, max {:.1?}",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
    Ok(())
}

/// One of the two nodes.
async fn node(settings: Settings, shared: &Shared, keys: &KeyRing) -> Result<SessionManager, Failure> {
    Ok(shared.open().await?.keys(keys.clone()).cache_ttl(settings.cache_ttl).build()?)
}

async fn serve(sessions: &SessionManager) -> std::io::Result<SocketAddr> {
    let router = Router::new()
        .route("/login", post(login))
        .route("/me", get(async |session: CurrentSession| Json(json!(session.user_id().as_str()))))
        .nest("/api", SessionRoutes::new(sessions).into_router())
        .layer(SessionLayer::new(sessions))
        .with_state(sessions.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true))), router).await
    });
    Ok(address)
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

/// Signs in anyone who gives a name: this example is about what comes afterwards.
async fn login(
    State(sessions): State<SessionManager>,
    client: ClientInfo,
    Query(login): Query<Login>,
) -> Result<StartedSession, tower_device_sessions::Error> {
    sessions.start(login.user.as_str(), client).await
}

/// Waits until a node hears the other, and returns by which bus.
async fn await_bus(sessions: &SessionManager) -> &'static str {
    loop {
        match sessions.health().bus {
            None => return "none",
            Some(bus) if bus.connected => return bus.name,
            Some(_) => time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[derive(Clone, Copy)]
struct Nodes {
    here: SocketAddr,
    there: SocketAddr,
}

impl Nodes {
    async fn connect(&self) -> std::io::Result<Clients> {
        Ok(Clients { here: Client::connect(self.here).await?, there: Client::connect(self.there).await? })
    }

    /// How long it takes from the call of a revocation here to its being refused there.
    async fn revoke(&self, user: &str) -> Result<Duration, Failure> {
        let mut clients = self.connect().await?;
        let token = clients.sign_in(user).await?;
        let accepted = clients.there.settled("GET", "/me", &token).await?.status;
        if accepted != 200 {
            return Err(format!("the second node answers {accepted} to a session that has just started").into());
        }
        let began = Instant::now();
        clients.here.settled("POST", "/api/logout", &token).await?;
        clients.refused(&token).await?;
        Ok(began.elapsed())
    }
}

struct Clients {
    here: Client,
    there: Client,
}

impl Clients {
    async fn sign_in(&mut self, user: &str) -> Result<String, Failure> {
        let answer = self.here.settled("POST", &format!("/login?user={user}"), "").await?;
        let token = answer.body["token"].as_str().ok_or_else(|| format!("no token, but status {}", answer.status))?;
        Ok(token.to_owned())
    }

    /// Asks the second node until it refuses the token, and returns its response.
    async fn refused(&mut self, token: &str) -> Result<Value, Failure> {
        loop {
            let answer = self.there.call("GET", "/me", token).await?;
            match answer.status {
                200 | 503 => time::sleep(Duration::from_millis(1)).await,
                401 => return Ok(answer.body),
                other => return Err(format!("the second node answers {other}").into()),
            }
        }
    }
}
