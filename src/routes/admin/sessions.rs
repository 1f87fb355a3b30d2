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
    extract::json,
    id::{SessionId, UserId},
    manager::{ListOptions, Revoked, SessionManager},
    routes::{
        NoParameters, SessionView, bad_request, failed,
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
) -> Response {
    let Some(user) = user_id(user) else {
        return no_user();
    };
    let Some(asked) = parameters.ok().and_then(|Query(parameters)| Asked::parse(parameters)) else {
        return bad_request("invalid_query", QUERY_RULE);
    };
    let page = match manager.list(&user, &asked.options(ListOptions::new())).await {
        Ok(page) => page,
        Err(error) => return failed(error),
    };
    let views: Vec<SessionView<'_>> =
        page.sessions.iter().map(|session| SessionView::new(&manager, session, None)).collect();
    let mut response = json(StatusCode::OK, &views);
    if let Some(link) = page.next.and_then(|next| asked.link_to(next)) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// `DELETE /users/{user}/sessions`.
pub(super) async fn revoke_all(
    State(manager): State<SessionManager>,
    admin: AdminName,
    _: NoParameters,
    user: Result<Path<String>, PathRejection>,
) -> Response {
    let Some(user) = user_id(user) else {
        return no_user();
    };
    match manager.revoke_all(&user, admin.revocation()).await {
        Ok(revoked) => json(StatusCode::OK, &RevokedView { revoked }),
        Err(error) => failed(error),
    }
}

/// `DELETE /users/{user}/sessions/{id}`.
pub(super) async fn revoke(
    State(manager): State<SessionManager>,
    admin: AdminName,
    _: NoParameters,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Response {
    let Some((user, id)) = path.ok().and_then(|Path((user, id))| Some((user, id.parse::<SessionId>().ok()?))) else {
        return not_found();
    };
    let Ok(user) = UserId::try_from(user) else {
        return no_user();
    };
    match manager.revoke(&user, id, admin.revocation()).await {
        Ok(Revoked::Now | Revoked::Before) => StatusCode::NO_CONTENT.into_response(),
        Ok(Revoked::NotFound) => not_found(),
        Err(error) => failed(error),
    }
}

fn user_id(path: Result<Path<String>, PathRejection>) -> Option<UserId> {
    let Path(text) = path.ok()?;
    text.parse().ok()
}

fn no_user() -> Response {
    bad_request("invalid_user_id", "A user id is 1 to 128 bytes without control characters")
}
