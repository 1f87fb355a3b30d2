//! How an application is tested: no server, no sleeping, no database.
//!
//! ```text
//! cargo test --example unit_testing
//! ```
//!
//! [`ManualClock`](tower_device_sessions::clock::ManualClock) moves time, [`MemoryStore`] keeps the records, and
//! `tower::ServiceExt::oneshot` sends a request. The application is a function of its session manager, which is all
//! that a test needs to provide.

use std::{error::Error, net::SocketAddr};

use axum::{
    Router,
    extract::State,
    response::Html,
    routing::{get, post},
};
use tower_device_sessions::{
    ClientInfo, CurrentSession, KeyRing, SessionLayer, SessionManager, SessionRoutes, StartedSession,
    store::MemoryStore,
};

fn app(sessions: &SessionManager) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/", get(home))
        .nest("/api", SessionRoutes::new(sessions).into_router())
        .layer(SessionLayer::new(sessions))
        .with_state(sessions.clone())
}

/// Signs the only user in. An application checks more.
async fn login(
    State(sessions): State<SessionManager>,
    client: ClientInfo,
) -> Result<StartedSession, tower_device_sessions::Error> {
    sessions.start("ann", client).await
}

async fn home(session: Option<CurrentSession>) -> Html<String> {
    Html(match session {
        Some(session) => format!("Hello {} on {}", session.user_id(), session.device().name()),
        None => "Hello stranger".to_owned(),
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = KeyRing::random()?;
    let sessions = SessionManager::builder(MemoryStore::new()).keys(keys).build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    eprintln!("unit_testing: listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(&sessions).into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{
        body::{Body, to_bytes},
        http::{Request, StatusCode},
    };
    use tower::ServiceExt;
    use tower_device_sessions::{SessionPolicy, clock::ManualClock, manager::Revocation};

    use super::*;

    type TestResult = Result<(), Box<dyn Error>>;

    /// The application with a clock that the test moves.
    fn under_test() -> Result<(Router, SessionManager, ManualClock), Box<dyn Error>> {
        let clock = ManualClock::new();
        let sessions = SessionManager::builder(MemoryStore::new())
            .keys(KeyRing::random()?)
            .policy(SessionPolicy::new().idle_timeout(Duration::from_secs(3_600)))
            .clock(clock.clone())
            .build()?;
        Ok((app(&sessions), sessions, clock))
    }

    /// The application's response to a request for `/`.
    async fn home_with(app: &Router, token: &str) -> Result<(StatusCode, String), Box<dyn Error>> {
        get_with(app, "/", token).await
    }

    async fn get_with(app: &Router, path: &str, token: &str) -> Result<(StatusCode, String), Box<dyn Error>> {
        let request = Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty())?;
        let response = app.clone().oneshot(request).await?;
        let status = response.status();
        Ok((status, String::from_utf8(to_bytes(response.into_body(), 10_000).await?.to_vec())?))
    }

    /// A user who is signed in needs no request: the manager starts the session.
    #[tokio::test]
    async fn a_user_is_greeted_by_name_and_device() -> TestResult {
        let (app, sessions, _) = under_test()?;
        let started = sessions.start("ann", ClientInfo::new().user_agent("curl/8.5.0")).await?;
        assert_eq!(home_with(&app, started.token()).await?, (StatusCode::OK, "Hello ann on curl".to_owned()));
        Ok(())
    }

    /// The sign-in itself is a request like any other.
    #[tokio::test]
    async fn signing_in_answers_a_token_that_works() -> TestResult {
        let (app, _, _) = under_test()?;
        let response = app.clone().oneshot(Request::post("/login").body(Body::empty())?).await?;
        let body: serde_json::Value = serde_json::from_slice(&to_bytes(response.into_body(), 10_000).await?)?;
        let token = body["token"].as_str().ok_or("no token")?;
        assert_eq!(home_with(&app, token).await?.0, StatusCode::OK);
        Ok(())
    }

    #[tokio::test]
    async fn a_device_that_is_signed_out_is_out() -> TestResult {
        let (app, sessions, _) = under_test()?;
        let started = sessions.start("ann", ClientInfo::new()).await?;
        assert_eq!(home_with(&app, started.token()).await?.0, StatusCode::OK);
        sessions.revoke_all(&"ann".try_into()?, Revocation::by_application()).await?;
        // A public page stays public. A route that needs a session rejects the request.
        assert_eq!(home_with(&app, started.token()).await?, (StatusCode::OK, "Hello stranger".to_owned()));
        assert_eq!(get_with(&app, "/api/sessions", started.token()).await?.0, StatusCode::UNAUTHORIZED);
        Ok(())
    }

    /// An hour without a request passes in no time.
    #[tokio::test]
    async fn a_session_that_rests_for_too_long_ends() -> TestResult {
        let (app, sessions, clock) = under_test()?;
        let started = sessions.start("ann", ClientInfo::new()).await?;
        clock.advance(Duration::from_secs(3_500));
        assert_eq!(home_with(&app, started.token()).await?.0, StatusCode::OK);
        // The timeout, and what recorded activity may lag the real one.
        clock.advance(Duration::from_secs(3_600 + 70));
        let (status, body) = get_with(&app, "/api/sessions", started.token()).await?;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(body.contains("\"code\":\"session_idle\""), "{body}");
        Ok(())
    }
}
