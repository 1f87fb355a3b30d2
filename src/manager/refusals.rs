use std::time::Duration;

use crate::{
    clock::ticks,
    id::{SessionId, UserId},
    session::Ending,
    token::VerifiedToken,
};

/// Why a record does not allow a request.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    Unknown,
    Superseded,
    Ended(Ending),
}

/// Refusals of validly signed tokens, for a moment, so that repeating one costs no read. Endings are final and ids are
/// never given twice, so none of them can keep a new session out.
pub(super) struct Refusals {
    recent: moka::sync::Cache<SessionId, Remembered>,
}

#[derive(Clone)]
struct Remembered {
    user: UserId,
    generation: Option<u32>,
    refusal: Refusal,
    until: u64,
}

impl Refusals {
    pub(super) fn new() -> Self {
        let recent = moka::sync::Cache::builder().max_capacity(10_000).time_to_live(REFUSAL_TTL).build();
        Self { recent }
    }

    pub(super) fn find(&self, verified: &VerifiedToken, now: u64) -> Option<Refusal> {
        let remembered = self.recent.get(&verified.session_id)?;
        let same = remembered.user == verified.user_id && remembered.generation == verified.generation;
        (same && now < remembered.until).then_some(remembered.refusal)
    }

    pub(super) fn remember(&self, verified: &VerifiedToken, refusal: &Refusal, now: u64) {
        let remembered = Remembered {
            user: verified.user_id.clone(),
            generation: verified.generation,
            refusal: refusal.clone(),
            until: now.saturating_add(ticks(REFUSAL_TTL)),
        };
        self.recent.insert(verified.session_id, remembered);
    }
}

const REFUSAL_TTL: Duration = Duration::from_secs(2);
