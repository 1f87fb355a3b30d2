use tower_device_sessions::store::conformance::{Case, Failure};

use super::{clean_up, store_at};
use crate::servers::{redis_url, unique_name};

tower_device_sessions::store_conformance!(
    run = async |case: &'static Case| -> Result<(), Failure> {
        let Some(url) = redis_url().await else { return Ok(()) };
        let prefix = format!("{}:", unique_name());
        let verdict = case.check(store_at(&url, &prefix).await.unwrap()).await;
        clean_up(&url, &prefix).await.unwrap();
        verdict
    }
);
