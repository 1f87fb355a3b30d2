//! Asks the store: within its deadline, with metrics, and with devices described as the application wishes.

use std::sync::Arc;

use tokio::time;

use crate::{
    device::{Device, KnownDevice},
    error::{Error, ErrorKind},
    id::{DeviceId, SessionKey, UserId},
    logging,
    manager::records::Records,
    metrics::{Answered, Operation, Stopwatch},
    session::Session,
    store::{DevicePosition, ListQuery, ScanPage, SessionStore, StoreError, StoreFuture, devices_of},
};

impl Records {
    /// One record, ended or not.
    pub(in crate::manager) async fn find(&self, key: &SessionKey) -> Result<Option<Session>, Error> {
        let found = self.ask(Operation::Find, |store| store.find(key)).await?;
        Ok(found.map(|session| self.described_session(session)))
    }

    /// The same when there is a free place among the loads. The deadline counts the wait for it.
    pub(in crate::manager) async fn find_in_turn(&self, key: &SessionKey) -> Result<Option<Session>, Error> {
        let in_turn = async {
            let _place = self.loads.acquire().await;
            self.store.find(key).await
        };
        let found = self.within_deadline(Operation::Find, in_turn).await?;
        Ok(found.map(|session| self.described_session(session)))
    }

    pub(in crate::manager) async fn list(&self, user: &UserId, query: &ListQuery) -> Result<Vec<Session>, Error> {
        let page = self.ask(Operation::List, |store| store.list(user, query)).await?;
        Ok(page.into_iter().map(|session| self.described_session(session)).collect())
    }

    /// One page of all sessions of all users.
    pub(in crate::manager) async fn scan(&self, cursor: Option<&str>, limit: u32) -> Result<ScanPage, Error> {
        let mut page = self.ask(Operation::Scan, |store| store.scan(cursor, limit)).await?;
        page.sessions = page.sessions.into_iter().map(|session| self.described_session(session)).collect();
        Ok(page)
    }

    /// What is on record of one device, also of one that was forgotten.
    pub(in crate::manager) async fn known_device(
        &self,
        user: &UserId,
        id: DeviceId,
    ) -> Result<Option<KnownDevice>, Error> {
        let found = self.ask(Operation::FindDevice, |store| devices_of(store).find_device(user, id)).await?;
        Ok(found.map(|known| self.described_known(known)))
    }

    pub(in crate::manager) async fn known_devices(
        &self,
        user: &UserId,
        after: DevicePosition,
        limit: u32,
    ) -> Result<Vec<KnownDevice>, Error> {
        let page = self.ask(Operation::Devices, |store| devices_of(store).devices(user, after, limit)).await?;
        Ok(page.into_iter().map(|known| self.described_known(known)).collect())
    }

    /// Asks the store within the deadline, once.
    pub(in crate::manager) async fn ask<'a, T>(
        &'a self,
        operation: Operation,
        call: impl FnOnce(&'a dyn SessionStore) -> StoreFuture<'a, T>,
    ) -> Result<T, Error> {
        self.within_deadline(operation, call(&*self.store)).await
    }

    pub(in crate::manager) fn store_name(&self) -> &'static str {
        self.store.name()
    }

    /// Asks the store where it is, and whether anybody on the way can read along. One that cannot tell has nothing to
    /// tell.
    pub(in crate::manager) async fn plain_text_peer(&self) -> Option<String> {
        let asked = time::timeout(self.settings.store_deadline, self.store.plain_text_peer()).await;
        asked.ok()?.ok()?
    }

    /// Waits for the store, at most until the deadline.
    pub(super) async fn within_deadline<T>(
        &self,
        operation: Operation,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Error> {
        let since = Stopwatch::start(&self.clock);
        let (answered, result) = match time::timeout(self.settings.store_deadline, answer).await {
            Ok(Ok(value)) => (Answered::Ok, Ok(value)),
            Ok(Err(error)) => {
                logging::store_failed(operation.as_str(), &error);
                (Answered::Error, Err(error.into()))
            }
            Err(elapsed) => {
                logging::store_timed_out(operation.as_str());
                (Answered::Timeout, Err(Error::with_source(ErrorKind::Unavailable, elapsed)))
            }
        };
        if let Some(nodes) = &self.nodes {
            nodes.note_store(result.is_err());
        }
        self.metrics.answered(operation, answered, since, &self.clock);
        result
    }

    /// A record as the application describes its device.
    pub(super) fn described_session(&self, session: Session) -> Session {
        Session { device: self.described(session.device), ..session }
    }

    fn described_known(&self, known: KnownDevice) -> KnownDevice {
        KnownDevice { device: self.described(known.device), ..known }
    }

    pub(super) fn described(&self, device: Device) -> Device {
        match &self.settings.describes {
            Some(describes) => device.described_by(Arc::clone(describes)),
            None => device,
        }
    }
}
