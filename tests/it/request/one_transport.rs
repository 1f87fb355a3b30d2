//! An API that takes bearer tokens beside pages that use cookies, over one manager.

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Method, Request},
    routing::{get, post},
};
use tower_device_sessions::{
    ClientInfo, CurrentSession, Error, SessionLayer, SessionManager, SessionRoutes, StartedSession,
    credentials::{CookieOptions, CredentialSource, Transport},
    manager::RefreshPolicy,
};

use crate::support::{Answer, Kit, TestResult, send};

fn kit(transport: Transport) -> Kit {
    Kit::with(|builder| builder.transport(transport).refresh(RefreshPolicy::new()))
}

fn both() -> Kit {
    kit(Transport::Both(CookieOptions::new()))
}

fn app(kit: &Kit, source: CredentialSource) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/me", get(async |session: CurrentSession| session.user_id().to_string()))
        .merge(SessionRoutes::new(&kit.sessions).into_router())
        .layer(SessionLayer::new(&kit.sessions).only(source))
        .with_state(kit.sessions.clone())
}

async fn login(State(sessions): State<SessionManager>, client: ClientInfo) -> Result<StartedSession, Error> {
    sessions.start("ann", client).await
}

async fn ask(app: &Router, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(app, request.body(Body::from(body.to_owned())).expect("a good request")).await
}

fn set_cookies(answer: &Answer) -> Vec<String> {
    let lines = answer.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
    lines.filter_map(|line| line.split_once('=')).map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test]
async fn where_only_bearer_tokens_are_used_session_cookies_do_not_exist() -> TestResult {
    let kit = both();
    let app = app(&kit, CredentialSource::Bearer);
    // No cookie is at stake, so it does not matter who asks for a sign-in.
    let started = ask(&app, Method::POST, "/login", &[("sec-fetch-site", "cross-site")], "").await;
    assert_eq!((started.status.as_u16(), set_cookies(&started)), (200, vec!["__Host-device".to_owned()]));
    let started = started.json();
    let (token, refresh) = (started["token"].as_str().expect("one"), started["refreshToken"].as_str().expect("one"));
    let (bearer, cookie) = (format!("Bearer {token}"), format!("__Host-session={token}"));

    assert_eq!(ask(&app, Method::GET, "/me", &[("authorization", &bearer)], "").await.body, "ann");
    let by_cookie = ask(&app, Method::GET, "/me", &[("cookie", &cookie)], "").await;
    assert_eq!((by_cookie.status.as_u16(), by_cookie.code()), (401, "credentials_missing".to_owned()));
    let other = kit.sign_in("bob").await;
    let cookies = format!("__Host-session={}; __Host-refresh=nonsense", other.token());
    let headers = [("authorization", bearer.as_str()), ("cookie", &cookies), ("sec-fetch-site", "cross-site")];
    assert_eq!(ask(&app, Method::GET, "/me", &headers, "").await.body, "ann", "the cookie does not contradict");

    let body = format!("{{\"refreshToken\":\"{refresh}\"}}");
    let next = ask(&app, Method::POST, "/refresh", &headers, &body).await;
    assert_eq!((next.status.as_u16(), set_cookies(&next)), (200, vec![]));
    let cookies = format!("__Host-refresh={}", other.refresh_token().expect("one"));
    let by_cookie = [("cookie", cookies.as_str()), ("sec-fetch-site", "same-origin")];
    assert_eq!(ask(&app, Method::POST, "/refresh", &by_cookie, "").await.status, 401);

    let bearer = format!("Bearer {}", next.json()["token"].as_str().expect("one"));
    let headers = [("authorization", bearer.as_str()), ("cookie", &cookie)];
    let signed_out = ask(&app, Method::POST, "/logout", &headers, "").await;
    assert_eq!((signed_out.status.as_u16(), set_cookies(&signed_out)), (204, vec![]), "nor are they cleared");
    Ok(())
}

#[tokio::test]
async fn where_only_cookies_are_used_bearer_tokens_do_not_exist() -> TestResult {
    let kit = both();
    let app = app(&kit, CredentialSource::Cookie);
    let (ann, bob) = (kit.sign_in("ann").await, kit.sign_in("bob").await);
    let (bearer, cookie) = (format!("Bearer {}", bob.token()), format!("__Host-session={}", ann.token()));
    assert_eq!(ask(&app, Method::GET, "/me", &[("authorization", &bearer)], "").await.status, 401);
    assert_eq!(ask(&app, Method::GET, "/me", &[("authorization", &bearer), ("cookie", &cookie)], "").await.body, "ann");
    let forged = [("cookie", cookie.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(ask(&app, Method::POST, "/logout", &forged, "").await.status, 403);
    assert_eq!(ask(&app, Method::POST, "/login", &forged[1..], "").await.status, 403);
    let body = format!("{{\"refreshToken\":\"{}\"}}", bob.refresh_token().expect("one"));
    assert_eq!(ask(&app, Method::POST, "/refresh", &[], &body).await.status, 401);
    Ok(())
}

#[tokio::test]
async fn of_a_transport_that_the_manager_does_not_have_everybody_is_anonymous() -> TestResult {
    for (transport, source) in [
        (Transport::Bearer, CredentialSource::Cookie),
        (Transport::Cookie(CookieOptions::new()), CredentialSource::Bearer),
    ] {
        let kit = kit(transport);
        let app = app(&kit, source);
        let ann = kit.sign_in("ann").await;
        let (bearer, cookie) = (format!("Bearer {}", ann.token()), format!("__Host-session={}", ann.token()));
        let answer = ask(&app, Method::GET, "/me", &[("authorization", &bearer), ("cookie", &cookie)], "").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "credentials_missing".to_owned()));
    }
    Ok(())
}
