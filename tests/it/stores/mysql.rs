use std::collections::BTreeMap;

use tower_device_sessions::store::{
    MySqlStore, SessionStore, StoreErrorKind,
    conformance::{Case, Failure},
    sqlx::{
        self, MySqlPool, Row,
        mysql::{MySqlConnectOptions, MySqlPoolOptions},
    },
};

use super::servers;
use crate::support::proxy::Proxy;

fn url() -> Option<String> {
    servers::url("mysql", "TEST_MYSQL_URL", 3306, "mysql://root@127.0.0.1:3306/test")
}

/// Runs `test` on a store with tables of its own, and drops them.
async fn with_store<T>(url: &str, make: impl AsyncFn() -> MySqlStore, test: impl AsyncFnOnce(MySqlStore) -> T) -> T {
    let prefix = servers::prefix();
    let store = make().await.table_prefix(&prefix).unwrap();
    store.migrate().await.unwrap();
    let result = test(store).await;
    drop_tables(url, &prefix).await;
    result
}

async fn drop_tables(url: &str, prefix: &str) {
    let tables: &str =
        format!("DROP TABLE {prefix}sessions, {prefix}devices, {prefix}cutoffs, {prefix}locks, {prefix}migrations")
            .leak();
    let pool = MySqlPool::connect(url).await.unwrap();
    sqlx::raw_sql(tables).execute(&pool).await.unwrap();
    pool.close().await;
}

mod with_its_own_connections {
    use super::{Case, Failure, MySqlStore, url, with_store};

    tower_device_sessions::store_conformance!(
        run = async |case: &'static Case| -> Result<(), Failure> {
            let Some(url) = url() else { return Ok(()) };
            with_store(&url, async || MySqlStore::connect(&url).await.unwrap(), async |store| case.check(store).await)
                .await
        }
    );
}

mod with_shared_connections {
    use super::{Case, Failure, MySqlPool, MySqlStore, url, with_store};

    tower_device_sessions::store_conformance!(
        run = async |case: &'static Case| -> Result<(), Failure> {
            let Some(url) = url() else { return Ok(()) };
            let make = async || MySqlStore::from_pool(MySqlPool::connect(&url).await.unwrap());
            with_store(&url, make, async |store| case.check(store).await).await
        }
    );
}

/// `BEGIN` is something else there.
mod with_oracles_sql_mode {
    use super::{Case, Failure, MySqlPoolOptions, MySqlStore, sqlx, url, with_store};

    tower_device_sessions::store_conformance!(
        run = async |case: &'static Case| -> Result<(), Failure> {
            let Some(url) = url() else { return Ok(()) };
            let make = async || {
                let pool = MySqlPoolOptions::new().after_connect(|connection, _| {
                    Box::pin(async move {
                        sqlx::raw_sql("SET SESSION sql_mode = 'ORACLE'").execute(connection).await.map(drop)
                    })
                });
                MySqlStore::from_pool(pool.connect(&url).await.unwrap())
            };
            with_store(&url, make, async |store| case.check(store).await).await
        }
    );
}

