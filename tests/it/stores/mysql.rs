use tower_device_sessions::store::{
    MySqlStore, SessionStore,
    conformance::{Case, Failure},
    sqlx::{self, MySqlPool},
};

use super::servers;

fn url() -> Option<String> {
    servers::url("mysql", "TEST_MYSQL_URL", 3306, "mysql://root@127.0.0.1:3306/test")
}

/// Runs `test` on a store with tables of its own, and drops them.
async fn with_store<T>(url: &str, make: impl AsyncFn() -> MySqlStore, test: impl AsyncFnOnce(MySqlStore) -> T) -> T {
    let prefix = servers::prefix();
    let store = make().await.table_prefix(&prefix).unwrap();
    store.migrate().await.unwrap();
    let result = test(store).await;
    let tables = format!("DROP TABLE {prefix}sessions, {prefix}locks, {prefix}migrations").leak();
    let pool = MySqlPool::connect(url).await.unwrap();
    sqlx::raw_sql(&*tables).execute(&pool).await.unwrap();
    pool.close().await;
    result
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
