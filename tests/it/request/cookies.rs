//! Tokens in cookies: what is set, what is read, what is cleared, and whose requests are refused.

use axum::{
    Router,
    body::Body,
    extract::{State, WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, Method, Request, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower_device_sessions::{
    ClientInfo, CurrentSession, Error, RequireSessionLayer, SessionLayer, SessionManager, SessionRoutes, SignedOut,
    credentials::{CookieOptions, SameSite, Transport},
    error::ConfigErrorKind,
    event::SessionEvent,
    manager::{RefreshPolicy, Revocation},
    policy::CsrfDenied,
    store::{Fault, StoreMethod},
};

use crate::support::{Answer, Kit, TestResult, get_with, request, send};

fn cookie_kit() -> Kit {
    Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())))
}

fn both_kit() -> Kit {
    Kit::with(|builder| builder.transport(Transport::Both(CookieOptions::new())))
}

async fn login(State(sessions): State<SessionManager>, client: ClientInfo) -> Result<Response, Error> {
    Ok(sessions.start("ann", client).await?.into_response())
}

async fn logout(State(sessions): State<SessionManager>, session: CurrentSession) -> Result<SignedOut, Error> {
    sessions.sign_out(&session).await
}

/// An application with a sign-in and a sign-out of its own beside the ready-made routes.
fn app(sessions: &SessionManager) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/me", get(async |session: CurrentSession| session.user_id().to_string()))
        .route("/change", post(async |session: CurrentSession| session.user_id().to_string()))
        .route(
            "/public",
            get(async |session: Option<CurrentSession>| if session.is_some() { "known" } else { "anybody" }),
        )
        .nest("/api", SessionRoutes::new(sessions).into_router())
        .layer(SessionLayer::new(sessions))
        .with_state(sessions.clone())
}

/// A request of the application's own page, with this `Cookie` line.
fn with_cookie(method: Method, path: &str, cookie: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("host", "app.example");
    let request = request.header("cookie", cookie).header("sec-fetch-site", "same-origin");
    request.body(Body::empty()).expect("a good request")
}

fn set_cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().expect("visible")).collect()
}

/// Name and value of the cookie that an answer sets.
fn cookie_of(answer: &Answer, name: &str) -> String {
    let lines = set_cookies(answer);
    let line = lines.iter().find(|line| line.starts_with(&format!("{name}="))).expect("the cookie is set");
    line.split(';').next().expect("a pair").to_owned()
}

async fn sign_in(app: &Router) -> Answer {
    let asked = Request::builder().method(Method::POST).uri("/login").header("sec-fetch-site", "same-origin");
    send(app, asked.body(Body::empty()).expect("a good request")).await
}

/// S59, S66, S68: the golden line, and a body without the token.
#[tokio::test]
async fn a_sign_in_sets_the_cookie_and_shows_no_token() -> TestResult {
    let kit = cookie_kit();
    let app = app(&kit.sessions);
    let answer = sign_in(&app).await;
    let lines = set_cookies(&answer);
    assert_eq!(lines.len(), 2, "the session's, and the device's: {lines:?}");
    let (value, attributes) = lines[0].split_once(';').expect("attributes");
    assert_eq!(attributes, " Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=2592000");
    let token = value.strip_prefix("__Host-session=").expect("the name");
    assert_eq!(token.split('.').count(), 3);

    let mut members: Vec<_> = answer.json().as_object().expect("an object").keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["expiresAt", "sessionId"]);
    assert!(!answer.body.contains(token));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(send(&app, with_cookie(Method::GET, "/me", value)).await.body, "ann");
    assert_eq!(get_with(&app, "/me", token).await.status, 401, "the transport that was not chosen is not read");
    Ok(())
}

