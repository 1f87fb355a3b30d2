//! The middleware: a [`SessionLayer`] that finds the session of each request, for any `tower::Service` over HTTP.
//!
//! 1. The request's credential is read, where the application's [`Transport`](crate::credentials::Transport) has it. A
//!    request without one goes on, and is anonymous. A malformed one, or two that disagree, are answered with 400.
//! 2. A request that changes something and has our cookie is answered with 403 when another site has caused it.
//! 3. The token is looked up in the cache. The common request needs no more: no future is boxed, nothing is awaited.
//! 4. Otherwise it is verified, and the session read, before the inner service is called.
//! 5. A request that is not accepted is answered by [`OnDenied`], and never reaches the inner service. A dead *cookie* is
//!    an exception: browsers attach it to the next sign-in and to public pages as well, so the request goes on, and is
//!    anonymous; whoever needs a session there answers why there is none. So does, with refresh tokens, a `POST` to a path
//!    that ends in `/refresh`, whose access token may well have expired.
//! 6. An accepted one carries a [`CurrentSession`](crate::CurrentSession) in its extensions.
//! 7. A response leaves with at most one `Set-Cookie` line of each of our cookies.
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

use crate::{credentials::CredentialSource, manager::SessionManager, policy::Denied};

/// Marks a request whose layer uses but one transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Only(
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "extractors ask for it"))] pub(crate) CredentialSource,
);

/// Marks a request that the layer has seen and that has no session.
#[derive(Clone, Debug)]
pub(crate) struct Anonymous {
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "extractors ask for it"))]
    pub(crate) manager: SessionManager,
    /// What is wrong with the credential it carries, if it does.
    pub(crate) denied: Option<Denied>,
}

impl Anonymous {
    /// Why the request has no session.
    pub(crate) fn denied(&self) -> Denied {
        self.denied.clone().unwrap_or(Denied::Missing)
    }
}
