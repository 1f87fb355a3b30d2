//! A model of the cache's guard: its own source, with every lock and atomic replaced by one of loom's, run in every
//! order in which its steps can happen. `watchers` is the same for live connections.
//!
//! What is checked is what the cache promises: once a revocation has returned, no request that begins later is
//! accepted, whichever reads were under way; and the same once everything was flushed. The token map, which is a
//! library's, and the wait for a load, which is tokio's, are stand-ins here that do the same in one step.
//!
//! The model fails when the guard's check of the revision is taken out, or that of a session's epoch, or the voiding of
//! entries.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a model that cannot go on ends by panicking")]

#[allow(dead_code, unreachable_pub, reason = "the model does not use all of what it is made of")]
mod cache;
mod watchers;

use tower_device_sessions::{clock, id};
