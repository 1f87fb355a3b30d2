//! What runs in the background.
//!
//! - `background`: the tasks, and their shutdown; `next_round` is how they wait.
//! - `cleaner`: ended records are deleted in time, and not by a wrong clock; `forget` deletes their addresses earlier.
//! - `setup`: setups that are hardly intended are reported once.
//! - `companions`: managers of one process that do not know of each other.
//! - `health`: how all of it is doing.

mod background;
mod cleaner;
mod companions;
mod forget;
mod health;
pub(super) mod next_round;
mod setup;

pub use self::{
    background::ShutdownReport,
    health::{Health, NodeHealth},
};

use self::{background::Background, companions::Companions, setup::Setup};
use crate::manager::records::Records;

/// What a manager has running.
pub(crate) struct Upkeep {
    background: Background,
    setup: Setup,
    _companions: Companions,
}

impl Upkeep {
    pub(super) fn new(records: &Records) -> Self {
        let companions = Companions::join(records.store_name(), records.nodes.is_some());
        Self { background: Background::new(), setup: Setup::default(), _companions: companions }
    }
}
