//! The peers, each as its own documentation sets it up.

use std::{
    collections::HashMap,
    future::{Ready, ready},
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Router, body::Body, extract::ConnectInfo, routing::get};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend};
use axum_session::{SessionConfig, SessionNullPool};
use futures_util::future::Either;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use tower::{Layer, Service, ServiceExt};

use crate::{Failure, ours, rounds::Case, tutorial};

/// The claims that this crate's own tokens have.
#[derive(Serialize, Deserialize)]
pub struct Claims {
    pub sub: String,
    pub sid: String,
    iat: i64,
    exp: i64,
    #[serde(rename = "gen")]
    generation: u32,
}

impl Claims {
    fn new() -> Self {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let sid = uuid::Uuid::new_v4().to_string();
        Self { sub: ours::USER.to_owned(), sid, iat: now, exp: now + 3_600, generation: 0 }
    }

    pub fn token_hs256() -> Result<(String, Self), Failure> {
        let claims = Self::new();
        let key = EncodingKey::from_secret(ours::SECRET.as_bytes());
        Ok((encode(&Header::new(Algorithm::HS256), &claims, &key)?, claims))
    }
}

/// Verifies a token, and does nothing else: no session, no store, and nothing kept of the claims.
#[derive(Clone)]
struct JwtLayer {
    verifier: Arc<(DecodingKey, Validation)>,
}

#[derive(Clone)]
struct Jwt<S> {
    inner: S,
    verifier: Arc<(DecodingKey, Validation)>,
}

impl<S> Layer<S> for JwtLayer {
    type Service = Jwt<S>;

    fn layer(&self, inner: S) -> Jwt<S> {
        Jwt { inner, verifier: Arc::clone(&self.verifier) }
    }
}

impl<S> Service<Request<Body>> for Jwt<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = JwtFuture<S::Future, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.strip_prefix("Bearer "));
        let (key, validation) = &*self.verifier;
        match token.map(|token| decode::<Claims>(token, key, validation)) {
            Some(Ok(_)) => Either::Left(self.inner.call(request)),
            _ => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                Either::Right(ready(Ok(response)))
            }
        }
    }
}

/// The same application for two lines of the crate, which are two crates to the compiler.
macro_rules! tower_sessions {
    ($line:ident, $store:expr) => {{
        let sign_in = get(async |session: $line::Session| {
            let inserted = session.insert("user", ours::USER).await;
            inserted.map_or("failed", |()| "ok")
        });
        let read = get(async |session: $line::Session| {
            let user = session.get::<String>("user").await;
            user.ok().flatten().ok_or(StatusCode::UNAUTHORIZED)
        });
        let layer = $line::SessionManagerLayer::new($store).with_secure(false);
        Router::new().route("/", read).route("/sign-in", sign_in).layer(layer)
    }};
}

type JwtFuture<F, E> = Either<F, Ready<Result<Response<Body>, E>>>;

pub fn jwt_cases() -> Result<Vec<Case>, Failure> {
    let pem = |name: &str| std::fs::read(format!("{}/../../tests/keys/{name}.pem", env!("CARGO_MANIFEST_DIR")));
    let secret = ours::SECRET.as_bytes();
    Ok(vec![
        jwt_case("hs256", Algorithm::HS256, &EncodingKey::from_secret(secret), DecodingKey::from_secret(secret))?,
        jwt_case(
            "rs256",
            Algorithm::RS256,
            &EncodingKey::from_rsa_pem(&pem("rsa2048")?)?,
            DecodingKey::from_rsa_pem(&pem("rsa2048_public")?)?,
        )?,
        jwt_case(
            "eddsa",
            Algorithm::EdDSA,
            &EncodingKey::from_ed_pem(&pem("ed25519")?)?,
            DecodingKey::from_ed_pem(&pem("ed25519_public")?)?,
        )?,
        jwt_case(
            "es256",
            Algorithm::ES256,
            &EncodingKey::from_ec_pem(&pem("p256")?)?,
            DecodingKey::from_ec_pem(&pem("p256_public")?)?,
        )?,
    ])
}

fn jwt_case(
    name: &'static str,
    algorithm: Algorithm,
    signing: &EncodingKey,
    verifying: DecodingKey,
) -> Result<Case, Failure> {
    let token = encode(&Header::new(algorithm), &Claims::new(), signing)?;
    let layer = JwtLayer { verifier: Arc::new((verifying, Validation::new(algorithm))) };
    Ok(Case::new(name, Router::new().route("/", get(async || "ok")).layer(layer), Some(ours::bearer(&token)?)))
}

