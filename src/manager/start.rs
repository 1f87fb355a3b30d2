//! A user signs in.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::Instrument;

use crate::{
    device::{ClientDevice, ClientInfo},
    error::{Error, ErrorKind},
    event::Misconfiguration,
    id::{InvalidUserId, UserId},
    logging,
    manager::{
        Inner, SessionManager, StartedSession,
        records::change::detached,
        started::{Carried, Persistence},
    },
    policy::SameDevice,
    session::{Salt, Session},
};

impl SessionManager {
    /// Starts a session for a user whom the application has authenticated.
    ///
    /// Awaiting the returned value starts it; before that, [`StartSession`] takes more settings. The session that the
    /// client held until now, if any, ends with it.
    ///
    /// # Errors
    ///
    /// They are logged with their cause, except when a limit was reached: [`ErrorKind::InvalidUserId`],
    /// [`ErrorKind::InvalidClaims`], [`ErrorKind::TooManySessions`], [`ErrorKind::NoSigningKey`], and
    /// [`ErrorKind::Unavailable`] when the store failed: there may then be a record that nobody has a token for.
    ///
    /// # Cancellation
    ///
    /// Dropping the future once it has been polled may leave a session that nobody has a token for. It shows in lists,
    /// and can be ended there.
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
            idle_timeout: self.inner.settings.policy.idle_timeout,
            absolute_timeout: self.inner.settings.policy.absolute_timeout,
            persistence: Persistence::Lasting,
            trust_for: None,
            same_device: None,
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
    persistence: Persistence,
    trust_for: Option<Duration>,
    same_device: Option<SameDevice>,
}

impl StartSession {
    /// Claims of the application's own for the token, as anything that serializes to a JSON object. Anyone who holds
    /// the token can read them, and every later token of the session has them too.
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

