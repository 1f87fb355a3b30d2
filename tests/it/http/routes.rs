//! The ready-made endpoints: status codes, JSON, and whose sessions they touch.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use tower_device_sessions::{ClientInfo, manager::Revocation, store::StoreMethod};

use crate::support::{CHROME, IPHONE, Kit, TestResult, delete_with, get_with, request, send};

fn patch(path: &str, token: &str, body: &str) -> Request<Body> {
    let mut asked = request(Method::PATCH, path, token).map(|_| Body::from(body.to_owned()));
    asked.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().expect("a good header"));
    asked
}

/// The whole story: two devices, both listed, one signed out, and it is out.
#[tokio::test]
async fn two_devices_are_listed_and_one_signs_the_other_out() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let laptop = kit.sessions.start("ann", ClientInfo::new().user_agent(CHROME)).await?;
    kit.clock.advance(Duration::from_secs(5));
    let phone = kit.sessions.start("ann", ClientInfo::new().user_agent(IPHONE)).await?;

    let list = get_with(&app, "/api/sessions", laptop.token()).await;
    assert_eq!(list.status, 200);
    let names: Vec<_> = list.json().as_array().expect("an array").iter().map(|s| s["deviceName"].clone()).collect();
    assert_eq!(names, ["Chrome on Windows", "Safari on iPhone"], "the current one first");

    let path = format!("/api/sessions/{}", phone.session().id);
    assert_eq!(delete_with(&app, &path, laptop.token()).await.status, 204);
    let denied = get_with(&app, "/me", phone.token()).await;
    assert_eq!((denied.status.as_u16(), denied.json()["reason"].as_str()), (401, Some("revoked_by_user")));
    assert_eq!(get_with(&app, "/me", laptop.token()).await.status, 200);
    assert_eq!(delete_with(&app, &path, laptop.token()).await.status, 204, "it had ended already");

    let ended = get_with(&app, "/api/sessions?state=ended", laptop.token()).await.json();
    assert_eq!((&ended[0]["endReason"], &ended[0]["state"]), (&"revoked_by_user".into(), &"ended".into()));
    assert!(ended[0]["endedAt"].is_string());
    Ok(())
}

/// S82: exactly these members, and no secret among them.
#[tokio::test]
async fn a_listed_session_has_these_members_and_no_others() -> TestResult {
    let kit = Kit::new();
    let client = ClientInfo::new().user_agent(CHROME).ip("203.0.113.9".parse().ok());
    let started = kit.sessions.start("ann", client).method("pwd").await?;
    let list = get_with(&kit.app(), "/api/sessions", started.token()).await;
    let session = &list.json()[0];
    let mut names: Vec<_> = session.as_object().expect("an object").keys().cloned().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "createdAt",
            "device",
            "deviceName",
            "endReason",
            "endedAt",
            "expiresAt",
            "id",
            "ipAddress",
            "isCurrent",
            "lastActivityAt",
            "location",
            "state",
        ]
    );
    assert_eq!(session["id"], started.session().id.to_string());
    assert_eq!(session["ipAddress"], "203.0.113.9");
    assert_eq!((&session["isCurrent"], &session["state"]), (&true.into(), &"active".into()));
    assert_eq!((&session["device"]["browser"], &session["device"]["kind"]), (&"Chrome".into(), &"desktop".into()));
    assert_eq!(session["createdAt"], "2026-01-01T00:00:00.000Z");
    assert!(!list.body.contains(started.token()));

    let current = get_with(&kit.app(), "/api/sessions/current", started.token()).await.json();
    assert_eq!(current["idleExpiresAt"], "2026-01-08T00:00:00.000Z");
    Ok(())
}

/// S68, S78: no cache keeps anything, errors included.
#[tokio::test]
async fn nothing_may_be_kept_by_a_cache() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let started = kit.sign_in("ann").await;
    let token = started.token();
    let paths = ["/api/sessions", "/api/sessions/current", "/api/sessions?limit=x", "/api/logout"];
    for path in paths {
        let answer = get_with(&app, path, token).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}: {}", answer.status);
    }
    let absent = delete_with(&app, "/api/sessions/nonsense", token).await;
    assert_eq!((absent.status.as_u16(), absent.header("cache-control")), (404, Some("no-store")));
    let denied = get_with(&app, "/api/sessions", "nonsense").await;
    assert_eq!((denied.status.as_u16(), denied.header("cache-control")), (401, Some("no-store")));
    Ok(())
}

