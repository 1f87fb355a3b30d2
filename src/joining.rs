//! Joining: which sign-in is another's second answer, because its form was submitted twice.

use std::time::Duration;

use crate::{
    id::SessionId,
    policy::{ActiveSession, Admission, SameDevice},
    session::Session,
};

impl Admission {
    /// How long ago the user of a session must have authenticated at most for a sign-in to join it.
    pub const JOINED_WITHIN: Duration = Duration::from_secs(30);

    /// The session that `newcomer` is a second answer to, if there is one: under [`SameDevice::Join`], the newest of
    /// the active sessions on the same device whose user has authenticated within
    /// [`JOINED_WITHIN`](Self::JOINED_WITHIN). It is asked before [`decide`](Self::decide). Then nothing is inserted,
    /// and nothing has to give way.
    pub fn joins(&self, newcomer: &ActiveSession, active: &[ActiveSession]) -> Option<SessionId> {
        if self.same_device != SameDevice::Join || newcomer.device_id.is_none() {
            return None;
        }
        let since = self.as_of.now.saturating_sub(Self::JOINED_WITHIN);
        let is_twin = |session: &&ActiveSession| {
            session.device_id == newcomer.device_id
                && session.authenticated_at > since
                && self.supersedes != Some(session.id)
                && session.id != newcomer.id
        };
        let newest = active.iter().filter(is_twin).max_by_key(|session| (session.created_at, session.id));
        newest.map(|session| session.id)
    }
}

impl Session {
    /// Whether a sign-in that would start this session may be answered with that one: the same user has proven the same
    /// thing in the same way, for as long, and nothing else is on record of it.
    pub(crate) fn is_repeated_by(&self, other: &Self) -> bool {
        let lifetime = |session: &Self| session.expires_at.duration_since(session.created_at);
        self.ended.is_none()
            && self.user_id == other.user_id
            && self.device_id == other.device_id
            && self.device.user_agent == other.device.user_agent
            && self.methods.keys().eq(other.methods.keys())
            && self.assurance_level == other.assurance_level
            && self.newest_level() == other.newest_level()
            && self.idle_timeout == other.idle_timeout
            && lifetime(self) == lifetime(other)
            && self.data == other.data
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        clock::Timestamp,
        device::{ClientHints, Device, DeviceKind},
        id::{DeviceId, UserId},
        session::{Actor, AsOf, EndReason, Ending},
    };

    fn start() -> Timestamp {
        Timestamp::from_seconds(1_767_225_600)
    }

    fn active(age: u64, device_id: Option<DeviceId>) -> ActiveSession {
        let at = start().saturating_sub(Duration::from_secs(age));
        let (id, kind) = (SessionId::at(at), DeviceKind::Mobile);
        ActiveSession { id, device_id, kind, created_at: at, authenticated_at: at, last_active_at: at }
    }

    #[test]
    fn a_sign_in_joins_the_newest_session_of_a_moment_ago_on_its_device() {
        let device_id = Some(DeviceId::new());
        let ago = |age| active(age, device_id);
        let elsewhere = active(1, Some(DeviceId::new()));
        let confirmed = ActiveSession { authenticated_at: start(), ..ago(3_600) };
        let (lately, before, long_ago) = (ago(2), ago(29), ago(30));
        let unknown = active(1, None);
        let mut admission = Admission::new(AsOf::new(start(), Duration::ZERO));
        admission.same_device = SameDevice::Join;
        for (newcomer, beside, joined) in [
            (ago(0), vec![before.clone(), lately.clone(), elsewhere.clone()], Some(lately.id)),
            (ago(0), vec![confirmed.clone(), long_ago.clone()], Some(confirmed.id)),
            (ago(0), vec![long_ago, elsewhere.clone(), unknown.clone()], None),
            (active(0, None), vec![lately.clone(), unknown.clone()], None),
        ] {
            assert_eq!(admission.joins(&newcomer, &beside), joined, "{beside:?}");
            for other in [SameDevice::Keep, SameDevice::Replace] {
                let admission = Admission { same_device: other, ..admission.clone() };
                assert_eq!(admission.joins(&newcomer, &beside), None);
            }
        }
        // The session that the client held makes room, however new it is.
        admission.supersedes = Some(lately.id);
        assert_eq!(admission.joins(&ago(0), &[before.clone(), lately]), Some(before.id));
    }

    #[test]
    fn a_sign_in_that_differs_in_anything_but_its_moment_is_another_one() {
        let began = |age| {
            let at = start().saturating_sub(Duration::from_secs(age));
            let mut session = Session::new(UserId::from(1), at, at.saturating_add(Duration::from_secs(3_600)));
            session.methods = BTreeMap::from([("pwd".into(), at)]);
            session
        };
        let newcomer = began(0);
        assert!(began(2).is_repeated_by(&newcomer));
        let changes: [fn(&mut Session); 8] = [
            |session| _ = session.methods.insert("otp".into(), start()),
            |session| session.assurance_level = 2,
            |session| session.idle_timeout = Duration::from_secs(1),
            |session| session.expires_at = start(),
            |session| _ = session.data.insert("tenant".to_owned(), "acme".into()),
            |session| session.device_id = Some(DeviceId::new()),
            |session| session.device = Device::new(Some("curl/8.5.0".into()), ClientHints::default()),
            |session| session.ended = Some(Ending::new(EndReason::SignedOut, Actor::System, start())),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = began(2);
            change(&mut other);
            assert!(!other.is_repeated_by(&newcomer), "change {number}");
        }
    }
}
