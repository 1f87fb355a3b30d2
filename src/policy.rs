//! Lifetimes: how long a session may live and rest. Who makes room for whom, and why a request has no session, is here, too.
//!
//! 1. The absolute timeout counts from the sign-in and is never extended.
//! 2. The idle timeout counts from the newest activity. Recorded activity lags the real one, so a session only counts
//!    as idle once an *allowance* for that lag has passed too. Nobody is signed out on one node for having worked on
//!    another.
//! 3. A session that has an ending on record stays ended, even if the clock changes.

use std::time::Duration;

use crate::{
    assurance::Requirement,
    clock::Timestamp,
    session::{Actor, AsOf, EndReason, Ending, Session},
};

pub use crate::{
    admission::{ActiveSession, Admission, Eviction, Full, SameDevice},
    adopting::{Adopting, NotAdopted, TokenCutoff},
    denied::{CsrfDenied, Denied},
    limit::{Counted, OverLimit, SessionLimit},
    succession::ReuseCause,
};

/// How long sessions live.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`absolute_timeout`](Self::absolute_timeout) | 30 days |
/// | [`idle_timeout`](Self::idle_timeout) | 7 days |
/// | [`fresh_for`](Self::fresh_for) | 5 minutes |
/// | [`ending_others`](Self::ending_others) | [`EndingOthers::Free`] |
///
/// The presets, which can be changed like the defaults:
///
/// | preset | absolute | idle | ending other sessions |
/// | --- | --- | --- | --- |
/// | [`aal1`](Self::aal1), the default | 30 days | 7 days | free |
/// | [`aal2`](Self::aal2) | 24 hours | 1 hour | free |
/// | [`aal3`](Self::aal3) | 12 hours | 15 minutes | free |
/// | [`hardened`](Self::hardened) | 24 hours | 1 hour | after a recent authentication |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use tower_device_sessions::{SessionPolicy, policy::EndingOthers};
///
/// // A working day, half an hour without activity at most, and the password again before other sessions end.
/// let policy = SessionPolicy::aal2()
///     .absolute_timeout(Duration::from_secs(10 * 3_600))
///     .idle_timeout(Duration::from_secs(30 * 60))
///     .ending_others(EndingOthers::AfterRecentAuthentication);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct SessionPolicy {
    pub(crate) absolute_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    /// Whether the application has chosen it, and not a preset.
    pub(crate) idle_is_chosen: bool,
    pub(crate) fresh_for: Duration,
    pub(crate) ending_others: EndingOthers,
}

/// What a user has to have done to end sessions other than the current one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndingOthers {
    /// Nothing: having a session is enough.
    #[default]
    Free,
    /// Authenticated recently: see [`SessionPolicy::fresh_for`].
    AfterRecentAuthentication,
}

impl SessionPolicy {
    /// The longest absolute timeout: 400 days, which is also how long browsers keep a cookie at most.
    pub const LONGEST: Duration = Duration::from_secs(400 * 86_400);

    /// The default policy.
    pub fn new() -> Self {
        Self::lasting(Duration::from_secs(30 * 86_400), Duration::from_secs(7 * 86_400))
    }

    /// For authenticator assurance level 1: 30 days overall (NIST SP 800-63B-4 §2.1.3), which is the default.
    pub fn aal1() -> Self {
        Self::new()
    }

    /// For authenticator assurance level 2: 24 hours overall, 1 hour idle (NIST SP 800-63B-4 §2.2.3).
    pub fn aal2() -> Self {
        Self::lasting(Duration::from_secs(24 * 3_600), Duration::from_secs(3_600))
    }

    /// For authenticator assurance level 3: 12 hours overall, 15 minutes idle (NIST SP 800-63B-4 §2.3.3).
    pub fn aal3() -> Self {
        Self::lasting(Duration::from_secs(12 * 3_600), Duration::from_secs(15 * 60))
    }

    /// The times of level 2, and other sessions are ended only after a recent authentication (OWASP ASVS 7.5.2).
    pub fn hardened() -> Self {
        Self::aal2().ending_others(EndingOthers::AfterRecentAuthentication)
    }

    fn lasting(absolute_timeout: Duration, idle_timeout: Duration) -> Self {
        let (fresh_for, ending_others) = (Duration::from_secs(300), EndingOthers::Free);
        Self { absolute_timeout, idle_timeout, idle_is_chosen: false, fresh_for, ending_others }
    }

