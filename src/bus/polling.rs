//! A bus that polls the store for endings.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use futures_util::stream::unfold;
use tokio::time;

use super::{
    BusError, BusEvent, BusFuture, BusHealth, GapReason, RevocationBus, RevocationMessage, Subscription,
    tally::{Ear, Tally},
};
use crate::{
    clock::{Clock, SystemClock, Timestamp},
    id::{SessionId, SessionKey, UserId},
    session::EndedSession,
};

/// Where a [`PollingBus`] looks: a list of endings that all nodes write to, and that is indexed by time.
pub trait PollEndings: fmt::Debug + Send + Sync + 'static {
    /// The sessions that ended, or will reach their absolute deadline, at `since` or later and before `until`, in the
    /// order of that moment, at most `limit`.
    fn ended_between(
        &self,
        since: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> BusFuture<'_, Result<Vec<EndedSession>, BusError>>;
}

/// A bus that asks the store twice a second which sessions have ended. It needs only the store.
///
/// Each query looks some way [back and ahead](Self::tolerance), since the clocks of nodes differ and a transaction
/// commits some time after the moment it is about; what was seen before is not reported again. While the store does not
/// answer, nothing is missed, because the next query that succeeds goes back to where the last one was. Only after an
/// outage of [`LONGEST_OUTAGE`](Self::LONGEST_OUTAGE), or when there are more than a hundred thousand endings to look
/// at, is there a [gap](BusEvent::Gap).
///
/// It only reports endings. Other changes, such as older tokens that are refused from now on, reach other nodes when
/// their caches expire.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`interval`](Self::interval) | 500 ms |
/// | [`tolerance`](Self::tolerance) | 30 s |
/// | [`clock`](Self::clock) | [`SystemClock`] |
#[derive(Clone, Debug)]
pub struct PollingBus {
    source: Arc<dyn PollEndings>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    tolerance: Duration,
    tally: Arc<Tally>,
}

impl PollingBus {
    pub(crate) const NAME: &'static str = "polling";

    /// The longest interval.
    pub const LONGEST_INTERVAL: Duration = Duration::from_secs(1);

    /// How long the source may be out of reach without a gap.
    pub const LONGEST_OUTAGE: Duration = Duration::from_secs(300);

    /// A bus that polls `source`.
    pub fn new(source: Arc<dyn PollEndings>) -> Self {
        Self {
            source,
            clock: Arc::new(SystemClock::new()),
            interval: Duration::from_millis(500),
            tolerance: Duration::from_secs(30),
            tally: Arc::default(),
        }
    }

    /// The time between two queries, plus or minus a tenth. Default: 500 ms; at most a second, at least 10 ms.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.clamp(Duration::from_millis(10), Self::LONGEST_INTERVAL);
        self
    }

    /// How much the clocks of two nodes may differ, together with the longest time from the moment of an ending to its
    /// commit. Default: 30 s. Endings beyond it reach other nodes when their caches expire.
    ///
    /// Every query reads what ended within this time, so keep it short in a fleet that ends thousands of sessions a
    /// second.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The clock of this node. Default: [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl RevocationBus for PollingBus {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// There is nothing to send: other nodes read the store.
    fn publish<'a>(&'a self, _: &'a RevocationMessage) -> BusFuture<'a, Result<(), BusError>> {
        Box::pin(async { self.tally.publishing(Ok(())) })
    }

    fn subscribe(&self) -> Subscription {
        let poller = Poller {
            ear: Ear::new(self.name(), &self.tally),
            bus: self.clone(),
            seen: HashMap::new(),
            waiting: VecDeque::new(),
            last: None,
            pause: Duration::ZERO,
        };
        Subscription::new(unfold(poller, |mut poller| async move {
            let event = poller.next().await;
            Some((event, poller))
        }))
    }

    fn health(&self) -> BusHealth {
        self.tally.health()
    }
}

struct Poller {
    ear: Ear,
    bus: PollingBus,
    /// What was in the window the last time, and when it ended.
    seen: HashMap<SessionKey, Timestamp>,
    waiting: VecDeque<RevocationMessage>,
    /// When the last query that succeeded was made; none before the first, and after a gap.
    last: Option<Timestamp>,
    /// How long to wait before the next query.
    pause: Duration,
}

/// What a query has found.
enum Found {
    All(Vec<EndedSession>),
    TooMany,
}

