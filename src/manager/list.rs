//! Users look at their sessions.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    error::Error,
    id::{SessionId, SessionKey, UserId},
    manager::{
        SessionManager,
        records::{
            Records,
            change::{Affected, Word, detached},
        },
    },
    metrics::Operation,
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
/// Activity reorders the list while one pages. The cursor therefore knows where the list began when its first page was read:
///
/// 1. The pages go down from there, newest activity first.
/// 2. Whatever has been active meanwhile has moved above that place. It comes last, the longest rest first, whether it was
///    shown before or not; and so do sessions that have started meanwhile.
///
/// A session that is there all the time may so be met twice, and is never missed. That goes by the activity on record: another
/// node writes its own within one [flush](crate::manager::SessionManagerBuilder::flush_interval).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind the first, in a list that began at the second, if that is known.
    Falling(ListPosition, Option<ListPosition>),
    /// Above this, among those that have been active since.
    Rising(ListPosition),
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match self.0 {
            Place::Falling(after, top) => {
                [after].into_iter().chain(top).flat_map(|position| to_bytes(&position)).collect()
            }
            Place::Rising(above) => [&[RISING], &to_bytes(&above)[..]].concat(),
        };
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut bytes = [0; 2 * POSITION];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| InvalidCursor(()))?;
        let (positions, rest) = bytes[..length].as_chunks::<POSITION>();
        Ok(Self(match (positions, rest) {
            ([after], []) => Place::Falling(from_bytes(after), None),
            ([after, top], []) => Place::Falling(from_bytes(after), Some(from_bytes(top))),
            ([_], [_]) if bytes[0] == RISING => {
                let position = bytes[1..length].first_chunk().ok_or(InvalidCursor(()))?;
                Place::Rising(from_bytes(position))
            }
            _ => return Err(InvalidCursor(())),
        }))
    }
}

fn to_bytes(position: &ListPosition) -> [u8; POSITION] {
    let mut bytes = [0; POSITION];
    bytes[..8].copy_from_slice(&position.last_active_at.as_micros().to_be_bytes());
    bytes[8..].copy_from_slice(position.id.as_uuid().as_bytes());
    bytes
}

fn from_bytes(bytes: &[u8; POSITION]) -> ListPosition {
    let [a, b, c, d, e, f, g, h, id @ ..] = *bytes;
    let last_active_at = Timestamp::from_micros(i64::from_be_bytes([a, b, c, d, e, f, g, h]));
    ListPosition::new(last_active_at, SessionId::from_uuid(Uuid::from_bytes(id)))
}

const POSITION: usize = 24;

const RISING: u8 = 1;

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
        let records = &self.inner.records;
        let mut sessions = Vec::new();

        let leads = options.cursor.is_none() && options.state != SessionState::Ended;
        if let Some(first) = options.first.filter(|_| leads) {
            let found = records.find(&SessionKey::new(user.clone(), first)).await?;
            sessions.extend(found.filter(|session| records.ending_of(session).is_none()));
        }

        let room = options.limit - u32::try_from(sessions.len()).unwrap_or(0);
        let mut query = ListQuery::new(options.state, room, records.as_of(records.clock.now()));
        query.except = options.first;
        let page = records.page(user, query, options.cursor.map(|cursor| cursor.0)).await?;

        sessions.extend(page.sessions);
        sessions.iter_mut().for_each(|session| records.add_unwritten_activity(session));
        Ok(SessionPage { sessions, next: page.next })
    }

    /// One session of a user, ended or not; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time.
    pub async fn find(&self, user: &UserId, id: SessionId) -> Result<Option<Session>, Error> {
        let found = self.inner.records.find(&SessionKey::new(user.clone(), id)).await?;
        Ok(found.map(|mut session| {
            self.inner.records.add_unwritten_activity(&mut session);
            session
        }))
    }

    /// How a session has ended by now: the ending on record, else the deadline it has passed; `None` while it is active.
    pub fn ending_of(&self, session: &Session) -> Option<Ending> {
        self.inner.records.ending_of(session)
    }

    /// Replaces the application's data of an active session. Answers whether the user has one under this id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time.
    pub async fn set_data(&self, user: &UserId, id: SessionId, data: Map<String, Value>) -> Result<bool, Error> {
        let (inner, key) = (Arc::clone(&self.inner), SessionKey::new(user.clone(), id));
        detached(async move { inner.records.set_data(&key, &data).await }).await
    }
}

