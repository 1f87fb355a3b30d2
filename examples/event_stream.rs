//! Server-sent events that end with the session and say why.
//!
//! ```text
//! cargo run --example event_stream
//! curl -X POST 'localhost:3000/login?user=ann'
//! curl -N -H 'Authorization: Bearer …' localhost:3000/events
//! curl -X POST -H 'Authorization: Bearer …' localhost:3000/api/logout
//! ```

use std::{convert::Infallible, env, error::Error, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{Query, State},
    response::{
        IntoResponse, Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use futures_util::{Stream, stream};
use serde::Deserialize;
use tower_device_sessions::{
    ClientInfo, CurrentSession, KeyRing, SessionLayer, SessionManager, SessionRoutes, StartedSession,
    middleware::EndStreamsLayer, store::MemoryStore,
};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // No token outlives this process: an application keeps its secret.
    let secret = format!("{}{}", Uuid::new_v4(), Uuid::new_v4());
    let sessions = SessionManager::builder(MemoryStore::new()).keys(KeyRing::hs256(secret)?).build()?;

    let app = Router::new()
        .route("/login", post(login))
        .route("/events", get(events))
        .nest("/api", SessionRoutes::new(&sessions).into_router())
        .layer(EndStreamsLayer::new())
        .layer(SessionLayer::new(&sessions))
        .with_state(sessions);

    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("event_stream: listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

/// Signs in anyone who gives a name. An application checks more.
async fn login(
    State(sessions): State<SessionManager>,
    client: ClientInfo,
    Query(Login { user }): Query<Login>,
) -> Result<StartedSession, tower_device_sessions::Error> {
    sessions.start(user, client).await
}

/// Proxies cut connections that are silent for a minute, and nginx buffers events unless told not to.
async fn events(_session: CurrentSession) -> impl IntoResponse {
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(20));
    ([("x-accel-buffering", "no")], Sse::new(ticks()).keep_alive(keep_alive))
}

/// One event at once, and another each second.
fn ticks() -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(0_u64, |count| async move {
        if count > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Some((Ok(Event::default().event("tick").data(count.to_string())), count + 1))
    })
}
