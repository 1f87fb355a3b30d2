//! A store for tests, whose calls fail, hang or wait as planned.

mod devices;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::{
    clock::Timestamp,
    device::DeviceName,
    id::{SessionId, SessionKey, UserId},
    policy::{Admission, TokenCutoff},
    session::{AsOf, EndedSession, Ending, Session, Touch},
    store::{
        Admitted, DeviceStore, EndOutcome, EndScope, ListQuery, Rotation, RotationOutcome, ScanPage, SessionStore,
        StoreError, StoreFacts, StoreFuture, StoreMethod,
    },
};

/// A store that fails on request, for tests of what an application does then.
///
/// It passes every call to the store it wraps, unless a fault is planned for the method. Faults planned with
/// [`fail_next`](Self::fail_next) come first, in their order, then the one planned with [`fail`](Self::fail), if any.
/// It counts the calls, and can hold them between two steps of a test. Clones share plan, counts and store, so a test
/// keeps one as a handle.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{
///     SessionId, SessionKey, UserId,
///     clock::Timestamp,
///     store::{FailingStore, Fault, MemoryStore, SessionStore, StoreMethod},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = FailingStore::new(MemoryStore::new());
/// let key = SessionKey::new(UserId::from(1), SessionId::at(Timestamp::UNIX_EPOCH));
///
/// store.fail_next(StoreMethod::Find, 1, Fault::FailBefore);
/// assert!(store.find(&key).await.is_err());
/// assert!(store.find(&key).await.is_ok());
/// assert_eq!(store.calls(StoreMethod::Find), 2);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FailingStore {
    store: Arc<dyn SessionStore>,
    plans: Arc<Mutex<HashMap<StoreMethod, Plan>>>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: u64,
    next: VecDeque<(Fault, u32)>,
    lasting: Option<Fault>,
    before: Option<Barrier>,
    after: Option<Barrier>,
}

impl Plan {
    fn take_fault(&mut self) -> Option<Fault> {
        let Some((fault, left)) = self.next.front_mut() else {
            return self.lasting;
        };
        let fault = *fault;
        *left -= 1;
        if *left == 0 {
            self.next.pop_front();
        }
        Some(fault)
    }
}

impl FailingStore {
    /// A store that passes every call to `store` until a fault is planned.
    pub fn new(store: impl SessionStore) -> Self {
        Self { store: Arc::new(store), plans: Arc::default() }
    }

    /// Makes every call of `method` meet `fault` until [`heal`](Self::heal).
    pub fn fail(&self, method: StoreMethod, fault: Fault) {
        self.plans().entry(method).or_default().lasting = Some(fault);
    }

    /// Makes the next `calls` calls of `method` meet `fault`, after those that have been planned already.
    pub fn fail_next(&self, method: StoreMethod, calls: u32, fault: Fault) {
        if calls > 0 {
            self.plans().entry(method).or_default().next.push_back((fault, calls));
        }
    }

    /// Makes every call of every method meet `fault` until [`heal`](Self::heal).
    pub fn fail_all(&self, fault: Fault) {
        for &method in StoreMethod::ALL {
            self.fail(method, fault);
        }
    }

    /// Forgets all planned faults. Calls that already hang continue to hang; gates stay as they are.
    pub fn heal(&self) {
        for plan in self.plans().values_mut() {
            plan.next.clear();
            plan.lasting = None;
        }
    }

    /// Holds the calls of `method` before the wrapped store is asked, until the gate is opened.
    pub fn hold_before(&self, method: StoreMethod) -> Gate {
        let (gate, barrier) = gate();
        self.plans().entry(method).or_default().before = Some(barrier);
        gate
    }

    /// Holds the calls of `method` after the wrapped store has returned, until the gate is opened: their result is that
    /// of when they arrived.
    pub fn hold_after(&self, method: StoreMethod) -> Gate {
        let (gate, barrier) = gate();
        self.plans().entry(method).or_default().after = Some(barrier);
        gate
    }

    /// How often `method` has been called, counting calls that failed.
    pub fn calls(&self, method: StoreMethod) -> u64 {
        self.plans().get(&method).map_or(0, |plan| plan.calls)
    }

    /// How often any method has been called, counting calls that failed.
    pub fn all_calls(&self) -> u64 {
        self.plans().values().map(|plan| plan.calls).sum()
    }

    fn plans(&self) -> MutexGuard<'_, HashMap<StoreMethod, Plan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        method: StoreMethod,
        pass_on: impl FnOnce(&'a dyn SessionStore) -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            let (fault, before, after) = {
                let mut plans = self.plans();
                let plan = plans.entry(method).or_default();
                plan.calls += 1;
                (plan.take_fault(), plan.before.clone(), plan.after.clone())
            };
            pass(before).await;
            match fault {
                Some(Fault::FailBefore) => return Err(StoreError::unavailable("a planned failure, before the change")),
                Some(Fault::HangBefore) => pending().await,
                Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
                Some(Fault::Panic) => panic!("a planned panic in {method:?}"),
                Some(Fault::FailAfter | Fault::HangAfter | Fault::DelayAfter(_)) | None => {}
            }
            let answer = pass_on(&*self.store).await;
            pass(after).await;
            match fault {
                Some(Fault::FailAfter) => Err(StoreError::unavailable("a planned failure, after the change")),
                Some(Fault::HangAfter) => pending().await,
                Some(Fault::DelayAfter(delay)) => {
                    tokio::time::sleep(delay).await;
                    answer
                }
                _ => answer,
            }
        })
    }
}

