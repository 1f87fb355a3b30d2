//! Ending the streams of sessions that have ended.
//!
//! 1. Only bodies that may go on are watched: those of requests with a session, whose length is not known beforehand.
//! 2. Watching begins when the body is first pending, or has come to its second frame. A body that is complete at once,
//!    as that of a unary call, costs nothing, and may be the response to the very request that ended the session.
//! 3. Once the session has ended, the frame that is on its way is the last one of the inner body, which is then
//!    dropped.
//! 4. The last word is a server-sent event, the trailers of gRPC, or an error, by the response's content type.
//! 5. A stream that a page of another origin has fetched by our cookie is not opened.

mod body;
mod farewell;

pub use self::body::EndStreamsBody;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    credentials::CredentialSource,
    event::SessionEvent,
    manager::CurrentSession,
    middleware::{
        end_streams::{
            body::{BoxError, is_open},
            farewell::Farewell,
        },
        rejection::Problem,
    },
    policy::{CsrfDenied, Denied},
};

/// Ends streaming response bodies when the session of their request ends: server-sent events, gRPC streams, downloads
/// of unknown length.
///
/// It belongs inside a [`SessionLayer`](crate::SessionLayer). It changes the type of the response body, and leaves
/// responses of known length unchanged. What is sent before a stream ends:
///
/// | `Content-Type` | the last that is sent |
/// | --- | --- |
/// | `text/event-stream` | `event: session-ended` with the reason as its data; see [`last_event`](Self::last_event) |
/// | `application/grpc` | the trailers `grpc-status: 16`, `grpc-message` and `session-end-reason` |
/// | `application/grpc-web` | the same in a message, as that protocol has it |
/// | `application/connect+…` | the message that ends a stream of Connect's own protocol, with the error |
/// | any other, such as a download | nothing, and the body ends by an *error* |
///
/// After an error the server resets the connection, or the stream of HTTP/2, so that no client takes what it has for
/// the whole.
///
/// An event stream also ends properly where no last event can be sent: in the middle of an event, or when it is
/// compressed.
///
/// Clients learn the reason unless the manager [conceals endings](crate::manager::Endings::Concealed). The session ends
/// for the stream as it does for [`CurrentSession::ended`]: once it is revoked here or on another node, or expires. A
/// client that is slow to read receives it when it reads.
///
/// A stream is not opened for a page of another origin that has fetched it by our cookie: the response is 403, instead
/// of that of the handler. The [rules](crate::credentials#requests-that-other-sites-cause) are in `credentials`.
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
/// Layers that compress responses belong outside of this one: nothing can be added to a compressed body, so it would
/// end without a last event.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct EndStreamsLayer {
    last_event: LastEvent,
}

/// What a stream of server-sent events receives when its session has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LastEvent {
    /// An event of the type `session-ended`, with the reason as its data. Clients that do not listen for it do not
    /// notice it.
    #[default]
    SessionEnded,
    /// Nothing.
    Nothing,
}

impl EndStreamsLayer {
    /// A layer that ends streams and says why.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a stream of server-sent events receives at its end. Default: [`LastEvent::SessionEnded`].
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

/// The service of [`EndStreamsLayer`].
#[derive(Clone, Debug)]
pub struct EndStreamsService<S> {
    inner: S,
    last_event: LastEvent,
}

impl<S, B, ResBody> Service<Request<B>> for EndStreamsService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Response = Response<EndStreamsBody<ResBody>>;
    type Error = S::Error;
    type Future = EndStreamsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let current = request.extensions().get::<CurrentSession>().cloned();
        let forged = current.as_ref().and_then(|current| forged(current, request.headers()));
        EndStreamsFuture { inner: self.inner.call(request), current, forged, last_event: self.last_event }
    }
}

/// What is wrong with a request for a stream.
fn forged(current: &CurrentSession, headers: &HeaderMap) -> Option<CsrfDenied> {
    if current.credential_source() != CredentialSource::Cookie {
        return None;
    }
    current.manager()?.credentials().csrf.as_ref()?.check_stream(headers).err()
}

/// The answer in place of a stream.
fn refused<B>(current: &CurrentSession, why: CsrfDenied) -> Response<EndStreamsBody<B>> {
    if let Some(manager) = current.manager() {
        manager.tell(&SessionEvent::CsrfDenied { why });
    }
    Problem::from(&Denied::Forged(why)).into_response::<Bytes>().map(EndStreamsBody::refused)
}

pin_project! {
    /// The future of [`EndStreamsService`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct EndStreamsFuture<F> {
        #[pin]
        inner: F,
        current: Option<CurrentSession>,
        forged: Option<CsrfDenied>,
        last_event: LastEvent,
    }
}

impl<F, ResBody, E> Future for EndStreamsFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ResBody: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Output = Result<Response<EndStreamsBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (head, body) = ready!(this.inner.poll(cx))?.into_parts();
        let body = match this.current.take() {
            Some(current) if is_open(&body, &head.headers) => {
                if let Some(why) = this.forged.take() {
                    return Poll::Ready(Ok(refused(&current, why)));
                }
                EndStreamsBody::watched(body, current, Farewell::to(&head.headers, *this.last_event))
            }
            _ => EndStreamsBody::unwatched(body),
        };
        Poll::Ready(Ok(Response::from_parts(head, body)))
    }
}
