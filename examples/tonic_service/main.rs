//! A gRPC service whose users can be signed out: a unary call, a stream, and the routes of the session over HTTP, all
//! on one port.
//!
//! ```text
//! cargo run --example tonic_service
//! grpcurl -plaintext -proto examples/tonic_service/account.proto -d '{"user": "ann", "password": "secret"}' \
//!     localhost:3000 example.v1.Account/SignIn
//! ```
//!
//! The codes that clients get, and where they come from:
//!
//! | code | when | by |
//! | --- | --- | --- |
//! | 16 `UNAUTHENTICATED` | the token is missing or bad, or the session has ended | [`session`] |
//! | 16 `UNAUTHENTICATED` | the session has ended in the midst of a stream | the layers |
//! | 7 `PERMISSION_DENIED` | it is known who asks, and they may not | the method |
//! | 14 `UNAVAILABLE` | the store does not answer | the layers, and [`status`] |
//! | 8 `RESOURCE_EXHAUSTED` | the user has as many sessions as they may | [`status`] |

#![allow(unreachable_pub, reason = "an example is nobody's library")]

mod messages;
mod server;

use std::{env, error::Error, net::SocketAddr, pin::Pin};

use axum::Router;
use futures_util::{Stream, stream};
use tokio::sync::broadcast::{self, error::RecvError};
use tonic::{Request, Response, Status, service::Routes};
use tower_device_sessions::{
    CurrentSession, ErrorKind, KeyRing, SessionLayer, SessionManager, SessionRoutes,
    middleware::{Anonymous, EndStreamsLayer},
    policy::Denied,
    store::MemoryStore,
};
use uuid::Uuid;

use crate::{
    messages::{Empty, News, SignInReply, SignInRequest, WhoAmIReply},
    server::{Account, AccountServer, Reply},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // No token outlives this process: an application keeps its secret.
    let secret = format!("{}{}", Uuid::new_v4(), Uuid::new_v4());
    let sessions = SessionManager::builder(MemoryStore::new()).keys(KeyRing::hs256(secret)?).build()?;

    let (news, _) = broadcast::channel(16);
    let account = AccountServer::new(Service { sessions: sessions.clone(), news });
    let app = Router::new()
        .nest("/api", SessionRoutes::new(&sessions).into_router())
        .merge(Routes::new(account).into_axum_router())
        .layer(EndStreamsLayer::new())
        .layer(SessionLayer::new(&sessions));

    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("tonic_service: listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

struct Service {
    sessions: SessionManager,
    news: broadcast::Sender<News>,
}

impl Account for Service {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<News, Status>> + Send>>;

    async fn sign_in(&self, request: Request<SignInRequest>) -> Reply<SignInReply> {
        let headers = request.metadata().clone().into_headers();
        let client = self.sessions.client_info(&headers, request.extensions());
        let client = client.map_err(|_| Status::permission_denied("another site has sent this"))?;
        let SignInRequest { user, password } = request.into_inner();
        // The application's own part, which checks a hash.
        if !matches!(user.as_str(), "ann" | "admin") || password != "secret" {
            return Err(Status::unauthenticated("wrong user or password"));
        }
        let started = self.sessions.start(user, client).method("pwd").await.map_err(|error| status(error.kind()))?;
        let session_id = started.session().id.to_string();
        Ok(Response::new(SignInReply { token: started.token().to_owned(), session_id }))
    }

    async fn who_am_i(&self, request: Request<Empty>) -> Reply<WhoAmIReply> {
        let session = session(&request)?;
        let (user, device) = (session.user_id().to_string(), session.device().name().into_owned());
        Ok(Response::new(WhoAmIReply { user, device }))
    }

    /// The layer ends the stream; nothing here has to.
    async fn watch(&self, request: Request<Empty>) -> Reply<Self::WatchStream> {
        session(&request)?;
        let news = stream::unfold(self.news.subscribe(), async |mut news| {
            loop {
                match news.recv().await {
                    Ok(item) => return Some((Ok(item), news)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        Ok(Response::new(Box::pin(news)))
    }

    async fn announce(&self, request: Request<News>) -> Reply<Empty> {
        if session(&request)?.user_id().as_str() != "admin" {
            return Err(Status::permission_denied("announcements are made by the administrator"));
        }
        // Nobody may be watching.
        let _ = self.news.send(request.into_inner());
        Ok(Response::new(Empty {}))
    }
}

/// The session of a call. The layer has put it there, or says why there is none. A client that signs in again may still
/// send its last token, so only the methods that need a session reject it.
fn session<T>(request: &Request<T>) -> Result<&CurrentSession, Status> {
    request.extensions().get().ok_or_else(|| {
        let denied = request.extensions().get().map_or(Denied::Missing, Anonymous::denied);
        Status::from_header_map(&denied.grpc_trailers()).unwrap_or_else(|| Status::unauthenticated("not signed in"))
    })
}

/// The code that goes with an error of the manager.
fn status(kind: ErrorKind) -> Status {
    match kind {
        ErrorKind::Unavailable => Status::unavailable("try again in a moment"),
        ErrorKind::TooManySessions => Status::resource_exhausted("signed in on too many devices"),
        ErrorKind::InvalidUserId => Status::invalid_argument("not a user id"),
        _ => Status::internal("something went wrong"),
    }
}
