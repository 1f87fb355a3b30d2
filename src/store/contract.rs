//! The contract of a store: what each operation does, and what it returns.

use std::{fmt, pin::Pin, time::Duration};

use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    device::{DeviceName, DeviceUpkeep, KnownDevice, Trust},
    id::{DeviceId, SessionId, SessionKey, UserId},
    policy::{Admission, TokenCutoff},
    session::{Actor, AsOf, EndReason, EndedSession, Ending, Session, Touch},
    store::{
        Admitted, DevicePosition, DevicesSwept, EndOutcome, EndScope, ListQuery, Rotation, RotationOutcome, ScanPage,
        StoreError, StoreFacts,
    },
};

/// The future of a [`SessionStore`] method.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where session records live. The [module](crate::store) lists the rules that hold for all methods.
///
/// Applications call [`migrate`](Self::migrate) and leave the rest to the manager. The guide
/// [`custom_store`](crate::guide::custom_store) is about a store of your own.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{
///     KeyRing, SessionManager,
///     store::{MemoryStore, SessionStore},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// store.migrate().await?;
/// let sessions = SessionManager::builder(store).keys(KeyRing::random()?).build()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Every method returns a [`StoreError`] when the engine behind it fails. Whether a change was applied is then unknown;
/// each change is safe to repeat.
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// A short name for logs and metrics, such as `sqlite`.
    fn name(&self) -> &'static str;

    /// Whether other processes may change what the store holds. A manager over such a store
    /// [polls](crate::manager::SessionManagerBuilder::bus) it for endings, unless it is given a bus. Default: they may.
    fn is_shared(&self) -> bool {
        true
    }

    /// Facts about the store, for `build()` to check settings against. Default: nothing is known.
    fn facts(&self) -> StoreFacts {
        StoreFacts::new()
    }

    /// The other machine that the store talks to in clear text, if there is one. Read once, for a warning. Default:
    /// none.
    fn plain_text_peer(&self) -> StoreFuture<'_, Option<String>> {
        Box::pin(async { Ok(None) })
    }

    /// Creates or upgrades the schema, and [checks](Self::check) the store. Safe to call from many nodes at once, and
    /// when there is nothing to do.
    ///
    /// Default: does nothing, for a store without a schema.
    fn migrate(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Returns what keeps the records of devices.
    ///
    /// Default: `None`. Sessions can be named then, but devices cannot be trusted, are not listed without a session,
    /// and none is said to be new.
    fn device_store(&self) -> Option<&dyn DeviceStore> {
        None
    }

    /// Checks whether the store can be used: it is there, has its schema, takes changes, and grants the rights to make
    /// them. It changes nothing. Default: it can.
    ///
    /// A health check calls [`SessionManager::check_store`](crate::SessionManager::check_store), which keeps to the
    /// store's deadline.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Inserts a new session and ends those that make room for it, all or nothing.
    ///
    /// The sessions given to [`Admission::decide`] are those of the user that are active at `admission.as_of.now`.
    /// Evicted sessions end at `admission.as_of.now`, by the system. A record that already exists, as when an insert is
    /// repeated, is left unchanged, ended or not, and nothing makes room for it.
    ///
    /// [`Admission::joins`] decides first, with the same sessions. If it names one, nothing changes, and the result is
    /// [`Admitted::Joined`].
    ///
    /// With `admission.adopts`, [`Adopting::decide`](crate::policy::Adopting::decide) decides before both, with the
    /// user's cutoff, in the same atomic step: a cutoff whose [`cut_off`](Self::cut_off) has returned is seen. A store
    /// that begins an adoption notes it for all users, until
    /// [`Adopting::kept_until`](crate::policy::Adopting::kept_until) at least.
    ///
    /// Records of the user's ended sessions beyond [`keep_ended`](Admission::keep_ended) go with it or soon after, as
    /// the admission says. A store that keeps all of them is still correct.
    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted>;

    /// Returns the record, ended or not, or `None` when there is none under this key.
    fn find<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, Option<Session>>;

    /// Returns one page of the user's sessions, newest activity first, then by id, newest first. With
    /// [`above`](ListQuery::above) the order is reversed, from that place on.
    fn list<'a>(&'a self, user: &'a UserId, query: &'a ListQuery) -> StoreFuture<'a, Vec<Session>>;

    /// Records activity. Skips records that are gone or ended, and never moves activity backwards.
    ///
    /// The batch may be of any length; it is atomic per session, not as a whole. Several touches of one session count
    /// as one: see [`Touch::coalesce`]. Returns how many of the sessions exist and have not ended.
    fn touch<'a>(&'a self, touches: &'a [Touch]) -> StoreFuture<'a, u64>;

    /// Ends one session.
    ///
    /// A record whose deadline had passed by `ending.at` (its idle timeout after `idle_allowance`) gets *that* ending
    /// instead, and the result is [`EndOutcome::AlreadyEnded`].
    fn end<'a>(
        &'a self,
        key: &'a SessionKey,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, EndOutcome>;

    /// Puts on record that a session has passed a deadline as of this moment (its idle timeout after the allowance),
    /// and changes nothing if it has not. Returns the ending that is then on record, if there is one.
    ///
    /// It fails if [`touch`](Self::touch) would: a store that takes no activity cannot tell which sessions are idle.
    ///
    /// Default: finds the record, touches it without a change, and ends it. Activity that comes in between is lost with
    /// the session, so a store that can do this in one atomic step should.
    fn expire<'a>(&'a self, key: &'a SessionKey, as_of: &'a AsOf) -> StoreFuture<'a, Option<Ending>> {
        Box::pin(async move {
            let Some(session) = self.find(key).await? else {
                return Ok(None);
            };
            let passed = session.ending(as_of);
            if passed.is_none() || session.ended.is_some() {
                return Ok(passed);
            }
            self.touch(&[Touch::new(key.clone(), session.last_active_at)]).await?;
            let asked = Ending::new(EndReason::Idle, Actor::System, as_of.now);
            match self.end(key, &asked, as_of.idle_allowance).await? {
                EndOutcome::AlreadyEnded(ending) => Ok(Some(ending)),
                EndOutcome::Ended => Ok(Some(asked)),
                EndOutcome::NotFound => Ok(None),
            }
        })
    }

    /// Ends all sessions of the user that are in `scope` and were inserted before the call. Returns their ids.
    ///
    /// Records whose deadline had passed are treated as by [`end`](Self::end) and are not in the result.
    fn end_all<'a>(
        &'a self,
        user: &'a UserId,
        scope: &'a EndScope,
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionId>>;

    /// Returns the ids of the user's sessions that are in `scope`, were inserted before the call and have no ending on
    /// record, in any order. If there are more than a few hundred, a manager ends them by
    /// [`end_several`](Self::end_several), a part at a time, so that nobody else waits for long.
    ///
    /// Default: none. Then [`end_all`](Self::end_all) ends all of them in one step.
    fn in_scope<'a>(&'a self, user: &'a UserId, scope: &'a EndScope) -> StoreFuture<'a, Vec<SessionId>> {
        let _ = (user, scope);
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Ends several sessions of any users. It is atomic per session, not as a whole. Returns those that it ended.
    ///
    /// Records whose deadline had passed are treated as by [`end`](Self::end) and are not in the result.
    ///
    /// Default: ends one after the other.
    fn end_several<'a>(
        &'a self,
        keys: &'a [SessionKey],
        ending: &'a Ending,
        idle_allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionKey>> {
        Box::pin(async move {
            let mut ended = Vec::new();
            for key in keys {
                if self.end(key, ending, idle_allowance).await? == EndOutcome::Ended {
                    ended.push(key.clone());
                }
            }
            Ok(ended)
        })
    }

    /// Refuses to [adopt](crate::policy::Adopting) the user's tokens that were issued up to a moment. Combines with an
    /// existing cutoff as [`TokenCutoff::and`] does. [`erase`](Self::erase) keeps it.
    ///
    /// Default: an error. A store that keeps cutoffs says so by [`facts`](Self::facts).
    fn cut_off<'a>(&'a self, user: &'a UserId, cutoff: &'a TokenCutoff) -> StoreFuture<'a, ()> {
        let _ = (user, cutoff);
        Box::pin(async { Err(StoreError::unavailable("this store keeps no cutoffs")) })
    }

    /// Sets or clears the name of a session's device. Returns whether there is such a session; ended ones can be
    /// renamed too.
    fn rename<'a>(&'a self, key: &'a SessionKey, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool>;

    /// Replaces the application's data of a session that has not ended. Returns whether there is one.
    fn set_data<'a>(&'a self, key: &'a SessionKey, data: &'a Map<String, Value>) -> StoreFuture<'a, bool>;

    /// Moves a session from one generation of tokens to the next: a compare-and-set on
    /// [`TokenState::generation`](crate::session::TokenState::generation).
    ///
    /// Of any number of concurrent calls with the same `rotation.from`, exactly one returns
    /// [`RotationOutcome::Rotated`]. The highest possible generation has no successor and stays unchanged.
    fn rotate<'a>(&'a self, key: &'a SessionKey, rotation: &'a Rotation) -> StoreFuture<'a, RotationOutcome>;

    /// Deletes at most `limit` records that ended, or reached their absolute deadline, before `ended_before`. Returns
    /// how many. Cutoffs and notes of adoptions that were to be kept until a moment before `ended_before` may be
    /// deleted too; they are not counted.
    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64>;

    /// Forgets the addresses and the place of a session that ended, or expired, before this moment. Returns whether
    /// there is such a session. Repeating it changes nothing.
    fn forget_addresses<'a>(&'a self, key: &'a SessionKey, ended_before: Timestamp) -> StoreFuture<'a, bool>;

    /// Returns the sessions that ended, or will reach their absolute deadline, at `since` or later and before `until`,
    /// in the order of that moment, at most `limit`. Nodes without another bus poll it.
    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<EndedSession>>;

    /// Deletes everything about a user: sessions, ended or not, and devices. Returns how many sessions there were. Only
    /// a [cutoff](Self::cut_off) stays until it expires; it should not be stored under the user's id in clear text.
    fn erase<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64>;

    /// Returns one page of all sessions of all users, in an order of the store's own, for administration. A session
    /// that exists throughout a scan is returned at least once.
    ///
    /// `cursor` is the previous page's [`next`](ScanPage::next). An unknown cursor is an error or yields an empty page.
    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: u32) -> StoreFuture<'a, ScanPage>;
}

