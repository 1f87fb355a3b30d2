use std::time::Duration;

use tower_device_sessions::bus::{BusEvent, GapReason, RevocationBus};

use super::{assert_gap, message, next, subscribe};
use crate::{
    support::TestResult,
    support::proxy::{Fault, Proxy},
};

/// A bus whose connection leads through the proxy says so when that passes nothing on any more, and hears again
/// afterwards.
pub(super) async fn assert_silence_is_a_gap(
    held: &dyn RevocationBus,
    proxy: &Proxy,
    publisher: &dyn RevocationBus,
) -> TestResult {
    let mut subscription = subscribe(held).await;
    // It is tried several times, and passes.
    assert!(tokio::time::timeout(Duration::from_millis(700), subscription.next()).await.is_err());

    proxy.set(Fault::Hold);
    publisher.publish(&message(1)).await?;
    assert_gap(&next(&mut subscription).await, GapReason::Disconnected);
    proxy.set(Fault::None);
    assert_gap(&next(&mut subscription).await, GapReason::Connected);
    let last = message(2);
    publisher.publish(&last).await?;
    assert_eq!(next(&mut subscription).await, BusEvent::Message(last));
    Ok(())
}
