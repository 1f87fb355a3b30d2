//! The middleware: a [`SessionLayer`] that finds the session of each request, for any `tower::Service` over HTTP.
//!
//! 1. The request's credential is read, where the application's [`Transport`](crate::credentials::Transport) has it. A
//!    request without one goes on, and is anonymous.
//! 2. The token is looked up in the cache. The common request needs no more: no future is boxed, nothing is awaited.
//! 3. Otherwise it is verified, and the session read, before the inner service is called.
//! 4. A credential that is left over (dead, empty, malformed, or another program's) keeps nobody out: clients attach what they
//!    have kept to the next sign-in and to public routes as well. The request goes on, and is anonymous. Whoever needs a session
//!    answers why there is none; [`Anonymous`] tells everybody else.
//! 5. Of several tokens the live one counts. Header and cookie that hold tokens of two live sessions, and two
//!    `Authorization` lines, are answered with 400. Cookies of live sessions of two users make an anonymous request, whose
//!    sign-in ends them; of one user the newest session counts.
//! 6. A request that changes something, and that our cookie authenticates, is answered with 403 when another site has caused
//!    it. When the store could not be asked the answer is 503. Such answers are those of [`OnDenied`], and the request never
//!    reaches the inner service.
//! 7. An accepted one carries a [`CurrentSession`](crate::CurrentSession) in its extensions.
//! 8. A response leaves with at most one `Set-Cookie` line of each of our cookies.
//!
//! [`EndStreamsLayer`] ends the bodies that outlive their session.
//!
//! The type of neither body changes by a [`SessionLayer`]. The layer works inside `axum::Router::layer` and `route_layer`, around a whole router,
//! and around a `tonic` server; [`RequireSessionLayer`] behind it turns anonymous requests away.

mod accept_hints;
mod client;
mod end_streams;
mod future;
mod layer;
mod peer;
mod recent;
mod rejection;
mod require;
mod service;
mod settings;

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
};
#[cfg(feature = "axum")]
pub(crate) use self::{
    client::client_info,
    peer::location,
    rejection::{Problem, missing_layer},
};

use crate::{
    credentials::CredentialSource,
    id::{SessionId, UserId},
    manager::SessionManager,
    policy::Denied,
};

/// Marks a request whose layer uses but one transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Only(
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "extractors ask for it"))] pub(crate) CredentialSource,
);

/// The live sessions of an anonymous request whose cookies name several: a sign-in ends them.
#[derive(Clone, Debug)]
pub(crate) struct Held(
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "extractors ask for it"))]
    pub(crate)  Vec<(UserId, SessionId)>,
);

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
