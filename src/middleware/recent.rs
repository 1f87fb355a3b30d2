//! A layer that requires a recent or strong authentication.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    assurance::Requirement,
    middleware::{DefaultOnDenied, OnDenied, Seen, rejection},
};

/// Rejects requests whose session has not proven enough, inside a [`SessionLayer`](crate::SessionLayer).
///
/// The response is the challenge of RFC 9470; anonymous requests are rejected as by
/// [`RequireSessionLayer`](crate::RequireSessionLayer).
///
/// # Examples
///
/// ```
/// # use tower_device_sessions::{SessionLayer, SessionManager};
/// # fn example(sessions: &SessionManager) {
/// use std::time::Duration;
/// use tower::ServiceBuilder;
/// use tower_device_sessions::{RequireRecentAuthLayer, assurance::Requirement};
///
/// let five_minutes = Requirement::recent(Duration::from_secs(300));
/// let layers = ServiceBuilder::new()
///     .layer(SessionLayer::new(sessions))
///     .layer(RequireRecentAuthLayer::new(five_minutes.level(2)));
/// # let _ = layers;
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RequireRecentAuthLayer<R = DefaultOnDenied> {
    requirement: Requirement,
    on_denied: R,
}

impl RequireRecentAuthLayer {
    /// A layer that accepts sessions that meet `requirement`.
    pub fn new(requirement: Requirement) -> Self {
        Self { requirement, on_denied: DefaultOnDenied::new() }
    }
}

impl<R> RequireRecentAuthLayer<R> {
    /// The response to rejected requests. Default: [`DefaultOnDenied`].
    pub fn on_denied<N>(self, on_denied: N) -> RequireRecentAuthLayer<N> {
        RequireRecentAuthLayer { requirement: self.requirement, on_denied }
    }
}

impl<S, R: Clone> Layer<S> for RequireRecentAuthLayer<R> {
    type Service = RequireRecentAuthService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireRecentAuthService { inner, requirement: self.requirement.clone(), on_denied: self.on_denied.clone() }
    }
}

/// The service of [`RequireRecentAuthLayer`].
#[derive(Clone, Debug)]
pub struct RequireRecentAuthService<S, R = DefaultOnDenied> {
    inner: S,
    requirement: Requirement,
    on_denied: R,
}

impl<S, R, B, ResBody> Service<Request<B>> for RequireRecentAuthService<S, R>
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
        let denied = match Seen::of(request.extensions()) {
            Some(Seen::Session(current)) => match current.meets(&self.requirement) {
                Ok(()) => return Either::Left(self.inner.call(request)),
                Err(denied) => denied,
            },
            Some(Seen::Anonymous(anonymous)) => anonymous.denied(),
            None => return Either::Right(ready(Ok(rejection::missing_layer().into_response()))),
        };
        Either::Right(ready(Ok(self.on_denied.response_to(&denied, request.uri(), request.headers()))))
    }
}
