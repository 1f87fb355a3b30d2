//! Ending the streams of sessions that have ended.
//!
//! 1. Only bodies that may go on are watched: those of requests with a session, whose length is not known beforehand.
//! 2. The wait begins when the body first has to wait itself, or has come to its second frame. A body that is complete at
//!    once, as that of a unary call, costs nothing, and may be the answer to the very request that ended the session.
//! 3. Once the session has ended, the frame that is on its way is the last one of the inner body, which is dropped.
//! 4. The last word is a server-sent event, the trailers of gRPC, or nothing, by the response's content type.

mod body;
mod farewell;

pub use self::body::EndStreamsBody;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    manager::CurrentSession,
    middleware::end_streams::{body::is_open, farewell::Farewell},
};

/// Ends streaming response bodies when the session of their request ends: server-sent events, gRPC streams, downloads of
/// unknown length.
///
/// It belongs behind a [`SessionLayer`](crate::SessionLayer). It changes the type of the response body, and nothing about
/// responses whose length is known. What is sent before a stream ends:
///
/// | `Content-Type` | the last that is sent |
/// | --- | --- |
/// | `text/event-stream` | `event: session-ended` with the reason as its data, unless [`last_event`](Self::last_event) says otherwise |
/// | `application/grpc` | the trailers `grpc-status: 16`, `grpc-message` and `session-end-reason` |
/// | `application/grpc-web` | the same in a message, as that protocol has it |
/// | any other | nothing |
///
/// Clients are told the reason unless the manager [conceals endings](crate::manager::Endings::Concealed). The session
/// ends for the stream as it does for [`CurrentSession::ended`]: once it is revoked here or on another node, or expires.
/// A client that does not read what it was sent is told when it does.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`last_event`](Self::last_event) | [`LastEvent::SessionEnded`] |
///
/// # Examples
///
/// ```
/// # use tower_device_sessions::{SessionLayer, SessionManager, middleware::EndStreamsLayer};
/// # fn example(sessions: &SessionManager) {
/// use tower::ServiceBuilder;
///
/// let layers = ServiceBuilder::new().layer(SessionLayer::new(sessions)).layer(EndStreamsLayer::new());
/// # let _ = layers;
/// # }
/// ```
///
/// Layers that compress responses belong outside of this one: nothing can be added to a body that is compressed already,
/// so that it ends without a last event.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct EndStreamsLayer {
    last_event: LastEvent,
}

/// What a stream of server-sent events is told when its session has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LastEvent {
    /// An event of the type `session-ended`, with the reason as its data. Clients that do not listen for it never notice.
    #[default]
    SessionEnded,
    /// Nothing.
    Nothing,
}

impl EndStreamsLayer {
    /// A layer that ends streams, and says why.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a stream of server-sent events is told at its end. Default: [`LastEvent::SessionEnded`].
    pub fn last_event(mut self, last_event: LastEvent) -> Self {
        self.last_event = last_event;
        self
    }
}

impl<S> Layer<S> for EndStreamsLayer {
    type Service = EndStreamsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EndStreamsService { inner, last_event: self.last_event }
    }
}

/// The service that [`EndStreamsLayer`] makes.
#[derive(Clone, Debug)]
pub struct EndStreamsService<S> {
    inner: S,
    last_event: LastEvent,
}

impl<S, B, ResBody> Service<Request<B>> for EndStreamsService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<EndStreamsBody<ResBody>>;
    type Error = S::Error;
    type Future = EndStreamsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let current = request.extensions().get::<CurrentSession>().cloned();
        EndStreamsFuture { inner: self.inner.call(request), current, last_event: self.last_event }
    }
}

pin_project! {
    /// The future of [`EndStreamsService`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct EndStreamsFuture<F> {
        #[pin]
        inner: F,
        current: Option<CurrentSession>,
        last_event: LastEvent,
    }
}

impl<F, ResBody, E> Future for EndStreamsFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ResBody: Body<Data = Bytes>,
{
    type Output = Result<Response<EndStreamsBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (head, body) = ready!(this.inner.poll(cx))?.into_parts();
        let body = match this.current.take() {
            Some(current) if is_open(&body, &head.headers) => {
                EndStreamsBody::watched(body, current, Farewell::to(&head.headers, *this.last_event))
            }
            _ => EndStreamsBody::unwatched(body),
        };
        Poll::Ready(Ok(Response::from_parts(head, body)))
    }
}
