//! Lifetimes: how long a session may live and rest, whether there is room for one more, and why a request has none.
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
    device::DeviceKind,
    id::{DeviceId, SessionId},
    session::{Actor, AsOf, EndReason, Ending, Session},
};

pub use crate::{
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

/// What must hold, and what must give way, when a session is inserted.
///
/// A store applies it in one atomic step: it reads the user's active sessions, asks [`Admission::decide`], ends what
/// has to go, and inserts the newcomer, so that racing sign-ins cannot pass a limit together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Admission {
    /// The present, as the manager sees it.
    pub as_of: AsOf,
    /// The session of the same user that the client held until now; it is ended as replaced.
    pub supersedes: Option<SessionId>,
    /// What becomes of the user's other sessions on the same device.
    pub same_device: SameDevice,
    /// The limits on the user's active sessions, the newcomer included.
    pub limits: Vec<SessionLimit>,
    /// Set when the newcomer is a token from before this crate came.
    pub adopts: Option<Adopting>,
    /// How many of the user's sessions whose ending is on record are kept, the newest activity first. Of the next
    /// [`TRIMMED_AT_ONCE`](Self::TRIMMED_AT_ONCE), those that ended [`TRIMMED_AFTER`](Self::TRIMMED_AFTER) ago are
    /// deleted.
    pub keep_ended: u32,
}

impl Admission {
    /// An admission at this moment that asks for nothing.
    pub fn new(as_of: AsOf) -> Self {
        let (same_device, limits) = (SameDevice::Keep, Vec::new());
        Self { as_of, supersedes: None, same_device, limits, adopts: None, keep_ended: u32::MAX }
    }

    /// The most records of ended sessions that one sign-in deletes.
    pub const TRIMMED_AT_ONCE: u32 = 20;

    /// How long ago a session must have ended for its record to be deleted: by then every node has heard of it.
    pub const TRIMMED_AFTER: Duration = Duration::from_secs(600);

    /// The moment before which a session must have ended for its record to be deleted, if records of ended sessions are
    /// bounded.
    pub fn trims_before(&self) -> Option<Timestamp> {
        (self.keep_ended < u32::MAX).then(|| self.as_of.now.saturating_sub(Self::TRIMMED_AFTER))
    }

    /// Whether nothing has to hold and nothing has to give way, so that a plain insert does.
    pub fn is_unconditional(&self) -> bool {
        self.leaves_others_alone() && self.adopts.is_none()
    }

    /// Whether the user's other sessions do not matter.
    pub fn leaves_others_alone(&self) -> bool {
        self.supersedes.is_none() && self.same_device == SameDevice::Keep && self.limits.is_empty()
    }

    /// Decides over `newcomer`, given the user's active sessions in any order.
    ///
    /// # Errors
    ///
    /// [`Full`] when a limit says that the newcomer is the one to give way.
    pub fn decide(&self, newcomer: &ActiveSession, active: &[ActiveSession]) -> Result<Vec<Eviction>, Full> {
        let mut staying: Vec<&ActiveSession> = active.iter().filter(|session| session.id != newcomer.id).collect();
        let mut evictions = Vec::new();

        let is_replaced = |session: &ActiveSession| {
            let same_device = newcomer.device_id.is_some() && session.device_id == newcomer.device_id;
            self.supersedes == Some(session.id) || (self.same_device != SameDevice::Keep && same_device)
        };
        staying.retain(|session| {
            if is_replaced(session) {
                evictions.push(Eviction { id: session.id, reason: EndReason::Replaced });
            }
            !is_replaced(session)
        });

        for limit in &self.limits {
            let counts = |session: &ActiveSession| limit.kind.is_none_or(|kind| session.kind == kind);
            if !counts(newcomer) {
                continue;
            }
            let most_beside = usize::try_from(limit.sessions.saturating_sub(1)).unwrap_or(usize::MAX);
            let mut candidates = limit.places(staying.iter().copied().filter(|&session| counts(session)), newcomer);
            let excess = candidates.len().saturating_sub(most_beside);
            if excess == 0 {
                continue;
            }
            match limit.over {
                OverLimit::RejectNew => return Err(Full { active: candidates.len() }),
                OverLimit::RevokeOldest => {
                    candidates.sort_by_key(|place| place.iter().map(|session| (session.created_at, session.id)).min());
                }
                OverLimit::RevokeLeastRecent => {
                    candidates
                        .sort_by_key(|place| place.iter().map(|session| (session.last_active_at, session.id)).max());
                }
            }
            for session in candidates[..excess].iter().flatten() {
                evictions.push(Eviction { id: session.id, reason: EndReason::Evicted });
            }
            staying.retain(|session| !evictions.iter().any(|gone| gone.id == session.id));
        }
        Ok(evictions)
    }
}

/// What [`Admission::decide`] needs to know of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores build it from a row, and every field is needed to decide")]
pub struct ActiveSession {
    /// The session.
    pub id: SessionId,
    /// The device it is on.
    pub device_id: Option<DeviceId>,
    /// The device's kind.
    pub kind: DeviceKind,
    /// When it started.
    pub created_at: Timestamp,
    /// When its user has authenticated last.
    pub authenticated_at: Timestamp,
    /// Its newest recorded activity.
    pub last_active_at: Timestamp,
}

impl From<&Session> for ActiveSession {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id,
            device_id: session.device_id,
            kind: session.device.kind(),
            created_at: session.created_at,
            authenticated_at: session.authenticated_at,
            last_active_at: session.last_active_at,
        }
    }
}

