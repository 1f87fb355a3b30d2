//! Credentials that are left over, or another program's: they keep nobody out, and are not ours to clear.

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Method, Request},
    routing::{get, post},
};
use tower_device_sessions::{
    ClientInfo, CurrentSession, Error, KeyRing, RequireSessionLayer, SessionLayer, SessionManager, SessionRejection,
    SessionRoutes, StartedSession,
    credentials::{CookieOptions, Transport},
    event::SessionEvent,
    manager::{RefreshPolicy, Revocation},
    store::{Fault, StoreMethod},
};

use crate::support::{Answer, Kit, TestResult, send};

async fn login(State(sessions): State<SessionManager>, client: ClientInfo) -> Result<StartedSession, Error> {
    sessions.start("ann", client).await
}

async fn why(session: Result<CurrentSession, SessionRejection>) -> String {
    match session {
        Ok(session) => session.user_id().to_string(),
        Err(rejection) => rejection.denied().map_or_else(|| "no layer".to_owned(), ToString::to_string),
    }
}

fn app(sessions: &SessionManager) -> Router {
    Router::new()
        .route("/guarded", get(async || "in"))
        .route_layer(RequireSessionLayer::new())
        .route("/login", post(login))
        .route("/me", get(async |session: CurrentSession| session.user_id().to_string()))
        .route("/why", get(why))
        .route("/health", get(async || "ok"))
        .nest("/api", SessionRoutes::new(sessions).into_router())
        .layer(SessionLayer::new(sessions))
        .with_state(sessions.clone())
}

fn kit(transport: Transport) -> Kit {
    Kit::with(|builder| builder.transport(transport).refresh(RefreshPolicy::new()))
}

async fn ask(app: &Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut asked = Request::builder().method(method).uri(path).header("sec-fetch-site", "same-origin");
    for (name, value) in headers {
        asked = asked.header(*name, *value);
    }
    send(app, asked.body(Body::empty()).expect("a good request")).await
}

fn set_cookie(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.filter_map(|line| line.split(';').next());
    pairs.filter(|pair| pair.starts_with(&format!("{name}="))).map(str::to_owned).next()
}

async fn end(kit: &Kit, started: &StartedSession) -> TestResult {
    kit.sessions.revoke(&started.session().user_id, started.session().id, Revocation::by_application()).await?;
    Ok(())
}

/// Sign-in and public routes are open to all of them, handlers hear why there is no session, and only routes that need
/// one refuse.
#[tokio::test]
async fn a_left_over_token_in_the_header_keeps_nobody_out() -> TestResult {
    for transport in [Transport::Bearer, Transport::Both(CookieOptions::new())] {
        let kit = kit(transport);
        let app = app(&kit.sessions);
        let (revoked, run_out) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
        end(&kit, &revoked).await?;
        kit.clock.advance(std::time::Duration::from_secs(3_600));
        let huge = format!("Bearer {}", "a".repeat(9_000));
        for (value, status, code) in [
            (format!("Bearer {}", revoked.token()), 401, "session_revoked"),
            (format!("Bearer {}", run_out.token()), 401, "token_expired"),
            ("Bearer".to_owned(), 400, "invalid_request"),
            ("Bearer ".to_owned(), 400, "invalid_request"),
            ("Bearer two words".to_owned(), 400, "invalid_request"),
            ("Bearer null".to_owned(), 401, "token_invalid"),
            ("Bearer e30.e30.e30".to_owned(), 401, "token_invalid"),
            (huge, 401, "token_invalid"),
            ("Bearer gho_16C7e42F292c6912E7710c838347Ae178B4a".to_owned(), 401, "token_invalid"),
        ] {
            let header = [("authorization", value.as_str())];
            assert_eq!(ask(&app, Method::GET, "/health", &header).await.body, "ok", "{value}");
            assert_eq!(ask(&app, Method::POST, "/login", &header).await.status, 200, "{value}");
            for path in ["/me", "/guarded", "/api/sessions"] {
                let denied = ask(&app, Method::GET, path, &header).await;
                assert_eq!((denied.status.as_u16(), denied.code().as_str()), (status, code), "{value} {path}");
            }
        }
        let header = format!("Bearer {}", revoked.token());
        let told = ask(&app, Method::GET, "/why", &[("authorization", &header)]).await.body;
        assert_eq!(told, "ended session: revoked_by_admin");
    }
    Ok(())
}

