use std::{sync::Arc, time::Duration};

use crate::{
    clock::Timestamp,
    device::{ClientInfo, DeviceName, KnownDevice},
    error::Error,
    id::{DeviceId, SessionId, SessionKey, UserId},
    location::Location,
    manager::{CurrentSession, Inner, Revocation, SessionManager, clients::DEVICE_LIFETIME},
    session::{AsOf, Session},
    store::{EndScope, ListQuery, SessionState},
};

/// # Devices
///
/// A device is known by an id that the client keeps and that outlives its sessions: see
/// [`ClientInfo::device_id`]. A sign-in with such an id puts the device on record for its user; without one, there is
/// nothing to know it again by.
///
/// # Errors
///
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time. A change may
/// then have been made or not; it may be asked for again.
///
/// # Cancellation
///
/// Changes run in a task of their own. Dropping the future does not stop them.
impl SessionManager {
    /// The devices on which a user has signed in, newest seen first; at most the 100 newest.
    pub async fn devices(&self, user: &UserId) -> Result<Vec<KnownDevice>, Error> {
        self.inner.within_deadline("devices", self.inner.store.devices(user, MOST_DEVICES)).await
    }

    /// One device of a user; `None` when the user is not known on it.
    pub async fn find_device(&self, user: &UserId, id: DeviceId) -> Result<Option<KnownDevice>, Error> {
        self.inner.within_deadline("find_device", self.inner.store.find_device(user, id)).await
    }

    /// Gives a device a name, or takes it away. All its sessions of this user, and later ones, have it too. Answers whether
    /// the user is known on the device.
    pub async fn rename_device(&self, user: &UserId, id: DeviceId, name: Option<DeviceName>) -> Result<bool, Error> {
        let (inner, user) = (Arc::clone(&self.inner), user.clone());
        self.inner.detached(async move { inner.rename_device(&user, id, name.as_ref()).await }).await
    }

    /// Gives the device of a session a name, or takes it away. Answers whether the user has such a session.
    ///
    /// Where the device is known by an id, it is renamed with all its sessions; else the session alone.
    pub async fn rename(&self, user: &UserId, id: SessionId, name: Option<DeviceName>) -> Result<bool, Error> {
        let (inner, user) = (Arc::clone(&self.inner), user.clone());
        self.inner.detached(async move { inner.rename(&user, id, name.as_ref()).await }).await
    }

    /// Trusts the device of the current session for so long, at most 400 days: the application may skip the second factor at
    /// sign-ins on it. Answers whether it could be; a session without a device id has nothing to trust.
    ///
    /// The trust ends with [`distrust_device`](Self::distrust_device), when the device is
    /// [forgotten](Self::forget_device), when [all sessions are revoked](Self::revoke_all), and when
    /// [credentials change](Self::credentials_changed).
    ///
    /// # Security
    ///
    /// Call it for a session whose user has just proven the second factor, and asked for it.
    pub async fn trust_device(&self, current: &CurrentSession, duration: Duration) -> Result<bool, Error> {
        let Some(device) = current.session().device_id else {
            return Ok(false);
        };
        let until = self.inner.clock.now().saturating_add(duration.min(DEVICE_LIFETIME));
        let (inner, user, session) = (Arc::clone(&self.inner), current.user_id().clone(), current.id());
        self.inner.detached(async move { inner.trust(&user, device, session, until).await }).await
    }

    /// Trusts a device no longer. Answers whether the user is known on it.
    pub async fn distrust_device(&self, user: &UserId, id: DeviceId) -> Result<bool, Error> {
        let (inner, user) = (Arc::clone(&self.inner), user.clone());
        let change = async move {
            inner.twice_within_deadline("trust_device", || inner.store.trust_device(&user, id, None)).await
        };
        self.inner.detached(change).await
    }

    /// Whether the user trusts the device that this client signs in from, so that the second factor may be skipped.
    ///
    /// # Security
    ///
    /// Device ids are shown in lists. The answer is worth something only when the client has *proven* its id, by a signed
    /// device cookie or in a way of the application's own: an id that a client merely names would let everybody who has
    /// read it skip the second factor.
    pub async fn is_trusted(&self, user: &UserId, client: &ClientInfo) -> Result<bool, Error> {
        let Some(id) = client.known_device_id() else {
            return Ok(false);
        };
        let known = self.find_device(user, id).await?;
        Ok(known.is_some_and(|device| device.is_trusted(self.now())))
    }

    /// Ends the user's sessions on a device, and forgets it: its name and its trust are gone, and the next sign-in on it is
    /// one on a new device. Answers whether the user was known on it.
    pub async fn forget_device(&self, user: &UserId, id: DeviceId, by: impl Into<Revocation>) -> Result<bool, Error> {
        let (inner, user, by) = (Arc::clone(&self.inner), user.clone(), by.into());
        self.inner.detached(async move { inner.forget(&user, id, &by).await }).await
    }
}

