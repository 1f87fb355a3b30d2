//! The session record: one sign-in on one device, and how it ended.

use std::{collections::BTreeMap, fmt, net::IpAddr, time::Duration};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    device::Device,
    id::{DeviceId, SessionId, SessionKey, UserId},
    location::Location,
};

/// One sign-in of one user on one device, as the store keeps it.
///
/// The fields are public so that stores of third parties can fill them; handlers usually meet a session through
/// [`CurrentSession`](crate::CurrentSession).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Session {
    /// The user whose session it is. Together with [`id`](Self::id), the record's primary key.
    pub user_id: UserId,
    /// The public handle of the session; it proves nothing without a signature.
    pub id: SessionId,
    /// The device the session is on, when it is known.
    pub device_id: Option<DeviceId>,
    /// The device as the client described it at sign-in.
    pub device: Device,
    /// The client's address at sign-in. Shown, never enforced.
    pub created_ip: Option<IpAddr>,
    /// The client's address at the newest recorded activity.
    pub last_ip: Option<IpAddr>,
    /// Where the sign-in came from, approximately.
    pub location: Option<Location>,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// The newest recorded activity; it lags the real one by at most the activity interval and one flush.
    pub last_active_at: Timestamp,
    /// When the user last proved who they are.
    pub authenticated_at: Timestamp,
    /// The absolute deadline; nothing extends it.
    pub expires_at: Timestamp,
    /// How long the session may stay without activity.
    pub idle_timeout: Duration,
    /// The methods the user has proven themselves with, by their RFC 8176 names (`pwd`, `otp`, …), and when.
    pub methods: BTreeMap<Box<str>, Timestamp>,
    /// The highest authenticator assurance level that was reached: 1, 2 or 3 (NIST SP 800-63B).
    pub assurance_level: u8,
    /// The levels above 1 that an authentication reached, and when one reached each last. See
    /// [`level_reached_at`](Self::level_reached_at).
    pub levels: BTreeMap<u8, Timestamp>,
    /// Which token pair is current, and the salt of its refresh token.
    pub tokens: TokenState,
    /// Why, by whom and when the session was ended on record. A session past a deadline may not have one yet:
    /// see [`SessionPolicy`](crate::SessionPolicy).
    pub ended: Option<Ending>,
    /// The application's own data.
    pub data: Map<String, Value>,
}

impl Session {
    /// A session of `user_id` that starts at `now` and ends at `expires_at` at the latest, with nothing else known.
    ///
    /// The idle timeout starts out as long as the session itself.
    pub fn new(user_id: UserId, now: Timestamp, expires_at: Timestamp) -> Self {
        Self {
            user_id,
            id: SessionId::at(now),
            device_id: None,
            device: Device::default(),
            created_ip: None,
            last_ip: None,
            location: None,
            created_at: now,
            last_active_at: now,
            authenticated_at: now,
            expires_at,
            idle_timeout: expires_at.duration_since(now),
            methods: BTreeMap::new(),
            assurance_level: 1,
            levels: BTreeMap::new(),
            tokens: TokenState::default(),
            ended: None,
            data: Map::new(),
        }
    }

    /// The record's primary key.
    pub fn key(&self) -> SessionKey {
        SessionKey::new(self.user_id.clone(), self.id)
    }
}

/// One moment, and how far recorded activity may lag the real one at it: what decides whether a session has ended.
///
/// Activity is written with a delay, and other nodes' activity may not be on record yet. So a session only counts as
/// idle once its idle timeout *and* the allowance have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AsOf {
    /// The present, as the caller sees it. Stores read no clock.
    pub now: Timestamp,
    /// How far recorded activity may lag the real one.
    pub idle_allowance: Duration,
}

impl AsOf {
    /// This moment, with this allowance.
    pub const fn new(now: Timestamp, idle_allowance: Duration) -> Self {
        Self { now, idle_allowance }
    }

    /// The last moment of activity for a session whose idle timeout is zero to count as idle; a session with a longer
    /// one is idle when its activity lies that much further back.
    ///
    /// Never before the epoch, so that subtracting any timeout from it stays within 64 bits of microseconds.
    pub fn idle_cutoff(&self) -> Timestamp {
        self.now.saturating_sub(self.idle_allowance).max(Timestamp::UNIX_EPOCH)
    }
}

