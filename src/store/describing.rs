//! Describes every record that is read from a store, for applications that name devices themselves.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    device::{DescribeDevice, DeviceName, DeviceUpkeep, KnownDevice, Trust},
    id::{DeviceId, SessionId, SessionKey, UserId},
    policy::{Admission, TokenCutoff},
    session::{AsOf, EndedSession, Ending, Session, Touch},
    store::{
        Admitted, DevicePosition, DeviceStore, DevicesSwept, EndOutcome, EndScope, ListQuery, Rotation,
        RotationOutcome, ScanPage, SessionStore, StoreFacts, StoreFuture, devices_of,
    },
};

/// A store whose records are described by the application: every record that is read passes here, so that no use case
/// can forget it.
#[derive(Debug)]
pub(crate) struct DescribingStore {
    store: Arc<dyn SessionStore>,
    describes: Arc<dyn DescribeDevice>,
}

impl DescribingStore {
    pub(crate) fn new(store: Arc<dyn SessionStore>, describes: Arc<dyn DescribeDevice>) -> Self {
        Self { store, describes }
    }

    fn session(&self, mut session: Session) -> Session {
        session.device = session.device.described_by(Arc::clone(&self.describes));
        session
    }

    fn known(&self, mut known: KnownDevice) -> KnownDevice {
        known.device = known.device.described_by(Arc::clone(&self.describes));
        known
    }
}

impl SessionStore for DescribingStore {
    fn name(&self) -> &'static str {
        self.store.name()
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    fn facts(&self) -> StoreFacts {
        self.store.facts()
    }

    fn plain_text_peer(&self) -> StoreFuture<'_, Option<String>> {
        self.store.plain_text_peer()
    }

    fn migrate(&self) -> StoreFuture<'_, ()> {
        self.store.migrate()
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        self.store.check()
    }

    fn device_store(&self) -> Option<&dyn DeviceStore> {
        self.store.device_store().map(|_| self as &dyn DeviceStore)
    }

    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted> {
        self.store.insert(session, admission)
    }

    fn find<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, Option<Session>> {
        let found = self.store.find(key);
        Box::pin(async move { Ok(found.await?.map(|session| self.session(session))) })
    }

    fn list<'a>(&'a self, user: &'a UserId, query: &'a ListQuery) -> StoreFuture<'a, Vec<Session>> {
        let found = self.store.list(user, query);
        Box::pin(async move { Ok(found.await?.into_iter().map(|session| self.session(session)).collect()) })
    }

    fn touch<'a>(&'a self, touches: &'a [Touch]) -> StoreFuture<'a, u64> {
        self.store.touch(touches)
    }

    fn end<'a>(
        &'a self,
        key: &'a SessionKey,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, EndOutcome> {
        self.store.end(key, ending, idle_allowance)
    }

    fn expire<'a>(&'a self, key: &'a SessionKey, as_of: &'a AsOf) -> StoreFuture<'a, Option<Ending>> {
        self.store.expire(key, as_of)
    }

    fn end_all<'a>(
        &'a self,
        user: &'a UserId,
        scope: &'a EndScope,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionId>> {
        self.store.end_all(user, scope, ending, idle_allowance)
    }

    fn in_scope<'a>(&'a self, user: &'a UserId, scope: &'a EndScope) -> StoreFuture<'a, Vec<SessionId>> {
        self.store.in_scope(user, scope)
    }

    fn end_several<'a>(
        &'a self,
        keys: &'a [SessionKey],
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionKey>> {
        self.store.end_several(keys, ending, idle_allowance)
    }

    fn cut_off<'a>(&'a self, user: &'a UserId, cutoff: &'a TokenCutoff) -> StoreFuture<'a, ()> {
        self.store.cut_off(user, cutoff)
    }

    fn rename<'a>(&'a self, key: &'a SessionKey, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool> {
        self.store.rename(key, name)
    }

    fn set_data<'a>(&'a self, key: &'a SessionKey, data: &'a Map<String, Value>) -> StoreFuture<'a, bool> {
        self.store.set_data(key, data)
    }

    fn rotate<'a>(&'a self, key: &'a SessionKey, rotation: &'a Rotation) -> StoreFuture<'a, RotationOutcome> {
        self.store.rotate(key, rotation)
    }

    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64> {
        self.store.purge(ended_before, limit)
    }

    fn forget_addresses<'a>(&'a self, key: &'a SessionKey, ended_before: Timestamp) -> StoreFuture<'a, bool> {
        self.store.forget_addresses(key, ended_before)
    }

    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<EndedSession>> {
        self.store.ended_between(since, until, limit)
    }

    fn erase<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        self.store.erase(user)
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: u32) -> StoreFuture<'a, ScanPage> {
        let found = self.store.scan(cursor, limit);
        Box::pin(async move {
            let mut page = found.await?;
            page.sessions = page.sessions.into_iter().map(|session| self.session(session)).collect();
            Ok(page)
        })
    }
}

impl DeviceStore for DescribingStore {
    fn see_device<'a>(&'a self, device: &'a KnownDevice, most: u32) -> StoreFuture<'a, bool> {
        devices_of(&*self.store).see_device(device, most)
    }

    fn devices<'a>(&'a self, user: &'a UserId, after: DevicePosition, limit: u32) -> StoreFuture<'a, Vec<KnownDevice>> {
        let found = devices_of(&*self.store).devices(user, after, limit);
        Box::pin(async move { Ok(found.await?.into_iter().map(|known| self.known(known)).collect()) })
    }

    fn find_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, Option<KnownDevice>> {
        let found = devices_of(&*self.store).find_device(user, id);
        Box::pin(async move { Ok(found.await?.map(|known| self.known(known))) })
    }

    fn rename_device<'a>(
        &'a self,
        user: &'a UserId,
        id: DeviceId,
        name: Option<&'a DeviceName>,
    ) -> StoreFuture<'a, bool> {
        devices_of(&*self.store).rename_device(user, id, name)
    }

    fn trust_device<'a>(&'a self, user: &'a UserId, id: DeviceId, trust: Option<Trust>) -> StoreFuture<'a, bool> {
        devices_of(&*self.store).trust_device(user, id, trust)
    }

    fn distrust_devices<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        devices_of(&*self.store).distrust_devices(user)
    }

    fn forget_device<'a>(&'a self, user: &'a UserId, id: DeviceId, at: Timestamp) -> StoreFuture<'a, bool> {
        devices_of(&*self.store).forget_device(user, id, at)
    }

    fn purge_devices<'a>(&'a self, upkeep: &'a DeviceUpkeep, limit: u32) -> StoreFuture<'a, DevicesSwept> {
        devices_of(&*self.store).purge_devices(upkeep, limit)
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::{device::BuiltInTables, store::MemoryStore};

    crate::store_conformance!(async || DescribingStore::new(Arc::new(MemoryStore::new()), Arc::new(BuiltInTables)));
}
