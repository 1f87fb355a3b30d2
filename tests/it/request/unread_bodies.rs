//! Refusals of requests whose body nobody has read: they arrive, also while the client is still sending.

use std::{
    convert::Infallible,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Version},
    routing::post,
};
use bytes::Bytes;
use futures_util::stream;
use tower_device_sessions::{
    CurrentSession, RequireSessionLayer, SessionLayer,
    manager::Revocation,
    middleware::{DrainRequestLayer, LentBody},
};

use crate::support::{Kit, TestResult, request, send};

const MIB: usize = 1024 * 1024;

/// A body of so many MiB, and how many of them have been read.
fn counted(size: usize) -> (Body, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let pieces = stream::iter((0..size).map(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Infallible>(Bytes::from(vec![b'x'; MIB]))
    }));
    (Body::from_stream(pieces), read)
}

fn app(kit: &Kit) -> Router {
    let required = Router::new().route("/required", post(async || "in")).route_layer(RequireSessionLayer::new());
    Router::new()
        .route("/upload", post(async |_: CurrentSession, body: Bytes| body.len().to_string()))
        .route("/public", post(async || "anybody"))
        .merge(required)
        .layer(SessionLayer::new(&kit.sessions))
}

/// Whichever part of us refuses it: the layer itself, an extractor, or the layer behind.
#[tokio::test]
async fn a_refused_body_is_read_before_the_answer() -> TestResult {
    let kit = Kit::new();
    let dead = kit.sign_in("ann").await;
    kit.sessions.revoke_all(&dead.session().user_id, Revocation::by_application()).await?;
    for path in ["/upload", "/required"] {
        for token in [Some("nonsense"), Some(dead.token()), None] {
            let (body, read) = counted(8);
            let mut asked = request(Method::POST, path, token.unwrap_or_default()).map(|_| body);
            if token.is_none() {
                asked.headers_mut().remove("authorization");
            }
            let answer = send(&app(&kit), asked).await;
            assert_eq!((answer.status.as_u16(), read.load(Ordering::SeqCst)), (401, 8), "{path} {token:?}");
        }
    }
    let (body, read) = counted(8);
    let answer = send(&app(&kit), Request::post("/public").body(body)?).await;
    assert_eq!((answer.body.as_str(), read.load(Ordering::SeqCst)), ("anybody", 8), "nobody has read it either");
    Ok(())
}

/// What one client can cost is bounded, and where reading is of no use, nothing is read.
#[tokio::test]
async fn no_more_is_read_of_a_refused_body_than_is_of_use() -> TestResult {
    let kit = Kit::new();
    let asked = |body| request(Method::POST, "/upload", "nonsense").map(|_| body);
    let (body, read) = counted(1_000);
    assert_eq!(send(&app(&kit), asked(body)).await.status, 401);
    assert_eq!(read.load(Ordering::SeqCst), 17, "16 MiB, and the piece that is too much");

    let (body, read) = counted(8);
    let mut waits = asked(body);
    waits.headers_mut().insert("expect", "100-continue".parse()?);
    assert_eq!(send(&app(&kit), waits).await.status, 401);
    assert_eq!(read.load(Ordering::SeqCst), 0, "its client has not sent it yet");

    let (body, read) = counted(8);
    let mut newer = asked(body);
    *newer.version_mut() = Version::HTTP_2;
    assert_eq!(send(&app(&kit), newer).await.status, 401);
    assert_eq!(read.load(Ordering::SeqCst), 0, "HTTP/2 needs none of this");

    assert_eq!(send(&app(&kit), asked(Body::from(vec![0; 17 * MIB]))).await.status, 401, "too long, as is known");
    Ok(())
}

/// A client that stops in the midst of its body is answered in time.
#[tokio::test(start_paused = true)]
async fn a_refused_body_that_does_not_come_is_not_waited_for() -> TestResult {
    let kit = Kit::new();
    let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let began = tokio::time::Instant::now();
    let answer = send(&app(&kit), request(Method::POST, "/upload", "nonsense").map(|_| never)).await;
    assert_eq!((answer.status.as_u16(), began.elapsed()), (401, Duration::from_secs(30)));
    Ok(())
}

/// With a session nothing of this happens: the handler has the body as it is.
#[tokio::test]
async fn an_accepted_body_is_the_handlers() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let answer = send(&app(&kit), request(Method::POST, "/upload", started.token()).map(|_| Body::from("hello"))).await;
    assert_eq!(answer.body, "5");
    Ok(())
}

/// For bodies of other types there is a layer, which reads what handlers leave, too.
#[tokio::test]
async fn the_layer_reads_what_anybody_behind_it_has_left() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let service = tower::service_fn(async |request: Request<LentBody<Body>>| {
        let unread = request.uri().path() == "/left";
        let read = if unread { 0 } else { axum::body::to_bytes(Body::new(request.into_body()), 9 * MIB).await?.len() };
        Ok::<_, axum::Error>(axum::http::Response::new(Body::from(read.to_string())))
    });
    let service = tower::ServiceBuilder::new()
        .layer(DrainRequestLayer::new())
        .layer(SessionLayer::new(&kit.sessions))
        .layer(RequireSessionLayer::new())
        .service(service);
    for (path, token, status, by_handler) in [
        ("/left", started.token(), 200, "0"),
        ("/read", started.token(), 200, "8388608"),
        ("/read", "nonsense", 401, ""),
    ] {
        let (body, read) = counted(8);
        let asked = request(Method::POST, path, token).map(|_| body);
        let response = tower::ServiceExt::oneshot(service.clone(), asked).await?;
        assert_eq!((response.status().as_u16(), read.load(Ordering::SeqCst)), (status, 8), "{path} {token}");
        if status == 200 {
            assert_eq!(axum::body::to_bytes(response.into_body(), MIB).await?, by_handler);
        }
    }
    Ok(())
}

/// Over a connection: a client that sends all of it before it reads gets the refusal, and can go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_still_sending_reads_the_refusal() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    let exchange = move || -> std::io::Result<Vec<String>> {
        let mut stream = TcpStream::connect(address)?;
        let mut lines = Vec::new();
        for (size, token) in [(MIB, "nonsense"), (8 * MIB, "nonsense"), (8 * MIB, "e30.e30.e30")] {
            let head = format!(
                "POST /upload HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {size}\r\n\r\n"
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(&vec![b'x'; size])?;
            let mut answer = vec![0; 4096];
            let read = stream.read(&mut answer)?;
            let text = String::from_utf8_lossy(&answer[..read]).into_owned();
            lines.push(text.lines().next().unwrap_or_default().to_owned());
        }
        Ok(lines)
    };
    let lines = tokio::task::spawn_blocking(exchange).await??;
    assert_eq!(lines, ["HTTP/1.1 401 Unauthorized"; 3]);
    Ok(())
}
