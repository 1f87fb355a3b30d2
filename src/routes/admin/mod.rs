//! Administration: the sessions of any user, and what to do in an emergency.

mod incident;
mod sessions;

use std::fmt;

use axum::{Router, extract::Request, middleware::Next, response::Response, routing};
use axum_core::extract::FromRequestParts;
use http::{StatusCode, request::Parts};

use crate::{
    manager::{Revocation, SessionManager},
    middleware::Problem,
    routes::uncached,
};

/// The endpoints for administrators, as a router to nest behind a guard of the application's own.
///
/// | route | answer |
/// | --- | --- |
/// | `GET /users/{user}/sessions` | 200, an array of sessions, newest activity first; queries as in `GET /sessions` |
/// | `DELETE /users/{user}/sessions` | 200 `{"revoked": n}`; all of the user's sessions |
/// | `DELETE /users/{user}/sessions/{id}` | 204, also when it had ended; 404 when the user has none under this id |
/// | `POST /sessions/revoke` | 200 `{"dryRun", "lookedAt", "matched", "revoked", "next"}`; ends what matches |
///
/// `POST /sessions/revoke` ends the sessions of all users that match. It takes a JSON object with at least one of
/// `startedBefore` (a time), `addresses` (an address or a range), `browser`, `deviceKind` and `method`; all of those
/// present must hold. It only counts, unless `"dryRun": false` is sent. One request looks at about 10,000 sessions;
/// send `next` as `cursor` for the rest.
///
/// # Security
///
/// The routes check nothing themselves. The guard in front puts an [`AdminName`] into the extensions of each request
/// that it lets through; a request without one gets a 500 and reaches nothing, so routes without a guard are closed.
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::Request, http::StatusCode, middleware::{self, Next}, response::Response};
/// use tower_device_sessions::{SessionManager, routes::{AdminName, AdminRoutes}};
///
/// fn admin(sessions: &SessionManager) -> Router {
///     AdminRoutes::new(sessions).into_router().layer(middleware::from_fn(guard))
/// }
///
/// async fn guard(mut request: Request, next: Next) -> Result<Response, StatusCode> {
///     let name = administrator(&request).ok_or(StatusCode::FORBIDDEN)?;
///     request.extensions_mut().insert(AdminName::new(name));
///     Ok(next.run(request).await)
/// }
/// # fn administrator(_: &Request) -> Option<&'static str> { None }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct AdminRoutes {
    manager: SessionManager,
}

impl AdminRoutes {
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
            .route("/users/{user}/sessions", routing::get(sessions::list).delete(sessions::revoke_all))
            .route("/users/{user}/sessions/{id}", routing::delete(sessions::revoke))
            .route("/sessions/revoke", routing::post(incident::revoke))
            .layer(axum::middleware::from_fn(guarded))
            .layer(axum::middleware::map_response(uncached))
            .with_state(self.manager)
    }
}

/// The administrator who sends the request: put into its extensions by the guard in front of [`AdminRoutes`]. Sessions
/// that they end keep at most 128 bytes of the name with their ending, without control and invisible characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminName(Box<str>);

impl AdminName {
    /// An administrator, by the application's name for them.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self(crate::text::clean(name.into().as_bytes(), 128))
    }

    fn revocation(self) -> Revocation {
        Revocation::by_administrator(self.0)
    }
}

impl fmt::Display for AdminName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for AdminName {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parts.extensions.get().cloned().ok_or_else(unguarded)
    }
}

/// Rejects requests that no guard has passed.
async fn guarded(request: Request, next: Next) -> Response {
    match request.extensions().get::<AdminName>() {
        Some(_) => next.run(request).await,
        None => unguarded(),
    }
}

fn unguarded() -> Response {
    let error = "AdminName is missing: put a layer in front of AdminRoutes that checks who asks and inserts it";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "admin_guard_missing", error).into_response()
}
