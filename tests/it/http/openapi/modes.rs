//! The document is true of cookies, of challenges, and of administrators.

use std::time::Duration;

use axum::{
    Extension, Router,
    body::Body,
    http::{Method, Request, header},
    response::IntoResponse,
};
use serde_json::json;
use tower_device_sessions::{
    AdminRoutes, SessionPolicy, StartedSession,
    credentials::{CookieOptions, Transport},
    manager::RefreshPolicy,
    policy::EndingOthers,
    routes::AdminName,
    store::{Fault, StoreMethod},
};

use super::{check, conforms, document};
use crate::support::{Answer, Kit, TestResult, app, request, send};

/// A request of the application's own page, with these cookies.
fn with_cookies(method: Method, path: &str, cookies: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("host", "app.example");
    request
        .header("cookie", cookies)
        .header("sec-fetch-site", "same-origin")
        .body(Body::empty())
        .expect("a good request")
}

/// What a browser keeps of an answer.
fn kept(answer: &Answer) -> String {
    let lines = answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.filter_map(|line| line.split(';').next()).collect::<Vec<_>>().join("; ")
}

async fn signed_in(started: StartedSession) -> Answer {
    Answer::read(started.into_response()).await
}

#[tokio::test]
async fn the_document_is_true_where_tokens_travel_in_cookies() -> TestResult {
    let document = document();
    let cookies = Transport::Cookie(CookieOptions::new());
    let kit = Kit::with(|builder| builder.transport(cookies).refresh(RefreshPolicy::new()).clear_site_data());
    let app = app(&kit.sessions);

    let started = signed_in(kit.sign_in("ann").await).await;
    let tokens = document.pointer("/components/schemas/DeviceSessionTokens").expect("the schema");
    check(&document, tokens, &started.json(), "sign-in");
    assert_eq!((&started.json()["token"], &started.json()["tokenType"]), (&json!(null), &json!(null)));
    let name = &document["components"]["securitySchemes"]["sessionCookie"]["name"];
    assert!(kept(&started).contains(&format!("{}=", name.as_str().expect("a name"))));

    let list = send(&app, with_cookies(Method::GET, "/api/sessions", &kept(&started))).await;
    assert_eq!(list.status, 200);
    conforms(&document, "/api/sessions", "get", &list);
    // Without a body.
    let renewed = send(&app, with_cookies(Method::POST, "/api/refresh", &kept(&started))).await;
    assert_eq!(renewed.status, 200);
    conforms(&document, "/api/refresh", "post", &renewed);
    assert_eq!(document.pointer("/paths/~1api~1refresh/post/requestBody/required"), Some(&json!(false)));
    let mut forged = with_cookies(Method::POST, "/api/refresh", &kept(&renewed));
    forged.headers_mut().insert("sec-fetch-site", header::HeaderValue::from_static("cross-site"));
    let forged = send(&app, forged).await;
    assert_eq!((forged.status.as_u16(), forged.code().as_str()), (403, "csrf_denied"));
    conforms(&document, "/api/refresh", "post", &forged);
    let out = send(&app, with_cookies(Method::POST, "/api/logout", &kept(&renewed))).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").is_some() && out.header("clear-site-data").is_some());
    conforms(&document, "/api/logout", "post", &out);
    Ok(())
}

#[tokio::test]
async fn a_challenge_says_what_is_asked_for_as_the_document_does() -> TestResult {
    let document = document();
    let policy = SessionPolicy::new().ending_others(EndingOthers::AfterRecentAuthentication);
    let kit = Kit::with(|builder| builder.policy(policy));
    let app = app(&kit.sessions);
    let started = kit.sign_in("ann").await;
    kit.clock.advance(Duration::from_secs(86_400));
    let challenge = send(&app, request(Method::DELETE, "/api/sessions/others", started.token())).await;
    assert_eq!((challenge.status.as_u16(), challenge.code().as_str()), (401, "reauthentication_required"));
    assert!(challenge.json()["maxAge"].is_number());
    conforms(&document, "/api/sessions/others", "delete", &challenge);
    let schema = document.pointer("/components/schemas/DeviceSessionProblem/properties/acrValues");
    assert!(schema.is_some(), "the level that an application asks for");
    Ok(())
}

#[tokio::test]
async fn what_administrators_are_answered_is_what_their_document_says() -> TestResult {
    let document = AdminRoutes::openapi_json("/admin");
    let kit = Kit::new();
    let name = AdminName::new("root@example.com");
    let app = Router::new().nest("/admin", AdminRoutes::new(&kit.sessions).into_router().layer(Extension(name)));
    let (one, _two, _bob) = (kit.sign_in("ann").await, kit.sign_in("ann").await, kit.sign_in("bob").await);
    let (list, single, sweep) =
        ("/admin/users/{user}/sessions", "/admin/users/{user}/sessions/{id}", "/admin/sessions/revoke");
    let of_one = format!("/admin/users/ann/sessions/{}", one.session().id);
    let long = format!("/admin/users/{}/sessions", "a".repeat(129));

    // The path of the document, the path of the request, the method, the body, and the status.
    let asked = [
        (list, "/admin/users/ann/sessions?limit=1", Method::GET, "", 200),
        (list, "/admin/users/ann/sessions?limit=0", Method::GET, "", 400),
        (list, long.as_str(), Method::GET, "", 400),
        (single, of_one.as_str(), Method::DELETE, "", 204),
        (single, "/admin/users/bob/sessions/nonsense", Method::DELETE, "", 404),
        (sweep, sweep, Method::POST, "{\"browser\": \"curl\"}", 200),
        (sweep, sweep, Method::POST, "{\"method\": \"pwd\", \"dryRun\": false}", 200),
        (sweep, sweep, Method::POST, "{\"browser\": \"curl\", \"cursor\": null}", 200),
        (sweep, sweep, Method::POST, "{}", 400),
        // What is no condition must not be one condition less.
        (sweep, sweep, Method::POST, "{\"browser\": \"curl\", \"startedBefore\": null}", 400),
        (sweep, sweep, Method::POST, "{\"browser\": \"curl\", \"method\": null, \"dryRun\": false}", 400),
        (list, "/admin/users/ann/sessions", Method::DELETE, "", 200),
    ];
    for (path, target, method, body, status) in asked {
        let request = Request::builder().method(method.clone()).uri(target);
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_owned()))?;
        let answer = send(&app, request).await;
        assert_eq!(answer.status, status, "{method} {target} {body}");
        conforms(&document, path, &method.as_str().to_lowercase(), &answer);
    }
    kit.store.fail(StoreMethod::List, Fault::FailBefore);
    let answer = send(&app, Request::builder().uri("/admin/users/ann/sessions").body(Body::empty())?).await;
    assert_eq!(answer.status, 503);
    conforms(&document, list, "get", &answer);
    Ok(())
}