/// A user who is not to be remembered gets a cookie that ends with the browser.
#[tokio::test]
async fn a_cookie_until_the_browser_closes_has_no_age() -> TestResult {
    let kit = cookie_kit();
    let started = kit.sessions.start("ann", ClientInfo::new()).until_browser_closes().await?;
    let answer = Answer::read(started.into_response()).await;
    assert!(set_cookies(&answer)[0].ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"));
    Ok(())
}

/// S60: what a browser would refuse is refused by `build()`.
#[tokio::test]
async fn illegal_cookies_and_origins_are_refused_when_the_manager_is_built() {
    use tower_device_sessions::{KeyRing, store::MemoryStore};

    let build = |options: CookieOptions, origin: &str| {
        SessionManager::builder(MemoryStore::new())
            .keys(KeyRing::hs256(crate::support::SECRET).expect("a good secret"))
            .transport(Transport::Cookie(options))
            .trusted_origins([origin])
            .build()
            .map_err(|error| error.kind())
    };
    let good = "https://app.example";
    assert!(build(CookieOptions::new(), good).is_ok());
    for bad in [
        CookieOptions::new().insecure_localhost().same_site(SameSite::None),
        CookieOptions::new().name("__Host-session").domain("example.com"),
        CookieOptions::new().name("__Host-session").path("/api"),
        CookieOptions::new().name("a\r\nb"),
        CookieOptions::new().name("a b"),
        CookieOptions::new().path("/a;b"),
    ] {
        assert_eq!(build(bad, good).err(), Some(ConfigErrorKind::Transport));
    }
    for bad in ["https://app.example/", "HTTPS://app.example", "app.example", "https://app.example:443", "null", "*"] {
        assert_eq!(build(CookieOptions::new(), bad).err(), Some(ConfigErrorKind::Transport), "{bad}");
    }
}

/// S65: a cookie that a browser would drop without a word is an error of the sign-in, and leaves no record.
#[tokio::test]
async fn a_token_that_is_too_large_for_a_cookie_fails_loudly() -> TestResult {
    let kit = cookie_kit();
    let started = kit.sessions.start("ann", ClientInfo::new()).claims(&json!({ "x": "y".repeat(4_000) })).await;
    assert_eq!(started.err().map(|error| error.kind()), Some(tower_device_sessions::ErrorKind::InvalidClaims));
    assert_eq!(kit.store.calls(StoreMethod::Insert), 0);
    let bearer = Kit::new();
    assert!(bearer.sessions.start("ann", ClientInfo::new()).claims(&json!({ "x": "y".repeat(4_000) })).await.is_ok());
    Ok(())
}

/// S67, S30: every way to end the current session clears its cookie with the same attributes.
#[tokio::test]
async fn every_way_out_clears_the_cookie_with_identical_attributes() -> TestResult {
    let cleared = "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
    for (method, path, status) in [
        (Method::POST, "/logout", 204),
        (Method::POST, "/api/logout", 204),
        (Method::POST, "/api/logout?scope=global", 204),
        (Method::DELETE, "/api/sessions", 200),
        (Method::DELETE, "/api/sessions/{current}", 204),
    ] {
        let kit = cookie_kit();
        let app = app(&kit.sessions);
        let signed_in = sign_in(&app).await;
        let cookie = cookie_of(&signed_in, "__Host-session");
        let path = path.replace("{current}", signed_in.json()["sessionId"].as_str().expect("an id"));
        let answer = send(&app, with_cookie(method.clone(), &path, &cookie)).await;
        assert_eq!((answer.status.as_u16(), set_cookies(&answer)), (status, vec![cleared]), "{method} {path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{method} {path}");
        assert_eq!(send(&app, with_cookie(Method::GET, "/me", &cookie)).await.code(), "session_revoked");
    }

    let kit = cookie_kit();
    let app = app(&kit.sessions);
    let cookie = cookie_of(&sign_in(&app).await, "__Host-session");
    for (method, path) in [(Method::POST, "/api/logout?scope=others"), (Method::DELETE, "/api/sessions/others")] {
        let answer = send(&app, with_cookie(method, path, &cookie)).await;
        assert_eq!((answer.status.is_success(), set_cookies(&answer).len()), (true, 0), "{path}");
    }
    Ok(())
}

/// S67: by choice, all that the browser keeps of the site.
#[tokio::test]
async fn a_sign_out_can_clear_all_that_a_browser_keeps() -> TestResult {
    let kit = Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())).clear_site_data());
    let app = app(&kit.sessions);
    let signed_in = sign_in(&app).await;
    assert_eq!(signed_in.header("clear-site-data"), None);
    let cookie = cookie_of(&signed_in, "__Host-session");
    let out = send(&app, with_cookie(Method::POST, "/api/logout", &cookie)).await;
    assert_eq!(out.header("clear-site-data"), Some("\"cache\", \"cookies\", \"storage\""));
    assert_eq!(set_cookies(&out).len(), 1);
    Ok(())
}

