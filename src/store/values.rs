//! The arguments and results of a store's operations.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    clock::Timestamp,
    device::KnownDevice,
    id::{DeviceId, SessionId},
    policy::{Eviction, Full, NotAdopted},
    session::{AsOf, Ending, Session},
};

/// What became of an insert.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admitted {
    /// The session is on record; these made room.
    Inserted(Vec<Eviction>),
    /// It [joins](crate::policy::Admission::joins) this session; nothing changed.
    Joined(SessionId),
    /// A limit refused it; nothing changed.
    Refused(Full),
    /// The token that asked for it is not adopted; nothing changed.
    NotAdopted(NotAdopted),
}

/// Facts about a store, for `build()` to check settings against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreFacts {
    /// How long it keeps ended sessions and cutoffs. Default: unknown.
    pub retention: StoreRetention,
    /// What the names of its tables or keys begin with. Default: nothing.
    pub prefix: Box<str>,
}

impl StoreFacts {
    /// A store of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long it keeps ended sessions and cutoffs. Default: unknown.
    #[must_use]
    pub fn retention(mut self, retention: StoreRetention) -> Self {
        self.retention = retention;
        self
    }

    /// What the names of its tables or keys begin with: nodes over stores with different prefixes do not hear each
    /// other. Default: nothing.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.prefix = prefix.into();
        self
    }
}

/// How long a store keeps ended sessions and [cutoffs](crate::policy::TokenCutoff) by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreRetention {
    /// Not known, or it keeps no cutoffs: nothing is adopted over such a store.
    #[default]
    Unknown,
    /// Until they are purged.
    UntilPurged,
    /// At least this long after their end, if nobody purges them earlier.
    AtLeast(Duration),
}

impl StoreRetention {
    /// Whether what ended is certainly kept for this long, unless somebody purges it.
    pub fn covers(self, duration: Duration) -> bool {
        match self {
            Self::Unknown => false,
            Self::UntilPurged => true,
            Self::AtLeast(kept) => kept >= duration,
        }
    }
}

/// Which page of a user's sessions to read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListQuery {
    /// The present.
    pub as_of: AsOf,
    /// Which sessions.
    pub state: SessionState,
    /// A session to leave out.
    pub except: Option<SessionId>,
    /// Where the page before this one ended.
    pub after: Option<ListPosition>,
    /// In place of `after`: only what is above this place, and the lowest first.
    pub above: Option<ListPosition>,
    /// The most records to return.
    pub limit: u32,
}

impl ListQuery {
    /// The first `limit` sessions in this state.
    pub fn new(state: SessionState, limit: u32, as_of: AsOf) -> Self {
        Self { as_of, state, except: None, after: None, above: None, limit }
    }

    /// Whether `session`, a session of the right user, is in the state asked for and past the position.
    pub fn selects(&self, session: &Session) -> bool {
        let active = session.is_active(&self.as_of);
        let in_state = match self.state {
            SessionState::Active => active,
            SessionState::Ended => !active,
            SessionState::All => true,
        };
        let at = ListPosition::of(session);
        let past = match self.above {
            Some(above) => at > above,
            None => self.after.is_none_or(|after| at < after),
        };
        in_state && past && self.except != Some(session.id)
    }
}

/// A session's place in a list: newest activity first, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ListPosition {
    /// The newest recorded activity of the session at this place.
    pub last_active_at: Timestamp,
    /// The session at this place.
    pub id: SessionId,
}

impl ListPosition {
    /// The place with these coordinates.
    pub fn new(last_active_at: Timestamp, id: SessionId) -> Self {
        Self { last_active_at, id }
    }

    /// Above all others.
    pub const TOP: Self =
        Self { last_active_at: Timestamp::from_micros(i64::MAX), id: SessionId::from_uuid(uuid::Uuid::max()) };

    /// The place of this session.
    pub fn of(session: &Session) -> Self {
        Self::new(session.last_active_at, session.id)
    }
}

/// Which sessions a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// Those that have not ended.
    #[default]
    Active,
    /// Those that have ended and are still kept.
    Ended,
    /// All that are kept.
    All,
}

/// What became of an attempt to end a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndOutcome {
    /// It was active, and has ended now.
    Ended,
    /// It had ended before, like this.
    AlreadyEnded(Ending),
    /// There is no such session of this user.
    NotFound,
}

