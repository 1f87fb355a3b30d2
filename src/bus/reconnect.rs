//! Subscriptions over a connection that can be lost.

use std::{
    error::Error as StdError,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use futures_util::stream::unfold;
use tokio::time;

use super::{
    BusEvent, GapReason, RevocationMessage, Subscription,
    tally::{Ear, Tally},
};
use crate::logging;

/// Why a connection could not be made, or was lost.
pub(super) type Lost = Box<dyn StdError + Send + Sync>;

/// A way to listen.
pub(super) trait Link: Send + 'static {
    /// What messages arrive on.
    type Connection: Send;

    /// Connects. Once it has returned, messages arrive.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Lost>> + Send;

    /// Waits for the next message. An error means that the connection is of no use any more; a silent connection has to
    /// be tested now and then.
    fn receive(&self, connection: &mut Self::Connection) -> impl Future<Output = Result<Vec<u8>, Lost>> + Send;
}

/// What is heard over `link`.
pub(super) fn listen<L: Link>(bus: &'static str, link: L, tally: &Arc<Tally>) -> Subscription {
    let listener = Listener { bus, link, ear: Ear::new(bus, tally), connection: None, failures: 0 };
    Subscription::new(unfold(listener, |mut listener| async move {
        let event = listener.next().await;
        Some((event, listener))
    }))
}

struct Listener<L: Link> {
    bus: &'static str,
    link: L,
    ear: Ear,
    connection: Option<L::Connection>,
    /// How many attempts to connect have failed since the last one that did not.
    failures: u32,
}

impl<L: Link> Listener<L> {
    async fn next(&mut self) -> BusEvent {
        if let Some(connection) = &mut self.connection {
            return match self.link.receive(connection).await {
                Ok(bytes) => self.ear.heard(RevocationMessage::decode(&bytes)),
                Err(error) => {
                    logging::bus_lost(self.bus, &*error);
                    self.connection = None;
                    self.ear.disconnected();
                    self.ear.gap(GapReason::Disconnected)
                }
            };
        }
        loop {
            time::sleep(pause(self.failures)).await;
            match time::timeout(PATIENCE, self.link.connect()).await {
                Ok(Ok(connection)) => {
                    self.connection = Some(connection);
                    self.failures = 0;
                    self.ear.connected();
                    return self.ear.gap(GapReason::Connected);
                }
                Ok(Err(error)) => self.ear.unreachable(&*error),
                Err(elapsed) => self.ear.unreachable(&elapsed),
            }
            self.failures = self.failures.saturating_add(1);
        }
    }
}

/// None before the first attempt, then longer each time; of random length, so that the nodes of a fleet do not all come
/// back at once.
fn pause(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else {
        return Duration::ZERO;
    };
    let longest = LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.pow(doublings.min(16)));
    let random = RandomState::new().hash_one(failures) % 1_000;
    longest / 2 + longest.mul_f64(random as f64 / 2_000.0)
}

/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(5);

const FIRST_PAUSE: Duration = Duration::from_millis(100);

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        assert_eq!(pause(0), Duration::ZERO);
        for failures in 1..=40 {
            assert!(pause(failures) >= FIRST_PAUSE / 2);
            assert!(pause(failures) <= LONGEST_PAUSE);
        }
        assert!(pause(2) >= FIRST_PAUSE && pause(u32::MAX) >= LONGEST_PAUSE / 2);
    }
}
