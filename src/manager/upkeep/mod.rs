//! What runs beside the requests.
//!
//! - `background`: the tasks, and all of it shuts down in order; `next_round` is how they wait.
//! - `cleaner`: ended records are deleted in time, and by no wrong clock; `forget` forgets their addresses before.
//! - `setup`: what is set up in a way that is hardly meant is told once.
//! - `health`: how all of it is doing.

pub(super) mod background;
mod cleaner;
mod forget;
mod health;
pub(super) mod next_round;
pub(super) mod setup;

pub use self::{
    background::ShutdownReport,
    health::{Health, NodeHealth},
};
