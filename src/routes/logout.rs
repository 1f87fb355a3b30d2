//! Signing out.

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

use crate::{
    extract::SessionRejection,
    manager::{CurrentSession, SessionManager},
    routes::{
        bad_request, failed, may_end_others,
        signing_out::{SigningOut, Strictness},
    },
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
///
/// Signing this client out accepts any token of ours that it has left. Signing others out requires a session.
pub(super) async fn logout(
    State(manager): State<SessionManager>,
    parameters: Result<Query<LogoutParameters>, QueryRejection>,
    current: Result<CurrentSession, SessionRejection>,
    request: Request,
) -> Response {
    let Ok(Query(LogoutParameters { scope })) = parameters else {
        return bad_request("invalid_query", "Use scope=local, others or global");
    };
    if scope == LogoutScope::Local {
        return match SigningOut::from(request, &(), Strictness::Declared).await {
            Ok(client) => client.sign_out().await.into_response(),
            Err(rejection) => rejection,
        };
    }
    let current = match current {
        Ok(current) => current,
        Err(rejection) => return rejection.into_response(),
    };
    if let Err(challenge) = may_end_others(&manager, &current) {
        return challenge.into_response();
    }
    let ended = match scope {
        LogoutScope::Others => manager.revoke_others(&current).await.map(|_| None),
        LogoutScope::Local | LogoutScope::Global => {
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
