use std::time::{Duration, SystemTime};

use crate::clock::{Clock, Timestamp};

/// The operating system's clocks.
///
/// On Linux the coarse hand is `CLOCK_MONOTONIC_COARSE`, which the kernel moves at each of its ticks, and which costs less to
/// read than `CLOCK_MONOTONIC`. Elsewhere it is the monotonic one.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: hands::Moment,
}

impl SystemClock {
    /// The system's clocks, with the monotonic one starting at zero now.
    pub fn new() -> Self {
        Self { origin: hands::precise() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn monotonic(&self) -> Duration {
        hands::since(self.origin, hands::precise())
    }

    fn coarse(&self) -> Duration {
        hands::since(self.origin, hands::coarse())
    }

    fn coarseness(&self) -> Duration {
        hands::coarseness()
    }
}

#[cfg(target_os = "linux")]
mod hands {
    use std::time::Duration;

    use nix::time::{ClockId, clock_getres, clock_gettime};

    /// Since a moment of the kernel's choosing, which is the same for both hands.
    pub(super) type Moment = Duration;

    pub(super) fn precise() -> Moment {
        read(ClockId::CLOCK_MONOTONIC)
    }

    pub(super) fn coarse() -> Moment {
        read(ClockId::CLOCK_MONOTONIC_COARSE)
    }

    /// Twice the time from one tick to the next: a tick may come late.
    pub(super) fn coarseness() -> Duration {
        2 * clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).map_or(Duration::ZERO, Duration::from)
    }

    pub(super) fn since(origin: Moment, moment: Moment) -> Duration {
        moment.saturating_sub(origin)
    }

    fn read(clock: ClockId) -> Moment {
        // Neither is ever missing: POSIX asks for the one, and Linux has had the other since 2.6.32.
        clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
    }
}

#[cfg(not(target_os = "linux"))]
mod hands {
    use std::time::{Duration, Instant};

    pub(super) type Moment = Instant;

    pub(super) fn precise() -> Moment {
        Instant::now()
    }

    pub(super) fn coarse() -> Moment {
        precise()
    }

    pub(super) fn coarseness() -> Duration {
        Duration::ZERO
    }

    pub(super) fn since(origin: Moment, moment: Moment) -> Duration {
        moment.saturating_duration_since(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As far as a machine keeps its ticks: that each of a thousand readings came late is no accident.
    #[test]
    fn the_coarse_hand_is_behind_the_monotonic_one_by_less_than_its_coarseness() {
        let clock = SystemClock::new();
        assert!(clock.coarseness() <= Duration::from_millis(20), "{:?}", clock.coarseness());
        let mut in_time = 0;
        for _ in 0..1_000 {
            let (coarse, precise) = (clock.coarse(), clock.monotonic());
            assert!(coarse <= precise, "{coarse:?} is ahead of {precise:?}");
            in_time += u32::from(precise - coarse <= clock.coarseness());
        }
        assert!(in_time > 0);
    }
}
