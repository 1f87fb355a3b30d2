//! Cutoffs, and the note that an adoption has begun, as rows; the same in every dialect.

use crate::{
    clock::Timestamp,
    policy::{Adopting, NotAdopted},
    store::subject::EVERYBODY,
};

/// What is on record for the adoption of a user's token.
#[derive(Default)]
pub(super) struct OnRecord {
    pub(super) has_begun: bool,
    issued_until: Option<Timestamp>,
}

impl OnRecord {
    /// Takes note of one of the rows for everybody and the user.
    pub(super) fn add(&mut self, subject: &[u8], issued_until: i64) {
        if subject == EVERYBODY {
            self.has_begun = true;
        } else {
            self.issued_until = Some(Timestamp::from_micros(issued_until));
        }
    }

    pub(super) fn decide(&self, adopting: &Adopting, now: Timestamp) -> Result<(), NotAdopted> {
        adopting.decide(now, self.has_begun, self.issued_until)
    }
}
