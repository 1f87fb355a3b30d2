//! Lists: the order, the pages, the states.

use std::{cmp::Reverse, collections::BTreeSet, time::Duration};

use super::support::{
    AT_NOW, HOUR, MINUTE, NOW, SECOND, Store, Verdict, ago, ensure, ensure_eq, ids_in, insert_all, later, session,
    session_of,
};
use crate::{
    clock::Timestamp,
    id::{SessionId, UserId},
    session::{Actor, AsOf, EndReason, Ending, Session, Touch},
    store::{ListPosition, ListQuery, SessionState},
};

const STATES: [SessionState; 3] = [SessionState::Active, SessionState::Ended, SessionState::All];

pub(super) async fn a_list_is_newest_activity_first(store: Store) -> Verdict {
    let sessions = varied(1);
    insert_all(&store, &sessions).await?;
    let listed = ids_in(&store, &UserId::from(1), SessionState::All).await?;
    ensure_eq!(
        listed,
        ids(expected(&sessions, &ListQuery::new(SessionState::All, 100, AsOf::new(NOW, HOUR)))),
        "the list"
    );
    Ok(())
}

pub(super) async fn pages_show_every_session_once(store: Store) -> Verdict {
    let sessions = varied(1);
    insert_all(&store, &sessions).await?;
    for state in STATES {
        for limit in [1, 2, 3, 7, 100] {
            let mut query = ListQuery::new(state, limit, AT_NOW);
            let all = ids(expected(&sessions, &ListQuery { limit: 100, ..query.clone() }));
            let mut shown = Vec::new();
            loop {
                let page = store.list(&UserId::from(1), &query).await?;
                ensure!(page.len() <= limit as usize, "a page of {limit} holds {} sessions", page.len());
                let Some(last) = page.last() else { break };
                query.after = Some(ListPosition::of(last));
                shown.extend(page.iter().map(|session| session.id));
                ensure!(shown.len() <= sessions.len(), "pages of {limit} {state:?} sessions never end: {shown:?}");
            }
            ensure_eq!(shown, all, "all pages of {limit} {state:?} sessions");
        }
    }
    let none = store.list(&UserId::from(1), &ListQuery::new(SessionState::All, 0, AT_NOW)).await?;
    ensure!(none.is_empty(), "a page of 0 holds {} sessions", none.len());
    Ok(())
}

pub(super) async fn each_state_is_told_from_the_others(store: Store) -> Verdict {
    let sessions = varied(1);
    insert_all(&store, &sessions).await?;
    let moments = [ago(2 * HOUR), ago(SECOND), NOW, later(MINUTE), later(90 * MINUTE), later(30 * HOUR)];
    for now in moments {
        for allowance in [Duration::ZERO, Duration::from_micros(1), 2 * MINUTE, HOUR, Duration::MAX] {
            for state in STATES {
                let query = ListQuery::new(state, 100, AsOf::new(now, allowance));
                let listed = store.list(&UserId::from(1), &query).await?;
                let what = format!("the {state:?} sessions at {now} with an allowance of {allowance:?}");
                ensure_eq!(listed, expected(&sessions, &query), "{what}");
            }
        }
    }
    Ok(())
}

pub(super) async fn a_list_can_leave_one_session_out(store: Store) -> Verdict {
    let sessions = varied(1);
    insert_all(&store, &sessions).await?;
    for left_out in &sessions {
        let mut query = ListQuery::new(SessionState::All, 4, AT_NOW);
        query.except = Some(left_out.id);
        let listed = store.list(&UserId::from(1), &query).await?;
        ensure_eq!(listed, expected(&sessions, &query), "the list without {}", left_out.id);
    }
    Ok(())
}

pub(super) async fn a_list_is_of_one_user(store: Store) -> Verdict {
    let (of_first, of_second) = (varied(1), varied(2));
    insert_all(&store, of_first.iter().chain(&of_second)).await?;
    for (user, sessions) in [(1, of_first), (2, of_second), (3, Vec::new())] {
        let listed = ids_in(&store, &UserId::from(user), SessionState::All).await?;
        let query = ListQuery::new(SessionState::All, 1_000, AT_NOW);
        ensure_eq!(listed, ids(expected(&sessions, &query)), "the list of user {user}");
    }
    Ok(())
}

pub(super) async fn a_page_may_start_at_a_place_that_is_gone(store: Store) -> Verdict {
    let sessions = varied(1);
    insert_all(&store, &sessions).await?;
    let least = SessionId::from_uuid(uuid::Uuid::nil());
    let greatest = SessionId::from_uuid(uuid::Uuid::max());
    for at in [ago(48 * HOUR), ago(MINUTE), NOW, later(48 * HOUR)] {
        for id in [least, session(1).id, greatest] {
            let mut query = ListQuery::new(SessionState::All, 3, AT_NOW);
            query.after = Some(ListPosition::new(at, id));
            let listed = store.list(&UserId::from(1), &query).await?;
            ensure_eq!(listed, expected(&sessions, &query), "the page after {at} and {id}");
        }
    }
    Ok(())
}

