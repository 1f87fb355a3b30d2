//! A client that sends its token and keeps cookies, too: what it is answered, and that it never contradicts itself.

use std::time::Duration;

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

fn kit() -> Kit {
    Kit::with(|builder| builder.transport(Transport::Both(CookieOptions::new())).refresh(RefreshPolicy::new()))
}

fn app(sessions: &SessionManager) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/confirm", post(confirm))
        .route("/password", post(password))
        .route("/source", get(async |session: CurrentSession| format!("{:?}", session.credential_source())))
        .nest("/api", SessionRoutes::new(sessions).into_router())
        .layer(SessionLayer::new(sessions))
        .with_state(sessions.clone())
}

async fn login(State(sessions): State<SessionManager>, client: ClientInfo) -> Result<StartedSession, Error> {
    sessions.start("ann", client).await
}

async fn confirm(State(sessions): State<SessionManager>, current: CurrentSession) -> Result<StartedSession, Error> {
    sessions.reauthenticated(&current, "pwd").await
}

async fn password(State(sessions): State<SessionManager>, current: CurrentSession) -> Result<StartedSession, Error> {
    let changed = sessions.credentials_changed(current.user_id(), Some(&current)).await?;
    Ok(changed.kept.expect("it is kept"))
}

/// What an app on a phone has: it sends its token by itself, its HTTP library keeps cookies, and nothing says where a
/// request comes from.
struct Client {
    app: Router,
    token: Option<String>,
    refresh_token: Option<String>,
    cookies: Vec<(String, String)>,
    /// What browsers say of themselves.
    site: Option<&'static str>,
}

impl Client {
    fn new(kit: &Kit) -> Self {
        let (token, refresh_token, cookies) = (None, None, Vec::new());
        Self { app: app(&kit.sessions), token, refresh_token, cookies, site: None }
    }

    async fn ask(&mut self, method: Method, path: &str, body: String) -> Answer {
        let mut asked = Request::builder().method(method).uri(path).header("content-type", "application/json");
        if let Some(token) = &self.token {
            asked = asked.header("authorization", format!("Bearer {token}"));
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            asked = asked.header("cookie", pairs.join("; "));
        }
        if let Some(site) = self.site {
            asked = asked.header("sec-fetch-site", site);
        }
        let answer = send(&self.app, asked.body(Body::from(body)).expect("a good request")).await;
        for line in answer.headers.get_all("set-cookie") {
            let pair = line.to_str().expect("visible").split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("a value");
            self.cookies.retain(|(kept, _)| kept != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        if answer.status == 200 && answer.body.starts_with('{') {
            let body = answer.json();
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            self.token = text("token").or(self.token.take());
            self.refresh_token = text("refreshToken").or(self.refresh_token.take());
        }
        answer
    }

    async fn refresh(&mut self) -> Answer {
        let body = serde_json::json!({ "refreshToken": self.refresh_token }).to_string();
        self.ask(Method::POST, "/api/refresh", body).await
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(kept, _)| kept == name).map(|(_, value)| value.as_str())
    }

    /// Both ways hold the same tokens.
    fn agrees(&self) -> bool {
        self.cookie("__Host-session") == self.token.as_deref()
            && self.cookie("__Host-refresh") == self.refresh_token.as_deref()
    }
}

/// A refresh, a step-up and a change of password are answered every way that the client has come.
#[tokio::test]
async fn every_renewal_reaches_the_header_and_the_cookies_of_a_client_that_has_both() -> TestResult {
    let kit = kit();
    let mut client = Client::new(&kit);
    assert_eq!(client.ask(Method::POST, "/login", String::new()).await.status, 200);
    assert!(client.agrees());
    for _ in 0..3 {
        kit.clock.advance(Duration::from_secs(700));
        assert_eq!(client.ask(Method::GET, "/source", String::new()).await.code(), "token_expired");
        let answer = client.refresh().await;
        assert_eq!((answer.status.as_u16(), client.agrees()), (200, true), "{}", answer.body);
        for path in ["/confirm", "/password"] {
            let answer = client.ask(Method::POST, path, String::new()).await;
            assert_eq!((answer.status.as_u16(), client.agrees()), (200, true), "{path}: {}", answer.body);
            assert_eq!(client.ask(Method::GET, "/source", String::new()).await.body, "Both");
        }
    }
    Ok(())
}

/// A client that has come one way only is answered that way only.
#[tokio::test]
async fn a_renewal_goes_no_way_that_the_client_has_not_come() -> TestResult {
    let kit = kit();
    let (mut by_header, mut by_cookie) = (Client::new(&kit), Client::new(&kit));
    for client in [&mut by_header, &mut by_cookie] {
        assert_eq!(client.ask(Method::POST, "/login", String::new()).await.status, 200);
    }
    by_header.cookies.clear();
    (by_cookie.token, by_cookie.refresh_token, by_cookie.site) = (None, None, Some("same-origin"));
    for path in ["/api/refresh", "/confirm", "/password", "/api/refresh"] {
        let body = match path {
            "/api/refresh" => serde_json::json!({ "refreshToken": by_header.refresh_token }).to_string(),
            _ => String::new(),
        };
        let answer = by_header.ask(Method::POST, path, body).await;
        assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (200, None), "{path}");
        assert!(answer.json()["token"].is_string());
        if path == "/password" {
            // It has ended the other one.
            assert_eq!(by_cookie.ask(Method::POST, "/login", String::new()).await.status, 200);
            (by_cookie.token, by_cookie.refresh_token) = (None, None);
        }
    }
    for path in ["/api/refresh", "/confirm", "/api/refresh"] {
        let answer = by_cookie.ask(Method::POST, path, String::new()).await;
        assert_eq!((answer.status.as_u16(), by_cookie.token.as_ref()), (200, None), "{path}: {}", answer.body);
        assert!(answer.header("set-cookie").is_some());
    }
    // Nor does a body that proves nothing open the cookie to a script.
    by_cookie.refresh_token = Some("nonsense".to_owned());
    let answer = by_cookie.refresh().await;
    assert_eq!((answer.status.as_u16(), by_cookie.token.as_ref()), (200, None), "{}", answer.body);
    Ok(())
}

