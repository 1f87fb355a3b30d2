//! Listing, naming, trusting and forgetting devices.

use std::{borrow::Cow, time::Duration};

use axum::{
    Json,
    extract::{
        Path, State,
        rejection::{JsonRejection, PathRejection},
    },
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    device::{ClientInfo, DeviceName, KnownDevice},
    error::Error,
    extract::json,
    id::DeviceId,
    manager::{CurrentSession, SessionManager},
    middleware::{Problem, device_proof},
    routes::{
        NoParameters, bad_request, may_end_others,
        rename::{NAME_RULE, present},
        view::DeviceView,
    },
};

/// A known device as the endpoints show it, for routes of the application's own that want to look the same.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KnownDeviceView<'a> {
    id: DeviceId,
    device_name: Cow<'a, str>,
    device: DeviceView<'a>,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
    /// `None` when it is not trusted now.
    trusted_until: Option<Timestamp>,
    is_current: bool,
    /// What a client without cookies is recognised as trusted by.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<String>,
}

impl<'a> KnownDeviceView<'a> {
    /// The view of `known`, which is the current one if `current` names it.
    pub fn new(manager: &SessionManager, known: &'a KnownDevice, current: Option<DeviceId>) -> Self {
        let (device_name, device) = DeviceView::with_name(&known.device);
        Self {
            id: known.id,
            device_name,
            device,
            first_seen_at: known.first_seen_at,
            last_seen_at: known.last_seen_at,
            trusted_until: known.trusted_until(manager.now()),
            is_current: current == Some(known.id),
            device_token: None,
        }
    }
}

/// `GET /devices`.
pub(super) async fn list(State(manager): State<SessionManager>, current: CurrentSession) -> Result<Response, Error> {
    let devices = manager.devices(current.user_id()).await?;
    let here = current.session().device_id;
    let views: Vec<KnownDeviceView<'_>> =
        devices.iter().map(|known| KnownDeviceView::new(&manager, known, here)).collect();
    Ok(json(StatusCode::OK, &views))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeBody {
    #[serde(default, alias = "name", deserialize_with = "present")]
    device_name: Option<Option<String>>,
    trusted: Option<bool>,
    device_token: Option<String>,
}

/// `PATCH /devices/{id}`.
pub(super) async fn change(
    State(manager): State<SessionManager>,
    current: CurrentSession,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Json<ChangeBody>, JsonRejection>,
) -> Result<Response, Error> {
    let Some(id) = device_id(id) else {
        return Ok(not_found());
    };
    let Ok(Json(ChangeBody { device_name, trusted, device_token })) = body else {
        return Ok(bad_request("invalid_body", BODY_RULE));
    };
    if device_name.is_none() && trusted.is_none() {
        return Ok(bad_request("invalid_body", BODY_RULE));
    }
    let Ok(name) = device_name.map(|name| name.as_deref().map(DeviceName::try_from).transpose()).transpose() else {
        return Ok(bad_request("invalid_device_name", NAME_RULE));
    };
    let client = proven_client(&manager, &headers, device_token.as_deref());
    if trusted == Some(true) && !may_trust(&current, &client, id) {
        return Ok(trust_refused());
    }

    let user = current.user_id();
    if let Some(name) = name
        && !manager.rename_device(user, id, name).await?
    {
        return Ok(not_found());
    }
    if trusted == Some(false) && !manager.distrust_device(user, id).await? {
        return Ok(not_found());
    }
    let mut trusting = None;
    if trusted == Some(true) {
        trusting = manager.trust_device(&current, &client, TRUST).await?;
        if trusting.is_none() {
            return Ok(not_found());
        }
    }
    let Some(known) = manager.find_device(user, id).await? else {
        return Ok(not_found());
    };
    let mut view = KnownDeviceView::new(&manager, &known, current.session().device_id);
    // The new token goes the way the proof came: a script that relies on the cookie sees no token.
    Ok(match trusting {
        Some(trusting) if device_token.is_some() => {
            view.device_token = trusting.token();
            json(StatusCode::OK, &view)
        }
        Some(trusting) => (trusting, json(StatusCode::OK, &view)).into_response(),
        None => json(StatusCode::OK, &view),
    })
}

/// `DELETE /devices/{id}`.
pub(super) async fn forget(
    State(manager): State<SessionManager>,
    current: CurrentSession,
    _: NoParameters,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let Some(id) = device_id(id) else {
        return Ok(not_found());
    };
    let is_here = current.session().device_id == Some(id);
    if !is_here {
        may_end_others(&manager, &current)?;
    }
    Ok(match manager.forget_device(current.user_id(), id, &current).await? {
        true if is_here => manager.signed_out().into_response(),
        true => StatusCode::NO_CONTENT.into_response(),
        false => not_found(),
    })
}

/// What the request proves of the device it comes from: by the token in its body, else by its device cookie.
fn proven_client(manager: &SessionManager, headers: &HeaderMap, token: Option<&str>) -> ClientInfo {
    let proof = manager.device_cookie().and_then(|cookie| match token {
        Some(token) => cookie.open(token.as_bytes()),
        None => device_proof(cookie, headers),
    });
    ClientInfo::new().device_proof(proof)
}

/// The thief of a session must not be able to make the next sign-in easier. So a device is only trusted by a request
/// that proves to come from it, in a session that has reached the second level of assurance.
fn may_trust(current: &CurrentSession, client: &ClientInfo, id: DeviceId) -> bool {
    let session = current.session();
    let is_here = client.proven_device().is_some_and(|proof| proof.id() == id);
    session.device_id == Some(id) && is_here && session.assurance_level >= 2
}

fn trust_refused() -> Response {
    let error = "Sign in with a second factor on the device itself to trust it";
    Problem::new(StatusCode::FORBIDDEN, "trust_refused", error).into_response()
}

const BODY_RULE: &str = "Send a JSON object with deviceName: a text, or null; or trusted: true or false";

/// How long a device is trusted that its user has asked to trust.
const TRUST: Duration = Duration::from_secs(30 * 86_400);

/// The id in a path. A malformed id names no device.
fn device_id(path: Result<Path<String>, PathRejection>) -> Option<DeviceId> {
    let Path(text) = path.ok()?;
    text.parse().ok()
}

fn not_found() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "device_not_found", "No such device").into_response()
}