pub(super) async fn a_list_goes_up_from_a_place(store: Store) -> Verdict {
    let sessions = varied(1);
    insert_all(&store, &sessions).await?;
    let lowest = ListPosition::new(Timestamp::from_micros(i64::MIN), SessionId::from_uuid(uuid::Uuid::nil()));
    for state in STATES {
        for start in sessions.iter().map(ListPosition::of).chain([lowest, ListPosition::TOP]) {
            for limit in [1, 3, 100] {
                let mut query = ListQuery::new(state, limit, AT_NOW);
                // What comes after a place does not count then.
                (query.above, query.after, query.except) = (Some(start), Some(lowest), Some(sessions[2].id));
                let all = ids(expected(&sessions, &ListQuery { limit: 100, ..query.clone() }));
                let mut shown = Vec::new();
                loop {
                    let page = store.list(&UserId::from(1), &query).await?;
                    ensure!(page.len() <= limit as usize, "a page of {limit} holds {} sessions", page.len());
                    let Some(last) = page.last() else { break };
                    query.above = Some(ListPosition::of(last));
                    shown.extend(page.iter().map(|session| session.id));
                    ensure!(shown.len() <= all.len(), "pages of {limit} {state:?} sessions never end: {shown:?}");
                }
                ensure_eq!(shown, all, "all pages of {limit} {state:?} sessions above {start:?}");
            }
        }
    }
    Ok(())
}

pub(super) async fn a_list_that_moves_misses_nobody(store: Store) -> Verdict {
    let user = UserId::from(1);
    let sessions: Vec<Session> = (1..=24_u32).map(|n| session_of(user.clone(), (n / 3) * SECOND)).collect();
    insert_all(&store, &sessions).await?;
    for (round, state) in [SessionState::Active, SessionState::All].into_iter().enumerate() {
        let mut shown = BTreeSet::new();
        let mut query = ListQuery::new(state, 5, AT_NOW);
        let mut touched = 0;
        let mut top = None;
        loop {
            let page = store.list(&user, &query).await?;
            top = top.or(page.first().map(ListPosition::of));
            shown.extend(page.iter().map(|session| session.id));
            let last = page.last().map(ListPosition::of);
            match (query.above, last) {
                (None, Some(last)) => query.after = Some(last),
                (None, None) => query.above = top,
                (Some(_), Some(last)) => query.above = Some(last),
                (Some(_), None) => break,
            }
            // Those that would come next, and those that have just been shown, become active, for a while.
            let rest = sessions.iter().filter(|session| !shown.contains(&session.id));
            let some = rest.take(2).chain(page.iter().take(1)).filter(|_| touched < 60);
            let at = later(u32::try_from(100 * round + touched)? * SECOND);
            let touches: Vec<_> = some.map(|session| Touch::new(session.key(), at)).collect();
            touched += touches.len();
            store.touch(&touches).await?;
        }
        let all: BTreeSet<_> = sessions.iter().map(|session| session.id).collect();
        ensure_eq!(shown, all, "the {state:?} sessions that were shown");
    }
    Ok(())
}

/// Sessions in every state, several of them active at the same moment.
fn varied(user: u32) -> Vec<Session> {
    let mut sessions = Vec::new();
    for age in [MINUTE, MINUTE, MINUTE, 10 * MINUTE, 10 * MINUTE, 85 * MINUTE, 95 * MINUTE, 95 * MINUTE, 3 * HOUR] {
        sessions.push(session_of(UserId::from(user), age));
    }
    for ended_ago in [MINUTE, SECOND] {
        let mut ended = session_of(UserId::from(user), 10 * MINUTE);
        ended.ended = Some(Ending::new(EndReason::SignedOut, Actor::Session(ended.id), ago(ended_ago)));
        sessions.push(ended);
    }
    for expires_at in [ago(MINUTE), NOW, later(Duration::from_micros(1))] {
        let mut due = session_of(UserId::from(user), 10 * MINUTE);
        due.expires_at = expires_at;
        sessions.push(due);
    }
    let mut just_idle = session_of(UserId::from(user), MINUTE);
    just_idle.idle_timeout = MINUTE;
    sessions.push(just_idle);
    sessions
}

/// What a list of these sessions must show, by the words of the contract.
fn expected(sessions: &[Session], query: &ListQuery) -> Vec<Session> {
    let mut selected: Vec<Session> = sessions.iter().filter(|session| query.selects(session)).cloned().collect();
    selected.sort_by_key(|session| Reverse(ListPosition::of(session)));
    if query.above.is_some() {
        selected.reverse();
    }
    selected.truncate(query.limit as usize);
    selected
}

fn ids(sessions: Vec<Session>) -> Vec<SessionId> {
    sessions.iter().map(|session| session.id).collect()
}
