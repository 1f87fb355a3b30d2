//! Streams that end with their session: plain bodies, server-sent events over a connection, and gRPC.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{self, Method, header},
    response::sse::{Event, KeepAlive, Sse},
    routing::get,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::BoxFuture, stream, stream::BoxStream};
use http_body_util::{BodyExt, Full};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tonic::{
    Code, Request, Response, Status, Streaming,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    server::{NamedService, ServerStreamingService, UnaryService},
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_device_sessions::{
    CurrentSession, SessionLayer,
    credentials::{CookieOptions, Transport},
    manager::{Endings, Revocation},
    middleware::{EndStreamsBody, EndStreamsLayer, LastEvent},
};

use crate::support::{Answer, Kit, TestResult, request, send};

type Handle = mpsc::Sender<Result<Bytes, Infallible>>;

/// A stream of what is sent into a channel.
fn channel<T: Send + 'static>() -> (mpsc::Sender<T>, impl Stream<Item = T> + Send + 'static) {
    let (sender, receiver) = mpsc::channel(16);
    (sender, stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|item| (item, receiver))))
}

fn channel_body() -> (Handle, Body) {
    let (sender, stream) = channel();
    (sender, Body::from_stream(stream))
}

/// Asks an application that answers with this body and content type, in the session of the token.
async fn ask(kit: &Kit, token: &str, layer: EndStreamsLayer, content_type: &'static str, body: Body) -> Body {
    let body = Arc::new(Mutex::new(Some(body)));
    let handler = move || {
        let body = body.lock().expect("unpoisoned").take().expect("asked once");
        std::future::ready(([(header::CONTENT_TYPE, content_type)], body))
    };
    let app = Router::new().route("/", get(handler)).layer(layer).layer(SessionLayer::new(&kit.sessions));
    app.oneshot(request(Method::GET, "/", token)).await.unwrap_or_else(|never| match never {}).into_body()
}

/// The next data of a body; `None` at its end.
async fn next(body: &mut Body) -> Option<Bytes> {
    body.frame().await.map(|frame| frame.expect("no error").into_data().expect("data"))
}

/// Whether a body has nothing to say for now.
fn is_silent(body: &mut Body) -> bool {
    let frame = std::pin::pin!(body.frame());
    frame.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

/// Whether a body ends by an error.
async fn is_cut(body: &mut Body) -> bool {
    body.frame().await.is_some_and(|frame| frame.is_err())
}

/// S39: nobody takes a part of a download for the whole.
#[tokio::test]
async fn a_plain_stream_is_cut_with_its_session() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let (sender, body) = channel_body();
    let mut body = ask(&kit, started.token(), EndStreamsLayer::new(), "text/plain", body).await;
    sender.send(Ok("one".into())).await?;
    assert_eq!(next(&mut body).await.as_deref(), Some(&b"one"[..]));
    assert!(is_silent(&mut body));
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    assert!(is_cut(&mut body).await);
    assert!(body.frame().await.is_none());
    sender.closed().await;
    Ok(())
}

/// S39: over HTTP/1.1 the connection goes without the last chunk, over HTTP/2 the stream is reset.
#[tokio::test]
async fn a_download_is_cut_over_a_connection() -> TestResult {
    let kit = Kit::new();
    let download = async |_: CurrentSession| {
        Body::from_stream(stream::iter(["half"].map(Ok::<_, Infallible>)).chain(stream::pending()))
    };
    let app = Router::new().route("/", get(download)).layer(EndStreamsLayer::new());
    let app = app.layer(SessionLayer::new(&kit.sessions));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address: SocketAddr = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    let started = kit.sign_in("ann").await;
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", started.token());
    stream.write_all(head.as_bytes()).await?;
    let read = read_until(&mut stream, "half\r\n").await?;
    assert!(read.contains("transfer-encoding: chunked"), "{read}");
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    let mut rest = Vec::new();
    // Reset or closed: in either case there is no last chunk.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("0\r\n\r\n"), "{rest:?}");

    let started = kit.sign_in("ann").await;
    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let asked = http::Request::get(format!("http://{address}/"));
    let asked = asked.header("authorization", format!("Bearer {}", started.token()));
    let mut body = channel.oneshot(asked.body(tonic::body::Body::empty())?).await?.into_body();
    assert_eq!(body.frame().await.expect("a frame")?.into_data().ok().as_deref(), Some(&b"half"[..]));
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    assert!(body.frame().await.expect("an error").is_err());
    Ok(())
}

