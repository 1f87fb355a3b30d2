use std::{sync::Arc, time::Duration};

use crate::{
    clock::Timestamp,
    device::{ClientDevice, DeviceName, DeviceUpkeep, KnownDevice, Standing},
    error::Error,
    id::{DeviceId, SessionId, SessionKey, UserId},
    location::Location,
    manager::{
        Inner, Revocation, SessionManager,
        records::change::{Affected, Word},
    },
    session::{AsOf, Session},
    store::{DevicePosition, DeviceStore, EndScope, ListQuery, SessionState, devices_of},
};

/// # Devices
///
/// A device is known by an id that the client keeps and that outlives its sessions: see
/// [`ClientInfo::device_proof`](crate::ClientInfo::device_proof) and
/// [`device_id`](crate::ClientInfo::device_id). A sign-in with such an id puts the device on record for its user; without
/// one, there is nothing to know it again by.
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
        self.inner.devices_of(user, MOST_DEVICES, |known| !known.is_forgotten()).await
    }

    /// One device of a user; `None` when the user is not known on it.
    pub async fn find_device(&self, user: &UserId, id: DeviceId) -> Result<Option<KnownDevice>, Error> {
        let found = self.inner.within_deadline("find_device", self.inner.devices().find_device(user, id)).await?;
        Ok(found.filter(|known| !known.is_forgotten()))
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

    /// Ends the user's sessions on a device, and forgets it: its name and its trust are gone, and the next sign-in on it is
    /// one on a new device, under a new id where the client proves the old one. Answers whether the user was known on it.
    pub async fn forget_device(&self, user: &UserId, id: DeviceId, by: impl Into<Revocation>) -> Result<bool, Error> {
        let (inner, user, by) = (Arc::clone(&self.inner), user.clone(), by.into());
        self.inner.detached(async move { inner.forget(&user, id, &by).await }).await
    }
}

impl Inner {
    pub(super) fn devices(&self) -> &dyn DeviceStore {
        devices_of(&*self.store)
    }

    async fn rename_device(&self, user: &UserId, id: DeviceId, name: Option<&DeviceName>) -> Result<bool, Error> {
        let change = || self.devices().rename_device(user, id, name);
        // Which sessions are on the device is not known here.
        let all = Affected::All { user, keep: None };
        self.change("rename_device", all, change, |_| Word::Changed).await
    }

    async fn rename(&self, user: &UserId, id: SessionId, name: Option<&DeviceName>) -> Result<bool, Error> {
        let key = SessionKey::new(user.clone(), id);
        let Some(session) = self.within_deadline("find", self.store.find(&key)).await? else {
            return Ok(false);
        };
        if let Some(device) = session.device_id
            && self.rename_device(user, device, name).await?
        {
            return Ok(true);
        }
        self.change("rename", Affected::One(&key), || self.store.rename(&key, name), |_| Word::Changed).await
    }

    async fn forget(&self, user: &UserId, id: DeviceId, by: &Revocation) -> Result<bool, Error> {
        let found = self.within_deadline("find_device", self.devices().find_device(user, id)).await?;
        let known = found.is_some_and(|known| !known.is_forgotten());
        // The sessions first: should the rest fail, the device is still there to be forgotten.
        let ended = self.revoke_many(user, EndScope::on_device(id), by).await?;
        let at = self.clock.now();
        let forget = || self.devices().forget_device(user, id, at);
        let forgotten = self.twice_within_deadline("forget_device", forget).await?;
        Ok(known || forgotten || ended > 0)
    }

    /// Gives a session that is about to start the name of its device, and returns what is known of that. A device that has
    /// proven an id which the user has forgotten gets a new one: whoever else holds the old one is then another device.
    pub(super) async fn recognise(
        &self,
        session: &mut Session,
        on: &mut ClientDevice,
    ) -> Result<Option<KnownDevice>, Error> {
        let Some(id) = session.device_id else {
            return Ok(None);
        };
        let known = self.within_deadline("find_device", self.devices().find_device(&session.user_id, id)).await?;
        if known.as_ref().is_some_and(KnownDevice::is_forgotten) {
            if let ClientDevice::Proven(_) = on {
                *on = ClientDevice::New(DeviceId::new());
                session.device_id = on.id();
            }
            return Ok(None);
        }
        session.device.custom_name = known.as_ref().and_then(|known| known.device.custom_name.clone());
        Ok(known)
    }

    /// Puts the device of a session that has just started on record. Answers whether it is new to the user; when the store
    /// cannot tell, it is: a warning too many is better than one too few.
    pub(super) async fn note_device(&self, session: &Session, standing: Standing) -> bool {
        let Some(id) = session.device_id else {
            return false;
        };
        let mut seen = KnownDevice::new(session.user_id.clone(), id, session.device.clone(), session.created_at);
        seen.standing = standing;
        seen.due_at = self.device_upkeep(session.created_at).first_look(standing);
        self.within_deadline("see_device", self.devices().see_device(&seen, self.limits.devices)).await.unwrap_or(true)
    }

    /// Whether a device that is new to its user is the first one on record. When the store cannot tell, it is not: a warning
    /// too many is better than one too few.
    pub(super) async fn is_first_device(&self, session: &Session) -> bool {
        // With room for one record, that of the device before has gone.
        if self.listeners.is_empty() || self.limits.devices < 2 {
            return false;
        }
        let devices = self.devices().devices(&session.user_id, DevicePosition::FIRST, 2);
        let devices = self.within_deadline("devices", devices).await;
        devices.is_ok_and(|devices| devices.iter().all(|device| Some(device.id) == session.device_id))
    }

    /// Reads the devices of a user that are wanted, page by page.
    pub(super) async fn devices_of(
        &self,
        user: &UserId,
        most: usize,
        wanted: impl Fn(&KnownDevice) -> bool,
    ) -> Result<Vec<KnownDevice>, Error> {
        let (mut devices, mut after) = (Vec::new(), DevicePosition::FIRST);
        loop {
            let page = self.within_deadline("devices", self.devices().devices(user, after, PAGE)).await?;
            let next = page.last().map(DevicePosition::of);
            let is_full = page.len() >= PAGE as usize;
            devices.extend(page.into_iter().filter(&wanted));
            match next {
                Some(next) if is_full && devices.len() < most => after = next,
                _ => break,
            }
        }
        devices.truncate(most);
        Ok(devices)
    }

    /// Deletes the records of devices that are not needed any longer, in batches.
    pub(super) async fn purge_devices(&self, now: Timestamp) -> Result<(), Error> {
        let upkeep = self.device_upkeep(now);
        loop {
            let sweep = self.devices().purge_devices(&upkeep, DEVICES_AT_ONCE);
            let swept = self.within_deadline("purge_devices", sweep).await?;
            if swept.seen < u64::from(DEVICES_AT_ONCE) {
                return Ok(());
            }
            // Others wait for the same rows and the same disk.
            tokio::time::sleep(BETWEEN_BATCHES).await;
        }
    }

    fn device_upkeep(&self, now: Timestamp) -> DeviceUpkeep {
        DeviceUpkeep::new(now, self.timings.device_retention, self.timings.retention.min(self.timings.device_retention))
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
const MOST_DEVICES: usize = 100;

/// How many devices are read at once.
const PAGE: u32 = 100;

/// How many devices are looked at in one step.
const DEVICES_AT_ONCE: u32 = 50;

const BETWEEN_BATCHES: Duration = Duration::from_millis(20);

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