/// S81, WSTG-ATHZ-04: byte for byte the same answer, and no effect.
#[tokio::test]
async fn somebody_elses_session_is_answered_like_one_that_never_was() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let (ann, bob) = (kit.sign_in("ann").await, kit.sign_in("bob").await);
    let theirs = format!("/api/sessions/{}", bob.session().id);
    let never = "/api/sessions/01890000-0000-7000-8000-000000000000";
    for path in [theirs.as_str(), never] {
        let deleted = delete_with(&app, path, ann.token()).await;
        let renamed = send(&app, patch(path, ann.token(), "{\"deviceName\":\"mine\"}")).await;
        assert_eq!((deleted.status.as_u16(), renamed.status.as_u16()), (404, 404), "{path}");
        assert_eq!(deleted.body, delete_with(&app, never, ann.token()).await.body);
        assert_eq!(renamed.body, deleted.body);
    }
    assert_eq!(get_with(&app, "/me", bob.token()).await.status, 200);
    let bobs = get_with(&app, "/api/sessions/current", bob.token()).await.json();
    assert_eq!(bobs["device"]["customName"], serde_json::Value::Null);
    Ok(())
}

/// S83.
#[tokio::test]
async fn a_malformed_id_names_no_session_and_asks_no_store() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let started = kit.sign_in("ann").await;
    let id = started.session().id.to_string();
    get_with(&app, "/me", started.token()).await;
    let calls = kit.store.all_calls();
    let long = "a".repeat(5_000);
    let malformed = [
        "nonsense",
        "%00",
        "..%2f..",
        "%ff",
        "1",
        &id[1..],
        &format!("%7B{id}"),
        &format!("{id}%20"),
        &format!("{id}'--"),
        &long,
    ];
    for id in malformed {
        let path = format!("/api/sessions/{id}");
        assert_eq!(delete_with(&app, &path, started.token()).await.status, 404, "{id}");
        assert_eq!(send(&app, patch(&path, started.token(), "{\"deviceName\":\"x\"}")).await.status, 404, "{id}");
    }
    assert_eq!(kit.store.all_calls(), calls);
    Ok(())
}

/// An app may send the id of its session as its platform prints a UUID.
#[tokio::test]
async fn an_id_in_another_form_of_a_uuid_names_the_same_session() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let started = kit.sign_in("ann").await;
    let id = started.session().id.to_string();
    for form in [id.to_uppercase(), id.replace('-', ""), format!("%7B{id}%7D"), format!("urn:uuid:{id}")] {
        let path = format!("/api/sessions/{form}");
        let renamed = send(&app, patch(&path, started.token(), "{\"deviceName\":\"x\"}")).await;
        assert_eq!((renamed.status.as_u16(), &renamed.json()["id"]), (200, &id.as_str().into()), "{form}");
    }
    let path = format!("/api/sessions/{}", id.to_uppercase());
    assert_eq!(delete_with(&app, &path, started.token()).await.status, 204);
    assert_eq!(get_with(&app, "/me", started.token()).await.status, 401);
    Ok(())
}

/// S33: all but the current one, and again is harmless.
#[tokio::test]
async fn ending_the_others_keeps_the_current_one() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let current = kit.sign_in("ann").await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(kit.sign_in("ann").await);
        get_with(&app, "/me", others.last().expect("just pushed").token()).await;
    }
    let bob = kit.sign_in("bob").await;

    let answer = delete_with(&app, "/api/sessions/others", current.token()).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "{\"revoked\":3}"));
    assert_eq!(delete_with(&app, "/api/sessions/others", current.token()).await.body, "{\"revoked\":0}");
    for other in &others {
        assert_eq!(get_with(&app, "/me", other.token()).await.status, 401);
    }
    assert_eq!(get_with(&app, "/me", current.token()).await.status, 200);
    assert_eq!(get_with(&app, "/me", bob.token()).await.status, 200);
    Ok(())
}

