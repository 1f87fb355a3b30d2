//! Counts of what has happened on a bus.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use super::{BusEvent, GapReason, RevocationMessage, Undecodable};
use crate::logging;

/// What has happened on a bus, as seen from this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusHealth {
    /// Whether messages are received: there are subscriptions, and all of them are connected.
    pub connected: bool,
    /// How many messages were received, by all subscriptions together.
    pub received: u64,
    /// How many gaps there were, not counting the one that a connection begins with.
    pub gaps: u64,
    /// How many messages were handed over.
    pub published: u64,
    /// How many messages could not be handed over.
    pub unpublished: u64,
}

/// Counts for all subscriptions of one bus.
#[derive(Debug, Default)]
pub(super) struct Tally {
    subscriptions: AtomicUsize,
    connected: AtomicUsize,
    received: AtomicU64,
    gaps: AtomicU64,
    published: AtomicU64,
    unpublished: AtomicU64,
}

impl Tally {
    pub(super) fn health(&self) -> BusHealth {
        let subscriptions = self.subscriptions.load(Ordering::Relaxed);
        BusHealth {
            connected: subscriptions > 0 && subscriptions == self.connected.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            gaps: self.gaps.load(Ordering::Relaxed),
            published: self.published.load(Ordering::Relaxed),
            unpublished: self.unpublished.load(Ordering::Relaxed),
        }
    }

    /// Counts what became of an attempt to publish, and passes it on.
    pub(super) fn publishing<T, E>(&self, result: Result<T, E>) -> Result<T, E> {
        let counter = if result.is_ok() { &self.published } else { &self.unpublished };
        counter.fetch_add(1, Ordering::Relaxed);
        result
    }
}

/// Counts for one subscription, which is no longer one when this is dropped.
#[derive(Debug)]
pub(super) struct Ear {
    bus: &'static str,
    tally: Arc<Tally>,
    is_connected: bool,
    /// Whether the log knows that the bus cannot be reached.
    is_told: bool,
}

impl Ear {
    pub(super) fn new(bus: &'static str, tally: &Arc<Tally>) -> Self {
        tally.subscriptions.fetch_add(1, Ordering::Relaxed);
        Self { bus, tally: Arc::clone(tally), is_connected: false, is_told: false }
    }

    /// Messages are heard from now on.
    pub(super) fn connected(&mut self) {
        if !self.is_connected {
            self.is_connected = true;
            self.is_told = false;
            self.tally.connected.fetch_add(1, Ordering::Relaxed);
            logging::bus_connected(self.bus);
        }
    }

    /// Messages are not heard any more.
    pub(super) fn disconnected(&mut self) {
        if self.is_connected {
            self.is_connected = false;
            self.tally.connected.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// An attempt to hear messages has failed. The log is told of the first of several.
    pub(super) fn unreachable(&mut self, error: &(dyn Error + 'static)) {
        self.disconnected();
        if !self.is_told {
            self.is_told = true;
            logging::bus_unreachable(self.bus, error);
        }
    }

    /// The event of a gap.
    pub(super) fn gap(&self, reason: GapReason) -> BusEvent {
        if reason != GapReason::Connected {
            self.tally.gaps.fetch_add(1, Ordering::Relaxed);
            // Anyone can send unreadable messages, as often as they like: they are logged when they have an effect.
            if reason != GapReason::Undecodable {
                logging::bus_gap(self.bus, reason.as_str());
            }
        }
        BusEvent::Gap(reason)
    }

    /// The event of a message, or the gap that one leaves that cannot be read.
    pub(super) fn heard(&self, message: Result<RevocationMessage, Undecodable>) -> BusEvent {
        match message {
            Ok(message) => {
                self.tally.received.fetch_add(1, Ordering::Relaxed);
                BusEvent::Message(message)
            }
            Err(_) => self.gap(GapReason::Undecodable),
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.disconnected();
        self.tally.subscriptions.fetch_sub(1, Ordering::Relaxed);
    }
}
