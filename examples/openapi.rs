//! An application that serves the OpenAPI document of its routes, those of this crate among them.
//!
//! ```text
//! cargo run --example openapi --features openapi
//! curl localhost:3000/openapi.json
//! ```

use std::{env, error::Error, net::SocketAddr};

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::{get, post},
};
use serde::Deserialize;
use tower_device_sessions::{
    ClientInfo, KeyRing, SessionLayer, SessionManager, SessionRoutes, StartedSession, manager::RefreshPolicy,
    store::MemoryStore,
};
use utoipa::openapi::{Info, OpenApi, OpenApiBuilder};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // No token outlives this process: an application keeps its secret.
    let secret = format!("{}{}", Uuid::new_v4(), Uuid::new_v4());
    let sessions = SessionManager::builder(MemoryStore::new())
        .keys(KeyRing::hs256(secret)?)
        .refresh(RefreshPolicy::new())
        .build()?;

    let app = Router::new()
        .route("/openapi.json", get(async || Json(document())))
        .route("/login", post(login))
        .nest("/api", SessionRoutes::new(&sessions).into_router())
        .layer(SessionLayer::new(&sessions))
        .with_state(sessions);

    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("openapi: listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// The application's own document, with ours merged into it.
fn document() -> OpenApi {
    let own = OpenApiBuilder::new().info(Info::new("An application with sessions", "1")).build();
    own.merge_from(SessionRoutes::openapi("/api"))
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

/// Signs anybody in who says who they are. An application asks for more.
async fn login(
    State(sessions): State<SessionManager>,
    client: ClientInfo,
    Query(Login { user }): Query<Login>,
) -> Result<StartedSession, tower_device_sessions::Error> {
    sessions.start(user, client).await
}
