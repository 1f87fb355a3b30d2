//! What is on record, and the changes that take more than a line.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use crate::{
    clock::Timestamp,
    device::{DeviceUpkeep, KnownDevice},
    id::{DeviceId, SessionId, SessionKey, UserId},
    policy::{Adopting, NotAdopted, TokenCutoff},
    session::{Ending, Session},
    store::{DevicesSwept, EndOutcome},
};

/// All that the store knows.
#[derive(Default)]
pub(super) struct Records {
    pub(super) users: HashMap<UserId, BTreeMap<SessionId, Session>>,
    pub(super) by_end: BTreeSet<(Timestamp, SessionKey)>,
    pub(super) devices: HashMap<UserId, BTreeMap<DeviceId, KnownDevice>>,
    pub(super) cutoffs: HashMap<UserId, TokenCutoff>,
    /// Until when the note of an adoption is kept, if one has begun.
    pub(super) adoption: Option<Timestamp>,
}

impl Records {
    pub(super) fn of(&self, user: &UserId) -> impl Iterator<Item = &Session> {
        self.users.get(user).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn session_mut(&mut self, key: &SessionKey) -> Option<&mut Session> {
        self.users.get_mut(&key.user_id)?.get_mut(&key.id)
    }

    /// The record of a device that the user is known on.
    pub(super) fn device_mut(&mut self, user: &UserId, id: DeviceId) -> Option<&mut KnownDevice> {
        self.devices.get_mut(user)?.get_mut(&id).filter(|known| !known.is_forgotten())
    }

    /// When the last of the user's sessions on this device ended, or will at the latest.
    fn last_end_on(&self, user: &UserId, id: DeviceId) -> Option<Timestamp> {
        self.of(user).filter(|session| session.device_id == Some(id)).map(Session::ends_at).max()
    }

    pub(super) fn see_device(&mut self, seen: &KnownDevice, most: u32) -> bool {
        let devices = self.devices.entry(seen.user_id.clone()).or_default();
        if let Some(known) = devices.get_mut(&seen.id) {
            let is_new = known.is_forgotten();
            known.see(seen);
            return is_new;
        }
        devices.insert(seen.id, seen.clone());
        let excess = devices.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
        let mut others: Vec<_> = devices.values().filter(|known| known.id != seen.id).map(KnownDevice::worth).collect();
        others.sort_unstable();
        for (.., id) in others.into_iter().take(excess) {
            devices.remove(&id);
        }
        true
    }

    pub(super) fn purge_devices(&mut self, upkeep: &DeviceUpkeep, limit: u32) -> DevicesSwept {
        let mut due: Vec<KnownDevice> = self.devices.values().flat_map(BTreeMap::values).cloned().collect();
        due.retain(|known| known.due_at <= upkeep.now);
        due.sort_unstable_by_key(|known| known.due_at);
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut swept = DevicesSwept::new(due.len() as u64, 0);
        for known in due {
            let kept_until = upkeep.keeps(&known, self.last_end_on(&known.user_id, known.id));
            let devices = self.devices.entry(known.user_id).or_default();
            match (kept_until, devices.get_mut(&known.id)) {
                (Some(until), Some(known)) => known.due_at = until,
                _ => swept.deleted += u64::from(devices.remove(&known.id).is_some()),
            }
        }
        self.devices.retain(|_, devices| !devices.is_empty());
        swept
    }

    /// Puts a session on record, in place of what was there under its key.
    pub(super) fn put(&mut self, session: Session) {
        self.remove(&session.key());
        self.by_end.insert((session.ends_at(), session.key()));
        self.users.entry(session.user_id.clone()).or_default().insert(session.id, session);
    }

    pub(super) fn remove(&mut self, key: &SessionKey) {
        let Some(sessions) = self.users.get_mut(&key.user_id) else { return };
        if let Some(gone) = sessions.remove(&key.id) {
            self.by_end.remove(&(gone.ends_at(), gone.key()));
        }
        if sessions.is_empty() {
            self.users.remove(&key.user_id);
        }
    }

    /// Puts an ending on record: the deadline that had passed by then, else the one asked for.
    pub(super) fn end(&mut self, key: &SessionKey, asked: &Ending, idle_allowance: Duration) -> EndOutcome {
        let Some(session) = self.session_mut(key) else {
            return EndOutcome::NotFound;
        };
        let before = session.ends_at();
        let outcome = asked.apply_to(session, idle_allowance);
        let after = session.ends_at();
        self.by_end.remove(&(before, key.clone()));
        self.by_end.insert((after, key.clone()));
        outcome
    }

    /// Decides over a user's token from before this crate came, and begins the adoption if need be.
    pub(super) fn adopt(&mut self, user: &UserId, adopting: &Adopting, now: Timestamp) -> Result<(), NotAdopted> {
        let issued_until = self.cutoffs.get(user).map(|cutoff| cutoff.issued_until);
        adopting.decide(now, self.adoption.is_some(), issued_until)?;
        self.adoption.get_or_insert(adopting.kept_until);
        Ok(())
    }
}
