//! How many sessions and devices a user may have.

use std::{fmt, sync::Arc};

use crate::{
    error::ConfigError,
    id::UserId,
    manager::settings::{SessionManagerBuilder, invalid},
    policy::{Admission, OverLimit, SameDevice, SessionLimit},
};

/// How many sessions a user may have, and what becomes of those on one device.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    of_everybody: Vec<SessionLimit>,
    of_each: Option<OfEach>,
    same_device: SameDevice,
    /// How many devices of a user are known.
    pub(in crate::manager) devices: u32,
    /// How many ended sessions of a user are kept.
    ended: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { of_everybody: Vec::new(), of_each: None, same_device: SameDevice::default(), devices: 100, ended: 200 }
    }
}

/// The application's own limits for each user.
#[derive(Clone)]
struct OfEach(Arc<LimitsOf>);

type LimitsOf = dyn Fn(&UserId) -> Vec<SessionLimit> + Send + Sync;

impl fmt::Debug for OfEach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfEach")
    }
}

/// # Limits
///
/// A sign-in, its limits and what makes room for it are one atomic step of the store: racing sign-ins never pass a
/// limit together, on however many nodes. The newcomer never gives way to itself, and a session that the same client
/// replaces is not counted.
impl SessionManagerBuilder {
    /// The maximum number of active sessions of a user, and which one gives way when a sign-in exceeds it. Default: no
    /// limit.
    ///
    /// The same as [`limit`](Self::limit) with a [`SessionLimit`] on devices of all kinds.
    pub fn max_sessions(self, sessions: u32, over: OverLimit) -> Self {
        self.limit(SessionLimit::new(sessions, over))
    }

    /// Adds a limit on the active sessions of a user. A limit that counts the same replaces an earlier one; all others
    /// apply together. Default: none.
    pub fn limit(mut self, limit: SessionLimit) -> Self {
        self.settings
            .limits
            .of_everybody
            .retain(|earlier| (earlier.kind, earlier.counted) != (limit.kind, limit.counted));
        self.settings.limits.of_everybody.push(limit);
        self
    }

    /// The limits of each user. It excludes limits for all. It is called at each sign-in, so it must not block. A limit
    /// of 0 sessions counts as 1. Default: not set.
    pub fn limits_of(mut self, limits: impl Fn(&UserId) -> Vec<SessionLimit> + Send + Sync + 'static) -> Self {
        self.settings.limits.of_each = Some(OfEach(Arc::new(limits)));
        self
    }

    /// How many of a user's ended sessions are kept within their [retention](Self::retention): those with the newest
    /// activity. A sign-in deletes at most 20 of the others, if they ended at least ten minutes ago. Default: 200.
    pub fn max_ended(mut self, sessions: u32) -> Self {
        self.settings.limits.ended = sessions;
        self
    }

    /// What becomes of a user's other sessions on the device of a new one. Default: they stay.
    ///
    /// It takes a device id in the [`ClientInfo`](crate::ClientInfo): where tokens travel in cookies, `build()` asks
    /// for a [device cookie](Self::device_cookie); elsewhere, a sign-in without an id is reported once, in the log and
    /// by an event. The session that the client itself held always ends.
    pub fn same_device(mut self, same_device: SameDevice) -> Self {
        self.settings.limits.same_device = same_device;
        self
    }
}

impl Limits {
    pub(in crate::manager) fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            (self.of_everybody.iter().any(|limit| limit.sessions == 0), "a limit of 0 sessions lets nobody sign in"),
            (self.devices == 0, "a limit of 0 devices lets no device be known"),
        ];
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, message)) => Err(invalid(message)),
            None => Ok(()),
        }
    }

    /// Whether there are limits for everybody that those of each user take the place of.
    pub(in crate::manager) fn are_ignored(&self) -> bool {
        self.of_each.is_some() && !self.of_everybody.is_empty()
    }

    pub(in crate::manager) fn same_device(&self) -> SameDevice {
        self.same_device
    }

    /// What a sign-in of this user has to keep to.
    pub(in crate::manager) fn apply_to(&self, admission: &mut Admission, user: &UserId) {
        admission.same_device = self.same_device;
        admission.keep_ended = self.ended;
        admission.limits = match &self.of_each {
            Some(OfEach(limits)) => limits(user),
            None => self.of_everybody.clone(),
        };
    }
}