    /// A method by which the user has just been authenticated, by its RFC 8176 name. May be called several times.
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
    ///
    /// With more than [`TokenOptions::max_lifetime`](crate::token::TokenOptions::max_lifetime) the start fails with
    /// [`ErrorKind::InvalidClaims`].
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute_timeout = timeout;
        self
    }

    /// Makes browsers forget the cookie when they are closed, for a user who does not want to be remembered. Default:
    /// they keep it as long as the session may last.
    ///
    /// The server cannot see that a browser was closed. Set shorter timeouts for such a session.
    pub fn until_browser_closes(mut self) -> Self {
        self.persistence = Persistence::UntilBrowserCloses;
        self
    }

    /// Trusts the device that the session starts on for so long, at most 400 days, as
    /// [`SessionManager::trust_device`] does. The response to the sign-in gives the device its proof: the device
    /// cookie, or [`StartedSession::device_proof`] for clients without cookies. Default: not trusted.
    ///
    /// The sign-in succeeds even if the device cannot be trusted, because the client proves none or the store fails.
    ///
    /// # Security
    ///
    /// Call it for a user who has just proven the second factor, and asked for it.
    pub fn trust_device(mut self, duration: Duration) -> Self {
        self.trust_for = Some(duration);
        self
    }

    /// What becomes of the user's other sessions on the device of this one. Default: as
    /// [`SessionManagerBuilder::same_device`](crate::manager::SessionManagerBuilder::same_device) says.
    ///
    /// A browser holds one session cookie, and a form may be submitted twice at once: for a sign-in by a form use
    /// [`SameDevice::Join`]. The second response then has tokens of the session that the first has started, as long as
    /// both describe it alike; claims are those of each response. The sign-in form must hand out [the device
    /// cookie](SessionManager::device_for_form), so that a browser's first sign-in is recognised, too.
    pub fn same_device(mut self, same_device: SameDevice) -> Self {
        self.same_device = Some(same_device);
        self
    }

    async fn start(self) -> Result<StartedSession, Error> {
        self.try_start().await.inspect_err(log_failure)
    }

    async fn try_start(self) -> Result<StartedSession, Error> {
        let inner = Arc::clone(&self.manager.inner);
        let same_device = self.same_device;
        inner.ensure_running();
        let trust_for = self.trust_for;
        let Prepared { mut session, carried, held, mut on } = self.prepare(&inner)?;
        let same_device = inner.records.same_device_on(&on, same_device);
        let known = inner.records.recognise(&mut session, &mut on).await?;

        // Signed before it is on record: claims that cannot be signed leave nothing behind.
        let session = Arc::new(session);
        let started = inner.issue(Arc::clone(&session), &carried, session.created_at)?;
        let standing = on.standing();
        let proof = on.proof();
        let trusting = trust_for.filter(|_| proof.is_some()).map(|duration| inner.records.new_trust(duration));
        let trust = trusting.as_ref().map(|(_, trust)| *trust);
        let admitted = Arc::clone(&inner);
        let admission = async move {
            let record = admitted.records.admit(&session, held, standing, same_device).await?;
            let trusted = match session.device_id.zip(trust) {
                // A failure is on the log.
                Some((id, trust)) => {
                    admitted.records.trust(&session.user_id, id, record.id, trust).await.unwrap_or(false)
                }
                None => false,
            };
            Ok((record, trusted))
        };
        let (record, trusted) = detached(admission).instrument(logging::starting(started.session().id)).await?;
        let started = match record.id == started.session().id {
            true => started,
            false => inner.issue(record, &carried, inner.records.clock.now())?,
        };
        let replaced = known.and_then(|known| known.trust).map(|trust| trust.hash);
        let proof = match trusting.filter(|_| trusted) {
            Some((secret, _)) => proof.map(|proof| proof.with_secret(secret, replaced.as_ref())),
            None => proof,
        };
        Ok(started.on_device(proof))
    }

    /// Starts the session without issuing a token, for applications that issue their own: the session's id goes into
    /// the claim that their verifier reads.
    ///
    /// # Errors
    ///
    /// As [`SessionManager::start`].
    pub async fn without_token(self) -> Result<Session, Error> {
        self.try_start_without_token().await.inspect_err(log_failure)
    }

    async fn try_start_without_token(self) -> Result<Session, Error> {
        let inner = Arc::clone(&self.manager.inner);
        let same_device = self.same_device;
        inner.ensure_running();
        let Prepared { mut session, held, mut on, .. } = self.prepare(&inner)?;
        let same_device = inner.records.same_device_on(&on, same_device);
        inner.records.recognise(&mut session, &mut on).await?;
        let (admitted, session) = (Arc::clone(&inner), Arc::new(session));
        let id = session.id;
        let admission = async move { admitted.records.admit(&session, held, on.standing(), same_device).await };
        let record = detached(admission).instrument(logging::starting(id)).await?;
        Ok(Arc::unwrap_or_clone(record))
    }

    fn prepare(self, inner: &Inner) -> Result<Prepared, Error> {
        let carried = Carried { claims: self.claims?, persistence: self.persistence };
        let (user, now) = (self.user?, inner.records.clock.now());
        let client = inner.records.seen_at_sign_in(self.client);
        let same_device = self.same_device.unwrap_or(inner.settings.limits.same_device());
        if client.on.id().is_none() && same_device == SameDevice::Replace {
            inner.warn_once(Misconfiguration::ReplaceWithoutDevice);
        }
        let mut session = Session::new(user, now, now.saturating_add(self.absolute_timeout));
        session.idle_timeout = self.idle_timeout.min(self.absolute_timeout);
        session.device = client.device;
        session.device_id = client.on.id();
        session.created_ip = client.ip;
        session.last_ip = session.created_ip;
        session.location = client.location;
        session.methods = self.methods.into_iter().map(|name| (name, now)).collect();
        session.assurance_level = self.assurance_level.clamp(1, 3);
        session.levels = session.levels_with(session.assurance_level, now);
        session.data = self.data;
        session.tokens.salt = Salt::random();
        Ok(Prepared { session, carried, held: client.held, on: client.on })
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

/// Applications tend to respond to a failed sign-in with a bare 500. A refusal by a limit is no failure.
fn log_failure(error: &Error) {
    if error.kind() != ErrorKind::TooManySessions {
        logging::start_failed(error);
    }
}

/// A session that is not on record yet.
struct Prepared {
    session: Session,
    /// What its tokens hand on.
    carried: Carried,
    /// The sessions that the client held before.
    held: Vec<Held>,
    on: ClientDevice,
}

pub(super) type Held = (UserId, crate::id::SessionId);
