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
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{Error, Session, SessionManager, UserId, manager::ListOptions, store::SessionState};
///
/// /// All sessions that are on record, page by page.
/// async fn history(sessions: &SessionManager, user: &UserId) -> Result<Vec<Session>, Error> {
///     let options = ListOptions::new().state(SessionState::All).limit(100);
///     let (mut all, mut next) = (Vec::new(), None);
///     loop {
///         let page = sessions.list(user, &options.clone().cursor(next)).await?;
///         all.extend(page.sessions);
///         next = page.next;
///         if next.is_none() {
///             return Ok(all);
///         }
///     }
/// }
/// ```
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

    /// The most sessions on one page, from 1 to 100; other numbers are moved to the nearer end. Default: 50.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit.clamp(1, Self::MAX_LIMIT);
        self
    }

    /// Where the previous page ended. Default: the first page.
    pub fn cursor(mut self, cursor: Option<Cursor>) -> Self {
        self.cursor = cursor;
        self
    }

    /// A session to put first on the first page, even if others are newer: usually the current one. Default: none.
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

/// A place in a list of sessions, as an opaque text. It holds no secret, and is useless with another user's list.
///
/// Activity reorders the list while a client reads its pages. So the cursor holds where the list began when its first
/// page was read:
///
/// 1. The pages go down from there, newest activity first.
/// 2. Whatever has been active meanwhile has moved above that place. It comes last, the longest rest first, whether it was
///    shown before or not; and so do sessions that have started meanwhile.
/// 3. Other nodes write activity up to one [flush](crate::manager::SessionManagerBuilder::flush_interval) late. So what has been
///    active within two of them before the first page comes last as well, unless the cursor knows that it was shown.
///
/// A session that is there all the time may so be met twice, and is not missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind this, in a list that began there, if that is known.
    Falling(ListPosition, Option<Beginning>),
    /// Above this, among those that may have been active since.
    Rising(ListPosition, Beginning),
}

/// Where a list began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Beginning {
    top: ListPosition,
    /// Activity from then on may have been put on record afterwards.
    since: Timestamp,
    /// Which sessions above the floor were shown: a filter of 256 bits, four for each.
    shown: [u64; 4],
}

impl Beginning {
    fn new(top: ListPosition, since: Timestamp) -> Self {
        Self { top, since, shown: [0; 4] }
    }

    /// The place above which is whatever has moved.
    fn floor(&self) -> ListPosition {
        self.top.min(ListPosition::new(self.since, SessionId::from_uuid(Uuid::nil())))
    }

    fn note_shown(&mut self, sessions: &[Session]) {
        let floor = self.floor();
        for session in sessions.iter().filter(|session| ListPosition::of(session) > floor) {
            bits_of(session.id).for_each(|(word, bit)| self.shown[word] |= bit);
        }
    }

    /// Whether a session was shown, and is where it was then. A filter may take one for another, the more the more it holds.
    fn has_shown(&self, session: &Session) -> bool {
        ListPosition::of(session) <= self.top && bits_of(session.id).all(|(word, bit)| self.shown[word] & bit != 0)
    }
}

