//! The session of the current request.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    assurance::Requirement,
    cache::Entry,
    clock::Timestamp,
    credentials::CredentialSource,
    device::Device,
    error::{Error, ErrorKind},
    id::{SessionId, UserId},
    logging,
    manager::{Inner, SessionManager},
    policy::Denied,
    session::Session,
    token::{VerifiedToken, claims_of},
};

/// The session of the current request.
///
/// In Axum handlers it is an extractor. Elsewhere it is in the request's extensions, where
/// [`SessionLayer`](crate::SessionLayer) puts it. It shows the record as it was last read from the store, a few seconds
/// ago at most. Cloning is cheap.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::CurrentSession;
///
/// async fn me(session: CurrentSession) -> String {
///     format!("{} on {}", session.user_id(), session.device().name())
/// }
/// ```
#[derive(Clone)]
pub struct CurrentSession {
    entry: Entry<Authenticated>,
    source: CredentialSource,
    /// When it was accepted, in ticks.
    accepted_at: u64,
}

/// What the cache keeps beside a token. Whose session it is, the record says.
pub(crate) struct Authenticated {
    session: Arc<Session>,
    token_issued_at: Timestamp,
    token_expires_at: Timestamp,
    token_generation: Option<u32>,
    claims: Claims,
    manager: Weak<Inner>,
}

impl Authenticated {
    pub(crate) fn new(session: &Arc<Session>, verified: &VerifiedToken, claims: Claims, manager: &Arc<Inner>) -> Self {
        Self {
            session: Arc::clone(session),
            token_issued_at: verified.issued_at,
            token_expires_at: verified.expires_at,
            token_generation: verified.generation,
            claims,
            manager: Arc::downgrade(manager),
        }
    }

    /// What verifying the token has brought.
    pub(crate) fn verified(&self) -> VerifiedToken {
        let (user, id) = (self.session.user_id.clone(), self.session.id);
        let verified = VerifiedToken::new(user, id, self.token_issued_at, self.token_expires_at);
        VerifiedToken { generation: self.token_generation, ..verified }
    }

    /// Whether [`verified`](Self::verified) is this.
    pub(crate) fn is_of(&self, verified: &VerifiedToken) -> bool {
        self.session.user_id == verified.user_id
            && self.session.id == verified.session_id
            && self.token_issued_at == verified.issued_at
            && self.token_expires_at == verified.expires_at
            && self.token_generation == verified.generation
    }

    pub(crate) fn token_generation(&self) -> Option<u32> {
        self.token_generation
    }

    pub(crate) fn claims(&self) -> Claims {
        self.claims
    }

    pub(crate) fn manager(&self) -> Option<Arc<Inner>> {
        self.manager.upgrade()
    }
}

/// Where the token's claims are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claims {
    /// In the token itself: it is a JWT.
    InToken,
    /// With the layer that verified the token.
    Elsewhere,
}

impl CurrentSession {
    pub(crate) fn new(entry: Entry<Authenticated>, source: CredentialSource, accepted_at: u64) -> Self {
        Self { entry, source, accepted_at }
    }

    /// The same session, whose token came another way too.
    pub(in crate::manager) fn coming_by(self, source: CredentialSource) -> Self {
        Self { source, ..self }
    }

    /// How new the token is among those of its session.
    pub(in crate::manager) fn token_age(&self) -> (Option<u32>, Timestamp) {
        let token = self.entry.value();
        (token.token_generation, token.token_issued_at)
    }

    pub(crate) fn entry(&self) -> &Entry<Authenticated> {
        &self.entry
    }

    /// When the request was accepted, in ticks of the manager's clock.
    pub(crate) fn accepted_at(&self) -> u64 {
        self.accepted_at
    }

    /// Whose session it is.
    pub fn user_id(&self) -> &UserId {
        &self.session().user_id
    }

    /// The session's public handle.
    pub fn id(&self) -> SessionId {
        self.session().id
    }

    /// The device the user signed in on.
    pub fn device(&self) -> &Device {
        &self.session().device
    }

    /// The whole record.
    pub fn session(&self) -> &Session {
        &self.entry.value().session
    }

    /// Where the token of this request stood; [`Both`](CredentialSource::Both) when the session came in either way.
    pub fn credential_source(&self) -> CredentialSource {
        self.source
    }

    /// The session's name in logs and spans: a keyed hash of its id, the same for all requests of the session within
    /// this process. A reader of the log cannot derive the id from it.
    pub fn correlation_id(&self) -> String {
        logging::correlation(self.id())
    }

    /// When the token of this request expires.
    pub fn token_expires_at(&self) -> Timestamp {
        self.entry.value().token_expires_at
    }

    /// Returns the token's claims, or those of them that `T` declares.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidClaims`] when they do not fit `T`, or when the token was not verified by this crate.
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_device_sessions::{CurrentSession, Error};
    /// #[derive(serde::Deserialize)]
    /// struct Tenant {
    ///     tenant: String,
    /// }
    ///
    /// fn tenant_of(session: &CurrentSession) -> Result<String, Error> {
    ///     Ok(session.claims::<Tenant>()?.tenant)
    /// }
    /// ```
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, Error> {
        match self.entry.value().claims {
            Claims::InToken => {
                claims_of(self.entry.token()).map_err(|error| Error::with_source(ErrorKind::InvalidClaims, error))
            }
            Claims::Elsewhere => Err(Error::new(ErrorKind::InvalidClaims)),
        }
    }

    /// The application's [data](crate::StartSession::data) of the session, as its own type. It is that of the record as it was when
    /// the request was accepted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidData`] when it does not fit `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_device_sessions::{ClientInfo, KeyRing, SessionManager, store::MemoryStore};
    /// #[derive(serde::Deserialize)]
    /// struct Preferences {
    ///     #[serde(default)]
    ///     theme: String,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = SessionManager::builder(MemoryStore::new()).keys(KeyRing::random()?).build()?;
    /// let data = serde_json::json!({ "theme": "dark" }).as_object().cloned().unwrap_or_default();
    /// let started = sessions.start("ann", ClientInfo::new()).data(data).await?;
    /// let current = sessions.authenticate(started.token()).await?;
    /// assert_eq!(current.data::<Preferences>()?.theme, "dark");
    /// assert!(current.data::<Vec<String>>().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let data = Value::Object(self.session().data.clone());
        serde_json::from_value(data).map_err(|error| Error::with_source(ErrorKind::InvalidData, error))
    }

    /// Checks that the session has proven what is required.
    ///
    /// # Errors
    ///
    /// [`Denied::StepUp`] when it has not, or when the manager has been dropped and the time is unknown.
    pub fn meets(&self, requirement: &Requirement) -> Result<(), Denied> {
        let is_met = self.manager().is_some_and(|manager| requirement.is_met(self.session(), manager.now()));
        if is_met { Ok(()) } else { Err(Denied::StepUp(requirement.clone())) }
    }

    /// The manager that accepted the session; `None` once it has been dropped.
    pub fn manager(&self) -> Option<SessionManager> {
        self.entry.value().manager().map(SessionManager::from_inner)
    }

    /// Whether it is `manager` that accepted the session.
    pub(crate) fn is_of(&self, manager: &SessionManager) -> bool {
        Weak::as_ptr(&self.entry.value().manager) == Arc::as_ptr(&manager.inner)
    }
}

impl fmt::Debug for CurrentSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentSession")
            .field("user_id", self.user_id())
            .field("id", &self.id())
            .field("device", &self.device().name())
            .finish_non_exhaustive()
    }
}
