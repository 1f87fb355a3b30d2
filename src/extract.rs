//! Axum: extractors, and what the crate's values look like as responses.
//!
//! - [`CurrentSession`] is the session of the request; without one the answer is 401. `Option<CurrentSession>` takes
//!   anonymous requests too, and so does `Result<CurrentSession, SessionRejection>`, which says why there is none.
//! - [`RecentAuth`] is the session of a request whose user has authenticated recently; without one the answer is the
//!   challenge of RFC 9470.
//! - [`ClientInfo`] is what is known of the client, for a sign-in. Where tokens travel in cookies, a sign-in that another
//!   site has caused is answered with 403: nobody is to be signed in to a stranger's account.
//! - [`Error`] is the answer to what failed, and [`Denied`] to a request without a session.
//!
//! Where [`SessionLayer`](crate::SessionLayer) was forgotten, every extractor answers 500 and says so.

use std::time::Duration;

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header, request::Parts};
use serde::Serialize;

use crate::{
    assurance::Requirement,
    device::ClientInfo,
    error::{Error, ErrorKind},
    manager::{CurrentSession, SessionManager},
    middleware::{Problem, Seen, isolate, missing_layer},
    policy::Denied,
};

/// Why an extractor of this crate did not find what it was asked for.
#[derive(Debug)]
pub struct SessionRejection(Reason);

#[derive(Debug)]
enum Reason {
    Denied(Denied),
    NoLayer,
}

impl SessionRejection {
    /// Why the request was denied, for those who answer in a form of their own, as by a page. `None` where the layer was
    /// forgotten: the answer of the rejection itself tells that to the developer.
    pub fn denied(&self) -> Option<&Denied> {
        match &self.0 {
            Reason::Denied(denied) => Some(denied),
            Reason::NoLayer => None,
        }
    }
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        match self.0 {
            Reason::Denied(denied) => denied.into_response(),
            Reason::NoLayer => missing_layer().into_response(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentSession {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        match Seen::of(&parts.extensions) {
            Some(Seen::Session(current)) => Ok(current.clone()),
            Some(Seen::Anonymous(anonymous)) => Err(SessionRejection(Reason::Denied(anonymous.denied()))),
            None => Err(SessionRejection(Reason::NoLayer)),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for CurrentSession {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, SessionRejection> {
        match Seen::of(&parts.extensions) {
            Some(Seen::Session(current)) => Ok(Some(current.clone())),
            Some(Seen::Anonymous(_)) => Ok(None),
            None => Err(SessionRejection(Reason::NoLayer)),
        }
    }
}

/// The session of a request whose user has authenticated within the last `SECONDS`.
///
/// Without a number it is the time that the policy says: [`SessionPolicy::fresh_for`](crate::SessionPolicy::fresh_for).
/// Otherwise the answer is 401 with the challenge of RFC 9470, upon which the application asks for the password, or whatever
/// else it has, and calls [`SessionManager::reauthenticated`].
///
/// # Examples
///
/// ```
/// use tower_device_sessions::RecentAuth;
///
/// async fn change_password(RecentAuth(session): RecentAuth) -> String {
///     format!("{} may", session.user_id())
/// }
///
/// async fn transfer(RecentAuth(session): RecentAuth<60>) -> String {
///     format!("{} has been here within the minute", session.user_id())
/// }
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an extractor, to be taken apart in a handler's arguments")]
pub struct RecentAuth<const SECONDS: u64 = 0>(pub CurrentSession);

impl<S: Sync, const SECONDS: u64> FromRequestParts<S> for RecentAuth<SECONDS> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        let current = <CurrentSession as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        let manager = current.manager().ok_or(SessionRejection(Reason::NoLayer))?;
        let requirement = match SECONDS {
            0 => manager.policy().recent(),
            seconds => Requirement::recent(Duration::from_secs(seconds)),
        };
        match current.meets(&requirement) {
            Ok(()) => Ok(Self(current)),
            Err(denied) => Err(SessionRejection(Reason::Denied(denied))),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for ClientInfo {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        let manager = manager_of(parts).ok_or(SessionRejection(Reason::NoLayer))?;
        manager.client_of(parts).map_err(|denied| SessionRejection(Reason::Denied(denied)))
    }
}

fn manager_of(parts: &Parts) -> Option<SessionManager> {
    match Seen::of(&parts.extensions)? {
        Seen::Session(current) => current.manager(),
        Seen::Anonymous(anonymous) => Some(anonymous.manager.clone()),
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        Problem::from(&self).into_response()
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Some(denied) = self.denied() {
            return denied.clone().into_response();
        }
        let problem = match self.kind() {
            ErrorKind::Unavailable => Problem::unavailable(),
            ErrorKind::TooManySessions => {
                Problem::new(StatusCode::CONFLICT, "too_many_sessions", "Signed in on too many devices")
            }
            ErrorKind::InvalidUserId
            | ErrorKind::InvalidClaims
            | ErrorKind::InvalidData
            | ErrorKind::NoSigningKey
            | ErrorKind::Denied => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong"),
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
    let mut response = (status, headers, Body::from(text)).into_response();
    isolate(response.headers_mut());
    response
}