pub async fn session_cases() -> Result<Vec<Case>, Failure> {
    let memory = tower_sessions::MemoryStore::default();
    let moka = tower_sessions_moka_store::MokaStore::new(Some(10_000));
    let sqlite = tower_sessions_sqlx_store::SqliteStore::new(tutorial::sqlite("tower-sessions").await?);
    sqlite.migrate().await?;
    Ok(vec![
        signed_in("tower_sessions_memory", tower_sessions!(tower_sessions, memory), |_| {}).await?,
        signed_in("tower_sessions_moka", tower_sessions!(tower_sessions_014, moka), |_| {}).await?,
        signed_in("tower_sessions_sqlite", tower_sessions!(tower_sessions_014, sqlite), |_| {}).await?,
        signed_in("axum_login_memory", axum_login(), |_| {}).await?,
        signed_in("axum_session_memory", axum_session().await?, |_| {}).await?,
        signed_in("session_guard_memory", session_guard(), connect_info).await?,
    ])
}

#[derive(Clone, Debug)]
struct User {
    name: String,
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.name.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"the hash of a password"
    }
}

/// Users in memory.
#[derive(Clone)]
struct Backend {
    users: Arc<HashMap<String, User>>,
}

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = String;
    type Error = std::convert::Infallible;

    async fn authenticate(&self, name: String) -> Result<Option<User>, Self::Error> {
        Ok(self.users.get(&name).cloned())
    }

    async fn get_user(&self, name: &String) -> Result<Option<User>, Self::Error> {
        Ok(self.users.get(name).cloned())
    }
}

fn axum_login() -> Router {
    let user = User { name: ours::USER.to_owned() };
    let backend = Backend { users: Arc::new(HashMap::from([(user.name.clone(), user.clone())])) };
    let store = axum_login::tower_sessions::MemoryStore::default();
    let sessions = axum_login::tower_sessions::SessionManagerLayer::new(store).with_secure(false);
    let sign_in = get(async move |mut auth: AuthSession<Backend>| {
        let signed_in = auth.login(&user).await;
        signed_in.map_or("failed", |()| "ok")
    });
    let read = get(async |auth: AuthSession<Backend>| auth.user.map(|user| user.name).ok_or(StatusCode::UNAUTHORIZED));
    Router::new()
        .route("/", read)
        .route("/sign-in", sign_in)
        .layer(AuthManagerLayerBuilder::new(backend, sessions).build())
}

async fn axum_session() -> Result<Router, Failure> {
    type Session = axum_session::Session<SessionNullPool>;

    let store = axum_session::SessionStore::<SessionNullPool>::new(None, SessionConfig::default().with_secure(false));
    let sign_in = get(async |session: Session| {
        session.set("user", ours::USER);
        "ok"
    });
    let read = get(async |session: Session| session.get::<String>("user").ok_or(StatusCode::UNAUTHORIZED));
    Ok(Router::new().route("/", read).route("/sign-in", sign_in).layer(axum_session::SessionLayer::new(store.await?)))
}

/// It does more than the others: each request is scored against the client that signed in.
fn session_guard() -> Router {
    use session_guard::{AuthSession, Guard, MemoryStore, Sessions};

    let guard = Guard::new(MemoryStore::new());
    let sign_in = get(async |sessions: Sessions<MemoryStore>| {
        sessions.login(&uuid::Uuid::new_v4()).await.map(|session| (session, "ok"))
    });
    let read = get(async |session: AuthSession<uuid::Uuid>| session.subject.to_string());
    Router::new().route("/", read).layer(guard.layer()).route("/sign-in", sign_in).with_state(guard)
}

fn connect_info(request: &mut Request<Body>) {
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 443))));
}

/// Signs in, and asks for `/` with the cookies that came of it.
async fn signed_in(name: &'static str, app: Router, extend: fn(&mut Request<Body>)) -> Result<Case, Failure> {
    let mut request = Request::builder().uri("/sign-in").body(Body::empty())?;
    extend(&mut request);
    let response = app.clone().oneshot(request).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("{name}: signing in answers {}", response.status()).into());
    }
    let pairs: Vec<&str> = response
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok()?.split(';').next())
        .collect();
    let cookies: (HeaderName, HeaderValue) = (header::COOKIE, pairs.join("; ").parse()?);
    Ok(Case::new(name, app, Some(cookies)).extend(extend))
}
