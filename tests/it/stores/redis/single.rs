use tower_device_sessions::store::conformance::{Case, Failure};

use super::{clean_up, store_at};
use crate::support::servers::{redis_url, unique_name};

tower_device_sessions::store_conformance!(
    run = async |case: &'static Case| -> Result<(), Failure> {
        let Some(url) = redis_url().await else { return Ok(()) };
        let prefix = format!("{}:", unique_name());
        let verdict = case.check(store_at(&url, &prefix).await.unwrap()).await;
        clean_up(&url, &prefix).await.unwrap();
        verdict
    }
);

/// S42, S85: through managers, not only through the store's contract.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_tabs_and_racing_sign_ins_end_well() -> crate::support::TestResult {
    let Some(url) = redis_url().await else { return Ok(()) };
    let prefix = format!("{}:", unique_name());
    let store = store_at(&url, &prefix).await?;
    let tabs = crate::tokens::refresh::sixty_four_tabs_end_with_one_successor(store.clone()).await;
    let sign_ins = crate::sign_in::limits::racing_sign_ins_keep_to_the_limit(vec![store.clone(), store]).await;
    clean_up(&url, &prefix).await?;
    tabs.and(sign_ins)
}
