//! The flows, through the public API only. One module per flow; one binary.

#![allow(unreachable_pub, reason = "nothing outside this binary can reach anything")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on ends by panicking")]

mod support;

mod accounts;
mod activity;
mod admin;
mod adoption;
#[cfg(feature = "pages")]
mod browser;
mod bus;
mod cancellation;
mod chunks;
mod clients;
mod coarse_clock;
mod cookies;
mod device_cookie;
mod devices;
mod endings;
mod equivalence;
mod examples;
mod faults;
mod floods;
mod guard;
mod hearing;
mod keys;
mod layers;
mod limits;
mod live;
mod logs;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "geoip")]
mod mmdb;
mod my_account;
mod my_devices;
mod my_devices_life;
mod my_devices_nodes;
mod naming;
mod nodes;
mod one_transport;
#[cfg(feature = "openapi")]
mod openapi;
#[cfg(all(unix, feature = "postgres", feature = "mysql", feature = "redis"))]
mod outages;
#[cfg(feature = "pages")]
mod pages;
mod places;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "redis"))]
mod proxy;
mod readme;
mod refresh;
mod rejections;
mod reload;
mod routes;
mod secrets;
mod servers;
mod settings;
mod step_up;
mod stores;
mod streams;
mod tidy;
mod tokens;
mod tonic;