impl Poller {
    async fn next(&mut self) -> BusEvent {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return self.ear.heard(Ok(message));
            }
            time::sleep(self.pause).await;
            self.pause = varied(self.bus.interval);
            if let Some(event) = self.poll().await {
                return event;
            }
        }
    }

    /// Makes one query. What it finds is queued; a gap is returned.
    async fn poll(&mut self) -> Option<BusEvent> {
        let now = self.bus.clock.now();
        if self.last.is_some_and(|last| now.duration_since(last) > PollingBus::LONGEST_OUTAGE) {
            self.begin_anew();
            return Some(self.ear.gap(GapReason::Disconnected));
        }
        let since = self.last.map_or(now, |last| last.min(now)).saturating_sub(self.bus.tolerance);
        let until = now.saturating_add(self.bus.tolerance);

        let found = match time::timeout(PATIENCE, self.find(since, until)).await {
            Ok(Ok(Found::All(found))) => found,
            Ok(Ok(Found::TooMany)) => {
                // Forgetting everything once is better than at every query, so nothing is heard until they have passed.
                self.begin_anew();
                self.pause = self.bus.tolerance;
                return Some(self.ear.gap(GapReason::Overflow));
            }
            Ok(Err(error)) => {
                self.ear.unreachable(&error);
                return None;
            }
            Err(elapsed) => {
                self.ear.unreachable(&elapsed);
                return None;
            }
        };
        self.ear.connected();

        let is_first = self.last.replace(now).is_none();
        let new = self.remember(found);
        if is_first {
            // All of that was in the store before the gap, which makes the caches read it.
            return Some(self.ear.gap(GapReason::Connected));
        }
        self.waiting = messages(new, now);
        None
    }

    /// Forgets what was seen, after a gap.
    fn begin_anew(&mut self) {
        self.ear.disconnected();
        self.last = None;
        self.seen.clear();
    }

    /// Keeps what was found in place of what was found the last time. Returns what is new.
    fn remember(&mut self, found: Vec<EndedSession>) -> Vec<EndedSession> {
        let mut new = Vec::new();
        let mut seen = HashMap::with_capacity(found.len());
        for ended in found {
            let key = ended.key.clone();
            let known = self.seen.get(&key).or_else(|| seen.get(&key)) == Some(&ended.at);
            seen.insert(key, ended.at);
            if !known {
                new.push(ended);
            }
        }
        self.seen = seen;
        new
    }

    /// Reads the window page by page, of which there is rarely more than one.
    async fn find(&self, mut since: Timestamp, until: Timestamp) -> Result<Found, BusError> {
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let page = self.bus.source.ended_between(since, until, PAGE).await?;
            let is_last = u32::try_from(page.len()).is_ok_and(|length| length < PAGE);
            // The next page begins at the last moment of this one, since others may have ended in it too.
            let next = page.last().map(|last| last.at);
            all.extend(page);
            match next {
                Some(next) if !is_last && next > since => since = next,
                Some(_) if !is_last => return Ok(Found::TooMany),
                _ => return Ok(Found::All(all)),
            }
        }
        Ok(Found::TooMany)
    }
}

/// A message for each user. A session whose moment has not come yet may be one that reaches its deadline in a while, or
/// have been ended by a node whose clock is ahead.
fn messages(new: Vec<EndedSession>, now: Timestamp) -> VecDeque<RevocationMessage> {
    let mut of_users: HashMap<(UserId, bool), Vec<SessionId>> = HashMap::new();
    for ended in new {
        of_users.entry((ended.key.user_id, ended.at <= now)).or_default().push(ended.key.id);
    }
    let message = |((user, is_over), ids): ((UserId, bool), Vec<SessionId>)| {
        if is_over { RevocationMessage::ended(user, ids) } else { RevocationMessage::changed(user, ids) }
    };
    of_users.into_iter().map(message).collect()
}

/// The interval, give or take a tenth, so that the nodes of a fleet do not all ask at once.
fn varied(interval: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 200;
    interval.mul_f64(0.9 + random as f64 / 1_000.0)
}

/// How many endings one query reads at most.
const PAGE: u32 = 1_000;

const PAGES: u32 = 100;