/// S34.
#[tokio::test]
async fn ending_all_ends_the_current_one_too() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let (current, other) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    assert_eq!(delete_with(&app, "/api/sessions", current.token()).await.body, "{\"revoked\":2}");
    for started in [&current, &other] {
        assert_eq!(get_with(&app, "/me", started.token()).await.status, 401);
    }
    Ok(())
}

#[tokio::test]
async fn logging_out_ends_what_the_scope_says() -> TestResult {
    for (scope, current_lives, other_lives) in [
        ("", false, true),
        ("?scope=local", false, true),
        ("?scope=others", true, false),
        ("?scope=global", false, false),
    ] {
        let kit = Kit::new();
        let app = kit.app();
        let (current, other) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
        let answer = send(&app, request(Method::POST, &format!("/api/logout{scope}"), current.token())).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""), "{scope}");
        assert_eq!(get_with(&app, "/me", current.token()).await.status == 200, current_lives, "{scope}");
        assert_eq!(get_with(&app, "/me", other.token()).await.status == 200, other_lives, "{scope}");
    }
    Ok(())
}

/// S73: a link can sign nobody out.
#[tokio::test]
async fn reading_changes_nothing() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let started = kit.sign_in("ann").await;
    let mut asked = request(Method::GET, "/api/logout", started.token());
    asked.headers_mut().insert("x-http-method-override", "POST".parse()?);
    assert_eq!(send(&app, asked).await.status, 405);
    assert_eq!(get_with(&app, &format!("/api/sessions/{}", started.session().id), started.token()).await.status, 405);
    assert_eq!(get_with(&app, "/me", started.token()).await.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_device_is_renamed_and_its_name_taken_away() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let (current, other) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    assert_eq!(get_with(&app, "/me", current.token()).await.status, 200);
    for started in [&current, &other] {
        let path = format!("/api/sessions/{}", started.session().id);
        let answer = send(&app, patch(&path, current.token(), "{\"deviceName\":\"  Zoë's box \"}")).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["deviceName"]), (200, &"Zoë's box".into()));
        let shown = kit.sessions.authenticate(started.token()).await?;
        assert_eq!(shown.device().name(), "Zoë's box", "no cached record keeps the old name");
        let answer = send(&app, patch(&path, current.token(), "{\"deviceName\":null}")).await;
        assert_eq!(answer.json()["deviceName"], "curl");
    }
    Ok(())
}

#[tokio::test]
async fn a_name_that_cannot_be_one_is_refused_and_changes_nothing() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let started = kit.sign_in("ann").await;
    let path = format!("/api/sessions/{}", started.session().id);
    let too_long = format!("{{\"deviceName\":\"{}\"}}", "x".repeat(81));
    let bad = [
        ("", "invalid_body"),
        ("{", "invalid_body"),
        ("[]", "invalid_body"),
        ("{}", "invalid_body"),
        ("{\"deviceName\":7}", "invalid_body"),
        ("{\"deviceName\":\"\"}", "invalid_device_name"),
        ("{\"deviceName\":\"a\\nb\"}", "invalid_device_name"),
        ("{\"deviceName\":\"\\u202e\"}", "invalid_device_name"),
        (too_long.as_str(), "invalid_device_name"),
    ];
    for (body, code) in bad {
        let answer = send(&app, patch(&path, started.token(), body)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, code), "{body}");
    }
    assert_eq!(kit.store.calls(StoreMethod::Rename), 0);
    Ok(())
}

