//! How many instructions a cached request costs, counted by valgrind's callgrind, against a committed limit.
//!
//! Unlike a time, the number does not depend on what else the machine does, so that CI can insist on it:
//!
//! ```text
//! cargo bench --bench instructions
//! ```
//!
//! Each case runs twice in a process of its own under callgrind, once with more requests than the other time. The
//! difference is what the additional requests cost, without the start of the process. What is compared with
//! `instructions.limit` is how much more that is than with a layer that does nothing, in the same place.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot go on ends by panicking")]
#![allow(clippy::wildcard_imports, missing_docs, unreachable_pub, dead_code, reason = "nothing here is for others")]
#![expect(clippy::print_stdout, reason = "it reports to a terminal")]

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use axum::{Router, body::Body, routing::get};
use http::{Request, Response, header};
use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_device_sessions::{
    ClientInfo, KeyRing, SessionLayer, SessionManager,
    credentials::{CookieOptions, Transport},
    store::MemoryStore,
};

mod support;

use support::NoopLayer;

type App = BoxCloneSyncService<Request<Body>, Response<Body>, std::convert::Infallible>;

/// What is counted, and what with: the layer inside `Router::layer` and around the router beside a layer that does
/// nothing, and the token in a cookie, behind ten others, beside the same in `Authorization`.
const CASES: [(&str, &str, &str); 3] = [
    ("inside Router::layer", "inner-noop", "inner-cached"),
    ("around the router", "outer-noop", "outer-cached"),
    ("in a cookie", "inner-cached", "inner-cookie"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let outcome = match arguments.iter().position(|argument| argument == "--count") {
        Some(at) => serve(&arguments[at + 1..]).map(|()| true),
        None => compare(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts every case, and says whether all are within their limits.
fn compare() -> Result<bool, Box<dyn Error>> {
    let limits = limits()?;
    let mut within = true;
    println!("{:<22} {:>10} {:>10} {:>10} {:>10}", "instructions/request", "without", "with", "added", "limit");
    for (name, without, with) in CASES {
        let limit = *limits.get(name).ok_or_else(|| format!("{LIMITS} has no limit for {name:?}"))?;
        let (without, with) = (count(without)?, count(with)?);
        let added = with.saturating_sub(without);
        println!("{name:<22} {without:>10} {with:>10} {added:>10} {limit:>10}");
        if added > limit {
            within = false;
            println!(
                "A cached request {name} costs {added} instructions more than what it is compared with, and {limit} are \
                 allowed. Make the path cheaper, or raise the limit in benches/{LIMITS} and say why in the commit."
            );
        }
    }
    println!();
    Ok(within)
}

/// Instructions per request in one case.
fn count(case: &str) -> Result<u64, Box<dyn Error>> {
    let (few, many) = (run(case, FEW)?, run(case, MANY)?);
    Ok(many.saturating_sub(few) / (MANY - FEW))
}

/// All the instructions of a process that serves so many requests.
fn run(case: &str, requests: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--count", case, &requests.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not start: {error}. On Debian: apt-get install valgrind"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{case} failed under valgrind:\n{report}").into());
    }
    let collected = report.lines().find_map(|line| line.split_once("Collected : ")).ok_or("callgrind did not count")?;
    Ok(collected.1.trim().parse()?)
}

/// The limits, by the names of the cases: lines of a name, a colon and a number.
fn limits() -> Result<BTreeMap<String, u64>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches").join(LIMITS);
    let text = fs::read_to_string(path)?;
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(':'))
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, limit)| Ok((name.to_owned(), limit.trim().parse()?)))
        .collect()
}

/// Serves so many requests with one of the applications.
fn serve(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [case, requests] = arguments else { return Err("`--count` takes a case and a number".into()) };
    let requests: u64 = requests.parse()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut sessions = SessionManager::builder(MemoryStore::new())
            .keys(KeyRing::hs256("a secret for benchmarks, long enough")?)
            .cache_ttl(std::time::Duration::from_secs(60));
        let in_cookie = case == "inner-cookie";
        if in_cookie {
            sessions = sessions.transport(Transport::Cookie(CookieOptions::new()));
        }
        let sessions = sessions.build()?;
        let token = sessions.start("demo@example.com", ClientInfo::new()).await?.token().to_owned();
        let router = Router::new().route("/", get(async || "ok"));
        let app: App = match case.as_str() {
            "inner-noop" => BoxCloneSyncService::new(router.layer(NoopLayer)),
            "inner-cached" | "inner-cookie" => BoxCloneSyncService::new(router.layer(SessionLayer::new(&sessions))),
            "outer-noop" => BoxCloneSyncService::new(tower::Layer::layer(&NoopLayer, router)),
            "outer-cached" => BoxCloneSyncService::new(tower::Layer::layer(&SessionLayer::new(&sessions), router)),
            _ => return Err(format!("{case:?} is no case").into()),
        };
        let others: String =
            (0..10).map(|number| format!("other-cookie-{number}=a-value-of-{number}-and-so-on; ")).collect();
        let (name, value) = match in_cookie {
            true => (header::COOKIE, format!("{others}__Host-session={token}")),
            false => (header::AUTHORIZATION, format!("Bearer {token}")),
        };
        let value = header::HeaderValue::try_from(value)?;
        for _ in 0..requests {
            let mut request = Request::new(Body::empty());
            request.headers_mut().insert(name.clone(), value.clone());
            let response = app.clone().oneshot(request).await?;
            assert_eq!(response.status(), 200);
        }
        Ok(())
    })
}

const FEW: u64 = 1_000;
const MANY: u64 = 3_000;
const LIMITS: &str = "instructions.limit";
