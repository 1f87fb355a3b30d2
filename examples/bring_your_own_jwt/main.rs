//! An application that issues and verifies its own JWTs, and continues to do so. It gains sessions that can be listed
//! and ended.
//!
//! ```text
//! cargo run --example bring_your_own_jwt              # this crate asks the application's verifier
//! cargo run --example bring_your_own_jwt -- upstream  # the application's own middleware verifies, this crate goes on
//! ```
//!
//! Either way the application changes in two places: at sign-in it starts a session and puts the id into the token, and
//! it reports what a verified token names. Prefer the first way, unless the token is checked by something that cannot
//! be called: with it a token is verified once, not on every request.

#![allow(unreachable_pub, reason = "an example is nobody's library")]

mod tokens;

use std::{env, error::Error, net::SocketAddr};

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_device_sessions::{
    ClientInfo, CurrentSession, SessionLayer, SessionManager, SessionRoutes, clock::Timestamp, store::MemoryStore,
    token::VerifiedToken,
};

use crate::tokens::{Claims, Tokens};

#[derive(Clone, axum::extract::FromRef)]
struct App {
    tokens: Tokens,
    sessions: SessionManager,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = Tokens::new();
    let upstream = env::args().nth(1).is_some_and(|way| way == "upstream");

    let builder = SessionManager::builder(MemoryStore::new());
    let sessions = match upstream {
        true => builder.verified_upstream().build()?,
        false => builder.verifier(tokens.clone()).build()?,
    };
    let app = Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .nest("/api", SessionRoutes::new(&sessions).into_router())
        .layer(SessionLayer::new(&sessions))
        .with_state(App { tokens: tokens.clone(), sessions });
    let app = match upstream {
        true => app.layer(from_fn_with_state(tokens, verify)),
        false => app,
    };

    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("bring_your_own_jwt: listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

/// Signs in anyone who gives a name. An application checks more.
async fn login(State(app): State<App>, client: ClientInfo, Query(Login { user }): Query<Login>) -> Response {
    let session = match app.sessions.start(user.as_str(), client).without_token().await {
        Ok(session) => session,
        Err(error) => return error.into_response(),
    };
    let now = Timestamp::from_seconds(session.created_at.as_seconds());
    let claims =
        Claims { sub: user, session_id: session.id, iat: now.as_seconds(), exp: session.expires_at.as_seconds() };
    match app.tokens.issue(&claims) {
        Ok(token) => Json(json!({ "token": token })).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn me(session: CurrentSession) -> Json<Value> {
    Json(json!({ "user": session.user_id(), "sessionId": session.id(), "device": session.device().name() }))
}

/// The middleware that the application had before. The lines that insert a `VerifiedToken` are new.
async fn verify(State(tokens): State<Tokens>, headers: HeaderMap, mut request: Request, next: Next) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if let Some(token) = bearer {
        let Ok(claims) = tokens.verify(token) else {
            return StatusCode::UNAUTHORIZED.into_response();
        };
        let Ok(verified) = VerifiedToken::try_from(claims) else {
            return StatusCode::UNAUTHORIZED.into_response();
        };
        request.extensions_mut().insert(verified);
    }
    next.run(request).await
}
