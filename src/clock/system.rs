//! The clocks of the operating system.

use std::time::{Duration, SystemTime};

use crate::clock::{Clock, Timestamp};

/// The operating system's clocks.
///
/// On Linux the monotonic hand is `CLOCK_BOOTTIME`, which also counts the time during which the machine was suspended.
/// The coarse hand is `CLOCK_MONOTONIC_COARSE`, which the kernel moves at each of its ticks and which costs less to
/// read, plus that time; after a suspension it is right as soon as the monotonic hand was read once, which a manager
/// does every second. Elsewhere both are [`Instant`](std::time::Instant).
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
    use std::{
        sync::atomic::{AtomicI64, Ordering},
        time::Duration,
    };

    use nix::time::{ClockId, clock_getres, clock_gettime};

    /// Nanoseconds since a moment of the kernel's choosing, which is the same for both hands.
    pub(super) type Moment = i64;

    /// How much `CLOCK_BOOTTIME` is ahead of `CLOCK_MONOTONIC`, which stands still while the machine is suspended.
    /// Nothing reads the coarse hand before the precise one was read.
    static SUSPENDED: AtomicI64 = AtomicI64::new(i64::MIN);

    pub(super) fn precise() -> Moment {
        let counted = read(ClockId::CLOCK_BOOTTIME);
        // Read later, so that what lies between the two makes the difference smaller, and the coarse hand is never
        // ahead.
        let suspended = counted.saturating_sub(read(ClockId::CLOCK_MONOTONIC));
        if suspended > SUSPENDED.load(Ordering::Relaxed) {
            SUSPENDED.fetch_max(suspended, Ordering::Relaxed);
        }
        counted
    }

    pub(super) fn coarse() -> Moment {
        read(ClockId::CLOCK_MONOTONIC_COARSE).wrapping_add(SUSPENDED.load(Ordering::Relaxed))
    }

    /// Twice the time from one tick to the next: a tick may come late.
    pub(super) fn coarseness() -> Duration {
        2 * clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).map_or(Duration::ZERO, Duration::from)
    }

    pub(super) fn since(origin: Moment, moment: Moment) -> Duration {
        Duration::from_nanos(u64::try_from(moment.wrapping_sub(origin)).unwrap_or(0))
    }

    fn read(clock: ClockId) -> Moment {
        // None is ever missing: POSIX asks for the one, and Linux has had the others since 2.6.39.
        clock_gettime(clock).map_or(0, |time| time.tv_sec().wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec()))
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

    /// What stands in for a suspension is a time namespace, in which `CLOCK_BOOTTIME` is two hours ahead of
    /// `CLOCK_MONOTONIC`.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_hands_agree_on_a_machine_that_was_suspended() {
        let test = "clock::system::tests::the_coarse_hand_is_behind_the_monotonic_one_by_less_than_its_coarseness";
        let mut suspended = std::process::Command::new("unshare");
        suspended.args(["--fork", "--time", "--boottime", "7200"]).arg(std::env::current_exe().unwrap());
        let Ok(output) = suspended.args([test, "--exact"]).output() else { return };
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        // Not everybody may make one.
        assert!(output.status.success() && text.contains("1 passed") || text.starts_with("unshare:"), "{text}");
    }
}
