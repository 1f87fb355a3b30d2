//! Credentials change, and users are erased.

use std::{mem, sync::Arc};

use crate::{
    clock::Timestamp,
    error::Error,
    event::SessionEvent,
    id::{SessionId, SessionKey, UserId},
    manager::{
        Revocation, SessionManager, StartedSession,
        records::{
            Records,
            advance::{Advanced, Step},
            change::{Affected, Word, detached},
        },
        request::CurrentSession,
    },
    metrics::Operation,
    session::{Actor, EndReason, Session},
    store::{EndScope, Rotation},
};

/// The result of [`SessionManager::credentials_changed`].
#[derive(Debug)]
#[non_exhaustive]
pub struct CredentialsChanged {
    /// How many sessions were active and have ended.
    pub revoked: u64,
    /// The session that was kept, with its new tokens: a response to the request. `None` when none should be kept, when
    /// it has ended meanwhile, and when the manager issues no tokens.
    pub kept: Option<StartedSession>,
}

/// # Accounts
///
/// # Cancellation
///
/// Changes run in a task of their own. Dropping the future does not stop them.
impl SessionManager {
    /// Call it when the user's password, passkey or second factor has changed: all sessions end except the one to keep,
    /// no device is trusted any longer, and every older token is refused.
    ///
    /// 1. All sessions of the user from before the call end, as
    ///    [`EndReason::CredentialsChanged`](crate::session::EndReason::CredentialsChanged).
    /// 2. The trust in all devices ends.
    /// 3. The session to keep moves to a new generation, and gets new tokens with the claims of the old one. Its old
    ///    tokens are refused, because a copy of them may be the reason for the change. A session of another user is not
    ///    kept.
    ///
    /// Change the credential first. The application must prevent that a sign-in which has checked the old one starts
    /// its session after this call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time. Part
    /// of the change may have been made; it is safe to retry.
    pub async fn credentials_changed(
        &self,
        user: &UserId,
        keep: Option<&CurrentSession>,
    ) -> Result<CredentialsChanged, Error> {
        let inner = Arc::clone(&self.inner);
        let keep = keep.filter(|current| current.user_id() == user);
        let kept = keep.map(|current| current.session().clone());
        let carried = keep.and_then(|current| inner.tokens.carried_by(current)).unwrap_or_default();

        let (changing, user) = (Arc::clone(&inner), user.clone());
        let change = async move {
            let revoked = changing.records.end_for_credentials(&user, kept.as_ref().map(|session| session.id)).await?;
            let session = match &kept {
                Some(known) if changing.tokens.issuer.is_some() => changing.records.renew(known).await?,
                _ => None,
            };
            let session_id = session.as_ref().map(|session| session.id);
            changing.records.tell(&SessionEvent::CredentialsChanged { user_id: user, kept: session_id });
            Ok((revoked, session))
        };
        let (revoked, session) = detached(change).await?;
        let issued = session.map(|session| inner.issue(session, &carried, inner.records.clock.now())).transpose()?;
        let source = keep.map(CurrentSession::credential_source);
        let kept = issued.zip(source).map(|(started, source)| started.answering(source));
        Ok(CredentialsChanged { revoked, kept })
    }

    /// Deletes everything about a user: all sessions, ended or not, and all devices. Returns how many sessions there
    /// were.
    ///
    /// The sessions end first, so that live connections hear of it. Their tokens are then rejected as unknown. Make
    /// sure that nobody signs the user in meanwhile: a session that starts afterwards is on record.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time. Part
    /// of the change may have been made; it is safe to retry.
    pub async fn erase_user(&self, user: &UserId) -> Result<u64, Error> {
        let (inner, user) = (Arc::clone(&self.inner), user.clone());
        detached(async move { inner.records.erase(&user).await }).await
    }
}

impl Records {
    async fn end_for_credentials(&self, user: &UserId, keep: Option<SessionId>) -> Result<u64, Error> {
        let (scope, actor) = match keep {
            Some(id) => (EndScope::others(id), Actor::Session(id)),
            None => (EndScope::all(), Actor::Application),
        };
        let revoked = self.revoke_many(user, scope, &Revocation::new(EndReason::CredentialsChanged, actor)).await?;
        self.distrust(user).await?;
        Ok(revoked)
    }

    /// Moves a session to a generation whose tokens are the only ones that are accepted; `None` when it has ended.
    async fn renew(&self, known: &Session) -> Result<Option<Arc<Session>>, Error> {
        let key = SessionKey::new(known.user_id.clone(), known.id);
        let mut is_news = false;
        let mut next = |session: Session, now: Timestamp| {
            // What is known here may be hours old. Whether that has ended, the store says.
            if mem::replace(&mut is_news, true) && self.ending_here(&session).is_some() {
                return Step::Stop(());
            }
            let mut rotation = Rotation::new(session.tokens.generation, self.as_of(now));
            rotation.refuse_older = true;
            Step::Rotate(rotation)
        };
        let advanced = match self.advance(&key, known.clone(), &Word::Changed, &mut next).await {
            Ok(advanced) => advanced,
            // It may have moved. Whichever generation it is at now, it moves on from there.
            Err(_) => self.advance(&key, known.clone(), &Word::Changed, &mut next).await?,
        };
        match advanced {
            Advanced::Rotated(session) => Ok(Some(session)),
            Advanced::Stopped(()) | Advanced::Ended(_) | Advanced::Gone => Ok(None),
        }
    }

    async fn erase(&self, user: &UserId) -> Result<u64, Error> {
        self.revoke_many(user, EndScope::all(), &Revocation::by_application()).await?;
        let all = Affected::All { user, keep: None };
        // Live connections know of it already.
        let erased = self.change(Operation::Erase, all, |store| store.erase(user), |_| Word::Ended(Vec::new())).await;
        drop(self.activity.take_of(user));
        let sessions = erased?;
        self.tell(&SessionEvent::Erased { user_id: user.clone(), sessions });
        Ok(sessions)
    }
}
