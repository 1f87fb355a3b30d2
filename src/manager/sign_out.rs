//! Signing out with any token that is left.

use crate::{
    error::Error,
    id::{SessionId, SessionKey, UserId},
    manager::{Inner, Revocation, SessionManager, SignedOut},
    policy::Denied,
    token::RefreshToken,
};

impl SessionManager {
    /// Signs out the session that a token names: an access token, even an expired or superseded one, or a refresh token
    /// of any generation.
    ///
    /// A client that wants to leave may have nothing else left, and its session would live on without it. A session
    /// that had ended before is no error. For an expired token, the application's own verifier does not say whose it
    /// is.
    ///
    /// In Axum handlers `routes::SigningOut` finds the tokens of a request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) when the token is not one of ours, and
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed: it is safe to retry.
    ///
    /// # Cancellation
    ///
    /// The change runs in a task of its own. Dropping the future does not stop it.
    pub async fn sign_out_with(&self, token: &str) -> Result<SignedOut, Error> {
        let signed_out = self.sign_out_all(Vec::new(), &[token]).await?;
        signed_out.ok_or_else(|| Denied::Invalid.into())
    }

    /// The session that an access token names, also one that has run out.
    #[allow(dead_code, reason = "only the ready-made page asks for it")]
    pub(crate) fn session_named_by(&self, token: &str) -> Option<SessionId> {
        match self.inner.named_by(token) {
            Some(Named::ByAccessToken(_, id)) => Some(id),
            Some(Named::ByRefreshToken(_)) | None => None,
        }
    }

    /// Signs out these sessions, and those that the tokens name, each once; `None` when there is none at all.
    pub(crate) async fn sign_out_all(
        &self,
        mut sessions: Vec<(UserId, SessionId)>,
        tokens: &[&str],
    ) -> Result<Option<SignedOut>, Error> {
        for token in tokens {
            let session = match self.inner.named_by(token) {
                Some(Named::ByAccessToken(user, id)) => (user, id),
                Some(Named::ByRefreshToken(presented)) => {
                    let session = (presented.user_id.clone(), presented.session_id);
                    if sessions.contains(&session) || !self.inner.is_bound(&presented).await? {
                        continue;
                    }
                    session
                }
                None => continue,
            };
            if !sessions.contains(&session) {
                sessions.push(session);
            }
        }
        for (user, id) in &sessions {
            self.revoke(user, *id, Revocation::sign_out(*id)).await?;
        }
        Ok((!sessions.is_empty()).then(|| self.signed_out()))
    }
}

/// The session that a token of ours names.
enum Named {
    ByAccessToken(UserId, SessionId),
    ByRefreshToken(Box<RefreshToken>),
}

impl Inner {
    fn named_by(&self, token: &str) -> Option<Named> {
        let now = self.records.clock.now();
        let accepted = self.verify(token.as_bytes(), now).ok();
        if let Some(verified) = accepted.or_else(|| self.verified_but_for_expiry(token.as_bytes(), now)) {
            return Some(Named::ByAccessToken(verified.user_id, verified.session_id));
        }
        let opened = self.tokens.refreshing.as_ref()?.tokens.open(token.as_bytes()).ok()?;
        Some(Named::ByRefreshToken(Box::new(opened)))
    }

    /// Whether a refresh token belongs to the record of its session.
    async fn is_bound(&self, presented: &RefreshToken) -> Result<bool, Error> {
        let key = SessionKey::new(presented.user_id.clone(), presented.session_id);
        let found = self.records.find_in_turn(&key).await?;
        // Where there is no record any more there is nothing left to end.
        Ok(found.is_none_or(|session| presented.is_bound_to(&session.tokens.salt)))
    }
}
