//! The flows, through the public API only. One folder per question, one module per flow; one binary.

#![allow(unreachable_pub, reason = "nothing outside this binary can reach anything")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on ends by panicking")]

mod support;

mod ending;
mod example;
mod house;
mod http;
mod nodes;
mod request;
mod sign_in;
mod stores;
mod tokens;
