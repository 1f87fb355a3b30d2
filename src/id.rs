//! Identifiers: whose session, which session, which device.
//!
//! All three are public handles. None is a secret, and none proves anything without a signature.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;

/// The application's own id of a user: 1 to 128 bytes of text without control characters or surrounding white space.
///
/// Compared byte by byte: `Ann` and `ann` are two users. Cloning is cheap.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::UserId;
///
/// let ann = UserId::try_from("auth0|5f7c8ec7")?;
/// let numbered = UserId::from(42_i64);
/// assert_eq!(numbered.as_str(), "42");
/// assert!(UserId::try_from("").is_err());
/// # Ok::<(), tower_device_sessions::InvalidUserId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(Arc<str>);

impl UserId {
    /// The longest id, in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// The id as the application gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Result<Arc<str>, InvalidUserId> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len());
        let clean = !text.chars().any(char::is_control) && text.trim() == text;
        if fits && clean { Ok(Arc::from(text)) } else { Err(InvalidUserId(())) }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for UserId {
    type Err = InvalidUserId;

    fn from_str(text: &str) -> Result<Self, InvalidUserId> {
        Self::parse(text).map(Self)
    }
}

impl TryFrom<&str> for UserId {
    type Error = InvalidUserId;

    fn try_from(text: &str) -> Result<Self, InvalidUserId> {
        Self::parse(text).map(Self)
    }
}

impl TryFrom<String> for UserId {
    type Error = InvalidUserId;

    fn try_from(text: String) -> Result<Self, InvalidUserId> {
        Self::parse(&text).map(Self)
    }
}

impl TryFrom<&String> for UserId {
    type Error = InvalidUserId;

    fn try_from(text: &String) -> Result<Self, InvalidUserId> {
        Self::parse(text).map(Self)
    }
}

impl From<&UserId> for UserId {
    fn from(id: &UserId) -> Self {
        id.clone()
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0.as_ref().to_owned()
    }
}

macro_rules! user_id_from_display {
    ($($type:ty),+) => {$(
        impl From<$type> for UserId {
            fn from(id: $type) -> Self {
                Self(Arc::from(id.to_string()))
            }
        }
    )+};
}

user_id_from_display!(Uuid, i32, i64, u32, u64);

/// A user id that is empty, longer than 128 bytes, or holds control characters or surrounding white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUserId(());

impl fmt::Display for InvalidUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user id is 1 to 128 bytes without control characters or surrounding white space")
    }
}

impl std::error::Error for InvalidUserId {}

impl From<std::convert::Infallible> for InvalidUserId {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// The id of one sign-in: a UUID of version 7 (RFC 9562), so that newer sessions sort after older ones.
///
/// It is printed in the canonical form: 36 characters, lower case, hyphenated. It parses from any form in which
/// platforms print a UUID: in upper or lower case, with hyphens or without, in braces or parentheses, and as a URN. A
/// token names its session in the canonical form only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(Uuid);

/// The primary key of a session record: whose session, and which.
///
/// A record is only ever looked up by both. So all of a user's sessions can live together on one shard, and a session
/// id with another user's id finds nothing. Cloning is cheap.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{SessionId, SessionKey, UserId, clock::Timestamp};
///
/// let key = SessionKey::new(UserId::from(42), SessionId::at(Timestamp::UNIX_EPOCH));
/// assert_eq!(key.user_id.as_str(), "42");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a primary key of more parts would be another table")]
pub struct SessionKey {
    /// Whose session.
    pub user_id: UserId,
    /// Which session.
    pub id: SessionId,
}

impl SessionKey {
    /// The key of this user's session with this id.
    pub const fn new(user_id: UserId, id: SessionId) -> Self {
        Self { user_id, id }
    }
}

/// The id of a device: a UUID that outlives the sessions on it.
///
/// It is printed and parsed like a [`SessionId`]: the UUID of an app's platform is accepted as it is printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(Uuid);

impl SessionId {
    /// A new id of a session that starts `now`: 48 bits of milliseconds, then 74 random bits.
    pub fn at(now: Timestamp) -> Self {
        let micros = now.as_micros().max(0);
        let seconds = u64::try_from(micros / 1_000_000).unwrap_or(0);
        let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)))
    }
}

impl SessionId {
    /// When the session began, by the clock of the node that made the id; `None` for ids of other kinds.
    pub(crate) fn begun_at(&self) -> Option<Timestamp> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        let micros = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?;
        Some(Timestamp::from_micros(micros.saturating_add(i64::from(nanos / 1_000))))
    }

    /// Reads the canonical form and no other: what is signed has one text.
    pub(crate) fn from_canonical(text: &str) -> Option<Self> {
        let id: Self = text.parse().ok()?;
        (id.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(id)
    }
}

