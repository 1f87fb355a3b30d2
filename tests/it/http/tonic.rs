//! The layer around a Tonic server, asked by a Tonic client over a real connection.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::http;
use tonic::{
    Code, Request, Response, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    server::{NamedService, UnaryService},
    transport::{
        Channel, Server,
        server::{TcpConnectInfo, TcpIncoming},
    },
};
use tonic_prost::ProstCodec;
use tower::{Service, util::MapRequestLayer};
use tower_device_sessions::{
    CurrentSession, RequireSessionLayer, SessionLayer, SessionManager, TrustedProxies,
    credentials::{CookieOptions, Transport},
    manager::{RefreshPolicy, Revocation},
    middleware::{Anonymous, PeerAddress},
    policy::Denied,
    store::{Fault, StoreMethod},
};

use crate::support::{IPHONE, Kit, TestResult};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A service of one method, which says who asks. It is written by hand, as generated code would be, so that the tests
/// need no protocol compiler.
#[derive(Clone)]
struct Whoami;

impl NamedService for Whoami {
    const NAME: &'static str = "test.Whoami";
}

impl Service<http::Request<tonic::body::Body>> for Whoami {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move { Ok(tonic::server::Grpc::new(ProstCodec::default()).unary(Get, request).await) })
    }
}

/// A service that signs its clients in, as the README has it.
#[derive(Clone)]
struct SignIn(SessionManager);

impl NamedService for SignIn {
    const NAME: &'static str = "test.SignIn";
}

impl Service<http::Request<tonic::body::Body>> for SignIn {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let method = self.clone();
        Box::pin(async move { Ok(tonic::server::Grpc::new(ProstCodec::default()).unary(method, request).await) })
    }
}

impl UnaryService<()> for SignIn {
    type Response = String;
    type Future = BoxFuture<Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let sessions = self.0.clone();
        Box::pin(async move {
            let headers = request.metadata().clone().into_headers();
            let client = sessions.client_info(&headers, request.extensions());
            let client = client.map_err(|_| Status::permission_denied("forged"))?;
            let started = sessions.start("ann", client).await.map_err(|_| Status::unavailable("no store"))?;
            let session = started.session();
            let address = session.created_ip.map(|ip| ip.to_string()).unwrap_or_default();
            // Tonic puts its own name behind the user agent.
            let model = session.device.name().rsplit(' ').next().unwrap_or_default().to_owned();
            Ok(Response::new(format!("{model} at {address}")))
        })
    }
}

fn with_peer(mut request: http::Request<tonic::body::Body>) -> http::Request<tonic::body::Body> {
    let peer = request.extensions().get().and_then(TcpConnectInfo::remote_addr);
    if let Some(peer) = peer {
        request.extensions_mut().insert(PeerAddress(peer));
    }
    request
}

/// The client is the one that the proxy names, and not the proxy; without the proxies' list it is the peer.
#[tokio::test]
async fn a_tonic_sign_in_shows_the_client_and_not_the_proxy() -> TestResult {
    let trusted = TrustedProxies::new(["127.0.0.0/8"])?;
    let cookies = Transport::Both(CookieOptions::new());
    for (proxies, site, expected) in [
        (Some(trusted.clone()), "none", Ok("iPhone at 203.0.113.9")),
        (None, "none", Ok("iPhone at 127.0.0.1")),
        (Some(trusted), "cross-site", Err(Code::PermissionDenied)),
    ] {
        let kit = Kit::with(|builder| {
            let builder = builder.transport(cookies.clone());
            proxies.into_iter().fold(builder, |builder, proxies| builder.trusted_proxies(proxies))
        });
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?;
        let address = incoming.local_addr()?;
        let server = Server::builder().layer(MapRequestLayer::new(with_peer));
        let mut server = server.layer(SessionLayer::new(&kit.sessions));
        tokio::spawn(server.add_service(SignIn(kit.sessions.clone())).serve_with_incoming(incoming));
        let endpoint = Channel::from_shared(format!("http://{address}"))?.user_agent(IPHONE)?;
        let mut grpc = Grpc::new(endpoint.connect().await?);
        grpc.ready().await?;
        let mut request = Request::new(());
        for (name, value) in [("x-forwarded-for", "198.51.100.1, 203.0.113.9"), ("sec-fetch-site", site)] {
            request.metadata_mut().insert(name, value.parse()?);
        }
        let path = PathAndQuery::from_static("/test.SignIn/Start");
        let answer = grpc.unary(request, path, ProstCodec::<(), String>::default()).await;
        let answer = answer.map(Response::into_inner).map_err(|status| status.code());
        assert_eq!(answer.as_deref().map_err(|code| *code), expected);
    }
    Ok(())
}

struct Get;

impl UnaryService<()> for Get {
    type Response = String;
    type Future = BoxFuture<Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let user = request.extensions().get::<CurrentSession>().map(|session| session.user_id().to_string());
        let denied = request.extensions().get().map_or(Denied::Missing, Anonymous::denied);
        Box::pin(async move { Ok(Response::new(user.unwrap_or_else(|| format!("nobody: {denied}")))) })
    }
}

