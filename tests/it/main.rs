//! The flows, through the public API only. One module per flow; one binary.

#![allow(unreachable_pub, reason = "nothing outside this binary can reach anything")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on ends by panicking")]

mod support;

mod activity;
mod adoption;
mod cancellation;
mod clients;
mod cookies;
mod endings;
mod equivalence;
mod faults;
mod floods;
mod guard;
mod keys;
mod layers;
mod live;
mod my_devices;
mod my_devices_life;
mod naming;
mod nodes;
#[cfg(feature = "pages")]
mod pages;
mod readme;
mod refresh;
mod rejections;
mod routes;
mod secrets;
mod servers;
mod settings;
mod step_up;
mod stores;
mod tidy;
mod tokens;
mod tonic;
