//! Cases that take turns.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, header::HeaderName};
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

use crate::{Failure, Pace, allocations};

pub type App = BoxCloneSyncService<Request<Body>, Response<Body>, std::convert::Infallible>;

/// An application, and the request that it is sent again and again.
pub struct Case {
    pub name: &'static str,
    app: App,
    header: Option<(HeaderName, HeaderValue)>,
    extend: fn(&mut Request<Body>),
    per_round: u32,
    rounds: Vec<f64>,
    allocations: f64,
}

/// What a case came to, per request.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub name: &'static str,
    pub nanoseconds: f64,
    pub allocations: f64,
}

impl Case {
    pub fn new<S>(name: &'static str, app: S, header: Option<(HeaderName, HeaderValue)>) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let app = BoxCloneSyncService::new(app);
        Self { name, app, header, extend: |_| {}, per_round: 1, rounds: Vec::new(), allocations: 0.0 }
    }

    /// Adds to each request what a server would have put there.
    pub fn extend(mut self, extend: fn(&mut Request<Body>)) -> Self {
        self.extend = extend;
        self
    }

    async fn send(&mut self, requests: u32) -> Result<(), Failure> {
        for _ in 0..requests {
            let mut request = Request::new(Body::empty());
            if let Some((name, value)) = &self.header {
                request.headers_mut().insert(name, value.clone());
            }
            (self.extend)(&mut request);
            let response = self.app.ready().await?.call(request).await?;
            if response.status() != StatusCode::OK {
                return Err(format!("{} answers {}", self.name, response.status()).into());
            }
            black_box(response);
        }
        Ok(())
    }

    /// Warms up, counts allocations, and finds out how many requests make a round.
    async fn prepare(&mut self, round: Duration) -> Result<(), Failure> {
        self.send(200).await?;
        let start = Instant::now();
        self.send(50).await?;
        let each = start.elapsed() / 50;
        self.per_round = u32::try_from(round.as_nanos() / each.as_nanos().max(1)).unwrap_or(u32::MAX).clamp(5, 5_000);

        // The least of several counts: what others allocate meanwhile is not ours.
        let mut least = f64::MAX;
        for _ in 0..5 {
            let before = allocations::count();
            self.send(100).await?;
            least = least.min((allocations::count() - before) as f64 / 100.0);
        }
        self.allocations = least;
        Ok(())
    }
}

/// Runs all cases in turns.
pub async fn take_turns(mut cases: Vec<Case>, pace: Pace) -> Result<Vec<Outcome>, Failure> {
    let round = Duration::from_micros(800);
    for case in &mut cases {
        case.prepare(round).await?;
    }
    for _ in 0..pace.pick(400, 2_000) {
        for case in &mut cases {
            let start = Instant::now();
            case.send(case.per_round).await?;
            case.rounds.push(start.elapsed().as_nanos() as f64 / f64::from(case.per_round));
        }
    }
    let outcome =
        |case: Case| Outcome { name: case.name, nanoseconds: median(case.rounds), allocations: case.allocations };
    Ok(cases.into_iter().map(outcome).collect())
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