/// R28, S37.
#[tokio::test]
async fn a_transaction_that_a_cancelled_begin_left_open_swallows_no_write() {
    let Some(url) = url() else { return };
    let prefix = servers::prefix();
    let observer = MySqlStore::connect(&url).await.unwrap().table_prefix(&prefix).unwrap();
    observer.migrate().await.unwrap();
    let earlier = servers::ensure_writes_are_seen(&observer, &observer).await;
    let server: MySqlConnectOptions = url.parse().unwrap();
    let address = tokio::net::lookup_host((server.get_host(), server.get_port())).await.unwrap().next().unwrap();
    let proxy = Proxy::to(address).await.unwrap();
    let server = server.host("127.0.0.1").port(proxy.port);
    for round in 2..5 {
        // One connection, which every statement has to use.
        let shared = MySqlPoolOptions::new().max_connections(1).test_before_acquire(false);
        let shared = shared.connect_with(server.clone()).await.unwrap();
        let store = MySqlStore::from_pool(shared.clone()).table_prefix(&prefix).unwrap();
        servers::until(|| shared.num_idle() == 1).await;
        servers::drop_when_asked(&proxy, shared.begin()).await;
        servers::until(|| shared.num_idle() == 1).await;
        // What other code writes then is told to be done, and is not.
        let write: &str = format!("UPDATE {prefix}sessions SET assurance_level = {round}").leak();
        sqlx::query(write).execute(&shared).await.unwrap();
        let seen = observer.find(&earlier.key()).await.unwrap().unwrap();
        assert_ne!(
            seen.assurance_level, round,
            "the cancelled `begin()` has left no transaction open: this tests nothing"
        );

        let ended = servers::ensure_writes_are_seen(&store, &observer).await;
        servers::ensure_writes_are_seen(&observer, &store).await;
        shared.close().await;
        servers::ensure_ended(&observer, &ended).await;
    }
    servers::ensure_ended(&observer, &earlier).await;
    drop_tables(&url, &prefix).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_reads_the_rows_of_its_user_alone() {
    let Some(url) = url() else { return };
    let prefix = servers::prefix();
    let store = MySqlStore::connect(&url).await.unwrap().table_prefix(&prefix).unwrap();
    store.migrate().await.unwrap();
    let user = servers::fill(&store, 40).await;

    let one = MySqlPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let through_one = MySqlStore::from_pool(one.clone()).table_prefix(&prefix).unwrap();
    servers::list_25(&through_one, &user).await;
    sqlx::raw_sql("FLUSH STATUS").execute(&one).await.unwrap();
    servers::list_25(&through_one, &user).await;
    let rows = sqlx::raw_sql("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(&one).await.unwrap();
    let reads: BTreeMap<String, u64> =
        rows.iter().map(|row| (row.get(0), row.get::<String, _>(1).parse().unwrap())).collect();
    // One look-up of the user's first row by the key, the next 50, and 25 of those in their order.
    assert!(reads["Handler_read_key"] <= 2 && reads["Handler_read_first"] == 0, "{reads:?}");
    assert!(reads.values().sum::<u64>() <= 2 + 50 + 26 + 51, "{reads:?}");
    drop_tables(&url, &prefix).await;
}

/// R26.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_one_connection_serves_100_requests() {
    let Some(url) = url() else { return };
    let pool = MySqlPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let make = async || MySqlStore::from_pool(pool.clone());
    with_store(&url, make, async |store| servers::serve_100_requests(store).await).await;
}

/// R24.
#[tokio::test]
async fn eight_processes_migrate_at_once() {
    let Some(url) = url() else { return };
    let prefix = servers::prefix();
    servers::run_in_processes(8, "stores::mysql::migrates_and_inserts", &url, &prefix);
    drop_tables(&url, &prefix).await;
}

#[tokio::test]
#[ignore = "is run in processes of its own by `eight_processes_migrate_at_once`"]
async fn migrates_and_inserts() {
    let Some((url, prefix)) = servers::assignment() else { return };
    let store = MySqlStore::connect(&url).await.unwrap().table_prefix(&prefix).unwrap();
    servers::migrate_and_insert(&store).await;
}

#[tokio::test]
async fn a_missing_schema_is_told_from_a_store_that_is_down() {
    let Some(url) = url() else { return };
    let store = MySqlStore::connect(&url).await.unwrap().table_prefix(&servers::prefix()).unwrap();
    servers::ensure_schema_is_missed(&store).await;
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused_and_a_dead_one_tells_no_password() {
    for url in ["", "sqlite::memory:", "postgres://127.0.0.1/test", "127.0.0.1/test"] {
        let error = MySqlStore::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Location, "{url}");
    }
    // Port 9 is for discarding what is sent to it; nothing listens there.
    let error = MySqlStore::connect("mysql://ann:hunter2@127.0.0.1:9/test").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

/// S42, S85: through managers, not only through the store's contract.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_tabs_and_racing_sign_ins_end_well() -> crate::support::TestResult {
    let Some(url) = url() else { return Ok(()) };
    let make = async || MySqlStore::connect(&url).await.unwrap();
    with_store(&url, make, async |store| {
        crate::tokens::refresh::sixty_four_tabs_end_with_one_successor(store.clone()).await?;
        crate::sign_in::limits::racing_sign_ins_keep_to_the_limit(vec![store.clone(), store]).await
    })
    .await
}
