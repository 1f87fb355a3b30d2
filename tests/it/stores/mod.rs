//! The stores: each passes the conformance suite, and keeps what is its own to promise.

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod servers;
#[cfg(feature = "sqlite")]
mod sqlite;