/// What a call of a [`FailingStore`] meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails, and the wrapped store is not asked.
    FailBefore,
    /// It fails although the wrapped store has succeeded: a commit whose result was lost.
    FailAfter,
    /// It never returns, and the wrapped store is not asked.
    HangBefore,
    /// It never returns although the wrapped store has.
    HangAfter,
    /// It waits this long before the wrapped store is asked.
    Delay(Duration),
    /// It waits this long after the wrapped store has returned: the result is that old when it arrives.
    DelayAfter(Duration),
    /// It panics, and the wrapped store is not asked.
    Panic,
}

/// Holds the calls of one method of a [`FailingStore`], to force an order of events. Dropping it opens it.
#[must_use = "dropping the gate opens it"]
pub struct Gate {
    open: watch::Sender<bool>,
    arrived: watch::Receiver<u64>,
}

impl Gate {
    /// Waits until `calls` calls have arrived at the gate since it was closed.
    pub async fn arrived(&self, calls: u64) {
        // The store, which holds the other end, may have been dropped; then nothing more arrives and there is nothing
        // to wait for.
        let _ = self.arrived.clone().wait_for(|arrived| *arrived >= calls).await;
    }

    /// Lets the waiting calls continue, and later ones pass.
    pub fn open(self) {}
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("arrived", &*self.arrived.borrow()).finish_non_exhaustive()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open.send_replace(true);
    }
}

#[derive(Clone, Debug)]
struct Barrier {
    open: watch::Receiver<bool>,
    arrived: watch::Sender<u64>,
}

fn gate() -> (Gate, Barrier) {
    let (open, opened) = watch::channel(false);
    let (arrived, arrivals) = watch::channel(0);
    (Gate { open, arrived: arrivals }, Barrier { open: opened, arrived })
}

async fn pass(barrier: Option<Barrier>) {
    let Some(mut barrier) = barrier else { return };
    barrier.arrived.send_modify(|arrived| *arrived += 1);
    // A gate that is gone is open.
    let _ = barrier.open.wait_for(|open| *open).await;
}

