use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response};
use tower_service::Service;

use crate::{
    credentials::CredentialSource,
    event::SessionEvent,
    manager::{Checked, CurrentSession, Pending, SessionManager},
    middleware::{
        Anonymous, OnDenied, ResponseFuture,
        client::client_info,
        settings::{Enforcement, Settings},
    },
    policy::Denied,
    token::VerifiedToken,
    transport::{self, Credential, MalformedCredential},
};

/// The service that [`SessionLayer`](crate::SessionLayer) makes.
pub struct SessionService<S, R> {
    inner: S,
    manager: SessionManager,
    settings: Arc<Settings<R>>,
}

/// What is to be done with a request.
enum Verdict {
    Pass,
    Deny(Denied),
    Resolve(Pending),
}

impl<S, R> SessionService<S, R> {
    pub(super) fn new(inner: S, manager: SessionManager, settings: Arc<Settings<R>>) -> Self {
        Self { inner, manager, settings }
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
        match judge(&self.manager, &self.settings, &mut request) {
            Verdict::Pass => ResponseFuture::inner(&self.manager, self.inner.call(request)),
            Verdict::Deny(denied) => {
                ResponseFuture::answered(self.settings.on_denied.response(&denied, request.headers()))
            }
            Verdict::Resolve(pending) => {
                // The service that was polled ready is the one to call; its clone has to be polled first.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ResponseFuture::resolving(self.manager.clone(), pending, ready, request, Arc::clone(&self.settings))
            }
        }
    }
}

/// Reads the credential, asks the cache, and puts the session into the request if that is all there is to do.
fn judge<B, R>(manager: &SessionManager, settings: &Settings<R>, request: &mut Request<B>) -> Verdict {
    let checked = if manager.is_verified_upstream() {
        match request.extensions().get::<VerifiedToken>() {
            Some(verified) => manager.check_verified(verified),
            None => return pass_anonymous(manager, None, request),
        }
    } else {
        match transport::read(manager.credentials(), request.headers()) {
            Credential::Token { token, source } => {
                if source == CredentialSource::Cookie
                    && let Err(forged) = check_origin(manager, request)
                {
                    return refuse(manager, settings, forged, None, request);
                }
                manager.check(token, source)
            }
            Credential::Absent => return pass_anonymous(manager, None, request),
            Credential::Malformed(MalformedCredential::TooLarge(source)) => {
                return refuse(manager, settings, Denied::Invalid, Some(source), request);
            }
            Credential::Malformed(_) => {
                manager.tell(&SessionEvent::AmbiguousCredentials);
                return refuse(manager, settings, Denied::Malformed, None, request);
            }
        }
    };
    match checked {
        Checked::Accepted(current) => {
            admit(manager, settings, current, request);
            Verdict::Pass
        }
        Checked::Pending(pending) if manager.adopts() => {
            let client = client_info(manager, request.headers(), request.extensions());
            Verdict::Resolve(pending.sent_by(client))
        }
        Checked::Pending(pending) => Verdict::Resolve(pending),
    }
}

/// S72: whether the request's own origin has caused it, as far as a cookie's power depends on that.
fn check_origin<B>(manager: &SessionManager, request: &Request<B>) -> Result<(), Denied> {
    let Some(csrf) = &manager.credentials().csrf else {
        return Ok(());
    };
    let checked = csrf.check(CredentialSource::Cookie, request.method(), request.uri(), request.headers());
    checked.map_err(|why| {
        manager.tell(&SessionEvent::CsrfDenied { why });
        Denied::Forged(why)
    })
}

/// What becomes of a request that is not accepted. `dead` is where its token stood, if that is all that is wrong.
fn refuse<B, R>(
    manager: &SessionManager,
    settings: &Settings<R>,
    denied: Denied,
    dead: Option<CredentialSource>,
    request: &mut Request<B>,
) -> Verdict {
    // A browser attaches a dead cookie by itself, and only we can take it away: it must be able to sign in again, and to
    // see what everybody sees. Whoever needs a session says why there is none.
    let harmless = matches!(denied, Denied::Invalid | Denied::TokenExpired | Denied::Ended(_));
    let goes_on = match dead {
        Some(_) if !harmless => false,
        Some(CredentialSource::Cookie) => true,
        Some(_) => is_refresh(manager, request),
        None => false,
    };
    if goes_on {
        return pass_anonymous(manager, Some(denied), request);
    }
    if settings.enforcement == Enforcement::Reported {
        manager.tell(&SessionEvent::WouldDeny { denied: denied.clone() });
        return pass_anonymous(manager, Some(denied), request);
    }
    Verdict::Deny(denied)
}

/// The access token of a request for new tokens may well have expired, and is of no interest there.
fn is_refresh<B>(manager: &SessionManager, request: &Request<B>) -> bool {
    manager.refreshes() && *request.method() == Method::POST && request.uri().path().ends_with("/refresh")
}

fn pass_anonymous<B>(manager: &SessionManager, denied: Option<Denied>, request: &mut Request<B>) -> Verdict {
    request.extensions_mut().insert(Anonymous { manager: manager.clone(), denied });
    Verdict::Pass
}

/// Records the activity, and hands the session to the inner service.
fn admit<B, R>(manager: &SessionManager, settings: &Settings<R>, current: CurrentSession, request: &mut Request<B>) {
    manager.touch(&current, || {
        let is_activity = !settings.is_passive(request.uri());
        is_activity.then(|| client_info(manager, request.headers(), request.extensions()))
    });
    request.extensions_mut().insert(current);
}

/// What is to be done with a request once its session has been asked for; the answer, if there is nothing left to do.
pub(super) fn settle<B, R>(
    manager: &SessionManager,
    settings: &Settings<R>,
    resolved: Result<CurrentSession, Denied>,
    source: CredentialSource,
    request: &mut Request<B>,
) -> Option<Denied> {
    let verdict = match resolved {
        Ok(current) => {
            admit(manager, settings, current, request);
            Verdict::Pass
        }
        Err(denied) => refuse(manager, settings, denied, Some(source), request),
    };
    match verdict {
        Verdict::Deny(denied) => Some(denied),
        Verdict::Pass | Verdict::Resolve(_) => None,
    }
}

impl<S: Clone, R> Clone for SessionService<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), manager: self.manager.clone(), settings: Arc::clone(&self.settings) }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for SessionService<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
