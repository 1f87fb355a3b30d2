//! Two managers in one process, customers and staff: a session of one is none of the other's, however their layers
//! nest.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Method, Request},
    routing::{get, post},
};
use tower_device_sessions::{
    ClientInfo, CurrentSession, DevicesPage, Error, RecentAuth, RequireRecentAuthLayer, RequireSessionLayer,
    SessionLayer, SessionManager, SessionRoutes, StartedSession,
    assurance::Requirement,
    credentials::{CookieOptions, CredentialSource, Transport},
    manager::{ListOptions, RefreshPolicy, Revocation},
    middleware::EndStreamsLayer,
};

use crate::support::{Answer, Kit, TestResult, send};

/// How the tokens of both realms travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Travel {
    CookiesOfOneName,
    CookiesOfTwoNames,
    Bearer,
    Both,
}

impl Travel {
    const ALL: [Self; 4] = [Self::CookiesOfOneName, Self::CookiesOfTwoNames, Self::Bearer, Self::Both];

    fn transport(self, name: &str) -> Transport {
        match self {
            Self::CookiesOfOneName => Transport::Cookie(CookieOptions::new()),
            Self::CookiesOfTwoNames => Transport::Cookie(CookieOptions::new().name(name)),
            Self::Bearer => Transport::Bearer,
            Self::Both => Transport::Both(CookieOptions::new().name(name)),
        }
    }

    /// The field in which a token of the realm with this cookie name travels.
    fn field(self, name: &str, token: &str) -> (&'static str, String) {
        match self {
            Self::CookiesOfOneName => ("cookie", format!("__Host-session={token}")),
            Self::CookiesOfTwoNames | Self::Both => ("cookie", format!("{name}={token}")),
            Self::Bearer => ("authorization", format!("Bearer {token}")),
        }
    }
}

/// Two realms, in both of which there is a user `7`.
struct Realms {
    name: String,
    outer: Kit,
    inner: Kit,
    /// The field of a live session of the outer realm.
    stranger: (&'static str, String),
    member: StartedSession,
}

const OUTER: &str = "__Host-outer";
const INNER: &str = "__Host-inner";

impl Realms {
    async fn new(outer_travel: Travel, inner_travel: Travel) -> Self {
        let kit = |transport| Kit::with(|builder| builder.transport(transport).refresh(RefreshPolicy::new()));
        let outer = kit(outer_travel.transport(OUTER));
        let inner = kit(inner_travel.transport(INNER));
        let stranger = outer_travel.field(OUTER, outer.sign_in("7").await.token());
        let member = inner.sign_in("7").await;
        Self { name: format!("{inner_travel:?} inside {outer_travel:?}"), outer, inner, stranger, member }
    }

    /// One realm inside the other, for every pair of ways in which their tokens travel.
    async fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for outer in Travel::ALL {
            for inner in Travel::ALL {
                all.push(Self::new(outer, inner).await);
            }
        }
        all
    }

    /// Everything of the inner realm that takes a session, inside the layer of the outer one.
    fn app(&self) -> Router {
        let layer = || SessionLayer::new(&self.inner.sessions);
        let extractors = Router::new()
            .route("/current", get(async |session: CurrentSession| session.user_id().to_string()))
            .route("/maybe", get(maybe))
            .route("/recent", get(async |RecentAuth(session): RecentAuth| session.user_id().to_string()))
            .route("/login", post(login))
            .with_state(self.inner.sessions.clone());
        let minute = Requirement::recent(Duration::from_secs(60));
        let layers = Router::new()
            .merge(Router::new().route("/required", get(async || "in")).route_layer(RequireSessionLayer::new()))
            .merge(Router::new().route("/fresh", get(async || "in")).route_layer(RequireRecentAuthLayer::new(minute)))
            .merge(Router::new().route("/stream", get(maybe)).route_layer(EndStreamsLayer::new()));
        let inner = extractors.merge(layers).nest("/api", SessionRoutes::new(&self.inner.sessions).into_router());
        Router::new()
            .nest("/staff", inner.layer(layer()))
            .nest("/page", DevicesPage::new(&self.inner.sessions, "/page").into_router())
            .route("/outer", get(async |session: CurrentSession| session.user_id().to_string()))
            .layer(SessionLayer::new(&self.outer.sessions))
    }

