//! What is set up in a way that is hardly meant is told once, on the log and by an event.

use std::{sync::Arc, time::Duration};

use axum::http::{HeaderValue, Method, header};
use tower_device_sessions::{
    SessionLayer,
    credentials::{CookieOptions, Transport},
    event::{Misconfiguration, SessionEvent},
};

use crate::support::{Kit, TestResult, app, request, send};

const DAY: Duration = Duration::from_secs(86_400);

fn warnings(kit: &Kit) -> Vec<Misconfiguration> {
    let what = |event| match event {
        SessionEvent::Misconfigured { what, .. } => Some(what),
        _ => None,
    };
    kit.events.take().into_iter().filter_map(what).collect()
}

/// A sign-in by a handler, for this host.
async fn sign_in_at(kit: &Kit, host: &'static str) {
    let sessions = kit.sessions.clone();
    let login = axum::routing::post(async move |client: tower_device_sessions::ClientInfo| {
        sessions.start("ann", client).await.map(|started| started.in_cookie())
    });
    let app = app(&kit.sessions).route("/login", login.layer(SessionLayer::new(&kit.sessions)));
    let mut asked = request(Method::POST, "/login", "");
    asked.headers_mut().remove(header::AUTHORIZATION);
    asked.headers_mut().insert(header::HOST, HeaderValue::from_static(host));
    assert_eq!(send(&app, asked).await.status, 200);
}

