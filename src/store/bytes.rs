//! A session as bytes: for stores that keep records as values.

use serde_json::{Map, Value};

use crate::{
    id::SessionKey,
    session::Session,
    store::{StoreError, record},
};

/// Encodes a session as bytes: a JSON object, without the key. Later versions of this crate read what earlier ones
/// wrote, and pass over what still later ones have added.
///
/// # Security
///
/// It holds what the store needs to know, the salt of the session's refresh tokens among it. It is not for clients.
///
/// # Errors
///
/// A [`StoreError`] for application data that is nested too deep to be read back.
pub fn session_to_bytes(session: &Session) -> Result<Vec<u8>, StoreError> {
    let mut object = Map::new();
    for [name, value] in record::encode(session)?.as_chunks::<2>().0 {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).map_err(StoreError::corrupt);
        object.insert(text(name)?, Value::String(text(value)?));
    }
    serde_json::to_vec(&object).map_err(StoreError::corrupt)
}

/// Decodes the session with this key from what [`session_to_bytes`] returned.
///
/// # Errors
///
/// A [`StoreError`] of the kind [`Corrupt`](crate::store::StoreErrorKind::Corrupt) when the bytes are no session.
pub fn session_from_bytes(key: &SessionKey, bytes: &[u8]) -> Result<Session, StoreError> {
    let object: std::collections::HashMap<String, String> =
        serde_json::from_slice(bytes).map_err(StoreError::corrupt)?;
    let fields = object.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
    record::decode(key, &fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        id::UserId,
        session::{Actor, EndReason, Ending},
        store::StoreErrorKind,
    };

    #[test]
    fn a_session_reads_back_exactly() -> Result<(), StoreError> {
        let now = Timestamp::from_micros(1_767_225_600_000_001);
        let mut session = Session::new(UserId::from(7), now, now.saturating_add(std::time::Duration::from_secs(60)));
        session.data.insert("é\"".to_owned(), Value::from(1.5));
        session.ended = Some(Ending::new(EndReason::SignedOut, Actor::System, now));
        let bytes = session_to_bytes(&session)?;
        assert_eq!(session_from_bytes(&session.key(), &bytes)?, session);
        Ok(())
    }

    #[test]
    fn bytes_that_are_no_session_are_corrupt() {
        let key = SessionKey::new(UserId::from(7), crate::id::SessionId::from_uuid(uuid::Uuid::nil()));
        for bytes in [&b""[..], b"null", b"{}", b"{\"fixed\":1}", b"\xff", b"{\"fixed\":\"{}\",\"level\":\"1\"}"] {
            let refused = session_from_bytes(&key, bytes).map(drop).map_err(|error| error.kind());
            assert_eq!(refused, Err(StoreErrorKind::Corrupt), "{bytes:?}");
        }
    }
}
