//! Signed-in users for an application's own tests (feature `testing`).

use axum::{
    body::Body,
    http::{Method, Request},
};
use tower_device_sessions::{
    ClientInfo,
    credentials::{CookieOptions, Transport},
};

use crate::support::{Kit, TestResult, send};

/// By every transport, and for requests that change something.
#[tokio::test]
async fn a_users_requests_are_one_line_in_a_test() -> TestResult {
    for transport in [Transport::Bearer, Transport::Cookie(CookieOptions::new()), Transport::Both(CookieOptions::new())]
    {
        let kit = Kit::with(|builder| builder.transport(transport.clone()));
        let ask = |method: Method, path: &str| Request::builder().method(method).uri(path).body(Body::empty());
        let mut request = ask(Method::GET, "/me")?;
        request.headers_mut().extend(kit.sessions.test_headers("ann").await?);
        assert_eq!(send(&kit.app(), request).await.body, "ann", "{transport:?}");

        let started = kit.sessions.start("bob", ClientInfo::new()).await?;
        let mut request = ask(Method::POST, "/api/logout")?;
        request.headers_mut().extend(started.test_headers()?);
        assert_eq!(send(&kit.app(), request).await.status, 204, "{transport:?}");
    }
    let kit = Kit::new();
    let token = kit.sessions.test_token(7).await?;
    assert_eq!(kit.sessions.authenticate(&token).await?.user_id().as_str(), "7");
    assert!(kit.sessions.test_token("").await.is_err());
    Ok(())
}
