//! Multi-device sessions for Tower, Axum and Tonic: users see where they are signed in, and can sign out any device at
//! once.
//!
//! JWTs stay, with a session id in them. Every sign-in is a record in a [store]. A [`SessionLayer`] checks the record
//! on each request, through a short-lived cache that drops a session when it is revoked. [`CurrentSession`] gives
//! handlers the session; [`SessionRoutes`] let users list, name and end their sessions.
//!
//! # Reading order
//!
//! 1. [`SessionManager`]: starts, checks, lists and ends sessions. [`KeyRing`] and [`token::TokenOptions`] define their
//!    tokens, [`SessionPolicy`] their lifetimes.
//! 2. [`SessionLayer`] and [`RequireSessionLayer`]: the middleware.
//! 3. [`CurrentSession`], [`ClientInfo`], [`StartedSession`]: what handlers meet.
//! 4. [`SessionRoutes`]: the ready-made endpoints.
//! 5. [`store::SessionStore`]: where records live, and the contract for a store of your own.
//! 6. [`event::SessionEvent`]: what happened, for the application's own mail and audit log.
//!
//! Coming from stateless JWTs, begin with [`guide::migration`]. The other guides are about [browsers](guide::browsers),
//! [apps](guide::mobile), [proxies](guide::proxy), [tests](guide::testing), what is promised ([`guide::security`]), and
//! how it works inside ([`guide::architecture`]).
//!
//! # Cargo features
//!
//! | feature | what it adds | default |
//! | --- | --- | --- |
//! | `axum` | extractors, responses, [`SessionRoutes`] | yes |
//! | `aws_lc_rs` | signatures by `aws-lc-rs`; it wins when both are on | yes |
//! | `mysql` | [`store::MySqlStore`], for MySQL and MariaDB | |
//! | `pages` | [`DevicesPage`], the ready-made "My devices" page | |
//! | `postgres` | [`store::PostgresStore`] | |
//! | `redis` | [`store::RedisStore`], for Redis and Valkey | |
//! | `rust_crypto` | signatures by the RustCrypto crates | |
//! | `geoip` | `geoip::GeoIp`: places from databases in MaxMind's format | |
//! | `metrics` | counters, gauges and histograms for the `metrics` crate | |
//! | `openapi` | `SessionRoutes::openapi`: the endpoints as an OpenAPI document | |
//! | `sqlite` | [`store::SqliteStore`] | |
//! | `tls-rustls` | TLS to Postgres, MySQL, MariaDB and Redis | |
//! | `ua-parser` | `device::UaParser`: names for the long tail of clients, by rules that you bring | |
//! | `tonic` | the client's address where Tonic's own server is used | |
//! | `testing` | [`store::FailingStore`], [`SessionManager::test_token`] and the conformance suite | |
//!
//! Key rings need `aws_lc_rs` or `rust_crypto`. A verifier of your own, and the verdict of an upstream, need neither.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![allow(rustdoc::redundant_explicit_links, reason = "a link that names its target stays right when an import goes")]

// 0 domain: no I/O, no async, no HTTP.
mod admission;
mod adopting;
pub mod assurance;
pub mod clock;
mod denied;
pub mod device;
pub mod event;
mod host;
pub mod id;
mod joining;
mod limit;
pub mod location;
pub mod policy;
pub mod privacy;
pub mod session;
mod succession;
mod text;

// 1 mechanisms: they know the domain, never each other.
mod activity;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis", feature = "sqlite"))]
mod address;
pub mod bus;
mod cache;
pub mod client_ip;
pub mod credentials;
#[cfg(feature = "geoip")]
pub mod geoip;
pub mod store;
#[allow(clippy::cast_possible_truncation, reason = "what is cast there has been bounded on the line before")]
pub mod token;

// 2 use cases: the only place that orders store, cache and bus.
pub mod error;
mod logging;
pub mod manager;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(not(feature = "metrics"))]
mod metrics;

// 3 tower.
pub mod middleware;
mod transport;

// 4 axum.
#[cfg(feature = "axum")]
mod answer;
#[cfg(feature = "axum")]
mod extract;
#[cfg(feature = "pages")]
pub mod pages;
#[cfg(feature = "axum")]
pub mod routes;

pub mod guide;

#[cfg(feature = "pages")]
pub use self::pages::DevicesPage;
/// The Redis driver, in the version whose clients the crate takes.
#[cfg(feature = "redis")]
pub use redis;

pub use self::{
    client_ip::TrustedProxies,
    clock::Timestamp,
    device::ClientInfo,
    error::{ConfigError, Error, ErrorKind},
    id::{DeviceId, InvalidUserId, SessionId, SessionKey, UserId},
    manager::{CurrentSession, SessionManager, SignedOut, StartSession, StartedSession},
    middleware::{RequireRecentAuthLayer, RequireSessionLayer, SessionLayer},
    policy::SessionPolicy,
    session::Session,
    token::KeyRing,
};
#[cfg(feature = "axum")]
pub use self::{
    extract::{RecentAuth, RecentAuthWithin, SessionRejection},
    routes::{AdminRoutes, SessionRoutes},
};

/// The README's code blocks, as tests.
#[cfg(all(doctest, feature = "axum", feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct Readme;
