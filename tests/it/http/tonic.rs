//! The layer around a Tonic server, asked by a Tonic client over a real connection.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::http;
use tonic::{
    Code, Request, Response, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    server::{NamedService, UnaryService},
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::Service;
use tower_device_sessions::{
    CurrentSession, RequireSessionLayer, SessionLayer, SessionManager,
    manager::Revocation,
    store::{Fault, StoreMethod},
};

use crate::support::{Kit, TestResult};

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

struct Get;

impl UnaryService<()> for Get {
    type Response = String;
    type Future = BoxFuture<Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let user = request.extensions().get::<CurrentSession>().map(|session| session.user_id().to_string());
        Box::pin(async move { Ok(Response::new(user.unwrap_or_else(|| "nobody".to_owned()))) })
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
    assert_eq!(whoami(&channel, None).await?, "nobody");
    assert_eq!(whoami(&channel, Some("nonsense")).await.map_err(|status| status.code()), Err(Code::Unauthenticated));

    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    let status = whoami(&channel, Some(started.token())).await.expect_err("revoked");
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