/// S72: what nothing has announced as a stream is known by its answer.
#[tokio::test]
async fn a_stream_is_not_opened_for_a_page_of_another_site() -> TestResult {
    let cookie = Transport::Cookie(CookieOptions::new());
    let kit = Kit::with(|builder| builder.transport(cookie).trusted_origins(["https://ok.example"]));
    let open = async |_: CurrentSession| Body::from_stream(stream::iter(["a", "b"].map(Ok::<_, Infallible>)));
    let app = Router::new().route("/open", get(open)).route("/closed", get(async |_: CurrentSession| "all"));
    let app = app.layer(EndStreamsLayer::new()).layer(SessionLayer::new(&kit.sessions));
    let started = kit.sign_in("ann").await;
    for (path, site, more, status) in [
        ("/open", "same-origin", ("x", "y"), 200),
        ("/open", "cross-site", ("sec-fetch-mode", "navigate"), 200),
        ("/open", "cross-site", ("origin", "https://ok.example"), 200),
        ("/open", "cross-site", ("sec-fetch-mode", "no-cors"), 403),
        ("/open", "same-site", ("sec-fetch-mode", "cors"), 403),
        ("/closed", "cross-site", ("sec-fetch-mode", "no-cors"), 200),
    ] {
        let asked = http::Request::get(path).header("cookie", format!("__Host-session={}", started.token()));
        let asked = asked.header("sec-fetch-site", site).header(more.0, more.1).body(Body::empty())?;
        let answer = send(&app, asked).await;
        assert_eq!(answer.status, status, "{path} {site} {more:?}");
        if status == 403 {
            assert_eq!(answer.code(), "csrf_denied");
        }
    }
    Ok(())
}

/// S39: a body that always has more to say ends too, after the frame that is on its way.
#[tokio::test]
async fn a_stream_that_never_waits_ends_with_its_session() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let endless = Body::from_stream(stream::repeat(Ok::<_, Infallible>("more")));
    let mut body = ask(&kit, started.token(), EndStreamsLayer::new(), "text/plain", endless).await;
    for _ in 0..100 {
        assert_eq!(next(&mut body).await.as_deref(), Some(&b"more"[..]));
    }
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    let mut rest = 0;
    while body.frame().await.expect("an error at last").is_ok() {
        rest += 1;
    }
    assert_eq!(rest, 1);
    Ok(())
}

/// The answer to a sign-out is complete, although its session has ended.
#[tokio::test]
async fn a_body_that_is_complete_at_once_is_left_alone() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let pieces = stream::iter(["signed", " ", "out"].map(Ok::<_, Infallible>));
    let handler = async |session: CurrentSession| {
        let sessions = session.manager().expect("a manager");
        sessions.sign_out(&session).await.expect("a working store");
        "signed out"
    };
    let app =
        Router::new().route("/", get(handler)).layer(EndStreamsLayer::new()).layer(SessionLayer::new(&kit.sessions));
    assert_eq!(send(&app, request(Method::GET, "/", started.token())).await.body, "signed out");

    let started = kit.sign_in("ann").await;
    let body = ask(&kit, started.token(), EndStreamsLayer::new(), "text/plain", Body::from_stream(pieces)).await;
    assert_eq!(body.collect().await?.to_bytes(), "signed out");
    Ok(())
}

#[tokio::test]
async fn a_stream_of_nobody_is_left_alone() -> TestResult {
    let kit = Kit::new();
    let app = Router::new()
        .route("/", get(|| async { Body::from_stream(stream::iter(["any", "body"].map(Ok::<_, Infallible>))) }))
        .layer(EndStreamsLayer::new())
        .layer(SessionLayer::new(&kit.sessions));
    assert_eq!(send(&app, http::Request::new(Body::empty())).await.body, "anybody");
    Ok(())
}

/// S39: the last event, and when there is none.
#[tokio::test]
async fn a_stream_of_events_says_why_it_ends() -> TestResult {
    let silent = EndStreamsLayer::new().last_event(LastEvent::Nothing);
    let said = "event: session-ended\ndata: revoked_by_admin\n\n";
    for (layer, endings, before, last) in [
        (EndStreamsLayer::new(), Endings::Told, "data: 1\n\n", Some(said)),
        (EndStreamsLayer::new(), Endings::Told, "", Some(said)),
        // In the midst of an event, whatever is added would be taken for a part of it.
        (EndStreamsLayer::new(), Endings::Told, "data: 1\n", None),
        (EndStreamsLayer::new(), Endings::Concealed, "data: 1\n\n", Some("event: session-ended\ndata: ended\n\n")),
        (silent, Endings::Told, "data: 1\n\n", None),
    ] {
        let kit = Kit::with(|builder| builder.endings(endings));
        let started = kit.sign_in("ann").await;
        let (sender, body) = channel_body();
        let mut body = ask(&kit, started.token(), layer, "text/event-stream; charset=utf-8", body).await;
        if !before.is_empty() {
            sender.send(Ok(before.into())).await?;
            assert_eq!(next(&mut body).await, Some(before.into()));
        }
        assert!(is_silent(&mut body));
        kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
        let expected = last.map(Bytes::from);
        assert_eq!(next(&mut body).await, expected, "{before:?}, {layer:?}, {endings:?}");
        if expected.is_some() {
            assert_eq!(next(&mut body).await, None);
        }
    }
    Ok(())
}

