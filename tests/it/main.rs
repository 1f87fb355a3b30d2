//! The flows, through the public API only. One module per flow; one binary.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on ends by panicking")]

mod support;

mod activity;
mod bus;
mod faults;
mod guard;
mod layers;
mod my_devices;
mod naming;
mod rejections;
mod routes;
mod servers;
mod stores;
mod tidy;
mod tonic;
