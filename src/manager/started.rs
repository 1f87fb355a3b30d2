use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    assurance,
    clock::Timestamp,
    credentials::{CookieLifetime, CredentialSource, Credentials, SessionCookie, SiteData},
    device::DeviceProof,
    error::{Error, ErrorKind},
    manager::{Inner, SessionManager, settings::DEVICE_COOKIE_LIFETIME},
    session::Session,
    token::{NewToken, RefreshToken},
};

/// A session that has just started, or moved on, with its new tokens.
///
/// In Axum handlers it is a response in the [`Transport`](crate::credentials::Transport) that the application has chosen:
///
/// - in the body, the JSON object `{"token", "refreshToken", "tokenType", "sessionId", "expiresAt"}`, where `refreshToken`
///   is there when refresh tokens are switched on;
/// - in cookies, `Set-Cookie`, and the JSON object `{"sessionId", "expiresAt"}`;
/// - with both transports, `Set-Cookie` and the whole JSON object, unless [`in_body`](Self::in_body) or
///   [`in_cookie`](Self::in_cookie) says otherwise.
///
/// It is also the first part of a response of another kind: `(started, Redirect::to("/"))` sets the cookies.
#[must_use = "the token is nowhere else"]
pub struct StartedSession {
    manager: SessionManager,
    session: Arc<Session>,
    token: String,
    refresh_token: Option<String>,
    expires_at: Timestamp,
    cookie_lifetime: CookieLifetime,
    answer: Answer,
    device: Option<DeviceProof>,
    device_token: Option<String>,
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

    /// What the client's device is to hold from now on: for clients without cookies, which are given it as a
    /// [`DeviceTokens`](crate::token::DeviceTokens) token. `None` where the client was not asked to
    /// [prove](crate::ClientInfo::device_proof) its device, and for a session that had started before.
    pub fn device_proof(&self) -> Option<&DeviceProof> {
        self.device.as_ref()
    }

    /// When the access token expires.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Answers in the body alone, where both transports are in use: for a client that is no browser. Changes nothing where
    /// tokens travel in cookies only.
    pub fn in_body(mut self) -> Self {
        self.answer = Answer::InBody;
        self
    }

    /// Answers in cookies alone, where both transports are in use: for a browser, whose scripts then never see a token.
    /// Changes nothing where tokens travel in the `Authorization` field only.
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

    /// Answers in every way that the token came which this one succeeds, and in no other.
    pub(super) fn answering(mut self, source: CredentialSource) -> Self {
        self.answer = match source {
            CredentialSource::Bearer => Answer::InBody,
            CredentialSource::Cookie => Answer::InCookie,
            CredentialSource::Both => Answer::AsChosen,
        };
        self
    }

    /// Whether the body of the answer is to show the tokens, rather than leave it to the cookies.
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

    fn to_bytes(&self) -> Vec<u8> {
        match self.to_claims() {
            claims if claims.is_empty() => Vec::new(),
            claims => Value::Object(claims).to_string().into_bytes(),
        }
    }

    fn to_claims(&self) -> Map<String, Value> {
        let mut claims = self.claims.clone();
        claims.remove(UNTIL_BROWSER_CLOSES);
        if self.persistence == Persistence::UntilBrowserCloses {
            claims.insert(UNTIL_BROWSER_CLOSES.to_owned(), Value::Bool(true));
        }
        claims
    }
}

/// The claim by which one token tells the next that its cookie ends with the browser. Others do without it.
const UNTIL_BROWSER_CLOSES: &str = "until_browser_closes";

impl Inner {
    /// Signs the tokens of a session's newest generation, at `now`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoSigningKey`], and [`ErrorKind::InvalidClaims`] when the claims do not fit into a token or a cookie.
    pub(super) fn issue(
        self: &Arc<Self>,
        session: Arc<Session>,
        carried: &Carried,
        now: Timestamp,
    ) -> Result<StartedSession, Error> {
        let issuer = self.tokens.issuer.as_ref().ok_or_else(|| Error::new(ErrorKind::NoSigningKey))?;
        let expires_at = match &self.refreshing {
            Some(refreshing) => session.expires_at.min(now.saturating_add(refreshing.policy.access_lifetime)),
            None => session.expires_at,
        };
        let methods: Vec<String> = session.methods.keys().map(|name| name.to_string()).collect();
        let claims = carried.to_claims();
        let generation = session.tokens.generation;
        let token = NewToken {
            user_id: &session.user_id,
            session_id: session.id,
            issued_at: now,
            expires_at,
            generation: (generation > 0 || self.refreshing.is_some()).then_some(generation),
            authenticated_at: session.authenticated_at,
            methods: &methods,
            level: assurance::level_name(session.newest_level()),
            claims: (!claims.is_empty()).then_some(&claims),
        };
        let token = issuer.issue(&token).map_err(|error| Error::with_source(ErrorKind::InvalidClaims, error))?;

        let refresh_token = match &self.refreshing {
            None => None,
            Some(refreshing) => {
                let (user_id, salt) = (session.user_id.clone(), &session.tokens.salt);
                let refresh = RefreshToken::new(user_id, session.id, generation, salt, carried.to_bytes());
                let too_large = || Error::with_source(ErrorKind::InvalidClaims, "the refresh token is too large");
                Some(refreshing.tokens.issue(&refresh).ok_or_else(too_large)?)
            }
        };

        // S65: a cookie that a browser would drop without a word is an error here, where it can be seen.
        let accepted = &self.credentials;
        let values = [(&accepted.cookie, Some(&token)), (&accepted.refresh_cookie, refresh_token.as_ref())];
        for (cookie, value) in values {
            if let (Some(cookie), Some(value)) = (cookie, value) {
                cookie.check(value).map_err(|error| Error::with_source(ErrorKind::InvalidClaims, error))?;
            }
        }

        let cookie_lifetime = match carried.persistence {
            Persistence::Lasting => CookieLifetime::MaxAge(session.expires_at.duration_since(now)),
            Persistence::UntilBrowserCloses => CookieLifetime::BrowserSession,
        };
        Ok(StartedSession {
            manager: SessionManager::from_inner(Arc::clone(self)),
            session,
            token,
            refresh_token,
            expires_at,
            cookie_lifetime,
            answer: Answer::AsChosen,
            device: None,
            device_token: None,
        })
    }
}

/// The answer to a sign-out: nothing, and cookies that are forgotten.
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
        let refresh = accepted.refresh_cookie.as_ref().filter(|_| self.manager.inner.refreshing.is_some());
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
