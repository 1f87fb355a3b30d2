//! What runs beside the requests.
//!
//! - `background`: the tasks, and all of it shuts down in order; `next_round` is how they wait.
//! - `cleaner`: ended records are deleted in time, and by no wrong clock; `forget` forgets their addresses before.
//! - `setup`: what is set up in a way that is hardly meant is told once.
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
