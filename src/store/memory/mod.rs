//! A store in the memory of one process.

mod records;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};

use self::records::Records;
use crate::{
    clock::Timestamp,
    device::{DeviceName, DeviceUpkeep, KnownDevice, Trust},
    id::{DeviceId, SessionId, SessionKey, UserId},
    policy::{Admission, TokenCutoff},
    session::{AsOf, EndedSession, Ending, Session, Touch},
    store::{
        Admitted, DevicePosition, DeviceStore, DevicesSwept, EndOutcome, EndScope, ListQuery, Rotation,
        RotationOutcome, ScanPage, SessionStore, StoreFacts, StoreFuture, StoreRetention,
    },
};

/// A store in the memory of this process, for tests, trials, and applications that may lose their sessions.
///
/// Clones share the same records. All records are lost when the process ends.
#[derive(Clone, Default)]
pub struct MemoryStore {
    records: Arc<Mutex<Records>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        // No method leaves the records half changed, so they are valid even after a caller has panicked.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("sessions", &self.records().by_end.len()).finish()
    }
}

impl SessionStore for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn facts(&self) -> StoreFacts {
        StoreFacts::new().retention(StoreRetention::UntilPurged)
    }

    fn migrate(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn device_store(&self) -> Option<&dyn DeviceStore> {
        Some(self)
    }

    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted> {
        Box::pin(async move {
            let mut records = self.records();
            if records.session_mut(&session.key()).is_some() {
                return Ok(Admitted::Inserted(Vec::new()));
            }
            if let Some(adopting) = &admission.adopts
                && let Err(why) = records.adopt(&session.user_id, adopting, admission.as_of.now)
            {
                return Ok(Admitted::NotAdopted(why));
            }
            let room = match admission.apply_to(session, records.of(&session.user_id)) {
                Ok(room) => room,
                Err(unchanged) => return Ok(unchanged),
            };
            room.ended.into_iter().chain([session.clone()]).for_each(|session| records.put(session));
            room.trimmed.iter().for_each(|session| records.remove(&session.key()));
            Ok(Admitted::Inserted(room.evictions))
        })
    }

    fn find<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, Option<Session>> {
        Box::pin(async move { Ok(self.records().session_mut(key).cloned()) })
    }

    fn list<'a>(&'a self, user: &'a UserId, query: &'a ListQuery) -> StoreFuture<'a, Vec<Session>> {
        Box::pin(async move { Ok(query.page(self.records().of(user))) })
    }

    fn touch<'a>(&'a self, touches: &'a [Touch]) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut records = self.records();
            let mut changed = 0;
            for touch in Touch::coalesce(touches) {
                let Some(session) = records.session_mut(&touch.key) else {
                    continue;
                };
                changed += u64::from(touch.apply_to(session));
            }
            Ok(changed)
        })
    }

    fn end<'a>(
        &'a self,
        key: &'a SessionKey,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, EndOutcome> {
        Box::pin(async move { Ok(self.records().end(key, ending, idle_allowance)) })
    }

    fn expire<'a>(&'a self, key: &'a SessionKey, as_of: &'a AsOf) -> StoreFuture<'a, Option<Ending>> {
        Box::pin(async move {
            let mut records = self.records();
            let passed = records.session_mut(key).and_then(|session| session.ending(as_of));
            if let Some(ending) = &passed {
                records.end(key, ending, as_of.idle_allowance);
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
            ids.retain(|&id| {
                records.end(&SessionKey::new(user.clone(), id), ending, idle_allowance) == EndOutcome::Ended
            });
            Ok(ids)
        })
    }

    fn cut_off<'a>(&'a self, user: &'a UserId, cutoff: &'a TokenCutoff) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut records = self.records();
            let kept = records.cutoffs.entry(user.clone()).or_insert(*cutoff);
            *kept = kept.and(*cutoff);
            Ok(())
        })
    }

    fn rename<'a>(&'a self, key: &'a SessionKey, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            let session = records.session_mut(key);
            let found = session.is_some();
            if let Some(session) = session {
                session.device.custom_name = name.cloned();
            }
            Ok(found)
        })
    }

    fn set_data<'a>(&'a self, key: &'a SessionKey, data: &'a Map<String, Value>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            let session = records.session_mut(key).filter(|session| session.ended.is_none());
            let found = session.is_some();
            if let Some(session) = session {
                session.data = data.clone();
            }
            Ok(found)
        })
    }

    fn rotate<'a>(&'a self, key: &'a SessionKey, rotation: &'a Rotation) -> StoreFuture<'a, RotationOutcome> {
        Box::pin(async move {
            let mut records = self.records();
            let Some(session) = records.session_mut(key) else {
                return Ok(RotationOutcome::NotFound);
            };
            Ok(rotation.apply_to(session))
        })
    }

    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let mut records = self.records();
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let due: Vec<_> =
                records.by_end.iter().take_while(|(at, ..)| *at < ended_before).take(limit).cloned().collect();
            due.iter().for_each(|(_, key)| records.remove(key));
            records.cutoffs.retain(|_, cutoff| cutoff.kept_until >= ended_before);
            records.adoption = records.adoption.filter(|&kept_until| kept_until >= ended_before);
            Ok(due.len() as u64)
        })
    }

    fn forget_addresses<'a>(&'a self, key: &'a SessionKey, ended_before: Timestamp) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            Ok(records.session_mut(key).is_some_and(|session| session.forget_addresses(ended_before)))
        })
    }

    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<EndedSession>> {
        Box::pin(async move {
            let records = self.records();
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let from = records.by_end.iter().filter(|(at, ..)| (since..until).contains(at));
            Ok(from.take(limit).map(|(at, key)| EndedSession::new(key.clone(), *at)).collect())
        })
    }

    fn erase<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut records = self.records();
            records.devices.remove(user);
            let sessions = records.users.remove(user).unwrap_or_default();
            for session in sessions.values() {
                records.by_end.remove(&(session.ends_at(), session.key()));
            }
            Ok(sessions.len() as u64)
        })
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: u32) -> StoreFuture<'a, ScanPage> {
        Box::pin(
            async move { ScanPage::by_id(self.records().users.values().flat_map(BTreeMap::values), cursor, limit) },
        )
    }
}

