//! The SQL stores beside bare queries of the same driver, on a table of a million sessions.
//!
//! ```text
//! cargo bench --bench stores --features sqlite,postgres,mysql
//! ```
//!
//! Postgres and MySQL are taken from `TEST_POSTGRES_URL` and `TEST_MYSQL_URL`; without an address a store is left out.
//! `SESSIONS` is how many rows there are, a million unless it is set. Both sides take turns; the figures are medians.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot go on ends by panicking")]
#![allow(clippy::print_stdout, reason = "it reports to a terminal")]
#![allow(missing_docs, reason = "nothing here is for others")]

mod activity;

use std::{
    env, fs,
    time::{Duration, Instant},
};

use tower_device_sessions::{
    Session, SessionId, SessionKey, Timestamp, UserId,
    clock::{Clock, SystemClock},
    device::{ClientHints, Device},
    policy::Admission,
    session::AsOf,
    store::{
        ListQuery, MySqlStore, PostgresStore, SessionState, SessionStore, SqliteStore,
        sqlx::{self, mysql::MySqlPoolOptions, postgres::PgPoolOptions, sqlite::SqlitePoolOptions},
    },
};
use uuid::Uuid;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const PER_USER: u64 = 50;
const ROUNDS: u64 = 400;

/// What a session has, but for whose it is and what the database makes of it.
const COPIED: &str = "browser, browser_version, os, os_version, model, kind, id, device_id, user_agent, hints, custom_name, \
                      created_ip, last_ip, city, region, country_code, created_at, last_active_at, authenticated_at, \
                      expires_at, idle_timeout, methods, assurance_level, generation, least_generation, rotated_at, \
                      newest_seen, salt, ended_at, end_reason, end_actor, data";

/// What the stores read of one.
const READ: &str = "id, device_id, user_agent, hints, custom_name, created_ip, last_ip, city, region, country_code, created_at, \
                    last_active_at, authenticated_at, expires_at, idle_timeout, methods, assurance_level, generation, \
                    least_generation, rotated_at, newest_seen, salt, ended_at, end_reason, end_actor, data";

#[tokio::main]
async fn main() -> Outcome {
    let sessions: u64 = env::var("SESSIONS").map_or(Ok(1_000_000), |text| text.parse())?;
    let users = (sessions / PER_USER).max(1);
    println!("{} sessions of {users} users; times in µs\n", users * PER_USER);
    println!("{:<10} {:<42} {:>10} {:>10} {:>8} {:>8}", "store", "what", "bare", "store", "ratio", "goal");

    let file = format!("{}/bench-stores-{}.db", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let sqlite = sqlite(&file, users).await;
    for suffix in ["", "-wal", "-shm"] {
        // Not all of them need be there.
        let _ = fs::remove_file(format!("{file}{suffix}"));
    }
    sqlite?;
    if let Ok(url) = env::var("TEST_POSTGRES_URL") {
        postgres(&url, users).await?;
    }
    if let Ok(url) = env::var("TEST_MYSQL_URL") {
        mysql(&url, users).await?;
    }
    Ok(())
}

fn user(number: u64) -> UserId {
    UserId::try_from(format!("user-{number}")).expect("a good id")
}

/// The sessions that all users have copies of.
fn templates(now: Timestamp) -> Vec<Session> {
    let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
    (0..PER_USER)
        .map(|minute| {
            let began = now.saturating_sub(Duration::from_secs(60 * minute));
            let mut session = Session::new(user(0), began, now.saturating_add(Duration::from_secs(30 * 86_400)));
            session.id = SessionId::at(began);
            session.device = Device::new(Some(chrome.into()), ClientHints::default());
            session.created_ip = "203.0.113.9".parse().ok();
            session.last_ip = session.created_ip;
            session
        })
        .collect()
}

/// One and the other in turn, so often, and the medians of both in microseconds.
async fn in_turn(
    mut bare: impl AsyncFnMut(u64) -> Outcome,
    mut store: impl AsyncFnMut(u64) -> Outcome,
) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let mut times = (Vec::new(), Vec::new());
    let mut place = 7_u64;
    for _ in 0..ROUNDS {
        // Any sequence will do that jumps about and is the same every time.
        place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let since = Instant::now();
        bare(place >> 33).await?;
        times.0.push(since.elapsed());
        let since = Instant::now();
        store(place >> 33).await?;
        times.1.push(since.elapsed());
    }
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    };
    Ok((median(times.0), median(times.1)))
}

fn report(store: &str, what: &str, (bare, ours): (f64, f64), ratio: f64, goal: &str) {
    println!("{store:<10} {what:<42} {bare:>10.0} {ours:>10.0} {ratio:>8.2} {goal:>8}");
}

fn report_longest(chunk: Duration) {
    println!("{:<10} {:<42} {:>10} {:>10} {:>8} {:>8}", "", "its longest chunk", "", chunk.as_micros(), "", "≤ 30,000");
}

