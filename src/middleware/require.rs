//! A layer that rejects anonymous requests.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::middleware::{DefaultOnDenied, OnDenied, Seen, rejection};

/// Rejects anonymous requests, inside a [`SessionLayer`](crate::SessionLayer).
///
/// # Examples
///
/// ```
/// # use tower_device_sessions::{RequireSessionLayer, SessionLayer, SessionManager};
/// # fn example(sessions: &SessionManager) {
/// use tower::ServiceBuilder;
///
/// let layers = ServiceBuilder::new().layer(SessionLayer::new(sessions)).layer(RequireSessionLayer::new());
/// # let _ = layers;
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct RequireSessionLayer<R = DefaultOnDenied> {
    on_denied: R,
}

impl RequireSessionLayer {
    /// A layer that rejects anonymous requests with 401 or, for gRPC, status 16.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<R> RequireSessionLayer<R> {
    /// The response to anonymous requests. Default: [`DefaultOnDenied`].
    pub fn on_denied<N>(self, on_denied: N) -> RequireSessionLayer<N> {
        RequireSessionLayer { on_denied }
    }
}

impl<S, R: Clone> Layer<S> for RequireSessionLayer<R> {
    type Service = RequireSessionService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireSessionService { inner, on_denied: self.on_denied.clone() }
    }
}

/// The service of [`RequireSessionLayer`].
#[derive(Clone, Debug)]
pub struct RequireSessionService<S, R = DefaultOnDenied> {
    inner: S,
    on_denied: R,
}

impl<S, R, B, ResBody> Service<Request<B>> for RequireSessionService<S, R>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    R: OnDenied<ResBody>,
    ResBody: Default + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<ResBody>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = match Seen::of(request.extensions()) {
            Some(Seen::Session(_)) => return Either::Left(self.inner.call(request)),
            Some(Seen::Anonymous(anonymous)) => {
                self.on_denied.response_to(&anonymous.denied(), request.uri(), request.headers())
            }
            None => rejection::missing_layer().into_response(),
        };
        Either::Right(ready(Ok(response)))
    }
}
