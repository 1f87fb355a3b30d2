//! The stores: each passes the conformance suite, and keeps what is its own to promise.

#[cfg(feature = "sqlite")]
mod embedded;
#[cfg(feature = "sqlite")]
mod sqlite;