/// A cookie of an older generation, from a time when only the body was answered, contradicts nothing.
#[tokio::test]
async fn an_older_cookie_of_the_same_session_is_no_contradiction() -> TestResult {
    let kit = kit();
    let mut client = Client::new(&kit);
    client.ask(Method::POST, "/login", String::new()).await;
    let older = client.cookies.clone();
    client.cookies.clear();
    assert_eq!(client.refresh().await.status, 200);
    client.cookies = older;
    assert_eq!(client.ask(Method::GET, "/source", String::new()).await.body, "Both");
    let answer = client.refresh().await;
    assert_eq!((answer.status.as_u16(), client.agrees()), (200, true), "{}", answer.body);
    Ok(())
}

/// A page has refreshed by cookie while a script has kept its token: the newest of the session is used, and nobody is a
/// thief.
#[tokio::test]
async fn a_page_that_refreshes_by_cookie_makes_no_thief_of_the_script_beside_it() -> TestResult {
    let kit = kit();
    let mut script = Client::new(&kit);
    script.site = Some("same-origin");
    script.ask(Method::POST, "/login", String::new()).await;
    let (token, refresh_token) = (script.token.take(), script.refresh_token.take());
    for _ in 0..3 {
        kit.clock.advance(Duration::from_secs(700));
        assert_eq!(script.ask(Method::POST, "/api/refresh", String::new()).await.status, 200);
        assert_eq!(script.ask(Method::GET, "/source", String::new()).await.body, "Cookie");
    }
    (script.token, script.refresh_token) = (token, refresh_token);
    assert_eq!(script.ask(Method::GET, "/source", String::new()).await.body, "Cookie", "the header's has run out");
    let answer = script.refresh().await;
    assert_eq!((answer.status.as_u16(), script.agrees()), (200, true), "{}", answer.body);
    Ok(())
}

/// The token in the body is its own proof. Another site's request gets nothing of the cookie beside it.
#[tokio::test]
async fn a_refresh_token_in_the_body_needs_no_word_on_where_it_comes_from() -> TestResult {
    let kit = kit();
    for site in [None, Some("cross-site")] {
        let mut client = Client::new(&kit);
        client.ask(Method::POST, "/login", String::new()).await;
        client.site = site;
        let answer = client.refresh().await;
        assert_eq!((answer.status.as_u16(), client.agrees()), (200, true), "{site:?}: {}", answer.body);

        // An attacker's token in the body of a request that the victim's browser sends with its cookies.
        let mut victim = Client::new(&kit);
        victim.ask(Method::POST, "/login", String::new()).await;
        let before = victim.cookies.clone();
        let attacker = kit.sign_in("eve").await;
        (victim.token, victim.site) = (None, site);
        victim.refresh_token = attacker.refresh_token().map(str::to_owned);
        let answer = victim.refresh().await;
        // The layer refuses another site's request with a live cookie before anybody reads its body.
        assert_eq!(answer.status, if site.is_none() { 200 } else { 403 });
        assert_eq!(victim.cookies, before, "nobody is signed in to a stranger's account");

        // Without a token in the body there is only the cookie.
        (victim.token, victim.refresh_token) = (None, None);
        let answer = victim.ask(Method::POST, "/api/refresh", String::new()).await;
        assert_eq!(answer.code(), "csrf_denied", "{site:?}");
    }
    Ok(())
}

/// Two live sessions, one in the body and one in the cookie of the application's own page, contradict each other; a
/// dead one does not count.
#[tokio::test]
async fn two_live_refresh_tokens_are_a_bad_request() -> TestResult {
    let kit = kit();
    let mut client = Client::new(&kit);
    client.ask(Method::POST, "/login", String::new()).await;
    client.site = Some("same-origin");
    let (own, other) = (client.refresh_token.clone(), kit.sign_in("ann").await);
    client.refresh_token = other.refresh_token().map(str::to_owned);
    let answer = client.refresh().await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_request"));

    kit.sessions.sign_out(&kit.sessions.authenticate(other.token()).await?).await?;
    client.token = None;
    let answer = client.refresh().await;
    assert_eq!((answer.status.as_u16(), client.token.as_ref()), (200, None), "{}", answer.body);
    assert_ne!(client.cookie("__Host-refresh"), own.as_deref());
    Ok(())
}

#[test]
fn a_source_says_where_a_credential_stood() {
    let said =
        [CredentialSource::Bearer, CredentialSource::Cookie, CredentialSource::Both].map(|source| source.to_string());
    assert_eq!(said, ["authorization field", "session cookie", "authorization field and session cookie"]);
}
