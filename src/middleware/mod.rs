//! The middleware: a [`SessionLayer`] that finds the session of each request, for any `tower::Service` over HTTP.
//!
//! 1. The request's credential is read. A request without one goes on, and is anonymous. A malformed one is answered.
//! 2. The token is looked up in the cache. The common request needs no more: no future is boxed, nothing is awaited.
//! 3. Otherwise it is verified, and the session read, before the inner service is called.
//! 4. A request that is not accepted is answered by [`OnDenied`], and never reaches the inner service.
//! 5. An accepted one carries a [`CurrentSession`](crate::CurrentSession) in its extensions.
//!
//! [`EndStreamsLayer`] ends the bodies that outlive their session.
//!
//! The type of neither body changes by a [`SessionLayer`]. The layer works inside `axum::Router::layer` and `route_layer`, around a whole router,
//! and around a `tonic` server; [`RequireSessionLayer`] behind it turns anonymous requests away.

mod end_streams;
mod future;
mod layer;
mod peer;
mod rejection;
mod require;
mod service;

pub use self::{
    end_streams::{EndStreamsBody, EndStreamsFuture, EndStreamsLayer, EndStreamsService, LastEvent},
    future::ResponseFuture,
    layer::SessionLayer,
    peer::PeerAddress,
    rejection::{DefaultOnDenied, OnDenied},
    require::{RequireSessionLayer, RequireSessionService},
    service::SessionService,
};
#[cfg(feature = "axum")]
pub(crate) use self::{
    peer::{client_ip, location},
    rejection::{Problem, missing_layer},
};

use crate::manager::SessionManager;

/// Marks a request that the layer has seen and that carries no credential.
#[derive(Clone, Debug)]
pub(crate) struct Anonymous {
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "extractors ask for it"))]
    pub(crate) manager: SessionManager,
}
