//! Sessions end on purpose.

use std::sync::Arc;

use tracing::Instrument;

use crate::{
    bus::Cause,
    error::Error,
    event::SessionEvent,
    id::{SessionId, SessionKey, UserId},
    logging,
    manager::{
        SessionManager, SignedOut,
        records::{
            Records,
            change::{Affected, Word, detached},
        },
        request::CurrentSession,
    },
    metrics::{Operation, Stopwatch},
    session::{Actor, EndReason, Ending},
    store::{EndOutcome, EndScope},
};

/// Who ends a session on purpose, and why.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{CurrentSession, Error, SessionId, SessionManager, UserId, manager::Revocation};
///
/// async fn support_signs_out(sessions: &SessionManager, user: &UserId, id: SessionId) -> Result<(), Error> {
///     sessions.revoke(user, id, Revocation::by_administrator("support")).await?;
///     Ok(())
/// }
///
/// /// From the list of devices: the user ends another session, from the current one.
/// async fn user_signs_out(sessions: &SessionManager, current: &CurrentSession, id: SessionId) -> Result<(), Error> {
///     sessions.revoke(current.user_id(), id, current).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Revocation {
    reason: EndReason,
    actor: Actor,
}

impl Revocation {
    /// The user ends it, from the session `through`.
    pub fn by_user(through: SessionId) -> Self {
        Self { reason: EndReason::RevokedByUser, actor: Actor::Session(through) }
    }

    /// An administrator ends it. Control and invisible characters of the name are dropped, and at most 128 bytes are
    /// kept.
    pub fn by_administrator(name: impl Into<Box<str>>) -> Self {
        Self { reason: EndReason::RevokedByAdmin, actor: Actor::administrator(&name.into()) }
    }

    /// The application ends it on its own behalf.
    pub fn by_application() -> Self {
        Self { reason: EndReason::RevokedByAdmin, actor: Actor::Application }
    }

    /// A policy of the application ends it.
    pub fn by_policy() -> Self {
        Self { reason: EndReason::Policy, actor: Actor::Application }
    }

    pub(super) fn new(reason: EndReason, actor: Actor) -> Self {
        Self { reason, actor }
    }

    /// A newer sign-in of the same client replaces it.
    pub(super) fn replaced() -> Self {
        Self { reason: EndReason::Replaced, actor: Actor::System }
    }

    /// A used refresh token of it was presented.
    pub(super) fn refresh_reused() -> Self {
        Self { reason: EndReason::RefreshReused, actor: Actor::System }
    }

    pub(super) fn sign_out(id: SessionId) -> Self {
        Self { reason: EndReason::SignedOut, actor: Actor::Session(id) }
    }
}

impl From<&CurrentSession> for Revocation {
    /// The user ends it, from this session.
    fn from(current: &CurrentSession) -> Self {
        Self::by_user(current.id())
    }
}

/// The result of revoking one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked {
    /// It was active, and has ended now.
    Now,
    /// It had ended before.
    Before,
    /// The user has no such session.
    NotFound,
}

/// # Revoking
///
/// When one of these has returned `Ok`, the ending is durable in the store, and no request that starts later on this
/// node is accepted with a token of the session. Other nodes hear of it through the bus, and at the latest when their
/// cached record expires.
///
/// # Cancellation
///
/// The change runs in a task of its own. Dropping the future does not stop it.
impl SessionManager {
    /// Signs the current session out.
    ///
    /// In Axum handlers the returned value is a response that clears the cookies, if there are any. A client with an
    /// expired access token has no current session: use [`sign_out_with`](Self::sign_out_with).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time.
    /// Whether the session has ended is then unknown; it is safe to retry.
    pub async fn sign_out(&self, current: &CurrentSession) -> Result<SignedOut, Error> {
        self.revoke(current.user_id(), current.id(), Revocation::sign_out(current.id())).await?;
        Ok(self.signed_out())
    }

    /// Returns the response to a request whose session has been ended in another way than by
    /// [`sign_out`](Self::sign_out).
    pub fn signed_out(&self) -> SignedOut {
        SignedOut::new(self.clone())
    }

    /// Ends one session of a user. Ending it again changes nothing, and is no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time.
    /// Whether the session has ended is then unknown; it is safe to retry.
    pub async fn revoke(&self, user: &UserId, id: SessionId, by: impl Into<Revocation>) -> Result<Revoked, Error> {
        let (inner, user, by) = (Arc::clone(&self.inner), user.clone(), by.into());
        let ending = async move { inner.records.revoke_one(&user, id, &by).await };
        detached(ending).instrument(logging::revoking(id)).await
    }

    /// Ends all sessions of the current session's user except the current one. Returns how many were active.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time.
    /// Whether the sessions have ended is then unknown, and of more than 500 some may have ended. It is safe to retry.
    pub async fn revoke_others(&self, current: &CurrentSession) -> Result<u64, Error> {
        self.revoke_scope(current.user_id(), EndScope::others(current.id()), current).await
    }

    /// Ends all sessions of a user, and the trust in all their devices. Returns how many were active.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time.
    /// Whether the sessions have ended is then unknown, and of more than 500 some may have ended. It is safe to retry.
    pub async fn revoke_all(&self, user: &UserId, by: impl Into<Revocation>) -> Result<u64, Error> {
        self.revoke_scope(user, EndScope::all(), by).await
    }

