//! A client asks for the next tokens.

mod brought;
mod replays;
mod turns;

#[allow(unused_imports, reason = "only the ready-made routes ask for it")]
pub(crate) use self::brought::Brought;

use std::{sync::Arc, time::Duration};

use self::{replays::Replays, turns::Turns};
use crate::{
    clock::Timestamp,
    error::Error,
    event::SessionEvent,
    id::{SessionId, SessionKey},
    logging,
    manager::{
        Endings, Inner, Revocation, SessionManager, StartedSession,
        records::{
            advance::{Advanced, Step},
            change::{Affected, Word, detached},
        },
        request::Refusal,
        settings::{OnReuse, RefreshPolicy},
        started::Carried,
    },
    metrics::Operation,
    policy::{Denied, ReuseCause},
    session::{Session, Touch},
    store::{EndScope, Rotation},
    succession::{Retries, Succession},
    token::{RefreshToken, RefreshTokens, VerifiedToken},
};

/// What a manager needs to refresh tokens.
pub(crate) struct Refreshing {
    pub(super) policy: RefreshPolicy,
    pub(super) tokens: RefreshTokens,
    /// The newest generation of each session that this node has lately reported as seen in use.
    reported: moka::sync::Cache<SessionId, u32>,
    replays: Replays,
    turns: Turns,
}

impl Refreshing {
    pub(super) fn new(policy: RefreshPolicy, tokens: RefreshTokens) -> Self {
        let reported = moka::sync::Cache::builder().max_capacity(10_000).time_to_live(REPORTED_TTL).build();
        Self { policy, tokens, reported, replays: Replays::new(), turns: Turns::new() }
    }
}

/// Why a refresh token does not move its session on.
enum Stop {
    /// It has done so, this long ago, and returns the same successor again.
    Again(Arc<Session>, Duration),
    Reused(ReuseCause),
    Superseded {
        below: u32,
    },
}

impl SessionManager {
    /// Exchanges a refresh token for the next pair of tokens.
    ///
    /// 1. A token that is not one of ours, or that is bound to another session's salt, is refused.
    /// 2. The session must exist, and must not have ended.
    /// 3. The newest token moves the session to its next generation, and is then used. Of any number of callers exactly
    ///    one moves it.
    /// 4. The token before the newest gets the same successor again, while that has not been seen in use
    ///    ([for a time](RefreshPolicy::retry_for)) or is younger than the [grace](RefreshPolicy::grace). So racing
    ///    callers, and those whose response was lost, all get the same token. An event reports each.
    /// 5. Later than that, and for anything older, it is reuse: two parties have the token. The session ends, an event
    ///    says why, and the error is [`Denied::Ended`].
    ///
    /// The session's absolute timeout and the time of its authentication stay the same. A refresh counts as activity.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) when the token does not allow it; [`Error::denied`] says why.
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed: whether the token is used is
    /// unknown, and it is safe to present it again.
    ///
    /// # Cancellation
    ///
    /// The change runs in a task of its own. Dropping the future does not stop it, and the token can be presented
    /// again.
    pub async fn refresh(&self, token: &str) -> Result<StartedSession, Error> {
        let inner = Arc::clone(&self.inner);
        inner.ensure_running();
        let refreshing = inner.tokens.refreshing.as_ref().ok_or_else(|| Error::from(Denied::Invalid))?;
        let presented = refreshing.tokens.open(token.as_bytes()).map_err(|why| {
            logging::token_refused(why.as_str());
            Error::from(Denied::Invalid)
        })?;
        // Tokens of ours read back, unless a newer version of the crate has issued them.
        let carried = Carried::from_bytes(&presented.carried).ok_or_else(|| Error::from(Denied::Invalid))?;

        inner.check_not_refused(&presented)?;
        let turn = refreshing.turns.take(presented.session_id, inner.settings.store_deadline).await;
        let turn = turn.map_err(|_| Error::from(Denied::Unavailable))?;
        // The caller that had the turn before may have found out.
        inner.check_not_refused(&presented)?;
        let changing = Arc::clone(&inner);
        let change = async move {
            let succeeded = changing.succeed(&presented).await;
            drop(turn);
            succeeded
        };
        let session = detached(change).await?;
        inner.issue(session, &carried, inner.records.clock.now())
    }

    /// Whether access tokens are refreshed.
    pub fn refreshes(&self) -> bool {
        self.inner.tokens.refreshing.is_some()
    }
}

impl Inner {
    /// The session at the generation that succeeds the one presented.
    async fn succeed(&self, presented: &RefreshToken) -> Result<Arc<Session>, Error> {
        let (user, id) = (&presented.user_id, presented.session_id);
        self.records.write_activity_of(id).await?;
        let key = SessionKey::new(user.clone(), id);
        let Some(session) = self.records.find_in_turn(&key).await? else {
            return Err(self.refuse(user, id, Refusal::Unknown).into());
        };
        if !presented.is_bound_to(&session.tokens.salt) {
            return Err(self.refuse_refresh(presented, &Refusal::Unknown));
        }

        // Other nodes need not know: the record that they have cached is as valid for the tokens before.
        let advanced =
            self.records.advance(&key, session, &Word::Nothing, |session, now| self.next(presented, session, now));
        match advanced.await? {
            Advanced::Rotated(session) => {
                let (user_id, session_id, generation) = (user.clone(), id, session.tokens.generation);
                self.records.tell(&SessionEvent::Refreshed { user_id, session_id, generation });
                Ok(session)
            }
            Advanced::Stopped(Stop::Again(session, after)) => {
                self.tell_replayed(presented, after);
                Ok(session)
            }
            Advanced::Stopped(Stop::Reused(cause)) => Err(self.end_reused(presented, cause).await),
            Advanced::Ended(ending) => Err(self.refuse(user, id, Refusal::Ended(ending)).into()),
            Advanced::Stopped(Stop::Superseded { below }) => {
                Err(self.refuse_refresh(presented, &Refusal::Superseded { below }))
            }
            Advanced::Gone => Err(self.refuse(user, id, Refusal::Unknown).into()),
        }
    }

