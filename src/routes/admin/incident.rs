//! Ending the sessions of all users that match some conditions.

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};

use super::AdminName;
use crate::{
    clock::Timestamp,
    device::DeviceKind,
    error::Error,
    extract::json,
    manager::{SessionFilter, SessionManager},
    routes::{NoParameters, bad_request},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct IncidentBody {
    #[serde(default, deserialize_with = "there")]
    started_before: Option<Timestamp>,
    #[serde(default, deserialize_with = "there")]
    addresses: Option<String>,
    #[serde(default, deserialize_with = "there")]
    browser: Option<String>,
    #[serde(default, deserialize_with = "there")]
    device_kind: Option<String>,
    #[serde(default, deserialize_with = "there")]
    method: Option<String>,
    #[serde(default = "yes")]
    dry_run: bool,
    cursor: Option<String>,
}

/// A condition that is `null` is none that could hold: it must not be one condition less.
fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn yes() -> bool {
    true
}

impl IncidentBody {
    /// The filter; `None` when a condition cannot be understood, or there is none.
    fn filter(&self) -> Option<SessionFilter> {
        let mut filter = SessionFilter::new();
        if let Some(moment) = self.started_before {
            filter = filter.started_before(moment);
        }
        if let Some(range) = &self.addresses {
            filter = filter.addresses(range.parse().ok()?);
        }
        if let Some(name) = &self.browser {
            filter = filter.browser(name);
        }
        if let Some(name) = &self.device_kind {
            filter = filter.device_kind(DeviceKind::ALL.iter().copied().find(|kind| kind.as_str() == name)?);
        }
        if let Some(name) = &self.method {
            filter = filter.method(name);
        }
        Some(filter).filter(|filter| !filter.is_empty())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SweepView {
    dry_run: bool,
    looked_at: u64,
    matched: u64,
    revoked: u64,
    next: Option<String>,
}

/// `POST /sessions/revoke`.
pub(super) async fn revoke(
    State(manager): State<SessionManager>,
    admin: AdminName,
    _: NoParameters,
    body: Result<Json<IncidentBody>, JsonRejection>,
) -> Result<Response, Error> {
    // A condition whose name is misspelt must not be one condition less.
    let asked = body.ok().and_then(|Json(body)| Some((body.filter()?, body)));
    let Some((filter, IncidentBody { dry_run, cursor, .. })) = asked else {
        let error =
            "Send a JSON object with startedBefore, addresses, browser, deviceKind or method, and dryRun: false";
        return Ok(bad_request("invalid_body", error));
    };
    let sweep = match dry_run {
        true => manager.count_matching(&filter, cursor.as_deref()).await?,
        false => manager.revoke_matching(&filter, admin.revocation(), cursor.as_deref()).await?,
    };
    let (looked_at, matched) = (sweep.looked_at, sweep.matched);
    let view = SweepView { dry_run, looked_at, matched, revoked: sweep.revoked, next: sweep.next };
    Ok(json(StatusCode::OK, &view))
}
