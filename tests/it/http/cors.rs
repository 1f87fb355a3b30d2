//! A page on another origin, with the layers in the order that the guide says.

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tower_device_sessions::{
    CurrentSession, SessionLayer, SessionRoutes,
    credentials::{CookieOptions, Transport},
};
use tower_http::cors::CorsLayer;

use crate::support::{Answer, Kit, TestResult, send};

const PAGE: &str = "https://app.example.com";

fn app(kit: &Kit) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(HeaderValue::from_static(PAGE))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([header::CONTENT_TYPE]);
    Router::new()
        .route("/me", get(async |session: CurrentSession| session.user_id().to_string()))
        .nest("/api", SessionRoutes::new(&kit.sessions).into_router())
        .layer(SessionLayer::new(&kit.sessions))
        .layer(cors)
}

fn kit() -> Kit {
    Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())).trusted_origins([PAGE]))
}

async fn cookie(kit: &Kit) -> String {
    let started = Answer::read(kit.sign_in("ann").await.into_response()).await;
    let line = started.header("set-cookie").expect("a cookie").to_owned();
    line.split(';').next().unwrap_or_default().to_owned()
}

fn ask(method: Method, path: &str, origin: &str, cookie: &str) -> Request<Body> {
    let request =
        Request::builder().method(method).uri(path).header("host", "api.example.com").header("origin", origin);
    request.header("sec-fetch-site", "same-site").header("cookie", cookie).body(Body::empty()).expect("a good request")
}

#[tokio::test]
async fn a_page_on_another_origin_reads_answers_and_refusals() -> TestResult {
    let kit = kit();
    let (app, cookie) = (app(&kit), cookie(&kit).await);
    let answer = send(&app, ask(Method::GET, "/me", PAGE, &cookie)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, Some(PAGE)));
    let answer = send(&app, ask(Method::POST, "/api/logout", PAGE, &cookie)).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-credentials")), (204, Some("true")));

    // Without the header the script would see a network error, and no code.
    let refused = send(&app, ask(Method::GET, "/me", PAGE, &cookie)).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (401, "session_revoked"));
    assert_eq!(refused.header("access-control-allow-origin"), Some(PAGE));
    Ok(())
}

#[tokio::test]
async fn a_preflight_needs_no_session_and_other_origins_change_nothing() -> TestResult {
    let kit = kit();
    let (app, cookie) = (app(&kit), cookie(&kit).await);
    let mut preflight = ask(Method::OPTIONS, "/api/sessions/others", PAGE, "");
    preflight.headers_mut().insert("access-control-request-method", HeaderValue::from_static("DELETE"));
    let answer = send(&app, preflight).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, Some(PAGE)));

    let forged = send(&app, ask(Method::POST, "/api/logout", "https://other.example.com", &cookie)).await;
    assert_eq!((forged.status.as_u16(), forged.code().as_str()), (403, "csrf_denied"));
    assert_eq!(send(&app, ask(Method::GET, "/me", PAGE, &cookie)).await.status, 200);
    Ok(())
}
