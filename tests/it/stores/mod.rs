//! The stores: each passes the conformance suite, and keeps what is its own to promise.

#[cfg(feature = "sqlite")]
mod embedded;
#[cfg(all(unix, feature = "mysql"))]
mod galera;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(all(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod one_user;
#[cfg(all(unix, feature = "postgres"))]
mod pgbouncer;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub(crate) mod servers;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(all(unix, feature = "postgres", feature = "mysql", feature = "redis"))]
mod start_up;
#[cfg(all(unix, feature = "postgres", feature = "mysql", feature = "redis", feature = "tls-rustls"))]
mod tls;
