//! This crate, and the layer that does nothing.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, response::IntoResponse, routing::get};
use http::{HeaderName, HeaderValue, header};
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};
use tower::{Layer, Service};
use tower_device_sessions::{
    ClientInfo, CurrentSession, KeyRing, SessionLayer, SessionManager, StartedSession,
    credentials::{CookieOptions, Transport},
    manager::SessionManagerBuilder,
    store::{MemoryStore, SessionStore, SqliteStore},
};

use crate::{Failure, rounds::Case, tutorial::Scratch};

pub const SECRET: &str = "a secret for benchmarks that is long enough";
pub const USER: &str = "demo@example.com";
pub const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Chrome/131.0.0.0 Safari/537.36";

/// A layer that does nothing: what it costs is the price of its place.
#[derive(Clone, Copy)]
pub struct NoopLayer;

#[derive(Clone)]
pub struct Noop<S>(S);

impl<S> Layer<S> for NoopLayer {
    type Service = Noop<S>;

    fn layer(&self, inner: S) -> Noop<S> {
        Noop(inner)
    }
}

impl<S: Service<R>, R> Service<R> for Noop<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

/// A manager whose sessions stay in the cache, if any do.
pub fn manager(store: impl SessionStore) -> Result<SessionManagerBuilder, Failure> {
    Ok(SessionManager::builder(store).keys(KeyRing::hs256(SECRET)?).cache_ttl(Duration::from_secs(60)))
}

pub fn bearer(token: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    Ok((header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}"))?))
}

/// A header of the size of the others, for those who do not look at it.
pub fn bearer_of_nobody() -> (HeaderName, HeaderValue) {
    (header::AUTHORIZATION, HeaderValue::from_static("Bearer nobody"))
}

pub async fn sign_in(sessions: &SessionManager) -> Result<String, Failure> {
    let client = ClientInfo::new().user_agent(CHROME);
    Ok(sessions.start(USER, client).await?.token().to_owned())
}

/// The session's cookie, behind ten of others.
fn among_ten_others(started: StartedSession) -> Result<(HeaderName, HeaderValue), Failure> {
    let response = started.into_response();
    let line = response.headers().get(header::SET_COOKIE).ok_or("no cookie was set")?.to_str()?;
    let own = line.split(';').next().unwrap_or_default();
    let others: String =
        (0..10).map(|number| format!("other-cookie-{number}=a-value-of-{number}-and-so-on; ")).collect();
    Ok((header::COOKIE, HeaderValue::try_from(format!("{others}{own}"))?))
}

pub async fn cases() -> Result<Vec<Case>, Failure> {
    let sessions = manager(MemoryStore::new())?.build()?;
    let token = bearer(&sign_in(&sessions).await?)?;
    let bare = || Router::new().route("/", get(async || "ok"));
    let reading = || Router::new().route("/", get(async |session: CurrentSession| session.user_id().to_string()));
    let layer = SessionLayer::new(&sessions);

    let cold = manager(MemoryStore::new())?.cache_ttl(Duration::ZERO).build()?;
    let cold_token = bearer(&sign_in(&cold).await?)?;

    let scratch = Scratch::new("cold")?;
    let store = SqliteStore::connect(&scratch.url()).await?;
    store.migrate().await?;
    let cold_sqlite = manager(store)?.cache_ttl(Duration::ZERO).build()?;
    let started = cold_sqlite.start(USER, ClientInfo::new().user_agent(CHROME)).await?;
    let (sqlite_token, id) = (bearer(started.token())?, started.session().id.as_uuid().as_bytes().to_vec());
    let pool = SqlitePool::connect_with(scratch.url().parse::<SqliteConnectOptions>()?).await?;
    let select = get(async move || {
        let row = sqlx::query("SELECT * FROM tds_sessions WHERE user_id = ?1 AND id = ?2").bind(USER).bind(id);
        row.fetch_optional(&pool).await.ok().flatten().map_or("nobody", |_| "ok")
    });

    let by_cookie = manager(MemoryStore::new())?.transport(Transport::Cookie(CookieOptions::new())).build()?;
    let cookies = among_ten_others(by_cookie.start(USER, ClientInfo::new().user_agent(CHROME)).await?)?;

    Ok(vec![
        Case::new("cached", bare().layer(layer.clone()), Some(token.clone())),
        Case::new("cached_cookie", bare().layer(SessionLayer::new(&by_cookie)), Some(cookies)),
        Case::new("cached_read", reading().layer(layer.clone()), Some(token.clone())),
        Case::new("around_cached", tower::Layer::layer(&layer, bare()), Some(token)),
        Case::new("cold", bare().layer(SessionLayer::new(&cold)), Some(cold_token)),
        Case::new("cold_sqlite", bare().layer(SessionLayer::new(&cold_sqlite)), Some(sqlite_token)),
        Case::new("bare_select_sqlite", Router::new().route("/", select), Some(bearer_of_nobody())),
    ])
}
