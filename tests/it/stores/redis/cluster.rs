use futures_util::{StreamExt, stream};
use tower_device_sessions::store::{
    RedisStore,
    conformance::{CASES, Failure},
};

use crate::{
    support::TestResult,
    support::servers::{RedisCluster, unique_name},
};

/// One test, since it is one cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_keeps_every_promise() -> TestResult {
    let Some(cluster) = RedisCluster::start() else { return Ok(()) };
    let urls = cluster.urls();
    let verdicts: Vec<Result<(), Failure>> = stream::iter(CASES)
        .map(|case| {
            let urls = urls.clone();
            async move {
                let store = RedisStore::cluster(urls).await.unwrap();
                let store = store.key_prefix(&format!("{}:", unique_name())).unwrap();
                case.check(store).await
            }
        })
        .buffer_unordered(4)
        .collect()
        .await;
    let failures: Vec<String> =
        verdicts.into_iter().filter_map(Result::err).map(|failure| failure.to_string()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    let keys: Vec<u64> = cluster.nodes.iter().map(|node| node.ask("DBSIZE").trim().parse().unwrap()).collect();
    assert!(keys.iter().all(|&keys| keys > 100), "the nodes hold {keys:?} keys");
    Ok(())
}
