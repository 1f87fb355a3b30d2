//! The client that is signing in.

use std::net::IpAddr;

use crate::{
    device::{ClientHints, Device, DeviceProof, Standing},
    id::{DeviceId, SessionId, UserId},
    location::Location,
    text,
};

/// The client that is signing in, as far as it is known.
///
/// In Axum handlers it is an extractor. Elsewhere, and in tests, build it by hand; every part is optional.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::ClientInfo;
///
/// let client = ClientInfo::new()
///     .user_agent("curl/8.5.0")
///     .ip("203.0.113.9".parse().ok());
/// assert_eq!(client.device().name(), "curl");
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ClientInfo {
    user_agent: Option<Box<str>>,
    hints: ClientHints,
    ip: Option<IpAddr>,
    on: ClientDevice,
    location: Option<Location>,
    location_by_proxy: Option<Location>,
    held: Vec<(UserId, SessionId)>,
}

/// Which device a client is on, and how that is known.
#[derive(Clone, Debug, Default)]
pub(crate) enum ClientDevice {
    /// It is not.
    #[default]
    Unknown,
    /// The client, or the application, says so.
    Named(DeviceId),
    /// The client has proven it.
    Proven(DeviceProof),
    /// The client has proven none, and gets this id.
    New(DeviceId),
}

impl ClientDevice {
    pub(crate) fn id(&self) -> Option<DeviceId> {
        match self {
            Self::Unknown => None,
            Self::Named(id) | Self::New(id) => Some(*id),
            Self::Proven(proof) => Some(proof.id()),
        }
    }

    /// Whether a record of it is to last.
    pub(crate) fn standing(&self) -> Standing {
        match self {
            Self::Unknown | Self::New(_) => Standing::Provisional,
            Self::Named(_) | Self::Proven(_) => Standing::Lasting,
        }
    }

    /// What the client is to hold from now on, where it holds anything.
    pub(crate) fn proof(&self) -> Option<DeviceProof> {
        match self {
            Self::Unknown | Self::Named(_) => None,
            Self::Proven(proof) => Some(proof.clone()),
            Self::New(id) => Some(DeviceProof::new(*id)),
        }
    }
}

impl ClientInfo {
    /// The longest `User-Agent` that is kept, in bytes.
    pub const MAX_USER_AGENT: usize = 512;

    /// A client of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the `User-Agent` header, in any bytes. It is cleaned and cut to 512 bytes.
    pub fn user_agent(mut self, user_agent: impl AsRef<[u8]>) -> Self {
        let text = text::clean(user_agent.as_ref(), Self::MAX_USER_AGENT);
        self.user_agent = (!text.is_empty()).then_some(text);
        self
    }

    /// The Client Hints (`Sec-CH-UA` and its kin).
    pub fn hints(mut self, hints: ClientHints) -> Self {
        self.hints = hints;
        self
    }

    /// The client's address.
    pub fn ip(mut self, ip: Option<IpAddr>) -> Self {
        self.ip = ip;
        self
    }

    /// The id of the device, as the client or the application claims it.
    ///
    /// It only groups sessions in lists: such a device cannot be trusted. For trust, use
    /// [`device_proof`](Self::device_proof).
    pub fn device_id(mut self, id: Option<DeviceId>) -> Self {
        self.on = id.map_or(ClientDevice::Unknown, ClientDevice::Named);
        self
    }

    /// The device that the client has proven to be, by its device cookie or a
    /// [`DeviceTokens`](crate::token::DeviceTokens) token.
    ///
    /// With `None` it has proven nothing, and the sign-in gives it a new id, to be handed out with
    /// [`StartedSession::device_proof`](crate::StartedSession::device_proof). The record of that device does not last
    /// until the client brings the id back.
    pub fn device_proof(mut self, proof: Option<DeviceProof>) -> Self {
        self.on = proof.map_or_else(|| ClientDevice::New(DeviceId::new()), ClientDevice::Proven);
        self
    }

    /// The place, when the application knows it better than the manager's [`Locate`](crate::location::Locate) would.
    pub fn location(mut self, location: Option<Location>) -> Self {
        self.location = location;
        self
    }

    /// The place that a trusted proxy reports, used when nothing else is known: see
    /// [`TrustedProxies::location`](crate::TrustedProxies::location).
    pub fn location_by_proxy(mut self, location: Option<Location>) -> Self {
        self.location_by_proxy = location;
        self
    }

    /// A session that the client already holds; signing in ends it. May be called several times.
    pub fn held(mut self, user: UserId, session: SessionId) -> Self {
        self.held.push((user, session));
        self
    }

    /// The id of the device, as far as it is known.
    pub fn known_device_id(&self) -> Option<DeviceId> {
        self.on.id()
    }

    /// What the client has proven, or `None` when it has not proven which device it is.
    pub fn proven_device(&self) -> Option<&DeviceProof> {
        match &self.on {
            ClientDevice::Proven(proof) => Some(proof),
            ClientDevice::Unknown | ClientDevice::Named(_) | ClientDevice::New(_) => None,
        }
    }

    /// The device that the client has been given, having proven none.
    #[allow(dead_code, reason = "only managers with a device cookie ask for it")]
    pub(crate) fn new_device(&self) -> Option<DeviceProof> {
        match &self.on {
            ClientDevice::New(id) => Some(DeviceProof::new(*id)),
            ClientDevice::Unknown | ClientDevice::Named(_) | ClientDevice::Proven(_) => None,
        }
    }

    /// The device, named by the built-in tables.
    pub fn device(&self) -> Device {
        Device::new(self.user_agent.clone(), self.hints.clone())
    }

    pub(crate) fn parts(self) -> ClientParts {
        let Self { user_agent, hints, ip, on, location, location_by_proxy, held } = self;
        ClientParts { device: Device::new(user_agent, hints), ip, on, location, location_by_proxy, held }
    }
}

/// A [`ClientInfo`] taken apart by the use case that consumes it.
pub(crate) struct ClientParts {
    pub(crate) device: Device,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) on: ClientDevice,
    pub(crate) location: Option<Location>,
    pub(crate) location_by_proxy: Option<Location>,
    pub(crate) held: Vec<(UserId, SessionId)>,
}
