//! One user with very many ended sessions: what others of theirs cost then, and what the index that makes it so costs
//! activity.

use std::{
    env,
    time::{Duration, Instant},
};

use tower_device_sessions::{
    Session, SessionId, SessionKey, UserId,
    clock::Timestamp,
    policy::{Admission, OverLimit, SessionLimit},
    session::{Actor, AsOf, EndReason, Ending, Touch},
    store::{
        ListPosition, ListQuery, MySqlStore, PostgresStore, SessionState, SessionStore, SqliteStore,
        sqlx::{self, MySqlPool, PgPool, SqlitePool},
    },
};

use super::servers;

const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);
const COLUMNS: &str = "kind, created_at, last_active_at, authenticated_at, expires_at, idle_timeout, methods, assurance_level, \
                       generation, least_generation, newest_seen, salt, ended_at, end_reason, end_actor, data";

fn user(name: &str) -> UserId {
    name.parse().expect("an id")
}

/// A hundred ended sessions of each of two users, and a few that are open.
async fn insert_few(store: &impl SessionStore) {
    for name in ["few", "many"] {
        for n in 0..105_u32 {
            let began = NOW.saturating_sub(Duration::from_secs(3_600 + u64::from(n)));
            let mut session = Session::new(user(name), began, NOW.saturating_add(Duration::from_secs(86_400)));
            session.ended = (n >= 5).then(|| Ending::new(EndReason::SignedOut, Actor::Application, began));
            store.insert(&session, &Admission::new(AsOf::new(NOW, Duration::ZERO))).await.unwrap();
        }
    }
}

/// Prints the median of each, and how many times that of the user with few sessions it is for the one with many.
async fn compare(name: &str, store: &impl SessionStore) {
    let median = async |what: &str, whose: &str| {
        let (user, mut times) = (user(whose), Vec::new());
        for _ in 0..21 {
            let mut admission = Admission::new(AsOf::new(NOW, Duration::ZERO));
            let mut query = ListQuery::new(SessionState::Active, 50, AsOf::new(NOW, Duration::ZERO));
            let session = Session::new(user.clone(), NOW, NOW.saturating_add(Duration::from_secs(60)));
            let since = Instant::now();
            match what {
                "list" => drop(store.list(&user, &query).await.unwrap()),
                "page" => {
                    query.state = SessionState::All;
                    let at = NOW.saturating_sub(Duration::from_secs(3_610));
                    query.after = Some(ListPosition::new(at, SessionId::at(at)));
                    drop(store.list(&user, &query).await.unwrap());
                }
                _ => {
                    admission.keep_ended = 200;
                    if what == "limited sign-in" {
                        admission.limits.push(SessionLimit::new(10, OverLimit::RevokeOldest));
                    }
                    drop(store.insert(&session, &admission).await.unwrap());
                    times.push(since.elapsed());
                    let ending = Ending::new(EndReason::SignedOut, Actor::Application, NOW);
                    store.end(&SessionKey::new(user.clone(), session.id), &ending, Duration::ZERO).await.unwrap();
                    continue;
                }
            }
            times.push(since.elapsed());
        }
        times.sort_unstable();
        times[times.len() / 2]
    };
    for what in ["list", "page", "sign-in", "limited sign-in"] {
        let (few, many) = (median(what, "few").await, median(what, "many").await);
        println!("{name:<8} {what:<16} {few:>10.1?} {many:>10.1?} {:>6.2}", many.as_secs_f64() / few.as_secs_f64());
    }
}

macro_rules! one_user {
    ($test:ident, $name:literal, $url:expr, $pool:ty, $store:ty, $id:literal, $numbers:literal) => {
        /// It prints times, and takes a while: `cargo test --all-features --test it -- --ignored --nocapture one_user`,
        /// with `ROWS` for another number of rows than 300,000.
        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "it takes minutes, and only prints times"]
        async fn $test() {
            let Some(url) = $url else { return };
            let rows: u64 = env::var("ROWS").map_or(300_000, |rows| rows.parse().unwrap());
            let prefix = servers::prefix();
            let store = <$store>::connect(&url).await.unwrap().table_prefix(&prefix).unwrap();
            store.migrate().await.unwrap();
            insert_few(&store).await;
            let pool = <$pool>::connect(&url).await.unwrap();
            let fill: &str = format!(
                "INSERT INTO {prefix}sessions (user_id, id, {COLUMNS}) SELECT user_id, {}, {COLUMNS} \
                 FROM {prefix}sessions CROSS JOIN ({}) AS numbers WHERE user_id = 'many' AND ended_at IS NOT NULL",
                $id,
                $numbers.replace("COUNT", &(rows / 100).to_string())
            )
            .leak();
            sqlx::raw_sql(fill).execute(&pool).await.unwrap();
            compare($name, &store).await;
            for table in ["sessions", "devices", "migrations", "locks", "cutoffs"] {
                let drop: &str = format!("DROP TABLE IF EXISTS {prefix}{table}").leak();
                sqlx::raw_sql(drop).execute(&pool).await.unwrap();
            }
        }
    };
}

