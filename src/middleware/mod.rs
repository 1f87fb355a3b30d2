//! The middleware: a [`SessionLayer`] that finds the session of each request, for any `tower::Service` over HTTP.
//!
//! 1. The request's credential is read where the application's [`Transport`](crate::credentials::Transport) puts it. A
//!    request without one goes on as anonymous.
//! 2. A request that is authenticated by our cookie, and changes something or opens a WebSocket or an event stream, is
//!    rejected with 403 when another site has caused it, by the
//!    [rules](crate::credentials#requests-that-other-sites-cause) in `credentials`.
//! 3. The token is looked up in the cache. That is all for the common request: no future is boxed, nothing is awaited.
//! 4. Otherwise it is verified, and the session read, before the inner service is called.
//! 5. A leftover credential (dead, empty, malformed, or another program's) keeps nobody out, because clients also
//!    attach it to the next sign-in and to public routes. The request goes on as anonymous. A handler or layer that
//!    needs a session responds with the reason why there is none; [`Anonymous`] tells it to all others.
//! 6. Of several tokens the live one counts. Header and cookie with tokens of two live sessions, and two
//!    `Authorization` lines, are rejected with 400. Cookies with live sessions of two users make an anonymous request,
//!    and a sign-in ends both sessions; of one user the newest session counts.
//! 7. When the store could not be asked, the response is 503. All these responses come from [`OnDenied`], and the
//!    request never reaches the inner service.
//! 8. An accepted request carries a [`CurrentSession`](crate::CurrentSession) in its extensions. Any other carries
//!    none, not even that of another layer around this one: the innermost layer decides, even if it is one of another
//!    manager.
//! 9. A response leaves with at most one `Set-Cookie` line of each of our cookies.
//! 10. Over HTTP/1, a bounded part of an unread body is read before a request without a session is responded to, so
//!     that the response arrives: bodies of Axum by the layer itself, others by a [`DrainRequestLayer`].
//!
//! [`EndStreamsLayer`] ends the bodies that outlive their session.
//!
//! A [`SessionLayer`] changes the type of neither body. The layer works inside `axum::Router::layer` and `route_layer`,
//! around a whole router, and around a `tonic` server; [`RequireSessionLayer`] inside of it rejects anonymous requests.

mod accept_hints;
mod client;
mod end_streams;
mod future;
mod isolation;
mod judge;
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
#[cfg(feature = "axum")]
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
/// A layer replaces the verdict of another one around it, so a request never carries more than one.
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
    /// What is wrong with the credential it carries, if it carries one.
    pub(crate) denied: Option<Denied>,
}

impl Anonymous {
    /// Returns why the request has no session: [`Denied::Missing`] when it carried no credential.
    pub fn denied(&self) -> Denied {
        self.denied.clone().unwrap_or(Denied::Missing)
    }
}
