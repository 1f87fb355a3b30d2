//! The flows, through the public API only. One module per flow; one binary.

#![allow(unreachable_pub, reason = "nothing outside this binary can reach anything")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on ends by panicking")]

mod support;

mod activity;
mod faults;
mod guard;
mod layers;
mod live;
mod my_devices;
mod naming;
#[cfg(feature = "pages")]
mod pages;
mod rejections;
mod reload;
mod routes;
mod stores;
mod tidy;
mod tonic;
