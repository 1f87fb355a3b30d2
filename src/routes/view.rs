//! A session as JSON.

use std::{borrow::Cow, net::IpAddr};

use serde::Serialize;

use crate::{
    clock::Timestamp,
    device::{Described, Device, DeviceKind},
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
    browser: Option<Cow<'static, str>>,
    browser_version: Option<Box<str>>,
    os: Option<Cow<'static, str>>,
    os_version: Option<Box<str>>,
    model: Option<Cow<'static, str>>,
    custom_name: Option<&'a str>,
}

impl<'a> SessionView<'a> {
    /// The view of `session`, which is the current one if `current` names it.
    pub fn new(manager: &SessionManager, session: &'a Session, current: Option<SessionId>) -> Self {
        let ending = manager.ending_of(session);
        let (device_name, device) = DeviceView::with_name(&session.device);
        Self {
            id: session.id,
            device_name,
            device,
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

impl<'a> DeviceView<'a> {
    /// The name to show, and the view.
    pub(super) fn with_name(device: &'a Device) -> (Cow<'a, str>, Self) {
        let described = device.described();
        let custom_name = device.custom_name.as_ref().map(|name| name.as_str());
        let name = custom_name.map_or_else(|| Cow::Owned(described.name()), Cow::Borrowed);
        let Described { browser, browser_version, os, os_version, model, kind } = described;
        let view = Self { kind, browser, browser_version, os, os_version, model, custom_name };
        (name, view)
    }
}
