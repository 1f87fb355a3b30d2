//! Two threads: on sessions of their own, and on one that both ask for.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    sync::{Arc, Barrier},
    task::{Context, Poll, Waker},
    thread,
    time::Instant,
};

use axum::body::Body;
use http::{Request, Response};
use tower::{Layer, Service};
use tower_device_sessions::{SessionLayer, store::MemoryStore};

use crate::{
    Failure, Pace, allocations,
    figures::{Figures, heading},
    ours,
    rounds::median,
    scale::{TailHash, Token},
};

/// A handler that costs nothing, so that only the layer is measured.
#[derive(Clone)]
struct Handler;

impl Service<Request<Body>> for Handler {
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

pub async fn run(pace: Pace, figures: &mut Figures) -> Result<(), Failure> {
    let sessions = ours::manager(MemoryStore::new())?.build()?;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let token = ours::sign_in(&sessions).await?;
        sessions.authenticate(&token).await?;
        tokens.push(token);
    }
    let layer = SessionLayer::new(&sessions);
    let request = |token: &str| {
        let header = ours::bearer(token);
        let mut service = layer.layer(Handler);
        move || {
            let Ok((name, value)) = &header else { return };
            let mut request = Request::new(Body::empty());
            request.headers_mut().insert(name, value.clone());
            let mut response = Box::pin(service.call(request));
            let polled = response.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_ready(), "a cached request never waits");
            let _ = black_box(polled);
        }
    };
    let map: Arc<papaya::HashMap<Token, Arc<[u8; 128]>, TailHash>> = Arc::default();
    for token in &tokens {
        map.pin().insert(Token(token.as_bytes().into()), Arc::new([0; 128]));
    }
    let look_up = |token: &str| {
        let (map, token) = (Arc::clone(&map), Token(token.as_bytes().into()));
        move || {
            black_box(map.pin().get(&token).cloned());
        }
    };

    let (requests, rounds) = (pace.pick(100_000, 300_000), pace.pick(15, 40));
    let (mut own, mut hot, mut hot_map) = (Vec::new(), Vec::new(), Vec::new());
    allocations::uncounted(|| {
        for _ in 0..rounds {
            let one = throughput(requests, vec![request(&tokens[0])]);
            own.push(throughput(requests, vec![request(&tokens[0]), request(&tokens[1])]) / one);
            hot.push(throughput(requests, vec![request(&tokens[0]), request(&tokens[0])]) / one);
            let one = throughput(requests * 5, vec![look_up(&tokens[0])]);
            hot_map.push(throughput(requests * 5, vec![look_up(&tokens[0]), look_up(&tokens[0])]) / one);
        }
    });
    let (own, hot, hot_map) = (median(own), median(hot), median(hot_map));
    heading("Two threads, as a multiple of one thread's throughput (medians of the rounds)");
    println!("sessions of their own {own:.2}, one session {hot:.2}, `papaya` and one `Arc` {hot_map:.2}");
    figures.add("two_threads_own_sessions", own);
    figures.add("two_threads_one_session", hot);
    figures.add("two_threads_one_papaya_entry", hot_map);
    Ok(())
}

/// How many calls per second all threads make together.
fn throughput<F: FnMut() + Send>(calls: u32, work: Vec<F>) -> f64 {
    let threads = work.len();
    let barrier = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let running: Vec<_> = work
            .into_iter()
            .map(|mut call| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    for _ in 0..calls {
                        call();
                    }
                })
            })
            .collect();
        barrier.wait();
        let start = Instant::now();
        for thread in running {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        f64::from(calls) * threads as f64 / start.elapsed().as_secs_f64()
    })
}
