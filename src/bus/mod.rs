//! The bus: how nodes tell each other that sessions have ended.
//!
//! A node caches what it has read from the store for a few seconds. A [`RevocationBus`] makes it reload sooner.
//!
//! 1. A message only says which sessions to reload. The truth is in the store, and was there before the message was
//!    sent.
//! 2. Nothing depends on a message arriving. With a dead bus, the caches' time to live is the bound, and a failure to
//!    publish never fails the revocation.
//! 3. A subscriber that may have missed something receives a [gap](BusEvent::Gap), and forgets all it has cached. A
//!    lost connection is a gap. So is every new connection, because earlier messages were not received; so are messages
//!    that came too fast or cannot be read, such as those of a newer version. For unreadable messages, a manager
//!    forgets at most once in ten seconds.
//! 4. Applications that share a server do not hear each other: a manager's channel is named after its [`Realm`].
//! 5. Anyone who may publish on a channel can make nodes reload sessions, and nothing else. With
//!    [`bus_keys`](crate::manager::SessionManagerBuilder::bus_keys) only the holders of the secret can.
//! 6. Subscriptions reconnect by themselves, without end. They wait longer each time, up to a few seconds.
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
/// A bus of your own needs little more than a way to send bytes: [`RevocationMessage::encode`] and
/// [`RevocationMessage::decode`] make the bytes, and a stream becomes a [`Subscription`].
///
/// # Examples
///
/// A bus that prints what another one carries:
///
/// ```
/// use tower_device_sessions::bus::{
///     BusError, BusFuture, BusHealth, LocalBus, RevocationBus, RevocationMessage, Subscription,
/// };
///
/// #[derive(Debug)]
/// struct Printed(LocalBus);
///
/// impl RevocationBus for Printed {
///     fn name(&self) -> &'static str {
///         "printed"
///     }
///
///     fn publish<'a>(&'a self, message: &'a RevocationMessage) -> BusFuture<'a, Result<(), BusError>> {
///         println!("{}", message.encode());
///         self.0.publish(message)
///     }
///
///     fn subscribe(&self) -> Subscription {
///         self.0.subscribe()
///     }
///
///     fn health(&self) -> BusHealth {
///         self.0.health()
///     }
/// }
/// ```
pub trait RevocationBus: fmt::Debug + Send + Sync + 'static {
    /// A short name for logs and metrics, such as `redis`.
    fn name(&self) -> &'static str;

    /// Returns the same bus for the nodes of one realm, which hear no others. A manager calls it when it is built.
    ///
    /// Default: `None`, for a bus that is limited to its nodes in another way.
    fn in_realm(&self, realm: &Realm) -> Option<Arc<dyn RevocationBus>> {
        let _ = realm;
        None
    }

    /// Sends a message to all subscribers on all nodes, including this one.
    ///
    /// `Ok` means that the message is on its way, not that anybody has received it. Messages may overtake each other,
    /// and may arrive twice. After the future is dropped, the message may or may not be sent.
    ///
    /// # Errors
    ///
    /// A [`BusError`] when the message could not be handed over within a few seconds. It may have been sent all the
    /// same.
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

    /// Returns a subscription to all messages from now on. It works while it is polled; dropping it ends it.
    ///
    /// The first event is a [gap](GapReason::Connected), as soon as messages are heard.
    fn subscribe(&self) -> Subscription;

    /// Finds out whether messages can be heard. Call it at start-up: later, a subscription only tries again. Default:
    /// they can.
    fn check(&self) -> BusFuture<'_, Result<(), BusError>> {
        Box::pin(async { Ok(()) })
    }

    /// Returns what has happened on this bus, as seen from this node.
    fn health(&self) -> BusHealth;

    /// Returns whether messages are received at the moment: there are subscriptions, and all of them are connected.
    fn is_connected(&self) -> bool {
        self.health().connected
    }
}
