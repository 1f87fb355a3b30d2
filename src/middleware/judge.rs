//! What is to be done with a request: the rules of the [module](crate::middleware), as far as a layer decides them.

use http::Request;

use crate::{
    credentials::CredentialSource,
    denied::Outcome,
    event::SessionEvent,
    manager::{Checked, CurrentSession, Unresolved},
    middleware::{
        Anonymous, Held, Only,
        client::client_info,
        settings::{Enforcement, Settings},
    },
    policy::{CsrfDenied, Denied},
    token::VerifiedToken,
    transport::{self, Credential, MalformedCredential},
};

/// What is to be done with a request.
pub(super) enum Verdict {
    /// It has a session.
    Pass,
    /// It goes on without one.
    PassAnonymous,
    Deny(Denied),
    Resolve(Checked),
}

impl<R> Settings<R> {
    /// Reads the credential, asks the cache, and puts the session into the request if that is all there is to do.
    pub(super) fn judge<B>(&self, request: &mut Request<B>) -> Verdict {
        match self.only {
            Some(source) => self.put(request.extensions_mut(), Only(source)),
            None => drop(request.extensions_mut().remove::<Only>()),
        }
        let manager = &self.manager;
        let checked = if manager.is_verified_upstream() {
            match request.extensions().get::<VerifiedToken>() {
                Some(verified) => manager.check_verified(verified),
                None => return self.pass_anonymous(None, request),
            }
        } else if let Some(current) = self.known(request) {
            self.admit(current, request);
            return Verdict::Pass;
        } else {
            match transport::read(manager.credentials(), self.only, request.headers()) {
                Credential::Token { token, source } => manager.check(token, source),
                Credential::Several(tokens) => manager.check_several(&tokens),
                Credential::Absent => return self.pass_anonymous(None, request),
                Credential::Malformed(malformed) => return self.judge_malformed(malformed, request),
            }
        };
        match checked {
            Checked::Accepted(current) => self.accept(current, request),
            unresolved if manager.adopts() => {
                let client = client_info(manager, request.headers(), request.extensions());
                Verdict::Resolve(unresolved.sent_by(&client))
            }
            unresolved => Verdict::Resolve(unresolved),
        }
    }

    /// What is to be done with a request once its session has been asked for. Nothing is left to be resolved.
    pub(super) fn settle<B>(&self, resolved: Result<CurrentSession, Unresolved>, request: &mut Request<B>) -> Verdict {
        match resolved {
            Ok(current) => self.accept(current, request),
            Err(Unresolved::Denied(denied)) => self.refuse(denied, request),
            Err(Unresolved::Ambiguous(sessions)) => {
                self.put(request.extensions_mut(), Held { manager: self.manager.clone(), sessions });
                self.pass_malformed(request)
            }
        }
    }

    /// The session of the common request: its token equals, byte by byte, one that was accepted before.
    fn known<B>(&self, request: &Request<B>) -> Option<CurrentSession> {
        let (token, source) = transport::candidate(self.manager.credentials(), self.only, request.headers())?;
        let current = self.manager.known(token, source)?;
        // The full check tells what is wrong with a forged request.
        (source != CredentialSource::Cookie || self.check_origin(request).is_ok()).then_some(current)
    }

    /// Judges a request that carries no token, but something in its place.
    fn judge_malformed<B>(&self, malformed: MalformedCredential, request: &mut Request<B>) -> Verdict {
        match malformed {
            // It may be another program's.
            MalformedCredential::TooLarge(_) | MalformedCredential::BadSyntax(CredentialSource::Cookie) => {
                self.refuse(Denied::Invalid, request)
            }
            MalformedCredential::BadSyntax(_) => self.pass_malformed(request),
            MalformedCredential::SeveralCredentials | MalformedCredential::AmbiguousCookie => {
                self.manager.tell(&SessionEvent::AmbiguousCredentials);
                self.refuse(Denied::Malformed, request)
            }
        }
    }

    /// Admits a request, unless it is authenticated by a cookie and another site has caused it.
    fn accept<B>(&self, current: CurrentSession, request: &mut Request<B>) -> Verdict {
        if current.credential_source() == CredentialSource::Cookie
            && let Err(why) = self.check_origin(request)
        {
            self.manager.tell(&SessionEvent::CsrfDenied { why });
            return self.refuse(Denied::Forged(why), request);
        }
        self.admit(current, request);
        Verdict::Pass
    }

    /// S72: whether the request's own origin has caused it, as far as a cookie's power depends on that.
    fn check_origin<B>(&self, request: &Request<B>) -> Result<(), CsrfDenied> {
        let Some(csrf) = &self.manager.credentials().csrf else {
            return Ok(());
        };
        csrf.check(CredentialSource::Cookie, request.method(), request.uri(), request.headers())
    }

    /// Records the activity, and hands the session to the inner service.
    fn admit<B>(&self, current: CurrentSession, request: &mut Request<B>) {
        self.manager.metrics().request(Outcome::Accepted);
        self.manager.admit(&current, || {
            let is_activity = !self.is_passive(request.uri());
            is_activity.then(|| client_info(&self.manager, request.headers(), request.extensions()))
        });
        self.put_in_place_of::<Anonymous, _>(request.extensions_mut(), current);
    }

    /// What becomes of a request that is not accepted.
    fn refuse<B>(&self, denied: Denied, request: &mut Request<B>) -> Verdict {
        self.tell_would_deny(&denied);
        // Clients attach what they have kept to every request. They must be able to sign in again, and to see public
        // routes. A handler that needs a session responds with the reason why there is none.
        let is_left_over =
            matches!(denied, Denied::Invalid | Denied::TokenExpired | Denied::IssuedInFuture | Denied::Ended(_));
        if is_left_over || self.enforcement == Enforcement::Reported {
            return self.pass_anonymous(Some(denied), request);
        }
        self.manager.metrics().request(denied.profile().outcome);
        Verdict::Deny(denied)
    }

    /// Lets a request with an unreadable credential pass as anonymous. A handler that needs a session responds
    /// with 400.
    fn pass_malformed<B>(&self, request: &mut Request<B>) -> Verdict {
        self.manager.tell(&SessionEvent::AmbiguousCredentials);
        self.tell_would_deny(&Denied::Malformed);
        self.pass_anonymous(Some(Denied::Malformed), request)
    }

    fn pass_anonymous<B>(&self, denied: Option<Denied>, request: &mut Request<B>) -> Verdict {
        let outcome = denied.as_ref().map_or(Outcome::Anonymous, |denied| denied.profile().outcome);
        self.manager.metrics().request(outcome);
        let anonymous = Anonymous { manager: self.manager.clone(), denied };
        self.put_in_place_of::<CurrentSession, _>(request.extensions_mut(), anonymous);
        Verdict::PassAnonymous
    }
}
