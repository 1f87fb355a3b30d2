//! Succession: which refresh token is followed by which, and which was stolen.

use std::{fmt, time::Duration};

use crate::{clock::Timestamp, session::TokenState};

impl TokenState {
    /// What becomes of a refresh token of generation `presented` at `now`.
    ///
    /// 1. The newest is used, and then has a successor.
    /// 2. The one before it returns that successor again for a while: a response was lost, or several tabs refreshed at
    ///    once. The time is shorter once the successor has been seen in use. If the user has authenticated again in
    ///    between, the token is only refused: what they have proven is not for the holder of an older token, and a tab
    ///    that was a moment too late is no thief.
    /// 3. After that, and for anything older, two parties have the token, and one of them has stolen it.
    pub(crate) fn succession(&self, presented: u32, now: Timestamp, retries: Retries) -> Succession {
        if presented == self.generation {
            return Succession::Next;
        }
        if presented > self.generation {
            return Succession::Unknown;
        }
        if presented + 1 < self.generation {
            return Succession::Reused(ReuseCause::Ancient);
        }
        let age = self.rotated_at.map_or(Duration::MAX, |rotated_at| now.duration_since(rotated_at));
        let (most, cause) = match self.newest_seen {
            true => (retries.seen, ReuseCause::Superseded),
            false => (retries.unseen.max(retries.seen), ReuseCause::Late),
        };
        if age >= most {
            return Succession::Reused(cause);
        }
        if presented < self.least_generation { Succession::Outdated } else { Succession::Again(age) }
    }

    /// The oldest generation whose access tokens are accepted where only the latest are.
    ///
    /// Until the newest pair has been seen in use, the response with it may have been lost.
    pub(crate) fn latest_in_use(&self) -> u32 {
        if self.newest_seen { self.generation } else { self.generation.saturating_sub(1) }
    }
}

/// How long after a refresh the token before the newest still returns its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retries {
    /// Once its successor has been seen in use.
    pub(crate) seen: Duration,
    /// Until then.
    pub(crate) unseen: Duration,
}

/// What becomes of a refresh token that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Succession {
    /// It is the newest: the session moves to the next generation.
    Next,
    /// Its successor is returned again, this long after the first time.
    Again(Duration),
    /// Its successor is not for the holder of this token.
    Outdated,
    /// It had been used before.
    Reused(ReuseCause),
    /// It is newer than the record, which must have been restored from a copy.
    Unknown,
}

/// Why a refresh token that was presented counts as reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReuseCause {
    /// Its successor has been seen in use, and the grace has passed.
    Superseded,
    /// Its successor has not been seen in use, but the time for asking again has passed.
    Late,
    /// Even its successor has been used.
    Ancient,
}

impl ReuseCause {
    /// The name of the cause in logs and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Late => "late",
            Self::Ancient => "ancient",
        }
    }
}

impl fmt::Display for ReuseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn start() -> Timestamp {
        Timestamp::from_seconds(1_767_225_600)
    }

    /// S43, S44: the retry matrix, rule by rule.
    #[test]
    fn only_the_newest_and_its_predecessor_are_answered() {
        use ReuseCause::{Ancient, Late, Superseded};
        use Succession::{Again, Next, Outdated, Reused, Unknown};

        let (grace, unseen) = (Duration::from_secs(30), 10 * MINUTE);
        let retries = Retries { seen: grace, unseen };
        let state =
            |newest_seen| TokenState { generation: 5, newest_seen, rotated_at: Some(start()), ..Default::default() };
        let moment = Duration::from_micros(1);
        let (within, after, late) = (grace - moment, grace, unseen - moment);
        let table = [
            // Presented, the newest seen in use, age of the rotation.
            (5, false, within, Next),
            (5, true, after, Next),
            (5, false, 100_000 * MINUTE, Next),
            (4, false, within, Again(within)),
            (4, false, after, Again(after)),
            (4, false, late, Again(late)),
            (4, false, unseen, Reused(Late)),
            (4, false, 100_000 * MINUTE, Reused(Late)),
            (4, true, within, Again(within)),
            (4, true, after, Reused(Superseded)),
            (3, false, Duration::ZERO, Reused(Ancient)),
            (3, false, after, Reused(Ancient)),
            (3, true, Duration::ZERO, Reused(Ancient)),
            (3, true, after, Reused(Ancient)),
            (0, false, Duration::ZERO, Reused(Ancient)),
            (6, false, Duration::ZERO, Unknown),
            (u32::MAX, true, after, Unknown),
        ];
        for (presented, seen, age, expected) in table {
            let found = state(seen).succession(presented, start().saturating_add(age), retries);
            assert_eq!(found, expected, "{presented}, seen: {seen}, after {age:?}");
        }
        // S49: the newest generation came of a step-up.
        let stepped_up = |newest_seen| TokenState { least_generation: 5, ..state(newest_seen) };
        for (presented, seen, age, expected) in [
            (5, false, within, Next),
            (4, false, after, Outdated),
            (4, true, within, Outdated),
            (4, false, unseen, Reused(Late)),
            (4, true, after, Reused(Superseded)),
            (3, false, within, Reused(Ancient)),
        ] {
            let found = stepped_up(seen).succession(presented, start().saturating_add(age), retries);
            assert_eq!(found, expected, "{presented} after a step-up, seen: {seen}, after {age:?}");
        }
        let after = |seen, age, retries| state(seen).succession(4, start().saturating_add(age), retries);
        // Strict: no grace at all, and yet an answer may have been lost.
        let strict = Retries { seen: Duration::ZERO, unseen };
        assert_eq!(after(true, Duration::ZERO, strict), Reused(Superseded));
        assert_eq!(after(false, MINUTE, strict), Again(MINUTE));
        assert_eq!(after(false, Duration::ZERO, Retries { unseen: Duration::ZERO, ..strict }), Reused(Late));
        // The grace holds for what has not been seen, too.
        assert_eq!(after(false, within, Retries { unseen: Duration::ZERO, ..retries }), Again(within));
        // Until the next refresh.
        let forever = Retries { seen: Duration::MAX, unseen: Duration::MAX };
        assert_eq!(after(true, 100_000 * MINUTE, forever), Again(100_000 * MINUTE));
        assert_eq!(state(true).succession(3, start(), forever), Reused(Ancient));
    }
}
