//! Access tokens, refresh tokens and keys.

mod access;
mod keys;
pub mod refresh;
mod replays;
mod run_out;
