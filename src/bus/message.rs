//! The message that a bus carries, and its encoded form.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    id::{SessionId, UserId},
};

/// Says which sessions to reload, because they have ended or changed.
///
/// Its encoded form is never longer than 5,000 bytes, so every bus can carry it.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{SessionId, Timestamp, UserId, bus::RevocationMessage};
///
/// let (phone, laptop) = (SessionId::at(Timestamp::UNIX_EPOCH), SessionId::at(Timestamp::UNIX_EPOCH));
/// let message = RevocationMessage::all_ended(UserId::from(7), Some(laptop));
/// assert!(message.includes(phone) && !message.includes(laptop));
/// assert_eq!(RevocationMessage::decode(message.encode().as_bytes()), Ok(message));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationMessage {
    user_id: UserId,
    cause: Cause,
    affected: Affected,
    origin: Option<Origin>,
    seal: Option<Box<str>>,
}

/// Who has sent a message, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// A number that the sending manager has drawn for itself.
    pub node: u64,
    /// When it was sent, by the clock of the sender.
    pub at: Timestamp,
}

/// Why to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// They have ended.
    Ended,
    /// Something else about them has changed, such as which tokens are valid.
    Changed,
}

/// Which sessions to reload. May include sessions that did not change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Affected {
    /// These sessions.
    Sessions(Vec<SessionId>),
    /// All sessions of the user, except this one if there is one.
    AllBut(Option<SessionId>),
}

impl RevocationMessage {
    /// The most sessions that a message names. A message about more is about all sessions of the user.
    pub const MOST_SESSIONS: usize = 100;

    /// The most bytes that a seal has.
    pub const LONGEST_SEAL: usize = 64;

    /// These sessions of a user have ended.
    pub fn ended(user_id: UserId, sessions: impl IntoIterator<Item = SessionId>) -> Self {
        Self::new(user_id, Cause::Ended, some_or_all(sessions))
    }

    /// All sessions of a user have ended, except this one.
    pub fn all_ended(user_id: UserId, keep: Option<SessionId>) -> Self {
        Self::new(user_id, Cause::Ended, Affected::AllBut(keep))
    }

    /// These sessions of a user have changed.
    pub fn changed(user_id: UserId, sessions: impl IntoIterator<Item = SessionId>) -> Self {
        Self::new(user_id, Cause::Changed, some_or_all(sessions))
    }

    /// All sessions of a user have changed, or may have.
    pub fn all_changed(user_id: UserId) -> Self {
        Self::new(user_id, Cause::Changed, Affected::AllBut(None))
    }

    fn new(user_id: UserId, cause: Cause, affected: Affected) -> Self {
        Self { user_id, cause, affected, origin: None, seal: None }
    }

    /// Sets who has sent it, and when.
    #[must_use]
    pub fn sent(mut self, node: u64, at: Timestamp) -> Self {
        self.origin = Some(Origin { node, at });
        self
    }

    /// Who has sent it, and when, if it says so.
    pub fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// Adds a seal of at most [`LONGEST_SEAL`](Self::LONGEST_SEAL) bytes, which proves to the holders of a secret who
    /// made the text of [`encode`](Self::encode) without it.
    #[must_use]
    pub fn sealed(mut self, seal: impl Into<Box<str>>) -> Self {
        self.seal = Some(seal.into());
        self
    }

    /// The message without its seal, and the seal, if it has one.
    pub fn unsealed(&self) -> (Self, Option<&str>) {
        (Self { seal: None, ..self.clone() }, self.seal.as_deref())
    }

    /// Whose sessions.
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// Why to look again.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Which sessions.
    pub fn affected(&self) -> &Affected {
        &self.affected
    }

    /// Whether it is about this session, a session of the right user.
    pub fn includes(&self, id: SessionId) -> bool {
        match &self.affected {
            Affected::Sessions(sessions) => sessions.contains(&id),
            Affected::AllBut(keep) => *keep != Some(id),
        }
    }

    /// The message as text, on one line.
    pub fn encode(&self) -> String {
        let (sessions, keep) = match &self.affected {
            Affected::Sessions(sessions) => (Some(sessions.clone()), None),
            Affected::AllBut(keep) => (None, *keep),
        };
        let origin = self.origin.map(|origin| (origin.node, origin.at.as_micros()));
        let (user, seal) = (self.user_id.clone(), self.seal.clone());
        let form = Form { version: VERSION, cause: self.cause, user, sessions, keep, origin, seal };
        // Text, numbers and lists of them: JSON can hold all of it. If it could not, the receivers would take the empty
        // message for a gap.
        serde_json::to_string(&form).unwrap_or_default()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// [`Undecodable`] for anything else, such as the message of a newer version. A receiver that cannot read a message
    /// must treat it as a [gap](super::BusEvent::Gap).
    pub fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        let form: Form = serde_json::from_slice(bytes).map_err(|_| Undecodable(()))?;
        let affected = match (form.sessions, form.keep) {
            (Some(sessions), None) if sessions.len() <= Self::MOST_SESSIONS => Affected::Sessions(sessions),
            (None, keep) => Affected::AllBut(keep),
            _ => return Err(Undecodable(())),
        };
        let is_too_long = form.seal.as_ref().is_some_and(|seal| seal.len() > Self::LONGEST_SEAL);
        if form.version != VERSION || is_too_long {
            return Err(Undecodable(()));
        }
        let origin = form.origin.map(|(node, at)| Origin { node, at: Timestamp::from_micros(at) });
        Ok(Self { user_id: form.user, cause: form.cause, affected, origin, seal: form.seal })
    }
}