impl Records {
    async fn set_data(&self, key: &SessionKey, data: &Map<String, Value>) -> Result<bool, Error> {
        self.change(Operation::SetData, Affected::One(key), |store| store.set_data(key, data), |_| Word::Changed).await
    }

    /// The page at a place, as far down as it goes, and then of what has been active since the first page.
    async fn page(&self, user: &UserId, query: ListQuery, place: Option<Place>) -> Result<SessionPage, Error> {
        let room = usize::try_from(query.limit).unwrap_or(usize::MAX);
        // One more than asked for tells whether there is another page.
        let list = async |after, above, limit: usize| {
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            let query = ListQuery { after, above, limit, ..query.clone() };
            self.list(user, &query).await
        };
        let (after, mut top) = match place {
            Some(Place::Rising(above)) => {
                let mut risen = list(None, Some(above), room + 1).await?;
                let has_more = risen.len() > room;
                risen.truncate(room);
                let next = risen.last().filter(|_| has_more).map(ListPosition::of);
                return Ok(SessionPage { sessions: risen, next: next.map(|above| Cursor(Place::Rising(above))) });
            }
            Some(Place::Falling(after, top)) => (after, top),
            None => (ListPosition::TOP, None),
        };

        let mut sessions = list(Some(after), None, room + 1).await?;
        let begins = after == ListPosition::TOP;
        if begins && sessions.len() > room && self.write_activity_of_user(user).await {
            // What was seen here before the first page is not to move the list under the second.
            sessions = list(Some(after), None, room + 1).await?;
        }
        let mut risen = match top {
            Some(top) if sessions.len() <= room => list(None, Some(top), room + 1 - sessions.len()).await?,
            _ => Vec::new(),
        };

        let has_more = sessions.len() + risen.len() > room;
        sessions.truncate(room);
        risen.truncate(room - sessions.len());
        if begins {
            top = sessions.first().map(ListPosition::of);
        }
        let next = match (risen.last(), sessions.last()) {
            (Some(last), _) => Place::Rising(ListPosition::of(last)),
            (None, Some(last)) => Place::Falling(ListPosition::of(last), top),
            // With no room left beside the first session, the next page begins at the top.
            (None, None) => Place::Falling(after, top),
        };
        // One that has moved between the two calls is shown once.
        risen.retain(|session| sessions.iter().all(|shown| shown.id != session.id));
        sessions.append(&mut risen);
        Ok(SessionPage { sessions, next: has_more.then_some(Cursor(next)) })
    }

    fn add_unwritten_activity(&self, session: &mut Session) {
        session.last_active_at = self.last_active_at(session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors() -> Vec<Cursor> {
        let id = SessionId::at(Timestamp::from_seconds(1_767_225_600));
        let at = |micros| ListPosition::new(Timestamp::from_micros(micros), id);
        let places = [0, -1, 1 << 56, i64::MAX, i64::MIN].map(|micros| {
            [Place::Falling(at(micros), None), Place::Falling(at(micros), Some(at(7))), Place::Rising(at(micros))]
        });
        places.into_iter().flatten().map(Cursor).collect()
    }

    #[test]
    fn a_cursor_reads_back_from_its_text() {
        for cursor in cursors() {
            let text = cursor.to_string();
            assert_eq!(text.parse(), Ok(cursor));
            assert!([32, 34, 64].contains(&text.len()), "{text}");
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for good in cursors().iter().map(Cursor::to_string) {
            let cut = &good[..good.len() - 1];
            for bad in [&good[1..], cut, &format!("{good}A"), &format!("A{good}"), &format!("+{}", &good[1..])] {
                assert_eq!(bad.parse::<Cursor>(), Err(InvalidCursor(())), "{bad}");
            }
        }
        let other = Cursor(Place::Rising(ListPosition::TOP)).to_string().replacen('A', "B", 1);
        for bad in ["", "x", "=", &"A".repeat(33), &"A".repeat(63), &"A".repeat(10_000), &other] {
            assert_eq!(bad.parse::<Cursor>(), Err(InvalidCursor(())), "{bad}");
        }
    }
}
