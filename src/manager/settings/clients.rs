//! What is kept of clients.

use std::time::Duration;

use crate::{manager::settings::SessionManagerBuilder, privacy::AddressPrivacy, token::KeyRing};

/// # What is kept of clients
impl SessionManagerBuilder {
    /// How much of clients' addresses is put on record. Default: all of it.
    pub fn addresses(mut self, privacy: AddressPrivacy) -> Self {
        self.settings.addresses = privacy;
        self
    }

    /// Sets a cookie by which a browser's device is recognised, `__Host-device`, for 400 days from the last sign-in,
    /// signed with the secret in `keys` (HS256). It is no credential, and outlives all sessions. When the device is
    /// trusted, it also holds the secret that the trust is bound to.
    ///
    /// Default: on where tokens travel in cookies and [`keys`](Self::keys) are secrets, which then sign it too;
    /// otherwise off. With keys of its own it is always on, and outlives the keys of the tokens.
    pub fn device_cookie(mut self, keys: KeyRing) -> Self {
        self.settings.device_keys = Some(keys);
        self
    }

    /// The most devices that are known of one user. When a new one exceeds that, another is deleted: one with neither
    /// name nor trust if there is one, and of those the one unseen for the longest time. Default: 100.
    pub fn max_devices(mut self, devices: u32) -> Self {
        self.settings.limits.devices = devices;
        self
    }

    /// How long a device is known on which its user does not sign in, at least a day. Default: 400 days, as long as
    /// browsers keep the device cookie.
    ///
    /// One without sessions, name and trust is deleted after the [`retention`](Self::retention) already. The record of
    /// a client that has never brought its device cookie back is deleted a day after its last session has ended.
    pub fn device_retention(mut self, retention: Duration) -> Self {
        self.settings.device_retention = retention;
        self
    }
}
