use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    device::{DescribeDevice, DeviceName, KnownDevice},
    id::{DeviceId, SessionId, UserId},
    policy::Admission,
    session::{Ending, Session, Touch},
    store::{
        Admitted, Change, EndOutcome, EndScope, ListQuery, Rotation, RotationOutcome, ScanPage, SessionStore,
        StoreFuture,
    },
};

/// A store whose records are described by the application: every record that is read passes here, so that no use case can
/// forget it.
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

    fn migrate(&self) -> StoreFuture<'_, ()> {
        self.store.migrate()
    }

    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted> {
        self.store.insert(session, admission)
    }

    fn find<'a>(&'a self, user: &'a UserId, id: SessionId) -> StoreFuture<'a, Option<Session>> {
        let found = self.store.find(user, id);
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
        user: &'a UserId,
        id: SessionId,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, EndOutcome> {
        self.store.end(user, id, ending, idle_allowance)
    }

    fn expire<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        now: Timestamp,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Option<Ending>> {
        self.store.expire(user, id, now, idle_allowance)
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

    fn rename<'a>(&'a self, user: &'a UserId, id: SessionId, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool> {
        self.store.rename(user, id, name)
    }

    fn set_data<'a>(&'a self, user: &'a UserId, id: SessionId, data: &'a Map<String, Value>) -> StoreFuture<'a, bool> {
        self.store.set_data(user, id, data)
    }

    fn rotate<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        rotation: &'a Rotation,
    ) -> StoreFuture<'a, RotationOutcome> {
        self.store.rotate(user, id, rotation)
    }

    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64> {
        self.store.purge(ended_before, limit)
    }

    fn forget_addresses<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        ended_before: Timestamp,
    ) -> StoreFuture<'a, bool> {
        self.store.forget_addresses(user, id, ended_before)
    }

    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<Change>> {
        self.store.ended_between(since, until, limit)
    }

    fn see_device<'a>(&'a self, device: &'a KnownDevice) -> StoreFuture<'a, bool> {
        self.store.see_device(device)
    }

    fn devices<'a>(&'a self, user: &'a UserId, limit: u32) -> StoreFuture<'a, Vec<KnownDevice>> {
        let found = self.store.devices(user, limit);
        Box::pin(async move { Ok(found.await?.into_iter().map(|known| self.known(known)).collect()) })
    }

    fn find_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, Option<KnownDevice>> {
        let found = self.store.find_device(user, id);
        Box::pin(async move { Ok(found.await?.map(|known| self.known(known))) })
    }

    fn rename_device<'a>(
        &'a self,
        user: &'a UserId,
        id: DeviceId,
        name: Option<&'a DeviceName>,
    ) -> StoreFuture<'a, bool> {
        self.store.rename_device(user, id, name)
    }

    fn trust_device<'a>(&'a self, user: &'a UserId, id: DeviceId, until: Option<Timestamp>) -> StoreFuture<'a, bool> {
        self.store.trust_device(user, id, until)
    }

    fn distrust_devices<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        self.store.distrust_devices(user)
    }

    fn forget_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, bool> {
        self.store.forget_device(user, id)
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

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::{device::BuiltInTables, store::MemoryStore};

    crate::store_conformance!(async || DescribingStore::new(Arc::new(MemoryStore::new()), Arc::new(BuiltInTables)));
}