/// A session that has ended, or will at the latest, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedSession {
    /// Which session.
    pub key: SessionKey,
    /// When it ended, or reaches its absolute deadline.
    pub at: Timestamp,
}

impl EndedSession {
    /// The session with this key ended at this time.
    pub fn new(key: SessionKey, at: Timestamp) -> Self {
        Self { key, at }
    }
}

/// Where a session stands in the succession of its token pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenState {
    /// The number of the newest token pair; the first is 0.
    pub generation: u32,
    /// Tokens of older generations than this one are refused.
    pub least_generation: u32,
    /// When the newest pair was issued by a refresh; `None` before the first one.
    pub rotated_at: Option<Timestamp>,
    /// Whether the newest pair has been seen in use.
    pub newest_seen: bool,
    /// The random salt that the session's refresh tokens are bound to.
    pub salt: Salt,
}

/// A session's random salt. It is worth nothing without the server's key, and is still never printed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Salt([u8; 16]);

impl Salt {
    /// A salt of 128 random bits.
    pub(crate) fn random() -> Self {
        // A random UUID has 122 random bits. Two of them, hashed, fill the salt.
        let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
        let hash = Sha256::new().chain_update(one.as_bytes()).chain_update(other.as_bytes()).finalize();
        Self(std::array::from_fn(|index| hash[index]))
    }

    /// The salt with these bytes, as a store has kept them.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// Why, by whom and when a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ending {
    /// Why it ended.
    pub reason: EndReason,
    /// Who ended it.
    pub actor: Actor,
    /// When it ended.
    pub at: Timestamp,
}

impl Ending {
    /// An ending for `reason`, by `actor`, at `at`.
    pub fn new(reason: EndReason, actor: Actor, at: Timestamp) -> Self {
        Self { reason, actor, at }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The user signed out on the device itself.
    SignedOut,
    /// The user ended it from another device.
    RevokedByUser,
    /// An administrator, or the application, ended it.
    RevokedByAdmin,
    /// A limit made it give way to a newer session.
    Evicted,
    /// A newer sign-in on the same device replaced it.
    Replaced,
    /// It was without activity for longer than its idle timeout.
    Idle,
    /// It reached its absolute timeout.
    Expired,
    /// The user's credentials changed.
    CredentialsChanged,
    /// A used refresh token was presented.
    RefreshReused,
    /// A policy of the application ended it.
    Policy,
}

impl EndReason {
    /// All reasons.
    pub const ALL: &'static [Self] = &[
        Self::SignedOut,
        Self::RevokedByUser,
        Self::RevokedByAdmin,
        Self::Evicted,
        Self::Replaced,
        Self::Idle,
        Self::Expired,
        Self::CredentialsChanged,
        Self::RefreshReused,
        Self::Policy,
    ];

    /// The name of the reason in stores and responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::RevokedByUser => "revoked_by_user",
            Self::RevokedByAdmin => "revoked_by_admin",
            Self::Evicted => "evicted",
            Self::Replaced => "replaced",
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::CredentialsChanged => "credentials_changed",
            Self::RefreshReused => "refresh_reused",
            Self::Policy => "policy",
        }
    }

    /// Returns the reason with this name. An unknown name, as a newer version may have written it, is
    /// [`Policy`](Self::Policy).
    pub fn from_name(name: &str) -> Self {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == name).unwrap_or(Self::Policy)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who ended a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// Nobody: a deadline, a limit or a rule.
    System,
    /// The user, through this session.
    Session(SessionId),
    /// The application on its own behalf.
    Application,
    /// An administrator, by the application's name for them. Stores keep at most 128 bytes of it, without control and
    /// invisible characters.
    Administrator(Box<str>),
}

impl Actor {
    /// An administrator by this name, in the form that stores keep.
    pub(crate) fn administrator(name: &str) -> Self {
        Self::Administrator(crate::text::clean(name.as_bytes(), LONGEST_ADMINISTRATOR))
    }

    /// The form in which stores keep the actor; [`Actor::from_stored`] reads it back.
    pub fn to_stored(&self) -> String {
        match self {
            Self::System => "system".to_owned(),
            Self::Session(id) => format!("session:{id}"),
            Self::Application => "application".to_owned(),
            Self::Administrator(name) => {
                format!("administrator:{}", crate::text::clean(name.as_bytes(), LONGEST_ADMINISTRATOR))
            }
        }
    }

