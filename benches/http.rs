//! A server on the loopback interface, with and without the layer, under a real client.
//!
//! ```text
//! cargo bench --bench http
//! ```
//!
//! The client is `oha` (`cargo install oha`) or `wrk` (`apt-get install wrk`), whichever is found. Client and server
//! share the machine, so that the absolute numbers say little; that both servers meet the same client makes them
//! comparable. They take turns in short rounds, and the medians are compared.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot go on ends by panicking")]
#![allow(clippy::wildcard_imports, missing_docs, unreachable_pub, dead_code, reason = "nothing here is for others")]

use std::{error::Error, io::ErrorKind, net::SocketAddr, process::Command, time::Duration};

use axum::{Router, routing::get};
use tower_device_sessions::{ClientInfo, CurrentSession, KeyRing, SessionLayer, SessionManager, store::MemoryStore};

const CONNECTIONS: u32 = 32;
const ROUNDS: usize = 9;
const SECONDS: u32 = 2;
const GOAL: f64 = 0.95;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let client = Client::find()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (bare, layered, token) = runtime.block_on(async {
        let sessions = SessionManager::builder(MemoryStore::new())
            .keys(KeyRing::hs256("a secret for benchmarks, long enough")?)
            .build()?;
        let token = sessions.start("demo@example.com", ClientInfo::new()).await?.token().to_owned();
        let user = async |session: CurrentSession| session.user_id().to_string();
        let bare = serve(Router::new().route("/", get(async || "demo@example.com"))).await?;
        let layered = serve(Router::new().route("/", get(user)).layer(SessionLayer::new(&sessions))).await?;
        Ok::<_, Failure>((bare, layered, token))
    })?;

    let (mut bare_rates, mut layered_rates) = (Vec::new(), Vec::new());
    // One round to warm up, which does not count.
    for round in 0..=ROUNDS {
        let rates = (client.run(bare, &token)?, client.run(layered, &token)?);
        if round > 0 {
            bare_rates.push(rates.0);
            layered_rates.push(rates.1);
        }
    }
    let (bare, layered) = (median(bare_rates), median(layered_rates));
    println!("{} connections from {client:?}, {ROUNDS} rounds of {SECONDS} s each", CONNECTIONS);
    println!("bare handler        {bare:>10.0} requests/s");
    println!("with a session      {layered:>10.0} requests/s, of which at least {GOAL} are wanted");
    println!("\nRATIO http_over_bare {:.3}", layered / bare);
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

async fn serve(app: Router) -> Result<SocketAddr, Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

/// The program that sends the requests.
#[derive(Clone, Copy, Debug)]
enum Client {
    Oha,
    Wrk,
}

impl Client {
    fn find() -> Result<Self, Failure> {
        for (client, name) in [(Self::Oha, "oha"), (Self::Wrk, "wrk")] {
            match Command::new(name).arg("--version").output() {
                Ok(_) => return Ok(client),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err("there is no client: `cargo install oha`, or `apt-get install wrk`".into())
    }

    /// Requests per second of one round.
    fn run(self, server: SocketAddr, token: &str) -> Result<f64, Failure> {
        let (url, header) = (format!("http://{server}/"), format!("Authorization: Bearer {token}"));
        let (connections, seconds) = (CONNECTIONS.to_string(), format!("{SECONDS}s"));
        let mut command = match self {
            Self::Oha => Command::new("oha"),
            Self::Wrk => Command::new("wrk"),
        };
        match self {
            Self::Oha => command.args(["--no-tui", "-z", &seconds, "-c", &connections, "-H", &header, &url]),
            Self::Wrk => command.args(["-t1", "-d", &seconds, "-c", &connections, "-H", &header, &url]),
        };
        let output = command.output()?;
        let report = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || report.contains("Non-2xx") {
            return Err(format!("{self:?} failed: {report}{}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let rate = report.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
        Ok(rate.ok_or_else(|| format!("{self:?} says no rate: {report}"))?.trim().parse()?)
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
