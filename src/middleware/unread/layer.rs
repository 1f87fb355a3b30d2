//! A layer that reads the rest of request bodies.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{LentBody, Loan, Reading, is_worth_reading, read};

/// Reads the rest of a request's body before the response is sent, so that the response arrives.
///
/// A server of HTTP/1 that responds before it has read the whole request closes the connection. A client or proxy that
/// is still sending then finds it reset, and reports a 502 or a broken pipe instead of the response.
/// [`SessionLayer`](crate::SessionLayer) takes care of that by itself for requests without a session whose body is
/// Axum's. This layer, outermost, does so for every request and every body: for Tonic servers that speak gRPC-Web, and
/// for what handlers and other layers refuse.
///
/// At most 16 MiB are read, for at most 30 s, and only of bodies that the inner service has dropped before their end.
/// Requests of HTTP/2, those with `Expect`, and bodies whose length is known to be greater are not read. It changes the
/// type of the request's body.
///
/// # Examples
///
/// ```
/// # use tower_device_sessions::{SessionLayer, SessionManager, middleware::DrainRequestLayer};
/// # fn example(sessions: &SessionManager) {
/// use tower::ServiceBuilder;
///
/// let layers = ServiceBuilder::new().layer(DrainRequestLayer::new()).layer(SessionLayer::new(sessions));
/// # let _ = layers;
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct DrainRequestLayer;

impl DrainRequestLayer {
    /// A layer that reads the rest of requests.
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for DrainRequestLayer {
    type Service = DrainRequestService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DrainRequestService { inner }
    }
}

/// The service of [`DrainRequestLayer`].
#[derive(Clone, Debug)]
pub struct DrainRequestService<S> {
    inner: S,
}

impl<S, B, ResBody> Service<Request<B>> for DrainRequestService<S>
where
    S: Service<Request<LentBody<B>>, Response = Response<ResBody>>,
    B: Body<Data: Send, Error: Send> + Unpin + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = DrainRequestFuture<S::Future, B, S::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let (body, loan) = match is_worth_reading(head.version, &head.headers, &body) {
            true => {
                let (lent, loan) = LentBody::lend(body);
                (lent, Some(loan))
            }
            false => (LentBody::given(body), None),
        };
        let inner = self.inner.call(Request::from_parts(head, body));
        DrainRequestFuture { inner, loan, reading: None }
    }
}

pin_project! {
    /// The future of [`DrainRequestService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct DrainRequestFuture<F, B, Res> {
        #[pin]
        inner: F,
        loan: Option<Loan<B>>,
        // What is left to be read, and the answer that waits for it.
        reading: Option<(Reading, Res)>,
    }
}

impl<F, B, Res, E> Future for DrainRequestFuture<F, B, Res>
where
    F: Future<Output = Result<Res, E>>,
    B: Body<Data: Send, Error: Send> + Unpin + Send + 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.reading.is_none() {
            let response = ready!(this.inner.poll(cx))?;
            let Some(body) = this.loan.take().and_then(Loan::returned) else {
                return Poll::Ready(Ok(response));
            };
            *this.reading = Some((read(body), response));
        }
        if let Some((reading, _)) = this.reading {
            ready!(reading.as_mut().poll(cx));
        }
        // Polled again after it was ready, it stays pending.
        this.reading.take().map_or(Poll::Pending, |(_, response)| Poll::Ready(Ok(response)))
    }
}

impl<F, B, Res> fmt::Debug for DrainRequestFuture<F, B, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainRequestFuture").finish_non_exhaustive()
    }
}
