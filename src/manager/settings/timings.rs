//! Times and durations. Unset values follow from those that are set, and all of them have to fit together.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::{
    error::ConfigError,
    manager::settings::{Settings, invalid},
    policy::SessionPolicy,
};

impl Settings {
    /// How long a record may be used without being read again.
    pub(in crate::manager) fn cache_ttl(&self) -> Duration {
        self.cache_ttl.unwrap_or_else(|| (self.idle_timeout() / 10).min(Duration::from_secs(10)))
    }

    /// How often the activity of one session is recorded at most.
    pub(in crate::manager) fn activity_interval(&self) -> Duration {
        self.activity_interval.unwrap_or_else(|| (self.idle_timeout() / 10).min(Duration::from_secs(60)))
    }

    /// How often recorded activity is written.
    pub(in crate::manager) fn flush_interval(&self) -> Duration {
        let sixth = self.activity_interval() / 6;
        self.flush_interval.unwrap_or_else(|| sixth.clamp(Duration::from_millis(1), Duration::from_secs(10)))
    }

    /// How far recorded activity may lag the real one.
    pub(in crate::manager) fn idle_allowance(&self) -> Duration {
        self.activity_interval() + self.flush_interval()
    }

    fn idle_timeout(&self) -> Duration {
        self.policy.idle_timeout.min(self.policy.absolute_timeout)
    }

    pub(super) fn check_timings(&self) -> Result<(), ConfigError> {
        let (absolute_timeout, idle_timeout) = (self.policy.absolute_timeout, self.idle_timeout());
        let (cache_ttl, activity_interval) = (self.cache_ttl(), self.activity_interval());
        let flush_interval = self.flush_interval();
        let second = Duration::from_secs(1);
        let rules = [
            (absolute_timeout.is_zero(), "the absolute timeout is zero"),
            (absolute_timeout > SessionPolicy::LONGEST, "the absolute timeout is longer than 400 days"),
            (idle_timeout.is_zero(), "the idle timeout is zero"),
            (
                self.policy.idle_is_chosen && self.policy.idle_timeout > absolute_timeout,
                "the idle timeout is longer than the absolute timeout",
            ),
            (cache_ttl > 60 * second, "the cache's time to live is longer than 60 s"),
            (self.cache_capacity == 0, "the cache's capacity is zero"),
            (activity_interval.is_zero(), "the activity interval is zero"),
            (flush_interval.is_zero(), "the flush interval is zero"),
            (
                activity_interval + cache_ttl >= idle_timeout / 2,
                "the activity interval and the cache's time to live together are not shorter than half the idle timeout",
            ),
            (flush_interval > activity_interval, "the flush interval is longer than the activity interval"),
            (self.store_deadline.is_zero(), "the store's deadline is zero"),
            (self.store_deadline > 60 * second, "the store's deadline is longer than 60 s"),
            (self.concurrent_loads == 0, "no concurrent loads are allowed"),
            (self.concurrent_loads > Semaphore::MAX_PERMITS, "there are more concurrent loads than can be counted"),
            (self.retention < 86_400 * second, "ended sessions are kept for less than a day"),
            (
                self.address_retention.is_some_and(|kept| kept > self.retention),
                "addresses are kept for longer than the sessions that they belong to",
            ),
            (self.purge_interval.is_zero(), "the purge interval is zero"),
            (self.device_retention < 86_400 * second, "devices are known for less than a day"),
        ];
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, message)) => Err(invalid(message)),
            None => Ok(()),
        }
    }
}
