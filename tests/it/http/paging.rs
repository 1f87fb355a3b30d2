//! Lists that change while somebody pages through them.

use std::{collections::BTreeSet, time::Duration};

use axum::Router;
use tower_device_sessions::{
    SessionId, StartedSession, UserId,
    manager::{Cursor, ListOptions},
    session::Touch,
    store::{SessionState, SessionStore, StoreMethod},
};

use crate::support::{Kit, TestResult, get_with};

const SECOND: Duration = Duration::from_secs(1);

/// Sign-ins a second apart, the oldest first, all of them active only at that moment.
async fn signed_in(kit: &Kit, sessions: usize) -> Vec<StartedSession> {
    let mut started = Vec::new();
    for _ in 0..sessions {
        kit.clock.advance(SECOND);
        started.push(kit.sign_in("ann").await);
    }
    kit.clock.advance(SECOND);
    started
}

fn ids(started: &[StartedSession]) -> BTreeSet<SessionId> {
    started.iter().map(|started| started.session().id).collect()
}

/// Records that a session is active now, as another node does.
async fn touch(kit: &Kit, started: &StartedSession) -> TestResult {
    kit.clock.advance(SECOND);
    kit.store.touch(&[Touch::new(started.session().key(), kit.sessions.now())]).await?;
    Ok(())
}

/// Follows the links of pages of so many, doing `between` after each.
async fn shown(
    app: &Router,
    token: &str,
    first: &str,
    mut between: impl AsyncFnMut(&[SessionId]) -> TestResult,
) -> Result<Vec<SessionId>, Box<dyn std::error::Error + Send + Sync>> {
    let (mut all, mut path) = (Vec::new(), first.to_owned());
    loop {
        let page = get_with(app, &path, token).await;
        assert_eq!(page.status, 200, "{path}");
        let ids: Vec<SessionId> = page
            .json()
            .as_array()
            .ok_or("an array")?
            .iter()
            .filter_map(|session| session["id"].as_str()?.parse().ok())
            .collect();
        all.extend(&ids);
        let Some(link) = page.header("link") else { return Ok(all) };
        let query = link.trim_start_matches('<').split('>').next().unwrap_or_default();
        path = format!("/api/sessions{query}");
        assert!(all.len() < 500, "the pages end");
        between(&ids).await?;
    }
}

/// Whatever moves to the top while one pages comes last, and nobody is missed. The session that asks comes
/// first.
#[tokio::test]
async fn a_list_that_changes_between_pages_misses_nobody() -> TestResult {
    for (state, limit) in [("active", 1), ("active", 7), ("all", 7), ("active", 50)] {
        let kit = Kit::new();
        let started = signed_in(&kit, 60).await;
        let app = kit.app();
        let token = started[59].token();
        let path = format!("/api/sessions?state={state}&limit={limit}");
        let (mut oldest, mut moved) = (started.iter(), 0);
        let seen = shown(&app, token, &path, async |_| {
            for session in oldest.by_ref().take(3) {
                touch(&kit, session).await?;
                moved += 1;
            }
            Ok(())
        })
        .await?;
        assert_eq!(seen.iter().copied().collect::<BTreeSet<_>>(), ids(&started), "{path}");
        assert_eq!(seen[0], started[59].session().id, "{path}");
        assert!(seen.len() <= 60 + moved, "{path}: only what has moved may be shown again");
    }
    Ok(())
}

/// Without changes each is shown once, whatever the size of the pages.
#[tokio::test]
async fn a_list_at_rest_shows_each_session_once() -> TestResult {
    let kit = Kit::new();
    let started = signed_in(&kit, 23).await;
    let app = kit.app();
    for limit in [1, 2, 11, 22, 23, 24] {
        for state in ["active", "all"] {
            let path = format!("/api/sessions?state={state}&limit={limit}");
            let seen = shown(&app, started[3].token(), &path, async |_| Ok(())).await?;
            let mut expected: Vec<_> = started.iter().rev().map(|started| started.session().id).collect();
            let first = expected.remove(19);
            expected.insert(0, first);
            assert_eq!(seen, expected, "{path}");
        }
    }
    Ok(())
}

