//! The house itself: its layers, its logs, its secrets, its settings and its metrics.

mod lists;
mod logs;
#[cfg(feature = "metrics")]
mod metrics;
mod proxies;
mod secrets;
mod settings;
mod setup;
mod signed_in;
mod tidy;