    /// Reads what [`Actor::to_stored`] wrote. Anything else is the system.
    pub fn from_stored(text: &str) -> Self {
        match text.split_once(':') {
            Some(("session", id)) => id.parse().map_or(Self::System, Self::Session),
            Some(("administrator", name)) => Self::Administrator(name.into()),
            None if text == "application" => Self::Application,
            _ => Self::System,
        }
    }
}

/// The longest name of an administrator that is kept, in bytes.
const LONGEST_ADMINISTRATOR: usize = 128;

/// Activity to record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Touch {
    /// Which session.
    pub key: SessionKey,
    /// When it was active.
    pub at: Timestamp,
    /// From which address; `None` leaves the one on record.
    pub ip: Option<IpAddr>,
    /// The generation of the token it was active with: when that is the newest, the newest has been seen in use.
    pub generation: Option<u32>,
}

impl Touch {
    /// Activity of this session at this time.
    pub fn new(key: SessionKey, at: Timestamp) -> Self {
        Self { key, at, ip: None, generation: None }
    }

    /// One touch per session, in the order of the records' keys: the newest time, the newest address that is known, and
    /// the newest generation.
    ///
    /// Stores that write the result in its order cannot deadlock with one another.
    pub fn coalesce(touches: &[Self]) -> Vec<Self> {
        let mut sorted: Vec<&Self> = touches.iter().collect();
        sorted.sort_by(|a, b| (&a.key, a.at).cmp(&(&b.key, b.at)));
        let mut coalesced: Vec<Self> = Vec::with_capacity(sorted.len());
        for touch in sorted {
            match coalesced.last_mut() {
                Some(last) if last.key == touch.key => {
                    last.at = touch.at;
                    last.ip = touch.ip.or(last.ip);
                    last.generation = last.generation.max(touch.generation);
                }
                _ => coalesced.push(touch.clone()),
            }
        }
        coalesced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back_from_its_name() {
        for &reason in EndReason::ALL {
            assert_eq!(EndReason::from_name(reason.as_str()), reason);
        }
    }

    /// R39.
    #[test]
    fn a_reason_of_a_newer_version_reads_as_policy() {
        assert_eq!(EndReason::from_name("abducted"), EndReason::Policy);
    }

    #[test]
    fn every_actor_reads_back_from_its_stored_form() {
        let session = SessionId::at(Timestamp::from_seconds(1_767_225_600));
        for actor in
            [Actor::System, Actor::Session(session), Actor::Application, Actor::Administrator("ann: the boss".into())]
        {
            assert_eq!(Actor::from_stored(&actor.to_stored()), actor);
        }
        assert_eq!(Actor::from_stored("session:nonsense"), Actor::System);
    }

    /// S89: what a database, a log or a page would choke on is not kept.
    #[test]
    fn an_administrators_name_is_cleaned() {
        let long = "ä".repeat(200);
        for (name, kept) in [("eve\0", "eve"), (" e\u{202e}v\r\ne\u{200b} ", "eve"), ("\0", ""), (&long, &long[..128])]
        {
            let stored = format!("administrator:{kept}");
            assert_eq!(Actor::Administrator(name.into()).to_stored(), stored, "{name:?}");
            assert_eq!(Actor::administrator(name), Actor::Administrator(kept.into()), "{name:?}");
        }
    }

    /// S91.
    #[test]
    fn a_salt_is_never_printed() {
        assert_eq!(format!("{:?}", Salt::from_bytes([7; 16])), "Salt(..)");
    }

    #[test]
    fn touches_of_one_session_coalesce_into_the_newest() {
        let (ann, bob) = (UserId::from(1), UserId::from(2));
        let id = SessionId::at(Timestamp::from_seconds(1));
        let touch =
            |user: &UserId, second| Touch::new(SessionKey::new(user.clone(), id), Timestamp::from_seconds(second));
        let address: Option<IpAddr> = "192.0.2.1".parse().ok();
        let newest = touch(&ann, 9);
        let earlier = Touch { ip: address, generation: Some(3), ..touch(&ann, 4) };

        let coalesced = Touch::coalesce(&[touch(&bob, 5), newest, earlier.clone(), touch(&ann, 1)]);
        assert_eq!(coalesced, [Touch { at: Timestamp::from_seconds(9), ..earlier }, touch(&bob, 5)]);
    }
}