/// The bits of a session, by the last four bytes of its id, which are random.
fn bits_of(id: SessionId) -> impl Iterator<Item = (usize, u64)> {
    let [.., a, b, c, d] = *id.as_uuid().as_bytes();
    [a, b, c, d].into_iter().map(|byte| (usize::from(byte >> 6), 1 << (byte & 63)))
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, at, beginning) = match self.0 {
            Place::Falling(after, beginning) => (None, after, beginning),
            Place::Rising(above, beginning) => (Some(RISING), above, Some(beginning)),
        };
        let mut bytes: Vec<u8> = kind.into_iter().chain(to_bytes(&at)).collect();
        if let Some(Beginning { top, since, shown }) = beginning {
            bytes.extend(to_bytes(&top));
            bytes.extend(since.as_micros().to_be_bytes());
            bytes.extend(shown.iter().flat_map(|word| word.to_be_bytes()));
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut bytes = [0; 4 * POSITION];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| InvalidCursor(()))?;
        let (kind, rest) = match bytes[..length].split_at(length % 2) {
            ([], rest) => (None, rest),
            (kind, rest) => (kind.first().copied(), rest),
        };
        let (at, rest) = rest.split_first_chunk::<POSITION>().ok_or(InvalidCursor(()))?;
        let beginning = match (rest.split_first_chunk::<POSITION>(), rest) {
            (_, []) => None,
            (Some((top, rest)), _) => {
                let (words, []) = rest.as_chunks::<8>() else { return Err(InvalidCursor(())) };
                let [since, shown @ ..]: &[[u8; 8]; 5] = words.try_into().map_err(|_| InvalidCursor(()))?;
                let (since, shown) = (i64::from_be_bytes(*since), shown.map(u64::from_be_bytes));
                Some(Beginning { top: from_bytes(top), since: Timestamp::from_micros(since), shown })
            }
            (None, _) => return Err(InvalidCursor(())),
        };
        match (kind, beginning) {
            (None, beginning) => Ok(Self(Place::Falling(from_bytes(at), beginning))),
            (Some(RISING), Some(beginning)) => Ok(Self(Place::Rising(from_bytes(at), beginning))),
            (Some(_), _) => Err(InvalidCursor(())),
        }
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

/// How many sessions are read at least to find some that were not shown.
const AT_ONCE: usize = 50;