/// A session that makes room for a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Eviction {
    /// The session that goes.
    pub id: SessionId,
    /// Why it goes.
    pub reason: EndReason,
}

/// A limit refused the newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Full {
    /// How many sessions the limit counted, not including the newcomer.
    pub active: usize,
}

/// What becomes of a user's other sessions on the device of a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameDevice {
    /// They stay.
    #[default]
    Keep,
    /// They end as replaced.
    Replace,
    /// They end as replaced, except for one whose user has authenticated within the last 30 seconds in the same way:
    /// the sign-in is answered with new tokens of that one, and no session is added.
    ///
    /// It is for sign-ins by a form, which may be submitted twice at once. Whichever answer a browser keeps, it has the
    /// one session. The device must be proven, by the device cookie or a
    /// [`DeviceTokens`](crate::token::DeviceTokens) token; on any other this is [`Replace`](Self::Replace).
    Join,
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

    fn active(age: u64, rest: u64, kind: DeviceKind) -> ActiveSession {
        let now = start();
        ActiveSession {
            id: SessionId::at(now.saturating_sub(Duration::from_secs(age))),
            device_id: None,
            kind,
            created_at: now.saturating_sub(Duration::from_secs(age)),
            authenticated_at: now.saturating_sub(Duration::from_secs(age)),
            last_active_at: now.saturating_sub(Duration::from_secs(rest)),
        }
    }

    fn admission(limit: SessionLimit) -> Admission {
        Admission { limits: vec![limit], ..Admission::new(AsOf::new(start(), Duration::ZERO)) }
    }

    fn ids(evictions: &[Eviction]) -> Vec<SessionId> {
        evictions.iter().map(|eviction| eviction.id).collect()
    }

    #[test]
    fn each_rule_names_who_gives_way() {
        let oldest = active(300, 1, DeviceKind::Desktop);
        let laziest = active(200, 100, DeviceKind::Desktop);
        let newcomer = active(0, 0, DeviceKind::Desktop);
        let beside = [laziest.clone(), oldest.clone()];

        let oldest_goes = admission(SessionLimit::new(2, OverLimit::RevokeOldest)).decide(&newcomer, &beside);
        assert_eq!(oldest_goes.as_deref().map(ids), Ok(vec![oldest.id]));

        let laziest_goes = admission(SessionLimit::new(2, OverLimit::RevokeLeastRecent)).decide(&newcomer, &beside);
        assert_eq!(laziest_goes.as_deref().map(ids), Ok(vec![laziest.id]));

        let refused = admission(SessionLimit::new(2, OverLimit::RejectNew)).decide(&newcomer, &beside);
        assert_eq!(refused, Err(Full { active: 2 }));
        let admitted = admission(SessionLimit::new(3, OverLimit::RejectNew)).decide(&newcomer, &beside);
        assert_eq!(admitted, Ok(Vec::new()));
    }

    #[test]
    fn a_lowered_limit_makes_several_give_way() {
        let beside: Vec<_> = (1..=5).map(|age| active(age * 10, 0, DeviceKind::Desktop)).collect();
        let newcomer = active(0, 0, DeviceKind::Desktop);
        let decision = admission(SessionLimit::new(2, OverLimit::RevokeOldest)).decide(&newcomer, &beside);
        assert_eq!(decision.map(|gone| gone.len()), Ok(4));
    }

    #[test]
    fn a_limit_on_a_kind_leaves_other_kinds_alone() {
        let phone = active(10, 0, DeviceKind::Mobile);
        let desktop = active(20, 0, DeviceKind::Desktop);
        let limit = SessionLimit::new(1, OverLimit::RevokeOldest).kind(DeviceKind::Mobile);
        let beside = [phone.clone(), desktop];

        let another_phone = admission(limit).decide(&active(0, 0, DeviceKind::Mobile), &beside);
        assert_eq!(another_phone.as_deref().map(ids), Ok(vec![phone.id]));
        let another_desktop = admission(limit).decide(&active(0, 0, DeviceKind::Desktop), &beside);
        assert_eq!(another_desktop, Ok(Vec::new()));
    }

    /// S49.
    #[test]
    fn the_session_that_the_client_held_is_replaced_and_not_counted() {
        let held = active(10, 0, DeviceKind::Desktop);
        let mut admission = admission(SessionLimit::new(1, OverLimit::RejectNew));
        admission.supersedes = Some(held.id);
        let decision = admission.decide(&active(0, 0, DeviceKind::Desktop), std::slice::from_ref(&held));
        assert_eq!(decision, Ok(vec![Eviction { id: held.id, reason: EndReason::Replaced }]));
    }

    #[test]
    fn sessions_on_the_same_device_are_replaced_by_choice() {
        let device_id = Some(DeviceId::new());
        let old = ActiveSession { device_id, ..active(10, 0, DeviceKind::Mobile) };
        let other = ActiveSession { device_id: Some(DeviceId::new()), ..active(20, 0, DeviceKind::Mobile) };
        let unknown = active(30, 0, DeviceKind::Mobile);
        let newcomer = ActiveSession { device_id, ..active(0, 0, DeviceKind::Mobile) };
        let mut admission = Admission::new(AsOf::new(start(), Duration::ZERO));

        let beside = [old.clone(), other, unknown];
        assert_eq!(admission.decide(&newcomer, &beside), Ok(Vec::new()));
        for same_device in [SameDevice::Replace, SameDevice::Join] {
            admission.same_device = same_device;
            assert_eq!(admission.decide(&newcomer, &beside).as_deref().map(ids), Ok(vec![old.id]));
        }
    }
}
