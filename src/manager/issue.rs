//! The tokens of a session are signed.

use std::sync::Arc;

use crate::{
    assurance,
    clock::Timestamp,
    credentials::CookieLifetime,
    error::{Error, ErrorKind},
    manager::{
        Inner, SessionManager,
        started::{Answer, Carried, Persistence, StartedSession},
    },
    session::Session,
    token::{NewToken, RefreshToken},
};

impl Inner {
    /// Signs the tokens of a session's newest generation, at `now`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoSigningKey`], and [`ErrorKind::InvalidClaims`] when the claims do not fit into a token or a
    /// cookie.
    pub(super) fn issue(
        self: &Arc<Self>,
        session: Arc<Session>,
        carried: &Carried,
        now: Timestamp,
    ) -> Result<StartedSession, Error> {
        let issuer = self.tokens.issuer.as_ref().ok_or_else(|| Error::new(ErrorKind::NoSigningKey))?;
        let expires_at = match &self.tokens.refreshing {
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
            generation: (generation > 0 || self.tokens.refreshing.is_some()).then_some(generation),
            authenticated_at: session.authenticated_at,
            methods: &methods,
            level: assurance::level_name(session.newest_level()),
            claims: (!claims.is_empty()).then_some(&claims),
        };
        let token = issuer.issue(&token).map_err(|error| Error::with_source(ErrorKind::InvalidClaims, error))?;

        let refresh_token = match &self.tokens.refreshing {
            None => None,
            Some(refreshing) => {
                let (user_id, salt) = (session.user_id.clone(), &session.tokens.salt);
                let refresh = RefreshToken::new(user_id, session.id, generation, salt, carried.to_bytes());
                let too_large = || Error::with_source(ErrorKind::InvalidClaims, "the refresh token is too large");
                Some(refreshing.tokens.issue(&refresh).ok_or_else(too_large)?)
            }
        };

        // S65: a cookie that a browser would drop without a word is an error here, where it can be seen.
        let accepted = &self.tokens.credentials;
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