impl EndOutcome {
    /// The ending that was on record before, or that a passed deadline has put there.
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
    pub(crate) fn on_record(self) -> Option<Ending> {
        match self {
            Self::AlreadyEnded(ending) => Some(ending),
            Self::Ended | Self::NotFound => None,
        }
    }
}

/// Which of a user's sessions to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndScope {
    /// A session to keep.
    pub keep: Option<SessionId>,
    /// Only sessions on this device.
    pub device_id: Option<DeviceId>,
}

impl EndScope {
    /// All of them.
    pub fn all() -> Self {
        Self::default()
    }

    /// All but this one.
    pub fn others(keep: SessionId) -> Self {
        Self { keep: Some(keep), device_id: None }
    }

    /// All on this device.
    pub fn on_device(device_id: DeviceId) -> Self {
        Self { keep: None, device_id: Some(device_id) }
    }

    /// Whether `session`, a session of the right user, is in scope.
    pub fn includes(&self, session: &Session) -> bool {
        self.keep != Some(session.id) && (self.device_id.is_none() || self.device_id == session.device_id)
    }
}

/// A step from one generation of tokens to the next.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rotation {
    /// The generation it starts from; the new one is one more.
    pub from: u32,
    /// When it happens: a session past a deadline is not rotated.
    pub as_of: AsOf,
    /// Refuse tokens older than the new generation from now on.
    pub refuse_older: bool,
    /// What the user has proven with it, if anything.
    pub proof: Option<Proof>,
}

impl Rotation {
    /// A plain rotation from this generation.
    pub fn new(from: u32, as_of: AsOf) -> Self {
        Self { from, as_of, refuse_older: false, proof: None }
    }
}

/// What a user has proven by authenticating again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Proof {
    /// The methods on record from now on.
    pub methods: BTreeMap<Box<str>, Timestamp>,
    /// The highest assurance level from now on.
    pub assurance_level: u8,
    /// When each level was reached last, from now on.
    pub levels: BTreeMap<u8, Timestamp>,
}

impl Proof {
    /// Proof by these methods, with this as the highest level, and no times of levels.
    pub fn new(methods: BTreeMap<Box<str>, Timestamp>, assurance_level: u8) -> Self {
        Self { methods, assurance_level, levels: BTreeMap::new() }
    }
}

/// What became of a rotation. Each outcome but the last carries the record as it is now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RotationOutcome {
    /// This call moved it.
    Rotated(Box<Session>),
    /// It was at another generation, or has ended.
    Unchanged(Box<Session>),
    /// There is no such session of this user.
    NotFound,
}

impl RotationOutcome {
    /// What a change that a store believes to have made comes to, by the record that came back.
    ///
    /// A cluster of servers may tell two callers that they have moved a session, of which one has lost.
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql", feature = "redis"))]
    pub(crate) fn of(rotation: &Rotation, session: Session) -> Self {
        let is_moved = rotation.from.checked_add(1) == Some(session.tokens.generation)
            && session.tokens.rotated_at == Some(rotation.as_of.now);
        if is_moved { Self::Rotated(Box::new(session)) } else { Self::Unchanged(Box::new(session)) }
    }
}

/// A page of a scan over all sessions.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ScanPage {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<String>,
}

impl ScanPage {
    /// A page with these sessions.
    pub fn new(sessions: Vec<Session>, next: Option<String>) -> Self {
        Self { sessions, next }
    }
}

/// A device's place in a list: newest seen first, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct DevicePosition {
    /// When the device at this place was last seen.
    pub last_seen_at: Timestamp,
    /// The device at this place.
    pub id: DeviceId,
}

impl DevicePosition {
    /// Before all others.
    pub const FIRST: Self =
        Self { last_seen_at: Timestamp::from_micros(i64::MAX), id: DeviceId::from_uuid(uuid::Uuid::max()) };

    /// The place of this device.
    pub fn of(known: &KnownDevice) -> Self {
        Self { last_seen_at: known.last_seen_at, id: known.id }
    }
}

/// What a sweep over devices has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DevicesSwept {
    /// How many it has looked at.
    pub seen: u64,
    /// How many of those it has deleted.
    pub deleted: u64,
}

impl DevicesSwept {
    /// So many were looked at, and so many of those deleted.
    pub fn new(seen: u64, deleted: u64) -> Self {
        Self { seen, deleted }
    }
}
