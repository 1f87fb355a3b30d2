use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::Instrument;

use crate::{
    clock::Timestamp,
    device::ClientInfo,
    error::{Error, ErrorKind},
    event::SessionEvent,
    id::{InvalidUserId, UserId},
    logging,
    manager::{Inner, Revocation, SessionManager},
    policy::{Admission, Eviction},
    session::{Actor, Ending, Session},
    store::Admitted,
    token::NewToken,
};

impl SessionManager {
    /// Starts a session for a user whom the application has authenticated.
    ///
    /// Awaiting the answer starts it; before that, [`StartSession`] takes what else is known. The session that the client
    /// held until now, if any, ends with it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidUserId`], [`ErrorKind::InvalidClaims`], [`ErrorKind::TooManySessions`],
    /// [`ErrorKind::NoSigningKey`], and [`ErrorKind::Unavailable`] when the store failed: there may then be a record that
    /// nobody has a token for.
    ///
    /// # Cancellation
    ///
    /// Dropping the future once it has been polled may leave a session that nobody has a token for. It shows in lists, and
    /// can be ended there.
    pub fn start<U>(&self, user: U, client: ClientInfo) -> StartSession
    where
        U: TryInto<UserId>,
        InvalidUserId: From<U::Error>,
    {
        StartSession {
            manager: self.clone(),
            user: user.try_into().map_err(InvalidUserId::from),
            client,
            claims: Ok(Map::new()),
            data: Map::new(),
            methods: Vec::new(),
            assurance_level: 1,
            idle_timeout: self.inner.policy.idle_timeout,
            absolute_timeout: self.inner.policy.absolute_timeout,
        }
    }
}

/// A session about to start. It starts when it is awaited.
///
/// # Examples
///
/// ```
/// # use tower_device_sessions::{ClientInfo, Error, SessionManager, StartedSession};
/// # use std::time::Duration;
/// # async fn sign_in(sessions: SessionManager, client: ClientInfo) -> Result<StartedSession, Error> {
/// sessions
///     .start("ann", client)
///     .method("pwd")
///     .claims(&serde_json::json!({ "tenant": "acme" }))
///     .idle_timeout(Duration::from_secs(3_600))
///     .await
/// # }
/// ```
#[must_use = "a session starts when it is awaited"]
pub struct StartSession {
    manager: SessionManager,
    user: Result<UserId, InvalidUserId>,
    client: ClientInfo,
    claims: Result<Map<String, Value>, Error>,
    data: Map<String, Value>,
    methods: Vec<Box<str>>,
    assurance_level: u8,
    idle_timeout: Duration,
    absolute_timeout: Duration,
}

impl StartSession {
    /// Claims of the application's own for the token, as anything that serializes to a JSON object. They are readable by
    /// whoever holds the token.
    pub fn claims(mut self, claims: &impl Serialize) -> Self {
        self.claims = match serde_json::to_value(claims) {
            Ok(Value::Object(claims)) => Ok(claims),
            Ok(_) => Err(Error::with_source(ErrorKind::InvalidClaims, "the claims are not a JSON object")),
            Err(error) => Err(Error::with_source(ErrorKind::InvalidClaims, error)),
        };
        self
    }

    /// Data of the application's own for the record. It never leaves the server.
    pub fn data(mut self, data: Map<String, Value>) -> Self {
        self.data = data;
        self
    }

    /// A method by which the user has just been authenticated, by its RFC 8176 name. May be called for several.
    pub fn method(mut self, name: &str) -> Self {
        self.methods.push(name.into());
        self
    }

    /// The authenticator assurance level that was reached: 1, 2 or 3. Default: 1.
    pub fn assurance_level(mut self, level: u8) -> Self {
        self.assurance_level = level;
        self
    }

