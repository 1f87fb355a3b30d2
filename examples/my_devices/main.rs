//! "My devices": a small server. Users sign in from several devices, see all of them, and sign out any of them: in a
//! browser at `/`, and over HTTP below `/api`.
//!
//! ```text
//! cargo run --example my_devices --features sqlite
//! ```
//!
//! It is set up by environment variables; `settings.rs` lists them. The two accounts are `demo@example.com` and
//! `other@example.com`, both with the password `correct horse battery staple`.

#![allow(missing_debug_implementations, unreachable_pub, reason = "nobody depends on an application")]

mod account;
mod accounts;
mod admin;
mod auth;
mod health;
mod limits;
mod otp;
#[cfg_attr(not(feature = "pages"), path = "without_pages.rs")]
mod pages;
mod passwords;
mod serve;
mod sessions;
mod settings;
mod stores;

use std::{
    future::{Ready, ready},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{delete, get},
};
use serde_json::json;
use tower_device_sessions::{
    CurrentSession, SessionLayer, SessionManager, SessionRoutes, credentials::CredentialSource, routes::JwksRoute,
};

use crate::{
    accounts::Accounts,
    health::{Health, health},
    otp::Otp,
    sessions::Opened,
    settings::{SecondFactor, Settings, Travel},
};

#[derive(Clone, FromRef)]
struct App {
    sessions: SessionManager,
    accounts: Arc<Accounts>,
    otp: Arc<Otp>,
    second_factor: SecondFactor,
    page: pages::Page,
    prefix: Prefix,
    health: Arc<Health>,
}

/// What stands before the paths in public addresses: nothing, or `/devices`.
#[derive(Clone)]
struct Prefix(#[cfg_attr(not(feature = "pages"), expect(dead_code, reason = "only the pages ask for it"))] Arc<str>);

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(message) => return fail(2, &message),
    };
    let opened = match sessions::open(&settings).await {
        Ok(opened) => opened,
        Err(message) => return fail(2, &message),
    };
    match serve(&settings, opened).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format!("cannot serve on {}: {error}", settings.address)),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("my_devices: {message}");
    ExitCode::from(code)
}

async fn serve(settings: &Settings, Opened { sessions, keys }: Opened) -> std::io::Result<()> {
    let page = pages::page(&sessions, &settings.prefix);
    let app = App {
        sessions: sessions.clone(),
        accounts: Arc::new(Accounts::demo()),
        otp: Arc::default(),
        second_factor: settings.second_factor,
        page: page.clone(),
        prefix: Prefix(settings.prefix.as_str().into()),
        health: Arc::default(),
    };
    let layer = match settings.travel {
        Travel::Bearer => SessionLayer::new(&sessions).only(CredentialSource::Bearer),
        Travel::Cookie | Travel::Both => SessionLayer::new(&sessions),
    };
    let api = Router::new()
        .route("/health", get(health))
        .nest("/api/auth", auth::routes())
        .route("/api/me", get(me))
        .route("/api/account", delete(account::erase))
        .nest("/api", SessionRoutes::new(&sessions).into_router())
        .merge(JwksRoute::new(&keys).into_router())
        .layer(layer);
    let router = pages::routes(&sessions, page).merge(api).with_state(app);
    let router = match &settings.admin {
        Some(admin) => router.nest("/admin", admin.routes(&sessions)),
        None => router,
    };
    let router = router.fallback(nothing_here).method_not_allowed_fallback(not_possible);
    // Some proxies strip the prefix, others pass it on.
    let router = match settings.prefix.as_str() {
        "" => router,
        prefix => router.clone().route(&format!("{prefix}/"), get(redirect(prefix.to_owned()))).nest(prefix, router),
    };

    let listener = tokio::net::TcpListener::bind(settings.address).await?;
    eprintln!("my_devices: listening on http://{}", listener.local_addr()?);
    let limits = serve::Limits { request: settings.request_timeout, farewell: Duration::from_secs(5) };
    serve::serve(listener, router, limits, told_to_stop()).await;

    let report = sessions.shutdown(Duration::from_secs(3)).await;
    eprintln!("my_devices: stopped; {} sessions' last activity was not written", report.unwritten);
    Ok(())
}

/// Waits for Ctrl-C, or for the signal of a process manager.
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

/// People type a slash behind an address.
fn redirect(to: String) -> impl Fn() -> Ready<Response> + Clone {
    move || ready(([(header::CACHE_CONTROL, "no-store")], Redirect::to(&to)).into_response())
}

async fn nothing_here(headers: HeaderMap) -> Response {
    refused(&headers, StatusCode::NOT_FOUND, "not_found", "There is nothing here")
}

async fn not_possible(headers: HeaderMap) -> Response {
    refused(&headers, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "That is not possible here")
}

/// A page for a browser that goes somewhere, and a problem for a program.
fn refused(headers: &HeaderMap, status: StatusCode, code: &str, error: &str) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if !accepted.into_iter().any(|accepted| accepted.contains("text/html")) {
        return problem(status, code, error);
    }
    let text = format!("<!DOCTYPE html>\n<html lang=\"en\">\n<title>{error}</title>\n<p>{error}.</p>\n</html>\n");
    ([(header::CACHE_CONTROL, "no-store")], (status, Html(text))).into_response()
}

/// For what cannot be done at the moment.
fn busy() -> Response {
    let error = "Too much is going on at the moment. Try again";
    (retry_after(A_MOMENT), problem(StatusCode::SERVICE_UNAVAILABLE, "busy", error)).into_response()
}

fn retry_after(pause: Duration) -> [(HeaderName, String); 1] {
    [(header::RETRY_AFTER, pause.as_secs().max(1).to_string())]
}

const A_MOMENT: Duration = Duration::from_secs(1);
