//! Sessions in a file of redb, an embedded key-value engine: a store of one's own in an evening.
//!
//! Each method is one transaction in a thread that may block, so that a dropped future leaves the old state or the new.
//! What a change does to a record is the crate's (`apply_to`); this file says where records lie.

use std::{path::Path, sync::Arc, time::Duration};

use redb::{Database, Range, ReadableTable, Table, TableDefinition};
use serde_json::{Map, Value};
use tower_device_sessions::{
    Session, SessionId, SessionKey, UserId,
    clock::Timestamp,
    device::DeviceName,
    policy::Admission,
    session::{AsOf, EndedSession, Ending, Touch},
    store::{
        Admitted, EndOutcome, EndScope, ListQuery, Rotation, RotationOutcome, ScanPage, SessionStore, StoreError,
        StoreFuture, session_from_bytes, session_to_bytes,
    },
};
use uuid::Uuid;

/// Records by user and id, so that a user's sessions lie side by side.
const SESSIONS: TableDefinition<Key<'_>, &[u8]> = TableDefinition::new("sessions");

type Sessions<'t> = Table<'t, Key<'static>, &'static [u8]>;

#[derive(Clone, Debug)]
pub(crate) struct RedbStore {
    database: Arc<Database>,
}

impl RedbStore {
    /// Opens the file, or creates it. One process can have it open at a time.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Ok(Self { database: Arc::new(Database::create(path).map_err(StoreError::unavailable)?) })
    }

    /// One transaction: all of it is done, or nothing.
    fn transaction<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Sessions<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'static, T> {
        let database = Arc::clone(&self.database);
        let work = move || {
            let transaction = database.begin_write().map_err(StoreError::unavailable)?;
            let outcome = body(&mut transaction.open_table(SESSIONS).map_err(StoreError::unavailable)?)?;
            transaction.commit().map_err(StoreError::unavailable)?;
            Ok(outcome)
        };
        Box::pin(async { tokio::task::spawn_blocking(work).await.map_err(StoreError::unavailable)? })
    }

    /// Changes one record, if it is there.
    fn change<T: Send + 'static>(
        &self,
        key: &SessionKey,
        change: impl FnOnce(&mut Session) -> T + Send + 'static,
    ) -> StoreFuture<'static, Option<T>> {
        let key = key.clone();
        self.transaction(move |sessions| {
            let Some(mut session) = get(sessions, &key)? else { return Ok(None) };
            let outcome = change(&mut session);
            put(sessions, &session)?;
            Ok(Some(outcome))
        })
    }
}