/// S75: a token for forms, bound to the session.
#[tokio::test]
async fn a_token_for_forms_is_of_no_use_in_another_session() -> TestResult {
    let kit = cookie_kit();
    let session = async |kit: &Kit| {
        let started = kit.sign_in("ann").await;
        kit.sessions.authenticate(started.token()).await.expect("it is accepted")
    };
    let (one, other) = (session(&kit).await, session(&kit).await);
    let token = one.csrf_token();
    assert_eq!(token.len(), 43);
    assert!(one.is_csrf_token(&token));
    for bad in [other.csrf_token(), String::new(), token[1..].to_owned(), format!("{token}A"), "A".repeat(43)] {
        assert!(!one.is_csrf_token(&bad), "{bad}");
    }
    Ok(())
}

/// S30, S79: a store that fails signs nobody out: 503, and the cookie stays.
#[tokio::test]
async fn a_failing_store_clears_no_cookie() -> TestResult {
    let kit = cookie_kit();
    let app = app(&kit.sessions);
    let cookie = cookie_of(&sign_in(&app).await, "__Host-session");
    assert_eq!(send(&app, with_cookie(Method::GET, "/me", &cookie)).await.status, 200);
    kit.store.fail_all(Fault::FailBefore);
    for path in ["/logout", "/api/logout", "/api/logout?scope=global"] {
        let answer = send(&app, with_cookie(Method::POST, path, &cookie)).await;
        assert_eq!((answer.status.as_u16(), set_cookies(&answer).len()), (503, 0), "{path}");
    }
    kit.store.heal();
    assert_eq!(send(&app, with_cookie(Method::GET, "/me", &cookie)).await.status, 200);

    // Nor does one that fails on a cold session.
    let other = Kit::over(kit.store.clone(), kit.clock.clone(), |builder| {
        builder.transport(Transport::Cookie(CookieOptions::new()))
    });
    kit.store.fail_all(Fault::FailBefore);
    let answer = send(&self::app(&other.sessions), with_cookie(Method::GET, "/me", &cookie)).await;
    assert_eq!((answer.status.as_u16(), set_cookies(&answer).len()), (503, 0));
    Ok(())
}

