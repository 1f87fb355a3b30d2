//! What a sign-in, or a renewed session, gives to its client.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    credentials::{CookieLifetime, CredentialSource, Credentials, SessionCookie, SiteData},
    device::DeviceProof,
    manager::{SessionManager, device_cookie::DEVICE_COOKIE_LIFETIME},
    session::Session,
};

/// A session that has just started, or was renewed, with its new tokens.
///
/// In Axum handlers it is a response in the [`Transport`](crate::credentials::Transport) that the application has
/// chosen:
///
/// - in the body, the JSON object `{"token", "refreshToken", "tokenType", "sessionId", "expiresAt"}`, where
///   `refreshToken` is there when refresh tokens are switched on;
/// - in cookies, `Set-Cookie`, and the JSON object `{"sessionId", "expiresAt"}`;
/// - with both transports, `Set-Cookie` and the whole JSON object, unless [`in_body`](Self::in_body) or
///   [`in_cookie`](Self::in_cookie) says otherwise.
///
/// It is also the first part of a response of another kind: `(started, Redirect::to("/"))` sets the cookies.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{ClientInfo, KeyRing, SessionManager, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SessionManager::builder(MemoryStore::new()).keys(KeyRing::random()?).build()?;
/// let started = sessions.start("ann", ClientInfo::new()).await?;
/// println!("session {} until {}", started.session().id, started.expires_at());
/// assert!(sessions.authenticate(started.token()).await.is_ok());
/// # Ok(())
/// # }
/// ```
#[must_use = "the token is nowhere else"]
pub struct StartedSession {
    pub(super) manager: SessionManager,
    pub(super) session: Arc<Session>,
    pub(super) token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) expires_at: Timestamp,
    pub(super) cookie_lifetime: CookieLifetime,
    pub(super) answer: Answer,
    pub(super) device: Option<DeviceProof>,
    pub(super) device_token: Option<String>,
}

/// How the tokens reach the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// In every way that the transport has.
    AsChosen,
    InBody,
    InCookie,
}

impl StartedSession {
    /// The access token. It is a secret.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The refresh token, when refresh tokens are switched on. It is a secret, and outlives the access token.
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_deref()
    }

    /// The record.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the proof that the client's device holds from now on, to be given to clients without cookies as a
    /// [`DeviceTokens`](crate::token::DeviceTokens) token. `None` if the client was not asked to
    /// [prove](crate::ClientInfo::device_proof) its device, and for a session that had started before.
    pub fn device_proof(&self) -> Option<&DeviceProof> {
        self.device.as_ref()
    }

    /// When the access token expires.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Responds only in the body, where both transports are in use: for a client that is no browser. Changes nothing
    /// where tokens only travel in cookies.
    pub fn in_body(mut self) -> Self {
        self.answer = Answer::InBody;
        self
    }

    /// Responds only in cookies, where both transports are in use: for a browser, whose scripts then never see a token.
    /// Changes nothing where tokens only travel in the `Authorization` field.
    pub fn in_cookie(mut self) -> Self {
        self.answer = Answer::InCookie;
        self
    }

    /// The sign-in was on this device.
    pub(super) fn on_device(mut self, device: Option<DeviceProof>) -> Self {
        self.device_token =
            self.manager.device_cookie().zip(device.as_ref()).and_then(|(cookie, device)| cookie.value_of(device));
        self.device = device;
        self
    }

    /// Responds in every way that the previous token came, and in no other.
    pub(super) fn answering(mut self, source: CredentialSource) -> Self {
        self.answer = match source {
            CredentialSource::Bearer => Answer::InBody,
            CredentialSource::Cookie => Answer::InCookie,
            CredentialSource::Both => Answer::AsChosen,
        };
        self
    }

    /// Returns whether the body of the response should hold the tokens, or only the cookies should.
    pub fn is_for_body(&self) -> bool {
        let accepted = self.credentials();
        accepted.bearer && (self.answer != Answer::InCookie || accepted.cookie.is_none())
    }

    /// The cookies to set, with what to put into them and for how long.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = (&SessionCookie, &str, CookieLifetime)> {
        let accepted = self.credentials();
        let wanted = self.answer != Answer::InBody || !accepted.bearer;
        let access = accepted.cookie.as_ref().map(|cookie| (cookie, self.token.as_str()));
        let refresh = accepted.refresh_cookie.as_ref().zip(self.refresh_token.as_deref());
        let lifetime = self.cookie_lifetime;
        let tokens = access.into_iter().chain(refresh).filter(move |_| wanted);
        let device = self.manager.device_cookie().zip(self.device_token.as_deref());
        let device = device.filter(|_| self.answer != Answer::InBody);
        let device = device.map(|(device, value)| (&device.cookie, value, DEVICE_COOKIE_LIFETIME));
        tokens.map(move |(cookie, value)| (cookie, value, lifetime)).chain(device)
    }

    fn credentials(&self) -> &Credentials {
        self.manager.credentials()
    }
}

