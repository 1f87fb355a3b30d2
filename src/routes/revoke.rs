//! Ending sessions.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Serialize;

use crate::{
    extract::json,
    manager::{CurrentSession, Revoked, SessionManager},
    routes::{NoParameters, failed, may_end_others, not_found, session_id},
    store::EndScope,
};

#[derive(Serialize)]
pub(super) struct RevokedView {
    pub(super) revoked: u64,
}

/// `DELETE /sessions/{id}`.
pub(super) async fn revoke(
    State(manager): State<SessionManager>,
    current: CurrentSession,
    _: NoParameters,
    id: Result<Path<String>, PathRejection>,
) -> Response {
    let Some(id) = session_id(id) else {
        return not_found();
    };
    if id == current.id() {
        return match manager.sign_out(&current).await {
            Ok(signed_out) => signed_out.into_response(),
            Err(error) => failed(error),
        };
    }
    if let Err(challenge) = may_end_others(&manager, &current) {
        return challenge.into_response();
    }
    match manager.revoke(current.user_id(), id, &current).await {
        Ok(Revoked::Now | Revoked::Before) => StatusCode::NO_CONTENT.into_response(),
        Ok(Revoked::NotFound) => not_found(),
        Err(error) => failed(error),
    }
}

/// `DELETE /sessions/others`.
pub(super) async fn revoke_others(
    State(manager): State<SessionManager>,
    current: CurrentSession,
    _: NoParameters,
) -> Response {
    if let Err(challenge) = may_end_others(&manager, &current) {
        return challenge.into_response();
    }
    match manager.revoke_others(&current).await {
        Ok(revoked) => json(StatusCode::OK, &RevokedView { revoked }),
        Err(error) => failed(error),
    }
}

/// `DELETE /sessions`.
pub(super) async fn revoke_all(
    State(manager): State<SessionManager>,
    current: CurrentSession,
    _: NoParameters,
) -> Response {
    if let Err(challenge) = may_end_others(&manager, &current) {
        return challenge.into_response();
    }
    match manager.revoke_scope(current.user_id(), EndScope::all(), &current).await {
        Ok(revoked) => (manager.signed_out(), json(StatusCode::OK, &RevokedView { revoked })).into_response(),
        Err(error) => failed(error),
    }
}
