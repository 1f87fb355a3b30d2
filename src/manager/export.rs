//! Users receive everything that is known about them.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::Value;

use crate::{
    clock::Timestamp,
    device::{Device, KnownDevice},
    error::{Error, ErrorKind},
    id::{DeviceId, SessionId, UserId},
    location::Location,
    manager::{SessionManager, records::Records},
    session::Session,
    store::{ListPosition, ListQuery, SessionState},
};

impl SessionManager {
    /// Returns everything that is on record about a user, as JSON: `{"userId", "sessions": […], "devices": […]}`.
    ///
    /// It contains all sessions that are still kept, ended or not, with the application's own data, and all devices,
    /// including the rest of forgotten ones. The salts of refresh tokens and the hashes of trusted devices' secrets are
    /// left out. Nothing in it can be presented as a credential.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] when the store fails or does not answer in time.
    pub async fn export_user(&self, user: &UserId) -> Result<Value, Error> {
        let records = &self.inner.records;
        let sessions = records.all_sessions(user).await?;
        let devices = records.devices_of(user, usize::MAX, |_| true).await?;
        let export = Export {
            user_id: user,
            sessions: sessions.values().map(ExportedSession::from).collect(),
            devices: devices.iter().map(ExportedDevice::from).collect(),
        };
        serde_json::to_value(export).map_err(|error| Error::with_source(ErrorKind::Unavailable, error))
    }
}

impl Records {
    /// All sessions of a user, in the order in which they started.
    async fn all_sessions(&self, user: &UserId) -> Result<BTreeMap<SessionId, Session>, Error> {
        let mut all = BTreeMap::new();
        // What was active meanwhile has moved to the top, perhaps past the page that would have shown it: after several
        // pages, reading begins again until there is nothing new.
        loop {
            let before = all.len();
            let mut pages = 0;
            let mut after = None;
            loop {
                let mut query = ListQuery::new(SessionState::All, PAGE, self.as_of(self.clock.now()));
                query.after = after;
                let page = self.list(user, &query).await?;
                pages += 1;
                let is_full = page.len() >= PAGE as usize;
                after = page.last().map(ListPosition::of);
                all.extend(page.into_iter().map(|session| (session.id, session)));
                if !is_full {
                    break;
                }
            }
            if pages == 1 || all.len() == before {
                return Ok(all);
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    user_id: &'a UserId,
    sessions: Vec<ExportedSession<'a>>,
    devices: Vec<ExportedDevice<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportedSession<'a> {
    id: SessionId,
    device_id: Option<DeviceId>,
    device: ExportedClient<'a>,
    created_ip: Option<std::net::IpAddr>,
    last_ip: Option<std::net::IpAddr>,
    location: Option<&'a Location>,
    created_at: Timestamp,
    last_active_at: Timestamp,
    authenticated_at: Timestamp,
    expires_at: Timestamp,
    idle_timeout_seconds: f64,
    methods: &'a BTreeMap<Box<str>, Timestamp>,
    assurance_level: u8,
    assurance_levels: &'a BTreeMap<u8, Timestamp>,
    generation: u32,
    rotated_at: Option<Timestamp>,
    ended: Option<ExportedEnding>,
    data: &'a serde_json::Map<String, Value>,
}

#[derive(Serialize)]
struct ExportedEnding {
    reason: &'static str,
    actor: String,
    at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportedDevice<'a> {
    id: DeviceId,
    device: ExportedClient<'a>,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
    trusted_until: Option<Timestamp>,
    is_forgotten: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportedClient<'a> {
    name: String,
    custom_name: Option<&'a str>,
    kind: &'static str,
    user_agent: Option<&'a str>,
    client_hints: Option<String>,
}

impl<'a> From<&'a Session> for ExportedSession<'a> {
    fn from(session: &'a Session) -> Self {
        let ended = session.ended.as_ref().map(|ending| ExportedEnding {
            reason: ending.reason.as_str(),
            actor: ending.actor.to_stored(),
            at: ending.at,
        });
        Self {
            id: session.id,
            device_id: session.device_id,
            device: ExportedClient::from(&session.device),
            created_ip: session.created_ip,
            last_ip: session.last_ip,
            location: session.location.as_ref(),
            created_at: session.created_at,
            last_active_at: session.last_active_at,
            authenticated_at: session.authenticated_at,
            expires_at: session.expires_at,
            idle_timeout_seconds: Duration::as_secs_f64(&session.idle_timeout),
            methods: &session.methods,
            assurance_level: session.assurance_level,
            assurance_levels: &session.levels,
            generation: session.tokens.generation,
            rotated_at: session.tokens.rotated_at,
            ended,
            data: &session.data,
        }
    }
}

impl<'a> From<&'a KnownDevice> for ExportedDevice<'a> {
    fn from(known: &'a KnownDevice) -> Self {
        Self {
            id: known.id,
            device: ExportedClient::from(&known.device),
            first_seen_at: known.first_seen_at,
            last_seen_at: known.last_seen_at,
            trusted_until: known.trust.map(|trust| trust.until),
            is_forgotten: known.is_forgotten(),
        }
    }
}

impl<'a> From<&'a Device> for ExportedClient<'a> {
    fn from(device: &'a Device) -> Self {
        Self {
            name: device.name().into_owned(),
            custom_name: device.custom_name.as_ref().map(|name| name.as_str()),
            kind: device.kind().as_str(),
            user_agent: device.user_agent.as_deref(),
            client_hints: (!device.hints().is_empty()).then(|| device.hints().to_compact()),
        }
    }
}

/// How many sessions are read at once.
const PAGE: u32 = 500;