impl fmt::Debug for StartedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartedSession").field("session", &self.session).finish_non_exhaustive()
    }
}

/// What each token of a session hands on to the next: the record does not know it.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    /// The application's own claims.
    pub(super) claims: Map<String, Value>,
    pub(super) persistence: Persistence,
}

/// How long browsers keep the cookies of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Persistence {
    /// As long as the session may last.
    #[default]
    Lasting,
    UntilBrowserCloses,
}

impl Carried {
    /// What the claims of an access token carry on.
    pub(super) fn from_claims(mut claims: Map<String, Value>) -> Self {
        let persistence = match claims.remove(UNTIL_BROWSER_CLOSES) {
            Some(Value::Bool(true)) => Persistence::UntilBrowserCloses,
            _ => Persistence::Lasting,
        };
        Self { claims, persistence }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        serde_json::from_slice(bytes).ok().map(Self::from_claims)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self.to_claims() {
            claims if claims.is_empty() => Vec::new(),
            claims => Value::Object(claims).to_string().into_bytes(),
        }
    }

    pub(super) fn to_claims(&self) -> Map<String, Value> {
        let mut claims = self.claims.clone();
        claims.remove(UNTIL_BROWSER_CLOSES);
        if self.persistence == Persistence::UntilBrowserCloses {
            claims.insert(UNTIL_BROWSER_CLOSES.to_owned(), Value::Bool(true));
        }
        claims
    }
}

/// The claim that marks tokens whose cookie ends with the browser. Others do not have it.
const UNTIL_BROWSER_CLOSES: &str = "until_browser_closes";

/// The response to a sign-out: no content, and cleared cookies.
///
/// It says that the ending is on record. In Axum handlers it is a response, 204, or the first part of one:
/// `(signed_out, Redirect::to("/"))`.
#[derive(Clone)]
pub struct SignedOut {
    manager: SessionManager,
}

impl SignedOut {
    pub(super) fn new(manager: SessionManager) -> Self {
        Self { manager }
    }

    pub(crate) fn site_data(&self) -> SiteData {
        self.manager.credentials().site_data
    }

    /// The cookies to clear.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = &SessionCookie> {
        let accepted = self.manager.credentials();
        let refresh = accepted.refresh_cookie.as_ref().filter(|_| self.manager.inner.tokens.refreshing.is_some());
        accepted.cookie.as_ref().into_iter().chain(refresh)
    }
}

impl fmt::Debug for SignedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedOut").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn carried(claims: Value, persistence: Persistence) -> Carried {
        let Value::Object(claims) = claims else { panic!("an object") };
        Carried { claims, persistence }
    }

    #[test]
    fn what_is_carried_reads_back() {
        for persistence in [Persistence::Lasting, Persistence::UntilBrowserCloses] {
            for claims in [json!({}), json!({ "tenant": "acme", "roles": ["a", 1] })] {
                let carried = carried(claims, persistence);
                let read = Carried::from_bytes(&carried.to_bytes()).unwrap();
                assert_eq!((&read.claims, read.persistence), (&carried.claims, persistence));
            }
        }
        assert!(carried(json!({}), Persistence::Lasting).to_bytes().is_empty());
    }

    #[test]
    fn an_application_cannot_say_how_long_a_cookie_lasts_by_a_claim() {
        let forged = carried(json!({ UNTIL_BROWSER_CLOSES: true }), Persistence::Lasting);
        assert_eq!(Carried::from_claims(forged.to_claims()).persistence, Persistence::Lasting);
    }
}
