use std::{mem, sync::Arc};

use crate::{
    clock::Timestamp,
    error::Error,
    event::SessionEvent,
    id::{SessionId, SessionKey, UserId},
    manager::{
        Inner, Revocation, SessionManager, StartedSession,
        records::{
            advance::{Advanced, Step},
            change::{Affected, Word},
        },
        request::CurrentSession,
        started::Carried,
    },
    session::{Actor, EndReason, Session},
    store::{EndScope, Rotation},
};

/// What [`SessionManager::credentials_changed`] has done.
#[derive(Debug)]
#[non_exhaustive]
pub struct CredentialsChanged {
    /// How many sessions were active and have ended.
    pub revoked: u64,
    /// The session that was kept, with its new tokens: an answer to the request. `None` when none was to be kept, when it
    /// has ended meanwhile, and when the manager issues no tokens.
    pub kept: Option<StartedSession>,
}

/// # Accounts
///
/// # Errors
///
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time. Part of the
/// change may then have been made; it may be asked for again.
///
/// # Cancellation
///
/// Changes run in a task of their own. Dropping the future does not stop them.
impl SessionManager {
    /// The user's password, passkey or second factor has changed: all sessions end but the one to keep, no device is
    /// trusted any longer, and every token that was minted before is refused.
    ///
    /// 1. All sessions of the user that were there before the call end, as
    ///    [`EndReason::CredentialsChanged`](crate::session::EndReason::CredentialsChanged).
    /// 2. The trust in all devices ends.
    /// 3. The session to keep moves to a new generation, and gets new tokens with the claims of the old one. Its old tokens
    ///    are refused, as a copy of them may be what the change is about. A session of another user is not kept.
    ///
    /// Change the credential first. A sign-in that has already checked the old one, and starts its session after this call,
    /// is the application's to prevent.
    pub async fn credentials_changed(
        &self,
        user: &UserId,
        keep: Option<&CurrentSession>,
    ) -> Result<CredentialsChanged, Error> {
        let inner = Arc::clone(&self.inner);
        let keep = keep.filter(|current| current.user_id() == user);
        let kept = keep.map(|current| current.session().clone());
        let carried = keep.map(|current| inner.carried_by(current)).unwrap_or_default();

        let (changing, user) = (Arc::clone(&inner), user.clone());
        let change = async move {
            let revoked = changing.end_for_credentials(&user, kept.as_ref().map(|session| session.id)).await?;
            let session = match &kept {
                Some(known) if changing.tokens.issuer.is_some() => changing.renew(known).await?,
                _ => None,
            };
            let session_id = session.as_ref().map(|session| session.id);
            changing.listeners.tell(&SessionEvent::CredentialsChanged { user_id: user, kept: session_id });
            Ok((revoked, session))
        };
        let (revoked, session) = inner.detached(change).await?;
        let issued = session.map(|session| inner.issue(session, &carried, inner.clock.now())).transpose()?;
        let source = keep.map(CurrentSession::credential_source);
        let kept = issued.zip(source).map(|(started, source)| started.answering(source));
        Ok(CredentialsChanged { revoked, kept })
    }

    /// Deletes everything about a user: all sessions, ended or not, and all devices. Answers how many sessions there were.
    ///
    /// The sessions end first, so that live connections hear of it. Afterwards their tokens are those of sessions that never
    /// were. See that nobody signs the user in meanwhile: a session that starts afterwards is on record.
    pub async fn erase_user(&self, user: &UserId) -> Result<u64, Error> {
        let (inner, user) = (Arc::clone(&self.inner), user.clone());
        self.inner.detached(async move { inner.erase(&user).await }).await
    }
}

impl Inner {
    /// What the tokens of a session hand on to those that succeed them.
    fn carried_by(&self, current: &CurrentSession) -> Carried {
        let issuer = self.tokens.issuer.as_ref();
        issuer.map(|issuer| Carried::from_claims(issuer.own_claims(current.entry().token()))).unwrap_or_default()
    }

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
        let erased = self.change("erase", all, || self.store.erase(user), |_| Word::Ended(Vec::new())).await;
        drop(self.activity.take_of(user));
        let sessions = erased?;
        self.listeners.tell(&SessionEvent::Erased { user_id: user.clone(), sessions });
        Ok(sessions)
    }
}
