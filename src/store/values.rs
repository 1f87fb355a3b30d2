use std::{collections::BTreeMap, time::Duration};

use crate::{
    clock::Timestamp,
    id::{DeviceId, SessionId, UserId},
    policy::{Eviction, Full},
    session::{Ending, Session},
};

/// What became of an insert.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admitted {
    /// The session is on record; these made room.
    Inserted(Vec<Eviction>),
    /// A limit refused it; nothing changed.
    Refused(Full),
}

/// Which page of a user's sessions to read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListQuery {
    /// The present.
    pub now: Timestamp,
    /// How far recorded activity may lag the real one.
    pub idle_allowance: Duration,
    /// Which sessions.
    pub state: SessionState,
    /// A session to leave out.
    pub except: Option<SessionId>,
    /// Where the page before this one ended.
    pub after: Option<ListPosition>,
    /// The most records to answer.
    pub limit: u32,
}

impl ListQuery {
    /// The first `limit` sessions in this state.
    pub fn new(state: SessionState, limit: u32, now: Timestamp, idle_allowance: Duration) -> Self {
        Self { now, idle_allowance, state, except: None, after: None, limit }
    }

    /// Whether `session`, a session of the right user, is in the state asked for and past the position.
    pub fn selects(&self, session: &Session) -> bool {
        let active = session.is_active(self.now, self.idle_allowance);
        let in_state = match self.state {
            SessionState::Active => active,
            SessionState::Ended => !active,
            SessionState::All => true,
        };
        let past = self.after.is_none_or(|after| ListPosition::of(session) < after);
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
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql", feature = "redis"))]
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
    /// When it happens.
    pub at: Timestamp,
    /// How far recorded activity may lag the real one: a session past a deadline is not rotated.
    pub idle_allowance: Duration,
    /// Refuse tokens older than the new generation from now on.
    pub refuse_older: bool,
    /// What the user has proven on the way, if anything.
    pub proof: Option<Proof>,
}

impl Rotation {
    /// A plain rotation from this generation.
    pub fn new(from: u32, at: Timestamp, idle_allowance: Duration) -> Self {
        Self { from, at, idle_allowance, refuse_older: false, proof: None }
    }
}

/// What a user has proven by authenticating again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Proof {
    /// The methods on record from now on.
    pub methods: BTreeMap<Box<str>, Timestamp>,
    /// The assurance level from now on.
    pub assurance_level: u8,
}

impl Proof {
    /// Proof by these methods, reaching this level.
    pub fn new(methods: BTreeMap<Box<str>, Timestamp>, assurance_level: u8) -> Self {
        Self { methods, assurance_level }
    }
}

/// What became of a rotation. Each answer but the last carries the record as it is now.
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

/// A session that ended, as [`SessionStore::ended_between`](crate::store::SessionStore::ended_between) reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Whose session.
    pub user_id: UserId,
    /// Which session.
    pub id: SessionId,
    /// When it ended, or will at the latest.
    pub at: Timestamp,
}

impl Change {
    /// This session ended at this time.
    pub fn new(user_id: UserId, id: SessionId, at: Timestamp) -> Self {
        Self { user_id, id, at }
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
