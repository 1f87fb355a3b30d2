//! The bus: how nodes tell each other that sessions have ended.
//!
//! A node caches what it has read from the store for a few seconds. [`RevocationBus`] makes the others look again sooner.
//!
//! 1. A message says where to look again. What is true is in the store, and was there before the message was sent.
//! 2. Nothing depends on a message arriving: a bus that is dead leaves the time to live of the caches as the bound, and
//!    publishing that fails never fails the revocation it was about.
//! 3. A subscriber that may have missed something is told so, by a [gap](BusEvent::Gap): it forgets all it has cached. A
//!    lost connection is a gap, and so is every connection that is made, since nobody knows what was said before it;
//!    a subscriber that was too slow is, and so is a message that cannot be read, as one of a newer version may be.
//!    A manager forgets at most every ten seconds for messages of the last kind, however many there are.
//! 4. Applications that share a server do not hear each other: a manager's channel is named after its [`Realm`].
//! 5. Anyone who may publish on a channel can make nodes look again, and nothing else. With
//!    [`bus_keys`](crate::manager::SessionManagerBuilder::bus_keys) only those that have the secret can.
//! 6. Subscriptions reconnect by themselves, for ever, waiting longer each time up to a few seconds.
//! 7. What happens is counted: see [`BusHealth`].
//!
//! | bus | carried by | needs |
//! | --- | --- | --- |
//! | [`LocalBus`] | memory | one process |
//! | `PostgresBus` | `LISTEN` and `NOTIFY` | a connection to Postgres that no pooler shares |
//! | `RedisBus` | publish and subscribe | Redis or Valkey, or a cluster of it; it may be another one than the store's |
//! | [`PollingBus`] | the store itself | clocks that agree within half a minute |

mod error;
mod local;
mod message;
mod polling;
#[cfg(feature = "postgres")]
mod postgres;
mod realm;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod reconnect;
#[cfg(feature = "redis")]
mod redis;
mod subscription;
mod tally;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresBus;
#[cfg(feature = "redis")]
pub use self::redis::RedisBus;
pub use self::{
    error::{BusError, BusErrorKind},
    local::LocalBus,
    message::{Affected, Cause, Origin, RevocationMessage, Undecodable},
    polling::{PollEndings, PollingBus},
    realm::Realm,
    subscription::{BusEvent, GapReason, Subscription},
    tally::BusHealth,
};

use std::{fmt, pin::Pin, sync::Arc};

/// The future of a method of a bus.
pub type BusFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries messages between nodes, at most once.
///
/// An implementation of one's own needs little more than a way to send bytes:
/// [`RevocationMessage::encode`] and [`RevocationMessage::decode`] make the bytes, and a stream becomes a [`Subscription`].
pub trait RevocationBus: fmt::Debug + Send + Sync + 'static {
    /// A short name for logs and metrics, such as `redis`.
    fn name(&self) -> &'static str;

    /// The same bus for the nodes of one realm, which hear no others. A manager asks for it when it is built.
    ///
    /// Default: `None`, for a bus that keeps to its nodes in another way.
    fn in_realm(&self, realm: &Realm) -> Option<Arc<dyn RevocationBus>> {
        let _ = realm;
        None
    }

    /// Tells all subscribers, on all nodes, this one included.
    ///
    /// `Ok` means that the message is on its way, not that anybody has heard it. Messages may overtake each other, and
    /// may arrive twice. Dropping the future may or may not keep the message from being sent.
    ///
    /// # Errors
    ///
    /// A [`BusError`] when the message could not be handed over in a few seconds; it may have been sent all the same.
    fn publish<'a>(&'a self, message: &'a RevocationMessage) -> BusFuture<'a, Result<(), BusError>>;

    /// Tells all of these, as [`publish`](Self::publish) tells one. Default: one after the other.
    ///
    /// # Errors
    ///
    /// As of [`publish`](Self::publish): then some may have been sent.
    fn publish_all<'a>(&'a self, messages: &'a [RevocationMessage]) -> BusFuture<'a, Result<(), BusError>> {
        Box::pin(async move {
            for message in messages {
                self.publish(message).await?;
            }
            Ok(())
        })
    }

    /// A new subscription to all messages from now on. It does its work as it is polled; dropping it ends it.
    ///
    /// The first event is a [gap](GapReason::Connected), as soon as messages are heard.
    fn subscribe(&self) -> Subscription;

    /// Finds out whether messages can be heard. Call it at start-up: later, a subscription only tries again. Default: they can.
    fn check(&self) -> BusFuture<'_, Result<(), BusError>> {
        Box::pin(async { Ok(()) })
    }

    /// What has happened on this bus, as seen from this node.
    fn health(&self) -> BusHealth;

    /// Whether messages are heard at the moment: there are subscriptions, and all of them are connected.
    fn is_connected(&self) -> bool {
        self.health().connected
    }
}
