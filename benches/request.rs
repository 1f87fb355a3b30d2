//! One request: what its stages cost, and what it costs beside others.
//!
//! ```text
//! cargo bench --bench request
//! ```
//!
//! `stages` goes through a cached request from the inside to the outside, so that what a stage adds is the difference
//! to those it contains. `comparison` puts the layer into an Axum router, beside the bare handler, a layer that does
//! nothing, and one that verifies the token with `jsonwebtoken` and knows no sessions.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot go on ends by panicking")]
#![allow(clippy::wildcard_imports, missing_docs, unreachable_pub, dead_code, reason = "nothing here is for others")]

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use divan::{AllocProfiler, Bencher, black_box};
use futures_util::{
    FutureExt,
    future::{Either, Ready, ready},
};
use http::{Extensions, HeaderValue, Request, Response, StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt};
use tower_device_sessions::{
    ClientInfo, KeyRing, SessionLayer, SessionManager,
    clock::{Clock, SystemClock},
    store::MemoryStore,
};

mod support;

use support::NoopLayer;

const SECRET: &str = "a secret for benchmarks, long enough";

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A manager, and the token of one session in its cache.
struct Kit {
    runtime: Runtime,
    sessions: SessionManager,
    token: String,
}

impl Kit {
    fn new(cache_ttl: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (sessions, token) = runtime.block_on(async {
            let keys = KeyRing::hs256(SECRET).expect("a good secret");
            let builder = SessionManager::builder(MemoryStore::new()).keys(keys).cache_ttl(cache_ttl);
            let sessions = builder.build().expect("good settings");
            let started = sessions.start("demo@example.com", ClientInfo::new()).await.expect("a store in memory");
            sessions.authenticate(started.token()).await.expect("a new session");
            let token = started.token().to_owned();
            (sessions, token)
        });
        Self { runtime, sessions, token }
    }

    fn cached() -> Self {
        Self::new(Duration::from_secs(60))
    }

    fn bearer(&self) -> HeaderValue {
        HeaderValue::try_from(format!("Bearer {}", self.token)).expect("a token is ASCII")
    }
}

fn request(authorization: Option<&HeaderValue>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    if let Some(value) = authorization {
        request.headers_mut().insert(header::AUTHORIZATION, value.clone());
    }
    request
}

/// A service that costs nothing.
#[derive(Clone)]
struct Nothing;

impl Service<Request<Body>> for Nothing {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(Body::empty())))
    }
}

mod stages {
    use super::*;

    /// The clock, which is read once.
    #[divan::bench]
    fn clock(bencher: Bencher<'_, '_>) {
        let clock = SystemClock::new();
        bencher.bench(|| clock.monotonic());
    }

    /// The clock, the hash, the look-up and the check.
    #[divan::bench]
    fn authenticate(bencher: Bencher<'_, '_>) {
        let kit = Kit::cached();
        bencher.bench(|| kit.sessions.authenticate(black_box(&kit.token)).now_or_never());
    }

    /// What the request's extensions cost.
    #[divan::bench]
    fn insert_extension(bencher: Bencher<'_, '_>) {
        let kit = Kit::cached();
        let current = kit.sessions.authenticate(&kit.token).now_or_never().expect("cached").expect("a good token");
        bencher.bench(|| {
            let mut extensions = Extensions::new();
            extensions.insert(current.clone());
            extensions
        });
    }

    /// A request to a service that does nothing: what the following two contain.
    #[divan::bench]
    fn no_layer(bencher: Bencher<'_, '_>) {
        let (kit, mut service) = (Kit::cached(), Nothing);
        let bearer = kit.bearer();
        bencher.bench_local(|| service.call(request(Some(&bearer))).now_or_never());
    }

    /// The layer, for a request without a credential.
    #[divan::bench]
    fn layer_anonymous(bencher: Bencher<'_, '_>) {
        let kit = Kit::cached();
        let mut service = SessionLayer::new(&kit.sessions).layer(Nothing);
        bencher.bench_local(|| service.call(request(None)).now_or_never());
    }

    /// The whole layer: the header, the clock, the hash, the look-up, the check, and the extension.
    #[divan::bench]
    fn layer_cached(bencher: Bencher<'_, '_>) {
        let kit = Kit::cached();
        let (mut service, bearer) = (SessionLayer::new(&kit.sessions).layer(Nothing), kit.bearer());
        bencher.bench_local(|| service.call(request(Some(&bearer))).now_or_never());
    }
}

mod comparison {
    use super::*;

    #[divan::bench]
    fn floor(bencher: Bencher<'_, '_>) {
        run(bencher, Duration::ZERO, |_, router| router);
    }

    #[divan::bench]
    fn noop_layer(bencher: Bencher<'_, '_>) {
        run(bencher, Duration::ZERO, |_, router| router.layer(NoopLayer));
    }

    #[divan::bench]
    fn cached(bencher: Bencher<'_, '_>) {
        run(bencher, Duration::from_secs(60), |kit, router| router.layer(SessionLayer::new(&kit.sessions)));
    }

    /// Every request reads the store.
    #[divan::bench]
    fn cold(bencher: Bencher<'_, '_>) {
        run(bencher, Duration::ZERO, |kit, router| router.layer(SessionLayer::new(&kit.sessions)));
    }

    #[divan::bench]
    fn jsonwebtoken_alone(bencher: Bencher<'_, '_>) {
        run(bencher, Duration::ZERO, |_, router| router.layer(JwtLayer::new()));
    }

    fn run(bencher: Bencher<'_, '_>, cache_ttl: Duration, app: impl FnOnce(&Kit, Router) -> Router) {
        let kit = Kit::new(cache_ttl);
        let app = app(&kit, Router::new().route("/", get(async || "ok")));
        let bearer = kit.bearer();
        bencher.bench_local(|| {
            let response = kit.runtime.block_on(app.clone().oneshot(request(Some(&bearer))));
            assert!(response.as_ref().is_ok_and(|response| response.status() == StatusCode::OK));
            response
        });
    }
}

/// Verifies the token, and does nothing else.
#[derive(Clone)]
struct JwtLayer {
    verifier: Arc<(DecodingKey, Validation)>,
}

impl JwtLayer {
    fn new() -> Self {
        let verifier = (DecodingKey::from_secret(SECRET.as_bytes()), Validation::new(Algorithm::HS256));
        Self { verifier: Arc::new(verifier) }
    }
}

#[derive(Clone)]
struct Jwt<S> {
    inner: S,
    verifier: Arc<(DecodingKey, Validation)>,
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "reading them is part of what is measured")]
struct Claims {
    sub: String,
    sid: String,
    exp: u64,
}

impl<S> Layer<S> for JwtLayer {
    type Service = Jwt<S>;

    fn layer(&self, inner: S) -> Jwt<S> {
        Jwt { inner, verifier: Arc::clone(&self.verifier) }
    }
}

impl<S: Service<Request<Body>, Response = Response<Body>>> Service<Request<Body>> for Jwt<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer "));
        match token.map(|token| decode::<Claims>(token, &self.verifier.0, &self.verifier.1)) {
            Some(Ok(_)) => Either::Left(self.inner.call(request)),
            _ => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                Either::Right(ready(Ok(response)))
            }
        }
    }
}