async fn serve(sessions: &SessionManager, required: bool) -> Result<Channel, Box<dyn std::error::Error + Send + Sync>> {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?;
    let address = incoming.local_addr()?;
    let server = Server::builder().layer(SessionLayer::new(sessions));
    if required {
        let mut server = server.layer(RequireSessionLayer::new());
        tokio::spawn(server.add_service(Whoami).serve_with_incoming(incoming));
    } else {
        let mut server = server;
        tokio::spawn(server.add_service(Whoami).serve_with_incoming(incoming));
    }
    Ok(Channel::from_shared(format!("http://{address}"))?.connect().await?)
}

async fn whoami(channel: &Channel, token: Option<&str>) -> Result<String, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let mut request = Request::new(());
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("visible"));
    }
    let path = PathAndQuery::from_static("/test.Whoami/Get");
    grpc.unary(request, path, ProstCodec::<(), String>::default()).await.map(Response::into_inner)
}

/// S80.
#[tokio::test]
async fn a_tonic_client_sees_its_session_and_the_codes_of_its_absence() -> TestResult {
    let kit = Kit::new();
    let channel = serve(&kit.sessions, false).await?;
    let started = kit.sign_in("ann").await;
    for _ in 0..3 {
        assert_eq!(whoami(&channel, Some(started.token())).await?, "ann");
    }
    assert_eq!(whoami(&channel, None).await?, "nobody: no credential");
    let required = serve(&kit.sessions, true).await?;
    assert_eq!(whoami(&required, Some("nonsense")).await.map_err(|status| status.code()), Err(Code::Unauthenticated));

    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    let status = whoami(&required, Some(started.token())).await.expect_err("revoked");
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(
        status.metadata().get("session-end-reason").map(|value| value.as_encoded_bytes()),
        Some(&b"revoked_by_admin"[..])
    );
    Ok(())
}

/// S80.
#[tokio::test]
async fn a_tonic_client_without_a_session_is_unauthenticated_where_one_is_required() -> TestResult {
    let kit = Kit::new();
    let channel = serve(&kit.sessions, true).await?;
    let started = kit.sign_in("ann").await;
    assert_eq!(whoami(&channel, Some(started.token())).await?, "ann");
    assert_eq!(whoami(&channel, None).await.map_err(|status| status.code()), Err(Code::Unauthenticated));
    Ok(())
}

/// A client that attaches its last token to every call can sign in again: the methods that need no session are called,
/// and can say why there is none.
#[tokio::test]
async fn a_left_over_token_keeps_no_tonic_client_from_methods_without_a_session() -> TestResult {
    let kit = Kit::new();
    let channel = serve(&kit.sessions, false).await?;
    let dead = kit.sign_in("ann").await;
    kit.sessions.revoke_all(&dead.session().user_id, Revocation::by_application()).await?;
    assert_eq!(whoami(&channel, Some(dead.token())).await?, "nobody: ended session: revoked_by_admin");
    assert_eq!(whoami(&channel, Some("nonsense")).await?, "nobody: invalid token");
    assert_eq!(whoami(&channel, Some("")).await?, "nobody: malformed or ambiguous credentials");
    assert_eq!(whoami(&channel, None).await?, "nobody: no credential");
    Ok(())
}

/// What a program reads of the reason: an access token that has run out is not a session that has.
#[tokio::test]
async fn a_tonic_client_reads_whether_its_token_or_its_session_has_expired() -> TestResult {
    let kit = Kit::with(|builder| builder.refresh(RefreshPolicy::new()));
    let channel = serve(&kit.sessions, true).await?;
    let started = kit.sign_in("ann").await;
    for (days, reason) in [(1, "TOKEN_EXPIRED"), (30, "SESSION_EXPIRED")] {
        kit.clock.advance(Duration::from_secs(days * 86_400));
        let status = whoami(&channel, Some(started.token())).await.expect_err("it is over");
        assert_eq!(status.code(), Code::Unauthenticated);
        let details = String::from_utf8_lossy(status.details()).into_owned();
        assert!(details.contains(reason), "{details:?}");
    }
    Ok(())
}

/// S80, R01.
#[tokio::test]
async fn a_tonic_client_sees_an_outage_as_unavailable() -> TestResult {
    let kit = Kit::new();
    let channel = serve(&kit.sessions, false).await?;
    let started = kit.sign_in("ann").await;
    kit.store.fail(StoreMethod::Find, Fault::FailBefore);
    let outage = whoami(&channel, Some(started.token())).await;
    assert_eq!(outage.map_err(|status| status.code()), Err(Code::Unavailable));
    Ok(())
}

/// Tonic's server says who its peer is in a way of its own.
#[cfg(feature = "tonic")]
#[tokio::test]
async fn the_address_of_a_tonic_client_is_known() -> TestResult {
    let kit = Kit::new();
    let channel = serve(&kit.sessions, false).await?;
    let started = kit.sign_in("ann").await;
    assert_eq!(whoami(&channel, Some(started.token())).await?, "ann");
    kit.clock.advance(std::time::Duration::from_secs(120));
    assert_eq!(whoami(&channel, Some(started.token())).await?, "ann");
    assert!(kit.sessions.flush_activity().await);
    let record = kit.sessions.find(&started.session().user_id, started.session().id).await?.ok_or("gone")?;
    assert_eq!(record.last_ip, Some(std::net::Ipv4Addr::LOCALHOST.into()));
    Ok(())
}
