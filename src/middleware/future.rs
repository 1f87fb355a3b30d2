//! The response future of the session service.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

#[cfg(feature = "axum")]
use crate::middleware::unread::{self, Loan};
use crate::{
    credentials::CredentialSource,
    manager::{Checked, CurrentSession, Unresolved},
    middleware::{OnDenied, judge::Verdict, settings::Settings, unread::Reading},
    transport::cookie,
};

pin_project! {
    /// The future of [`SessionService`](crate::middleware::SessionService).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S::Future, S::Response, S, B, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, Res, S, B, R> {
        /// The inner service was called at once. It is the common state, and needs no allocation.
        ///
        /// The settings are there when the manager's cookies have to be looked after.
        Inner { #[pin] future: F, cookies: Option<Arc<Settings<R>>>, unread: Option<Unread> },
        /// The answer is there, and may have to wait until the request has been read.
        Answered { response: Option<Res>, reading: Option<Reading> },
        /// The store, or the signature, is being asked.
        Resolving { waiting: Option<Box<Waiting<S, B, R>>> },
    }
}

/// A request that waits for its session.
struct Waiting<S, B, R> {
    resolution: Pin<Box<dyn Future<Output = Result<CurrentSession, Unresolved>> + Send>>,
    service: S,
    request: Request<B>,
    settings: Arc<Settings<R>>,
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<B>>,
{
    pub(super) fn inner(settings: &Arc<Settings<R>>, future: S::Future, unread: Option<Unread>) -> Self {
        Self { state: State::inner(settings, future, unread) }
    }

    pub(super) fn answered(response: S::Response, reading: Option<Reading>) -> Self {
        Self { state: State::Answered { response: Some(response), reading } }
    }

    pub(super) fn resolving(checked: Checked, service: S, request: Request<B>, settings: Arc<Settings<R>>) -> Self {
        let manager = settings.manager.clone();
        let resolution = Box::pin(async move { manager.resolve_checked(checked).await });
        let waiting = Box::new(Waiting { resolution, service, request, settings });
        Self { state: State::Resolving { waiting: Some(waiting) } }
    }
}

impl<F, Res, S, B, R> State<F, Res, S, B, R> {
    fn inner(settings: &Arc<Settings<R>>, future: F, unread: Option<Unread>) -> Self {
        let cookies = settings.manager.credentials().cookie.is_some().then(|| Arc::clone(settings));
        Self::Inner { future, cookies, unread }
    }
}

impl<S, B, R, ResBody> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    R: OnDenied<ResBody>,
    B: 'static,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProjection::Inner { future, cookies, unread } => {
                    let mut answer = ready!(future.poll(cx));
                    if let (Some(settings), Ok(response)) = (cookies, &mut answer) {
                        let accepted = settings.manager.credentials();
                        match settings.only {
                            Some(CredentialSource::Bearer) => cookie::withhold(accepted, response),
                            _ => cookie::settle(accepted, response),
                        }
                    }
                    match (answer, unread.take().and_then(Unread::returned)) {
                        (Ok(response), reading @ Some(_)) => {
                            state.set(State::Answered { response: Some(response), reading });
                        }
                        (answer, _) => return Poll::Ready(answer),
                    }
                }
                StateProjection::Answered { response, reading } => {
                    if let Some(reading) = reading {
                        ready!(reading.as_mut().poll(cx));
                    }
                    *reading = None;
                    // Polled again after it was ready, it stays pending.
                    return response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)));
                }
                StateProjection::Resolving { waiting } => {
                    let Some(pending) = waiting.as_mut() else {
                        return Poll::Pending;
                    };
                    let resolved = ready!(pending.resolution.as_mut().poll(cx));
                    let Some(pending) = waiting.take() else {
                        return Poll::Pending;
                    };
                    state.set(pending.proceed(resolved));
                }
            }
        }
    }
}

impl<S, B, R, ResBody> Waiting<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    R: OnDenied<ResBody>,
    B: 'static,
{
    fn proceed(mut self, resolved: Result<CurrentSession, Unresolved>) -> State<S::Future, Response<ResBody>, S, B, R> {
        let unread = match self.settings.settle(resolved, &mut self.request) {
            Verdict::Deny(denied) => {
                let request = &mut self.request;
                let response = self.settings.on_denied.response_to(&denied, request.uri(), request.headers());
                return State::Answered { response: Some(response), reading: Unread::refuse(request) };
            }
            Verdict::PassAnonymous => Unread::lend(&mut self.request),
            Verdict::Pass | Verdict::Resolve(_) => None,
        };
        State::inner(&self.settings, self.service.call(self.request), unread)
    }
}

/// A request's body that the inner service may drop unread.
pub(super) struct Unread(
    #[cfg(feature = "axum")] Loan<axum_core::body::Body>,
    #[cfg(not(feature = "axum"))] std::convert::Infallible,
);

#[cfg(feature = "axum")]
impl Unread {
    /// Has the body of a request come back.
    pub(super) fn lend<B: 'static>(request: &mut Request<B>) -> Option<Self> {
        unread::lend(request).map(Self)
    }

    /// Reads the body of a request that goes no further.
    pub(super) fn refuse<B: 'static>(request: &mut Request<B>) -> Option<Reading> {
        unread::read_refused(request)
    }

    fn returned(self) -> Option<Reading> {
        self.0.returned().map(unread::read)
    }
}

/// Without Axum there is no body whose type is known here.
#[cfg(not(feature = "axum"))]
impl Unread {
    pub(super) fn lend<B>(_: &mut Request<B>) -> Option<Self> {
        None
    }

    pub(super) fn refuse<B>(_: &mut Request<B>) -> Option<Reading> {
        None
    }

    fn returned(self) -> Option<Reading> {
        match self.0 {}
    }
}

impl<S, B, R> fmt::Debug for ResponseFuture<S, B, R>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
