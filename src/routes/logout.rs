use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

use crate::{
    manager::{CurrentSession, SessionManager},
    routes::{bad_request, failed, may_end_others},
    store::EndScope,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogoutParameters {
    #[serde(default)]
    scope: LogoutScope,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
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
    if scope != LogoutScope::Local
        && let Err(challenge) = may_end_others(&manager, &current)
    {
        return challenge.into_response();
    }
    let ended = match scope {
        LogoutScope::Local => manager.sign_out(&current).await.map(Some),
        LogoutScope::Others => manager.revoke_others(&current).await.map(|_| None),
        LogoutScope::Global => {
            let revoked = manager.revoke_scope(current.user_id(), EndScope::all(), &current).await;
            revoked.map(|_| Some(manager.signed_out()))
        }
    };
    match ended {
        Ok(Some(signed_out)) => signed_out.into_response(),
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failed(error),
    }
}