/// S82: pages are bounded, in order, complete, and each knows the next.
#[tokio::test]
async fn a_long_list_is_read_page_by_page() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let current = kit.sign_in("ann").await;
    for _ in 0..120 {
        kit.clock.advance(Duration::from_secs(1));
        drop(kit.sign_in("ann").await);
    }
    for limit in [1, 7, 50, 100] {
        let mut path = format!("/api/sessions?limit={limit}");
        let mut seen = Vec::new();
        loop {
            let page = get_with(&app, &path, current.token()).await;
            let json = page.json();
            let sessions = json.as_array().expect("an array");
            assert!(sessions.len() <= limit);
            seen.extend(sessions.iter().map(|session| session["id"].as_str().expect("an id").to_owned()));
            let Some(link) = page.header("link") else { break };
            let next = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\"")).expect("a link");
            path = format!("/api/sessions{next}");
        }
        assert_eq!(seen.len(), 121, "limit {limit}");
        assert_eq!(seen[0], current.session().id.to_string(), "the current one first");
        let mut unique = seen.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), seen.len(), "no session twice");
        assert!(seen[1..].is_sorted_by(|a, b| a >= b), "newest activity first");
    }
    Ok(())
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_refused() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let started = kit.sign_in("ann").await;
    for query in ["limit=0", "limit=101", "limit=x", "limit=-1", "state=gone", "cursor=x", "cursor=", "limit=1&limit=2"]
    {
        let answer = get_with(&app, &format!("/api/sessions?{query}"), started.token()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_query"), "{query}");
    }
    let answer = send(&app, request(Method::POST, "/api/logout?scope=everyone", started.token())).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_query"));
    assert_eq!(get_with(&app, "/me", started.token()).await.status, 200);
    Ok(())
}

/// Without a session every endpoint responds with 401 and a bare challenge. What ends something ends nothing when it is
/// asked for more than it knows.
#[tokio::test]
async fn what_ends_sessions_takes_no_parameter_that_it_does_not_know() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let (laptop, phone) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    let id = phone.session().id;
    for (method, path) in [
        (Method::DELETE, "/api/sessions?state=ended&limit=1".to_owned()),
        (Method::DELETE, "/api/sessions?scope=others".to_owned()),
        (Method::DELETE, "/api/sessions/others?limit=1".to_owned()),
        (Method::DELETE, format!("/api/sessions/{id}?dryRun=true")),
        (Method::DELETE, format!("/api/devices/{id}?keepSessions")),
        (Method::POST, "/api/logout?scope=global&except=this".to_owned()),
        (Method::POST, "/api/logout?scope=local&scope=global".to_owned()),
        (Method::POST, "/api/logout?Scope=others".to_owned()),
    ] {
        let answer = send(&app, request(method.clone(), &path, laptop.token())).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_query".to_owned()), "{method} {path}");
    }
    for started in [&laptop, &phone] {
        assert!(kit.sessions.authenticate(started.token()).await.is_ok(), "nothing has ended");
    }
    assert_eq!(
        delete_with(&app, "/api/sessions?", laptop.token()).await.status,
        200,
        "an empty query asks for nothing"
    );
    Ok(())
}

#[tokio::test]
async fn every_endpoint_needs_a_session() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let id = kit.sign_in("ann").await.session().id;
    let one = format!("/api/sessions/{id}");
    for (method, path) in [
        (Method::GET, "/api/sessions"),
        (Method::GET, "/api/sessions/current"),
        (Method::DELETE, "/api/sessions"),
        (Method::DELETE, "/api/sessions/others"),
        (Method::DELETE, one.as_str()),
        (Method::PATCH, one.as_str()),
        (Method::POST, "/api/logout"),
    ] {
        let asked = Request::builder().method(method.clone()).uri(path).body(Body::empty())?;
        let answer = send(&app, asked).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("www-authenticate")),
            (401, Some("Bearer")),
            "{method} {path}"
        );
    }
    Ok(())
}

/// A session that was ended elsewhere while its own page is open.
#[tokio::test]
async fn an_ended_session_can_end_nothing() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let (ended, other) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    kit.sessions.revoke(&ended.session().user_id, ended.session().id, Revocation::by_application()).await?;
    for path in ["/api/sessions", "/api/sessions/others", &format!("/api/sessions/{}", other.session().id)] {
        assert_eq!(delete_with(&app, path, ended.token()).await.status, 401);
    }
    assert_eq!(get_with(&app, "/me", other.token()).await.status, 200);
    Ok(())
}