#[tokio::test]
async fn insecure_cookies_for_another_host_are_told_once() -> TestResult {
    let cookie = CookieOptions::new().insecure_localhost();
    let kit = Kit::with(|builder| builder.transport(Transport::Cookie(cookie)));
    for host in ["localhost:3000", "127.0.0.1:3000", "app.localhost", "[::1]:3000"] {
        sign_in_at(&kit, host).await;
    }
    assert_eq!(warnings(&kit), []);
    for host in ["staging.example.com", "203.0.113.9:3000"] {
        sign_in_at(&kit, host).await;
    }
    assert_eq!(warnings(&kit), [Misconfiguration::InsecureCookies]);

    let secure = Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())));
    sign_in_at(&secure, "example.com").await;
    assert_eq!(warnings(&secure), []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_layer_in_shadow_mode_for_a_week_is_told_once() -> TestResult {
    let (kit, strict) = (Kit::new(), Kit::new());
    let _layers = (SessionLayer::new(&kit.sessions).shadow(), SessionLayer::new(&strict.sessions));
    for kit in [&kit, &strict] {
        drop(kit.sign_in("ann").await);
        for _ in 0..6 {
            kit.clock.advance(DAY);
            tokio::time::sleep(Duration::from_secs(7_200)).await;
        }
        assert_eq!(warnings(kit), []);
    }
    for kit in [&kit, &strict] {
        kit.clock.advance(2 * DAY);
        tokio::time::sleep(Duration::from_secs(4 * 7_200)).await;
    }
    assert_eq!(warnings(&kit), [Misconfiguration::ShadowForLong]);
    assert_eq!(warnings(&strict), []);
    Ok(())
}

/// Without an id nothing can be replaced, and nobody would notice.
#[tokio::test]
async fn replacing_sessions_of_clients_without_device_ids_is_told_once() -> TestResult {
    use tower_device_sessions::{ClientInfo, DeviceId, policy::SameDevice};

    let kit = Kit::with(|builder| builder.same_device(SameDevice::Replace));
    drop(kit.sessions.start("ann", ClientInfo::new().device_id(Some(DeviceId::new()))).await?);
    assert_eq!(warnings(&kit), []);
    for _ in 0..2 {
        drop(kit.sign_in("ann").await);
    }
    assert_eq!(warnings(&kit), [Misconfiguration::ReplaceWithoutDevice]);
    let keeping = Kit::new();
    drop(keeping.sign_in("ann").await);
    assert_eq!(warnings(&keeping), []);
    Ok(())
}

/// This machine by a name that nobody takes for it, and that systems resolve to a loopback address.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "redis"))]
const A_STRANGERS_NAME: &str = "127.1";

/// The address of the server that a URL names.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "redis"))]
async fn server_of(url: &str, port: u16) -> Option<std::net::SocketAddr> {
    let host = url.split("//").nth(1)?.split('/').next()?.rsplit('@').next()?.to_owned();
    let host = if host.contains(':') { host } else { format!("{host}:{port}") };
    tokio::net::lookup_host(host).await.ok()?.next()
}

#[cfg(any(feature = "postgres", feature = "mysql", feature = "redis"))]
async fn tells_what_is_in_clear_text(
    url: String,
    port: u16,
    store: impl AsyncFn(String) -> Arc<dyn tower_device_sessions::store::SessionStore>,
) -> TestResult {
    let server = server_of(&url, port).await.ok_or("no address in the URL")?;
    let here = store(url.clone()).await;
    if server.ip().is_loopback() {
        assert_eq!(here.plain_text_peer().await?, None, "a loopback address");
    }
    let authority = url.split("//").nth(1).and_then(|rest| rest.split('/').next()).ok_or("no authority")?;
    let host = authority.rsplit('@').next().ok_or("no host")?;
    let there = store(url.replacen(host, &format!("{A_STRANGERS_NAME}:{}", server.port()), 1)).await;
    assert_eq!(there.plain_text_peer().await?, Some(A_STRANGERS_NAME.to_owned()));
    Ok(())
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_postgres_in_clear_text_on_another_machine_is_told() -> TestResult {
    use tower_device_sessions::store::PostgresStore;

    let url = std::env::var("TEST_POSTGRES_URL");
    // A server that can encrypt does so unless it is told not to.
    let url = url.unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/test?sslmode=disable".to_owned());
    if let Err(error) = PostgresStore::connect(&url).await {
        crate::support::servers::skip("postgres", &error.to_string());
        return Ok(());
    }
    let store = async |url: String| Arc::new(PostgresStore::connect(&url).await.expect("a server")) as _;
    tells_what_is_in_clear_text(url, 5432, store).await
}

#[cfg(feature = "mysql")]
#[tokio::test]
async fn a_mysql_in_clear_text_on_another_machine_is_told() -> TestResult {
    use tower_device_sessions::store::MySqlStore;

    let url = std::env::var("TEST_MYSQL_URL").unwrap_or_else(|_| "mysql://root@127.0.0.1:3306/test".to_owned());
    if let Err(error) = MySqlStore::connect(&url).await {
        crate::support::servers::skip("mysql", &error.to_string());
        return Ok(());
    }
    let store = async |url: String| Arc::new(MySqlStore::connect(&url).await.expect("a server")) as _;
    tells_what_is_in_clear_text(url, 3306, store).await
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_redis_in_clear_text_on_another_machine_is_told() -> TestResult {
    use tower_device_sessions::{manager::Revocation, store::FailingStore, store::RedisStore};

    let Some(url) = crate::support::servers::redis_url().await else { return Ok(()) };
    let store = async |url: String| Arc::new(RedisStore::connect(&url).await.expect("a server")) as _;
    tells_what_is_in_clear_text(url.clone(), 6379, store).await?;

    // And a manager over one tells it, with its first work.
    let server = server_of(&url, 6379).await.ok_or("no address in the URL")?;
    let store = RedisStore::connect(&format!("redis://{A_STRANGERS_NAME}:{}/", server.port())).await?;
    let store = store.key_prefix(&format!("{}:", crate::support::servers::unique_name()))?;
    let kit = Kit::over(FailingStore::new(store), tower_device_sessions::clock::ManualClock::new(), |builder| {
        builder.without_bus()
    });
    let started = kit.sign_in("ann").await;
    let mut told = Vec::new();
    while told.is_empty() {
        tokio::task::yield_now().await;
        told = warnings(&kit);
    }
    assert_eq!(told, [Misconfiguration::PlainTextStore]);
    let user = started.session().user_id.clone();
    kit.sessions.revoke_all(&user, Revocation::by_application()).await?;
    kit.sessions.erase_user(&user).await?;
    Ok(())
}
