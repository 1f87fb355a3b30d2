use std::{fmt, time::Duration};

use crate::{
    credentials::{CookieLifetime, CookieOptions, SessionCookie, Transport},
    device::{ClientInfo, DeviceProof},
    error::{ConfigError, ConfigErrorKind},
    manager::{
        SessionManager,
        settings::builder::{Proof, SessionManagerBuilder},
    },
    policy::SessionPolicy,
    privacy::AddressPrivacy,
    token::{DeviceTokens, KeyRing},
};

/// # What is kept of clients
impl SessionManagerBuilder {
    /// How much of clients' addresses is put on record. Default: all of it.
    pub fn addresses(mut self, privacy: AddressPrivacy) -> Self {
        self.addresses = privacy;
        self
    }

    /// Lets browsers keep a cookie by which their device is known again, `__Host-device`, for 400 days from the last
    /// sign-in, signed with the secret in `keys` (HS256). It is no credential, and outlives all sessions. When the device is
    /// trusted, it also holds the secret that the trust belongs to.
    ///
    /// Default: on where tokens travel in cookies and [`keys`](Self::keys) are secrets, which then sign it too; otherwise off.
    /// With keys of its own it is on in any case, and does not end with those of the tokens.
    pub fn device_cookie(mut self, keys: KeyRing) -> Self {
        self.device_keys = Some(keys);
        self
    }

    /// The most devices that are known of one user. When a new one makes them more, another goes: one that has neither name
    /// nor trust, if there is such, and of those the longest unseen. Default: 100.
    pub fn max_devices(mut self, devices: u32) -> Self {
        self.limits.devices = devices;
        self
    }

    /// How long a device is known on which its user does not sign in, at least a day. Default: 400 days, as long as browsers
    /// keep the device cookie.
    ///
    /// One that has neither sessions nor a name nor trust goes after the [`retention`](Self::retention) already. The record
    /// of a client that has never brought its device cookie back goes a day after its last session has ended.
    pub fn device_retention(mut self, retention: Duration) -> Self {
        self.device_retention = retention;
        self
    }
}

/// The cookie by which a browser is known again.
#[derive(Debug)]
pub(crate) struct DeviceCookie {
    pub(crate) cookie: SessionCookie,
    tokens: DeviceTokens,
}

impl DeviceCookie {
    pub(in crate::manager) fn new(builder: &SessionManagerBuilder) -> Result<Option<Self>, ConfigError> {
        let options = match &builder.transport {
            Transport::Bearer => None,
            Transport::Cookie(options) | Transport::Both(options) => Some(options),
        };
        let keys = match (&builder.device_keys, &builder.proof) {
            (Some(keys), _) => keys,
            (None, Some(Proof::Keys(keys))) if options.is_some() && DeviceTokens::are_secret(keys) => keys,
            _ => return Ok(None),
        };
        let tokens = DeviceTokens::new(keys.clone(), &builder.token_options)?;
        let options = options.map_or_else(CookieOptions::new, CookieOptions::clone).sibling("device");
        let refused = |error: &dyn std::fmt::Display| ConfigError::new(ConfigErrorKind::Transport, error.to_string());
        let cookie = options.build().map_err(|error| refused(&error))?;
        Ok(Some(Self { cookie, tokens }))
    }

    /// What the cookie of this device holds; `None` when the keys sign no longer.
    pub(crate) fn value_of(&self, device: &DeviceProof) -> Option<String> {
        self.tokens.issue(device)
    }

    /// What the value of a cookie proves, if it is one of ours.
    #[allow(dead_code, reason = "only extractors ask for it")]
    pub(crate) fn open(&self, value: &[u8]) -> Option<DeviceProof> {
        self.tokens.open(value).ok()
    }
}

/// How long a browser keeps its device cookie: as long as it keeps any.
pub(in crate::manager) const DEVICE_LIFETIME: Duration = SessionPolicy::LONGEST;

pub(crate) const DEVICE_COOKIE_LIFETIME: CookieLifetime = CookieLifetime::MaxAge(DEVICE_LIFETIME);

impl SessionManager {
    /// What a sign-in form hands to a browser that has no device cookie yet: one for as long as the browser stays open.
    ///
    /// All submissions of the form then come from one device, and [`SameDevice::Join`](crate::policy::SameDevice::Join) makes
    /// one session of them. The sign-in replaces the cookie by a lasting one. A browser that has a device cookie keeps it.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "axum")]
    /// # mod example {
    /// use axum::{extract::State, response::{Html, IntoResponse}};
    /// use tower_device_sessions::{ClientInfo, SessionManager};
    ///
    /// async fn form(State(sessions): State<SessionManager>, client: ClientInfo) -> impl IntoResponse {
    ///     (sessions.device_for_form(&client), Html("<form method=\"post\">…</form>"))
    /// }
    /// # }
    /// ```
    pub fn device_for_form(&self, client: &ClientInfo) -> FormDevice {
        FormDevice { manager: self.clone(), device: client.new_device() }
    }

    /// The cookie by which browsers are known again, where that is switched on.
    pub(crate) fn device_cookie(&self) -> Option<&DeviceCookie> {
        self.inner.device_cookie.as_ref()
    }
}

/// The device cookie of a browser that has not signed in yet, if it needs one.
///
/// In Axum handlers it is the first part of a response: `(device, Html(form))`.
#[must_use = "the browser has to be handed its cookie"]
pub struct FormDevice {
    manager: SessionManager,
    device: Option<DeviceProof>,
}

impl FormDevice {
    /// The cookie to set, and what to put into it.
    pub(crate) fn cookie(&self) -> Option<(&SessionCookie, String)> {
        let cookie = self.manager.device_cookie()?;
        Some((&cookie.cookie, cookie.value_of(self.device.as_ref()?)?))
    }
}

impl fmt::Debug for FormDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormDevice").field("device", &self.device).finish_non_exhaustive()
    }
}