/// What has been shown and moves meanwhile is shown once more, at the end, and once on one page.
#[tokio::test]
async fn what_moves_up_comes_last_in_the_order_of_its_rest() -> TestResult {
    let kit = Kit::new();
    let started = signed_in(&kit, 6).await;
    let user: UserId = "ann".parse()?;
    let page = async |cursor: Option<Cursor>, limit| {
        let options = ListOptions::new().limit(limit).cursor(cursor).state(SessionState::All);
        kit.sessions.list(&user, &options).await
    };
    let places = |sessions: &[tower_device_sessions::Session]| -> Vec<usize> {
        let all: Vec<SessionId> = started.iter().map(|started| started.session().id).collect();
        sessions.iter().filter_map(|session| all.iter().position(|id| *id == session.id)).collect()
    };
    let first = page(None, 2).await?;
    assert_eq!(places(&first.sessions), [5, 4]);
    for moved in [4, 0, 2] {
        touch(&kit, &started[moved]).await?;
    }
    let second = page(first.next, 3).await?;
    assert_eq!(places(&second.sessions), [3, 1, 4]);
    touch(&kit, &started[0]).await?;
    let third = page(second.next, 1).await?;
    assert_eq!(places(&third.sessions), [2]);
    let fourth = page(third.next, 1).await?;
    assert_eq!((places(&fourth.sessions), fourth.next), (vec![0], None));
    // A cursor from before lists had a beginning goes on down.
    let old: Cursor = first.next.map(|next| next.to_string()[..32].to_owned()).ok_or("a cursor")?.parse()?;
    assert_eq!(places(&page(Some(old), 9).await?.sessions), [3, 1]);
    Ok(())
}

/// Another node writes after the first page what was before it, and not at the top: that comes last, too, and nothing of what
/// has been shown.
#[tokio::test]
async fn activity_that_another_node_writes_late_hides_nobody() -> TestResult {
    let kit = Kit::new();
    let started = signed_in(&kit, 12).await;
    let user: UserId = "ann".parse()?;
    kit.clock.advance(60 * SECOND);
    for recent in [7, 8, 9] {
        touch(&kit, &started[recent]).await?;
    }
    let late = kit.sessions.now();
    kit.clock.advance(SECOND);
    touch(&kit, &started[10]).await?;

    let mut page = kit.sessions.list(&user, &ListOptions::new().limit(3)).await?;
    kit.store.touch(&[Touch::new(started[2].session().key(), late)]).await?;
    let mut seen: Vec<SessionId> = page.sessions.iter().map(|session| session.id).collect();
    while let Some(next) = page.next {
        page = kit.sessions.list(&user, &ListOptions::new().limit(3).cursor(Some(next))).await?;
        seen.extend(page.sessions.iter().map(|session| session.id));
    }
    let distinct: BTreeSet<_> = seen.iter().copied().collect();
    assert_eq!((distinct, seen.len()), (ids(&started), 12), "all of them, each once");
    assert_eq!(seen.last(), Some(&started[2].session().id));
    Ok(())
}

/// What this node has seen before the first page, and not yet written, does not move the list under the second.
#[tokio::test]
async fn activity_from_before_the_first_page_is_in_it() -> TestResult {
    let kit = Kit::with(|builder| builder.activity_interval(60 * SECOND).flush_interval(60 * SECOND));
    let started = signed_in(&kit, 9).await;
    kit.clock.advance(60 * SECOND);
    kit.sessions.authenticate(started[0].token()).await?;
    kit.clock.advance(SECOND);
    kit.store.touch(&[Touch::new(started[8].session().key(), kit.sessions.now())]).await?;
    let user: UserId = "ann".parse()?;
    let first = kit.sessions.list(&user, &ListOptions::new().limit(4)).await?;
    assert_eq!(first.sessions[1].id, started[0].session().id, "it is where it belongs");
    assert_eq!(kit.store.calls(StoreMethod::List), 2, "read again, since there was something to write");
    let rest = kit.sessions.list(&user, &ListOptions::new().limit(4).cursor(first.next)).await?;
    assert_eq!(rest.sessions.len(), 4);
    Ok(())
}
