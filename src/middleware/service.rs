use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use crate::{
    event::SessionEvent,
    manager::{Checked, CurrentSession, Pending, SessionManager},
    middleware::{Anonymous, OnDenied, ResponseFuture, peer::client_ip},
    policy::Denied,
    token::VerifiedToken,
    transport::{Credential, MalformedCredential, Transport},
};

/// The service that [`SessionLayer`](crate::SessionLayer) makes.
pub struct SessionService<S, R> {
    inner: S,
    manager: SessionManager,
    on_denied: Arc<R>,
}

/// What is to be done with a request.
enum Verdict {
    Pass,
    Deny(Denied),
    Resolve(Pending),
}

impl<S, R> SessionService<S, R> {
    pub(super) fn new(inner: S, manager: SessionManager, on_denied: Arc<R>) -> Self {
        Self { inner, manager, on_denied }
    }
}

impl<S, R, B, ResBody> Service<Request<B>> for SessionService<S, R>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    R: OnDenied<ResBody>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match judge(&self.manager, &mut request) {
            Verdict::Pass => ResponseFuture::inner(self.inner.call(request)),
            Verdict::Deny(denied) => ResponseFuture::answered(self.on_denied.response(&denied, request.headers())),
            Verdict::Resolve(pending) => {
                // The service that was polled ready is the one to call; its clone has to be polled first.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ResponseFuture::resolving(self.manager.clone(), pending, ready, request, Arc::clone(&self.on_denied))
            }
        }
    }
}

/// Reads the credential, asks the cache, and puts the session into the request if that is all there is to do.
fn judge<B>(manager: &SessionManager, request: &mut Request<B>) -> Verdict {
    let checked = if manager.is_verified_upstream() {
        match request.extensions().get::<VerifiedToken>() {
            Some(verified) => manager.check_verified(verified),
            None => return pass_anonymous(manager, request),
        }
    } else if let Some(current) = known(manager, request) {
        Checked::Accepted(current)
    } else {
        match Transport::Bearer.read(request.headers()) {
            Credential::Token { token, .. } => manager.check(token),
            Credential::Absent => return pass_anonymous(manager, request),
            Credential::Malformed(MalformedCredential::TooLarge(_)) => return Verdict::Deny(Denied::Invalid),
            Credential::Malformed(_) => {
                manager.tell(&SessionEvent::AmbiguousCredentials);
                return Verdict::Deny(Denied::Malformed);
            }
        }
    };
    match checked {
        Checked::Accepted(current) => {
            admit(manager, current, request);
            Verdict::Pass
        }
        Checked::Pending(pending) => Verdict::Resolve(pending),
    }
}

/// The session of the common request: its token equals, byte by byte, one that was judged before.
fn known<B>(manager: &SessionManager, request: &Request<B>) -> Option<CurrentSession> {
    manager.known(Transport::Bearer.candidate(request.headers())?)
}

fn pass_anonymous<B>(manager: &SessionManager, request: &mut Request<B>) -> Verdict {
    request.extensions_mut().insert(Anonymous { manager: manager.clone() });
    Verdict::Pass
}

/// Records the activity, and hands the session to the inner service.
pub(super) fn admit<B>(manager: &SessionManager, current: CurrentSession, request: &mut Request<B>) {
    manager.admit(&current, || client_ip(manager, request.headers(), request.extensions()));
    request.extensions_mut().insert(current);
}

impl<S: Clone, R> Clone for SessionService<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), manager: self.manager.clone(), on_denied: Arc::clone(&self.on_denied) }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for SessionService<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
