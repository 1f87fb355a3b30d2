//! Listing and ending the sessions of one user, for administrators.

use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};

use super::AdminName;
use crate::{
    error::Error,
    extract::json,
    id::{SessionId, UserId},
    manager::{ListOptions, Revoked, SessionManager},
    routes::{
        NoParameters, SessionView, bad_request,
        list::{Asked, ListParameters, QUERY_RULE},
        not_found,
        revoke::RevokedView,
    },
};

/// `GET /users/{user}/sessions`.
pub(super) async fn list(
    State(manager): State<SessionManager>,
    user: Result<Path<String>, PathRejection>,
    parameters: Result<Query<ListParameters>, QueryRejection>,
) -> Result<Response, Error> {
    let Some(user) = user_id(user) else {
        return Ok(no_user());
    };
    let Some(asked) = parameters.ok().and_then(|Query(parameters)| Asked::parse(parameters)) else {
        return Ok(bad_request("invalid_query", QUERY_RULE));
    };
    let page = manager.list(&user, &asked.options(ListOptions::new())).await?;
    let views: Vec<SessionView<'_>> =
        page.sessions.iter().map(|session| SessionView::new(&manager, session, None)).collect();
    let mut response = json(StatusCode::OK, &views);
    if let Some(link) = page.next.and_then(|next| asked.link_to(next)) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// `DELETE /users/{user}/sessions`.
pub(super) async fn revoke_all(
    State(manager): State<SessionManager>,
    admin: AdminName,
    _: NoParameters,
    user: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let Some(user) = user_id(user) else {
        return Ok(no_user());
    };
    let revoked = manager.revoke_all(&user, admin.revocation()).await?;
    Ok(json(StatusCode::OK, &RevokedView { revoked }))
}

/// `DELETE /users/{user}/sessions/{id}`.
pub(super) async fn revoke(
    State(manager): State<SessionManager>,
    admin: AdminName,
    _: NoParameters,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Error> {
    let Some((user, id)) = path.ok().and_then(|Path((user, id))| Some((user, id.parse::<SessionId>().ok()?))) else {
        return Ok(not_found());
    };
    let Ok(user) = UserId::try_from(user) else {
        return Ok(no_user());
    };
    Ok(match manager.revoke(&user, id, admin.revocation()).await? {
        Revoked::Now | Revoked::Before => StatusCode::NO_CONTENT.into_response(),
        Revoked::NotFound => not_found(),
    })
}

fn user_id(path: Result<Path<String>, PathRejection>) -> Option<UserId> {
    let Path(text) = path.ok()?;
    text.parse().ok()
}

fn no_user() -> Response {
    bad_request("invalid_user_id", "A user id is 1 to 128 bytes without control characters")
}
