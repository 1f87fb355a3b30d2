//! The devices that users sign in on are known, named and forgotten.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Timestamp,
    device::{ClientDevice, DeviceName, DeviceUpkeep, KnownDevice, Standing},
    error::Error,
    id::{DeviceId, SessionId, SessionKey, UserId},
    location::Location,
    manager::{
        Revocation, SessionManager,
        records::{
            Records,
            change::{Affected, Word, detached},
        },
    },
    metrics::Operation,
    session::Session,
    store::{DevicePosition, EndScope, ListQuery, SessionState, devices_of},
};

/// # Devices
///
/// A device is known by an id that the client keeps and that outlives its sessions: see
/// [`ClientInfo::device_proof`](crate::ClientInfo::device_proof) and
/// [`device_id`](crate::ClientInfo::device_id). A sign-in with such an id puts the device on record for its user;
/// without an id it cannot be recognised again.
///
/// # Cancellation
///
/// Changes run in a task of their own. Dropping the future does not stop them.
impl SessionManager {
    /// Returns the devices on which a user has signed in, newest seen first; at most the 100 newest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time.
    pub async fn devices(&self, user: &UserId) -> Result<Vec<KnownDevice>, Error> {
        self.inner.records.devices_of(user, MOST_DEVICES, |known| !known.is_forgotten()).await
    }

    /// Returns one device of a user, or `None` when the user is not known on it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time.
    pub async fn find_device(&self, user: &UserId, id: DeviceId) -> Result<Option<KnownDevice>, Error> {
        let found = self.inner.records.known_device(user, id).await?;
        Ok(found.filter(|known| !known.is_forgotten()))
    }

    /// Sets or clears the name of a device, and of all its sessions of this user, present and future. Returns whether
    /// the user is known on the device.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time.
    /// Whether the change was made is unknown; it is safe to retry.
    pub async fn rename_device(&self, user: &UserId, id: DeviceId, name: Option<DeviceName>) -> Result<bool, Error> {
        let (inner, user) = (Arc::clone(&self.inner), user.clone());
        detached(async move { inner.records.rename_device(&user, id, name.as_ref()).await }).await
    }

    /// Sets or clears the name of a session's device. Returns whether the user has such a session.
    ///
    /// A device that is known by an id is renamed with all its sessions, else only the session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time.
    /// Whether the change was made is unknown; it is safe to retry.
    pub async fn rename(&self, user: &UserId, id: SessionId, name: Option<DeviceName>) -> Result<bool, Error> {
        let (inner, user) = (Arc::clone(&self.inner), user.clone());
        detached(async move { inner.records.rename(&user, id, name.as_ref()).await }).await
    }

    /// Ends the user's sessions on a device and forgets it, with its name and its trust. The next sign-in on it counts
    /// as one on a new device, under a new id if the client proves the old one. Returns whether the user was known on
    /// it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time.
    /// Whether the change was made is unknown; it is safe to retry.
    pub async fn forget_device(&self, user: &UserId, id: DeviceId, by: impl Into<Revocation>) -> Result<bool, Error> {
        let (inner, user, by) = (Arc::clone(&self.inner), user.clone(), by.into());
        detached(async move { inner.records.forget(&user, id, &by).await }).await
    }
}

impl Records {
    async fn rename_device(&self, user: &UserId, id: DeviceId, name: Option<&DeviceName>) -> Result<bool, Error> {
        // Which sessions are on the device is not known here.
        let all = Affected::All { user, keep: None };
        self.change(
            Operation::RenameDevice,
            all,
            |store| devices_of(store).rename_device(user, id, name),
            |_| Word::Changed,
        )
        .await
    }

    async fn rename(&self, user: &UserId, id: SessionId, name: Option<&DeviceName>) -> Result<bool, Error> {
        let key = SessionKey::new(user.clone(), id);
        let Some(session) = self.find(&key).await? else {
            return Ok(false);
        };
        if let Some(device) = session.device_id
            && self.rename_device(user, device, name).await?
        {
            return Ok(true);
        }
        self.change(Operation::Rename, Affected::One(&key), |store| store.rename(&key, name), |_| Word::Changed).await
    }

    async fn forget(&self, user: &UserId, id: DeviceId, by: &Revocation) -> Result<bool, Error> {
        let found = self.known_device(user, id).await?;
        let known = found.is_some_and(|known| !known.is_forgotten());
        // The sessions first: should the rest fail, the device is still there to be forgotten.
        let ended = self.revoke_many(user, EndScope::on_device(id), by).await?;
        let at = self.clock.now();
        let forgotten =
            self.ask_twice(Operation::ForgetDevice, |store| devices_of(store).forget_device(user, id, at)).await?;
        Ok(known || forgotten || ended > 0)
    }

    /// Gives a session that is about to start the name of its device, and returns what is known of that. A device that
    /// has proven an id which the user has forgotten gets a new one: anyone else who holds the old one is then another
    /// device.
    pub(super) async fn recognise(
        &self,
        session: &mut Session,
        on: &mut ClientDevice,
    ) -> Result<Option<KnownDevice>, Error> {
        let Some(id) = session.device_id else {
            return Ok(None);
        };
        let known = self.known_device(&session.user_id, id).await?;
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

    /// Puts the device of a session that has just started on record. Returns whether it is new to the user. When the
    /// store cannot tell, it is: a warning too many is better than one too few.
    pub(super) async fn note_device(&self, session: &Session, standing: Standing) -> bool {
        let Some(id) = session.device_id else {
            return false;
        };
        let mut seen = KnownDevice::new(session.user_id.clone(), id, session.device.clone(), session.created_at);
        seen.standing = standing;
        seen.due_at = self.device_upkeep(session.created_at).first_look(standing);
        let most = self.settings.limits.devices;
        self.ask(Operation::SeeDevice, |store| devices_of(store).see_device(&seen, most)).await.unwrap_or(true)
    }

    /// Whether a device that is new to its user is the first one on record. When the store cannot tell, it is not: a
    /// warning too many is better than one too few.
    pub(super) async fn is_first_device(&self, session: &Session) -> bool {
        // With room for one record, that of the device before has gone.
        if self.settings.listeners.is_empty() || self.settings.limits.devices < 2 {
            return false;
        }
        let devices = self.known_devices(&session.user_id, DevicePosition::FIRST, 2).await;
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
            let page = self.known_devices(user, after, PAGE).await?;
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
            let sweep =
                self.ask(Operation::PurgeDevices, |store| devices_of(store).purge_devices(&upkeep, DEVICES_AT_ONCE));
            let swept = sweep.await?;
            if swept.seen < u64::from(DEVICES_AT_ONCE) {
                return Ok(());
            }
            // Others wait for the same rows and the same disk.
            tokio::time::sleep(BETWEEN_BATCHES).await;
        }
    }

    fn device_upkeep(&self, now: Timestamp) -> DeviceUpkeep {
        let kept = self.settings.device_retention;
        DeviceUpkeep::new(now, kept, self.settings.retention.min(kept))
    }

    /// Whether a session that has just started comes from a place where no other kept session of the user does.
    pub(super) async fn is_new_place(&self, session: &Session) -> bool {
        let Some(here) = &session.location else {
            return false;
        };
        if self.settings.listeners.is_empty() {
            return false;
        }
        let mut query = ListQuery::new(SessionState::All, MOST_COMPARED, self.as_of(session.created_at));
        query.except = Some(session.id);
        match self.list(&session.user_id, &query).await {
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
