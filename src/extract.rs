//! Axum: extractors, and what the crate's values look like as responses.
//!
//! - [`CurrentSession`] is the session of the request; without one the answer is 401. `Option<CurrentSession>` takes
//!   anonymous requests too.
//! - [`ClientInfo`] is what is known of the client, for a sign-in.
//! - [`StartedSession`] is the answer to a sign-in, and [`Error`] one to a sign-in that failed.
//!
//! Where [`SessionLayer`](crate::SessionLayer) was forgotten, every extractor answers 500 and says so.

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use serde::Serialize;

use crate::{
    clock::Timestamp,
    device::{ClientHints, ClientInfo},
    error::{Error, ErrorKind},
    id::SessionId,
    manager::{CurrentSession, SessionManager, StartedSession},
    middleware::{Anonymous, Problem, client_ip, location, missing_layer},
    policy::Denied,
};

/// Why an extractor of this crate did not find what it was asked for.
#[derive(Debug)]
pub struct SessionRejection(Reason);

#[derive(Debug)]
enum Reason {
    NotSignedIn,
    NoLayer,
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        match self.0 {
            Reason::NotSignedIn => Denied::Missing.into_response(),
            Reason::NoLayer => missing_layer().into_response(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentSession {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        match parts.extensions.get::<Self>() {
            Some(current) => Ok(current.clone()),
            None if parts.extensions.get::<Anonymous>().is_some() => Err(SessionRejection(Reason::NotSignedIn)),
            None => Err(SessionRejection(Reason::NoLayer)),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for CurrentSession {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, SessionRejection> {
        match parts.extensions.get::<Self>() {
            Some(current) => Ok(Some(current.clone())),
            None if parts.extensions.get::<Anonymous>().is_some() => Ok(None),
            None => Err(SessionRejection(Reason::NoLayer)),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for ClientInfo {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        let current = parts.extensions.get::<CurrentSession>();
        let manager = manager_of(parts).ok_or(SessionRejection(Reason::NoLayer))?;

        let mut client = Self::new()
            .hints(client_hints(&parts.headers))
            .ip(client_ip(&manager, &parts.headers, &parts.extensions))
            .location_by_proxy(location(&manager, &parts.headers, &parts.extensions));
        if let Some(user_agent) = parts.headers.get(header::USER_AGENT) {
            client = client.user_agent(user_agent.as_bytes());
        }
        if let Some(current) = current {
            client = client.held(current.user_id().clone(), current.id());
        }
        Ok(client)
    }
}

fn manager_of(parts: &Parts) -> Option<SessionManager> {
    match parts.extensions.get::<CurrentSession>() {
        Some(current) => current.manager(),
        None => parts.extensions.get::<Anonymous>().map(|anonymous| anonymous.manager.clone()),
    }
}

fn client_hints(headers: &HeaderMap) -> ClientHints {
    let hint = |name: &str| {
        let text = crate::text::clean(headers.get(name)?.as_bytes(), LONGEST_HINT);
        (!text.is_empty()).then_some(text)
    };
    let mut hints = ClientHints::default();
    hints.brands = hint("sec-ch-ua");
    hints.full_version_list = hint("sec-ch-ua-full-version-list");
    hints.mobile = hint("sec-ch-ua-mobile");
    hints.platform = hint("sec-ch-ua-platform");
    hints.platform_version = hint("sec-ch-ua-platform-version");
    hints.model = hint("sec-ch-ua-model");
    hints.form_factors = hint("sec-ch-ua-form-factors");
    hints
}

/// The longest client hint that is kept, in bytes.
const LONGEST_HINT: usize = 256;

/// What a sign-in answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartedView<'a> {
    token: &'a str,
    token_type: &'static str,
    session_id: SessionId,
    expires_at: Timestamp,
}

impl IntoResponse for StartedSession {
    fn into_response(self) -> Response {
        let view = StartedView {
            token: self.token(),
            token_type: "Bearer",
            session_id: self.session().id,
            expires_at: self.expires_at(),
        };
        json(StatusCode::OK, &view)
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        Problem::from(&self).into_response()
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let problem = match self.kind() {
            ErrorKind::Unavailable => Problem::unavailable(),
            ErrorKind::TooManySessions => {
                Problem::new(StatusCode::CONFLICT, "too_many_sessions", "Signed in on too many devices")
            }
            ErrorKind::InvalidUserId | ErrorKind::InvalidClaims | ErrorKind::NoSigningKey => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong")
            }
        };
        problem.into_response()
    }
}

/// A JSON response that no cache may keep.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let Ok(text) = serde_json::to_vec(value) else {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong").into_response();
    };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, Body::from(text)).into_response()
}
