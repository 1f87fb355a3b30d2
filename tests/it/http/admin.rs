//! Administration: the sessions of any user, and emergencies.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, header},
};
use tower_device_sessions::{
    AdminRoutes, ClientInfo, UserId,
    manager::{Revocation, SessionFilter},
    routes::AdminName,
    session::{Actor, EndReason},
    store::{Fault, StoreMethod},
};

use crate::support::{Answer, CHROME, IPHONE, Kit, TestResult, get_with, send};

/// The routes behind a guard that lets everybody in.
fn admin(kit: &Kit) -> Router {
    AdminRoutes::new(&kit.sessions).into_router().layer(axum::Extension(AdminName::new("root@example.com")))
}

async fn ask(app: &Router, method: Method, path: &str, body: &str) -> Answer {
    let asked = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    send(app, asked.body(Body::from(body.to_owned())).expect("a good request")).await
}

/// Without a guard the routes are closed, not open.
#[tokio::test]
async fn routes_without_a_guard_are_closed() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let open: Router = AdminRoutes::new(&kit.sessions).into_router();
    let one = format!("/users/ann/sessions/{}", started.session().id);
    let calls = kit.store.all_calls();
    for (method, path) in [
        (Method::GET, "/users/ann/sessions"),
        (Method::DELETE, "/users/ann/sessions"),
        (Method::DELETE, one.as_str()),
        (Method::POST, "/sessions/revoke"),
    ] {
        let answer = ask(&open, method, path, "{\"method\":\"pwd\",\"dryRun\":false}").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (500, "admin_guard_missing"), "{path}");
    }
    assert_eq!(kit.store.all_calls(), calls);
    Ok(())
}

/// S89: a name that a database would refuse ends the session all the same, and is kept without what is wrong with it.
#[tokio::test]
async fn an_administrators_name_is_cleaned() -> TestResult {
    let kit = Kit::new();
    let name = AdminName::new(format!("e\0v\u{202e}e {}", "x".repeat(500)));
    assert_eq!(name.to_string(), format!("eve {}", "x".repeat(124)));
    let admin: Router = AdminRoutes::new(&kit.sessions).into_router().layer(axum::Extension(name.clone()));
    let started = kit.sign_in("ann").await;
    let path = format!("/users/ann/sessions/{}", started.session().id);
    assert_eq!(ask(&admin, Method::DELETE, &path, "").await.status, 204);
    let record = kit.sessions.find(&"ann".parse()?, started.session().id).await?.ok_or("gone")?;
    assert_eq!(record.ended.map(|ending| ending.actor), Some(Actor::Administrator(name.to_string().into())));
    Ok(())
}

/// S84: list, end one, end all; and the ending keeps the name of who did it.
#[tokio::test]
async fn an_administrator_ends_a_users_sessions() -> TestResult {
    let kit = Kit::new();
    let (app, admin) = (kit.app(), admin(&kit));
    let ann: UserId = "ann".parse()?;
    let sessions = [kit.sign_in("ann").await, kit.sign_in("ann").await, kit.sign_in("ann").await];
    let bob = kit.sign_in("bob").await;

    let list = ask(&admin, Method::GET, "/users/ann/sessions?limit=2", "").await;
    assert_eq!((list.status.as_u16(), list.json().as_array().map(Vec::len)), (200, Some(2)));
    assert!(list.header("link").is_some() && list.header("cache-control") == Some("no-store"));
    assert!(sessions.iter().all(|started| !list.body.contains(started.token())));

    let one = format!("/users/ann/sessions/{}", sessions[0].session().id);
    assert_eq!(ask(&admin, Method::DELETE, &one, "").await.status, 204);
    assert_eq!(ask(&admin, Method::DELETE, &one, "").await.status, 204, "it had ended");
    let denied = get_with(&app, "/me", sessions[0].token()).await;
    assert_eq!(denied.json()["error"], "Signed out by an administrator");
    let ended = kit.sessions.find(&ann, sessions[0].session().id).await?.and_then(|session| session.ended);
    let ended = ended.ok_or("no ending")?;
    assert_eq!(ended.reason, EndReason::RevokedByAdmin);
    assert_eq!(ended.actor, Actor::Administrator("root@example.com".into()));

    assert_eq!(ask(&admin, Method::DELETE, "/users/ann/sessions", "").await.body, "{\"revoked\":2}");
    assert_eq!(ask(&admin, Method::DELETE, "/users/ann/sessions", "").await.body, "{\"revoked\":0}");
    assert_eq!(ask(&admin, Method::GET, "/users/ann/sessions?state=ended", "").await.json()[2]["state"], "ended");
    assert_eq!(get_with(&app, "/me", bob.token()).await.status, 200);
    assert_eq!(ask(&admin, Method::GET, "/users/nobody/sessions", "").await.body, "[]");
    Ok(())
}

