//! The session service: finds the session of each request, and decides.

use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use crate::{
    credentials::CredentialSource,
    event::SessionEvent,
    manager::{Checked, CurrentSession, SessionManager, Unresolved},
    metrics::Outcome,
    middleware::{
        Anonymous, Held, OnDenied, Only, ResponseFuture,
        client::client_info,
        future::Unread,
        settings::{Enforcement, Settings},
    },
    policy::{CsrfDenied, Denied},
    token::VerifiedToken,
    transport::{self, Credential, MalformedCredential},
};

/// The service of [`SessionLayer`](crate::SessionLayer).
pub struct SessionService<S, R> {
    inner: S,
    settings: Arc<Settings<R>>,
}

/// What is to be done with a request.
pub(super) enum Verdict {
    /// It has a session.
    Pass,
    /// It goes on without one.
    PassAnonymous,
    Deny(Denied),
    Resolve(Checked),
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
        match judge(&self.settings.manager, &self.settings, &mut request) {
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

/// Reads the credential, asks the cache, and puts the session into the request if that is all there is to do.
fn judge<B, R>(manager: &SessionManager, settings: &Settings<R>, request: &mut Request<B>) -> Verdict {
    match settings.only {
        Some(source) => settings.put(request.extensions_mut(), Only(source)),
        None => drop(request.extensions_mut().remove::<Only>()),
    }
    let checked = if manager.is_verified_upstream() {
        match request.extensions().get::<VerifiedToken>() {
            Some(verified) => manager.check_verified(verified),
            None => return pass_anonymous(manager, settings, None, request),
        }
    } else if let Some(current) = known(manager, settings.only, request) {
        admit(manager, settings, current, request);
        return Verdict::Pass;
    } else {
        match transport::read(manager.credentials(), settings.only, request.headers()) {
            Credential::Token { token, source } => manager.check(token, source),
            Credential::Several(tokens) => manager.check_several(&tokens),
            Credential::Absent => return pass_anonymous(manager, settings, None, request),
            Credential::Malformed(malformed) => return judge_malformed(manager, settings, malformed, request),
        }
    };
    match checked {
        Checked::Accepted(current) => accept(manager, settings, current, request),
        unresolved if manager.adopts() => {
            let client = client_info(manager, request.headers(), request.extensions());
            Verdict::Resolve(unresolved.sent_by(&client))
        }
        unresolved => Verdict::Resolve(unresolved),
    }
}

/// Judges a request that carries no token, but something in its place.
fn judge_malformed<B, R>(
    manager: &SessionManager,
    settings: &Settings<R>,
    malformed: MalformedCredential,
    request: &mut Request<B>,
) -> Verdict {
    match malformed {
        // It may be another program's.
        MalformedCredential::TooLarge(_) | MalformedCredential::BadSyntax(CredentialSource::Cookie) => {
            refuse(manager, settings, Denied::Invalid, request)
        }
        MalformedCredential::BadSyntax(_) => pass_malformed(manager, settings, request),
        MalformedCredential::SeveralCredentials | MalformedCredential::AmbiguousCookie => {
            manager.tell(&SessionEvent::AmbiguousCredentials);
            refuse(manager, settings, Denied::Malformed, request)
        }
    }
}

/// The session of the common request: its token equals, byte by byte, one that was accepted before.
fn known<B>(manager: &SessionManager, only: Option<CredentialSource>, request: &Request<B>) -> Option<CurrentSession> {
    let (token, source) = transport::candidate(manager.credentials(), only, request.headers())?;
    let current = manager.known(token, source)?;
    // The full check tells what is wrong with a forged request.
    (source != CredentialSource::Cookie || origin(manager, request).is_ok()).then_some(current)
}

/// S72: whether the request's own origin has caused it, as far as a cookie's power depends on that.
fn origin<B>(manager: &SessionManager, request: &Request<B>) -> Result<(), CsrfDenied> {
    let Some(csrf) = &manager.credentials().csrf else {
        return Ok(());
    };
    csrf.check(CredentialSource::Cookie, request.method(), request.uri(), request.headers())
}

fn check_origin<B>(manager: &SessionManager, request: &Request<B>) -> Result<(), Denied> {
    origin(manager, request).map_err(|why| {
        manager.tell(&SessionEvent::CsrfDenied { why });
        Denied::Forged(why)
    })
}

/// What becomes of a request that is not accepted.
fn refuse<B, R>(manager: &SessionManager, settings: &Settings<R>, denied: Denied, request: &mut Request<B>) -> Verdict {
    settings.tell_would_deny(&denied);
    // Clients attach what they have kept to every request. They must be able to sign in again, and to see public
    // routes. A handler that needs a session responds with the reason why there is none.
    let is_left_over =
        matches!(denied, Denied::Invalid | Denied::TokenExpired | Denied::IssuedInFuture | Denied::Ended(_));
    if is_left_over || settings.enforcement == Enforcement::Reported {
        return pass_anonymous(manager, settings, Some(denied), request);
    }
    manager.metrics().request(Outcome::from(&denied));
    Verdict::Deny(denied)
}

fn pass_anonymous<B, R>(
    manager: &SessionManager,
    settings: &Settings<R>,
    denied: Option<Denied>,
    request: &mut Request<B>,
) -> Verdict {
    manager.metrics().request(denied.as_ref().map_or(Outcome::Anonymous, Outcome::from));
    let anonymous = Anonymous { manager: manager.clone(), denied };
    settings.put_in_place_of::<CurrentSession, _>(request.extensions_mut(), anonymous);
    Verdict::PassAnonymous
}

/// Admits a request, unless it is authenticated by a cookie and another site has caused it.
fn accept<B, R>(
    manager: &SessionManager,
    settings: &Settings<R>,
    current: CurrentSession,
    request: &mut Request<B>,
) -> Verdict {
    if current.credential_source() == CredentialSource::Cookie
        && let Err(forged) = check_origin(manager, request)
    {
        return refuse(manager, settings, forged, request);
    }
    admit(manager, settings, current, request);
    Verdict::Pass
}

/// Lets a request with an unreadable credential pass as anonymous. A handler that needs a session responds with 400.
fn pass_malformed<B, R>(manager: &SessionManager, settings: &Settings<R>, request: &mut Request<B>) -> Verdict {
    manager.tell(&SessionEvent::AmbiguousCredentials);
    settings.tell_would_deny(&Denied::Malformed);
    pass_anonymous(manager, settings, Some(Denied::Malformed), request)
}

/// Records the activity, and hands the session to the inner service.
fn admit<B, R>(manager: &SessionManager, settings: &Settings<R>, current: CurrentSession, request: &mut Request<B>) {
    manager.metrics().request(Outcome::Accepted);
    manager.admit(&current, || {
        let is_activity = !settings.is_passive(request.uri());
        is_activity.then(|| client_info(manager, request.headers(), request.extensions()))
    });
    settings.put_in_place_of::<Anonymous, _>(request.extensions_mut(), current);
}

/// What is to be done with a request once its session has been asked for. Nothing is left to be resolved.
pub(super) fn settle<B, R>(
    manager: &SessionManager,
    settings: &Settings<R>,
    resolved: Result<CurrentSession, Unresolved>,
    request: &mut Request<B>,
) -> Verdict {
    match resolved {
        Ok(current) => accept(manager, settings, current, request),
        Err(Unresolved::Denied(denied)) => refuse(manager, settings, denied, request),
        Err(Unresolved::Ambiguous(held)) => {
            settings.put(request.extensions_mut(), Held { manager: manager.clone(), sessions: held });
            pass_malformed(manager, settings, request)
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
