use std::{fmt, pin::Pin, time::Duration};

use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    device::{DeviceName, KnownDevice},
    id::{DeviceId, SessionId, UserId},
    policy::Admission,
    session::{Actor, EndReason, Ending, Session, Touch},
    store::{Admitted, Change, EndOutcome, EndScope, ListQuery, Rotation, RotationOutcome, ScanPage, StoreError},
};

/// The future of a [`SessionStore`] method.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where session records live. The [module](crate::store) lists the rules that hold for all methods.
///
/// # Errors
///
/// Every method answers a [`StoreError`] when the engine behind it fails. Whether a change was applied is then not
/// known; each change may be asked for again.
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// A short name for logs and metrics, such as `sqlite`.
    fn name(&self) -> &'static str;

    /// Whether other processes may change what is in it. A manager over such a store
    /// [polls](crate::manager::SessionManagerBuilder::bus) it for endings, unless it is given a bus. Default: they may.
    fn is_shared(&self) -> bool {
        true
    }

    /// Creates or upgrades the schema. Safe from many nodes at once, and when there is nothing to do.
    fn migrate(&self) -> StoreFuture<'_, ()>;

    /// Inserts a new session, and ends those that make room for it, all or nothing.
    ///
    /// The sessions given to [`Admission::decide`] are those of the user that are active at `admission.now`. Evicted
    /// sessions end at `admission.now`, by the system. A record that is there already, as when an insert is repeated, is
    /// left as it is, ended or not, and nothing makes room for it.
    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted>;

    /// The record, ended or not; `None` when there is none under this user and id.
    fn find<'a>(&'a self, user: &'a UserId, id: SessionId) -> StoreFuture<'a, Option<Session>>;

    /// One page of the user's sessions, newest activity first, then by id, newest first.
    fn list<'a>(&'a self, user: &'a UserId, query: &'a ListQuery) -> StoreFuture<'a, Vec<Session>>;

    /// Records activity. A record that is gone or ended is passed over, and activity never moves backwards.
    ///
    /// The batch may be of any length; it is atomic per session, not as a whole. Several touches of one session count as
    /// one: see [`Touch::coalesce`]. Answers how many of the sessions are there and have not ended.
    fn touch<'a>(&'a self, touches: &'a [Touch]) -> StoreFuture<'a, u64>;

    /// Ends one session.
    ///
    /// A record whose deadline had passed by `ending.at` (its idle timeout after `idle_allowance`) is given *that* ending
    /// instead, and answered as [`EndOutcome::AlreadyEnded`].
    fn end<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, EndOutcome>;

    /// Puts on record that a session has passed a deadline by `now` (its idle timeout after `idle_allowance`), and changes
    /// nothing where it has not. Returns the ending that is on record then, if there is one.
    ///
    /// It fails where [`touch`](Self::touch) would: a store that takes no activity cannot tell which sessions are idle.
    ///
    /// Default: finds the record, touches it without a change, and ends it. Activity that comes in between is lost with the
    /// session, so a store that can do all of it in one atomic step does so instead.
    fn expire<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        now: Timestamp,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Option<Ending>> {
        Box::pin(async move {
            let Some(session) = self.find(user, id).await? else {
                return Ok(None);
            };
            let passed = session.ending(now, idle_allowance);
            if passed.is_none() || session.ended.is_some() {
                return Ok(passed);
            }
            self.touch(&[Touch::new(user.clone(), id, session.last_active_at)]).await?;
            let asked = Ending::new(EndReason::Idle, Actor::System, now);
            match self.end(user, id, &asked, idle_allowance).await? {
                EndOutcome::AlreadyEnded(ending) => Ok(Some(ending)),
                EndOutcome::Ended => Ok(Some(asked)),
                EndOutcome::NotFound => Ok(None),
            }
        })
    }

    /// Ends all sessions of the user that are in `scope` and were inserted before the call, and answers which.
    ///
    /// Records whose deadline had passed are treated as by [`end`](Self::end) and are not in the answer.
    fn end_all<'a>(
        &'a self,
        user: &'a UserId,
        scope: &'a EndScope,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionId>>;

    /// Gives the device of a session a name, or takes it away. Answers whether there is such a session; ended ones can be
    /// renamed too.
    fn rename<'a>(&'a self, user: &'a UserId, id: SessionId, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool>;

    /// Replaces the application's data of a session that has not ended. Answers whether there is one.
    fn set_data<'a>(&'a self, user: &'a UserId, id: SessionId, data: &'a Map<String, Value>) -> StoreFuture<'a, bool>;

    /// Moves a session from one generation of tokens to the next: a compare-and-set on
    /// [`TokenState::generation`](crate::session::TokenState::generation).
    ///
    /// Of any number of concurrent calls with the same `rotation.from`, exactly one is answered
    /// [`RotationOutcome::Rotated`]. The last generation that there is has no successor: it stays unchanged.
    fn rotate<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        rotation: &'a Rotation,
    ) -> StoreFuture<'a, RotationOutcome>;

    /// Deletes at most `limit` records that ended, or reached their absolute deadline, before `ended_before`. Answers how
    /// many.
    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64>;

    /// Forgets the addresses and the place of a session that ended, or expired, before this moment. Answers whether there is
    /// such a session; to forget them twice changes nothing.
    fn forget_addresses<'a>(
        &'a self,
        user: &'a UserId,
        id: SessionId,
        ended_before: Timestamp,
    ) -> StoreFuture<'a, bool>;

    /// The sessions that ended, or will reach their absolute deadline, at `since` or later and before `until`, in the
    /// order of that moment, at most `limit`. It is what nodes without another bus poll.
    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<Change>>;

    /// Notes that a user was seen on a device: puts the device on record, or brings its record up to date. Answers whether
    /// it was new to this user.
    ///
    /// Of a record that is there, only [`last_seen_at`](KnownDevice::last_seen_at), never backwards, and what the client
    /// says of itself change; first sight, name and trust stay. Of any number of concurrent calls for an unknown device,
    /// exactly one is answered `true`.
    fn see_device<'a>(&'a self, device: &'a KnownDevice) -> StoreFuture<'a, bool>;

    /// The devices that a user is known on, newest seen first, then by id, newest first; at most `limit`.
    fn devices<'a>(&'a self, user: &'a UserId, limit: u32) -> StoreFuture<'a, Vec<KnownDevice>>;

    /// One device of a user; `None` when the user is not known on it.
    fn find_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, Option<KnownDevice>>;

    /// Gives a device a name, or takes it away: on its own record, and on those of all its sessions of this user, ended
    /// or not. Answers whether the user is known on it.
    fn rename_device<'a>(
        &'a self,
        user: &'a UserId,
        id: DeviceId,
        name: Option<&'a DeviceName>,
    ) -> StoreFuture<'a, bool>;

    /// Trusts a device until then, or no longer. Answers whether the user is known on it.
    fn trust_device<'a>(&'a self, user: &'a UserId, id: DeviceId, until: Option<Timestamp>) -> StoreFuture<'a, bool>;

    /// Trusts no device of the user any longer. Answers how many had been trusted, whether or not the time had passed.
    fn distrust_devices<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64>;

    /// Deletes a device's record; its sessions stay as they are. Answers whether the user was known on it.
    fn forget_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, bool>;

    /// Deletes everything about a user: sessions, ended or not, and devices. Answers how many sessions there were.
    fn erase<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64>;

    /// One page of all sessions of all users, in an order of the store's own, for administration. A session that is
    /// there throughout a scan is met at least once.
    ///
    /// `cursor` is what the page before answered as its next; a text that no page has answered is an error, or an empty
    /// page.
    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: u32) -> StoreFuture<'a, ScanPage>;
}
