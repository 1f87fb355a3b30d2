//! Multi-device sessions for Tower.

pub mod clock;
pub mod device;
pub mod event;
pub mod id;
pub mod location;
pub mod policy;
pub mod session;

mod activity;
pub mod bus;
mod cache;
pub mod client_ip;
pub mod store;
pub mod token;

pub mod error;
pub mod manager;

pub mod middleware;
mod transport;

#[cfg(feature = "axum")]
pub mod extract;
#[cfg(feature = "axum")]
pub mod routes;

mod logging;
mod text;

/// The Redis driver, in the version whose clients the crate takes.
#[cfg(feature = "redis")]
pub use redis;

#[cfg(feature = "axum")]
pub use self::routes::SessionRoutes;
pub use self::{
    client_ip::TrustedProxies,
    clock::Timestamp,
    device::ClientInfo,
    error::{ConfigError, Error, ErrorKind},
    id::{DeviceId, InvalidUserId, SessionId, UserId},
    manager::{CurrentSession, SessionManager, StartSession, StartedSession},
    middleware::{RequireSessionLayer, SessionLayer},
    policy::SessionPolicy,
    session::Session,
    token::KeyRing,
};
