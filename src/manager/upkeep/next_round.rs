use std::time::Duration;

use tokio::{sync::watch, time};

/// Waits for the interval; false when the task is to end.
pub(in crate::manager) async fn next_round(interval: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    let waited = time::timeout(interval, stop.wait_for(|stop| *stop)).await;
    // What arrived within the interval is the word to stop, or the end of the manager.
    waited.is_err()
}
