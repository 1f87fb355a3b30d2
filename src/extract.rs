//! Axum: extractors, and what the crate's values look like as responses.
//!
//! - [`CurrentSession`] is the session of the request; without one the response is 401. `Option<CurrentSession>`
//!   accepts anonymous requests too, and so does `Result<CurrentSession, SessionRejection>`, which says why there is
//!   none.
//! - [`RecentAuth`] is the session of a request whose user has authenticated recently; without one the response is the
//!   challenge of RFC 9470.
//! - [`ClientInfo`] is what is known of the client, for a sign-in. Where tokens travel in cookies, a sign-in that
//!   another site has caused is rejected with 403, so that nobody is signed in to a stranger's account.
//! - [`Error`] is the response to a failure, and [`Denied`] to a request without a session.
//!
//! If [`SessionLayer`](crate::SessionLayer) is missing, every extractor responds with 500 and says so.

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

/// Why an extractor of this crate failed.
#[derive(Debug)]
pub struct SessionRejection(Reason);

#[derive(Debug)]
enum Reason {
    Denied(Denied),
    NoLayer,
}

impl SessionRejection {
    /// Returns why the request was denied, for responses of your own, such as a page. `None` if the layer is missing:
    /// the response of the rejection itself tells that to the developer.
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

/// The session of a request whose user has authenticated recently: within the time that the policy says,
/// [`SessionPolicy::fresh_for`](crate::SessionPolicy::fresh_for). [`RecentAuthWithin`] has a time of its own.
///
/// Otherwise the response is 401 with the challenge of RFC 9470. The application then asks for the password or another
/// proof, and calls [`SessionManager::reauthenticated`].
///
/// # Examples
///
/// ```
/// use tower_device_sessions::RecentAuth;
///
/// async fn change_password(RecentAuth(session): RecentAuth) -> String {
///     format!("{} may", session.user_id())
/// }
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an extractor, to be taken apart in a handler's arguments")]
pub struct RecentAuth(pub CurrentSession);

impl<S: Sync> FromRequestParts<S> for RecentAuth {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        meeting(parts, state, |manager| manager.policy().recent()).await.map(Self)
    }
}

/// The session of a request whose user has authenticated within the last `SECONDS`, which is not 0.
///
/// Otherwise the answer is that of [`RecentAuth`].
///
/// # Examples
///
/// ```
/// use tower_device_sessions::RecentAuthWithin;
///
/// async fn transfer(RecentAuthWithin(session): RecentAuthWithin<60>) -> String {
///     format!("{} authenticated within the minute", session.user_id())
/// }
/// ```
///
/// No session is as recent as none at all:
///
/// ```compile_fail
/// use axum::{Router, routing::get};
/// use tower_device_sessions::RecentAuthWithin;
///
/// async fn transfer(_: RecentAuthWithin<0>) {}
/// let app: Router = Router::new().route("/", get(transfer));
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an extractor, to be taken apart in a handler's arguments")]
pub struct RecentAuthWithin<const SECONDS: u64>(pub CurrentSession);

impl<S: Sync, const SECONDS: u64> FromRequestParts<S> for RecentAuthWithin<SECONDS> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        const { assert!(SECONDS > 0, "a session cannot have authenticated within no time") };
        meeting(parts, state, |_| Requirement::recent(Duration::from_secs(SECONDS))).await.map(Self)
    }
}

/// The request's session, if it meets the requirement.
async fn meeting<S: Sync>(
    parts: &mut Parts,
    state: &S,
    requirement: impl FnOnce(&SessionManager) -> Requirement,
) -> Result<CurrentSession, SessionRejection> {
    let current = <CurrentSession as FromRequestParts<S>>::from_request_parts(parts, state).await?;
    let manager = current.manager().ok_or(SessionRejection(Reason::NoLayer))?;
    match current.meets(&requirement(&manager)) {
        Ok(()) => Ok(current),
        Err(denied) => Err(SessionRejection(Reason::Denied(denied))),
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
            ErrorKind::Unavailable => Problem::from(&Denied::Unavailable),
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
