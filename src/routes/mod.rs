//! Routes: the ready-made endpoints with which users list, name and end their sessions.
//!
//! Paths are relative to where the application nests the router.
//!
//! | route | answer |
//! | --- | --- |
//! | `GET /sessions` | 200, an array of sessions, the current one first, then newest activity; `?limit=` (1–100, default 50), `?cursor=`, `?state=active\|ended\|all`; `Link: rel="next"` when there is more |
//! | `GET /sessions/current` | 200, one of the same objects, with `idleExpiresAt` |
//! | `DELETE /sessions/{id}` | 204, also when it had ended; 404 when the user has none under this id |
//! | `DELETE /sessions/others` | 200 `{"revoked": n}`; all but the current one |
//! | `DELETE /sessions` | 200 `{"revoked": n}`; all |
//! | `PATCH /sessions/{id}` | 200, the session; `{"deviceName": "My phone"}` names its device, `null` takes the name away |
//! | `POST /logout` | 204; `?scope=local` (default), `others`, `global` |
//!
//! Somebody else's session is answered exactly like one that never was. Whatever fails is answered by problem details
//! (RFC 9457) with a stable `code`: 400 for input that cannot be read, 401 without a session, 404, and 503 with
//! `Retry-After` when the store does not answer. Nothing here may be kept by a cache.

mod list;
mod logout;
#[cfg(feature = "openapi")]
mod openapi;
mod rename;
mod revoke;
mod view;

pub use self::view::SessionView;

use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing,
};
use http::{HeaderValue, StatusCode, header};

use crate::{id::SessionId, manager::SessionManager, middleware::Problem};

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
            .layer(axum::middleware::map_response(uncached))
            .with_state(self.manager)
    }
}

async fn uncached(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The id in a path. Whatever is no id names no session.
fn session_id(path: Result<Path<String>, axum::extract::rejection::PathRejection>) -> Result<SessionId, Response> {
    path.ok().and_then(|Path(text)| text.parse().ok()).ok_or_else(not_found)
}

fn not_found() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "session_not_found", "No such session").into_response()
}

fn bad_request(code: &'static str, error: &'static str) -> Response {
    Problem::new(StatusCode::BAD_REQUEST, code, error).into_response()
}

/// The answer to an error of the manager.
fn failed(error: crate::Error) -> Response {
    error.into_response()
}