/// Bytes that are no message of a known version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable(());

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a message of a known version")
    }
}

impl std::error::Error for Undecodable {}

/// The encoded form. An unknown member is refused: it may say that more sessions are affected.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(rename = "v")]
    version: u32,
    #[serde(rename = "c")]
    cause: Cause,
    #[serde(rename = "u")]
    user: UserId,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    sessions: Option<Vec<SessionId>>,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    keep: Option<SessionId>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    origin: Option<(u64, i64)>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    seal: Option<Box<str>>,
}

fn some_or_all(sessions: impl IntoIterator<Item = SessionId>) -> Affected {
    let sessions: Vec<SessionId> = sessions.into_iter().take(RevocationMessage::MOST_SESSIONS + 1).collect();
    if sessions.len() > RevocationMessage::MOST_SESSIONS {
        return Affected::AllBut(None);
    }
    Affected::Sessions(sessions)
}

const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn messages() -> impl Strategy<Value = RevocationMessage> {
        let user =
            "[^\\p{Cc}\\s]{1,42}|[\"\\\\]{1,128}".prop_filter_map("a user id", |text| UserId::try_from(text).ok());
        let session = any::<[u8; 16]>().prop_map(|bytes| SessionId::from_uuid(Uuid::from_bytes(bytes)));
        let sessions = proptest::collection::vec(session.clone(), 0..130);
        let sent = proptest::option::of((any::<u64>(), any::<i64>()));
        let message = prop_oneof![
            (user.clone(), sessions.clone()).prop_map(|(user, sessions)| RevocationMessage::ended(user, sessions)),
            (user.clone(), sessions).prop_map(|(user, sessions)| RevocationMessage::changed(user, sessions)),
            (user, proptest::option::of(session)).prop_map(|(user, keep)| RevocationMessage::all_ended(user, keep)),
        ];
        let seal = proptest::option::of("[A-Za-z0-9_-]{43}");
        (message, sent, seal).prop_map(|(message, sent, seal)| {
            let message = match sent {
                Some((node, at)) => message.sent(node, Timestamp::from_micros(at)),
                None => message,
            };
            match seal {
                Some(seal) => message.sealed(seal),
                None => message,
            }
        })
    }

    proptest! {
        #[test]
        fn a_message_reads_back_and_fits_every_bus(message in messages()) {
            let encoded = message.encode();
            prop_assert!(encoded.len() <= 5_000, "{} bytes", encoded.len());
            prop_assert!(!encoded.contains('\n'));
            prop_assert_eq!(RevocationMessage::decode(encoded.as_bytes()), Ok(message));
        }

        #[test]
        fn what_is_cut_or_changed_is_read_as_itself_or_not_at_all(
            message in messages(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
        ) {
            let mut bytes = message.encode().into_bytes();
            let at = at.index(bytes.len());
            if cut {
                bytes.truncate(at);
                prop_assert!(RevocationMessage::decode(&bytes).is_err());
            } else {
                bytes[at] = byte;
                let _ = RevocationMessage::decode(&bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_are_no_message(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(RevocationMessage::decode(&bytes).is_err());
        }
    }

    /// R39: the nodes of a fleet that is being deployed run two versions of this.
    #[test]
    fn the_form_is_for_ever() {
        let id = SessionId::from_uuid(Uuid::nil());
        let text = r#"{"v":1,"c":"ended","u":"ann","s":["00000000-0000-0000-0000-000000000000"]}"#;
        assert_eq!(RevocationMessage::ended(UserId::from(1), [id]).encode(), text.replace("ann", "1"));
        assert!(RevocationMessage::decode(text.as_bytes()).is_ok());
        for other in [
            text.replace(":1,", ":2,"),
            text.replace("ended", "moved"),
            text.replace("\"s\"", "\"all\""),
            text.replace("ann", ""),
            text.replace("0000-", "000G-"),
            text.replace("]}", "],\"k\":\"00000000-0000-0000-0000-000000000000\"}"),
            text.replace("]}", "],\"region\":\"eu\"}"),
            text.replace("]}", &format!("],\"m\":\"{}\"}}", "A".repeat(65))),
            format!("{text} {text}"),
            String::new(),
        ] {
            assert!(RevocationMessage::decode(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn a_message_about_too_many_is_about_all() {
        let id = SessionId::from_uuid(Uuid::nil());
        let few = RevocationMessage::ended(UserId::from(1), [id; RevocationMessage::MOST_SESSIONS]);
        let many = RevocationMessage::ended(UserId::from(1), [id; RevocationMessage::MOST_SESSIONS + 1]);
        assert!(matches!(few.affected(), Affected::Sessions(sessions) if sessions.len() == 100));
        assert_eq!(many.affected(), &Affected::AllBut(None));
    }
}
