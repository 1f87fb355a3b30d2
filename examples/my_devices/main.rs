//! "My devices": a small server on which one signs in from several devices, sees them all, and signs any of them out.
//!
//! ```text
//! cargo run --example my_devices --features sqlite
//! ```
//!
//! It is set up by environment variables; `settings.rs` lists them. The two accounts are `demo@example.com` and
//! `other@example.com`, both with the password `correct horse battery staple`.

#![allow(missing_debug_implementations, unreachable_pub, reason = "nobody depends on an application")]

mod accounts;
mod settings;

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use tower_device_sessions::{
    ClientInfo, CurrentSession, Error, KeyRing, SessionLayer, SessionManager, SessionPolicy, SessionRoutes,
    store::{MemoryStore, SessionStore},
};

use crate::{
    accounts::Accounts,
    settings::{Settings, StoreLocation},
};

#[derive(Clone, FromRef)]
struct App {
    sessions: SessionManager,
    accounts: Arc<Accounts>,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(message) => return fail(2, &message),
    };
    let sessions = match open(&settings).await {
        Ok(sessions) => sessions,
        Err(message) => return fail(2, &message),
    };
    match serve(&settings, sessions).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format!("cannot serve on {}: {error}", settings.address)),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("my_devices: {message}");
    ExitCode::from(code)
}

/// Opens the store, brings its schema up to date, and puts a session manager on top.
async fn open(settings: &Settings) -> Result<SessionManager, String> {
    match &settings.store {
        StoreLocation::Memory => manage(MemoryStore::new(), settings).await,
        #[cfg(feature = "sqlite")]
        StoreLocation::Sqlite(url) => {
            let store = tower_device_sessions::store::SqliteStore::connect(url).await.map_err(|e| describe(&e))?;
            manage(store, settings).await
        }
    }
}

async fn manage(store: impl SessionStore, settings: &Settings) -> Result<SessionManager, String> {
    store.migrate().await.map_err(|error| describe(&error))?;
    let keys = KeyRing::hs256(&settings.secret).map_err(|error| format!("SESSION_SECRET: {error}"))?;

    let mut policy = SessionPolicy::new();
    if let Some(timeout) = settings.absolute_timeout {
        policy = policy.absolute_timeout(timeout);
    }
    if let Some(timeout) = settings.idle_timeout {
        policy = policy.idle_timeout(timeout);
    }
    let mut builder =
        SessionManager::builder(store).keys(keys).policy(policy).trusted_proxies(settings.trusted_proxies.clone());
    if let Some(ttl) = settings.cache_ttl {
        builder = builder.cache_ttl(ttl);
    }
    if let Some(interval) = settings.activity_interval {
        builder = builder.activity_interval(interval);
    }
    builder.build().map_err(|error| error.to_string())
}

/// An error with its causes, on one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text.replace('\n', " ")
}

async fn serve(settings: &Settings, sessions: SessionManager) -> std::io::Result<()> {
    let app = App { sessions: sessions.clone(), accounts: Arc::new(Accounts::demo()) };
    let router = Router::new()
        .route("/health", get(|| async { "ok" }))
        .route("/api/auth/login", post(login))
        .route("/api/auth/logout", post(logout))
        .route("/api/me", get(me))
        .nest("/api", SessionRoutes::new(&sessions).into_router())
        .layer(SessionLayer::new(&sessions))
        .with_state(app);

    let listener = tokio::net::TcpListener::bind(settings.address).await?;
    eprintln!("my_devices: listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(told_to_stop())
        .await?;

    let report = sessions.shutdown(Duration::from_secs(5)).await;
    eprintln!("my_devices: stopped; {} sessions' last activity was not written", report.unwritten);
    Ok(())
}

/// Waits for Ctrl-C, or for the word of a process manager.
async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Where the signal cannot be waited for, the process ends by it at once.
    let _ = tokio::signal::ctrl_c().await;
}

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
}

async fn login(
    State(app): State<App>,
    client: ClientInfo,
    form: Result<Json<Login>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, Error> {
    let Ok(Json(Login { email, password })) = form else {
        return Ok(problem(StatusCode::BAD_REQUEST, "invalid_body", "Send a JSON object with email and password"));
    };
    let Some(account) = app.accounts.check(email, password).await else {
        return Ok(problem(StatusCode::UNAUTHORIZED, "wrong_credentials", "Wrong email or password"));
    };
    let started = app.sessions.start(account.id, client).method("pwd").await?;
    Ok(started.into_response())
}

async fn logout(State(sessions): State<SessionManager>, session: CurrentSession) -> Result<StatusCode, Error> {
    sessions.sign_out(&session).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me(State(app): State<App>, session: CurrentSession) -> Response {
    let email = app.accounts.email(session.user_id().as_str());
    let body = json!({ "email": email, "sessionId": session.id(), "deviceName": session.device().name() });
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn problem(status: StatusCode, code: &str, error: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body =
        json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "code": code, "error": error });
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}
