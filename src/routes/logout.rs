//! Signing out.

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

use crate::{
    error::Error,
    extract::SessionRejection,
    manager::{CurrentSession, SessionManager},
    routes::{
        bad_request, may_end_others,
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
) -> Result<Response, Error> {
    let Ok(Query(LogoutParameters { scope })) = parameters else {
        return Ok(bad_request("invalid_query", "Use scope=local, others or global"));
    };
    if scope == LogoutScope::Local {
        return Ok(match SigningOut::from(request, &(), Strictness::Declared).await {
            Ok(client) => client.sign_out().await?.into_response(),
            Err(rejection) => rejection,
        });
    }
    let current = match current {
        Ok(current) => current,
        Err(rejection) => return Ok(rejection.into_response()),
    };
    may_end_others(&manager, &current)?;
    Ok(match scope {
        LogoutScope::Others => {
            manager.revoke_others(&current).await?;
            StatusCode::NO_CONTENT.into_response()
        }
        LogoutScope::Local | LogoutScope::Global => {
            manager.revoke_scope(current.user_id(), EndScope::all(), &current).await?;
            manager.signed_out().into_response()
        }
    })
}