    /// What a session makes of the token presented.
    fn next(&self, presented: &RefreshToken, session: Session, now: Timestamp) -> Step<Stop> {
        if let Some(ending) = session.ending(&self.records.as_of(now)) {
            return Step::Ended(Box::new(session), ending);
        }
        match session.tokens.succession(presented.generation, now, self.retries()) {
            Succession::Next => Step::Rotate(Rotation::new(presented.generation, self.records.as_of(now))),
            Succession::Again(after) => Step::Stop(Stop::Again(Arc::new(session), after)),
            Succession::Reused(cause) => Step::Stop(Stop::Reused(cause)),
            Succession::Outdated | Succession::Unknown => {
                Step::Stop(Stop::Superseded { below: self.tokens.least_generation(&session) })
            }
        }
    }

    fn tell_replayed(&self, presented: &RefreshToken, after: Duration) {
        let (session_id, generation) = (presented.session_id, presented.generation);
        let Some(refreshing) = &self.tokens.refreshing else {
            return;
        };
        let (user_id, times) = (presented.user_id.clone(), refreshing.replays.count(session_id, generation));
        self.records.tell(&SessionEvent::RefreshReplayed { user_id, session_id, generation, times, after });
    }

    /// S35, S43: ends the session, or all of the user's, and only then refuses.
    async fn end_reused(&self, presented: &RefreshToken, cause: ReuseCause) -> Error {
        let (user, id, by) = (&presented.user_id, presented.session_id, Revocation::refresh_reused());
        let ended = match self.on_reuse() {
            OnReuse::EndSession => self.records.revoke_one(user, id, &by).await.map(drop),
            OnReuse::EndAllSessions => self.records.revoke_many(user, EndScope::all(), &by).await.map(drop),
        };
        if let Err(unavailable) = ended {
            return unavailable;
        }
        logging::refresh_reused(id, cause.as_str());
        let event = SessionEvent::RefreshReused { user_id: user.clone(), session_id: id, cause };
        self.records.tell(&event);
        match self.settings.endings {
            Endings::Told => Denied::Ended(self.records.ending(&by)).into(),
            Endings::Concealed => Denied::Invalid.into(),
        }
    }

    /// S40: a refresh token that was refused a moment ago costs neither a task nor a look into the store.
    fn check_not_refused(&self, presented: &RefreshToken) -> Result<(), Denied> {
        let known = self.request.refusals.find_refresh(presented, self.records.clock.ticks());
        known.map_or(Ok(()), |refusal| Err(self.denied_by(refusal)))
    }

    /// Refuses a refresh token of a session that may go on.
    fn refuse_refresh(&self, presented: &RefreshToken, refusal: &Refusal) -> Error {
        if self.request.refusals.remember_refresh(presented, self.records.clock.ticks()) {
            self.tell_refused(&presented.user_id, presented.session_id, refusal);
        }
        Denied::Invalid.into()
    }

    /// Whether the request is the first that this node sees of the session's newest generation.
    pub(super) fn is_first_use(&self, verified: &VerifiedToken, session: &Session) -> bool {
        let (Some(refreshing), Some(generation)) = (&self.tokens.refreshing, verified.generation) else {
            return false;
        };
        let is_newest = generation == session.tokens.generation && generation > 0 && !session.tokens.newest_seen;
        // One of the requests that come together reports it; the others need not wait.
        let reported = refreshing.reported.entry(verified.session_id);
        is_newest && reported.or_insert_with_if(|| generation, |&reported| reported < generation).is_fresh()
    }

    /// Puts on record that the newest generation has been seen in use, before the first request that uses it goes on.
    /// From then on every node knows that the token before it is used.
    pub(super) async fn report_first_use(self: &Arc<Self>, verified: &VerifiedToken, last_active_at: Timestamp) {
        let mut touch = Touch::new(SessionKey::new(verified.user_id.clone(), verified.session_id), last_active_at);
        touch.generation = verified.generation;
        let inner = Arc::clone(self);
        let reported = detached(async move {
            let written = inner.records.ask(Operation::Touch, |store| store.touch(std::slice::from_ref(&touch))).await;
            if written.is_err()
                && let Some(refreshing) = &inner.tokens.refreshing
            {
                refreshing.reported.invalidate(&touch.key.id);
            }
            // The tokens before are refused from now on.
            if inner.tokens.refuses_older() {
                inner.records.settle(Affected::One(&touch.key), &Word::Changed).await;
            }
            written
        });
        // A failure is on the log, and the next request with the token tries again.
        let _ = reported.await;
    }

    fn retries(&self) -> Retries {
        let none = Retries { seen: Duration::ZERO, unseen: Duration::ZERO };
        self.tokens.refreshing.as_ref().map_or(none, |refreshing| refreshing.policy.retries())
    }

    fn on_reuse(&self) -> OnReuse {
        self.tokens.refreshing.as_ref().map(|refreshing| refreshing.policy.on_reuse).unwrap_or_default()
    }
}

/// At least as long as a cached record may be used without being read again.
const REPORTED_TTL: Duration = Duration::from_secs(120);
