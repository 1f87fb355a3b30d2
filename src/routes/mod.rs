//! Routes: the ready-made endpoints with which users list, name and end their sessions.
//!
//! Paths are relative to where the application nests the router.
//!
//! | route | answer |
//! | --- | --- |
//! | `GET /sessions` | 200, an array of sessions: the current one first, then newest activity first |
//! | `GET /sessions/current` | 200, one of the same objects, with `idleExpiresAt` and `freshUntil` |
//! | `DELETE /sessions/{id}` | 204, also when it had ended; 404 when the user has none under this id |
//! | `DELETE /sessions/others` | 200 `{"revoked": n}`; all but the current one |
//! | `DELETE /sessions` | 200 `{"revoked": n}`; all |
//! | `PATCH /sessions/{id}` | 200, the session; `{"deviceName": "My phone"}` names its device, `null` clears the name |
//! | `GET /devices` | 200, an array of the devices the user has signed in on, newest seen first |
//! | `PATCH /devices/{id}` | 200, the device; `{"deviceName": "My phone"}` names it, `{"trusted": true}` trusts it |
//! | `DELETE /devices/{id}` | 204; its sessions end, and it is forgotten; 404 when the user is not known on it |
//! | `POST /logout` | 204; `?scope=local` (default), `others`, `global` |
//! | `POST /refresh` | 200, the next tokens; there when refresh tokens are switched on |
//!
//! Lists take `?limit=` (1 to 100, by default 50), `?cursor=` and `?state=active|ended|all`, and have a
//! `Link: rel="next"` when there is more. `freshUntil` is when the user stops counting as recently authenticated.
//!
//! The name of a device is that of all its sessions. Only the current device can be trusted, for 30 days and after a
//! second factor (level 2); that sets a new device cookie, and `{"trusted": false}` ends it. A client without cookies
//! proves its device by `{"deviceToken"}` and receives the next one.
//!
//! A local sign-out accepts what the client has left: an expired access token, the refresh cookie, or
//! `{"refreshToken"}`. A refresh returns the next tokens in every way that the old one came: in the body, in a cookie,
//! or both.
//!
//! Where the policy requires a recent authentication to end other sessions, the response is the challenge of RFC 9470
//! until the user has authenticated again. Signing out of the current session never requires it.
//!
//! Requests that end the current session clear its cookies, once the ending is on record. Where tokens travel in
//! cookies, an unsafe request must come from the application's own pages, according to `Sec-Fetch-Site` or `Origin`,
//! which browsers send. One with a token in the header or in the body need not.
//!
//! [`AdminRoutes`] are separate, for administrators.
//!
//! Routes that end sessions respond with 400, and end nothing, when the query holds an unknown parameter.
//!
//! Another user's session or device gets exactly the response of one that does not exist. Failures are problem details
//! (RFC 9457) with a stable `code`: 400 for input that cannot be read, 401 without a session, 404, and 503 with
//! `Retry-After` when the store does not answer. No response may be kept by a cache.

mod admin;
mod devices;
mod jwks;
mod list;
mod logout;
#[cfg(feature = "openapi")]
mod openapi;
mod refresh;
mod rename;
mod revoke;
mod signing_out;
mod view;

#[cfg(feature = "pages")]
pub(crate) use self::signing_out::Strictness;
pub use self::{
    admin::{AdminName, AdminRoutes},
    devices::KnownDeviceView,
    jwks::JwksRoute,
    signing_out::SigningOut,
    view::SessionView,
};

