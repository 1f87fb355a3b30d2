use tower_device_sessions::store::{
    PostgresStore, SessionStore, StoreErrorKind,
    conformance::{Case, Failure},
    sqlx::{
        self, PgPool,
        postgres::{PgConnectOptions, PgPoolOptions},
    },
};

use uuid::Uuid;

use super::servers;
use crate::support::proxy::Proxy;

pub(super) fn url() -> Option<String> {
    servers::url("postgres", "TEST_POSTGRES_URL", 5432, "postgres://postgres@127.0.0.1:5432/test")
}

/// Runs `test` on a store with tables of its own, and drops them.
pub(super) async fn with_store<T>(
    url: &str,
    make: impl AsyncFn() -> PostgresStore,
    test: impl AsyncFnOnce(PostgresStore) -> T,
) -> T {
    let prefix = servers::prefix();
    let store = make().await.table_prefix(&prefix).unwrap();
    store.migrate().await.unwrap();
    let result = test(store).await;
    drop_tables(url, &prefix).await;
    result
}

async fn drop_tables(url: &str, prefix: &str) {
    let tables: &str =
        format!("DROP TABLE {prefix}sessions, {prefix}devices, {prefix}cutoffs, {prefix}migrations").leak();
    let pool = PgPool::connect(url).await.unwrap();
    sqlx::raw_sql(tables).execute(&pool).await.unwrap();
    pool.close().await;
}

mod with_its_own_connections {
    use super::{Case, Failure, PostgresStore, url, with_store};

    tower_device_sessions::store_conformance!(
        run = async |case: &'static Case| -> Result<(), Failure> {
            let Some(url) = url() else { return Ok(()) };
            with_store(
                &url,
                async || PostgresStore::connect(&url).await.unwrap(),
                async |store| case.check(store).await,
            )
            .await
        }
    );
}

mod with_shared_connections {
    use super::{Case, Failure, PgPool, PostgresStore, url, with_store};

    tower_device_sessions::store_conformance!(
        run = async |case: &'static Case| -> Result<(), Failure> {
            let Some(url) = url() else { return Ok(()) };
            let make = async || PostgresStore::from_pool(PgPool::connect(&url).await.unwrap());
            with_store(&url, make, async |store| case.check(store).await).await
        }
    );
}

mod for_a_transaction_pooler {
    use super::{Case, Failure, PostgresStore, url, with_store};

    tower_device_sessions::store_conformance!(
        run = async |case: &'static Case| -> Result<(), Failure> {
            let Some(url) = url() else { return Ok(()) };
            let make = async || PostgresStore::connect(&url).await.unwrap().transaction_pooler();
            with_store(&url, make, async |store| case.check(store).await).await
        }
    );
}

/// The state of the server's process that serves the one connection of `pool`, as another connection sees it.
async fn state(watcher: &PgPool, process: i32) -> String {
    let state = "SELECT state FROM pg_stat_activity WHERE pid = $1";
    sqlx::query_scalar(state).bind(process).fetch_one(watcher).await.unwrap()
}

