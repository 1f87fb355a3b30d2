//! The service that the layer makes.

use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use crate::middleware::{OnDenied, ResponseFuture, future::Unread, judge::Verdict, settings::Settings};

/// The service of [`SessionLayer`](crate::SessionLayer).
pub struct SessionService<S, R> {
    inner: S,
    settings: Arc<Settings<R>>,
}

impl<S, R> SessionService<S, R> {
    pub(super) fn new(inner: S, settings: Arc<Settings<R>>) -> Self {
        Self { inner, settings }
    }
}

impl<S, R, B, ResBody> Service<Request<B>> for SessionService<S, R>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    R: OnDenied<ResBody>,
    B: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.settings.judge(&mut request) {
            Verdict::Pass => ResponseFuture::inner(&self.settings, self.inner.call(request), None),
            Verdict::PassAnonymous => {
                let unread = Unread::lend(&mut request);
                ResponseFuture::inner(&self.settings, self.inner.call(request), unread)
            }
            Verdict::Deny(denied) => {
                let response = self.settings.on_denied.response_to(&denied, request.uri(), request.headers());
                ResponseFuture::answered(response, Unread::refuse(&mut request))
            }
            Verdict::Resolve(checked) => {
                // The service that was polled ready is the one to call; its clone has to be polled first.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ResponseFuture::resolving(checked, ready, request, Arc::clone(&self.settings))
            }
        }
    }
}

impl<S: Clone, R> Clone for SessionService<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), settings: Arc::clone(&self.settings) }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for SessionService<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
