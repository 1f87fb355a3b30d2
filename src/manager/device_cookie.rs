//! The cookie by which a browser is recognised.

use std::fmt;

use crate::{
    credentials::{CookieLifetime, CookieOptions, SessionCookie, Transport},
    device::{ClientInfo, DeviceProof},
    error::{ConfigError, ConfigErrorKind},
    manager::{
        SessionManager,
        settings::{DEVICE_LIFETIME, Proof, Settings},
    },
    token::DeviceTokens,
};

/// The cookie by which a browser is recognised.
#[derive(Debug)]
pub(crate) struct DeviceCookie {
    pub(crate) cookie: SessionCookie,
    tokens: DeviceTokens,
}

impl DeviceCookie {
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        let options = match &settings.transport {
            Transport::Bearer => None,
            Transport::Cookie(options) | Transport::Both(options) => Some(options),
        };
        let keys = match (&settings.device_keys, &settings.proof) {
            (Some(keys), _) => keys,
            (None, Some(Proof::Keys(keys))) if options.is_some() && DeviceTokens::are_secret(keys) => keys,
            _ => return Ok(None),
        };
        let tokens = DeviceTokens::new(keys.clone(), &settings.token_options)?;
        let options = options.map_or_else(CookieOptions::new, CookieOptions::clone).sibling("device");
        let refused = |error: &dyn fmt::Display| ConfigError::new(ConfigErrorKind::Transport, error.to_string());
        let cookie = options.build().map_err(|error| refused(&error))?;
        Ok(Some(Self { cookie, tokens }))
    }

    /// Returns the value of this device's cookie, or `None` when the keys no longer sign.
    pub(crate) fn value_of(&self, device: &DeviceProof) -> Option<String> {
        self.tokens.issue(device)
    }

    /// What the value of a cookie proves, if it is one of ours.
    #[allow(dead_code, reason = "only extractors ask for it")]
    pub(crate) fn open(&self, value: &[u8]) -> Option<DeviceProof> {
        self.tokens.open(value).ok()
    }
}

pub(crate) const DEVICE_COOKIE_LIFETIME: CookieLifetime = CookieLifetime::MaxAge(DEVICE_LIFETIME);

impl SessionManager {
    /// What a sign-in form gives to a browser that has no device cookie yet: one for as long as the browser stays open.
    ///
    /// All submissions of the form then come from one device, and [`SameDevice::Join`](crate::policy::SameDevice::Join)
    /// makes one session of them. The sign-in replaces the cookie by a lasting one. A browser that has a device cookie
    /// keeps it.
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
