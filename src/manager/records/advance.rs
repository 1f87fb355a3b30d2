//! Moving a session to its next generation of tokens: the one loop "read, decide, rotate, void, again if somebody was
//! quicker".

use std::sync::Arc;

use crate::{
    clock::Timestamp,
    error::Error,
    id::SessionKey,
    manager::records::{
        Records,
        change::{Affected, Word},
    },
    metrics::Operation,
    policy::Denied,
    session::{Ending, Session},
    store::{Rotation, RotationOutcome},
};

/// What to do with a session as it is now.
pub(in crate::manager) enum Step<S> {
    Rotate(Rotation),
    /// It has ended, as far as its record and this node's clock say.
    Ended(Box<Session>, Ending),
    /// It stays where it is, for this reason.
    Stop(S),
}

/// What became of it.
pub(in crate::manager) enum Advanced<S> {
    Rotated(Arc<Session>),
    /// It has ended, which is on record.
    Ended(Ending),
    Stopped(S),
    /// There is no record any more.
    Gone,
}

impl Records {
    /// Moves a session on as `next` decides, which is called again whenever another caller has moved it meanwhile.
    /// `word` is what others are told about each attempt.
    ///
    /// # Errors
    ///
    /// When the store failed: whether the session has moved is unknown. Too many other callers count as a failure, too.
    pub(in crate::manager) async fn advance<S>(
        &self,
        key: &SessionKey,
        mut session: Session,
        word: &Word,
        mut next: impl FnMut(Session, Timestamp) -> Step<S>,
    ) -> Result<Advanced<S>, Error> {
        for _ in 0..MOST_ROUNDS {
            let rotation = match next(session, self.clock.now()) {
                Step::Rotate(rotation) => rotation,
                Step::Ended(as_it_is, ending) => match self.tellable(&as_it_is, ending).await? {
                    Some(ending) => return Ok(Advanced::Ended(ending)),
                    // It was active meanwhile, elsewhere.
                    None => match self.find(key).await? {
                        Some(found) => {
                            session = found;
                            continue;
                        }
                        None => return Ok(Advanced::Gone),
                    },
                },
                Step::Stop(why) => return Ok(Advanced::Stopped(why)),
            };
            let outcome = self.ask(Operation::Rotate, |store| store.rotate(key, &rotation)).await;
            self.settle(Affected::One(key), word).await;
            match outcome? {
                RotationOutcome::Rotated(moved) => {
                    return Ok(Advanced::Rotated(Arc::new(self.described_session(*moved))));
                }
                RotationOutcome::Unchanged(now_at) => session = self.described_session(*now_at),
                RotationOutcome::NotFound => return Ok(Advanced::Gone),
            }
        }
        Err(Denied::Unavailable.into())
    }
}

/// How often another caller may be quicker. The bound is for a session that is changed without end.
pub(in crate::manager) const MOST_ROUNDS: u32 = 16;