/// How long one look may take, all its pages together.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::clock::ManualClock;

    /// A source that a test writes to.
    #[derive(Debug, Default)]
    struct List {
        endings: Mutex<Vec<EndedSession>>,
        failing: Mutex<bool>,
    }

    impl List {
        fn end(&self, user: u32, at: Timestamp) -> SessionId {
            let id = SessionId::at(at);
            self.add([EndedSession::new(SessionKey::new(UserId::from(user), id), at)]);
            id
        }

        fn add(&self, endings: impl IntoIterator<Item = EndedSession>) {
            if let Ok(mut all) = self.endings.lock() {
                all.extend(endings);
                all.sort_by_key(|ended| ended.at);
            }
        }

        fn fail(&self, failing: bool) {
            if let Ok(mut flag) = self.failing.lock() {
                *flag = failing;
            }
        }
    }

    impl PollEndings for List {
        fn ended_between(
            &self,
            since: Timestamp,
            until: Timestamp,
            limit: u32,
        ) -> BusFuture<'_, Result<Vec<EndedSession>, BusError>> {
            let failing = self.failing.lock().is_ok_and(|failing| *failing);
            let endings = self.endings.lock().map(|endings| endings.clone()).unwrap_or_default();
            let within = endings.into_iter().filter(|ended| (since..until).contains(&ended.at)).take(limit as usize);
            let answer = if failing { Err(BusError::unavailable("a planned failure")) } else { Ok(within.collect()) };
            Box::pin(async { answer })
        }
    }

    struct Kit {
        list: Arc<List>,
        clock: ManualClock,
        bus: PollingBus,
        subscription: Subscription,
    }

    impl Kit {
        async fn new() -> Self {
            let (list, clock) = (Arc::new(List::default()), ManualClock::new());
            let bus = PollingBus::new(Arc::clone(&list) as _).clock(Arc::new(clock.clone()));
            let mut subscription = bus.subscribe();
            assert_eq!(subscription.next().await, BusEvent::Gap(GapReason::Connected));
            Self { list, clock, bus, subscription }
        }

        /// The moment so many seconds from now, or before it.
        fn moment(&self, seconds: i64) -> Timestamp {
            Timestamp::from_micros(self.clock.now().as_micros() + seconds * 1_000_000)
        }

        async fn silence(&mut self) {
            let silence = time::timeout(Duration::from_secs(3), self.subscription.next()).await;
            assert!(silence.is_err(), "{silence:?}");
        }

        async fn hears(&mut self, message: RevocationMessage) {
            assert_eq!(self.subscription.next().await, BusEvent::Message(message));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_ending_is_told_once_whatever_clock_it_was_by() {
        let mut kit = Kit::new().await;
        for (user, seconds) in [(1, 0), (2, -1), (3, -20), (4, -29)] {
            let id = kit.list.end(user, kit.moment(seconds));
            kit.hears(RevocationMessage::ended(UserId::from(user), [id])).await;
        }
        let ahead = kit.list.end(5, kit.moment(20));
        kit.hears(RevocationMessage::changed(UserId::from(5), [ahead])).await;
        kit.silence().await;
        kit.clock.advance(Duration::from_secs(25));
        kit.silence().await;
        assert!(kit.bus.is_connected());
        assert_eq!((kit.bus.health().received, kit.bus.health().gaps), (5, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_ended_before_is_not_told() {
        let mut kit = Kit::new().await;
        kit.list.end(1, kit.moment(-31));
        kit.silence().await;
        kit.list.end(2, kit.moment(-1));
        let mut late = kit.bus.subscribe();
        assert_eq!(late.next().await, BusEvent::Gap(GapReason::Connected));
        assert!(time::timeout(Duration::from_secs(3), late.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_ends_before_its_deadline_is_told_again() {
        let mut kit = Kit::new().await;
        let id = kit.list.end(1, kit.moment(20));
        kit.hears(RevocationMessage::changed(UserId::from(1), [id])).await;
        if let Ok(mut endings) = kit.list.endings.lock() {
            endings.clear();
        }
        kit.list.add([EndedSession::new(SessionKey::new(UserId::from(1), id), kit.moment(0))]);
        kit.hears(RevocationMessage::ended(UserId::from(1), [id])).await;
    }

    /// The store is out of reach, so nothing can be missed, and nothing that is cached need be forgotten.
    #[tokio::test(start_paused = true)]
    async fn an_outage_is_made_up_for() {
        let mut kit = Kit::new().await;
        kit.list.fail(true);
        kit.silence().await;
        assert!(!kit.bus.is_connected());
        let id = kit.list.end(1, kit.moment(1));
        kit.clock.advance(Duration::from_secs(200));
        kit.list.fail(false);
        kit.hears(RevocationMessage::ended(UserId::from(1), [id])).await;
        assert!(kit.bus.is_connected());
        assert_eq!(kit.bus.health().gaps, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_outage_is_a_gap() {
        let mut kit = Kit::new().await;
        kit.clock.advance(PollingBus::LONGEST_OUTAGE + Duration::from_secs(1));
        assert_eq!(kit.subscription.next().await, BusEvent::Gap(GapReason::Disconnected));
        assert_eq!(kit.subscription.next().await, BusEvent::Gap(GapReason::Connected));
        let id = kit.list.end(1, kit.moment(0));
        kit.hears(RevocationMessage::ended(UserId::from(1), [id])).await;
        assert_eq!(kit.bus.health().gaps, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_steps_back_misses_nothing() {
        let mut kit = Kit::new().await;
        kit.clock.set_wall(kit.moment(-3_600));
        let id = kit.list.end(1, kit.moment(0));
        kit.hears(RevocationMessage::ended(UserId::from(1), [id])).await;
    }

    #[tokio::test(start_paused = true)]
    async fn many_endings_are_read_in_pages_and_too_many_are_a_gap() {
        let mut kit = Kit::new().await;
        let at = kit.moment(-1);
        let many = |count: u32, step: u64| {
            (0..count).map(move |n| {
                let at = at.saturating_add(Duration::from_micros(u64::from(n) * step));
                EndedSession::new(SessionKey::new(UserId::from(n), SessionId::at(at)), at)
            })
        };
        kit.list.add(many(2_500, 1));
        let mut told = 0;
        while told < 2_500 {
            assert!(matches!(kit.subscription.next().await, BusEvent::Message(_)));
            told += 1;
        }
        kit.silence().await;

        kit.list.add(many(1_001, 0));
        assert_eq!(kit.subscription.next().await, BusEvent::Gap(GapReason::Overflow));
        assert!(!kit.bus.is_connected());
        let again = time::timeout(Duration::from_secs(29), kit.subscription.next()).await;
        assert!(again.is_err(), "{again:?}");
        kit.clock.advance(Duration::from_secs(60));
        assert_eq!(kit.subscription.next().await, BusEvent::Gap(GapReason::Connected));
    }
}
