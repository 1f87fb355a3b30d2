//! The activity of sessions, written as the manager does, beside one update per request.

use std::{
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use tower_device_sessions::{
    ClientInfo, KeyRing, SessionId, SessionManager, Timestamp, UserId,
    clock::{Clock, SystemClock},
    store::SessionStore,
};

/// How many sessions were active since the last flush; as many as may wait.
pub(crate) const TOUCHED: u64 = 10_000;

const ROUNDS: usize = 9;
const UPDATES: usize = 1_000;
const INTERVAL: Duration = Duration::from_secs(600);

/// What a session costs either way, in microseconds, and how long the longest chunk of all rounds took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activity {
    pub(crate) bare: f64,
    pub(crate) ours: f64,
    pub(crate) longest: Duration,
}

/// The system's clock, set ahead, which notes the longest time between two readings on one thread. While activity is
/// written, nobody reads it there but the manager, before and after each chunk.
#[derive(Clone, Debug, Default)]
struct Chronograph {
    system: SystemClock,
    ahead: Arc<AtomicU64>,
    watched: Arc<Mutex<Option<(ThreadId, Duration)>>>,
    longest: Arc<AtomicU64>,
}

impl Clock for Chronograph {
    fn now(&self) -> Timestamp {
        self.system.now().saturating_add(self.ahead())
    }

    fn monotonic(&self) -> Duration {
        let now = self.system.monotonic();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((thread, read)) = &mut *watched
            && *thread == thread::current().id()
        {
            self.longest.fetch_max(micros(now.saturating_sub(*read)), Ordering::SeqCst);
            *read = now;
        }
        now + self.ahead()
    }
}

impl Chronograph {
    fn ahead(&self) -> Duration {
        Duration::from_micros(self.ahead.load(Ordering::SeqCst))
    }

    fn advance(&self, time: Duration) {
        self.ahead.fetch_add(micros(time), Ordering::SeqCst);
    }

    fn start(&self) {
        let now = (thread::current().id(), self.system.monotonic());
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn stop(&self) {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn longest(&self) -> Duration {
        Duration::from_micros(self.longest.load(Ordering::SeqCst))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Has sessions of these users write their activity in turn with updates of single ones.
pub(crate) async fn measure(
    store: impl SessionStore,
    whose: impl Fn(u64) -> UserId,
    mut bare: impl AsyncFnMut(&UserId, SessionId, Timestamp) -> Result<(), Box<dyn Error>>,
) -> Result<Activity, Box<dyn Error>> {
    let clock = Chronograph::default();
    let sessions = SessionManager::builder(store)
        .keys(KeyRing::hs256("a secret for benchmarks that is long enough")?)
        .clock(clock.clone())
        // Nothing is written, and nothing read, but when it is asked for.
        .without_bus()
        .activity_interval(INTERVAL)
        .flush_interval(INTERVAL)
        .store_deadline(Duration::from_secs(30))
        .build()?;
    let mut active = Vec::new();
    for place in 0..TOUCHED {
        let client = ClientInfo::new().user_agent("curl/8.5.0").ip("203.0.113.9".parse().ok());
        active.push(sessions.start(whose(place), client).await?);
    }

    let (mut bare_times, mut our_times) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        clock.advance(INTERVAL);
        for started in &active {
            sessions.authenticate(started.token()).await?;
        }

        let (since, now) = (Instant::now(), clock.now());
        for number in 0..UPDATES {
            let session = active[(number * 7_919 + round * 101) % active.len()].session();
            bare(&session.user_id, session.id, now).await?;
        }
        bare_times.push(since.elapsed().as_secs_f64() / UPDATES as f64 * 1e6);

        clock.start();
        let since = Instant::now();
        if !sessions.flush_activity().await {
            return Err("the store did not take the activity".into());
        }
        our_times.push(since.elapsed().as_secs_f64() / TOUCHED as f64 * 1e6);
        clock.stop();
    }
    Ok(Activity { bare: median(bare_times), ours: median(our_times), longest: clock.longest() })
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}
