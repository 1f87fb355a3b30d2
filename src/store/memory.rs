use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    device::{DeviceName, KnownDevice},
    id::{DeviceId, SessionId, UserId},
    policy::{ActiveSession, Admission},
    session::{Actor, Ending, Session, Touch},
    store::{
        Admitted, Change, EndOutcome, EndScope, ListPosition, ListQuery, Rotation, RotationOutcome, ScanPage,
        SessionStore, StoreError, StoreFuture,
    },
};

/// A store in this process's memory: for tests, for trying things out, and for applications that may forget.
///
/// Clones share the same records. All is lost when the process ends.
#[derive(Clone, Default)]
pub struct MemoryStore {
    records: Arc<Mutex<Records>>,
}

#[derive(Default)]
struct Records {
    users: HashMap<UserId, BTreeMap<SessionId, Session>>,
    by_end: BTreeSet<(Timestamp, UserId, SessionId)>,
    devices: HashMap<UserId, BTreeMap<DeviceId, KnownDevice>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        // No method leaves the records half changed, so those a panicking caller left behind are as good as any.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("sessions", &self.records().by_end.len()).finish()
    }
}

impl Records {
    fn of(&self, user: &UserId) -> impl Iterator<Item = &Session> {
        self.users.get(user).into_iter().flat_map(BTreeMap::values)
    }

    fn session_mut(&mut self, user: &UserId, id: SessionId) -> Option<&mut Session> {
        self.users.get_mut(user)?.get_mut(&id)
    }

    fn device_mut(&mut self, user: &UserId, id: DeviceId) -> Option<&mut KnownDevice> {
        self.devices.get_mut(user)?.get_mut(&id)
    }

    fn insert(&mut self, session: Session) {
        self.by_end.insert((ends_at(&session), session.user_id.clone(), session.id));
        self.users.entry(session.user_id.clone()).or_default().insert(session.id, session);
    }