    /// The idle timeout of this session. Default: that of the policy.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// The absolute timeout of this session. Default: that of the policy.
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute_timeout = timeout;
        self
    }

    async fn start(self) -> Result<StartedSession, Error> {
        let inner = Arc::clone(&self.manager.inner);
        inner.background.ensure_running(&inner);
        let (session, claims, held) = self.prepare(&inner)?;

        // Signed before it is on record: claims that cannot be signed leave nothing behind.
        let token = inner.sign(&session, &claims)?;
        let started = StartedSession { token, session: Arc::new(session) };
        let session = Arc::clone(&started.session);
        let admitted = Arc::clone(&inner);
        let admission = async move { admitted.admit(&session, held).await };
        inner.detached(admission).instrument(logging::starting(started.session.id)).await?;
        Ok(started)
    }

    /// Starts the session without issuing a token, for applications that issue their own: the session's id goes into
    /// the claim that their verifier reads.
    ///
    /// # Errors
    ///
    /// As [`SessionManager::start`].
    pub async fn without_token(self) -> Result<Session, Error> {
        let inner = Arc::clone(&self.manager.inner);
        inner.background.ensure_running(&inner);
        let (session, _, held) = self.prepare(&inner)?;
        let session = Arc::new(session);
        let (admitted, record) = (Arc::clone(&inner), Arc::clone(&session));
        let admission = async move { admitted.admit(&record, held).await };
        inner.detached(admission).instrument(logging::starting(session.id)).await?;
        Ok(Arc::unwrap_or_clone(session))
    }

    fn prepare(self, inner: &Inner) -> Result<(Session, Map<String, Value>, Option<Held>), Error> {
        let claims = self.claims?;
        let client = self.client.parts();
        let now = inner.clock.now();
        let mut session = Session::new(self.user?, now, now.saturating_add(self.absolute_timeout));
        session.idle_timeout = self.idle_timeout.min(self.absolute_timeout);
        session.device = client.device;
        session.device_id = client.device_id;
        session.created_ip = client.ip;
        session.last_ip = client.ip;
        session.location = client.location.or_else(|| inner.locate(client.ip)).or(client.location_by_proxy);
        session.methods = self.methods.into_iter().map(|name| (name, now)).collect();
        session.assurance_level = self.assurance_level.clamp(1, 3);
        session.data = self.data;
        Ok((session, claims, client.held))
    }
}

impl IntoFuture for StartSession {
    type Output = Result<StartedSession, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl fmt::Debug for StartSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartSession").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The session that the client held before.
type Held = (UserId, crate::id::SessionId);

impl Inner {
    fn sign(&self, session: &Session, claims: &Map<String, Value>) -> Result<String, Error> {
        let issuer = self.tokens.issuer.as_ref().ok_or_else(|| Error::new(ErrorKind::NoSigningKey))?;
        let methods: Vec<String> = session.methods.keys().map(|name| name.to_string()).collect();
        let token = NewToken {
            user_id: &session.user_id,
            session_id: session.id,
            issued_at: session.created_at,
            expires_at: session.expires_at,
            generation: None,
            authenticated_at: session.authenticated_at,
            methods: &methods,
            level: None,
            claims: Some(claims),
        };
        issuer.issue(&token).map_err(|error| Error::with_source(ErrorKind::InvalidClaims, error))
    }

    async fn admit(&self, session: &Arc<Session>, held: Option<Held>) -> Result<(), Error> {
        let mut admission = Admission::new(session.created_at, self.timings.idle_allowance());
        admission.limits.clone_from(&self.limits);
        let elsewhere = match held {
            Some((user, id)) if user == session.user_id => {
                admission.supersedes = Some(id);
                None
            }
            other_user => other_user,
        };

        let admitted = self.twice_within_deadline("insert", || self.store.insert(session, &admission)).await?;
        match admitted {
            Admitted::Inserted(evictions) => self.tell_started(session, &evictions),
            Admitted::Refused(full) => {
                self.listeners.tell(&SessionEvent::LimitReached { user_id: session.user_id.clone(), full });
                return Err(full.into());
            }
        }
        if let Some((user, id)) = elsewhere {
            // Best effort: the newcomer is on record, and the client drops the other token anyway.
            let signed_out = self.revoke_one(&user, id, &Revocation::replaced()).await;
            drop(signed_out);
        }
        Ok(())
    }

    fn tell_started(&self, session: &Arc<Session>, evictions: &[Eviction]) {
        for eviction in evictions {
            self.cache.revoke(&session.user_id, eviction.id);
            let ending = Ending::new(eviction.reason, Actor::System, session.created_at);
            self.tell_ended(&session.user_id, eviction.id, &ending);
        }
        self.metrics.started();
        self.listeners.tell(&SessionEvent::Started { session: Arc::clone(session) });
    }
}

/// A session that has just started, with its token.
///
/// In Axum handlers it is a response: the JSON object `{"token", "tokenType", "sessionId", "expiresAt"}`.
#[must_use = "the token is nowhere else"]
pub struct StartedSession {
    token: String,
    session: Arc<Session>,
}

impl StartedSession {
    /// The access token. It is a secret.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The record.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// When the token expires.
    pub fn expires_at(&self) -> Timestamp {
        self.session.expires_at
    }
}

impl fmt::Debug for StartedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartedSession").field("session", &self.session).finish_non_exhaustive()
    }
}
