//! The stores: each passes the conformance suite, and keeps what is its own to promise.

#[cfg(feature = "redis")]
mod redis;