/// R28, S37.
#[tokio::test]
async fn a_transaction_that_a_cancelled_begin_left_open_swallows_no_write() {
    let Some(url) = url() else { return };
    let prefix = servers::prefix();
    let observer = PostgresStore::connect(&url).await.unwrap().table_prefix(&prefix).unwrap();
    observer.migrate().await.unwrap();
    let watcher = PgPool::connect(&url).await.unwrap();
    let server: PgConnectOptions = url.parse().unwrap();
    let address = tokio::net::lookup_host((server.get_host(), server.get_port())).await.unwrap().next().unwrap();
    let proxy = Proxy::to(address).await.unwrap();
    let server = server.host("127.0.0.1").port(proxy.port);
    for round in 0..4 {
        // One connection, which every statement has to use.
        let shared = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
        let shared = shared.connect_with(server.clone()).await.unwrap();
        let store = PostgresStore::from_pool(shared.clone()).table_prefix(&prefix).unwrap();
        let process = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&shared).await.unwrap();

        servers::until(|| shared.num_idle() == 1).await;
        servers::drop_when_asked(&proxy, shared.begin()).await;
        servers::until(|| shared.num_idle() == 1).await;
        // A cancelled `begin()` leaves a transaction open, or this would test nothing.
        assert_eq!(state(&watcher, process).await, "idle in transaction");
        if round % 2 == 0 {
            // What other code does with the connection meanwhile can fail, which leaves it worse.
            sqlx::query("SELECT 1 / 0").execute(&shared).await.unwrap_err();
        }

        let ended = servers::ensure_writes_are_seen(&store, &observer).await;
        shared.close().await;
        servers::ensure_ended(&observer, &ended).await;
    }
    drop_tables(&url, &prefix).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_by_an_index() {
    let Some(url) = url() else { return };
    let prefix = servers::prefix();
    let store = PostgresStore::connect(&url).await.unwrap().table_prefix(&prefix).unwrap();
    store.migrate().await.unwrap();
    let user = servers::fill(&store, 40).await;

    let one = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let analyze: &str = format!("ANALYZE {prefix}sessions").leak();
    sqlx::raw_sql(analyze).execute(&one).await.unwrap();
    servers::list_25(&PostgresStore::from_pool(one.clone()).table_prefix(&prefix).unwrap(), &user).await;
    let listing = "SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'SELECT * FROM ((SELECT id, %ORDER BY last_active_at%'";
    let listing: String = sqlx::query_scalar(listing).fetch_one(&one).await.unwrap();
    let explain: &str = format!("EXPLAIN {listing}").leak();
    let plan: Vec<String> = sqlx::query_scalar(explain)
        .bind(user.as_str())
        .bind(0_i64)
        .bind(0_i64)
        .bind(true)
        .bind(false)
        .bind(None::<Uuid>)
        .bind(i64::MAX)
        .bind(Uuid::max())
        .bind(25_i64)
        .fetch_all(&one)
        .await
        .unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains(&format!("{prefix}sessions_")) && !plan.contains("Seq Scan"), "{plan}");
    drop_tables(&url, &prefix).await;
}

/// R26.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_one_connection_serves_100_requests() {
    let Some(url) = url() else { return };
    let pool = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let make = async || PostgresStore::from_pool(pool.clone());
    with_store(&url, make, async |store| servers::serve_100_requests(store).await).await;
}

/// R24.
#[tokio::test]
async fn eight_processes_migrate_at_once() {
    let Some(url) = url() else { return };
    let prefix = servers::prefix();
    servers::run_in_processes(8, "stores::postgres::migrates_and_inserts", &url, &prefix);
    drop_tables(&url, &prefix).await;
}

#[tokio::test]
#[ignore = "is run in processes of its own by `eight_processes_migrate_at_once`"]
async fn migrates_and_inserts() {
    let Some((url, prefix)) = servers::assignment() else { return };
    let store = PostgresStore::connect(&url).await.unwrap().table_prefix(&prefix).unwrap();
    servers::migrate_and_insert(&store).await;
}

#[tokio::test]
async fn a_missing_schema_is_told_from_a_store_that_is_down() {
    let Some(url) = url() else { return };
    let store = PostgresStore::connect(&url).await.unwrap().table_prefix(&servers::prefix()).unwrap();
    servers::ensure_schema_is_missed(&store).await;
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused_and_a_dead_one_tells_no_password() {
    for url in ["", "sqlite::memory:", "mysql://127.0.0.1/test", "127.0.0.1/test"] {
        let error = PostgresStore::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Location, "{url}");
    }
    // Port 9 is for discarding what is sent to it; nothing listens there.
    let error = PostgresStore::connect("postgres://ann:hunter2@127.0.0.1:9/test").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

/// S42, S85: through managers, not only through the store's contract.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_tabs_and_racing_sign_ins_end_well() -> crate::support::TestResult {
    let Some(url) = url() else { return Ok(()) };
    let make = async || PostgresStore::connect(&url).await.unwrap();
    with_store(&url, make, async |store| {
        crate::tokens::refresh::sixty_four_tabs_end_with_one_successor(store.clone()).await?;
        crate::sign_in::limits::racing_sign_ins_keep_to_the_limit(vec![store.clone(), store]).await
    })
    .await
}