/// How many sessions are active since the last flush, and how many of those a statement writes.
const ACTIVE: u64 = 10_000;
const CHUNK: usize = 500;

/// Has the same sessions written with and without the index, in turn. Prints the median of each, for one session.
async fn compare_flushes(name: &str, stores: [&dyn SessionStore; 2]) {
    let mut keys = Vec::new();
    for n in 0..ACTIVE {
        let began = NOW.saturating_sub(Duration::from_secs(7_200 + n));
        let session = Session::new(user(&format!("user-{}", n % 1_000)), began, NOW.saturating_add(Duration::MAX));
        for store in stores {
            store.insert(&session, &Admission::new(AsOf::new(NOW, Duration::ZERO))).await.unwrap();
        }
        keys.push(session.key());
    }
    keys.sort_unstable_by(|one, other| (&one.user_id, one.id).cmp(&(&other.user_id, other.id)));
    let mut times = [Vec::new(), Vec::new()];
    for round in 1..=21_u32 {
        let at = NOW.saturating_add(Duration::from_secs(60) * round);
        let touches: Vec<Touch> = keys.iter().map(|key| Touch::new(key.clone(), at)).collect();
        // In turn, and each first as often as the other.
        for place in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let since = Instant::now();
            for chunk in touches.chunks(CHUNK) {
                stores[place].touch(chunk).await.unwrap();
            }
            times[place].push(since.elapsed() / u32::try_from(ACTIVE).unwrap());
        }
    }
    let [with, without] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    println!("{name:<8} activity of a session, with the index {with:>8.1?}, without {without:>8.1?} {ratio:>6.2}");
}

macro_rules! index_cost {
    ($test:ident, $name:literal, $url:expr, $pool:ty, $store:ty, $drop:literal) => {
        /// It prints times, and takes a while:
        /// `cargo test --all-features --test it -- --ignored --nocapture index_costs`.
        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "it takes a minute, and only prints times"]
        async fn $test() {
            let Some(url) = $url else { return };
            let prefixes = [servers::prefix(), servers::prefix()];
            let pool = <$pool>::connect(&url).await.unwrap();
            let open = async |prefix: &str| {
                let store = <$store>::connect(&url).await.unwrap().table_prefix(prefix).unwrap();
                store.migrate().await.unwrap();
                store
            };
            let (with, without) = (open(&prefixes[0]).await, open(&prefixes[1]).await);
            let drop: &str = $drop.replace("PREFIX_", &prefixes[1]).leak();
            sqlx::raw_sql(drop).execute(&pool).await.unwrap();
            compare_flushes($name, [&with, &without]).await;
            for prefix in prefixes {
                for table in ["sessions", "devices", "migrations", "locks", "cutoffs"] {
                    let drop: &str = format!("DROP TABLE IF EXISTS {prefix}{table}").leak();
                    sqlx::raw_sql(drop).execute(&pool).await.unwrap();
                }
            }
        }
    };
}

index_cost!(
    index_costs_on_sqlite,
    "SQLite",
    Some(sqlite_file()),
    SqlitePool,
    SqliteStore,
    "DROP INDEX PREFIX_sessions_rested_at"
);

index_cost!(
    index_costs_on_postgres,
    "Postgres",
    servers::url("postgres", "TEST_POSTGRES_URL", 5432, "postgres://postgres@127.0.0.1:5432/test"),
    PgPool,
    PostgresStore,
    "DROP INDEX PREFIX_sessions_rested_at"
);

index_cost!(
    index_costs_on_mysql,
    "MariaDB",
    servers::url("mysql", "TEST_MYSQL_URL", 3306, "mysql://root@127.0.0.1:3306/test"),
    MySqlPool,
    MySqlStore,
    "ALTER TABLE PREFIX_sessions DROP KEY PREFIX_sessions_rested_at"
);

fn sqlite_file() -> String {
    format!("sqlite://{}?mode=rwc", env::temp_dir().join(crate::support::servers::unique_name()).display())
}

one_user!(
    on_sqlite,
    "SQLite",
    Some(sqlite_file()),
    SqlitePool,
    SqliteStore,
    "randomblob(16)",
    "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < COUNT) SELECT n FROM n"
);

one_user!(
    on_postgres,
    "Postgres",
    servers::url("postgres", "TEST_POSTGRES_URL", 5432, "postgres://postgres@127.0.0.1:5432/test"),
    PgPool,
    PostgresStore,
    "gen_random_uuid()",
    "SELECT * FROM generate_series(1, COUNT)"
);

one_user!(
    on_mysql,
    "MariaDB",
    servers::url("mysql", "TEST_MYSQL_URL", 3306, "mysql://root@127.0.0.1:3306/test"),
    MySqlPool,
    MySqlStore,
    "RANDOM_BYTES(16)",
    "SELECT seq FROM seq_1_to_COUNT"
);
