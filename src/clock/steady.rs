//! The time of one manager: an anchor plus the monotonic hand, and how jumps of the wall clock are judged.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use super::{Clock, Timestamp, ticks, whole_micros};

/// The time as one manager has it: an anchor plus the monotonic hand.
///
/// 1. The anchor is what the wall clock showed when the monotonic hand stood at zero.
/// 2. A wall clock that agrees with that, within [`DRIFT`], is followed.
/// 3. One that is behind has been corrected, and is followed too.
/// 4. One that is ahead counts once it has been ahead for [`LASTING`], or is confirmed: by what it showed right before
///    a step back, or by a moment that another node has recorded. Until then the time goes on as it was.
#[derive(Clone, Debug)]
pub(crate) struct SteadyClock {
    clock: Arc<dyn Clock>,
    anchor: Arc<Anchor>,
    coarseness: u64,
}

#[derive(Debug)]
struct Anchor {
    /// In microseconds since the Unix epoch.
    at: AtomicI64,
    /// Whether a jump ahead is under suspicion, so that every reading has to be judged.
    is_suspicious: AtomicBool,
    /// The monotonic hand at the beginning, or when a step was last followed, in microseconds.
    since: AtomicI64,
    steps: Mutex<Steps>,
}

#[derive(Debug, Default)]
struct Steps {
    /// A jump ahead that does not count yet.
    jump: Option<Step>,
    /// The newest step back.
    back: Option<Step>,
    /// What the steps that were followed since this was last asked for amount to, in microseconds.
    followed: Option<i64>,
}

/// A step of the wall clock.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// The anchor that a jump ahead leads to, or that a step back has left.
    anchor: i64,
    /// The monotonic hand when the step was seen, in microseconds.
    seen_at: i64,
}

/// One reading of both hands.
struct Reading {
    /// The anchor that it amounts to.
    anchor: i64,
    elapsed: i64,
}

