//! The layer in all the places where it is put, over services of all sorts.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode},
    routing::get,
};
use bytes::Bytes;
use http_body_util::Full;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_device_sessions::{
    CurrentSession, RequireSessionLayer, SessionLayer, SessionManager, UserId,
    clock::Timestamp,
    policy::Denied,
    token::{TokenRejection, VerifiedToken, VerifyToken},
};

use crate::support::{Answer, Kit, TestResult, get_with, request, send};

async fn who(session: Option<CurrentSession>) -> String {
    session.map_or_else(|| "nobody".to_owned(), |session| session.user_id().to_string())
}

fn anonymous(path: &str) -> Request<Body> {
    Request::builder().uri(path).body(Body::empty()).expect("a good request")
}

/// A request that the layer refuses by itself.
fn contradictory(path: &str) -> Request<Body> {
    let mut asked = request(Method::GET, path, "one");
    asked.headers_mut().append("authorization", HeaderValue::from_static("Bearer other"));
    asked
}

#[tokio::test]
async fn the_layer_works_inside_router_layer() -> TestResult {
    let kit = Kit::new();
    let token = kit.sign_in("ann").await.token().to_owned();
    let app = Router::new().route("/", get(who)).layer(SessionLayer::new(&kit.sessions));
    assert_eq!(get_with(&app, "/", &token).await.body, "ann");
    assert_eq!(send(&app, anonymous("/")).await.body, "nobody");
    assert_eq!(get_with(&app, "/", "nonsense").await.body, "nobody");
    Ok(())
}

#[tokio::test]
async fn the_layer_works_inside_route_layer() -> TestResult {
    let kit = Kit::new();
    let token = kit.sign_in("ann").await.token().to_owned();
    let app = Router::new().route("/", get(who)).route_layer(SessionLayer::new(&kit.sessions));
    assert_eq!(get_with(&app, "/", &token).await.body, "ann");
    assert_eq!(get_with(&app, "/", "nonsense").await.body, "nobody");
    assert_eq!(get_with(&app, "/elsewhere", &token).await.status, 404, "a route layer leaves other paths alone");
    Ok(())
}

#[tokio::test]
async fn the_layer_works_around_a_router() -> TestResult {
    let kit = Kit::new();
    let token = kit.sign_in("ann").await.token().to_owned();
    let mut app = SessionLayer::new(&kit.sessions).layer(Router::new().route("/", get(who)));
    let response = ServiceExt::<Request<Body>>::ready(&mut app).await?.call(request(Method::GET, "/", &token)).await?;
    assert_eq!(Answer::read(response).await.body, "ann");
    let response = app.call(contradictory("/")).await?;
    assert_eq!(Answer::read(response).await.code(), "invalid_request");
    Ok(())
}

/// On any `tower::Service`, with bodies of any type.
#[tokio::test]
async fn the_layer_works_over_services_that_know_nothing_of_axum() -> TestResult {
    let kit = Kit::new();
    let token = kit.sign_in("ann").await.token().to_owned();
    let service =
        ServiceBuilder::new().layer(SessionLayer::new(&kit.sessions)).service_fn(async |request: Request<u8>| {
            let user = request.extensions().get::<CurrentSession>().map(|session| session.user_id().to_string());
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(user.unwrap_or_default()))))
        });
    let asked = Request::builder().header("authorization", format!("bearer {token}")).body(7)?;
    let response = service.clone().oneshot(asked).await?;
    assert_eq!(http_body_util::BodyExt::collect(response.into_body()).await?.to_bytes(), "ann");

    let denied = service.oneshot(contradictory("/").map(|_| 7)).await?;
    assert_eq!(denied.status(), 400);
    let body = http_body_util::BodyExt::collect(denied.into_body()).await?.to_bytes();
    assert!(body.starts_with(b"{\"type\":"), "{body:?}");
    Ok(())
}