/// An outage is no left-over: nothing is known of the credential.
#[tokio::test]
async fn an_outage_is_still_an_outage() -> TestResult {
    let kit = kit(Transport::Both(CookieOptions::new()));
    let started = kit.sign_in("ann").await;
    let (bearer, cookie) = (format!("Bearer {}", started.token()), "__Host-session=e30.e30.e30");
    kit.store.fail(StoreMethod::Find, Fault::FailBefore);
    for headers in [&[("authorization", bearer.as_str())][..], &[("authorization", &bearer), ("cookie", cookie)]] {
        assert_eq!(ask(&app(&kit.sessions), Method::GET, "/health", headers).await.status, 503);
    }
    Ok(())
}

/// Of two credentials the live one counts. Two different live ones are a bad request on every route.
#[tokio::test]
async fn a_dead_credential_beside_a_live_one_does_not_count() -> TestResult {
    let kit = kit(Transport::Both(CookieOptions::new()));
    let app = app(&kit.sessions);
    let (live, other, dead) = (kit.sign_in("ann").await, kit.sign_in("ann").await, kit.sign_in("bob").await);
    end(&kit, &dead).await?;
    let bearer = |token: &str| format!("Bearer {token}");
    let cookie = |token: &str| format!("__Host-session={token}");
    for cached in [false, true] {
        for left_over in [dead.token(), "e30.e30.e30", "null", "\"x y\"", "a%3Db"] {
            let (header, with) = (bearer(live.token()), cookie(left_over));
            let headers = [("authorization", header.as_str()), ("cookie", &with)];
            assert_eq!(ask(&app, Method::GET, "/me", &headers).await.body, "ann", "{left_over}, cached: {cached}");
            let (header, with) = (bearer(left_over), cookie(live.token()));
            let headers = [("authorization", header.as_str()), ("cookie", &with)];
            assert_eq!(ask(&app, Method::GET, "/me", &headers).await.body, "ann", "{left_over}, cached: {cached}");
        }
        kit.events.take();
        let (header, with) = (bearer(live.token()), cookie(other.token()));
        let contradictory = [("authorization", header.as_str()), ("cookie", &with)];
        for path in ["/me", "/health"] {
            let answer = ask(&app, Method::GET, path, &contradictory).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_request"), "{path}");
        }
        let told = kit.events.take();
        assert!(told.iter().all(|event| matches!(event, SessionEvent::AmbiguousCredentials)) && told.len() == 2);
    }
    // Two that are dead: the client hears what it can do most with.
    let (header, with) = (bearer("e30.e30.e30"), cookie(dead.token()));
    let denied = ask(&app, Method::GET, "/me", &[("authorization", &header), ("cookie", &with)]).await;
    assert_eq!(denied.code(), "session_revoked");
    Ok(())
}

/// A cookie that counts because the header's token is dead is checked for where its request comes from.
#[tokio::test]
async fn a_dead_token_in_the_header_is_no_way_around_the_check_of_origins() -> TestResult {
    let kit = kit(Transport::Both(CookieOptions::new()));
    let app = app(&kit.sessions);
    let live = kit.sign_in("ann").await;
    let forged = |authorization: &str| {
        let asked =
            Request::builder().method(Method::DELETE).uri("/api/sessions").header("sec-fetch-site", "cross-site");
        let asked = asked.header("cookie", format!("__Host-session={}", live.token()));
        asked.header("authorization", authorization).body(Body::empty()).expect("a good request")
    };
    for authorization in ["Bearer e30.e30.e30", "Bearer", "Bearer null", "Basic YTpi"] {
        let answer = send(&app, forged(authorization)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "csrf_denied"), "{authorization}");
    }
    assert!(kit.sessions.authenticate(live.token()).await.is_ok());
    Ok(())
}

