//! How sessions end, and who hears of it on this node.

mod accounts;
mod clocks;
mod idle;
mod live;
mod reasons;
mod signing_out;
mod streams;