/// A text that is not a cursor.
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

    /// Returns one session of a user, ended or not, or `None` when there is none.
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

    /// Returns how a session has ended by now: the ending on record, else the deadline it has passed. `None` while it
    /// is active.
    pub fn ending_of(&self, session: &Session) -> Option<Ending> {
        self.inner.records.ending_of(session)
    }

    /// Replaces the application's data of an active session. Returns whether the user has one under this id.
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

    /// The page at a place, as far down as it goes, and then of what may have been active since the first page.
    async fn page(&self, user: &UserId, query: ListQuery, place: Option<Place>) -> Result<SessionPage, Error> {
        let room = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let (after, mut beginning) = match place {
            Some(Place::Rising(above, beginning)) => {
                let mut risen = self.risen(user, &query, above, &beginning, room + 1).await?;
                let has_more = risen.len() > room;
                risen.truncate(room);
                let next = risen.last().filter(|_| has_more).map(ListPosition::of);
                let next = next.map(|above| Cursor(Place::Rising(above, beginning)));
                return Ok(SessionPage { sessions: risen, next });
            }
            Some(Place::Falling(after, beginning)) => (after, beginning),
            None => (ListPosition::TOP, None),
        };

        // One more than asked for tells whether there is another page.
        let down = ListQuery { after: Some(after), limit: query.limit.saturating_add(1), ..query.clone() };
        let mut sessions = self.list(user, &down).await?;
        let begins = after == ListPosition::TOP;
        if begins && sessions.len() > room && self.write_activity_of_user(user).await {
            // What was seen here before the first page is not to move the list under the second.
            sessions = self.list(user, &down).await?;
        }
        let has_more_below = sessions.len() > room;
        sessions.truncate(room);
        if begins {
            let since = query.as_of.now.saturating_sub(self.settings.flush_interval() * 2);
            beginning = sessions.first().map(|first| Beginning::new(ListPosition::of(first), since));
        }
        if let Some(beginning) = &mut beginning {
            beginning.note_shown(&sessions);
        }
        let mut risen = match &beginning {
            Some(beginning) if !begins && !has_more_below => {
                let wanted = room + 1 - sessions.len();
                self.risen(user, &query, beginning.floor(), beginning, wanted).await?
            }
            _ => Vec::new(),
        };
        let has_more = has_more_below || sessions.len() + risen.len() > room;
        risen.truncate(room - sessions.len());
        let next = match (risen.last().map(ListPosition::of), beginning) {
            (Some(last), Some(beginning)) => Place::Rising(last, beginning),
            // With no room left beside the first session, the next page begins at the top.
            _ => Place::Falling(sessions.last().map_or(after, ListPosition::of), beginning),
        };
        // One that has moved between the two calls is shown once.
        risen.retain(|session| sessions.iter().all(|shown| shown.id != session.id));
        sessions.append(&mut risen);
        Ok(SessionPage { sessions, next: has_more.then_some(Cursor(next)) })
    }

    /// So many, or more, of those above a place that were not shown where they are.
    async fn risen(
        &self,
        user: &UserId,
        query: &ListQuery,
        mut above: ListPosition,
        beginning: &Beginning,
        wanted: usize,
    ) -> Result<Vec<Session>, Error> {
        let mut risen = Vec::new();
        // Most of those that are read may have been shown.
        let limit = wanted.max(AT_ONCE);
        loop {
            let most = u32::try_from(limit).unwrap_or(u32::MAX);
            let up = ListQuery { above: Some(above), limit: most, ..query.clone() };
            let page = self.list(user, &up).await?;
            let next = page.last().filter(|_| page.len() >= limit).map(ListPosition::of);
            risen.extend(page.into_iter().filter(|session| !beginning.has_shown(session)));
            match next {
                Some(next) if risen.len() < wanted => above = next,
                _ => return Ok(risen),
            }
        }
    }

    fn add_unwritten_activity(&self, session: &mut Session) {
        session.last_active_at = self.last_active_at(session);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cursors() -> Vec<Cursor> {
        let id = SessionId::at(Timestamp::from_seconds(1_767_225_600));
        let at = |micros| ListPosition::new(Timestamp::from_micros(micros), id);
        let beginning = Beginning { top: at(7), since: Timestamp::from_micros(5), shown: [1, 2, 3, u64::MAX] };
        let places = [0, -1, 1 << 40, i64::MAX, i64::MIN].map(|micros| {
            let falling = [None, Some(beginning)].map(|beginning| Place::Falling(at(micros), beginning));
            [falling[0], falling[1], Place::Rising(at(micros), beginning)]
        });
        places.into_iter().flatten().map(Cursor).collect()
    }

    /// What was shown is skipped where it was, and not where it has moved to; what was not is not.
    #[test]
    fn a_beginning_knows_what_was_shown() {
        let now = Timestamp::from_seconds(1_767_225_600);
        let ago = |seconds| now.saturating_sub(Duration::from_secs(seconds));
        let active = |seconds| Session::new(UserId::from(1), ago(seconds), now.saturating_add(Duration::from_secs(60)));
        let sessions = [active(1), active(5), active(30)];
        let mut beginning = Beginning::new(ListPosition::of(&sessions[0]), ago(20));
        assert_eq!(beginning.floor().last_active_at, ago(20));
        beginning.note_shown(&sessions);
        assert_eq!(sessions.each_ref().map(|session| beginning.has_shown(session)), [true, true, false]);
        let moved = Session { last_active_at: ago(6), ..sessions[1].clone() };
        let on_top = Session { last_active_at: now, ..sessions[1].clone() };
        assert!(beginning.has_shown(&moved) && !beginning.has_shown(&on_top));
        let taken_for_shown = (0..1_000).filter(|_| beginning.has_shown(&active(3))).count();
        assert!(taken_for_shown <= 1, "{taken_for_shown}");
    }

    #[test]
    fn a_cursor_reads_back_from_its_text() {
        for cursor in cursors() {
            let text = cursor.to_string();
            assert_eq!(text.parse(), Ok(cursor));
            assert!([32, 118, 119].contains(&text.len()), "{text}");
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for good in cursors().iter().map(Cursor::to_string) {
            let cut = &good[..good.len() - 1];
            for bad in [&good[1..], cut, &format!("{good}A"), &format!("+{}", &good[1..])] {
                assert_eq!(bad.parse::<Cursor>(), Err(InvalidCursor(())), "{bad}");
            }
        }
        for bad in
            ["", "x", "=", &"A".repeat(33), &"A".repeat(34), &"A".repeat(64), &"A".repeat(119), &"A".repeat(10_000)]
        {
            assert_eq!(bad.parse::<Cursor>(), Err(InvalidCursor(())), "{bad}");
        }
    }
}