/// One function for each driver, as their types have nothing in common.
macro_rules! bench_store {
    ($name:ident($source:ident), $title:literal, $store:ty, $pool:expr, $marks:expr, $flush_goal:literal) => {
        async fn $name($source: &str, users: u64) -> Outcome {
            let now = SystemClock::new().now();
            let marks: [&str; 3] = $marks;
            let prefix = format!("bench_{}_", std::process::id());
            let table = format!("{prefix}sessions");
            let pool = $pool;
            let store = <$store>::from_pool(pool.clone()).table_prefix(&prefix)?;
            store.migrate().await?;

            let templates = templates(now);
            for session in &templates {
                store.insert(session, &Admission::new(AsOf::new(now, Duration::ZERO))).await?;
            }
            let fill: &'static str = format!(
                "INSERT INTO {table} (user_id, {COPIED}) SELECT {}, {COPIED} FROM {table} WHERE user_id = 'user-0'",
                marks[0]
            )
            .leak();
            let mut number = 1;
            while number < users {
                let mut transaction = pool.begin().await?;
                for _ in 0..500.min(users - number) {
                    sqlx::query(fill).bind(user(number).as_str()).execute(&mut *transaction).await?;
                    number += 1;
                }
                transaction.commit().await?;
            }

            let ids: Vec<SessionId> = templates.iter().map(|session| session.id).collect();
            let id_of = |place: u64| ids[usize::try_from(place % PER_USER).expect("small")];
            let uuid_of = |place: u64| -> Uuid { *id_of(place).as_uuid() };
            let whose = |place: u64| user(place % users);

            let find: &'static str =
                format!("SELECT {READ} FROM {table} WHERE user_id = {} AND id = {}", marks[0], marks[1]).leak();
            let found = in_turn(
                async |place| {
                    let query = sqlx::query(find).bind(whose(place).as_str().to_owned()).bind(uuid_of(place));
                    query.fetch_one(&pool).await?;
                    Ok(())
                },
                async |place| {
                    store.find(&SessionKey::new(whose(place).clone(), id_of(place))).await?.ok_or("a session")?;
                    Ok(())
                },
            )
            .await?;
            report($title, "reading a session", found, found.1 / found.0, "≤ 1.3");

            let list: &'static str = format!(
                "SELECT {READ} FROM {table} WHERE user_id = {} AND ended_at IS NULL ORDER BY last_active_at DESC, id DESC LIMIT 50",
                marks[0]
            )
            .leak();
            let listed = in_turn(
                async |place| {
                    let rows = sqlx::query(list).bind(whose(place).as_str().to_owned()).fetch_all(&pool).await?;
                    assert_eq!(rows.len(), 50);
                    Ok(())
                },
                async |place| {
                    let query = ListQuery::new(SessionState::Active, 50, AsOf::new(now, Duration::ZERO));
                    assert_eq!(store.list(&whose(place), &query).await?.len(), 50);
                    Ok(())
                },
            )
            .await?;
            report($title, "listing 50 sessions", listed, listed.1 / listed.0, "≤ 1.5");

            let few_prefix = format!("{prefix}few_");
            let few = <$store>::from_pool(pool.clone()).table_prefix(&few_prefix)?;
            few.migrate().await?;
            for (what, store, prefix, users) in [
                ("activity of 10,000, which are all", &few, &few_prefix, activity::TOUCHED / PER_USER),
                ("activity of 10,000 among the others", &store, &prefix, users),
            ] {
                let update: &'static str = format!(
                    "UPDATE {prefix}sessions SET last_active_at = {} WHERE user_id = {} AND id = {}",
                    marks[0], marks[1], marks[2]
                )
                .leak();
                let bare = async |user: &UserId, id: SessionId, at: Timestamp| {
                    let query = sqlx::query(update).bind(at.as_micros()).bind(user.as_str().to_owned());
                    query.bind(*id.as_uuid()).execute(&pool).await?;
                    Ok(())
                };
                let active = activity::measure(store.clone(), |place| user(place * 104_729 % users), bare).await?;
                report($title, what, (active.bare, active.ours), active.bare / active.ours, $flush_goal);
                report_longest(active.longest);
            }

            for prefix in [&prefix, &few_prefix] {
                for table in ["sessions", "devices", "cutoffs", "migrations", "locks"] {
                    let drop: &'static str = format!("DROP TABLE IF EXISTS {prefix}{table}").leak();
                    sqlx::query(drop).execute(&pool).await?;
                }
            }
            pool.close().await;
            Ok(())
        }
    };
}

bench_store!(
    sqlite(file),
    "SQLite",
    SqliteStore,
    {
        use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        SqlitePoolOptions::new().max_connections(1).connect_with(options).await?
    },
    ["?", "?", "?"],
    "≥ 7"
);

bench_store!(
    postgres(url),
    "Postgres",
    PostgresStore,
    PgPoolOptions::new().max_connections(4).connect(url).await?,
    ["$1", "$2", "$3"],
    "≥ 20"
);

bench_store!(
    mysql(url),
    "MySQL",
    MySqlStore,
    MySqlPoolOptions::new().max_connections(4).connect(url).await?,
    ["?", "?", "?"],
    "≥ 20"
);