/// A service that insists on being polled ready before each call, as `tower` allows it to.
#[derive(Debug)]
struct Picky {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Picky {
    fn clone(&self) -> Self {
        Self { ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl Service<Request<String>> for Picky {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(Response::new(String::new())))
    }
}

/// The tower contract: the service that was polled ready is the one that is called, on the cached path and on the
/// other.
#[tokio::test]
async fn the_service_that_was_polled_ready_is_the_one_that_is_called() -> TestResult {
    let kit = Kit::new();
    let token = kit.sign_in("ann").await.token().to_owned();
    let calls = Arc::new(AtomicUsize::new(0));
    let mut service = SessionLayer::new(&kit.sessions).layer(Picky { ready: false, calls: Arc::clone(&calls) });
    for _ in 0..3 {
        let asked = Request::builder().header("authorization", format!("Bearer {token}")).body(String::new())?;
        assert_eq!(service.ready().await?.call(asked).await?.status(), 200);
    }
    service.ready().await?.call(Request::new(String::new())).await?;
    assert_eq!(calls.load(Ordering::SeqCst), 4);
    Ok(())
}

/// The layer holds no permit of a limited service when it denies.
#[tokio::test]
async fn a_denied_request_leaves_no_permit_taken() -> TestResult {
    let kit = Kit::new();
    let token = kit.sign_in("ann").await.token().to_owned();
    let service = ServiceBuilder::new()
        .layer(SessionLayer::new(&kit.sessions))
        .concurrency_limit(1)
        .service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
    for _ in 0..5 {
        let asked = contradictory("/").map(|_| String::new());
        assert_eq!(service.clone().oneshot(asked).await?.status(), 400);
    }
    let asked = Request::builder().header("authorization", format!("Bearer {token}")).body(String::new())?;
    assert_eq!(service.oneshot(asked).await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn anonymous_requests_are_turned_away_where_a_session_is_required() -> TestResult {
    let kit = Kit::new();
    let token = kit.sign_in("ann").await.token().to_owned();
    let app = Router::new()
        .route("/", get(who))
        .route_layer(RequireSessionLayer::new())
        .route("/open", get(who))
        .layer(SessionLayer::new(&kit.sessions));
    assert_eq!(get_with(&app, "/", &token).await.body, "ann");
    assert_eq!(send(&app, anonymous("/open")).await.body, "nobody");
    let denied = send(&app, anonymous("/")).await;
    assert_eq!((denied.status.as_u16(), denied.header("www-authenticate")), (401, Some("Bearer")));
    Ok(())
}

#[tokio::test]
async fn a_forgotten_layer_is_a_500_that_says_which_line_to_add() -> TestResult {
    let kit = Kit::new();
    let bare = Router::new()
        .route("/session", get(async |_: CurrentSession| ""))
        .route("/maybe", get(who))
        .route("/client", get(async |_: tower_device_sessions::ClientInfo| ""))
        .route("/required", get(async || "").layer(RequireSessionLayer::new()))
        .merge(tower_device_sessions::SessionRoutes::new(&kit.sessions).into_router());
    for path in ["/session", "/maybe", "/client", "/required", "/sessions"] {
        let answer = send(&bare, anonymous(path)).await;
        assert_eq!(answer.status, 500, "{path}");
        assert!(answer.body.contains(".layer(SessionLayer::new(&sessions))"), "{path}: {}", answer.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_closure_replaces_the_answers() -> TestResult {
    let kit = Kit::new();
    let layer = SessionLayer::new(&kit.sessions).on_denied(|denied: &Denied, headers: &HeaderMap| {
        let accepts = headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or("nothing").to_owned();
        let mut response = Response::new(Body::from(format!("{denied} for {accepts}")));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    });
    let app = Router::new().route("/", get(who)).layer(layer);
    let mut asked = contradictory("/");
    asked.headers_mut().insert("accept", "text/html".parse()?);
    let answer = send(&app, asked).await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (418, "malformed or ambiguous credentials for text/html")
    );
    Ok(())
}

/// Tokens that somebody else issues: `user:session`, for the test.
#[derive(Debug)]
struct Plain;

impl VerifyToken for Plain {
    fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenRejection> {
        let (user, session) = token.split_once('~').ok_or(TokenRejection::Malformed)?;
        let user = UserId::try_from(user).map_err(|_| TokenRejection::Claims)?;
        let session = session.parse().map_err(|_| TokenRejection::SessionIdClaim)?;
        Ok(VerifiedToken::new(user, session, now, now.saturating_add(std::time::Duration::from_secs(60))))
    }
}

#[tokio::test]
async fn an_application_may_bring_its_own_verifier() -> TestResult {
    let kit = Kit::without_keys(|builder| builder.verifier(Plain));
    let session = kit.sessions.start("ann", Default::default()).without_token().await?;
    let app = kit.app();
    let token = format!("ann~{}", session.id);
    assert_eq!(get_with(&app, "/me", &token).await.body, "ann");
    assert_eq!(get_with(&app, "/me", &format!("bob~{}", session.id)).await.status, 401);
    assert_eq!(get_with(&app, "/me", "nonsense").await.status, 401);

    let no_key = kit.sessions.start("ann", Default::default()).await;
    assert_eq!(no_key.err().map(|error| error.kind()), Some(tower_device_sessions::ErrorKind::NoSigningKey));
    Ok(())
}

/// An outer layer has verified the token; no header is read.
#[tokio::test]
async fn an_outer_layer_may_have_verified_the_token() -> TestResult {
    let kit = Kit::without_keys(|builder| builder.verified_upstream());
    let session = kit.sessions.start("ann", Default::default()).without_token().await?;
    let asked = |sessions: &SessionManager, user: &str| {
        let now = session.created_at;
        let user = UserId::try_from(user).expect("a good id");
        let verified = VerifiedToken::new(user, session.id, now, session.expires_at);
        Router::new().route("/", get(who)).layer(SessionLayer::new(sessions)).layer(axum::Extension(verified))
    };
    let app = asked(&kit.sessions, "ann");
    for _ in 0..3 {
        assert_eq!(send(&app, anonymous("/")).await.body, "ann");
    }
    assert_eq!(kit.store.calls(tower_device_sessions::store::StoreMethod::Find), 1);
    assert_eq!(send(&asked(&kit.sessions, "bob"), anonymous("/")).await.body, "nobody");

    let unverified = Router::new().route("/", get(who)).layer(SessionLayer::new(&kit.sessions));
    assert_eq!(get_with(&unverified, "/", "ignored").await.body, "nobody");

    kit.sessions.revoke_all(&session.user_id, tower_device_sessions::manager::Revocation::by_application()).await?;
    assert_eq!(send(&app, anonymous("/")).await.body, "nobody");
    Ok(())
}

/// R29. A handler that panics takes nothing of the layer with it.
#[tokio::test]
async fn a_handler_that_panics_leaves_the_layer_working() -> TestResult {
    let kit = Kit::new();
    let token = kit.sign_in("ann").await.token().to_owned();
    let app = Router::new()
        .route("/panic", get(async || -> String { panic!("a planned panic in a handler") }))
        .route("/", get(who))
        .layer(SessionLayer::new(&kit.sessions));
    let panicking = app.clone();
    let asked = request(Method::GET, "/panic", &token);
    assert!(tokio::spawn(async move { panicking.oneshot(asked).await }).await.is_err());
    assert_eq!(get_with(&app, "/", &token).await.body, "ann");
    Ok(())
}