/// Another program on the host has a cookie of our name, or another instance holds the key. It is none of ours to
/// refuse on: on its own, beside ours, or in a request of another site.
#[tokio::test]
async fn a_cookie_that_cannot_be_verified_is_none_of_ours() -> TestResult {
    let kit = kit(Transport::Cookie(CookieOptions::new().insecure_localhost()));
    let app = app(&kit.sessions);
    let elsewhere = Kit::with(|builder| {
        builder.keys(KeyRing::hs256("another secret of more than 32 bytes").expect("a good secret"))
    });
    let (ours, theirs) = (kit.sign_in("ann").await, elsewhere.sign_in("eve").await);
    for foreign in [
        theirs.token(),
        "s%3Aj4kSbE.pQ2%2F",
        "eyJwYXNzcG9ydCI6e319",
        "\"quoted\"",
        "{\"a\":1}",
        "MTczNTY4OTYwMHxEdi1CQkFFQ180SUFBUkFCRUFBQQ==",
        "",
    ] {
        let alone = format!("session={foreign}");
        assert_eq!(ask(&app, Method::GET, "/health", &[("cookie", &alone)]).await.body, "ok", "{foreign}");
        assert_eq!(ask(&app, Method::POST, "/login", &[("cookie", &alone)]).await.status, 200, "{foreign}");
        let denied = ask(&app, Method::GET, "/me", &[("cookie", &alone)]).await;
        assert_eq!((denied.status.as_u16(), denied.headers.get("set-cookie")), (401, None), "{foreign}");
        for line in [format!("session={}; {alone}", ours.token()), format!("{alone}; session={}", ours.token())] {
            assert_eq!(ask(&app, Method::GET, "/me", &[("cookie", &line)]).await.body, "ann", "{line}");
        }
    }
    // A notification of another site, which a session of ours would be refused for.
    let public = Router::new().route("/hook", post(async || "noted")).layer(SessionLayer::new(&kit.sessions));
    for (token, status) in [(theirs.token(), 200), (ours.token(), 403)] {
        let hook = Request::builder().method(Method::POST).uri("/hook").header("cookie", format!("session={token}"));
        let hook = hook.header("sec-fetch-site", "cross-site").body(Body::empty())?;
        assert_eq!(send(&public, hook).await.status, status);
    }
    Ok(())
}

/// After a change of the cookie's path or domain a browser sends two of its name. The live one counts, whichever comes
/// first.
#[tokio::test]
async fn of_two_cookies_of_our_name_the_live_one_counts() -> TestResult {
    let kit = kit(Transport::Cookie(CookieOptions::new().path("/app")));
    let app = app(&kit.sessions);
    let (live, dead) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    end(&kit, &dead).await?;
    let cookies = |tokens: &[&str]| {
        let pairs: Vec<String> = tokens.iter().map(|token| format!("__Secure-session={token}")).collect();
        pairs.join("; ")
    };
    for tokens in [
        &[live.token(), dead.token()][..],
        &[dead.token(), live.token()],
        &[live.token(), live.token()],
        &["", live.token()],
        &["x y", live.token(), "\"\""],
    ] {
        assert_eq!(ask(&app, Method::GET, "/me", &[("cookie", &cookies(tokens))]).await.body, "ann", "{tokens:?}");
    }
    // Of one user the newest session counts: it is the one that the user has signed in to last.
    kit.clock.advance(std::time::Duration::from_secs(60));
    let newest = kit.sign_in("ann").await;
    for tokens in [[live.token(), newest.token()], [newest.token(), live.token()]] {
        let current = ask(&app, Method::GET, "/api/sessions/current", &[("cookie", &cookies(&tokens))]).await.json();
        assert_eq!(current["id"], newest.session().id.to_string());
    }
    Ok(())
}