    /// Puts an ending on record: the deadline that had passed by then, else the one asked for.
    fn end(&mut self, user: &UserId, id: SessionId, asked: &Ending, allowance: Duration) -> EndOutcome {
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
}

/// When the session ended, or will at the latest.
fn ends_at(session: &Session) -> Timestamp {
    session.ended.as_ref().map_or(session.expires_at, |ending| ending.at)
}

impl SessionStore for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn migrate(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted> {
        Box::pin(async move {
            let mut records = self.records();
            if records.session_mut(&session.user_id, session.id).is_some() {
                return Ok(Admitted::Inserted(Vec::new()));
            }
            let active: Vec<ActiveSession> = records
                .of(&session.user_id)
                .filter(|other| other.is_active(admission.now, admission.idle_allowance))
                .map(ActiveSession::from)
                .collect();
            let evictions = match admission.decide(&ActiveSession::from(session), &active) {
                Ok(evictions) => evictions,
                Err(full) => return Ok(Admitted::Refused(full)),
            };
            for eviction in &evictions {
                let ending = Ending::new(eviction.reason, Actor::System, admission.now);
                records.end(&session.user_id, eviction.id, &ending, admission.idle_allowance);
            }
            records.insert(session.clone());
            Ok(Admitted::Inserted(evictions))
        })
    }

    fn find<'a>(&'a self, user: &'a UserId, id: SessionId) -> StoreFuture<'a, Option<Session>> {
        Box::pin(async move { Ok(self.records().users.get(user).and_then(|sessions| sessions.get(&id)).cloned()) })
    }

    fn list<'a>(&'a self, user: &'a UserId, query: &'a ListQuery) -> StoreFuture<'a, Vec<Session>> {
        Box::pin(async move {
            let records = self.records();
            let mut page: Vec<&Session> = records.of(user).filter(|session| query.selects(session)).collect();
            page.sort_unstable_by_key(|session| std::cmp::Reverse(ListPosition::of(session)));
            page.truncate(usize::try_from(query.limit).unwrap_or(usize::MAX));
            Ok(page.into_iter().cloned().collect())
        })
    }

    fn touch<'a>(&'a self, touches: &'a [Touch]) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut records = self.records();
            let mut changed = 0;
            for touch in Touch::coalesce(touches) {
                let Some(session) = records.session_mut(&touch.user_id, touch.id).filter(|s| s.ended.is_none()) else {
                    continue;
                };
                changed += 1;
                if session.last_active_at <= touch.at {
                    session.last_active_at = touch.at;
                    session.last_ip = touch.ip.or(session.last_ip);
                }
                session.tokens.newest_seen |= touch.generation == Some(session.tokens.generation);
            }
            Ok(changed)
        })
    }

    fn end<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, EndOutcome> {
        Box::pin(async move { Ok(self.records().end(user, id, ending, idle_allowance)) })
    }

    fn expire<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        now: Timestamp,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Option<Ending>> {
        Box::pin(async move {
            let mut records = self.records();
            let passed = records.session_mut(user, id).and_then(|session| session.ending(now, idle_allowance));
            if let Some(ending) = &passed {
                records.end(user, id, ending, idle_allowance);
            }
            Ok(passed)
        })
    }

    fn end_all<'a>(
        &'a self,
        user: &'a UserId,
        scope: &'a EndScope,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionId>> {
        Box::pin(async move {
            let mut records = self.records();
            let mut ids: Vec<SessionId> = records.of(user).filter(|s| scope.includes(s)).map(|s| s.id).collect();
            ids.retain(|&id| records.end(user, id, ending, idle_allowance) == EndOutcome::Ended);
            Ok(ids)
        })
    }

    fn rename<'a>(&'a self, user: &'a UserId, id: SessionId, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            let session = records.session_mut(user, id);
            Ok(session.map(|session| session.device.custom_name = name.cloned()).is_some())
        })
    }

    fn set_data<'a>(&'a self, user: &'a UserId, id: SessionId, data: &'a Map<String, Value>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            let session = records.session_mut(user, id).filter(|session| session.ended.is_none());
            Ok(session.map(|session| session.data = data.clone()).is_some())
        })
    }

    fn rotate<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        rotation: &'a Rotation,
    ) -> StoreFuture<'a, RotationOutcome> {
        Box::pin(async move {
            let mut records = self.records();
            let Some(session) = records.session_mut(user, id) else {
                return Ok(RotationOutcome::NotFound);
            };
            let active = session.is_active(rotation.at, rotation.idle_allowance);
            let next = rotation.from.checked_add(1).filter(|_| active && session.tokens.generation == rotation.from);
            let Some(next) = next else {
                return Ok(RotationOutcome::Unchanged(Box::new(session.clone())));
            };
            session.tokens.generation = next;
            session.tokens.rotated_at = Some(rotation.at);
            session.tokens.newest_seen = false;
            session.last_active_at = session.last_active_at.max(rotation.at);
            if rotation.refuse_older {
                session.tokens.least_generation = session.tokens.generation;
            }
            if let Some(proof) = &rotation.proof {
                session.methods = proof.methods.clone();
                session.assurance_level = proof.assurance_level;
                session.authenticated_at = rotation.at;
            }
            Ok(RotationOutcome::Rotated(Box::new(session.clone())))
        })
    }

    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let mut records = self.records();
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let due: Vec<_> =
                records.by_end.iter().take_while(|(at, ..)| *at < ended_before).take(limit).cloned().collect();
            for entry in &due {
                records.by_end.remove(entry);
                let (_, user, id) = entry;
                let left = records.users.get_mut(user).map(|sessions| {
                    sessions.remove(id);
                    sessions.len()
                });
                if left == Some(0) {
                    records.users.remove(user);
                }
            }
            Ok(due.len() as u64)
        })
    }

    fn forget_addresses<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        ended_before: Timestamp,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            let session = records.session_mut(user, id).filter(|session| ends_at(session) < ended_before);
            let forget = |session: &mut Session| {
                (session.created_ip, session.last_ip, session.location) = (None, None, None);
            };
            Ok(session.map(forget).is_some())
        })
    }

    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<Change>> {
        Box::pin(async move {
            let records = self.records();
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let from = records.by_end.iter().filter(|(at, ..)| (since..until).contains(at));
            Ok(from.take(limit).map(|(at, user, id)| Change::new(user.clone(), *id, *at)).collect())
        })
    }

    fn see_device<'a>(&'a self, seen: &'a KnownDevice) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            let devices = records.devices.entry(seen.user_id.clone()).or_default();
            let Some(known) = devices.get_mut(&seen.id) else {
                devices.insert(seen.id, seen.clone());
                return Ok(true);
            };
            let name = known.device.custom_name.clone();
            known.device = seen.device.clone().custom_name(name);
            known.last_seen_at = known.last_seen_at.max(seen.last_seen_at);
            Ok(false)
        })
    }

    fn devices<'a>(&'a self, user: &'a UserId, limit: u32) -> StoreFuture<'a, Vec<KnownDevice>> {
        Box::pin(async move {
            let records = self.records();
            let mut devices: Vec<_> = records.devices.get(user).into_iter().flat_map(BTreeMap::values).collect();
            devices.sort_unstable_by_key(|device| std::cmp::Reverse((device.last_seen_at, device.id)));
            devices.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(devices.into_iter().cloned().collect())
        })
    }

    fn find_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, Option<KnownDevice>> {
        Box::pin(async move { Ok(self.records().devices.get(user).and_then(|devices| devices.get(&id)).cloned()) })
    }

    fn rename_device<'a>(
        &'a self,
        user: &'a UserId,
        id: DeviceId,
        name: Option<&'a DeviceName>,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            let Some(known) = records.device_mut(user, id) else {
                return Ok(false);
            };
            known.device.custom_name = name.cloned();
            let sessions = records.users.get_mut(user).into_iter().flat_map(BTreeMap::values_mut);
            for session in sessions.filter(|session| session.device_id == Some(id)) {
                session.device.custom_name = name.cloned();
            }
            Ok(true)
        })
    }

    fn trust_device<'a>(&'a self, user: &'a UserId, id: DeviceId, until: Option<Timestamp>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            Ok(records.device_mut(user, id).map(|known| known.trusted_until = until).is_some())
        })
    }

    fn distrust_devices<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut records = self.records();
            let devices = records.devices.get_mut(user).into_iter().flat_map(BTreeMap::values_mut);
            Ok(devices.filter_map(|device| device.trusted_until.take()).count() as u64)
        })
    }

    fn forget_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            Ok(records.devices.get_mut(user).is_some_and(|devices| devices.remove(&id).is_some()))
        })
    }

    fn erase<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut records = self.records();
            records.devices.remove(user);
            let sessions = records.users.remove(user).unwrap_or_default();
            for session in sessions.values() {
                records.by_end.remove(&(ends_at(session), user.clone(), session.id));
            }
            Ok(sessions.len() as u64)
        })
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: u32) -> StoreFuture<'a, ScanPage> {
        Box::pin(async move {
            let after: Option<SessionId> = cursor.map(str::parse).transpose().map_err(StoreError::corrupt)?;
            let records = self.records();
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let mut sessions: Vec<&Session> = records.users.values().flat_map(BTreeMap::values).collect();
            sessions.retain(|session| after.is_none_or(|after| session.id > after));
            sessions.sort_unstable_by_key(|session| session.id);
            let has_more = sessions.len() > limit;
            sessions.truncate(limit);
            let next = sessions.last().filter(|_| has_more).map(|last| last.id.to_string());
            Ok(ScanPage::new(sessions.into_iter().cloned().collect(), next))
        })
    }
}
