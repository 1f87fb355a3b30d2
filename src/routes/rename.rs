//! Naming the device of a session.

use axum::{
    Json,
    extract::{
        Path, State,
        rejection::{JsonRejection, PathRejection},
    },
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Deserializer};

use crate::{
    device::DeviceName,
    error::Error,
    extract::json,
    manager::{CurrentSession, SessionManager},
    routes::{SessionView, bad_request, not_found, session_id},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RenameBody {
    /// Outer `None`: the member is missing. Inner `None`: it is `null`.
    #[serde(default, alias = "name", deserialize_with = "present")]
    device_name: Option<Option<String>>,
}

/// Tells a member that is missing from one that is `null`.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `PATCH /sessions/{id}`.
pub(super) async fn rename(
    State(manager): State<SessionManager>,
    current: CurrentSession,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<RenameBody>, JsonRejection>,
) -> Result<Response, Error> {
    let Some(id) = session_id(id) else {
        return Ok(not_found());
    };
    let Ok(Json(RenameBody { device_name: Some(asked) })) = body else {
        return Ok(bad_request("invalid_body", "Send a JSON object with deviceName: a text, or null"));
    };
    let Ok(name) = asked.as_deref().map(DeviceName::try_from).transpose() else {
        return Ok(bad_request("invalid_device_name", NAME_RULE));
    };
    if !manager.rename(current.user_id(), id, name).await? {
        return Ok(not_found());
    }
    Ok(match manager.find(current.user_id(), id).await? {
        Some(session) => json(StatusCode::OK, &SessionView::new(&manager, &session, Some(current.id()))),
        None => not_found(),
    })
}

pub(super) const NAME_RULE: &str = "A device name is 1 to 80 visible characters on one line";
