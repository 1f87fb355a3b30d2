use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

use crate::{
    manager::{CurrentSession, SessionManager},
    routes::{bad_request, failed},
    store::EndScope,
};

#[derive(Debug, Deserialize)]
pub(super) struct LogoutParameters {
    #[serde(default)]
    scope: LogoutScope,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogoutScope {
    #[default]
    Local,
    Others,
    Global,
}

/// `POST /logout`.
pub(super) async fn logout(
    State(manager): State<SessionManager>,
    current: CurrentSession,
    parameters: Result<Query<LogoutParameters>, QueryRejection>,
) -> Response {
    let Ok(Query(LogoutParameters { scope })) = parameters else {
        return bad_request("invalid_query", "Use scope=local, others or global");
    };
    let ended = match scope {
        LogoutScope::Local => manager.sign_out(&current).await,
        LogoutScope::Others => manager.revoke_others(&current).await.map(drop),
        LogoutScope::Global => manager.revoke_scope(current.user_id(), EndScope::all(), &current).await.map(drop),
    };
    match ended {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failed(error),
    }
}