impl SessionStore for FailingStore {
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
        self.call(StoreMethod::Migrate, |store| store.migrate())
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        self.call(StoreMethod::Check, |store| store.check())
    }

    fn device_store(&self) -> Option<&dyn DeviceStore> {
        self.store.device_store().map(|_| self as &dyn DeviceStore)
    }

    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted> {
        self.call(StoreMethod::Insert, move |store| store.insert(session, admission))
    }

    fn find<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, Option<Session>> {
        self.call(StoreMethod::Find, move |store| store.find(key))
    }

    fn list<'a>(&'a self, user: &'a UserId, query: &'a ListQuery) -> StoreFuture<'a, Vec<Session>> {
        self.call(StoreMethod::List, move |store| store.list(user, query))
    }

    fn touch<'a>(&'a self, touches: &'a [Touch]) -> StoreFuture<'a, u64> {
        self.call(StoreMethod::Touch, move |store| store.touch(touches))
    }

    fn end<'a>(
        &'a self,
        key: &'a SessionKey,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, EndOutcome> {
        self.call(StoreMethod::End, move |store| store.end(key, ending, idle_allowance))
    }

    fn expire<'a>(&'a self, key: &'a SessionKey, as_of: &'a AsOf) -> StoreFuture<'a, Option<Ending>> {
        self.call(StoreMethod::Expire, move |store| store.expire(key, as_of))
    }

    fn end_all<'a>(
        &'a self,
        user: &'a UserId,
        scope: &'a EndScope,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionId>> {
        self.call(StoreMethod::EndAll, move |store| store.end_all(user, scope, ending, idle_allowance))
    }

    fn in_scope<'a>(&'a self, user: &'a UserId, scope: &'a EndScope) -> StoreFuture<'a, Vec<SessionId>> {
        self.call(StoreMethod::InScope, move |store| store.in_scope(user, scope))
    }

    fn end_several<'a>(
        &'a self,
        keys: &'a [SessionKey],
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionKey>> {
        self.call(StoreMethod::EndSeveral, move |store| store.end_several(keys, ending, idle_allowance))
    }

    fn cut_off<'a>(&'a self, user: &'a UserId, cutoff: &'a TokenCutoff) -> StoreFuture<'a, ()> {
        self.call(StoreMethod::CutOff, move |store| store.cut_off(user, cutoff))
    }

    fn rename<'a>(&'a self, key: &'a SessionKey, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool> {
        self.call(StoreMethod::Rename, move |store| store.rename(key, name))
    }

    fn set_data<'a>(&'a self, key: &'a SessionKey, data: &'a Map<String, Value>) -> StoreFuture<'a, bool> {
        self.call(StoreMethod::SetData, move |store| store.set_data(key, data))
    }

    fn rotate<'a>(&'a self, key: &'a SessionKey, rotation: &'a Rotation) -> StoreFuture<'a, RotationOutcome> {
        self.call(StoreMethod::Rotate, move |store| store.rotate(key, rotation))
    }

    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64> {
        self.call(StoreMethod::Purge, move |store| store.purge(ended_before, limit))
    }

    fn forget_addresses<'a>(&'a self, key: &'a SessionKey, ended_before: Timestamp) -> StoreFuture<'a, bool> {
        self.call(StoreMethod::ForgetAddresses, move |store| store.forget_addresses(key, ended_before))
    }

    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<EndedSession>> {
        self.call(StoreMethod::EndedBetween, move |store| store.ended_between(since, until, limit))
    }

    fn erase<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        self.call(StoreMethod::Erase, move |store| store.erase(user))
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: u32) -> StoreFuture<'a, ScanPage> {
        self.call(StoreMethod::Scan, move |store| store.scan(cursor, limit))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        session::{AsOf, EndReason},
        store::MemoryStore,
    };

    crate::store_conformance!(async || FailingStore::new(MemoryStore::new()));

    async fn store_with_a_session() -> Result<(FailingStore, Session), StoreError> {
        let now = Timestamp::from_seconds(1_767_225_600);
        let session = Session::new(UserId::from(1), now, now.saturating_add(Duration::from_secs(60)));
        let store = FailingStore::new(MemoryStore::new());
        store.insert(&session, &Admission::new(AsOf::new(now, Duration::ZERO))).await?;
        Ok((store, session))
    }

    async fn end(store: &FailingStore, session: &Session) -> Result<EndOutcome, StoreError> {
        let ending = Ending::new(EndReason::SignedOut, crate::session::Actor::System, session.created_at);
        store.end(&session.key(), &ending, Duration::ZERO).await
    }

    async fn is_ended(store: &FailingStore, session: &Session) -> Result<bool, StoreError> {
        Ok(store.find(&session.key()).await?.is_some_and(|found| found.ended.is_some()))
    }

    #[tokio::test]
    async fn a_failure_before_changes_nothing_and_one_after_hides_the_change() -> Result<(), StoreError> {
        let (store, session) = store_with_a_session().await?;
        store.fail_next(StoreMethod::End, 1, Fault::FailBefore);
        store.fail_next(StoreMethod::End, 1, Fault::FailAfter);
        assert!(end(&store, &session).await.is_err());
        assert!(!is_ended(&store, &session).await?);
        assert!(end(&store, &session).await.is_err());
        assert!(is_ended(&store, &session).await?);
        assert!(matches!(end(&store, &session).await?, EndOutcome::AlreadyEnded(_)));
        assert_eq!((store.calls(StoreMethod::End), store.calls(StoreMethod::Touch)), (3, 0));
        Ok(())
    }

    #[tokio::test]
    async fn a_lasting_fault_lasts_until_healed() -> Result<(), StoreError> {
        let (store, session) = store_with_a_session().await?;
        store.fail_all(Fault::FailBefore);
        for _ in 0..3 {
            assert!(is_ended(&store, &session).await.is_err());
        }
        store.heal();
        assert!(!is_ended(&store, &session).await?);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_call_never_answers_and_a_delayed_one_late() -> Result<(), StoreError> {
        let (store, session) = store_with_a_session().await?;
        let day = Duration::from_secs(86_400);
        for (fault, ended) in [(Fault::HangBefore, false), (Fault::HangAfter, true)] {
            store.fail_next(StoreMethod::End, 1, fault);
            assert!(tokio::time::timeout(day, end(&store, &session)).await.is_err());
            assert_eq!(is_ended(&store, &session).await?, ended);
        }

        for fault in [Fault::Delay(day), Fault::DelayAfter(day)] {
            store.fail_next(StoreMethod::Find, 1, fault);
            let before = tokio::time::Instant::now();
            is_ended(&store, &session).await?;
            assert_eq!(before.elapsed(), day);
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_planned_panic_happens_once() -> Result<(), StoreError> {
        let (store, session) = store_with_a_session().await?;
        store.fail_next(StoreMethod::Find, 1, Fault::Panic);
        let panicking = tokio::spawn({
            let (store, session) = (store.clone(), session.clone());
            async move { is_ended(&store, &session).await }
        });
        assert!(panicking.await.is_err_and(|error| error.is_panic()));
        assert!(!is_ended(&store, &session).await?);
        Ok(())
    }

    #[tokio::test]
    async fn a_held_load_answers_what_was_so_when_it_arrived() -> Result<(), Box<dyn std::error::Error>> {
        let (store, session) = store_with_a_session().await?;
        let gate = store.hold_after(StoreMethod::Find);
        let load = tokio::spawn({
            let (store, session) = (store.clone(), session.clone());
            async move { is_ended(&store, &session).await }
        });
        gate.arrived(1).await;
        end(&store, &session).await?;
        gate.open();
        assert!(!load.await??);
        assert!(is_ended(&store, &session).await?);
        Ok(())
    }
}
