//! Activity is written in chunks that fit the store's pace.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_device_sessions::{
    StartedSession, Timestamp,
    clock::{Clock, ManualClock},
    store::{FailingStore, Fault, MemoryStore, StoreMethod},
};

use crate::support::{Kit, TestResult};

/// The kit's clock, on which every chunk that the store is asked to write takes some time.
#[derive(Clone, Debug)]
struct ChunksTakeTime {
    clock: ManualClock,
    store: FailingStore,
    micros: Arc<AtomicU64>,
}

impl Clock for ChunksTakeTime {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        let chunks = self.store.calls(StoreMethod::Touch);
        self.clock.monotonic() + Duration::from_micros(self.micros.load(Ordering::SeqCst) * chunks)
    }
}

struct Fixture {
    kit: Kit,
    signed_in: Vec<StartedSession>,
    micros: Arc<AtomicU64>,
}

impl Fixture {
    async fn new(users: usize) -> Self {
        let (store, clock) = (FailingStore::new(MemoryStore::new()), ManualClock::new());
        let micros = Arc::new(AtomicU64::new(0));
        let slow = ChunksTakeTime { clock: clock.clone(), store: store.clone(), micros: Arc::clone(&micros) };
        // Nothing is written but by `flush`, however long the test takes.
        let interval = Duration::from_secs(280);
        let kit =
            Kit::over(store, clock, |builder| builder.clock(slow).activity_interval(interval).flush_interval(interval));
        let mut signed_in = Vec::new();
        for user in 0..users {
            signed_in.push(kit.sign_in(&format!("user-{user}")).await);
        }
        Self { kit, signed_in, micros }
    }

    /// Has every session seen, and written in chunks that take so long each; returns how many chunks it took to the
    /// end, or to the first that failed.
    async fn flush(&self, micros: u64) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        self.kit.clock.advance(Duration::from_secs(300));
        for started in &self.signed_in {
            self.kit.sessions.authenticate(started.token()).await?;
        }
        self.micros.store(micros, Ordering::SeqCst);
        let before = self.kit.store.calls(StoreMethod::Touch);
        self.kit.sessions.flush_activity().await;
        let chunks = self.kit.store.calls(StoreMethod::Touch) - before;
        // What has passed stays passed when chunks take another time, so that the clock never runs backwards.
        self.kit.clock.advance(Duration::from_micros(micros * self.kit.store.calls(StoreMethod::Touch)));
        self.micros.store(0, Ordering::SeqCst);
        Ok(chunks)
    }

    async fn assert_all_written(&self) -> TestResult {
        for started in &self.signed_in {
            let session = started.session();
            let record = self.kit.sessions.find(&session.user_id, session.id).await?.ok_or("a record")?;
            assert!(self.kit.clock.now().duration_since(record.last_active_at) < Duration::from_secs(60));
        }
        Ok(())
    }
}

/// A chunk holds no lock for longer than 30 ms, and there are at most 1,000 sessions in it.
#[tokio::test]
async fn chunks_shrink_where_the_store_is_slow_and_grow_where_it_is_quick() -> TestResult {
    let fixture = Fixture::new(2_500).await;
    assert_eq!(fixture.flush(0).await?, 7, "100, 150, 225 and so on, and the rest");
    assert_eq!(fixture.flush(0).await?, 3, "1,000 twice and the rest, as learned before");
    assert_eq!(fixture.flush(60_000).await?, 29, "1,000, 166, and 50 from then on");
    assert_eq!(fixture.flush(0).await?, 9, "50, 75, 112 and so on, and the rest");
    fixture.assert_all_written().await
}

/// A store that has failed is asked for less, and for all that is left.
#[tokio::test]
async fn what_a_failed_chunk_held_is_written_in_smaller_ones() -> TestResult {
    let fixture = Fixture::new(700).await;
    assert_eq!(fixture.flush(0).await?, 4, "100, 150, 225 and the rest");
    fixture.kit.store.fail_next(StoreMethod::Touch, 1, Fault::FailAfter);
    assert_eq!(fixture.flush(240_000).await?, 1);
    assert!(fixture.kit.sessions.flush_activity().await);
    assert_eq!(fixture.kit.store.calls(StoreMethod::Touch), 4 + 1 + 6, "50, 75, 112, 168, 252 and the rest");
    fixture.assert_all_written().await
}