/// The devices that users have been seen on: names, trust, and which are new. Part of a [`SessionStore`], under the
/// same rules, and given by [`device_store`](SessionStore::device_store).
///
/// # Errors
///
/// As with [`SessionStore`].
pub trait DeviceStore: fmt::Debug + Send + Sync + 'static {
    /// Notes that a user was seen on a device: creates the device's record, or updates it. Returns whether the device
    /// was new to this user; one that the user has forgotten is new.
    ///
    /// Of an existing record, only these change: [`last_seen_at`](KnownDevice::last_seen_at) and
    /// [`due_at`](KnownDevice::due_at), never backwards, what the client says about itself, and the standing, from
    /// provisional to lasting. First sight, name and trust stay. Of any number of concurrent calls for an unknown
    /// device, exactly one returns `true`.
    ///
    /// A user has at most `most` records. When a new one exceeds that, others are deleted. Devices without a name or
    /// trust go first; of these, provisional ones before forgotten and lasting ones, then those unseen for the longest
    /// time.
    fn see_device<'a>(&'a self, device: &'a KnownDevice, most: u32) -> StoreFuture<'a, bool>;

    /// Returns the devices of a user, those that were forgotten included: newest seen first, then by id, newest first,
    /// at most `limit` of those behind `after`.
    fn devices<'a>(&'a self, user: &'a UserId, after: DevicePosition, limit: u32) -> StoreFuture<'a, Vec<KnownDevice>>;

    /// Returns one device of a user, even if it was forgotten, or `None` when there is no record of it.
    fn find_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, Option<KnownDevice>>;

    /// Sets or clears the name of a device, on its own record and on those of all its sessions of this user, ended or
    /// not. Returns whether the user is known on it.
    fn rename_device<'a>(
        &'a self,
        user: &'a UserId,
        id: DeviceId,
        name: Option<&'a DeviceName>,
    ) -> StoreFuture<'a, bool>;

    /// Sets the trust in a device, replacing any earlier trust, or removes it. Returns whether the user is known on it.
    fn trust_device<'a>(&'a self, user: &'a UserId, id: DeviceId, trust: Option<Trust>) -> StoreFuture<'a, bool>;

    /// Removes the trust in all devices of the user. Returns how many had been trusted, whether or not the time had
    /// passed.
    fn distrust_devices<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64>;

    /// Reduces a device's record to what [`KnownDevice::forgotten`] leaves of it; its sessions stay as they are.
    /// Returns whether the user was known on it.
    fn forget_device<'a>(&'a self, user: &'a UserId, id: DeviceId, at: Timestamp) -> StoreFuture<'a, bool>;

    /// Examines at most `limit` devices of all users that are due at `upkeep.now`, the longest due first. Deletes those
    /// that [`DeviceUpkeep::keeps`] does not keep; the others are due again when it says.
    ///
    /// A device that is seen, named or trusted meanwhile stays. Default: does nothing, so that all devices stay.
    fn purge_devices<'a>(&'a self, upkeep: &'a DeviceUpkeep, limit: u32) -> StoreFuture<'a, DevicesSwept> {
        let _ = (upkeep, limit);
        Box::pin(async { Ok(DevicesSwept::default()) })
    }
}
