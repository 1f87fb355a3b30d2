use tower_device_sessions::store::{
    PostgresStore, SessionStore,
    conformance::{Case, Failure},
    sqlx::{self, PgPool},
};

use super::servers;

fn url() -> Option<String> {
    servers::url("postgres", "TEST_POSTGRES_URL", 5432, "postgres://postgres@127.0.0.1:5432/test")
}

/// Runs `test` on a store with tables of its own, and drops them.
async fn with_store<T>(
    url: &str,
    make: impl AsyncFn() -> PostgresStore,
    test: impl AsyncFnOnce(PostgresStore) -> T,
) -> T {
    let prefix = servers::prefix();
    let store = make().await.table_prefix(&prefix).unwrap();
    store.migrate().await.unwrap();
    let result = test(store).await;
    let tables = format!("DROP TABLE {prefix}sessions, {prefix}migrations").leak();
    let pool = PgPool::connect(url).await.unwrap();
    sqlx::raw_sql(&*tables).execute(&pool).await.unwrap();
    pool.close().await;
    result
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
