//! A stream of events from a bus, and the reasons of its gaps.

use std::{
    fmt,
    future::{pending, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::RevocationMessage;

/// What a subscriber receives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusEvent {
    /// Sessions have ended or changed.
    Message(RevocationMessage),
    /// Something may have been missed: nothing that was cached until now can be relied on.
    Gap(GapReason),
}

/// Why something may have been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapReason {
    /// A connection was made: earlier messages were not received.
    Connected,
    /// The connection was lost: messages from now on are not received.
    Disconnected,
    /// More messages came than could be kept for this subscriber.
    Overflow,
    /// A message came that this version cannot read.
    Undecodable,
}

impl GapReason {
    /// The name of the reason in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Overflow => "overflow",
            Self::Undecodable => "undecodable",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The events of a bus from one moment on, without end.
///
/// It only works, and only reconnects, while it is polled.
pub struct Subscription {
    events: Pin<Box<dyn Stream<Item = BusEvent> + Send>>,
}

impl Subscription {
    /// A subscription with these events.
    pub fn new(events: impl Stream<Item = BusEvent> + Send + 'static) -> Self {
        Self { events: Box::pin(events) }
    }

    /// Waits for the next event. Dropping the future loses no event.
    pub async fn next(&mut self) -> BusEvent {
        match poll_fn(|context| self.events.as_mut().poll_next(context)).await {
            Some(event) => event,
            // The stream of an application's own bus has ended: nothing more arrives.
            None => pending().await,
        }
    }
}

impl Stream for Subscription {
    type Item = BusEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<BusEvent>> {
        self.events.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