impl SessionStore for RedbStore {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn insert<'a>(&'a self, session: &'a Session, admission: &'a Admission) -> StoreFuture<'a, Admitted> {
        let (session, admission) = (session.clone(), admission.clone());
        self.transaction(move |sessions| {
            if get(sessions, &session.key())?.is_some() {
                return Ok(Admitted::Inserted(Vec::new()));
            }
            let room = match admission.apply_to(&session, &of(sessions, &session.user_id)?) {
                Ok(room) => room,
                Err(unchanged) => return Ok(unchanged),
            };
            room.ended.iter().chain([&session]).try_for_each(|session| put(sessions, session))?;
            remove(sessions, room.trimmed.into_iter())?;
            Ok(Admitted::Inserted(room.evictions))
        })
    }

    fn find<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, Option<Session>> {
        let key = key.clone();
        self.transaction(move |sessions| get(sessions, &key))
    }

    fn list<'a>(&'a self, user: &'a UserId, query: &'a ListQuery) -> StoreFuture<'a, Vec<Session>> {
        let (user, query) = (user.clone(), query.clone());
        self.transaction(move |sessions| Ok(query.page(&of(sessions, &user)?)))
    }

    fn touch<'a>(&'a self, touches: &'a [Touch]) -> StoreFuture<'a, u64> {
        let touches = Touch::coalesce(touches);
        self.transaction(move |sessions| {
            let mut touched = 0;
            for touch in touches {
                if let Some(mut session) = get(sessions, &touch.key)?
                    && touch.apply_to(&mut session)
                {
                    put(sessions, &session)?;
                    touched += 1;
                }
            }
            Ok(touched)
        })
    }

    fn end<'a>(&'a self, key: &'a SessionKey, ending: &'a Ending, allowance: Duration) -> StoreFuture<'a, EndOutcome> {
        let ending = ending.clone();
        let outcome = self.change(key, move |session| ending.apply_to(session, allowance));
        Box::pin(async { Ok(outcome.await?.unwrap_or(EndOutcome::NotFound)) })
    }

    fn expire<'a>(&'a self, key: &'a SessionKey, as_of: &'a AsOf) -> StoreFuture<'a, Option<Ending>> {
        let as_of = *as_of;
        let passed = self.change(key, move |session| {
            session.ended = session.ending(&as_of);
            session.ended.clone()
        });
        Box::pin(async { Ok(passed.await?.flatten()) })
    }

    fn end_all<'a>(
        &'a self,
        user: &'a UserId,
        scope: &'a EndScope,
        ending: &'a Ending,
        allowance: Duration,
    ) -> StoreFuture<'a, Vec<SessionId>> {
        let (user, scope, ending) = (user.clone(), *scope, ending.clone());
        self.transaction(move |sessions| {
            let mut ended = Vec::new();
            for mut session in of(sessions, &user)?.into_iter().filter(|session| scope.includes(session)) {
                if ending.apply_to(&mut session, allowance) == EndOutcome::Ended {
                    ended.push(session.id);
                }
                put(sessions, &session)?;
            }
            Ok(ended)
        })
    }

    fn rename<'a>(&'a self, key: &'a SessionKey, name: Option<&'a DeviceName>) -> StoreFuture<'a, bool> {
        let name = name.cloned();
        let renamed = self.change(key, |session| session.device.custom_name = name);
        Box::pin(async { Ok(renamed.await?.is_some()) })
    }

    fn set_data<'a>(&'a self, key: &'a SessionKey, data: &'a Map<String, Value>) -> StoreFuture<'a, bool> {
        let data = data.clone();
        let set = self.change(key, |session| session.ended.is_none().then(|| session.data = data).is_some());
        Box::pin(async { Ok(set.await?.unwrap_or(false)) })
    }

    fn rotate<'a>(&'a self, key: &'a SessionKey, rotation: &'a Rotation) -> StoreFuture<'a, RotationOutcome> {
        let rotation = rotation.clone();
        let outcome = self.change(key, move |session| rotation.apply_to(session));
        Box::pin(async { Ok(outcome.await?.unwrap_or(RotationOutcome::NotFound)) })
    }

    fn purge(&self, ended_before: Timestamp, limit: u32) -> StoreFuture<'_, u64> {
        self.transaction(move |sessions| {
            let due = all(sessions)?.into_iter().filter(|session| session.ends_at() < ended_before);
            remove(sessions, due.take(limit as usize))
        })
    }

    fn forget_addresses<'a>(&'a self, key: &'a SessionKey, ended_before: Timestamp) -> StoreFuture<'a, bool> {
        let forgotten = self.change(key, move |session| session.forget_addresses(ended_before));
        Box::pin(async { Ok(forgotten.await?.unwrap_or(false)) })
    }

    fn ended_between(&self, since: Timestamp, until: Timestamp, limit: u32) -> StoreFuture<'_, Vec<EndedSession>> {
        self.transaction(move |sessions| {
            let ended = all(sessions)?.into_iter().map(|session| EndedSession::new(session.key(), session.ends_at()));
            let mut ended: Vec<EndedSession> = ended.filter(|ended| (since..until).contains(&ended.at)).collect();
            ended.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
            ended.truncate(limit as usize);
            Ok(ended)
        })
    }

    fn erase<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        let user = user.clone();
        self.transaction(move |sessions| {
            let theirs = of(sessions, &user)?;
            remove(sessions, theirs.into_iter())
        })
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: u32) -> StoreFuture<'a, ScanPage> {
        let cursor = cursor.map(str::to_owned);
        self.transaction(move |sessions| ScanPage::by_id(&all(sessions)?, cursor.as_deref(), limit))
    }
}

type Key<'k> = (&'k str, u128);

fn key(key: &SessionKey) -> Key<'_> {
    (key.user_id.as_str(), key.id.as_uuid().as_u128())
}

fn get(sessions: &Sessions<'_>, of: &SessionKey) -> Result<Option<Session>, StoreError> {
    let found = sessions.get(key(of)).map_err(StoreError::unavailable)?;
    found.map(|bytes| session_from_bytes(of, bytes.value())).transpose()
}

fn put(sessions: &mut Sessions<'_>, session: &Session) -> Result<(), StoreError> {
    let bytes = session_to_bytes(session)?;
    sessions.insert(key(&session.key()), bytes.as_slice()).map(drop).map_err(StoreError::unavailable)
}

fn remove(sessions: &mut Sessions<'_>, gone: impl Iterator<Item = Session>) -> Result<u64, StoreError> {
    let mut removed = 0;
    for session in gone {
        removed += u64::from(sessions.remove(key(&session.key())).map_err(StoreError::unavailable)?.is_some());
    }
    Ok(removed)
}

fn of(sessions: &Sessions<'_>, user: &UserId) -> Result<Vec<Session>, StoreError> {
    decode(sessions.range((user.as_str(), 0)..=(user.as_str(), u128::MAX)).map_err(StoreError::unavailable)?)
}

/// An index would do for a purge and a scan of millions; a file of one machine is read whole.
fn all(sessions: &Sessions<'_>) -> Result<Vec<Session>, StoreError> {
    decode(sessions.iter().map_err(StoreError::unavailable)?)
}

fn decode(records: Range<'_, Key<'static>, &'static [u8]>) -> Result<Vec<Session>, StoreError> {
    let mut sessions = Vec::new();
    for record in records {
        let (key, bytes) = record.map_err(StoreError::unavailable)?;
        let (user, id) = key.value();
        let user = UserId::try_from(user).map_err(StoreError::corrupt)?;
        let key = SessionKey::new(user, SessionId::from_uuid(Uuid::from_u128(id)));
        sessions.push(session_from_bytes(&key, bytes.value())?);
    }
    Ok(sessions)
}
