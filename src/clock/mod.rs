//! Time: what a moment is, and where the crate reads it.
//!
//! 1. A [`Timestamp`] is a whole number of microseconds since the Unix epoch, in memory and in every database.
//! 2. Only a [`Clock`] reads the time. It has two hands: the wall clock, which decides expiry, and a monotonic one,
//!    which measures how long something has been cached. The second never jumps, even when an operator sets the first.
//!    Each request reads it a little less precisely, and cache entries expire earlier by as much.
//! 3. Within one manager the time is an anchor plus the monotonic hand. A wall clock that jumps ahead counts once it
//!    has been ahead for a minute, or when another node's time confirms it; one that is set back is followed at once.
//!    So one wrong reading does no harm, and a correction takes effect. What is on record as ended stays ended.
//!
//! Tests use [`ManualClock`] and never sleep.

mod steady;
mod system;

pub(crate) use self::steady::{Direction, SteadyClock};
pub use self::system::SystemClock;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, in whole microseconds since the Unix epoch (UTC).
///
/// Displays, and serializes, as RFC 3339 with milliseconds: `2026-01-31T09:30:00.000Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const UNIX_EPOCH: Self = Self(0);

    /// The moment `micros` microseconds after (or, when negative, before) the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment `seconds` seconds after the Unix epoch, saturating at the ends of the range.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment plus `duration`, saturating.
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(whole_micros(duration)))
    }

    /// This moment minus `duration`, saturating.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(whole_micros(duration)))
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    pub fn duration_since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = DateTime::<Utc>::from(*self).to_rfc3339_opts(SecondsFormat::Millis, true);
        f.write_str(&text)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        let end = if time.0 < 0 { Self::MIN_UTC } else { Self::MAX_UTC };
        Self::from_timestamp_micros(time.0).unwrap_or(end)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self(whole_micros(after)),
            Err(before) => Self(whole_micros(before.duration()).saturating_neg()),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DateTime::<Utc>::deserialize(deserializer).map(Self::from)
    }
}

/// Where the crate reads the time.
///
/// Both hands may be read from any thread and on every request: an implementation neither blocks nor panics.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time since a fixed moment of the clock's own choosing; it never decreases. Where the system has such a clock, it
    /// also counts the time during which the machine was suspended.
    fn monotonic(&self) -> Duration;

    /// A cheaper, less precise reading of the monotonic hand, used once per request. It is never ahead of
    /// [`monotonic`](Self::monotonic), and behind it by [`coarseness`](Self::coarseness) at most. Default: `monotonic`.
    fn coarse(&self) -> Duration {
        self.monotonic()
    }

    /// The most that [`coarse`](Self::coarse) may lag behind [`monotonic`](Self::monotonic). Cache entries expire
    /// earlier by this much. Read once, when the manager is built. Default: zero.
    fn coarseness(&self) -> Duration {
        Duration::ZERO
    }
}

/// A clock that stands still until it is told to move, for tests.
///
/// Clones share one time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_device_sessions::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().duration_since(before), Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    hands: Arc<Hands>,
}

#[derive(Debug)]
struct Hands {
    wall: AtomicI64,
    monotonic: AtomicU64,
}

impl ManualClock {
    /// A clock that shows the first second of 2026.
    pub fn new() -> Self {
        Self::at(Timestamp::from_seconds(1_767_225_600))
    }

    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        let hands = Hands { wall: AtomicI64::new(now.as_micros()), monotonic: AtomicU64::new(0) };
        Self { hands: Arc::new(hands) }
    }

    /// Lets `duration` pass on both hands.
    pub fn advance(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        // In the order in which a reader in between sees a short jump ahead, which does not count, and no step back.
        self.hands.wall.fetch_add(whole_micros(duration), Ordering::SeqCst);
        self.hands.monotonic.fetch_add(micros, Ordering::SeqCst);
    }

    /// Sets only the wall clock, forwards or backwards, as an operator or NTP would.
    ///
    /// A manager follows a step back at once, and a jump of more than two seconds ahead when it has lasted for a minute
    /// of the monotonic hand. To let time pass, use [`advance`](Self::advance).
    pub fn set_wall(&self, now: Timestamp) {
        self.hands.wall.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.hands.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.hands.monotonic.load(Ordering::SeqCst))
    }
}

/// `duration` in the unit of [`SteadyClock::ticks`], saturating (after 584 years).
pub(crate) fn ticks(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

fn whole_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_displays_as_rfc_3339() {
        assert_eq!(Timestamp::from_micros(1_767_225_600_123_456).to_string(), "2026-01-01T00:00:00.123Z");
        assert_eq!(Timestamp::from_micros(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn the_ends_of_the_range_display_without_panic() {
        for micros in [i64::MIN, i64::MAX] {
            assert!(!Timestamp::from_micros(micros).to_string().is_empty());
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let last = Timestamp::from_micros(i64::MAX);
        assert_eq!(last.saturating_add(Duration::MAX), last);
        assert_eq!(Timestamp::UNIX_EPOCH.duration_since(last), Duration::ZERO);
        assert_eq!(Timestamp::from_seconds(i64::MAX), last);
    }

    #[test]
    fn seconds_round_down_before_the_epoch_too() {
        assert_eq!(Timestamp::from_micros(-1).as_seconds(), -1);
        assert_eq!(Timestamp::from_micros(1_999_999).as_seconds(), 1);
    }

    #[test]
    fn a_timestamp_survives_json() -> Result<(), serde_json::Error> {
        let time = Timestamp::from_micros(1_767_225_600_123_000);
        let json = serde_json::to_string(&time)?;
        assert_eq!(json, "\"2026-01-01T00:00:00.123Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json)?, time);
        Ok(())
    }

    #[test]
    fn setting_the_wall_leaves_the_monotonic_hand_alone() {
        let manual = ManualClock::new();
        manual.advance(Duration::from_secs(5));
        manual.set_wall(Timestamp::UNIX_EPOCH);
        assert_eq!(manual.monotonic(), Duration::from_secs(5));
    }
}
