//! A busy session, a short time to live and a slow store: nobody is to wait for the store.

use std::time::{Duration, Instant};

use tower_device_sessions::store::{FailingStore, Fault, MemoryStore, StoreMethod};

use crate::{
    Failure, Pace,
    figures::{Figures, heading},
    ours,
};

pub async fn run(pace: Pace, figures: &mut Figures) -> Result<(), Failure> {
    let store = FailingStore::new(MemoryStore::new());
    let sessions = ours::manager(store.clone())?.cache_ttl(Duration::from_secs(1)).build()?;
    let token = ours::sign_in(&sessions).await?;
    store.fail(StoreMethod::Find, Fault::Delay(Duration::from_millis(20)));
    sessions.authenticate(&token).await?;

    let lasts = pace.pick(Duration::from_secs(10), Duration::from_secs(60));
    let mut times = Vec::with_capacity(16 << 20);
    let start = Instant::now();
    while start.elapsed() < lasts {
        // A batch of requests, then a moment in which others may run.
        for _ in 0..5_000 {
            let before = Instant::now();
            sessions.authenticate(&token).await?;
            times.push(u32::try_from(before.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    times.sort_unstable();
    let at = |quantile: f64| times.get((times.len() as f64 * quantile) as usize).copied().unwrap_or(u32::MAX);
    let (median, tail, most) = (at(0.5), at(0.999), times.last().copied().unwrap_or(0));
    let waits = times.iter().filter(|&&time| time > 15_000_000).count();
    let reads = store.calls(StoreMethod::Find);

    heading("A busy session; a time to live of 1 s; a store that takes 20 ms");
    println!("{} requests in {lasts:?}, {reads} reads of the store, {waits} requests that waited for one", times.len());
    println!("median {median} ns, p99.9 {tail} ns, longest {most} ns");
    figures.add("hot_p999_over_median", f64::from(tail) / f64::from(median));
    figures.add("hot_requests_that_waited", waits as f64);
    Ok(())
}