impl DeviceId {
    /// A new random id (UUID of version 4).
    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl Default for DeviceId {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! uuid_id {
    ($name:ident) => {
        impl $name {
            /// The id as a UUID.
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }

            /// The id with this UUID.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_uuid(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                parse_uuid(&text).map(Self)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

uuid_id!(SessionId);
uuid_id!(DeviceId);

/// A session or device id that is not a UUID in any form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId(());

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is a UUID")
    }
}

impl std::error::Error for InvalidId {}

/// Reads a UUID as RFC 9562 §4 and platforms write it: 32 digits in either case, with hyphens only between groups of
/// four or without any, bare, as `urn:uuid:`, in braces or in parentheses.
fn parse_uuid(text: &str) -> Result<Uuid, InvalidId> {
    let digits = unwrapped(text.as_bytes());
    let (mut value, mut count, mut after_hyphen) = (0_u128, 0, true);
    for &byte in digits {
        if byte == b'-' && count % 4 == 0 && !after_hyphen {
            after_hyphen = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16).filter(|_| count < 32).ok_or(InvalidId(()))?;
        (value, count, after_hyphen) = (value << 4 | u128::from(digit), count + 1, false);
    }
    if count == 32 && !after_hyphen { Ok(Uuid::from_u128(value)) } else { Err(InvalidId(())) }
}

fn unwrapped(text: &[u8]) -> &[u8] {
    const URN: &[u8] = b"urn:uuid:";
    match text {
        [b'{', inner @ .., b'}'] | [b'(', inner @ .., b')'] => inner,
        _ => match text.split_at_checked(URN.len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(URN) => rest,
            _ => text,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_is_one_to_128_bytes_of_clean_text() {
        let longest = "x".repeat(128);
        for good in ["a", "demo@example.com", "auth0|abc", "did:plc:xyz", "Zoë", "{7}", longest.as_str()] {
            assert_eq!(UserId::try_from(good).map(String::from).as_deref(), Ok(good));
        }

        let too_long = "x".repeat(129);
        for bad in ["", " ", " a", "a ", "a\0b", "a\nb", "\u{85}", too_long.as_str()] {
            assert!(UserId::try_from(bad).is_err(), "{bad:?}");
        }
    }

    /// S83.
    #[test]
    fn an_id_parses_from_every_form_that_platforms_print() {
        let id = SessionId::at(Timestamp::from_seconds(1_767_225_600));
        let text = id.to_string();
        let (simple, urn) = (id.as_uuid().simple().to_string(), id.as_uuid().urn().to_string());
        let groups: Vec<&str> = (0..8).map(|group| &simple[4 * group..4 * group + 4]).collect();
        for form in [
            text.clone(),
            text.to_uppercase(),
            simple.clone(),
            simple.to_uppercase(),
            format!("{{{text}}}"),
            format!("{{{}}}", simple.to_uppercase()),
            format!("({text})"),
            urn.clone(),
            urn.to_uppercase(),
            groups.join("-"),
            format!(
                "{}-{}",
                groups[..4].join("-"),
                groups[4..].join("").replacen(groups[4], &format!("{}-", groups[4]), 1)
            ),
        ] {
            assert_eq!(form.parse(), Ok(id), "{form}");
            assert_eq!(SessionId::from_canonical(&form).is_some(), form == text, "{form}");
        }
        assert_eq!(id.to_string(), text);
        for other in [
            String::new(),
            "-".to_owned(),
            format!("{text} "),
            format!(" {text}"),
            format!("{text}-"),
            format!("-{text}"),
            format!("{simple}0"),
            simple[1..].to_owned(),
            text.replacen('-', "--", 1),
            format!("{}-{}", &simple[..3], &simple[3..]),
            format!("{{{text}"),
            format!("{text}}}"),
            format!("{{{text})"),
            format!("{{{{{text}}}}}"),
            format!("urn:uuid:{{{text}}}"),
            format!("urn:{text}"),
            text.replacen('0', "g", 1),
            text.replacen('0', "\u{660}", 1),
            format!("{text}\0"),
            "..".repeat(18),
            "é".repeat(18),
        ] {
            assert!(other.parse::<SessionId>().is_err(), "{other}");
        }
    }

    #[test]
    fn newer_session_ids_sort_after_older_ones() {
        let first = SessionId::at(Timestamp::from_micros(1_767_225_600_000_000));
        let second = SessionId::at(Timestamp::from_micros(1_767_225_600_001_000));
        assert!(first < second);
        assert_eq!(first.as_uuid().get_version_num(), 7);
    }

    #[test]
    fn ids_of_one_moment_differ() {
        assert_ne!(SessionId::at(Timestamp::UNIX_EPOCH), SessionId::at(Timestamp::UNIX_EPOCH));
    }
}