impl SteadyClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let coarseness = ticks(clock.coarseness());
        let reading = Reading::of(&*clock);
        let [at, since] = [reading.anchor, reading.elapsed].map(AtomicI64::new);
        let anchor = Anchor { at, is_suspicious: AtomicBool::new(false), since, steps: Mutex::default() };
        Self { clock, anchor: Arc::new(anchor), coarseness }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let (reading, anchor) = (Reading::of(&*self.clock), self.anchor.at.load(Ordering::Acquire));
        let ahead = reading.anchor.saturating_sub(anchor);
        if ahead.saturating_abs() > DRIFT || self.anchor.is_suspicious.load(Ordering::Acquire) {
            return self.judge();
        }
        if ahead.saturating_abs() > UNNOTICED {
            // Not over a step that was judged meanwhile.
            let _ = self.anchor.at.compare_exchange(anchor, reading.anchor, Ordering::AcqRel, Ordering::Relaxed);
        }
        reading.time()
    }

    /// What the time would be if a jump ahead counted that does not yet.
    pub(crate) fn suspected(&self) -> Option<Timestamp> {
        let jump = self.anchor.steps().jump?;
        Some(Timestamp(Reading::of(&*self.clock).at(jump.anchor)))
    }

    /// Takes note of a moment that another node has written down. Returns whether that has borne a jump ahead out,
    /// which counts from now on.
    pub(crate) fn bear_out(&self, moment: Timestamp) -> bool {
        if !self.anchor.is_suspicious.load(Ordering::Acquire) {
            return false;
        }
        let (mut steps, reading) = (self.anchor.steps(), Reading::of(&*self.clock));
        let Some(jump) = steps.jump else {
            return false;
        };
        let (time, jumped) = (reading.at(self.anchor.at.load(Ordering::Acquire)), reading.at(jump.anchor));
        // What is nearer to the jump than to the time bears it out. What lies beyond both does not.
        let middle = time.saturating_add(jumped.saturating_sub(time) / 2);
        let bears_out = (middle..=jumped.saturating_add(AGREEMENT)).contains(&moment.as_micros());
        if bears_out {
            self.anchor.follow(&mut steps, jump.anchor, reading.elapsed);
        }
        bears_out
    }

    /// The steps of the wall clock that were followed since this was last asked for, together: ahead or back by so
    /// much.
    pub(crate) fn take_step(&self) -> Option<(Direction, Duration)> {
        let by = self.anchor.steps().followed.take()?;
        let direction = if by < 0 { Direction::Back } else { Direction::Ahead };
        Some((direction, Duration::from_micros(by.unsigned_abs())))
    }

    /// Whether nobody has set the wall clock for so long, nor started the manager.
    pub(crate) fn has_run_for(&self, duration: Duration) -> bool {
        let since = self.anchor.since.load(Ordering::Acquire);
        let elapsed = whole_micros(self.clock.monotonic()).saturating_sub(since);
        elapsed >= whole_micros(duration) && !self.anchor.is_suspicious.load(Ordering::Acquire)
    }

    /// Nanoseconds on the monotonic hand: one word, to be compared with others.
    pub(crate) fn ticks(&self) -> u64 {
        ticks(self.clock.monotonic())
    }

    /// The same on the coarse hand, for the hot path.
    pub(crate) fn coarse_ticks(&self) -> u64 {
        ticks(self.clock.coarse())
    }

    /// How far the coarse hand may be behind, in ticks.
    pub(crate) fn coarseness(&self) -> u64 {
        self.coarseness
    }

    /// The time by a reading that does not agree with the anchor, or while a jump is under suspicion.
    fn judge(&self) -> Timestamp {
        // Read again: a thread that was held up between the two hands saw a jump where there was none.
        let (mut steps, reading) = (self.anchor.steps(), Reading::of(&*self.clock));
        let anchor = self.anchor.at.load(Ordering::Acquire);
        let ahead = reading.anchor.saturating_sub(anchor);
        if ahead.saturating_abs() <= DRIFT {
            self.anchor.settle(&mut steps);
            return reading.time();
        }
        if ahead < 0 {
            self.anchor.follow(&mut steps, reading.anchor, reading.elapsed);
            steps.back = Some(Step { anchor, seen_at: reading.elapsed });
            return reading.time();
        }
        if steps.bear_out(&reading) {
            self.anchor.follow(&mut steps, reading.anchor, reading.elapsed);
            return reading.time();
        }
        self.anchor.is_suspicious.store(true, Ordering::Release);
        Timestamp(reading.at(anchor))
    }
}

/// For components that have a clock of their own and must have the same time.
impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn coarse(&self) -> Duration {
        self.clock.coarse()
    }

    fn coarseness(&self) -> Duration {
        self.clock.coarseness()
    }
}

/// Which way the wall clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ahead,
    Back,
}

impl Anchor {
    fn follow(&self, steps: &mut Steps, anchor: i64, elapsed: i64) {
        self.since.store(elapsed, Ordering::Release);
        let by = anchor.saturating_sub(self.at.swap(anchor, Ordering::AcqRel));
        steps.followed = Some(steps.followed.unwrap_or(0).saturating_add(by));
        self.settle(steps);
    }

    /// Nothing is under suspicion any more.
    fn settle(&self, steps: &mut Steps) {
        steps.jump = None;
        self.is_suspicious.store(false, Ordering::Release);
    }

    fn steps(&self) -> MutexGuard<'_, Steps> {
        // Nothing panics while it is held; should it ever, each field is good by itself.
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Steps {
    /// Whether a reading that is ahead counts: because the clock is where it was before a step back, or because the
    /// jump has lasted. A jump that was not seen before is noted.
    fn bear_out(&mut self, reading: &Reading) -> bool {
        if self.back.is_some_and(|back| back.leads_to(reading) && back.age(reading) <= LASTING) {
            return true;
        }
        match self.jump {
            Some(jump) if jump.leads_to(reading) => jump.age(reading) >= LASTING,
            _ => {
                self.jump = Some(Step { anchor: reading.anchor, seen_at: reading.elapsed });
                false
            }
        }
    }
}

impl Step {
    fn leads_to(self, reading: &Reading) -> bool {
        self.anchor.saturating_sub(reading.anchor).saturating_abs() <= DRIFT
    }

