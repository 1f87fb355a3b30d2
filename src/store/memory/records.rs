use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use crate::{
    clock::Timestamp,
    device::KnownDevice,
    id::{DeviceId, SessionId, UserId},
    policy::{Adopting, NotAdopted, TokenCutoff},
    session::{Ending, Session},
    store::EndOutcome,
};

/// All that the store knows.
#[derive(Default)]
pub(super) struct Records {
    pub(super) users: HashMap<UserId, BTreeMap<SessionId, Session>>,
    pub(super) by_end: BTreeSet<(Timestamp, UserId, SessionId)>,
    pub(super) devices: HashMap<UserId, BTreeMap<DeviceId, KnownDevice>>,
    pub(super) cutoffs: HashMap<UserId, TokenCutoff>,
    /// Until when the note of an adoption is kept, if one has begun.
    pub(super) adoption: Option<Timestamp>,
}

impl Records {
    pub(super) fn of(&self, user: &UserId) -> impl Iterator<Item = &Session> {
        self.users.get(user).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn session_mut(&mut self, user: &UserId, id: SessionId) -> Option<&mut Session> {
        self.users.get_mut(user)?.get_mut(&id)
    }

    pub(super) fn device_mut(&mut self, user: &UserId, id: DeviceId) -> Option<&mut KnownDevice> {
        self.devices.get_mut(user)?.get_mut(&id)
    }

    pub(super) fn insert(&mut self, session: Session) {
        self.by_end.insert((ends_at(&session), session.user_id.clone(), session.id));
        self.users.entry(session.user_id.clone()).or_default().insert(session.id, session);
    }

    /// Puts an ending on record: the deadline that had passed by then, else the one asked for.
    pub(super) fn end(&mut self, user: &UserId, id: SessionId, asked: &Ending, allowance: Duration) -> EndOutcome {
        let Some(session) = self.session_mut(user, id) else {
            return EndOutcome::NotFound;
        };
        if let Some(ending) = &session.ended {
            return EndOutcome::AlreadyEnded(ending.clone());
        }
        let passed = session.ending(asked.at, allowance);
        let before = ends_at(session);
        session.ended = Some(passed.clone().unwrap_or_else(|| asked.clone()));
        let after = ends_at(session);
        self.by_end.remove(&(before, user.clone(), id));
        self.by_end.insert((after, user.clone(), id));
        passed.map_or(EndOutcome::Ended, EndOutcome::AlreadyEnded)
    }

    /// Decides over a user's token from before this crate came, and begins the adoption if need be.
    pub(super) fn adopt(&mut self, user: &UserId, adopting: &Adopting, now: Timestamp) -> Result<(), NotAdopted> {
        let issued_until = self.cutoffs.get(user).map(|cutoff| cutoff.issued_until);
        adopting.decide(now, self.adoption.is_some(), issued_until)?;
        self.adoption.get_or_insert(adopting.kept_until);
        Ok(())
    }
}

/// When the session ended, or will at the latest.
pub(super) fn ends_at(session: &Session) -> Timestamp {
    session.ended.as_ref().map_or(session.expires_at, |ending| ending.at)
}
