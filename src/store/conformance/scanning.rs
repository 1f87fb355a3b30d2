//! Scans: every session of every user, a page at a time.

use std::collections::HashSet;

use super::support::{
    HOUR, Store, Verdict, Violation, ago, ensure, ensure_eq, insert, insert_all, race, revoked, session, sorted,
};
use crate::{
    id::{SessionId, UserId},
    session::Session,
    store::StoreError,
};

pub(super) async fn a_scan_meets_every_session_once(store: Store) -> Verdict {
    ensure_eq!(scan(&store, 10).await?, [], "the sessions of an empty store");
    let mut all: Vec<Session> = (0..25).map(|n| session(n % 4)).collect();
    let odd = ["Zoë|{7}'\"%_\\", "ZOË", &"x".repeat(UserId::MAX_LENGTH)];
    for user in odd {
        all.push(Session { user_id: user.parse()?, ..session(9) });
    }
    all[3].ended = Some(revoked());
    all[4].expires_at = ago(HOUR);
    insert_all(&store, &all).await?;

    all.sort_by_key(|session| session.id);
    for limit in [1, 2, 7, 27, 28, 29, 1_000] {
        let mut met = scan(&store, limit).await?;
        met.sort_by_key(|session| session.id);
        ensure_eq!(met, all, "what a scan by pages of {limit} meets");
    }
    Ok(())
}

pub(super) async fn a_scan_meets_what_stays(store: Store) -> Verdict {
    let staying: Vec<Session> = (0..60).map(|n| session(n % 7)).collect();
    insert_all(&store, &staying).await?;
    let (coming, scanning) = (store.clone(), store.clone());
    let met = race([
        Box::pin(async move {
            for n in 0..120_u32 {
                insert(&coming, &session(n % 9)).await?;
                let passing = session(1_000 + n);
                insert(&coming, &passing).await?;
                coming.erase(&passing.user_id).await?;
            }
            Ok(Vec::new())
        }) as std::pin::Pin<Box<dyn Future<Output = Result<Vec<SessionId>, Violation>> + Send>>,
        Box::pin(async move {
            let mut met = Vec::new();
            for limit in [3, 5, 8] {
                let found = scan(&scanning, limit).await?;
                met.extend(found.into_iter().map(|session| session.id).collect::<HashSet<_>>());
            }
            Ok(met)
        }),
    ])
    .await?;
    let met: Vec<SessionId> = met.into_iter().flatten().collect();
    for session in &staying {
        let times = met.iter().filter(|id| **id == session.id).count();
        ensure_eq!(times, 3, "in how many of three scans a session that was there throughout was met");
    }
    Ok(())
}

pub(super) async fn a_text_that_no_page_answered_is_no_cursor(store: Store) -> Verdict {
    let sessions: Vec<Session> = (0..3).map(session).collect();
    insert_all(&store, &sessions).await?;
    for text in ["", "nonsense", "\u{0}", "é".repeat(40).as_str(), "'; DROP TABLE sessions; --"] {
        let page = store.scan(Some(text), 10).await;
        let is_empty = page.as_ref().is_ok_and(|page| page.sessions.is_empty() && page.next.is_none());
        ensure!(is_empty || page.is_err(), "the page at {text:?} is {page:?}");
    }
    let ids = sorted(scan(&store, 10).await?.iter().map(|session| session.id));
    ensure_eq!(ids, sorted(sessions.iter().map(|session| session.id)), "the sessions afterwards");
    Ok(())
}

async fn scan(store: &Store, limit: u32) -> Result<Vec<Session>, StoreError> {
    let mut met = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = store.scan(cursor.as_deref(), limit).await?;
        met.extend(page.sessions);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(met);
        }
    }
}