    /// Whether the member of the inner realm has neither been signed out nor renamed.
    async fn is_untouched(&self) -> bool {
        let session = self.member.session();
        let listed = self.inner.sessions.list(&session.user_id, &ListOptions::new()).await.expect("a working store");
        let found = listed.sessions.iter().find(|found| found.id == session.id);
        found.is_some_and(|found| found.device.custom_name.is_none())
    }
}

async fn maybe(session: Option<CurrentSession>) -> String {
    session.map_or_else(|| "nobody".to_owned(), |session| session.user_id().to_string())
}

async fn login(State(sessions): State<SessionManager>, client: ClientInfo) -> Result<StartedSession, Error> {
    sessions.start("8", client).await
}

async fn ask(app: &Router, method: Method, path: &str, field: &(&'static str, String), body: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(field.0, &field.1)
        .header("sec-fetch-site", "same-origin")
        .header("content-type", if path.starts_with("/page") { FORM } else { "application/json" });
    send(app, request.body(Body::from(body.to_owned())).expect("a good request")).await
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The status of a request that has no session in the inner realm. A bearer token of a stranger is no harmless thing.
fn is_refused(answer: &Answer) -> bool {
    answer.status == 401 && !answer.body.contains("session_layer_missing")
}

#[tokio::test]
async fn extractors_and_layers_take_no_session_of_another_manager() -> TestResult {
    for realms in Realms::all().await {
        let name = &realms.name;
        let app = realms.app();
        assert_eq!(ask(&app, Method::GET, "/outer", &realms.stranger, "").await.body, "7", "{name}");
        for path in ["/staff/current", "/staff/recent", "/staff/required", "/staff/fresh"] {
            let answer = ask(&app, Method::GET, path, &realms.stranger, "").await;
            assert!(is_refused(&answer), "{name} {path}: {} {}", answer.status, answer.body);
        }
        for path in ["/staff/maybe", "/staff/stream"] {
            let answer = ask(&app, Method::GET, path, &realms.stranger, "").await;
            assert!(is_refused(&answer) || answer.body == "nobody", "{name} {path}: {}", answer.body);
        }
    }
    Ok(())
}

/// With both cookies at once each realm has its own session, and the inner layer's verdict is not the outer one's.
#[tokio::test]
async fn with_credentials_of_both_realms_each_has_its_own_session() -> TestResult {
    let realms = Realms::new(Travel::CookiesOfTwoNames, Travel::CookiesOfTwoNames).await;
    let app = realms.app();
    let both = ("cookie", format!("{}; {INNER}={}", realms.stranger.1, realms.member.token()));
    assert_eq!(ask(&app, Method::GET, "/staff/current", &both, "").await.body, "7");
    assert_eq!(ask(&app, Method::GET, "/outer", &both, "").await.body, "7");
    let listed = ask(&app, Method::GET, "/staff/api/sessions", &both, "").await.json();
    assert_eq!(listed[0]["id"], realms.member.session().id.to_string());
    assert_eq!(listed[0]["isCurrent"], true);

    // Only of the inner realm: what the outer layer says, anonymous, is not said inside.
    let member = Travel::CookiesOfTwoNames.field(INNER, realms.member.token());
    assert_eq!(ask(&app, Method::GET, "/staff/required", &member, "").await.body, "in");
    assert_eq!(ask(&app, Method::GET, "/outer", &member, "").await.status, 401);
    assert_eq!(ask(&app, Method::GET, "/page", &member, "").await.status, 200);

    let dead = ("cookie", format!("{}; {INNER}=nonsense", realms.stranger.1));
    assert_eq!(ask(&app, Method::GET, "/staff/current", &dead, "").await.code(), "token_invalid");
    assert_eq!(ask(&app, Method::GET, "/staff/maybe", &dead, "").await.body, "nobody");
    Ok(())
}

/// A sign-in of the inner realm holds no session of the outer one, and is judged by the inner realm's settings.
#[tokio::test]
async fn a_sign_in_asks_the_manager_of_the_innermost_layer() -> TestResult {
    let realms = Realms::new(Travel::CookiesOfTwoNames, Travel::CookiesOfTwoNames).await;
    let app = realms.app();
    let started = ask(&app, Method::POST, "/staff/login", &realms.stranger, "").await;
    assert_eq!(started.status, 200, "{}", started.body);
    let lines: Vec<_> = started.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok()).collect();
    assert!(lines.iter().any(|line| line.starts_with(INNER)) && !lines.iter().any(|line| line.starts_with(OUTER)));
    assert_eq!(ask(&app, Method::GET, "/outer", &realms.stranger, "").await.body, "7", "the held session is another's");
    Ok(())
}

#[tokio::test]
async fn ready_made_routes_take_no_session_of_another_manager() -> TestResult {
    for realms in Realms::all().await {
        let name = &realms.name;
        let app = realms.app();
        let session = realms.member.session();
        let device = session.device_id.unwrap_or_default();
        let rename = "{\"deviceName\":\"mine\"}";
        for (method, path, body) in [
            (Method::GET, "/sessions".to_owned(), ""),
            (Method::GET, "/sessions/current".to_owned(), ""),
            (Method::DELETE, format!("/sessions/{}", session.id), ""),
            (Method::PATCH, format!("/sessions/{}", session.id), rename),
            (Method::DELETE, "/sessions/others".to_owned(), ""),
            (Method::DELETE, "/sessions".to_owned(), ""),
            (Method::GET, "/devices".to_owned(), ""),
            (Method::PATCH, format!("/devices/{device}"), rename),
            (Method::DELETE, format!("/devices/{device}"), ""),
            (Method::POST, "/logout?scope=global".to_owned(), ""),
            (Method::POST, "/refresh".to_owned(), ""),
        ] {
            let answer = ask(&app, method.clone(), &format!("/staff/api{path}"), &realms.stranger, body).await;
            assert!(is_refused(&answer), "{name} {method} {path}: {} {}", answer.status, answer.body);
        }
        assert!(realms.is_untouched().await, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn the_page_takes_no_session_of_another_manager() -> TestResult {
    for realms in Realms::all().await {
        let name = &realms.name;
        let app = realms.app();
        let id = realms.member.session().id;
        for (method, path, body) in [
            (Method::GET, "/page".to_owned(), ""),
            (Method::GET, "/page/sign-out-others".to_owned(), ""),
            (Method::POST, "/page/sign-out-others".to_owned(), ""),
            (Method::POST, format!("/page/{id}/sign-out"), ""),
            (Method::POST, format!("/page/{id}/rename"), "name=mine"),
        ] {
            let answer = ask(&app, method.clone(), &path, &realms.stranger, body).await;
            let to_form = answer.header("location").is_some_and(|address| address.starts_with("/sign-in"));
            assert!(answer.status == 303 && to_form, "{name} {method} {path}: {} {}", answer.status, answer.body);
        }
        assert!(realms.is_untouched().await, "{name}");
    }
    Ok(())
}

/// Many requests at once, with credentials of either realm, of both and of neither, while sessions come and go in both.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_nobody_is_let_in_as_a_user_of_the_other_realm() -> TestResult {
    let realms = Arc::new(Realms::new(Travel::CookiesOfTwoNames, Travel::CookiesOfTwoNames).await);
    let app = realms.app();
    let tasks = (0..8_u64).map(|task| {
        let (realms, app) = (Arc::clone(&realms), app.clone());
        tokio::spawn(async move {
            for round in 0..200 {
                let (customer, member) = (format!("customer-{task}"), format!("member-{task}"));
                let (outer, inner) = (realms.outer.sign_in(&customer).await, realms.inner.sign_in(&member).await);
                let (ours, theirs) = (realms.inner.sessions.clone(), inner.session());
                if round % 3 == 0 {
                    ours.revoke(&theirs.user_id, theirs.id, Revocation::by_application())
                        .await
                        .expect("a working store");
                }
                let (outer, inner) = (format!("{OUTER}={}", outer.token()), format!("{INNER}={}", inner.token()));
                for cookies in [outer.clone(), inner.clone(), format!("{outer}; {inner}"), "a=b".to_owned()] {
                    let expected = match cookies.contains(INNER) && round % 3 != 0 {
                        true => member.as_str(),
                        false => "nobody",
                    };
                    let inside = ask(&app, Method::GET, "/staff/maybe", &("cookie", cookies.clone()), "").await;
                    assert_eq!(inside.body, expected, "{round} {cookies}");
                    let outside = ask(&app, Method::GET, "/outer", &("cookie", cookies.clone()), "").await;
                    assert_eq!(
                        outside.body == customer,
                        cookies.contains(OUTER),
                        "{round} {cookies}: {}",
                        outside.body
                    );
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await?;
    }
    Ok(())
}

/// The routes of one manager behind nothing but the layer of another: as if there were no layer.
#[tokio::test]
async fn routes_behind_the_layer_of_another_manager_say_that_theirs_is_missing() -> TestResult {
    for realms in Realms::all().await {
        let name = &realms.name;
        let app = SessionRoutes::new(&realms.inner.sessions).into_router();
        let app: Router = app.layer(SessionLayer::new(&realms.outer.sessions));
        for (method, path) in [
            (Method::GET, "/sessions"),
            (Method::GET, "/sessions/current"),
            (Method::DELETE, "/sessions"),
            (Method::DELETE, "/sessions/others"),
            (Method::GET, "/devices"),
            (Method::POST, "/logout"),
        ] {
            for field in [&realms.stranger, &("accept", "*/*".to_owned())] {
                let answer = ask(&app, method.clone(), path, field, "").await;
                let seen = (answer.status.as_u16(), answer.code());
                assert_eq!(seen, (500, "session_layer_missing".to_owned()), "{name} {method} {path}");
            }
        }
        let user = &realms.member.session().user_id;
        let active = realms.inner.sessions.list(user, &ListOptions::new()).await?;
        assert_eq!(active.sessions.len(), 1, "{name}");
    }
    Ok(())
}

/// One manager, and a layer that reads but one transport inside one that reads both.
#[tokio::test]
async fn an_inner_layer_of_one_transport_takes_no_session_of_the_other() -> TestResult {
    let kit = Kit::with(|builder| builder.transport(Transport::Both(CookieOptions::new())));
    let token = kit.sign_in("ann").await.token().to_owned();
    let (bearer, cookie) =
        (("authorization", format!("Bearer {token}")), ("cookie", format!("__Host-session={token}")));
    let only = |source| {
        Router::new()
            .route("/me", get(async |session: CurrentSession| session.user_id().to_string()))
            .route("/login", post(login))
            .with_state(kit.sessions.clone())
            .layer(SessionLayer::new(&kit.sessions).only(source))
    };
    let app: Router = Router::new()
        .nest("/bearer", only(CredentialSource::Bearer))
        .nest("/cookie", only(CredentialSource::Cookie))
        .layer(SessionLayer::new(&kit.sessions));
    assert_eq!(ask(&app, Method::GET, "/bearer/me", &bearer, "").await.body, "ann");
    assert_eq!(ask(&app, Method::GET, "/cookie/me", &cookie, "").await.body, "ann");
    assert_eq!(ask(&app, Method::GET, "/bearer/me", &cookie, "").await.status, 401);
    assert_eq!(ask(&app, Method::GET, "/cookie/me", &bearer, "").await.status, 401);
    Ok(())
}

/// An inner layer that reads cookies has its sign-ins checked, also inside one that reads bearer tokens only.
#[tokio::test]
async fn what_an_outer_layer_does_not_read_an_inner_one_may() -> TestResult {
    let kit = Kit::with(|builder| builder.transport(Transport::Both(CookieOptions::new())));
    let app: Router = Router::new()
        .route("/login", post(login))
        .with_state(kit.sessions.clone())
        .layer(SessionLayer::new(&kit.sessions))
        .layer(SessionLayer::new(&kit.sessions).only(CredentialSource::Bearer));
    let forged = Request::builder().method(Method::POST).uri("/login").header("sec-fetch-site", "cross-site");
    assert_eq!(send(&app, forged.body(Body::empty())?).await.status, 403);
    Ok(())
}