#[tokio::test]
async fn an_administrator_who_misspells_changes_nothing() -> TestResult {
    let kit = Kit::new();
    let admin = admin(&kit);
    let bob = kit.sign_in("bob").await;
    let bobs = bob.session().id;
    let wrong_user = format!("/users/ann/sessions/{bobs}");
    for (method, path, status) in [
        (Method::DELETE, wrong_user.as_str(), 404),
        (Method::DELETE, "/users/bob/sessions/nonsense", 404),
        (Method::GET, "/users/bob/sessions?limit=x", 400),
        (Method::GET, "/users/%00/sessions", 400),
        (Method::DELETE, "/users/%20bob/sessions", 400),
    ] {
        assert_eq!(ask(&admin, method, path, "").await.status, status, "{path}");
    }
    for body in [
        "",
        "[]",
        "{}",
        "{\"dryRun\":false}",
        "{\"dryRun\":false,\"brwoser\":\"Chrome\",\"method\":\"pwd\"}",
        "{\"dryRun\":false,\"addresses\":\"203.0.113.0/33\"}",
        "{\"dryRun\":false,\"deviceKind\":\"toaster\"}",
        "{\"dryRun\":false,\"startedBefore\":\"yesterday\"}",
        "{\"dryRun\":\"no\",\"method\":\"pwd\"}",
    ] {
        let answer = ask(&admin, Method::POST, "/sessions/revoke", body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_body"), "{body}");
    }
    assert!(kit.sessions.authenticate(bob.token()).await.is_ok());
    Ok(())
}

/// An emergency: count first, then end, and nobody else is touched.
#[tokio::test]
async fn an_incident_is_counted_and_then_ended() -> TestResult {
    let kit = Kit::new();
    let admin = admin(&kit);
    let client = |user_agent: &str, ip: &str| ClientInfo::new().user_agent(user_agent).ip(ip.parse().ok());
    let mut stolen = Vec::new();
    for user in ["ann", "bob", "cem"] {
        stolen.push(kit.sessions.start(user, client(CHROME, "203.0.113.9")).method("pwd").await?);
    }
    let phone = kit.sessions.start("ann", client(IPHONE, "203.0.113.9")).method("pwd").await?;
    let elsewhere = kit.sessions.start("ann", client(CHROME, "198.51.100.7")).method("pwd").await?;
    let passkey = kit.sessions.start("ann", client(CHROME, "203.0.113.9")).method("hwk").await?;
    kit.clock.advance(Duration::from_secs(60));
    let later = kit.sessions.start("ann", client(CHROME, "203.0.113.9")).method("pwd").await?;
    kit.sessions.sign_out(&kit.sessions.authenticate(stolen[2].token()).await?).await?;

    let body = |dry_run: &str| {
        format!(
            "{{\"startedBefore\":\"2026-01-01T00:00:30Z\",\"addresses\":\"203.0.113.0/24\",\"browser\":\"chrome\",\
             \"deviceKind\":\"desktop\",\"method\":\"pwd\"{dry_run}}}"
        )
    };
    for dry_run in ["", ",\"dryRun\":true"] {
        let counted = ask(&admin, Method::POST, "/sessions/revoke", &body(dry_run)).await;
        assert_eq!(
            counted.body, "{\"dryRun\":true,\"lookedAt\":7,\"matched\":2,\"revoked\":0,\"next\":null}",
            "a dry run unless it is said otherwise"
        );
    }
    let ended = ask(&admin, Method::POST, "/sessions/revoke", &body(",\"dryRun\":false")).await.json();
    assert_eq!((&ended["matched"], &ended["revoked"]), (&2.into(), &2.into()));
    for (started, lives) in
        [(&stolen[0], false), (&stolen[1], false), (&phone, true), (&elsewhere, true), (&passkey, true), (&later, true)]
    {
        assert_eq!(kit.sessions.authenticate(started.token()).await.is_ok(), lives);
    }
    let again = ask(&admin, Method::POST, "/sessions/revoke", &body(",\"dryRun\":false")).await.json();
    assert_eq!((&again["matched"], &again["revoked"]), (&0.into(), &0.into()));
    Ok(())
}

/// Bounded steps: each goes on where the one before ended, and none is skipped.
#[tokio::test]
async fn a_large_incident_goes_step_by_step() -> TestResult {
    let kit = Kit::new();
    for user in 0..10_300_u32 {
        kit.sessions.start(user, ClientInfo::new()).without_token().await?;
    }
    let (filter, mut cursor, mut steps) = (SessionFilter::new(), None::<String>, Vec::new());
    loop {
        let sweep = kit.sessions.count_matching(&filter, cursor.as_deref()).await?;
        steps.push(sweep.matched);
        cursor = sweep.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((steps.len(), steps.iter().sum::<u64>()), (2, 10_300), "{steps:?}");
    assert!(kit.store.calls(StoreMethod::Scan) >= 21, "in batches");
    assert!(kit.sessions.count_matching(&filter, Some("nonsense")).await.is_err());
    Ok(())
}

/// What has ended before a failure stays ended, and the rest follows when it is asked for again.
#[tokio::test]
async fn an_incident_that_fails_halfway_can_be_repeated() -> TestResult {
    let kit = Kit::new();
    let admin = admin(&kit);
    for user in ["ann", "bob", "cem"] {
        drop(kit.sessions.start(user, ClientInfo::new()).method("pwd").await?);
    }
    let body = "{\"method\":\"pwd\",\"dryRun\":false}";
    kit.store.fail(StoreMethod::Scan, Fault::FailBefore);
    assert_eq!(ask(&admin, Method::POST, "/sessions/revoke", body).await.status, 503);
    kit.store.heal();
    let one: UserId = "ann".parse()?;
    kit.sessions.revoke_all(&one, Revocation::by_application()).await?;
    assert_eq!(ask(&admin, Method::POST, "/sessions/revoke", body).await.json()["revoked"], 2);
    Ok(())
}

/// What ends sessions takes no parameter that it does not know.
#[tokio::test]
async fn an_unknown_parameter_ends_nothing() -> TestResult {
    let kit = Kit::new();
    let admin = admin(&kit);
    let started = kit.sign_in("ann").await;
    let one = format!("/users/ann/sessions/{}?dryRun=true", started.session().id);
    let body = "{\"startedBefore\":\"2999-01-01T00:00:00Z\",\"dryRun\":false}";
    for (method, path) in [
        (Method::DELETE, "/users/ann/sessions?state=ended"),
        (Method::DELETE, &*one),
        (Method::POST, "/sessions/revoke?dryRun=true"),
    ] {
        let answer = ask(&admin, method, path, body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_query".to_owned()), "{path}");
    }
    assert!(kit.sessions.authenticate(started.token()).await.is_ok());
    Ok(())
}
