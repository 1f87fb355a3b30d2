//! A WebSocket that closes when its session ends, with the code 4401 and the reason.
//!
//! ```text
//! cargo run --example websocket
//! curl -X POST 'localhost:3000/login?user=ann'
//! websocat -H 'Authorization: Bearer …' ws://localhost:3000/echo
//! curl -X POST -H 'Authorization: Bearer …' localhost:3000/api/logout
//! ```
//!
//! Browsers cannot send an `Authorization` header with a WebSocket; there, the session comes in a cookie.

use std::{env, error::Error, net::SocketAddr};

use axum::{
    Router,
    extract::{
        Query, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    response::Response,
    routing::{get, post},
};
use serde::Deserialize;
use tower_device_sessions::{
    ClientInfo, CurrentSession, KeyRing, SessionLayer, SessionManager, SessionRoutes, StartedSession,
    store::MemoryStore,
};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // No token outlives this process: an application keeps its secret.
    let secret = format!("{}{}", Uuid::new_v4(), Uuid::new_v4());
    let sessions = SessionManager::builder(MemoryStore::new()).keys(KeyRing::hs256(secret)?).build()?;

    let app = Router::new()
        .route("/login", post(login))
        .route("/echo", get(echo))
        .nest("/api", SessionRoutes::new(&sessions).into_router())
        .layer(SessionLayer::new(&sessions))
        .with_state(sessions);

    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("websocket: listening on http://{}", listener.local_addr()?);
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

async fn echo(session: CurrentSession, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| serve(socket, session))
}

async fn serve(mut socket: WebSocket, session: CurrentSession) {
    let mut ended = std::pin::pin!(session.ended());
    loop {
        tokio::select! {
            ending = &mut ended => {
                let close = CloseFrame { code: SIGNED_OUT, reason: ending.reason.as_str().into() };
                // The client may have gone already.
                let _ = socket.send(Message::Close(Some(close))).await;
                return;
            }
            received = socket.recv() => {
                let Some(Ok(Message::Text(text))) = received else {
                    return;
                };
                // What users do on the connection keeps their session from idling.
                session.record_activity();
                if socket.send(Message::Text(text)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// RFC 6455 leaves 4000–4999 to applications; 4401 is the customary kin of 401.
const SIGNED_OUT: u16 = 4401;
