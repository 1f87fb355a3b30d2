//! Whether there is room for one session more, and who makes it.

use std::time::Duration;

use crate::{
    adopting::Adopting,
    clock::Timestamp,
    device::DeviceKind,
    id::{DeviceId, SessionId},
    limit::{Counted, OverLimit, SessionLimit},
    session::{AsOf, EndReason, Session},
};

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

impl SessionLimit {
    /// The places that sessions other than the newcomer take. Those that share the newcomer's take none.
    fn places<'a>(
        &self,
        sessions: impl Iterator<Item = &'a ActiveSession>,
        newcomer: &ActiveSession,
    ) -> Vec<Vec<&'a ActiveSession>> {
        let mut places: Vec<Vec<&ActiveSession>> = Vec::new();
        for session in sessions {
            let Some(device) = session.device_id.filter(|_| self.counted == Counted::Devices) else {
                places.push(vec![session]);
                continue;
            };
            if newcomer.device_id == Some(device) {
                continue;
            }
            let on_device =
                |place: &&mut Vec<&ActiveSession>| place.iter().any(|other| other.device_id == Some(device));
            match places.iter_mut().find(on_device) {
                Some(place) => place.push(session),
                None => places.push(vec![session]),
            }
        }
        places
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

    fn start() -> Timestamp {
        Timestamp::from_seconds(1_767_225_600)
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
