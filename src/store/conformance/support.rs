//! What the cases share: sample records, the usual calls, and how a broken promise is told.

use std::{collections::BTreeMap, error::Error, fmt, pin::Pin, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use crate::{
    clock::Timestamp,
    device::{ClientHints, Device, DeviceKind},
    id::{DeviceId, SessionId, UserId},
    policy::Admission,
    session::{Actor, AsOf, EndReason, Ending, Salt, Session},
    store::{Admitted, DeviceStore, ListQuery, SessionState, SessionStore},
};

pub(super) type Store = Arc<dyn SessionStore>;
pub(super) type Verdict = Result<(), Violation>;

/// The devices of the store, or none.
pub(super) fn devices_of(store: &Store) -> &dyn DeviceStore {
    crate::store::devices_of(&**store)
}

/// What was found instead of what was promised.
#[derive(Debug)]
pub(super) struct Violation(String);

impl Violation {
    pub(super) fn new(found: impl Into<String>) -> Self {
        Self(found.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: Error> From<E> for Violation {
    fn from(error: E) -> Self {
        let mut text = format!("error: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self(text)
    }
}

/// Returns a [`Violation`] from the case unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($found:tt)+) => {
        if !$holds {
            return Err($crate::store::conformance::support::Violation::new(format!($($found)+)));
        }
    };
}

/// Returns a [`Violation`] from the case unless both are equal.
macro_rules! ensure_eq {
    ($found:expr, $expected:expr, $($what:tt)+) => {{
        let (found, expected) = (&$found, &$expected);
        if found != expected {
            let what = format!($($what)+);
            let found = format!("{what}\n  is       {found:?}\n  expected {expected:?}");
            return Err($crate::store::conformance::support::Violation::new(found));
        }
    }};
}

pub(super) use {ensure, ensure_eq};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// The present of most cases: a moment that no rounding to milliseconds leaves as it is.
pub(super) const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_123_457);

/// The present, with nothing to allow for.
pub(super) const AT_NOW: AsOf = AsOf::new(NOW, Duration::ZERO);

/// The moment so long before [`NOW`].
pub(super) fn ago(duration: Duration) -> Timestamp {
    NOW.saturating_sub(duration)
}

/// The moment so long after [`NOW`].
pub(super) fn later(duration: Duration) -> Timestamp {
    NOW.saturating_add(duration)
}

/// A session that started an hour ago, has an hour and a day to go, and may rest for an hour and a half.
pub(super) fn session(user: u32) -> Session {
    session_of(UserId::from(user), HOUR)
}

/// A session that started, and was last active, so long ago.
pub(super) fn session_of(user: UserId, age: Duration) -> Session {
    let mut session = Session::new(user, ago(age), later(25 * HOUR));
    session.idle_timeout = 90 * MINUTE;
    session
}

/// A session with something in every field.
pub(super) fn full_session() -> Result<Session, Violation> {
    let mut session = Session::new(UserId::try_from("Zoë|{7}'\"%_\\")?, ago(HOUR), later(HOUR));
    let hints = ClientHints {
        brands: Some("\"Chromium\";v=\"138\", \"Google Chrome\";v=\"138\"".into()),
        mobile: Some("?1".into()),
        platform: Some("\"Android\"".into()),
        ..ClientHints::default()
    };
    session.device_id = Some(DeviceId::new());
    session.device = Device::new(Some(user_agent(DeviceKind::Mobile).into()), hints)
        .custom_name(Some("Zoë's 📱 \"phone\" <b>".try_into()?));
    session.created_ip = Some("203.0.113.9".parse()?);
    session.last_ip = Some("2001:db8::ff00:42:8329".parse()?);
    session.location = Some(crate::location::Location::new(Some("Köln"), Some("Nordrhein-Westfalen"), Some("DE")));
    session.last_active_at = ago(MINUTE);
    session.authenticated_at = ago(2 * MINUTE);
    session.idle_timeout = Duration::from_micros(1_234_567_891);
    session.methods = BTreeMap::from([("pwd".into(), ago(HOUR)), ("otp".into(), ago(2 * MINUTE))]);
    session.assurance_level = 2;
    session.levels = BTreeMap::from([(2, ago(2 * MINUTE))]);
    session.tokens.generation = 7;
    session.tokens.least_generation = 6;
    session.tokens.rotated_at = Some(ago(3 * MINUTE));
    session.tokens.newest_seen = true;
    session.tokens.salt = Salt::from_bytes([0, 1, 2, 0x7f, 0x80, 0xff, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    session.data = data(json!({
        "roles": ["admin", "ops"], "nested": { "deep": [null, true, -1, 1.5, "ü\u{0}\n\u{1F600}"] },
        "largest": u64::MAX, "": "the empty key", "quote": "'; DROP TABLE sessions; --",
    }));
    Ok(session)
}

pub(super) fn data(json: Value) -> Map<String, Value> {
    match json {
        Value::Object(map) => map,
        other => Map::from_iter([("value".to_owned(), other)]),
    }
}

/// A `User-Agent` of a device of this kind.
pub(super) fn user_agent(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Mobile => {
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Version/18.5 Mobile/15E148 Safari/604.1"
        }
        _ => {
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 \
             Safari/537.36"
        }
    }
}

/// An admission that asks for nothing.
pub(super) fn plain() -> Admission {
    Admission::new(AT_NOW)
}

pub(super) fn revoked() -> Ending {
    Ending::new(EndReason::RevokedByUser, Actor::Application, NOW)
}

pub(super) async fn insert(store: &Store, session: &Session) -> Verdict {
    let admitted = store.insert(session, &plain()).await?;
    ensure_eq!(admitted, Admitted::Inserted(Vec::new()), "the answer to a plain insert");
    Ok(())
}

pub(super) fn insert_all<'a>(
    store: &Store,
    sessions: impl IntoIterator<Item = &'a Session>,
) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
    let store = store.clone();
    let sessions: Vec<Session> = sessions.into_iter().cloned().collect();
    Box::pin(async move {
        for session in &sessions {
            insert(&store, session).await?;
        }
        Ok(())
    })
}

/// The record as it is now, which must be there.
pub(super) async fn reread(store: &Store, session: &Session) -> Result<Session, Violation> {
    let found = store.find(&session.key()).await?;
    found.ok_or_else(|| Violation::new(format!("no record of {} of user {:?}", session.id, session.user_id)))
}

pub(super) async fn ensure_unchanged(store: &Store, session: &Session) -> Verdict {
    ensure_eq!(reread(store, session).await?, *session, "the record");
    Ok(())
}

/// The ids of the user's sessions in this state at [`NOW`], on one page.
pub(super) async fn ids_in(store: &Store, user: &UserId, state: SessionState) -> Result<Vec<SessionId>, Violation> {
    let page = store.list(user, &ListQuery::new(state, 1_000, AT_NOW)).await?;
    Ok(page.iter().map(|session| session.id).collect())
}

pub(super) fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort_unstable();
    items
}

/// Runs all of these at the same time, each in a task of its own, and returns their results.
pub(super) async fn race<T, F>(tasks: impl IntoIterator<Item = F>) -> Result<Vec<T>, Violation>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Violation>> + Send + 'static,
{
    let mut running: JoinSet<_> = tasks.into_iter().collect();
    let mut answers = Vec::new();
    while let Some(answer) = running.join_next().await {
        answers.push(answer??);
    }
    Ok(answers)
}