impl Inner {
    async fn rename_device(&self, user: &UserId, id: DeviceId, name: Option<&DeviceName>) -> Result<bool, Error> {
        let change = || self.store.rename_device(user, id, name);
        let renamed = self.twice_within_deadline("rename_device", change).await;
        // Which sessions are on the device is not known here.
        self.cache.revoke_all(user, None);
        self.publish_all_changed(user).await;
        renamed
    }

    async fn rename(&self, user: &UserId, id: SessionId, name: Option<&DeviceName>) -> Result<bool, Error> {
        let Some(session) = self.within_deadline("find", self.store.find(&SessionKey::new(user.clone(), id))).await?
        else {
            return Ok(false);
        };
        if let Some(device) = session.device_id
            && self.rename_device(user, device, name).await?
        {
            return Ok(true);
        }
        let key = SessionKey::new(user.clone(), id);
        let renamed = self.twice_within_deadline("rename", || self.store.rename(&key, name)).await;
        self.cache.revoke(user, id);
        self.publish_changed(user, id).await;
        renamed
    }

    async fn trust(&self, user: &UserId, id: DeviceId, by: SessionId, until: Timestamp) -> Result<bool, Error> {
        let change = |until| move || self.store.trust_device(user, id, until);
        let known = self.twice_within_deadline("trust_device", change(Some(until))).await?;

        // Who ends all sessions ends them before the trust. If that came between, what was just given is not to stay.
        let found = self.within_deadline("find", self.store.find(&SessionKey::new(user.clone(), by))).await;
        let is_active =
            found.as_ref().is_ok_and(|found| found.as_ref().is_some_and(|by| self.ending_here(by).is_none()));
        if !is_active {
            self.twice_within_deadline("trust_device", change(None)).await?;
        }
        found.map(|_| known && is_active)
    }

    async fn forget(&self, user: &UserId, id: DeviceId, by: &Revocation) -> Result<bool, Error> {
        let known = self.within_deadline("find_device", self.store.find_device(user, id)).await?.is_some();
        // The sessions first: should the rest fail, the device is still there to be forgotten.
        let ended = self.revoke_many(user, EndScope::on_device(id), by).await?;
        let forgotten = self.twice_within_deadline("forget_device", || self.store.forget_device(user, id)).await?;
        Ok(known || forgotten || ended > 0)
    }

    /// Trusts no device of the user any longer.
    pub(super) async fn distrust(&self, user: &UserId) -> Result<(), Error> {
        self.twice_within_deadline("distrust_devices", || self.store.distrust_devices(user)).await.map(drop)
    }

    /// Gives a session that is about to start the name of its device.
    pub(super) async fn recognise(&self, session: &mut Session) -> Result<(), Error> {
        if let Some(id) = session.device_id {
            let known = self.within_deadline("find_device", self.store.find_device(&session.user_id, id)).await?;
            session.device.custom_name = known.and_then(|known| known.device.custom_name);
        }
        Ok(())
    }

    /// Puts the device of a session that has just started on record. Answers whether it is new to the user; when the store
    /// cannot tell, it is: a warning too many is better than one too few.
    pub(super) async fn note_device(&self, session: &Session) -> bool {
        let Some(id) = session.device_id else {
            return false;
        };
        let seen = KnownDevice::new(session.user_id.clone(), id, session.device.clone(), session.created_at);
        self.within_deadline("see_device", self.store.see_device(&seen)).await.unwrap_or(true)
    }

    /// Whether a session that has just started comes from a place where no other kept session of the user does.
    pub(super) async fn is_new_place(&self, session: &Session) -> bool {
        let Some(here) = &session.location else {
            return false;
        };
        if self.listeners.is_empty() {
            return false;
        }
        let allowance = self.timings.idle_allowance();
        let mut query = ListQuery::new(SessionState::All, MOST_COMPARED, AsOf::new(session.created_at, allowance));
        query.except = Some(session.id);
        match self.within_deadline("list", self.store.list(&session.user_id, &query)).await {
            Ok(others) => !others.iter().filter_map(|other| other.location.as_ref()).any(|there| is_near(here, there)),
            Err(_) => true,
        }
    }
}

/// Whether two places are in one country and, as far as that is known, in one region.
fn is_near(here: &Location, there: &Location) -> bool {
    let same_region = here.region.is_none() || there.region.is_none() || here.region == there.region;
    here.country_code == there.country_code && same_region
}

/// How many devices of one user are shown.
const MOST_DEVICES: u32 = 100;

/// How many other sessions the place of a new one is compared with.
const MOST_COMPARED: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_near_when_nothing_tells_them_apart() {
        let place = |region, country| Location::new(None, region, country);
        for (here, there, near) in [
            (place(Some("Bavaria"), Some("DE")), place(Some("Bavaria"), Some("DE")), true),
            (place(Some("Bavaria"), Some("DE")), place(Some("Berlin"), Some("DE")), false),
            (place(Some("Bavaria"), Some("DE")), place(None, Some("DE")), true),
            (place(None, Some("DE")), place(None, Some("AT")), false),
        ] {
            assert_eq!(is_near(&here, &there), near, "{here:?} {there:?}");
        }
    }
}