/// A browser attaches a dead cookie to the sign-in and to public pages as well: neither may fail for it. A route that
/// needs a session says why there is none.
#[tokio::test]
async fn a_dead_cookie_keeps_nobody_from_signing_in_again() -> TestResult {
    let kit = cookie_kit();
    let app = app(&kit.sessions).merge(
        Router::new()
            .route("/guarded", get(async || "in"))
            .layer(RequireSessionLayer::new())
            .layer(SessionLayer::new(&kit.sessions)),
    );
    let revoked = cookie_of(&sign_in(&app).await, "__Host-session");
    kit.sessions.revoke_all(&"ann".try_into()?, Revocation::by_administrator("ops")).await?;
    let forged = revoked.replace("ey", "fy");

    for (cookie, code) in [(&revoked, "session_revoked"), (&forged, "token_invalid")] {
        assert_eq!(send(&app, with_cookie(Method::GET, "/public", cookie)).await.body, "anybody");
        for path in ["/me", "/guarded", "/api/sessions"] {
            let denied = send(&app, with_cookie(Method::GET, path, cookie)).await;
            assert_eq!((denied.status.as_u16(), denied.code().as_str()), (401, code), "{path}");
            assert_eq!(denied.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
            assert!(set_cookies(&denied).is_empty(), "another tab may have signed in meanwhile");
        }
        let again = send(&app, with_cookie(Method::POST, "/login", cookie)).await;
        assert_eq!(send(&app, with_cookie(Method::GET, "/me", &cookie_of(&again, "__Host-session"))).await.status, 200);
    }
    Ok(())
}

/// S63: all lines are read; odd bytes in other cookies, and near misses of the name, change nothing.
#[tokio::test]
async fn other_cookies_change_nothing() -> TestResult {
    let kit = cookie_kit();
    let app = app(&kit.sessions);
    let cookie = cookie_of(&sign_in(&app).await, "__Host-session");
    let mut asked = with_cookie(Method::GET, "/me", "theme=dark");
    asked.headers_mut().append("cookie", HeaderValue::from_bytes(b"odd=\xff\x80")?);
    asked
        .headers_mut()
        .append("cookie", HeaderValue::from_str(&format!("__host-session=x; {cookie}; __%48ost-session=y"))?);
    assert_eq!(send(&app, asked).await.body, "ann");
    Ok(())
}

/// S70: the header and the cookie must agree.
#[tokio::test]
async fn a_header_and_a_cookie_that_disagree_are_a_bad_request() -> TestResult {
    let kit = both_kit();
    let app = app(&kit.sessions);
    let (one, other) = (sign_in(&app).await, sign_in(&app).await);
    let token = |answer: &Answer| answer.json()["token"].as_str().expect("a token").to_owned();
    let cookie = cookie_of(&one, "__Host-session");
    assert_eq!(cookie, format!("__Host-session={}", token(&one)), "both ways, the same token");

    let asked = |bearer: &str, cookie: &str| {
        let mut asked = with_cookie(Method::GET, "/me", cookie);
        let bearer = format!("Bearer {bearer}").parse().expect("a good header");
        asked.headers_mut().insert(header::AUTHORIZATION, bearer);
        asked
    };
    assert_eq!(send(&app, asked(&token(&one), &cookie)).await.body, "ann");
    let answer = send(&app, asked(&token(&other), &cookie)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_request"));
    assert_eq!(send(&app, with_cookie(Method::GET, "/me", &cookie)).await.body, "ann");
    assert_eq!(get_with(&app, "/me", &token(&other)).await.body, "ann");
    Ok(())
}

/// With both transports a handler says for which client it responds.
#[tokio::test]
async fn an_answer_for_a_browser_shows_no_token_and_one_for_a_program_sets_no_cookie() -> TestResult {
    let kit = both_kit();
    let start = async || kit.sessions.start("ann", ClientInfo::new()).await;
    let browser = Answer::read(start().await?.in_cookie().into_response()).await;
    assert!(browser.json().get("token").is_none() && set_cookies(&browser).len() == 1);
    let program = Answer::read(start().await?.in_body().into_response()).await;
    assert!(program.json()["token"].is_string() && set_cookies(&program).is_empty());

    // Where there is one transport there is one answer.
    let bearer = Kit::new().sessions.start("ann", ClientInfo::new()).await?;
    assert!(Answer::read(bearer.in_cookie().into_response()).await.json()["token"].is_string());
    let cookie = cookie_kit().sessions.start("ann", ClientInfo::new()).await?;
    let cookie = Answer::read(cookie.in_body().into_response()).await;
    assert!(cookie.json().get("token").is_none() && set_cookies(&cookie).len() == 1);
    Ok(())
}

/// S72, S73: unsafe requests with our cookie, by where they come from. The whole table is proven beside the rule.
#[tokio::test]
async fn another_site_cannot_use_the_cookie() -> TestResult {
    let kit = Kit::with(|builder| {
        builder.transport(Transport::Both(CookieOptions::new())).trusted_origins(["https://front.example"])
    });
    let app = app(&kit.sessions);
    let signed_in = sign_in(&app).await;
    let cookie = cookie_of(&signed_in, "__Host-session");
    kit.events.take();
    let asked = |method: Method, path: &str, fields: &[(&'static str, &'static str)]| {
        let mut request = with_cookie(method, path, &cookie);
        request.headers_mut().remove("sec-fetch-site");
        for (name, value) in fields {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        request
    };
    let post = Method::POST;
    for (fields, status) in [
        (&[("sec-fetch-site", "same-origin")][..], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("origin", "https://app.example")], 200),
        (&[("origin", "https://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "https://front.example"), ("sec-fetch-site", "cross-site")], 200),
        (&[], 200),
    ] {
        let answer = send(&app, asked(post.clone(), "/change", fields)).await;
        assert_eq!(answer.status, status, "{fields:?}");
        if status == 403 {
            assert_eq!(answer.code(), "csrf_denied");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        }
    }
    let denials = kit.events.take();
    assert_eq!(denials.iter().filter(|event| matches!(event, SessionEvent::CsrfDenied { .. })).count(), 4);

    // A request that changes nothing, and one with a bearer token, come from anywhere.
    let foreign = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    assert_eq!(send(&app, asked(Method::GET, "/me", &foreign)).await.status, 200);
    let mut bearer = request(post.clone(), "/change", signed_in.json()["token"].as_str().expect("a token"));
    bearer.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    assert_eq!(send(&app, bearer).await.status, 200);

    // The ready-made routes ask for a word on where the request comes from.
    let undeclared = send(&app, asked(post, "/api/logout", &[])).await;
    assert_eq!((undeclared.status.as_u16(), undeclared.code().as_str()), (403, "csrf_denied"));
    assert!(matches!(&kit.events.take()[..], [SessionEvent::CsrfDenied { why: CsrfDenied::Undeclared, .. }]));
    assert_eq!(send(&app, asked(Method::GET, "/api/logout", &[])).await.status, 405, "no change by GET");
    Ok(())
}

/// S72: a foreign page's handshake never reaches the handler, over a connection as over any other.
#[tokio::test]
async fn a_websocket_is_not_opened_for_a_page_of_another_site() -> TestResult {
    let kit = cookie_kit();
    let echo = async |_: CurrentSession, upgrade: WebSocketUpgrade| upgrade.on_upgrade(async |_| ());
    let events = async |session: CurrentSession| session.user_id().to_string();
    let app: Router = Router::new().route("/socket", get(echo)).route("/events", get(events));
    let app = app.layer(SessionLayer::new(&kit.sessions));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    let started = kit.sign_in("ann").await;
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==";
    for (path, opens, says, status) in [
        ("/socket", upgrade, "origin: http://app.example", 101),
        ("/socket", upgrade, "origin: http://app.example\r\nsec-fetch-site: same-origin", 101),
        ("/socket", upgrade, "x: says nothing, as programs do", 101),
        ("/socket", upgrade, "origin: https://evil.example\r\nsec-fetch-site: cross-site", 403),
        ("/socket", upgrade, "origin: https://evil.example", 403),
        ("/socket", upgrade, "origin: null", 403),
        ("/socket", upgrade, "origin: https://x.app.example\r\nsec-fetch-site: same-site", 403),
        ("/events", "accept: text/event-stream", "sec-fetch-site: same-origin", 200),
        ("/events", "accept: text/event-stream", "x: says nothing", 200),
        ("/events", "accept: text/event-stream", "sec-fetch-site: cross-site", 403),
        ("/events", "accept: text/event-stream", "sec-fetch-site: same-site\r\norigin: https://x.app.example", 403),
    ] {
        let mut stream = TcpStream::connect(address).await?;
        let cookie = started.token();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: app.example\r\ncookie: __Host-session={cookie}\r\n{opens}\r\n{says}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"), "{path} {says}");
    }
    let denials = kit.events.take();
    assert_eq!(denials.iter().filter(|event| matches!(event, SessionEvent::CsrfDenied { .. })).count(), 6);
    Ok(())
}

/// S74: nobody is signed in to a stranger's account by a page of the stranger's.
#[tokio::test]
async fn another_site_cannot_sign_anybody_in() -> TestResult {
    for (kit, status) in [(cookie_kit(), 403), (both_kit(), 403), (Kit::new(), 200)] {
        let asked = Request::builder().method(Method::POST).uri("/login").header("sec-fetch-site", "cross-site");
        let answer = send(&app(&kit.sessions), asked.body(Body::empty())?).await;
        assert_eq!((answer.status.as_u16(), set_cookies(&answer).len()), (status, 0));
        assert_eq!(kit.store.calls(StoreMethod::Insert), u64::from(status == 200));
    }
    // Programs say nothing of where they come from.
    let kit = cookie_kit();
    let asked = Request::builder().method(Method::POST).uri("/login").body(Body::empty())?;
    assert_eq!(send(&app(&kit.sessions), asked).await.status, 200);
    Ok(())
}

/// The check can be left to the application, and the name says what that is.
#[tokio::test]
async fn without_the_check_any_site_gets_through() -> TestResult {
    let kit =
        Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())).insecure_without_csrf_check());
    let app = app(&kit.sessions);
    let cookie = cookie_of(&sign_in(&app).await, "__Host-session");
    let mut asked = with_cookie(Method::POST, "/api/logout", &cookie);
    asked.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    assert_eq!(send(&app, asked).await.status, 204);
    Ok(())
}

/// S64: one line of our name, also when a handler has set one of its own, before or after ours.
#[tokio::test]
async fn a_response_has_one_line_of_our_name() -> TestResult {
    async fn ours(sessions: SessionManager) -> Response {
        let started = sessions.start("ann", ClientInfo::new()).await.expect("a working store");
        let theirs = |line: &'static str| AppendHeaders([(header::SET_COOKIE, line)]);
        let around = (theirs("__Host-session=after; Path=/"), theirs("theme=dark"), started.into_response());
        (theirs("__Host-session=last"), around).into_response()
    }
    let kit = cookie_kit();
    let (one, other) = (kit.sessions.clone(), kit.sessions.clone());
    let app = Router::new()
        .route("/ours", get(async || ours(one).await))
        .route(
            "/theirs",
            get(async || {
                AppendHeaders([
                    (header::SET_COOKIE, "__Host-session=a"),
                    (header::SET_COOKIE, "__Host-session=b; Path=/"),
                ])
            }),
        )
        .route(
            "/redirect",
            get(async move || {
                (other.start("ann", ClientInfo::new()).await.expect("a working store"), Redirect::to("/"))
            }),
        )
        .layer(SessionLayer::new(&kit.sessions));
    let asked = |path| Request::builder().uri(path).body(Body::empty()).expect("a good request");

    let answer = send(&app, asked("/ours")).await;
    let lines = set_cookies(&answer);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "theme=dark");
    assert!(lines[1].starts_with("__Host-session=ey"), "{lines:?}");

    let answer = send(&app, asked("/theirs")).await;
    assert_eq!(set_cookies(&answer), ["__Host-session=b; Path=/"]);

    let answer = send(&app, asked("/redirect")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/")));
    assert_eq!(set_cookies(&answer).len(), 1);
    Ok(())
}

/// S49: a sign-in over a session that somebody has planted ends that one.
#[tokio::test]
async fn a_planted_session_dies_with_the_sign_in() -> TestResult {
    let kit = cookie_kit();
    let app = app(&kit.sessions);
    let planted = cookie_of(&sign_in(&app).await, "__Host-session");
    let victim = cookie_of(&send(&app, with_cookie(Method::POST, "/login", &planted)).await, "__Host-session");
    assert_ne!(planted, victim);
    assert_eq!(send(&app, with_cookie(Method::GET, "/me", &planted)).await.code(), "session_replaced");
    assert_eq!(send(&app, with_cookie(Method::GET, "/me", &victim)).await.status, 200);
    Ok(())
}

/// S48, S59: the refresh cookie, by default and with a path of its own.
#[tokio::test]
async fn the_refresh_cookie_is_sent_nowhere_else() -> TestResult {
    for (policy, expected) in [
        (RefreshPolicy::new(), "__Host-refresh=…; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=2592000"),
        (
            RefreshPolicy::new().cookie_path("/api/refresh"),
            "__Secure-refresh=…; Path=/api/refresh; Secure; HttpOnly; SameSite=Strict; Max-Age=2592000",
        ),
    ] {
        let kit = Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())).refresh(policy));
        let app = app(&kit.sessions);
        let answer = sign_in(&app).await;
        let lines = set_cookies(&answer);
        let (name, rest) = lines[1].split_once('=').expect("a name");
        let (value, attributes) = rest.split_once(';').expect("attributes");
        assert_eq!(format!("{name}=…;{attributes}"), expected);
        assert!(!answer.body.contains(value));

        let cookie = cookie_of(&answer, "__Host-session");
        let out = send(&app, with_cookie(Method::POST, "/logout", &cookie)).await;
        let cleared = expected.replace('…', "").replace("2592000", "0");
        assert_eq!(set_cookies(&out), ["__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0", &cleared]);
    }
    Ok(())
}

