//! An extractor for sign-out handlers, which accepts every token that a client has left.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use http::request::Parts;

use crate::{
    credentials::{CredentialSource, CsrfPolicy},
    error::Error,
    event::SessionEvent,
    id::{SessionId, UserId},
    manager::{CurrentSession, SessionManager, SignedOut},
    middleware::{Anonymous, Only, missing_layer},
    policy::{CsrfDenied, Denied},
    routes::refresh::RefreshBody,
    token::VerifiedToken,
    transport,
};

/// A client that wants to be signed out, with every token that its request brings. An extractor for sign-out handlers.
///
/// A client that signs out may have an expired access token, or only its refresh token. Where [`CurrentSession`] would
/// be rejected with 401, and the session live on, this signs it out. It takes the access tokens in the `Authorization`
/// field and in the cookies, and the refresh tokens in the cookies and in a JSON body `{"refreshToken"}`, as far as the
/// transport has them.
///
/// Browsers attach cookies no matter which site causes the request, so they only count in a request from the
/// application's own pages. Without a token of ours, the response says why there is no session, as for
/// [`CurrentSession`].
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{Error, SignedOut, routes::SigningOut};
///
/// async fn logout(client: SigningOut) -> Result<SignedOut, Error> {
///     client.sign_out().await
/// }
/// ```
#[derive(Debug)]
pub struct SigningOut {
    manager: SessionManager,
    current: Option<(UserId, SessionId)>,
    tokens: Vec<Secret>,
    /// Why there is no session.
    denied: Denied,
}

/// A token, which is never printed.
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl SigningOut {
    /// Ends every session that the client's tokens name. The response clears the cookies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) when there was no token of ours, or none that counts;
    /// [`Error::denied`] says why. [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed:
    /// nothing is cleared, and it is safe to retry.
    pub async fn sign_out(self) -> Result<SignedOut, Error> {
        let tokens: Vec<&str> = self.tokens.iter().map(|Secret(token)| token.as_str()).collect();
        let signed_out = self.manager.sign_out_all(self.current.into_iter().collect(), &tokens).await?;
        signed_out.ok_or_else(|| self.denied.into())
    }

    /// Only what names this session: an access token of it.
    #[cfg(feature = "pages")]
    pub(crate) fn only_of(mut self, session: SessionId) -> Self {
        let manager = &self.manager;
        self.current = self.current.filter(|(_, id)| *id == session);
        self.tokens.retain(|Secret(token)| manager.session_named_by(token) == Some(session));
        self
    }

    /// What a request brings; `None` where the layer is missing.
    fn read(parts: &Parts, body: &[u8], strictness: Strictness) -> Option<Self> {
        let (current, anonymous) = (parts.extensions.get::<CurrentSession>(), parts.extensions.get::<Anonymous>());
        let (manager, mut denied) = match (current, anonymous) {
            (Some(current), _) => (current.manager()?, Denied::Missing),
            (None, Some(anonymous)) => (anonymous.manager.clone(), anonymous.denied()),
            (None, None) => return None,
        };
        let accepted = manager.credentials();
        let only = parts.extensions.get::<Only>().map(|Only(source)| *source);
        let mut tokens = Vec::new();
        if accepted.bearer && only != Some(CredentialSource::Cookie) {
            tokens.extend(transport::bearer_token(&parts.headers).map(secret));
            let body = serde_json::from_slice::<RefreshBody>(body).ok();
            tokens.extend(body.and_then(|body| body.refresh_token).map(Secret));
        }
        let cookies = [&accepted.cookie, &accepted.refresh_cookie].into_iter().flatten();
        let cookies = cookies.filter(|_| only != Some(CredentialSource::Bearer));
        let in_cookies = cookies.flat_map(|cookie| transport::cookie::tokens(cookie, &parts.headers)).map(secret);
        let in_cookies: Vec<Secret> = in_cookies.collect();
        match may_use_cookies(accepted.csrf.clone(), strictness, parts) {
            Ok(()) => tokens.extend(in_cookies),
            Err(why) if current.is_none() && tokens.is_empty() && !in_cookies.is_empty() => {
                manager.tell(&SessionEvent::CsrfDenied { why });
                denied = Denied::Forged(why);
            }
            Err(_) => {}
        }

        let current = current.map(|current| (current.user_id().clone(), current.id()));
        let upstream = parts.extensions.get::<VerifiedToken>().filter(|_| manager.is_verified_upstream());
        let current = current.or_else(|| upstream.map(|verified| (verified.user_id.clone(), verified.session_id)));
        Some(Self { manager, current, tokens, denied })
    }
}

/// Whether a request with neither `Sec-Fetch-Site` nor `Origin` may use cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// As the layer has it.
    Usual,
    /// It may not.
    Declared,
}

fn may_use_cookies(csrf: Option<CsrfPolicy>, strictness: Strictness, parts: &Parts) -> Result<(), CsrfDenied> {
    let Some(csrf) = csrf else {
        return Ok(());
    };
    let csrf = if strictness == Strictness::Declared { csrf.strict() } else { csrf };
    csrf.check(CredentialSource::Cookie, &parts.method, &parts.uri, &parts.headers)
}

/// What is well-formed is ASCII.
fn secret(token: &[u8]) -> Secret {
    Secret(String::from_utf8_lossy(token).into_owned())
}

impl<S: Send + Sync> FromRequest<S> for SigningOut {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        Self::from(request, state, Strictness::Usual).await
    }
}

impl SigningOut {
    pub(crate) async fn from<S: Send + Sync>(
        request: Request,
        state: &S,
        strictness: Strictness,
    ) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let asked = Request::from_parts(parts.clone(), body);
        let body = Bytes::from_request(asked, state).await.map_err(IntoResponse::into_response)?;
        Self::read(&parts, &body, strictness).ok_or_else(|| missing_layer().into_response())
    }
}
