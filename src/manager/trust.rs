//! Users trust their devices.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    clock::Timestamp,
    credentials::SessionCookie,
    device::{ClientInfo, DeviceProof, Trust, TrustSecret},
    error::Error,
    id::{DeviceId, SessionId, SessionKey, UserId},
    manager::{
        SessionManager,
        records::{Records, change::detached},
        request::CurrentSession,
        settings::DEVICE_LIFETIME,
    },
    metrics::Operation,
    store::devices_of,
};

/// # Trust
///
/// Trust is bound to a secret that is created with it and that only the trusted device holds, in its device cookie or
/// its [`DeviceTokens`](crate::token::DeviceTokens) token. A copy of an older cookie is worth nothing, even if the user
/// trusts the device later.
impl SessionManager {
    /// Trusts the device of the current session for this long, at most 400 days: the application may skip the second
    /// factor at sign-ins on it. Returns `None` when `client` has not proven to be that device, or the session has
    /// ended.
    ///
    /// The returned value has to reach the device. In Axum it is the first part of a response and sets the device
    /// cookie; for clients without cookies see [`TrustedDevice::proof`]. At a sign-in use
    /// [`StartSession::trust_device`](crate::StartSession::trust_device).
    ///
    /// The trust ends with [`distrust_device`](Self::distrust_device), when the device is
    /// [forgotten](Self::forget_device) or trusted again, when [all sessions are revoked](Self::revoke_all), and when
    /// [credentials change](Self::credentials_changed).
    ///
    /// # Security
    ///
    /// Call it for a session whose user has just proven the second factor, and asked for it. The thief of a session
    /// cannot trust the device it is on, without having stolen the device's proof as well.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time.
    pub async fn trust_device(
        &self,
        current: &CurrentSession,
        client: &ClientInfo,
        duration: Duration,
    ) -> Result<Option<TrustedDevice>, Error> {
        let here = current.session().device_id;
        let Some(proof) = client.proven_device().filter(|proof| here == Some(proof.id())) else {
            return Ok(None);
        };
        let user = current.user_id();
        let Some(known) = self.find_device(user, proof.id()).await? else {
            return Ok(None);
        };
        let (secret, trust) = self.inner.records.new_trust(duration);
        let proof = proof.clone().with_secret(secret, known.trust.map(|trust| trust.hash).as_ref());

        let (inner, user, id, session) = (Arc::clone(&self.inner), user.clone(), proof.id(), current.id());
        let trusted = detached(async move { inner.records.trust(&user, id, session, trust).await }).await?;
        Ok(trusted.then(|| TrustedDevice { manager: self.clone(), proof, until: trust.until }))
    }

    /// Removes the trust in a device. Returns whether the user is known on it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time.
    pub async fn distrust_device(&self, user: &UserId, id: DeviceId) -> Result<bool, Error> {
        let (inner, user) = (Arc::clone(&self.inner), user.clone());
        let change = async move {
            inner
                .records
                .ask_twice(Operation::TrustDevice, |store| devices_of(store).trust_device(&user, id, None))
                .await
        };
        detached(change).await
    }

    /// Returns whether the user trusts the device that this client signs in from, so that the second factor may be
    /// skipped.
    ///
    /// Only a client that has [proven](ClientInfo::device_proof) its device can be trusted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time.
    pub async fn is_trusted(&self, user: &UserId, client: &ClientInfo) -> Result<bool, Error> {
        let Some(proof) = client.proven_device() else {
            return Ok(false);
        };
        let known = self.find_device(user, proof.id()).await?;
        Ok(known.is_some_and(|known| known.trusts(proof, self.now())))
    }
}

/// A device that is trusted from now on, by a secret that it has not received yet.
///
/// In Axum handlers it is the first part of a response, such as `(trusted, StatusCode::NO_CONTENT)`, and sets the
/// device cookie.
#[must_use = "the device is recognised as trusted only by what this holds"]
pub struct TrustedDevice {
    manager: SessionManager,
    proof: DeviceProof,
    until: Timestamp,
}

impl TrustedDevice {
    /// What the device holds from now on, for a [`DeviceTokens`](crate::token::DeviceTokens) token.
    pub fn proof(&self) -> &DeviceProof {
        &self.proof
    }

    /// Until when it is trusted.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The token of the device, where the manager has keys for such tokens.
    pub(crate) fn token(&self) -> Option<String> {
        self.manager.device_cookie()?.value_of(&self.proof)
    }

    pub(crate) fn cookie(&self) -> Option<&SessionCookie> {
        self.manager.device_cookie().map(|device| &device.cookie)
    }
}

impl fmt::Debug for TrustedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedDevice").field("proof", &self.proof).field("until", &self.until).finish_non_exhaustive()
    }
}

impl Records {
    /// Trust for this long, and the secret that it is bound to.
    pub(super) fn new_trust(&self, duration: Duration) -> (TrustSecret, Trust) {
        let secret = TrustSecret::random();
        let until = self.clock.now().saturating_add(duration.min(DEVICE_LIFETIME));
        let trust = Trust::new(until, secret.hash());
        (secret, trust)
    }

    /// Trusts a device on behalf of a session on it. Returns whether it is trusted now.
    pub(super) async fn trust(&self, user: &UserId, id: DeviceId, by: SessionId, trust: Trust) -> Result<bool, Error> {
        let trust = Some(trust);
        let known =
            self.ask_twice(Operation::TrustDevice, |store| devices_of(store).trust_device(user, id, trust)).await?;

        // Ending all sessions ends them before the trust. If that came between, the new trust must not stay.
        let found = self.find(&SessionKey::new(user.clone(), by)).await;
        let is_active =
            found.as_ref().is_ok_and(|found| found.as_ref().is_some_and(|by| self.ending_here(by).is_none()));
        if !is_active {
            self.ask_twice(Operation::TrustDevice, |store| devices_of(store).trust_device(user, id, None)).await?;
        }
        found.map(|_| known && is_active)
    }

    /// Removes the trust in all devices of the user.
    pub(super) async fn distrust(&self, user: &UserId) -> Result<(), Error> {
        self.ask_twice(Operation::DistrustDevices, |store| devices_of(store).distrust_devices(user)).await.map(drop)
    }
}