/// Cookies of two users: nobody can say which one the browser means, so nobody is signed in, and signing in again ends
/// both.
#[tokio::test]
async fn cookies_of_two_users_lead_back_to_the_sign_in() -> TestResult {
    let kit = kit(Transport::Cookie(CookieOptions::new().path("/app")));
    let app = app(&kit.sessions);
    let (ann, eve) = (kit.sign_in("ann").await, kit.sign_in("eve").await);
    let both = format!("__Secure-session={}; __Secure-session={}", eve.token(), ann.token());
    kit.events.take();
    assert_eq!(ask(&app, Method::GET, "/health", &[("cookie", &both)]).await.body, "ok");
    assert!(matches!(&kit.events.take()[..], [SessionEvent::AmbiguousCredentials]));
    let denied = ask(&app, Method::GET, "/me", &[("cookie", &both)]).await;
    assert_eq!((denied.status.as_u16(), denied.code().as_str()), (400, "invalid_request"));

    let again = ask(&app, Method::POST, "/login", &[("cookie", &both)]).await;
    assert_eq!(again.status, 200, "{}", again.body);
    // The browser replaces the one of the present path, and goes on sending the other.
    let newest = set_cookie(&again, "__Secure-session").expect("it is set");
    let line = format!("{newest}; __Secure-session={}", eve.token());
    assert_eq!(ask(&app, Method::GET, "/me", &[("cookie", &line)]).await.body, "ann");
    for ended in [&ann, &eve] {
        assert!(kit.sessions.authenticate(ended.token()).await.is_err());
    }
    Ok(())
}

/// After a change of the refresh cookie's path a browser has one for each. The newest token of a session is used;
/// presenting an older one would look like theft.
#[tokio::test]
async fn of_two_refresh_cookies_the_newest_counts() -> TestResult {
    let kit = kit(Transport::Cookie(CookieOptions::new().path("/app")));
    let app = app(&kit.sessions);
    let first = kit.sign_in("ann").await;
    let second = kit.sessions.refresh(first.refresh_token().expect("one")).await?;
    let mut newest = kit.sessions.refresh(second.refresh_token().expect("one")).await?;
    let dead = kit.sign_in("bob").await;
    end(&kit, &dead).await?;
    for others in [vec![&first], vec![&second, &dead], vec![&dead]] {
        for reversed in [false, true] {
            let mut pairs: Vec<String> = others
                .iter()
                .chain([&&newest])
                .map(|pair| format!("__Secure-refresh={}", pair.refresh_token().expect("one")))
                .collect();
            if reversed {
                pairs.reverse();
            }
            let answer = ask(&app, Method::POST, "/api/refresh", &[("cookie", &pairs.join("; "))]).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let next = set_cookie(&answer, "__Secure-refresh").expect("it is set");
            newest = kit.sessions.refresh(next.split_once('=').expect("a value").1).await?;
        }
    }
    // Two live sessions of two users contradict each other; what is none of ours does not.
    let eve = kit.sign_in("eve").await;
    let token = |pair: &StartedSession| pair.refresh_token().expect("one").to_owned();
    let line = format!("__Secure-refresh={}; __Secure-refresh={}", token(&newest), token(&eve));
    assert_eq!(ask(&app, Method::POST, "/api/refresh", &[("cookie", &line)]).await.code(), "invalid_request");
    let line = format!("__Secure-refresh=another-programs; __Secure-refresh={}", token(&newest));
    assert_eq!(ask(&app, Method::POST, "/api/refresh", &[("cookie", &line)]).await.status, 200);
    Ok(())
}

/// The device stays known whatever else has a cookie of that name.
#[tokio::test]
async fn of_two_device_cookies_the_one_that_is_ours_counts() -> TestResult {
    let kit = kit(Transport::Cookie(CookieOptions::new()));
    let app = app(&kit.sessions);
    let first = ask(&app, Method::POST, "/login", &[]).await;
    let device = set_cookie(&first, "__Host-device").expect("it is set");
    for line in [device.clone(), format!("__Host-device=theirs; {device}"), format!("{device}; __Host-device=\"x\"")] {
        let again = ask(&app, Method::POST, "/login", &[("cookie", &line)]).await;
        assert_eq!(set_cookie(&again, "__Host-device"), Some(device.clone()), "{line}");
    }
    Ok(())
}