    /// Ends those sessions of a user that are in `scope`. Returns how many were active.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time.
    /// Whether the sessions have ended is then unknown, and of more than 500 some may have ended. It is safe to retry.
    pub async fn revoke_scope(&self, user: &UserId, scope: EndScope, by: impl Into<Revocation>) -> Result<u64, Error> {
        let (inner, user, by) = (Arc::clone(&self.inner), user.clone(), by.into());
        let ending = async move { inner.records.revoke_many(&user, scope, &by).await };
        detached(ending).instrument(logging::revoking_several()).await
    }
}

impl Records {
    pub(super) async fn revoke_one(&self, user: &UserId, id: SessionId, by: &Revocation) -> Result<Revoked, Error> {
        let since = Stopwatch::start(&self.clock);
        let ending = self.ending(by);
        let allowance = self.settings.idle_allowance();
        let key = SessionKey::new(user.clone(), id);
        let word = |outcome: &Result<EndOutcome, Error>| match outcome {
            Ok(EndOutcome::Ended) => Word::Ended(vec![(id, ending.clone())]),
            Ok(EndOutcome::AlreadyEnded(earlier)) => Word::Ended(vec![(id, earlier.clone())]),
            Ok(EndOutcome::NotFound) => Word::Nothing,
            Err(_) => Word::Unclear(Cause::Ended),
        };
        match self
            .change(Operation::End, Affected::One(&key), |store| store.end(&key, &ending, allowance), word)
            .await?
        {
            EndOutcome::Ended => {
                self.report_ended(user, id, &ending);
                self.metrics.revoked(since, &self.clock);
                Ok(Revoked::Now)
            }
            EndOutcome::AlreadyEnded(_) => Ok(Revoked::Before),
            EndOutcome::NotFound => Ok(Revoked::NotFound),
        }
    }

    pub(super) async fn revoke_many(&self, user: &UserId, scope: EndScope, by: &Revocation) -> Result<u64, Error> {
        let since = Stopwatch::start(&self.clock);
        let ending = self.ending(by);
        // First, so that a token without a session either has one that ends now, or gets none.
        let cut_off = if scope.device_id.is_none() { self.cut_off(user, ending.at).await } else { Ok(()) };
        let mut ended = Vec::new();
        let outcome = self.end_scope(user, &scope, &ending, &mut ended).await;
        let word = match &outcome {
            Ok(()) => Word::Ended(ended.iter().map(|&id| (id, ending.clone())).collect()),
            Err(_) => Word::Unclear(Cause::Ended),
        };
        // Not only those that the store names: what was cached as active and had passed its deadline goes too.
        self.settle(Affected::All { user, keep: scope.keep }, &word).await;
        for &id in &ended {
            self.report_ended(user, id, &ending);
        }
        outcome?;
        self.metrics.revoked(since, &self.clock);
        // Last, so that no session is left that could trust its device again.
        if scope == EndScope::all() {
            self.distrust(user).await?;
        }
        cut_off?;
        Ok(ended.len() as u64)
    }

    /// Ends what is in scope, in one step or, for many sessions, in several: none of them keeps others waiting for
    /// long, and each has a deadline of its own. What has ended when one of them fails is in `ended`.
    async fn end_scope(
        &self,
        user: &UserId,
        scope: &EndScope,
        ending: &Ending,
        ended: &mut Vec<SessionId>,
    ) -> Result<(), Error> {
        let allowance = self.settings.idle_allowance();
        let ids = self.ask(Operation::InScope, |store| store.in_scope(user, scope)).await?;
        if ids.len() <= AT_ONCE {
            let all = self.ask_twice(Operation::EndAll, |store| store.end_all(user, scope, ending, allowance));
            ended.extend(all.await?);
            return Ok(());
        }
        for chunk in ids.chunks(AT_ONCE) {
            let keys: Vec<SessionKey> = chunk.iter().map(|&id| SessionKey::new(user.clone(), id)).collect();
            let several =
                self.ask_twice(Operation::EndSeveral, |store| store.end_several(&keys, ending, allowance)).await?;
            ended.extend(several.iter().map(|key| key.id));
        }
        Ok(())
    }

    /// Ends sessions of any users in one step. Returns how many of them ended by it.
    pub(super) async fn revoke_several(&self, keys: &[SessionKey], by: &Revocation) -> Result<u64, Error> {
        let (ending, allowance) = (self.ending(by), self.settings.idle_allowance());
        let word = |outcome: &Result<Vec<SessionKey>, Error>| match outcome {
            Ok(ended) => Word::Ended(ended.iter().map(|key| (key.id, ending.clone())).collect()),
            Err(_) => Word::Unclear(Cause::Ended),
        };
        let each = Affected::Each(keys);
        let ended =
            self.change(Operation::EndSeveral, each, |store| store.end_several(keys, &ending, allowance), word).await?;
        for key in &ended {
            self.report_ended(&key.user_id, key.id, &ending);
        }
        Ok(ended.len() as u64)
    }

    pub(super) fn ending(&self, by: &Revocation) -> Ending {
        Ending::new(by.reason, by.actor.clone(), self.clock.now())
    }

    /// Tells listeners and metrics that a session has ended; its live connections know already.
    pub(super) fn report_ended(&self, user: &UserId, id: SessionId, ending: &Ending) {
        self.metrics.ended(ending.reason);
        let event = SessionEvent::Ended { user_id: user.clone(), session_id: id, ending: ending.clone() };
        self.tell(&event);
    }
}

/// How many sessions of one user end in one step.
const AT_ONCE: usize = 250;