impl DeviceStore for MemoryStore {
    fn see_device<'a>(&'a self, seen: &'a KnownDevice, most: u32) -> StoreFuture<'a, bool> {
        Box::pin(async move { Ok(self.records().see_device(seen, most)) })
    }

    fn devices<'a>(&'a self, user: &'a UserId, after: DevicePosition, limit: u32) -> StoreFuture<'a, Vec<KnownDevice>> {
        Box::pin(async move {
            let records = self.records();
            let mut devices: Vec<_> = records.devices.get(user).into_iter().flat_map(BTreeMap::values).collect();
            devices.retain(|known| DevicePosition::of(known) < after);
            devices.sort_unstable_by_key(|known| std::cmp::Reverse(DevicePosition::of(known)));
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

    fn trust_device<'a>(&'a self, user: &'a UserId, id: DeviceId, trust: Option<Trust>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            let known = records.device_mut(user, id);
            let found = known.is_some();
            if let Some(known) = known {
                known.trust = trust;
            }
            Ok(found)
        })
    }

    fn distrust_devices<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut records = self.records();
            let devices = records.devices.get_mut(user).into_iter().flat_map(BTreeMap::values_mut);
            Ok(devices.filter_map(|device| device.trust.take()).count() as u64)
        })
    }

    fn forget_device<'a>(&'a self, user: &'a UserId, id: DeviceId, at: Timestamp) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut records = self.records();
            let known = records.device_mut(user, id);
            let found = known.is_some();
            if let Some(known) = known {
                *known = KnownDevice::forgotten(user.clone(), id, at);
            }
            Ok(found)
        })
    }

    fn purge_devices<'a>(&'a self, upkeep: &'a DeviceUpkeep, limit: u32) -> StoreFuture<'a, DevicesSwept> {
        Box::pin(async move { Ok(self.records().purge_devices(upkeep, limit)) })
    }
}
