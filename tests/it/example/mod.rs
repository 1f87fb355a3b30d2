//! The examples and the README, as their readers run them.

mod examples;
mod life;
mod load;
mod my_account;
pub mod my_devices;
mod readme;
mod two_nodes;
