use std::time::Duration;

use tokio::sync::Semaphore;

use crate::{
    error::{ConfigError, ConfigErrorKind},
    manager::settings::SessionManagerBuilder,
    policy::SessionPolicy,
};

/// How long things take and last, as `build()` has checked them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timings {
    pub(in crate::manager) cache_ttl: Duration,
    pub(in crate::manager) activity_interval: Duration,
    pub(in crate::manager) flush_interval: Duration,
    pub(in crate::manager) store_deadline: Duration,
    pub(in crate::manager) retention: Duration,
    pub(in crate::manager) address_retention: Option<Duration>,
    pub(in crate::manager) purge_interval: Duration,
    pub(in crate::manager) device_retention: Duration,
}

impl Timings {
    /// How far recorded activity may lag the real one.
    pub(in crate::manager) fn idle_allowance(&self) -> Duration {
        self.activity_interval + self.flush_interval
    }
}

impl SessionManagerBuilder {
    /// What was not set follows from what was, and all of it has to go together.
    pub(in crate::manager) fn timings(&self) -> Result<Timings, ConfigError> {
        let SessionPolicy { absolute_timeout, idle_timeout, .. } = self.policy;
        let idle_timeout = idle_timeout.min(absolute_timeout);
        let tenth = idle_timeout / 10;
        let cache_ttl = self.cache_ttl.unwrap_or_else(|| tenth.min(Duration::from_secs(10)));
        let activity_interval = self.activity_interval.unwrap_or_else(|| tenth.min(Duration::from_secs(60)));
        let flush_interval = self
            .flush_interval
            .unwrap_or_else(|| (activity_interval / 6).clamp(Duration::from_millis(1), Duration::from_secs(10)));

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
        if let Some((_, message)) = rules.into_iter().find(|(broken, _)| *broken) {
            return Err(ConfigError::new(ConfigErrorKind::Setting, message));
        }
        Ok(Timings {
            cache_ttl,
            activity_interval,
            flush_interval,
            store_deadline: self.store_deadline,
            retention: self.retention,
            address_retention: self.address_retention,
            purge_interval: self.purge_interval,
            device_retention: self.device_retention,
        })
    }
}
