//! The public keys as a JWK set.

use std::fmt;

use axum::{Router, extract::State, response::IntoResponse, routing};
use http::header;

use crate::token::KeyRing;

/// `GET /.well-known/jwks.json`: the public keys that verify access tokens, for other services.
///
/// It follows the ring: an added key is there with the next request, a retired one is gone. A ring of secrets has no
/// public keys, and the set is empty.
///
/// # Examples
///
/// ```
/// use axum::Router;
/// use tower_device_sessions::{KeyRing, routes::JwksRoute};
///
/// fn app(keys: &KeyRing) -> Router {
///     Router::new().merge(JwksRoute::new(keys).into_router())
/// }
/// ```
#[derive(Clone)]
#[must_use]
pub struct JwksRoute {
    keys: KeyRing,
}

impl JwksRoute {
    /// The public keys of this ring.
    pub fn new(keys: &KeyRing) -> Self {
        Self { keys: keys.clone() }
    }

    /// The router, to be merged at the root of an application of any state.
    pub fn into_router<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        Router::new().route("/.well-known/jwks.json", routing::get(jwks)).with_state(self)
    }
}

/// A minute is short enough for a leaked key, and for a new key to be known before the first node signs with it.
async fn jwks(State(route): State<JwksRoute>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "public, max-age=60")];
    (headers, route.keys.jwks().to_string())
}

impl fmt::Debug for JwksRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksRoute").field("keys", &self.keys).finish()
    }
}
