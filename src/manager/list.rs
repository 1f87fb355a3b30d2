use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    error::Error,
    id::{SessionId, SessionKey, UserId},
    manager::{
        Inner, SessionManager,
        records::change::{Affected, Word},
    },
    session::{Ending, Session},
    store::{ListPosition, ListQuery, SessionState},
};

/// Which of a user's sessions to list.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`state`](Self::state) | active sessions |
/// | [`limit`](Self::limit) | 50 |
/// | [`cursor`](Self::cursor) | the first page |
/// | [`first`](Self::first) | none |
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ListOptions {
    state: SessionState,
    limit: u32,
    cursor: Option<Cursor>,
    first: Option<SessionId>,
}

impl ListOptions {
    /// The most sessions on one page.
    pub const MAX_LIMIT: u32 = 100;

    /// The first 50 active sessions.
    pub fn new() -> Self {
        Self { state: SessionState::Active, limit: 50, cursor: None, first: None }
    }

    /// Which sessions. Default: active ones.
    pub fn state(mut self, state: SessionState) -> Self {
        self.state = state;
        self
    }

    /// The most sessions on one page, from 1 to 100; what lies outside is moved to the nearer end. Default: 50.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit.clamp(1, Self::MAX_LIMIT);
        self
    }

    /// Where the page before ended. Default: the first page.
    pub fn cursor(mut self, cursor: Option<Cursor>) -> Self {
        self.cursor = cursor;
        self
    }

    /// A session to put first on the first page, whenever it was active: usually the one that asks. Default: none.
    pub fn first(mut self, id: SessionId) -> Self {
        self.first = Some(id);
        self
    }
}

impl Default for ListOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A page of a user's sessions.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions, newest activity first.
    pub sessions: Vec<Session>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
}

/// A place in a list of sessions, as an opaque text. It holds no secret, and is of no use with another user's list.
///
/// Activity reorders the list: a session that becomes active while one pages may be met twice, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(ListPosition);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.0.last_active_at.as_micros().to_be_bytes());
        bytes[8..].copy_from_slice(self.0.id.as_uuid().as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut bytes = [0; 24];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| InvalidCursor(()))?;
        let (Some(micros), Some(id), 24) = (bytes.first_chunk::<8>(), bytes.last_chunk::<16>(), length) else {
            return Err(InvalidCursor(()));
        };
        let last_active_at = Timestamp::from_micros(i64::from_be_bytes(*micros));
        Ok(Self(ListPosition::new(last_active_at, SessionId::from_uuid(Uuid::from_bytes(*id)))))
    }
}

/// A text that no list has answered as a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCursor(());

impl fmt::Display for InvalidCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a cursor of a list of sessions")
    }
}

impl std::error::Error for InvalidCursor {}

impl SessionManager {
    /// Lists a user's sessions, newest activity first.
    ///
    /// Activity that this node has seen and not yet written is shown.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time.
    pub async fn list(&self, user: &UserId, options: &ListOptions) -> Result<SessionPage, Error> {
        let inner = &self.inner;
        let mut sessions = Vec::new();

        let leads = options.cursor.is_none() && options.state != SessionState::Ended;
        if let Some(first) = options.first.filter(|_| leads) {
            let found = inner.within_deadline("find", inner.store.find(&SessionKey::new(user.clone(), first))).await?;
            sessions.extend(found.filter(|session| inner.ending_of(session).is_none()));
        }

        // One more than asked for tells whether there is another page.
        let room = options.limit - u32::try_from(sessions.len()).unwrap_or(0);
        let mut query = ListQuery::new(options.state, room + 1, inner.as_of(inner.clock.now()));
        query.except = options.first;
        query.after = options.cursor.map(|cursor| cursor.0);
        let mut page = inner.within_deadline("list", inner.store.list(user, &query)).await?;

        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let has_more = page.len() > room;
        page.truncate(room);
        // With no room left beside the first session, the next page begins at the top.
        let top = ListPosition::new(Timestamp::from_micros(i64::MAX), SessionId::from_uuid(Uuid::max()));
        let next = has_more.then(|| Cursor(page.last().map_or(top, ListPosition::of)));

        sessions.append(&mut page);
        sessions.iter_mut().for_each(|session| inner.add_unwritten_activity(session));
        Ok(SessionPage { sessions, next })
    }

    /// One session of a user, ended or not; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time.
    pub async fn find(&self, user: &UserId, id: SessionId) -> Result<Option<Session>, Error> {
        let found =
            self.inner.within_deadline("find", self.inner.store.find(&SessionKey::new(user.clone(), id))).await?;
        Ok(found.map(|mut session| {
            self.inner.add_unwritten_activity(&mut session);
            session
        }))
    }

    /// How a session has ended by now: the ending on record, else the deadline it has passed; `None` while it is active.
    pub fn ending_of(&self, session: &Session) -> Option<Ending> {
        self.inner.ending_of(session)
    }

    /// Replaces the application's data of an active session. Answers whether the user has one under this id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time.
    pub async fn set_data(&self, user: &UserId, id: SessionId, data: Map<String, Value>) -> Result<bool, Error> {
        let (inner, key) = (Arc::clone(&self.inner), SessionKey::new(user.clone(), id));
        let change = async move {
            let set_data = || inner.store.set_data(&key, &data);
            inner.change("set_data", Affected::One(&key), set_data, |_| Word::Changed).await
        };
        self.inner.detached(change).await
    }
}

impl Inner {
    fn ending_of(&self, session: &Session) -> Option<Ending> {
        session.ending(&self.as_of(self.clock.now()))
    }

    fn add_unwritten_activity(&self, session: &mut Session) {
        session.last_active_at = self.last_active_at(session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_from_its_text() {
        let id = SessionId::at(Timestamp::from_seconds(1_767_225_600));
        for micros in [0, -1, i64::MAX, i64::MIN] {
            let cursor = Cursor(ListPosition::new(Timestamp::from_micros(micros), id));
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let id = SessionId::at(Timestamp::from_seconds(1_767_225_600));
        let good = Cursor(ListPosition::new(Timestamp::UNIX_EPOCH, id)).to_string();
        for bad in ["", "x", "=", &good[1..], &format!("{good}A"), &good.replace(&good[..1], "+"), &"A".repeat(10_000)]
        {
            assert_eq!(bad.parse::<Cursor>(), Err(InvalidCursor(())), "{bad}");
        }
    }
}
