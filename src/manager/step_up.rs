use std::{fmt, pin::Pin, sync::Arc};

use crate::{
    error::{Error, ErrorKind},
    event::SessionEvent,
    id::SessionKey,
    manager::{CurrentSession, Inner, SessionManager, StartedSession, started::Carried},
    policy::Denied,
    session::Session,
    store::{Proof, Rotation, RotationOutcome},
};

impl SessionManager {
    /// Takes note that the user of a session has authenticated again, by `method` (its RFC 8176 name: `pwd`, `otp`, `hwk` …).
    ///
    /// Awaiting the answer moves the session to a new generation of tokens; before that, [`Reauthentication`] takes what else
    /// is known. The time of the authentication and of the method is now, the session's deadlines stay what they were, and
    /// all older tokens are refused from now on: on this node at once, on others when they hear of it through the bus, and after
    /// the cache's time to live at the latest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) when the session has ended meanwhile, or its token has been superseded
    /// by another step-up; [`Error::denied`] says which. [`ErrorKind::NoSigningKey`](crate::ErrorKind::NoSigningKey), and
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed: the session may have moved on, and its
    /// user has to sign in again then.
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
}

impl Reauthentication {
    /// Another method by which the user has just been authenticated. May be called for several.
    pub fn method(mut self, name: &str) -> Self {
        self.methods.push(name.into());
        self
    }

    /// The authenticator assurance level that this authentication reached: 1, 2 or 3. A session that had reached a higher one
    /// keeps it, together with the time at which it did; the `acr` of the tokens is that of this authentication. Default: 1.
    pub fn assurance_level(mut self, level: u8) -> Self {
        self.assurance_level = level.clamp(1, 3);
        self
    }

    /// Moves the session on without issuing a token, for applications that issue their own: the record's generation goes into
    /// the claim that their verifier reads, and tokens with an older one are refused.
    ///
    /// # Errors
    ///
    /// As [`SessionManager::reauthenticated`].
    pub async fn without_token(self) -> Result<Session, Error> {
        let inner = Arc::clone(&self.manager.inner);
        let changing = Arc::clone(&inner);
        let session = inner.detached(async move { changing.step_up(&self).await }).await?;
        Ok(Arc::unwrap_or_clone(session))
    }

    async fn complete(self) -> Result<StartedSession, Error> {
        let inner = Arc::clone(&self.manager.inner);
        let source = self.current.credential_source();
        let carried = match &inner.tokens.issuer {
            Some(issuer) => Carried::from_claims(issuer.own_claims(self.current.entry().token())),
            None => return Err(Error::new(ErrorKind::NoSigningKey)),
        };
        let changing = Arc::clone(&inner);
        let session = inner.detached(async move { changing.step_up(&self).await }).await?;
        Ok(inner.issue(session, &carried, inner.clock.now())?.answering(source))
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
        let (user, id) = (asked.current.user_id(), asked.current.id());
        let generation = asked.current.entry().value().token_generation();
        let found = self.within_deadline("find", self.store.find(&SessionKey::new(user.clone(), id))).await?;
        let mut session = found.ok_or(Denied::Invalid)?;

        // Each round but the first means that a refresh, or another step-up, has moved the session meanwhile.
        for _ in 0..MOST_ROUNDS {
            if let Some(ending) = self.ending_here(&session) {
                if let Some(ending) = self.tellable(&session, ending).await? {
                    return Err(Denied::Ended(ending).into());
                }
                // It was active meanwhile, elsewhere.
                let found = self.within_deadline("find", self.store.find(&session.key())).await?;
                session = found.ok_or(Denied::Invalid)?;
                continue;
            }
            if generation.unwrap_or(0) < self.least_generation(&session) {
                return Err(Denied::Invalid.into());
            }
            let now = self.clock.now();
            let mut rotation = Rotation::new(session.tokens.generation, self.as_of(now));
            rotation.refuse_older = true;
            let mut methods = session.methods.clone();
            methods.extend(asked.methods.iter().map(|name| (name.clone(), now)));
            let mut proof = Proof::new(methods, asked.assurance_level.max(session.assurance_level));
            proof.levels = session.levels_with(asked.assurance_level, now);
            rotation.proof = Some(proof);

            let outcome =
                self.within_deadline("rotate", self.store.rotate(&SessionKey::new(user.clone(), id), &rotation)).await;
            // Also after an error: the store may have committed what it could not answer.
            self.cache.revoke(user, id);
            self.publish_changed(user, id).await;
            match outcome? {
                RotationOutcome::Rotated(session) => {
                    let session: Arc<Session> = Arc::from(session);
                    self.listeners.tell(&SessionEvent::Reauthenticated { session: Arc::clone(&session) });
                    return Ok(session);
                }
                RotationOutcome::Unchanged(now_at) => session = *now_at,
                RotationOutcome::NotFound => return Err(Denied::Invalid.into()),
            }
        }
        Err(Denied::Unavailable.into())
    }
}

const MOST_ROUNDS: u32 = 16;
