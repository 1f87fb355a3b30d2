//! How sessions end, and who hears of it on this node.

mod accounts;
mod clocks;
mod idle;
mod live;
#[cfg(feature = "sqlite")]
mod many;
mod reasons;
mod signing_out;
mod streams;