/// gRPC-Web has its trailers in a message.
#[tokio::test]
async fn a_grpc_web_stream_ends_with_its_trailers_in_a_message() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let (_sender, body) = channel_body();
    let mut body = ask(&kit, started.token(), EndStreamsLayer::new(), "application/grpc-web+proto", body).await;
    assert!(is_silent(&mut body));
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_application()).await?;
    let message = next(&mut body).await.expect("a last message");
    let (head, lines) = message.split_at(5);
    assert_eq!(head, [&[0x80][..], &u32::try_from(lines.len())?.to_be_bytes()].concat());
    let lines = std::str::from_utf8(lines)?;
    assert!(lines.contains("grpc-status:16\r\n") && lines.contains("session-end-reason:revoked_by_admin\r\n"));
    assert_eq!(next(&mut body).await, None);
    Ok(())
}

/// So has Connect's own protocol.
#[tokio::test]
async fn a_connect_stream_ends_with_its_error_in_a_message() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let (_sender, body) = channel_body();
    let mut body = ask(&kit, started.token(), EndStreamsLayer::new(), "Application/Connect+JSON", body).await;
    assert!(is_silent(&mut body));
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_administrator("eve")).await?;
    let message = next(&mut body).await.expect("a last message");
    let (head, end) = message.split_at(5);
    assert_eq!(head, [&[2][..], &u32::try_from(end.len())?.to_be_bytes()].concat());
    let end: serde_json::Value = serde_json::from_slice(end)?;
    assert_eq!(end["error"]["code"], "unauthenticated");
    assert_eq!(end["error"]["details"][0]["debug"]["reason"], "SESSION_REVOKED");
    assert_eq!(end["metadata"]["session-end-reason"][0], "revoked_by_admin");
    assert_eq!(next(&mut body).await, None);
    Ok(())
}

/// Where the layers are not boxed, the answers of the outer one have a body all the same.
#[tokio::test]
async fn a_denial_around_the_layer_has_its_text() -> TestResult {
    let kit = Kit::new();
    let service = ServiceBuilder::new().layer(SessionLayer::new(&kit.sessions)).layer(EndStreamsLayer::new());
    let service = service.service_fn(async |_: http::Request<Body>| {
        Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from("never"))))
    });
    let mut contradictory = request(Method::GET, "/", "one");
    contradictory.headers_mut().append("authorization", "Bearer other".parse()?);
    let response = service.oneshot(contradictory).await?;
    let response: http::Response<EndStreamsBody<Full<Bytes>>> = response;
    assert_eq!(Answer::read(response.map(Body::new)).await.code(), "invalid_request");
    Ok(())
}

/// S39: over a connection, with what axum makes of it. The connection itself goes on.
#[tokio::test]
async fn server_sent_events_end_over_a_connection() -> TestResult {
    let kit = Kit::new();
    let events = async |session: CurrentSession| {
        let hello = stream::iter([Ok::<_, Infallible>(Event::default().data(session.user_id().as_str()))]);
        Sse::new(hello.chain(stream::pending())).keep_alive(KeepAlive::new().interval(Duration::from_millis(20)))
    };
    let app = Router::new()
        .route("/events", get(events))
        .route("/me", get(async |session: CurrentSession| session.user_id().to_string()))
        .layer(EndStreamsLayer::new())
        .layer(SessionLayer::new(&kit.sessions));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address: SocketAddr = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    let started = kit.sign_in("ann").await;
    let mut stream = TcpStream::connect(address).await?;
    let head =
        |path: &str, token: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head("/events", started.token()).as_bytes()).await?;
    let read = read_until(&mut stream, "data: ann\n\n").await?;
    assert!(read.starts_with("HTTP/1.1 200 OK\r\n"), "{read}");

    let laptop = kit.sign_in("ann").await;
    let through = kit.sessions.authenticate(laptop.token()).await?;
    kit.sessions.revoke_others(&through).await?;
    let read = read_until(&mut stream, "0\r\n\r\n").await?;
    assert!(read.contains("event: session-ended\ndata: revoked_by_user\n\n\r\n0\r\n\r\n"), "{read}");

    stream.write_all(head("/me", laptop.token()).as_bytes()).await?;
    assert!(read_until(&mut stream, "ann").await?.starts_with("HTTP/1.1 200 OK\r\n"));
    Ok(())
}

