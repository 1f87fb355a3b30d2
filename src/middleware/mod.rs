//! The middleware: a [`SessionLayer`] that finds the session of each request, for any `tower::Service` over HTTP.
//!
//! 1. The request's credential is read, where the application's [`Transport`](crate::credentials::Transport) has it. A
//!    request without one goes on, and is anonymous.
//! 2. A request that changes something, or opens a WebSocket or an event stream, and that our cookie authenticates, is answered
//!    with 403 when another site has caused it, by the [rules](crate::credentials#requests-that-other-sites-cause) in `credentials`.
//! 3. The token is looked up in the cache. The common request needs no more: no future is boxed, nothing is awaited.
//! 4. Otherwise it is verified, and the session read, before the inner service is called.
//! 5. A credential that is left over (dead, empty, malformed, or another program's) keeps nobody out: clients attach what they
//!    have kept to the next sign-in and to public routes as well. The request goes on, and is anonymous. Whoever needs a session
//!    answers why there is none; [`Anonymous`] tells everybody else.
//! 6. Of several tokens the live one counts. Header and cookie that hold tokens of two live sessions, and two
//!    `Authorization` lines, are answered with 400. Cookies of live sessions of two users make an anonymous request, whose
//!    sign-in ends them; of one user the newest session counts.
//! 7. When the store could not be asked the answer is 503. Such answers are those of [`OnDenied`], and the request never
//!    reaches the inner service.
//! 8. An accepted one carries a [`CurrentSession`](crate::CurrentSession) in its extensions; any other carries none, not even
//!    that of another layer around this one. So the innermost layer decides, whichever manager it asks.
//! 9. A response leaves with at most one `Set-Cookie` line of each of our cookies.
//! 10. Of a request without a session whose body nobody has read, a bounded part is read before it is answered over HTTP/1, so
//!     that the answer arrives: bodies of Axum by the layer itself, others by a [`DrainRequestLayer`].
//!
//! [`EndStreamsLayer`] ends the bodies that outlive their session.
//!
//! The type of neither body changes by a [`SessionLayer`]. The layer works inside `axum::Router::layer` and `route_layer`, around a whole router,
//! and around a `tonic` server; [`RequireSessionLayer`] behind it turns anonymous requests away.

mod accept_hints;
mod client;
mod end_streams;
mod future;
mod isolation;
mod layer;
mod media_type;
mod peer;
mod recent;
mod rejection;
mod require;
mod service;
mod settings;
#[cfg(feature = "testing")]
mod signed_in;
mod unread;

#[cfg(feature = "axum")]
#[cfg(feature = "axum")]
pub(crate) use self::client::device_proof;
pub use self::{
    accept_hints::{AcceptClientHintsFuture, AcceptClientHintsLayer, AcceptClientHintsService},
    end_streams::{EndStreamsBody, EndStreamsFuture, EndStreamsLayer, EndStreamsService, LastEvent},
    future::ResponseFuture,
    layer::SessionLayer,
    peer::PeerAddress,
    recent::{RequireRecentAuthLayer, RequireRecentAuthService},
    rejection::{DefaultOnDenied, OnDenied},
    require::{RequireSessionLayer, RequireSessionService},
    service::SessionService,
    unread::{DrainRequestFuture, DrainRequestLayer, DrainRequestService, LentBody},
};
pub(crate) use self::{
    isolation::isolate,
    rejection::{Problem, missing_layer},
};

use http::Extensions;

use crate::{
    credentials::CredentialSource,
    id::{SessionId, UserId},
    manager::{CurrentSession, SessionManager},
    policy::Denied,
};

/// What the innermost layer has found out about a request.
///
/// A layer replaces what another one around it has put there, so that a request never carries more than one verdict.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'a> {
    Session(&'a CurrentSession),
    Anonymous(&'a Anonymous),
}

impl<'a> Seen<'a> {
    /// The verdict on a request; `None` where no layer has seen it.
    pub(crate) fn of(extensions: &'a Extensions) -> Option<Self> {
        match extensions.get() {
            Some(current) => Some(Self::Session(current)),
            None => extensions.get().map(Self::Anonymous),
        }
    }

    /// The verdict of this manager's layer. That of another manager's says nothing about its sessions.
    #[cfg(feature = "axum")]
    pub(crate) fn by(manager: &SessionManager, extensions: &'a Extensions) -> Option<Self> {
        Self::of(extensions).filter(|seen| match seen {
            Self::Session(current) => current.is_of(manager),
            Self::Anonymous(anonymous) => anonymous.manager.is(manager),
        })
    }
}

/// Marks a request whose layer uses but one transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Only(pub(crate) CredentialSource);

/// The live sessions of an anonymous request whose cookies name several: a sign-in ends them.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// The manager whose sessions they are.
    pub(crate) manager: SessionManager,
    pub(crate) sessions: Vec<(UserId, SessionId)>,
}

/// Marks a request that a [`SessionLayer`] has seen and that has no session. It is found in the request's extensions.
///
/// In Axum handlers `Result<CurrentSession, SessionRejection>` tells the same.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{CurrentSession, middleware::Anonymous, policy::Denied};
///
/// /// Why a call has no session, or `None` when it has one.
/// fn why_not(extensions: &http::Extensions) -> Option<Denied> {
///     match extensions.get::<CurrentSession>() {
///         Some(_) => None,
///         None => extensions.get::<Anonymous>().map(Anonymous::denied),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Anonymous {
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "extractors ask for it"))]
    pub(crate) manager: SessionManager,
    /// What is wrong with the credential it carries, if it does.
    pub(crate) denied: Option<Denied>,
}

impl Anonymous {
    /// Why the request has no session: [`Denied::Missing`] when it carried no credential.
    pub fn denied(&self) -> Denied {
        self.denied.clone().unwrap_or(Denied::Missing)
    }
}
