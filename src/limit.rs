//! Limits: how many sessions a user may have, what is counted, and who gives way.

use crate::device::DeviceKind;

/// A limit on the active sessions of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionLimit {
    /// The most sessions, the newcomer included; at least 1.
    pub sessions: u32,
    /// Count only sessions on devices of this kind.
    pub kind: Option<DeviceKind>,
    /// What is counted.
    pub counted: Counted,
    /// Who gives way.
    pub over: OverLimit,
}

/// What a [`SessionLimit`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counted {
    /// Each session.
    #[default]
    Sessions,
    /// Each device id once, and each session without one.
    Devices,
}

impl SessionLimit {
    /// At most `sessions` sessions on devices of all kinds.
    pub fn new(sessions: u32, over: OverLimit) -> Self {
        Self { sessions, kind: None, counted: Counted::Sessions, over }
    }

    /// The same limit, counting a device once, no matter how many sessions are on it: a place is a device, and when it
    /// gives way all its sessions end. A session without a device id takes a place of its own. Default: sessions are
    /// counted.
    #[must_use]
    pub fn devices(mut self) -> Self {
        self.counted = Counted::Devices;
        self
    }

    /// The same limit, counting only devices of this kind.
    #[must_use]
    pub fn kind(mut self, kind: DeviceKind) -> Self {
        self.kind = Some(kind);
        self
    }
}

/// Who gives way when a sign-in exceeds a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverLimit {
    /// The newcomer is refused.
    RejectNew,
    /// The session that started first ends; of devices, the one with that session.
    RevokeOldest,
    /// The session without activity for the longest time ends; of devices, the one on which all have been idle longest.
    RevokeLeastRecent,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        id::{DeviceId, SessionId},
        policy::{ActiveSession, Admission, Eviction, Full},
        session::{AsOf, EndReason},
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_767_225_600 + seconds)
    }

    fn session(device_id: Option<DeviceId>, started: i64, active: i64) -> ActiveSession {
        let (created_at, last_active_at) = (at(started), at(active));
        ActiveSession {
            id: SessionId::at(created_at),
            device_id,
            kind: DeviceKind::Desktop,
            created_at,
            authenticated_at: created_at,
            last_active_at,
        }
    }

    fn decide(limit: SessionLimit, newcomer: &ActiveSession, beside: &[ActiveSession]) -> Result<Vec<SessionId>, Full> {
        let mut admission = Admission::new(AsOf::new(at(1_000), std::time::Duration::ZERO));
        admission.limits = vec![limit];
        let evictions = admission.decide(newcomer, beside)?;
        assert!(evictions.iter().all(|Eviction { reason, .. }| *reason == EndReason::Evicted));
        Ok(evictions.into_iter().map(|eviction| eviction.id).collect())
    }

    /// Three browsers' profiles on one laptop are three device ids; two sign-ins of one profile are one.
    #[test]
    fn a_device_is_counted_once_by_choice() {
        let (phone, laptop) = (Some(DeviceId::new()), Some(DeviceId::new()));
        let beside = [session(phone, 0, 90), session(phone, 10, 20), session(laptop, 5, 50), session(laptop, 6, 40)];
        let new = session(Some(DeviceId::new()), 500, 500);
        let three = SessionLimit::new(3, OverLimit::RejectNew);
        assert_eq!(decide(three, &new, &beside).map_err(|full| full.active), Err(4), "sessions");
        assert_eq!(decide(three.devices(), &new, &beside), Ok(vec![]), "devices");

        let two = SessionLimit::new(2, OverLimit::RejectNew).devices();
        assert_eq!(decide(two, &new, &beside).map_err(|full| full.active), Err(2));
        let again = session(phone, 500, 500);
        assert_eq!(decide(two, &again, &beside), Ok(vec![]), "its own device takes no further place");
        let nameless = session(None, 500, 500);
        assert_eq!(decide(two, &nameless, &beside[..2]), Ok(vec![]));
        assert_eq!(decide(two, &new, &[session(None, 1, 1), session(None, 2, 2)]).map_err(|full| full.active), Err(2));
    }

    #[test]
    fn a_device_that_gives_way_does_so_with_all_its_sessions() {
        let (phone, laptop) = (Some(DeviceId::new()), Some(DeviceId::new()));
        let beside = [session(phone, 0, 90), session(laptop, 5, 50), session(phone, 10, 20), session(laptop, 6, 40)];
        let new = session(Some(DeviceId::new()), 500, 500);
        let ids = |at: [usize; 2]| at.map(|at| beside[at].id).to_vec();
        let oldest = SessionLimit::new(2, OverLimit::RevokeOldest).devices();
        assert_eq!(decide(oldest, &new, &beside), Ok(ids([0, 2])), "the phone was first");
        let laziest = SessionLimit::new(2, OverLimit::RevokeLeastRecent).devices();
        assert_eq!(decide(laziest, &new, &beside), Ok(ids([1, 3])), "the phone was used last");
    }
}
