//! Redis: on one server, on a cluster, and when it loses what it knew.

mod cluster;
mod losses;
mod scale;
mod scan;
mod single;

use tower_device_sessions::{
    redis,
    store::{RedisStore, StoreError},
};

/// A store under a prefix of its own on the server at `url`.
async fn store_at(url: &str, prefix: &str) -> Result<RedisStore, StoreError> {
    RedisStore::connect(url).await?.key_prefix(prefix)
}

/// Deletes everything under the prefix.
async fn clean_up(url: &str, prefix: &str) -> redis::RedisResult<()> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(1_000);
        let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await?;
        if !keys.is_empty() {
            redis::cmd("UNLINK").arg(keys).exec_async(&mut connection).await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}
