//! The cookie by which a browser is known again.

use crate::{
    credentials::{CookieLifetime, CookieOptions, SessionCookie, Transport},
    device::DeviceProof,
    error::{ConfigError, ConfigErrorKind},
    manager::settings::{DEVICE_LIFETIME, Proof, Settings},
    token::DeviceTokens,
};

/// The cookie by which a browser is known again.
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

pub(crate) const DEVICE_COOKIE_LIFETIME: CookieLifetime = CookieLifetime::MaxAge(DEVICE_LIFETIME);