async fn read_until(stream: &mut TcpStream, end: &str) -> std::io::Result<String> {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) && !String::from_utf8_lossy(&read).contains(end) {
        if stream.read_buf(&mut read).await? == 0 {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&read).into_owned())
}

/// A service with a stream that says one thing and goes on, and a call that signs out.
#[derive(Clone)]
struct Feed;

impl NamedService for Feed {
    const NAME: &'static str = "test.Feed";
}

impl Service<http::Request<tonic::body::Body>> for Feed {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/test.Feed/SignOut" => tonic::server::Grpc::new(ProstCodec::default()).unary(SignOut, request).await,
                _ => tonic::server::Grpc::new(ProstCodec::default()).server_streaming(Watch, request).await,
            })
        })
    }
}

fn current<T>(request: &Request<T>) -> CurrentSession {
    request.extensions().get::<CurrentSession>().expect("a session").clone()
}

struct Watch;

impl ServerStreamingService<()> for Watch {
    type Response = String;
    type ResponseStream = BoxStream<'static, Result<String, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let user = current(&request).user_id().to_string();
        let forever = stream::iter([Ok(user)]).chain(stream::pending());
        Box::pin(async move { Ok(Response::new(forever.boxed())) })
    }
}

struct SignOut;

impl UnaryService<()> for SignOut {
    type Response = String;
    type Future = BoxFuture<'static, Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let session = current(&request);
        Box::pin(async move {
            let sessions = session.manager().ok_or_else(|| Status::internal("no manager"))?;
            sessions.sign_out(&session).await.map_err(|_| Status::unavailable("no store"))?;
            Ok(Response::new("signed out".to_owned()))
        })
    }
}

async fn serve_feed(kit: &Kit) -> Result<Grpc<Channel>, Box<dyn std::error::Error + Send + Sync>> {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?;
    let address = incoming.local_addr()?;
    let mut server = Server::builder().layer(SessionLayer::new(&kit.sessions)).layer(EndStreamsLayer::new());
    tokio::spawn(server.add_service(Feed).serve_with_incoming(incoming));
    let mut grpc = Grpc::new(Channel::from_shared(format!("http://{address}"))?.connect().await?);
    grpc.ready().await?;
    Ok(grpc)
}

fn call(token: &str) -> Request<()> {
    let mut request = Request::new(());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("visible"));
    request
}

async fn watch(grpc: &mut Grpc<Channel>, token: &str) -> Result<Streaming<String>, Status> {
    let path = PathAndQuery::from_static("/test.Feed/Watch");
    let codec = ProstCodec::<(), String>::default();
    grpc.server_streaming(call(token), path, codec).await.map(Response::into_inner)
}

/// S39, S80.
#[tokio::test]
async fn a_grpc_stream_ends_with_unauthenticated_and_the_reason() -> TestResult {
    let kit = Kit::new();
    let mut grpc = serve_feed(&kit).await?;
    let started = kit.sign_in("ann").await;
    let mut stream = watch(&mut grpc, started.token()).await?;
    assert_eq!(stream.message().await?.as_deref(), Some("ann"));
    kit.sessions.revoke_all(&started.session().user_id, Revocation::by_administrator("eve")).await?;
    let status = stream.message().await.expect_err("the session has ended");
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "session ended"));
    let reason = status.metadata().get("session-end-reason").and_then(|reason| reason.to_str().ok());
    assert_eq!(reason, Some("revoked_by_admin"));
    Ok(())
}

/// The trailers of a call that is complete at once are its own.
#[tokio::test]
async fn a_grpc_call_that_signs_out_is_answered() -> TestResult {
    let kit = Kit::new();
    let mut grpc = serve_feed(&kit).await?;
    let started = kit.sign_in("ann").await;
    let path = PathAndQuery::from_static("/test.Feed/SignOut");
    let answer = grpc.unary(call(started.token()), path, ProstCodec::<(), String>::default()).await?;
    assert_eq!(answer.into_inner(), "signed out");
    Ok(())
}
