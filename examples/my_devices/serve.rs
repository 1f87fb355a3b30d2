//! The server: what `axum::serve` does, with a time limit on everything a client can delay.
//!
//! 1. The first byte, and then the head of each request, have to arrive within [`Limits::request`], or the connection
//!    is closed.
//! 2. So has the body, including the response, or it is a 408.
//! 3. When the server is told to stop, requests go on for [`Limits::farewell`], and connections that are left then are
//!    cut. So work after the server, such as writing the last activity, is done in time: container runtimes wait for 10
//!    s.

use std::{convert::Infallible, net::SocketAddr, pin::pin, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{AddExtension, Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::Service;

use crate::refused;

#[derive(Clone, Copy)]
pub struct Limits {
    pub request: Duration,
    pub farewell: Duration,
}

/// Serves until `stop` is ready.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: impl Future<Output = ()>) {
    let router = router.layer(from_fn_with_state(limits, in_time));
    let mut services = router.into_make_service_with_connect_info::<SocketAddr>();
    let (stopping, is_stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut stop => break,
        };
        let Ok((stream, peer)) = accepted else {
            // Most likely there are too many open files, and some will be closed soon.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let service = into_ok(services.call(peer).await);
        let mut is_stopping = is_stopping.clone();
        connections.spawn(async move {
            let mut first = [0];
            tokio::select! {
                arrived = timeout(limits.request, stream.peek(&mut first)) => if !matches!(arrived, Ok(Ok(1))) { return },
                _ = is_stopping.wait_for(|stop| *stop) => return,
            }
            serve_one(stream, service, limits, is_stopping).await;
        });
    }
    drop(listener);
    stopping.send_replace(true);
    let farewell = async { while connections.join_next().await.is_some() {} };
    // Those that are left end with the set.
    let _ = timeout(limits.farewell, farewell).await;
}

async fn serve_one(
    stream: TcpStream,
    service: AddExtension<Router, ConnectInfo<SocketAddr>>,
    limits: Limits,
    mut is_stopping: watch::Receiver<bool>,
) {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(limits.request);
    http.http2().timer(TokioTimer::new()).keep_alive_interval(limits.request).keep_alive_timeout(limits.request);
    let connection = http.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    // An error is the client's: it has hung up, or does not speak HTTP.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = is_stopping.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Ends a request whose body does not arrive. Changes that have begun run to their end.
async fn in_time(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    match timeout(limits.request, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
            let refused = refused(&headers, StatusCode::REQUEST_TIMEOUT, "timed_out", "The request took too long");
            (close, refused).into_response()
        }
    }
}

fn into_ok<T>(result: Result<T, Infallible>) -> T {
    let Ok(value) = result;
    value
}