    fn age(self, reading: &Reading) -> i64 {
        reading.elapsed.saturating_sub(self.seen_at)
    }
}

impl Reading {
    fn of(clock: &dyn Clock) -> Self {
        let elapsed = whole_micros(clock.monotonic());
        let anchor = clock.now().as_micros().saturating_sub(elapsed);
        Self { anchor, elapsed }
    }

    /// What the wall clock showed.
    fn time(&self) -> Timestamp {
        Timestamp(self.at(self.anchor))
    }

    /// The time by another anchor.
    fn at(&self, anchor: i64) -> i64 {
        anchor.saturating_add(self.elapsed)
    }
}

/// By how much the hands may disagree before it is a step, in microseconds: clocks run at slightly different speeds.
const DRIFT: i64 = 2_000_000;

/// By how much they may disagree before the anchor is moved.
const UNNOTICED: i64 = 1_000;

/// By how much the clocks of nodes that work together may differ, in microseconds.
const AGREEMENT: i64 = 30_000_000;

/// How long a jump ahead has to last before it counts, in microseconds.
const LASTING: i64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3_600);
    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    /// A clock, and the same as a manager has it.
    fn clocks() -> (ManualClock, SteadyClock) {
        let manual = ManualClock::new();
        let steady = SteadyClock::new(Arc::new(manual.clone()));
        (manual, steady)
    }

    /// How far the wall is ahead of where it would be, had nobody set it.
    fn set_ahead(manual: &ManualClock, by: Duration) {
        manual.set_wall(manual.now().saturating_add(by));
    }

    fn set_back(manual: &ManualClock, by: Duration) {
        manual.set_wall(manual.now().saturating_sub(by));
    }

    #[test]
    fn the_time_is_what_the_wall_clock_shows() {
        let (manual, steady) = clocks();
        for step in [Duration::ZERO, SECOND, HOUR, YEAR] {
            manual.advance(step);
            assert_eq!(steady.now(), manual.now());
        }
        assert_eq!(steady.take_step(), None);
    }

    /// R11: one wrong reading, or a minute of them, is nothing.
    #[test]
    fn a_jump_ahead_does_not_count_before_it_has_lasted_a_minute() {
        let (manual, steady) = clocks();
        for jump in [3 * SECOND, 20 * HOUR, YEAR] {
            let before = manual.now();
            set_ahead(&manual, jump);
            for second in 0..60 {
                assert_eq!(steady.now(), before.saturating_add(second * SECOND), "{jump:?}");
                manual.advance(SECOND);
            }
            set_back(&manual, jump);
            assert_eq!(steady.now(), before.saturating_add(60 * SECOND));
            // The next one begins again.
            manual.advance(SECOND);
        }
        assert_eq!(steady.take_step(), None);
    }

    #[test]
    fn a_jump_ahead_counts_once_it_has_lasted_a_minute() {
        let (manual, steady) = clocks();
        set_ahead(&manual, HOUR);
        let before = steady.now();
        manual.advance(60 * SECOND);
        assert_eq!(steady.now(), before.saturating_add(HOUR + 60 * SECOND));
        assert_eq!(steady.now(), manual.now());
        assert_eq!(steady.take_step(), Some((Direction::Ahead, HOUR)));
        assert_eq!(steady.take_step(), None);
    }

    #[test]
    fn a_jump_that_grows_or_shrinks_has_not_lasted() {
        let (manual, steady) = clocks();
        let start = manual.now();
        for jump in (1..100).map(|times| times * HOUR) {
            manual.set_wall(start.saturating_add(jump));
            assert!(steady.now() < start.saturating_add(HOUR));
            manual.advance(30 * SECOND);
        }
    }

    /// R10, R11: a clock that was wrong from the beginning, or for long, heals.
    #[test]
    fn a_correction_backwards_is_followed_at_once() {
        for ahead in [3 * SECOND, HOUR, 60 * YEAR] {
            let (manual, steady) = clocks();
            let wrong = steady.now();
            set_back(&manual, ahead);
            assert_eq!(steady.now(), wrong.saturating_sub(ahead));
            manual.advance(HOUR);
            assert_eq!(steady.now(), manual.now());
            assert_eq!(steady.take_step(), Some((Direction::Back, ahead)));
        }
    }

    #[test]
    fn a_clock_that_was_behind_for_a_moment_is_right_again_at_once() {
        let (manual, steady) = clocks();
        let right = steady.now();
        set_back(&manual, YEAR);
        assert_eq!(steady.now(), right.saturating_sub(YEAR));
        manual.advance(10 * SECOND);
        set_ahead(&manual, YEAR);
        assert_eq!(steady.now(), right.saturating_add(10 * SECOND));

        // After more than a minute it is a jump like any other.
        set_back(&manual, YEAR);
        assert_eq!(steady.now(), manual.now());
        manual.advance(61 * SECOND);
        let behind = steady.now();
        set_ahead(&manual, YEAR);
        assert_eq!(steady.now(), behind);
    }

    /// What others have written down lies between the time and the jump: whichever it is nearer to is right.
    #[test]
    fn what_another_node_has_written_down_bears_a_jump_out() {
        for (written, counts) in [
            (Duration::ZERO, false),
            (24 * 60 * SECOND, false),
            (31 * 60 * SECOND, true),
            (HOUR, true),
            (HOUR + 30 * SECOND, true),
            (2 * HOUR, false),
        ] {
            let (manual, steady) = clocks();
            let before = steady.now();
            // Before there is a jump it says nothing.
            assert!(!steady.bear_out(before.saturating_add(written)));
            set_ahead(&manual, HOUR);
            assert_eq!(steady.now(), before);
            assert_eq!(steady.bear_out(before.saturating_add(written)), counts);
            let expected = if counts { before.saturating_add(HOUR) } else { before };
            assert_eq!(steady.now(), expected, "{written:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_begins_anew() {
        let (manual, steady) = clocks();
        manual.advance(HOUR - SECOND);
        assert!(!steady.has_run_for(HOUR));
        manual.advance(SECOND);
        assert!(steady.has_run_for(HOUR));
        set_ahead(&manual, HOUR);
        let _ = steady.now();
        assert!(!steady.has_run_for(HOUR), "while it is not known what time it is");
        set_back(&manual, HOUR);
        let _ = steady.now();
        assert!(steady.has_run_for(HOUR));
        set_back(&manual, HOUR);
        let _ = steady.now();
        assert!(!steady.has_run_for(SECOND));
        manual.advance(SECOND);
        assert!(steady.has_run_for(SECOND));
    }

    #[test]
    fn a_clock_that_runs_a_little_fast_or_slow_is_followed() {
        let (manual, steady) = clocks();
        for minute in 0..10_000 {
            manual.advance(60 * SECOND);
            match minute < 5_000 {
                true => set_ahead(&manual, Duration::from_millis(6)),
                false => set_back(&manual, Duration::from_millis(6)),
            }
            assert_eq!(steady.now(), manual.now());
        }
        assert_eq!(steady.take_step(), None);
    }

    #[test]
    fn the_ends_of_the_range_are_read_without_panic() {
        for at in [i64::MIN, i64::MAX, 0] {
            let manual = ManualClock::at(Timestamp::from_micros(at));
            let steady = SteadyClock::new(Arc::new(manual.clone()));
            for other in [i64::MAX, i64::MIN, 0] {
                manual.set_wall(Timestamp::from_micros(other));
                manual.advance(61 * SECOND);
                let _ = (steady.now(), steady.now());
                steady.bear_out(Timestamp::from_micros(other));
            }
        }
    }
}