/// With cookies, a refresh sets both, says nothing to scripts, and only responds to its own pages.
#[tokio::test]
async fn cookies_are_refreshed_by_cookies() -> TestResult {
    let kit =
        Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())).refresh(RefreshPolicy::new()));
    let app = app(&kit.sessions);
    let signed_in = sign_in(&app).await;
    let (access, refresh) = (cookie_of(&signed_in, "__Host-session"), cookie_of(&signed_in, "__Host-refresh"));
    kit.clock.advance(std::time::Duration::from_secs(631));
    assert_eq!(send(&app, with_cookie(Method::GET, "/me", &access)).await.code(), "token_expired");

    let both = format!("{access}; {refresh}");
    let mut forged = with_cookie(Method::POST, "/api/refresh", &both);
    forged.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    assert_eq!(send(&app, forged).await.code(), "csrf_denied");
    let mut undeclared = with_cookie(Method::POST, "/api/refresh", &refresh);
    undeclared.headers_mut().remove("sec-fetch-site");
    assert_eq!(send(&app, undeclared).await.code(), "csrf_denied");
    assert_eq!(send(&app, with_cookie(Method::GET, "/api/refresh", &both)).await.status, 405);

    // The dead access token goes along, as browsers have it.
    let refreshed = send(&app, with_cookie(Method::POST, "/api/refresh", &both)).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.body);
    assert!(refreshed.json().get("token").is_none() && refreshed.json()["expiresAt"].is_string());
    let (new_access, new_refresh) = (cookie_of(&refreshed, "__Host-session"), cookie_of(&refreshed, "__Host-refresh"));
    assert!(new_access != access && new_refresh != refresh);
    assert_eq!(send(&app, with_cookie(Method::GET, "/me", &new_access)).await.body, "ann");
    // S45: the cookies last as long as the session, which has grown no longer.
    assert!(set_cookies(&refreshed)[1].ends_with("Max-Age=2591369"));

    // S47: neither does for the other.
    let swapped = format!("__Host-session={}", new_refresh.split_once('=').expect("a value").1);
    assert_eq!(send(&app, with_cookie(Method::GET, "/me", &swapped)).await.code(), "token_invalid");
    let swapped = format!("__Host-refresh={}", new_access.split_once('=').expect("a value").1);
    let answer = send(&app, with_cookie(Method::POST, "/api/refresh", &swapped)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "token_invalid"));
    let none = send(&app, with_cookie(Method::POST, "/api/refresh", "theme=dark")).await;
    assert_eq!((none.status.as_u16(), none.code().as_str()), (401, "credentials_missing"));
    let twice = format!("{new_refresh}; {new_refresh}");
    assert_eq!(send(&app, with_cookie(Method::POST, "/api/refresh", &twice)).await.status, 200);
    Ok(())
}