use axum::{
    Router,
    extract::{FromRequestParts, Path, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
    routing,
};
use http::{HeaderValue, StatusCode, header, request::Parts};

use crate::{
    credentials::CredentialSource,
    event::SessionEvent,
    id::SessionId,
    manager::{CurrentSession, SessionManager},
    middleware::{Problem, Seen, isolate, missing_layer},
    policy::{Denied, EndingOthers},
};

/// The endpoints of one manager, as a router to nest.
///
/// They need [`SessionLayer`](crate::SessionLayer) around them.
///
/// # Examples
///
/// ```
/// use axum::Router;
/// use tower_device_sessions::{SessionLayer, SessionManager, SessionRoutes};
///
/// fn app(sessions: &SessionManager) -> Router {
///     Router::new()
///         .nest("/api", SessionRoutes::new(sessions).into_router())
///         .layer(SessionLayer::new(sessions))
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionRoutes {
    manager: SessionManager,
}

impl SessionRoutes {
    /// The endpoints of this manager.
    pub fn new(manager: &SessionManager) -> Self {
        Self { manager: manager.clone() }
    }

    /// The router, for applications of any state.
    pub fn into_router<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        Router::new()
            .route("/sessions", routing::get(list::list).delete(revoke::revoke_all))
            .route("/sessions/current", routing::get(list::current))
            .route("/sessions/others", routing::delete(revoke::revoke_others))
            .route("/sessions/{id}", routing::delete(revoke::revoke).patch(rename::rename))
            .route("/logout", routing::post(logout::logout))
            .route("/devices", routing::get(devices::list))
            .route("/devices/{id}", routing::delete(devices::forget).patch(devices::change))
            .layer(axum::middleware::from_fn_with_state(self.manager.clone(), declared))
            .merge(self.refresh())
            .layer(axum::middleware::map_response(uncached))
            .with_state(self.manager)
    }

    fn refresh(&self) -> Router<SessionManager> {
        match self.manager.refreshes() {
            true => Router::new().route("/refresh", routing::post(refresh::refresh)),
            false => Router::new(),
        }
    }
}

/// S72: here a forged request hurts most, so one with a cookie must say where it comes from.
///
/// A session of another manager is none here, even of the same user.
async fn declared(State(manager): State<SessionManager>, request: Request, next: Next) -> Response {
    let Some(seen) = Seen::by(&manager, request.extensions()) else {
        return missing_layer().into_response();
    };
    if let Seen::Session(current) = seen
        && let Err(denied) = check_declared(&manager, current.credential_source(), &request)
    {
        return denied.into_response();
    }
    next.run(request).await
}

/// Whether a request whose credential comes from `source` proves its origin, as far as it has to.
pub(crate) fn check_declared(
    manager: &SessionManager,
    source: CredentialSource,
    request: &Request,
) -> Result<(), Denied> {
    let Some(csrf) = manager.credentials().csrf.clone() else {
        return Ok(());
    };
    csrf.strict().check(source, request.method(), request.uri(), request.headers()).map_err(|why| {
        manager.tell(&SessionEvent::CsrfDenied { why });
        Denied::Forged(why)
    })
}

async fn uncached(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    isolate(response.headers_mut());
    response
}

/// S57: whether the session may end others.
pub(crate) fn may_end_others(manager: &SessionManager, current: &CurrentSession) -> Result<(), Denied> {
    match manager.policy().ending_others {
        EndingOthers::Free => Ok(()),
        EndingOthers::AfterRecentAuthentication => current.meets(&manager.policy().recent()),
    }
}

/// An extractor for handlers without query parameters. An unknown one would be ignored, and more would end than was
/// meant.
#[derive(Debug)]
struct NoParameters;

impl<S: Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        match parts.uri.query() {
            None | Some("") => Ok(Self),
            Some(_) => Err(bad_request("invalid_query", "This takes no parameters")),
        }
    }
}

/// The id in a path. A malformed id names no session.
fn session_id(path: Result<Path<String>, axum::extract::rejection::PathRejection>) -> Option<SessionId> {
    let Path(text) = path.ok()?;
    text.parse().ok()
}

fn not_found() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "session_not_found", "No such session").into_response()
}

fn bad_request(code: &'static str, error: &'static str) -> Response {
    Problem::new(StatusCode::BAD_REQUEST, code, error).into_response()
}
