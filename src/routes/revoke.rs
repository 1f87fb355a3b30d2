//! Ending sessions.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Serialize;

use crate::{
    error::Error,
    extract::json,
    manager::{CurrentSession, Revoked, SessionManager},
    routes::{NoParameters, may_end_others, not_found, session_id},
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
) -> Result<Response, Error> {
    let Some(id) = session_id(id) else {
        return Ok(not_found());
    };
    if id == current.id() {
        return Ok(manager.sign_out(&current).await?.into_response());
    }
    may_end_others(&manager, &current)?;
    Ok(match manager.revoke(current.user_id(), id, &current).await? {
        Revoked::Now | Revoked::Before => StatusCode::NO_CONTENT.into_response(),
        Revoked::NotFound => not_found(),
    })
}

/// `DELETE /sessions/others`.
pub(super) async fn revoke_others(
    State(manager): State<SessionManager>,
    current: CurrentSession,
    _: NoParameters,
) -> Result<Response, Error> {
    may_end_others(&manager, &current)?;
    let revoked = manager.revoke_others(&current).await?;
    Ok(json(StatusCode::OK, &RevokedView { revoked }))
}

/// `DELETE /sessions`.
pub(super) async fn revoke_all(
    State(manager): State<SessionManager>,
    current: CurrentSession,
    _: NoParameters,
) -> Result<Response, Error> {
    may_end_others(&manager, &current)?;
    let revoked = manager.revoke_scope(current.user_id(), EndScope::all(), &current).await?;
    Ok((manager.signed_out(), json(StatusCode::OK, &RevokedView { revoked })).into_response())
}
