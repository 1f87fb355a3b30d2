use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    credentials::CredentialSource,
    manager::{Checked, CurrentSession, Unresolved},
    middleware::{OnDenied, service::settle, settings::Settings},
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
        Inner { #[pin] future: F, cookies: Option<Arc<Settings<R>>> },
        /// The request was denied at once.
        Answered { response: Option<Res> },
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
    pub(super) fn inner(settings: &Arc<Settings<R>>, future: S::Future) -> Self {
        Self { state: State::inner(settings, future) }
    }

    pub(super) fn answered(response: S::Response) -> Self {
        Self { state: State::Answered { response: Some(response) } }
    }

    pub(super) fn resolving(checked: Checked, service: S, request: Request<B>, settings: Arc<Settings<R>>) -> Self {
        let manager = settings.manager.clone();
        let resolution = Box::pin(async move { manager.resolve_checked(checked).await });
        let waiting = Box::new(Waiting { resolution, service, request, settings });
        Self { state: State::Resolving { waiting: Some(waiting) } }
    }
}

impl<F, Res, S, B, R> State<F, Res, S, B, R> {
    fn inner(settings: &Arc<Settings<R>>, future: F) -> Self {
        let cookies = settings.manager.credentials().cookie.is_some().then(|| Arc::clone(settings));
        Self::Inner { future, cookies }
    }
}

impl<S, B, R, ResBody> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    R: OnDenied<ResBody>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProjection::Inner { future, cookies } => {
                    let mut answer = ready!(future.poll(cx));
                    if let (Some(settings), Ok(response)) = (cookies, &mut answer) {
                        let accepted = settings.manager.credentials();
                        match settings.only {
                            Some(CredentialSource::Bearer) => cookie::withhold(accepted, response),
                            _ => cookie::settle(accepted, response),
                        }
                    }
                    return Poll::Ready(answer);
                }
                StateProjection::Answered { response } => {
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
{
    fn proceed(mut self, resolved: Result<CurrentSession, Unresolved>) -> State<S::Future, Response<ResBody>, S, B, R> {
        match settle(&self.settings.manager, &self.settings, resolved, &mut self.request) {
            None => State::inner(&self.settings, self.service.call(self.request)),
            Some(denied) => {
                let response = self.settings.on_denied.response(&denied, self.request.headers());
                State::Answered { response: Some(response) }
            }
        }
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