    /// The time after which a session ends, even when it is in use. Default: 30 days.
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute_timeout = timeout;
        self
    }

    /// The time without activity after which a session ends. It may not be longer than the absolute timeout. Default: 7
    /// days, or the absolute timeout when that is less.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self.idle_is_chosen = true;
        self
    }

    /// How long an authentication counts as recent, where no other age is required. Default: 5 minutes.
    pub fn fresh_for(mut self, age: Duration) -> Self {
        self.fresh_for = age;
        self
    }

    /// What a user has to have done to end sessions other than the current one. Signing out of the current one is
    /// always free. Default: nothing.
    pub fn ending_others(mut self, ending_others: EndingOthers) -> Self {
        self.ending_others = ending_others;
        self
    }

    /// What counts as a recent authentication.
    pub fn recent(&self) -> Requirement {
        Requirement::recent(self.fresh_for)
    }
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// The moment from which the session counts as idle, given what the record says.
    pub fn idle_expires_at(&self) -> Timestamp {
        self.last_active_at.saturating_add(self.idle_timeout)
    }

    /// How the session has ended by then: the ending on record, else the deadline it has passed, if any.
    ///
    pub fn ending(&self, as_of: &AsOf) -> Option<Ending> {
        self.ending_after(self.last_active_at, as_of)
    }

    /// The same for a session that is known to have been active at `last_active_at`, even if the record says otherwise.
    pub(crate) fn ending_after(&self, last_active_at: Timestamp, as_of: &AsOf) -> Option<Ending> {
        if let Some(ending) = &self.ended {
            return Some(ending.clone());
        }
        if self.expires_at <= as_of.now {
            return Some(Ending::new(EndReason::Expired, Actor::System, self.expires_at));
        }
        let timed_out = last_active_at.saturating_add(self.idle_timeout);
        let idle = timed_out.saturating_add(as_of.idle_allowance) <= as_of.now;
        idle.then(|| Ending::new(EndReason::Idle, Actor::System, timed_out))
    }

    /// Whether the session has not ended by then.
    pub fn is_active(&self, as_of: &AsOf) -> bool {
        self.ending(as_of).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;

    const MINUTE: Duration = Duration::from_secs(60);

    fn start() -> Timestamp {
        Timestamp::from_seconds(1_767_225_600)
    }

    fn session() -> Session {
        let mut session = Session::new(UserId::from(1), start(), start().saturating_add(60 * MINUTE));
        session.idle_timeout = 10 * MINUTE;
        session
    }

    fn reason(session: &Session, after: Duration, allowance: Duration) -> Option<EndReason> {
        session.ending(&AsOf::new(start().saturating_add(after), allowance)).map(|ending| ending.reason)
    }

    /// S53, clause by clause.
    #[test]
    fn the_presets_have_the_numbers_of_the_standard() {
        const HOUR: Duration = Duration::from_secs(3_600);
        let numbers = |policy: SessionPolicy| (policy.absolute_timeout, policy.idle_timeout);

        // NIST SP 800-63B-4 §2.1.3: "… a definite reauthentication overall timeout … no more than 30 days".
        assert_eq!(numbers(SessionPolicy::aal1()), (30 * 24 * HOUR, 7 * 24 * HOUR));
        // §2.2.3: overall "no more than 24 hours", inactivity "no more than 1 hour".
        assert_eq!(numbers(SessionPolicy::aal2()), (24 * HOUR, HOUR));
        // §2.3.3: overall "no more than 12 hours" (SHALL), inactivity "no more than 15 minutes".
        assert_eq!(numbers(SessionPolicy::aal3()), (12 * HOUR, 15 * MINUTE));
        assert_eq!(SessionPolicy::new(), SessionPolicy::aal1());

        // S57, OWASP ASVS 7.5.2.
        assert_eq!(numbers(SessionPolicy::hardened()), numbers(SessionPolicy::aal2()));
        assert_eq!(SessionPolicy::hardened().ending_others, EndingOthers::AfterRecentAuthentication);
        for free in [SessionPolicy::aal1(), SessionPolicy::aal2(), SessionPolicy::aal3()] {
            assert_eq!(free.ending_others, EndingOthers::Free);
        }
    }

    /// S51, S54.
    #[test]
    fn a_session_is_idle_only_after_the_allowance() {
        let allowance = 2 * MINUTE;
        let last_moment = 12 * MINUTE - Duration::from_micros(1);
        assert_eq!(reason(&session(), last_moment, allowance), None);
        assert_eq!(reason(&session(), 12 * MINUTE, allowance), Some(EndReason::Idle));
    }

    #[test]
    fn an_idle_session_ended_when_its_timeout_ran_out() {
        let ending = session().ending(&AsOf::new(start().saturating_add(59 * MINUTE), MINUTE));
        assert_eq!(ending.map(|ending| ending.at), Some(start().saturating_add(10 * MINUTE)));
    }

    /// S52.
    #[test]
    fn activity_does_not_extend_the_absolute_timeout() {
        let mut busy = session();
        busy.last_active_at = start().saturating_add(60 * MINUTE - Duration::from_micros(1));
        assert_eq!(reason(&busy, 60 * MINUTE - Duration::from_micros(1), Duration::ZERO), None);
        assert_eq!(reason(&busy, 60 * MINUTE, 5 * MINUTE), Some(EndReason::Expired));
    }

    /// S31.
    #[test]
    fn an_ending_on_record_outlasts_every_clock() {
        let mut ended = session();
        ended.ended = Some(Ending::new(EndReason::RevokedByUser, Actor::System, start()));
        for after in [Duration::ZERO, 60 * MINUTE] {
            assert_eq!(reason(&ended, after, MINUTE), Some(EndReason::RevokedByUser));
        }
    }
}
