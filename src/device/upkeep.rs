//! How long records of devices are kept.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    device::{KnownDevice, Standing},
};

/// Which records of devices are still needed.
///
/// 1. A device on which the user has not signed in for [`unseen`](Self::unseen) is deleted, and so is the rest of one
///    that was forgotten that long ago.
/// 2. A device that has a name, or is trusted, stays until then.
/// 3. Any other is deleted when it has been without sessions for [`retention`](Self::retention), or for a day if the
///    client has never brought its id back.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DeviceUpkeep {
    /// The present.
    pub now: Timestamp,
    /// How long a device is kept on which the user does not sign in.
    pub unseen: Duration,
    /// How long a device is kept without sessions, name and trust.
    pub retention: Duration,
}

impl DeviceUpkeep {
    /// How long a device is kept without sessions whose client has never brought its id back.
    pub const PROVISIONAL: Duration = Duration::from_secs(86_400);

    /// The rules with these times.
    pub fn new(now: Timestamp, unseen: Duration, retention: Duration) -> Self {
        Self { now, unseen, retention }
    }

    /// Returns when to check `known` again, until which it is kept, or `None` when it is no longer needed.
    ///
    /// `last_end` is when the last of the user's recorded sessions on it ended, or will end at the latest.
    pub fn keeps(&self, known: &KnownDevice, last_end: Option<Timestamp>) -> Option<Timestamp> {
        let seen_until = known.last_seen_at.saturating_add(self.unseen);
        let rests_since = last_end.map_or(known.last_seen_at, |end| end.min(self.now).max(known.last_seen_at));
        let until = match known.standing {
            Standing::Forgotten => seen_until,
            _ if known.device.custom_name.is_some() => seen_until,
            _ => match known.trusted_until(self.now) {
                Some(until) => until,
                None => rests_since.saturating_add(self.after_rest(known.standing)),
            },
        };
        let until = until.min(seen_until);
        (self.now < until).then_some(until)
    }

    /// Whether it depends on the sessions on a device how long that is kept.
    #[allow(dead_code, reason = "only some stores ask for it")]
    pub(crate) fn asks_for_sessions(&self, known: &KnownDevice) -> bool {
        let is_marked = known.device.custom_name.is_some() || known.trusted_until(self.now).is_some();
        !is_marked && !known.is_forgotten() && known.last_seen_at > self.seen_before()
    }

    /// Those that were last seen then, or before, are deleted even if they have a name or trust.
    pub fn seen_before(&self) -> Timestamp {
        self.now.saturating_sub(self.unseen)
    }

    /// When a device that is seen at `self.now` should be looked at first.
    pub fn first_look(&self, standing: Standing) -> Timestamp {
        self.now.saturating_add(self.after_rest(standing))
    }

    fn after_rest(&self, standing: Standing) -> Duration {
        match standing {
            Standing::Provisional => self.retention.min(Self::PROVISIONAL),
            Standing::Forgotten | Standing::Lasting => self.retention,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        device::{Device, DeviceName, Trust, TrustHash},
        id::{DeviceId, UserId},
    };

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);

    fn ago(days: u32) -> Timestamp {
        NOW.saturating_sub(days * DAY)
    }

    fn later(days: u32) -> Timestamp {
        NOW.saturating_add(days * DAY)
    }

    /// How long a device is kept that was last seen so many days ago.
    fn kept(days: u32, change: impl FnOnce(&mut KnownDevice), last_end: Option<Timestamp>) -> Option<Timestamp> {
        let mut known = KnownDevice::new(UserId::from(1), DeviceId::new(), Device::default(), ago(days));
        change(&mut known);
        DeviceUpkeep::new(NOW, 400 * DAY, 30 * DAY).keeps(&known, last_end)
    }

    #[test]
    fn a_device_without_sessions_name_and_trust_goes_after_the_retention() {
        assert_eq!(kept(30, |_| {}, None), None);
        assert_eq!(kept(29, |_| {}, None), Some(later(1)));
        assert_eq!(kept(90, |_| {}, Some(ago(30))), None);
        assert_eq!(kept(90, |_| {}, Some(ago(10))), Some(later(20)));
        assert_eq!(
            kept(90, |_| {}, Some(later(5))),
            Some(later(30)),
            "it cannot go before that, whenever the session ends"
        );
    }

    #[test]
    fn a_client_that_never_brought_its_id_back_is_kept_for_a_day() {
        let provisional = |known: &mut KnownDevice| known.standing = Standing::Provisional;
        assert_eq!(kept(1, provisional, None), None);
        assert_eq!(kept(0, provisional, None), Some(later(1)));
        assert_eq!(kept(9, provisional, Some(ago(1))), None);
        assert_eq!(kept(9, provisional, Some(later(9))), Some(later(1)));
    }

    #[test]
    fn a_name_or_trust_keeps_a_device_while_it_is_seen() {
        let named = |known: &mut KnownDevice| known.device.custom_name = DeviceName::try_from("mine").ok();
        let trusted = |days| {
            move |known: &mut KnownDevice| known.trust = Some(Trust::new(later(days), TrustHash::from_bytes([1; 32])))
        };
        assert_eq!(kept(399, named, None), Some(later(1)));
        assert_eq!(kept(400, named, None), None);
        assert_eq!(kept(200, trusted(9), None), Some(later(9)));
        assert_eq!(kept(200, trusted(0), None), None);
        assert_eq!(kept(400, trusted(9), Some(later(9))), None);
    }

    #[test]
    fn what_was_forgotten_is_remembered_as_long_as_a_browser_keeps_its_id() {
        let forgotten = |known: &mut KnownDevice| known.standing = Standing::Forgotten;
        assert_eq!(kept(399, forgotten, None), Some(later(1)));
        assert_eq!(kept(400, forgotten, Some(later(1))), None);
    }
}
