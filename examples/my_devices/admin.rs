//! The routes for administrators, behind a token. Without `ADMIN_TOKEN` there are none.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use tower_device_sessions::{AdminRoutes, SessionManager, routes::AdminName};

use crate::{problem, settings::text};

pub struct AdminToken(Arc<[u8]>);

impl AdminToken {
    pub fn from_env() -> Result<Option<Self>, String> {
        match text("ADMIN_TOKEN")? {
            Some(token) if token.len() < 32 => {
                Err(format!("ADMIN_TOKEN: {} bytes are too few, at least 32 are needed", token.len()))
            }
            token => Ok(token.map(|token| Self(token.into_bytes().into()))),
        }
    }

    /// Mount them beside the layer that reads sessions, not inside it: this token is none of a session.
    pub fn routes(&self, sessions: &SessionManager) -> Router {
        let expected = Arc::clone(&self.0);
        let guard = from_fn(move |request, next| guard(Arc::clone(&expected), request, next));
        AdminRoutes::new(sessions).into_router().layer(guard)
    }
}

async fn guard(expected: Arc<[u8]>, mut request: Request, next: Next) -> Response {
    let presented = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let presented = presented.and_then(|value| value.strip_prefix(b"Bearer ")).unwrap_or_default();
    // What is compared are hashes: how soon they differ tells nothing about the token.
    if Sha256::digest(presented) != Sha256::digest(&expected) {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"admin\"")];
        return (challenge, problem(StatusCode::UNAUTHORIZED, "not_an_administrator", "Not an administrator"))
            .into_response();
    }
    request.extensions_mut().insert(AdminName::new("the holder of ADMIN_TOKEN"));
    next.run(request).await
}
