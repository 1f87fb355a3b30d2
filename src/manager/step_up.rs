//! A user authenticates again.

use std::{collections::BTreeSet, fmt, pin::Pin, sync::Arc};

use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind},
    event::SessionEvent,
    id::SessionKey,
    manager::{
        Inner, SessionManager, StartedSession,
        records::{
            advance::{Advanced, Step},
            change::{Word, detached},
        },
        request::CurrentSession,
    },
    policy::{Admission, Denied},
    session::{AsOf, Session},
    store::{Proof, Rotation},
};

impl SessionManager {
    /// Records that the user of a session has authenticated again, by `method` (its RFC 8176 name: `pwd`, `otp`, `hwk`
    /// …).
    ///
    /// Awaiting the returned value moves the session to a new generation of tokens; before that, [`Reauthentication`]
    /// takes more settings. The time of the authentication and of the method is now, and the session's deadlines stay
    /// the same. All older tokens are refused from now on: on this node at once, on others when they hear of it through
    /// the bus, and after the cache's time to live at the latest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) when the session has ended meanwhile, or its token has been
    /// superseded by another step-up; [`Error::denied`] says which.
    /// [`ErrorKind::NoSigningKey`](crate::ErrorKind::NoSigningKey), and
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed: if the session has moved on,
    /// its user has to sign in again.
    ///
    /// # Cancellation
    ///
    /// The change runs in a task of its own. A future that is dropped may leave a client with a token that is refused.
    pub fn reauthenticated(&self, current: &CurrentSession, method: &str) -> Reauthentication {
        Reauthentication {
            manager: self.clone(),
            current: current.clone(),
            methods: vec![method.into()],
            assurance_level: 1,
            repeats: Repeats::Refused,
        }
    }
}

/// A session about to move on because its user has authenticated again. It does when it is awaited.
///
/// # Examples
///
/// ```
/// # use tower_device_sessions::{CurrentSession, Error, SessionManager, StartedSession};
/// # async fn confirm(sessions: SessionManager, session: CurrentSession) -> Result<StartedSession, Error> {
/// // The application has just checked a one-time password.
/// sessions.reauthenticated(&session, "otp").assurance_level(2).await
/// # }
/// ```
#[must_use = "a session moves on when it is awaited"]
pub struct Reauthentication {
    manager: SessionManager,
    current: CurrentSession,
    methods: Vec<Box<str>>,
    assurance_level: u8,
    repeats: Repeats,
}

/// What becomes of a step that was just made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeats {
    Refused,
    Joined,
}

impl Reauthentication {
    /// Joins the step that the same token has made within the last 30 seconds by the same methods, if it is superseded
    /// by that: for a form, which may be submitted twice. The result has new tokens of the session as it is then.
    /// Default: it is refused.
    pub fn join(mut self) -> Self {
        self.repeats = Repeats::Joined;
        self
    }

    /// Another method by which the user has just been authenticated. May be called several times.
    pub fn method(mut self, name: &str) -> Self {
        self.methods.push(name.into());
        self
    }

    /// The authenticator assurance level that this authentication reached: 1, 2 or 3. A session that had reached a
    /// higher one keeps it, together with the time at which it did; the `acr` of the tokens is that of this
    /// authentication. Default: 1.
    pub fn assurance_level(mut self, level: u8) -> Self {
        self.assurance_level = level.clamp(1, 3);
        self
    }

    /// Moves the session on without issuing a token, for applications that issue their own: the record's generation
    /// goes into the claim that their verifier reads, and tokens with an older one are refused.
    ///
    /// # Errors
    ///
    /// As [`SessionManager::reauthenticated`].
    pub async fn without_token(self) -> Result<Session, Error> {
        let inner = Arc::clone(&self.manager.inner);
        let changing = Arc::clone(&inner);
        let session = detached(async move { changing.step_up(&self).await }).await?;
        Ok(Arc::unwrap_or_clone(session))
    }

    /// How a session moves on whose user has authenticated again.
    fn rotation_of(&self, session: &Session, as_of: AsOf) -> Rotation {
        let mut rotation = Rotation::new(session.tokens.generation, as_of);
        rotation.refuse_older = true;
        let mut methods = session.methods.clone();
        methods.extend(self.methods.iter().map(|name| (name.clone(), as_of.now)));
        let mut proof = Proof::new(methods, self.assurance_level.max(session.assurance_level));
        proof.levels = session.levels_with(self.assurance_level, as_of.now);
        rotation.proof = Some(proof);
        rotation
    }

    /// Whether the newest step of the session was this very one.
    fn was_just_done(&self, session: &Session, now: Timestamp) -> bool {
        let generation = self.current.entry().value().token_generation().unwrap_or(0);
        let since = now.saturating_sub(Admission::JOINED_WITHIN);
        let at = session.authenticated_at;
        let proven_then = session.methods.iter().filter(|(_, proven_at)| **proven_at == at).map(|(name, _)| name);
        let asked: BTreeSet<&Box<str>> = self.methods.iter().collect();
        self.repeats == Repeats::Joined
            && generation.checked_add(1) == Some(session.tokens.generation)
            && session.tokens.least_generation == session.tokens.generation
            && at > since
            && proven_then.eq(asked)
            && session.newest_level() == self.assurance_level
    }

    async fn complete(self) -> Result<StartedSession, Error> {
        let inner = Arc::clone(&self.manager.inner);
        let source = self.current.credential_source();
        let carried = inner.tokens.carried_by(&self.current).ok_or_else(|| Error::new(ErrorKind::NoSigningKey))?;
        let changing = Arc::clone(&inner);
        let session = detached(async move { changing.step_up(&self).await }).await?;
        Ok(inner.issue(session, &carried, inner.records.clock.now())?.answering(source))
    }
}

impl IntoFuture for Reauthentication {
    type Output = Result<StartedSession, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.complete())
    }
}

impl fmt::Debug for Reauthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reauthentication").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Inner {
    async fn step_up(&self, asked: &Reauthentication) -> Result<Arc<Session>, Error> {
        let key = SessionKey::new(asked.current.user_id().clone(), asked.current.id());
        let found = self.records.find(&key).await?;
        let session = found.ok_or(Denied::Invalid)?;
        let next = |session: Session, now: Timestamp| {
            if let Some(ending) = self.records.ending_here(&session) {
                return Step::Ended(Box::new(session), ending);
            }
            if !self.is_outdated(asked, &session) {
                return Step::Rotate(asked.rotation_of(&session, self.records.as_of(now)));
            }
            Step::Stop(asked.was_just_done(&session, now).then(|| Arc::new(session)))
        };
        match self.records.advance(&key, session, &Word::Changed, next).await? {
            Advanced::Rotated(session) => {
                self.records.tell(&SessionEvent::Reauthenticated { session: Arc::clone(&session) });
                Ok(session)
            }
            Advanced::Stopped(Some(done)) => Ok(done),
            Advanced::Ended(ending) => Err(Denied::Ended(ending).into()),
            Advanced::Stopped(None) | Advanced::Gone => Err(Denied::Invalid.into()),
        }
    }

    fn is_outdated(&self, asked: &Reauthentication, session: &Session) -> bool {
        let generation = asked.current.entry().value().token_generation();
        generation.unwrap_or(0) < self.tokens.least_generation(session)
    }
}
