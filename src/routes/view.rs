use std::{borrow::Cow, net::IpAddr};

use serde::Serialize;

use crate::{
    clock::Timestamp,
    device::{Device, DeviceKind},
    id::SessionId,
    location::Location,
    manager::SessionManager,
    session::Session,
};

/// A session as the endpoints show it, for routes of the application's own that want to look the same.
///
/// It holds no token, no secret, and nothing of the application's data.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionView<'a> {
    id: SessionId,
    device_name: Cow<'a, str>,
    device: DeviceView<'a>,
    ip_address: Option<IpAddr>,
    location: Option<&'a Location>,
    created_at: Timestamp,
    last_activity_at: Timestamp,
    expires_at: Timestamp,
    is_current: bool,
    state: &'static str,
    ended_at: Option<Timestamp>,
    end_reason: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceView<'a> {
    kind: DeviceKind,
    browser: Option<&'a str>,
    browser_version: Option<&'a str>,
    os: Option<&'a str>,
    os_version: Option<&'a str>,
    model: Option<&'a str>,
    custom_name: Option<&'a str>,
}

impl<'a> SessionView<'a> {
    /// The view of `session`, which is the current one if `current` names it.
    pub fn new(manager: &SessionManager, session: &'a Session, current: Option<SessionId>) -> Self {
        let ending = manager.ending_of(session);
        Self {
            id: session.id,
            device_name: session.device.name(),
            device: DeviceView::from(&session.device),
            ip_address: session.last_ip.or(session.created_ip),
            location: session.location.as_ref(),
            created_at: session.created_at,
            last_activity_at: session.last_active_at,
            expires_at: session.expires_at,
            is_current: current == Some(session.id),
            state: if ending.is_some() { "ended" } else { "active" },
            ended_at: ending.as_ref().map(|ending| ending.at),
            end_reason: ending.map(|ending| ending.reason.as_str()),
        }
    }
}

impl<'a> From<&'a Device> for DeviceView<'a> {
    fn from(device: &'a Device) -> Self {
        let described = &device.described;
        Self {
            kind: described.kind,
            browser: described.browser.as_deref(),
            browser_version: described.browser_version.as_deref(),
            os: described.os.as_deref(),
            os_version: described.os_version.as_deref(),
            model: described.model.as_deref(),
            custom_name: device.custom_name.as_ref().map(|name| name.as_str()),
        }
    }
}