/// A loser never clears the winner's cookie.
#[tokio::test]
async fn a_refused_refresh_clears_no_cookie() -> TestResult {
    let kit =
        Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())).refresh(RefreshPolicy::new()));
    let app = app(&kit.sessions);
    let refresh = cookie_of(&sign_in(&app).await, "__Host-refresh");
    kit.sessions.revoke_all(&"ann".try_into()?, Revocation::by_application()).await?;
    let damaged = format!("{refresh}x");
    for cookie in [refresh.as_str(), damaged.as_str()] {
        let answer = send(&app, with_cookie(Method::POST, "/api/refresh", cookie)).await;
        assert_eq!((answer.status.as_u16(), set_cookies(&answer).len()), (401, 0));
    }
    // Nor does one that the store cannot judge, once the refusal is forgotten.
    kit.clock.advance(std::time::Duration::from_secs(2));
    kit.store.fail_all(Fault::FailBefore);
    let answer = send(&app, with_cookie(Method::POST, "/api/refresh", &refresh)).await;
    assert_eq!((answer.status.as_u16(), set_cookies(&answer).len()), (503, 0));
    Ok(())
}

/// A cookie that ends with the browser stays one, through refreshes.
#[tokio::test]
async fn who_is_not_remembered_is_not_remembered_by_a_refresh() -> TestResult {
    let kit =
        Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())).refresh(RefreshPolicy::new()));
    let started = kit
        .sessions
        .start("ann", ClientInfo::new())
        .claims(&json!({ "tenant": "acme" }))
        .until_browser_closes()
        .await?;
    let refreshed = kit.sessions.refresh(started.refresh_token().expect("a refresh token")).await?;
    let current = kit.sessions.authenticate(refreshed.token()).await?;
    assert_eq!(current.claims::<serde_json::Value>()?["tenant"], "acme", "the claims are carried on");
    for line in set_cookies(&Answer::read(refreshed.into_response()).await) {
        assert!(!line.contains("Max-Age"), "{line}");
    }
    Ok(())
}

/// S91: no cookie value in what can be printed.
#[tokio::test]
async fn no_cookie_value_is_ever_printed() -> TestResult {
    let kit =
        Kit::with(|builder| builder.transport(Transport::Both(CookieOptions::new())).refresh(RefreshPolicy::new()));
    let started = kit.sessions.start("ann", ClientInfo::new()).await?;
    let secrets = [started.token().to_owned(), started.refresh_token().expect("a refresh token").to_owned()];
    let printed = format!("{started:?} {:?} {:?}", kit.events.take(), kit.sessions);
    let response = started.into_response();
    let headers: &HeaderMap = response.headers();
    let printed = format!("{printed} {headers:?}");
    for secret in &secrets {
        assert!(!printed.contains(secret));
    }
    Ok(())
}
