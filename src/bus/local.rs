//! A bus within one process.

use std::sync::Arc;

use futures_util::stream::unfold;
use tokio::sync::broadcast::{Receiver, Sender, error::RecvError};

use super::{
    BusError, BusEvent, BusFuture, BusHealth, GapReason, RevocationBus, RevocationMessage, Subscription,
    tally::{Ear, Tally},
};

/// A bus within one process: for several managers over one store, and for tests.
///
/// Clones share one bus.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{UserId, bus::{BusEvent, LocalBus, RevocationBus, RevocationMessage}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = LocalBus::new();
/// let mut subscription = bus.subscribe();
/// let message = RevocationMessage::all_ended(UserId::from(7), None);
/// bus.publish(&message).await?;
///
/// assert!(matches!(subscription.next().await, BusEvent::Gap(_)));
/// assert_eq!(subscription.next().await, BusEvent::Message(message));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LocalBus {
    sender: Sender<RevocationMessage>,
    tally: Arc<Tally>,
}

impl LocalBus {
    /// A bus that keeps 1,024 messages for slow subscribers.
    pub fn new() -> Self {
        Self::with_capacity(1_024)
    }

    /// A bus that keeps this many messages for slow subscribers, rounded up to a power of two and at least one. A
    /// slower subscriber receives a gap.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { sender: Sender::new(capacity.clamp(1, LARGEST_CAPACITY)), tally: Arc::default() }
    }
}

impl Default for LocalBus {
    fn default() -> Self {
        Self::new()
    }
}

impl RevocationBus for LocalBus {
    fn name(&self) -> &'static str {
        "local"
    }

    fn publish<'a>(&'a self, message: &'a RevocationMessage) -> BusFuture<'a, Result<(), BusError>> {
        Box::pin(async {
            // Without a subscriber there is nobody to tell.
            let _ = self.sender.send(message.clone());
            self.tally.publishing(Ok(()))
        })
    }

    fn subscribe(&self) -> Subscription {
        let mut ear = Ear::new(self.name(), &self.tally);
        ear.connected();
        Subscription::new(unfold((ear, self.sender.subscribe(), true), next))
    }

    fn health(&self) -> BusHealth {
        self.tally.health()
    }
}

type State = (Ear, Receiver<RevocationMessage>, bool);

async fn next((ear, mut receiver, is_first): State) -> Option<(BusEvent, State)> {
    let event = if is_first {
        ear.gap(GapReason::Connected)
    } else {
        match receiver.recv().await {
            Ok(message) => ear.heard(Ok(message)),
            Err(RecvError::Lagged(_)) => ear.gap(GapReason::Overflow),
            // All that could publish is gone.
            Err(RecvError::Closed) => return None,
        }
    };
    Some((event, (ear, receiver, false)))
}

/// More than anyone needs, and less than the channel refuses.
const LARGEST_CAPACITY: usize = 1 << 20;
