//! Assurance: how sure the application can be that the user is still the one who signed in.
//!
//! 1. A session knows when its user last authenticated, by which methods, and when each level was reached last.
//! 2. A [`Requirement`] states what a route requires. The response to a session that does not meet it is a challenge
//!    (RFC 9470). The application then lets the user authenticate again and reports that to
//!    [`SessionManager::reauthenticated`](crate::SessionManager::reauthenticated).
//! 3. Only that raises what a session has proven; a refresh does not.

use std::{collections::BTreeMap, time::Duration};

use crate::{clock::Timestamp, session::Session};

/// What a session has to have proven.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_device_sessions::assurance::Requirement;
///
/// let transfer = Requirement::recent(Duration::from_secs(300)).level(2).method("otp");
/// # let _ = transfer;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Requirement {
    max_age: Option<Duration>,
    level: u8,
    methods: Vec<Box<str>>,
}

impl Requirement {
    /// The user has authenticated within the last `max_age`.
    pub fn recent(max_age: Duration) -> Self {
        Self { max_age: Some(max_age), level: 1, methods: Vec::new() }
    }

    /// The session has reached this assurance level, whenever that was.
    pub fn at_level(level: u8) -> Self {
        Self { max_age: None, level, methods: Vec::new() }
    }

    /// An authentication has also reached this assurance level, as recently as is required. Default: 1, which every
    /// authentication reaches.
    pub fn level(mut self, level: u8) -> Self {
        self.level = level;
        self
    }

    /// The user has also proven this method, by its RFC 8176 name, as recently as is required. May be called several
    /// times; each method is required.
    pub fn method(mut self, name: &str) -> Self {
        self.methods.push(name.into());
        self
    }

    /// Whether `session` meets the requirement at `now`.
    pub fn is_met(&self, session: &Session, now: Timestamp) -> bool {
        let is_recent = |proven: Timestamp| self.max_age.is_none_or(|max_age| now.duration_since(proven) <= max_age);
        let has = |name: &str| session.methods.get(name).is_some_and(|&proven| is_recent(proven));
        let has_all = self.methods.iter().all(|name| has(name));
        let has_level = session.level_reached_at(self.level).is_some_and(is_recent);
        is_recent(session.authenticated_at) && has_level && has_all
    }

    /// The age beyond which an authentication does not count, if there is one.
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// The required assurance level, by its name in tokens and challenges; `None` for the lowest.
    pub fn level_name(&self) -> Option<&'static str> {
        level_name(self.level)
    }

    /// The required methods.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.methods.iter().map(|name| &**name)
    }
}

impl Session {
    /// Returns when an authentication last reached this assurance level or a higher one, or `None` if none has.
    pub fn level_reached_at(&self, level: u8) -> Option<Timestamp> {
        if level <= 1 {
            return Some(self.authenticated_at);
        }
        if self.assurance_level < level {
            return None;
        }
        // Where the record does not say when, it was at the sign-in at the earliest.
        Some(self.levels.range(level..).map(|(_, &at)| at).max().unwrap_or(self.created_at))
    }

    /// The level of the newest authentication, which is the one that `authenticated_at` is about.
    pub(crate) fn newest_level(&self) -> u8 {
        let reached = |level: &u8| self.level_reached_at(*level) == Some(self.authenticated_at);
        [3, 2].into_iter().find(reached).unwrap_or(1)
    }

    /// The levels on record once an authentication at `at` has reached `level`.
    pub(crate) fn levels_with(&self, level: u8, at: Timestamp) -> BTreeMap<u8, Timestamp> {
        let mut levels = self.levels.clone();
        if level > 1 {
            levels.insert(level, at);
        }
        levels
    }
}

/// The `acr` of a level; the lowest goes without saying.
pub(crate) fn level_name(level: u8) -> Option<&'static str> {
    match level {
        0 | 1 => None,
        2 => Some("aal2"),
        _ => Some("aal3"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;

    const MINUTE: Duration = Duration::from_secs(60);

    /// S56, S58.
    #[test]
    fn a_requirement_asks_for_age_level_and_methods() {
        let start = Timestamp::from_seconds(1_767_225_600);
        let mut session = Session::new(UserId::from(1), start, start.saturating_add(600 * MINUTE));
        session.methods.insert("pwd".into(), start);
        session.assurance_level = 2;
        let five = || Requirement::recent(5 * MINUTE);
        let table = [
            (five(), 5, true),
            (five(), 6, false),
            (five().level(2), 5, true),
            (five().level(3), 0, false),
            (five().method("pwd"), 5, true),
            (five().method("otp"), 0, false),
            (five().method("pwd").method("otp"), 0, false),
            (Requirement::at_level(2), 500, true),
            (Requirement::at_level(3), 0, false),
            (Requirement::at_level(2).method("pwd"), 500, true),
            (five().level(2), 6, false),
        ];
        for (requirement, minutes, met) in table {
            let now = start.saturating_add(minutes * MINUTE);
            assert_eq!(requirement.is_met(&session, now), met, "{requirement:?} after {minutes} minutes");
        }

        // A method that was proven long ago is no recent one, although another is.
        session.methods.insert("otp".into(), start.saturating_add(10 * MINUTE));
        session.authenticated_at = start.saturating_add(10 * MINUTE);
        let now = start.saturating_add(11 * MINUTE);
        assert!(five().method("otp").is_met(&session, now));
        assert!(!five().method("pwd").is_met(&session, now));
    }

    /// S58: a password after a second factor is not a second factor.
    #[test]
    fn a_level_is_as_old_as_the_authentication_that_reached_it() {
        let start = Timestamp::from_seconds(1_767_225_600);
        let at = |minutes: u32| start.saturating_add(minutes * MINUTE);
        let mut session = Session::new(UserId::from(1), start, at(600));
        // The minute of an authentication, its level, then whether levels 1 to 3 are recent, and the newest level.
        for (minute, level, recent, newest) in [
            (0, 1, [true, false, false], 1),
            (10, 2, [true, true, false], 2),
            (20, 1, [true, false, false], 1),
            (30, 3, [true, true, true], 3),
            (32, 2, [true, true, true], 2),
            (37, 1, [true, true, false], 1),
            (50, 1, [true, false, false], 1),
        ] {
            session.levels = session.levels_with(level, at(minute));
            session.assurance_level = session.assurance_level.max(level);
            session.authenticated_at = at(minute);
            let met = [1, 2, 3].map(|level| Requirement::recent(5 * MINUTE).level(level).is_met(&session, at(minute)));
            assert_eq!((met, session.newest_level()), (recent, newest), "in minute {minute}");
        }
        assert!(Requirement::at_level(3).is_met(&session, at(500)), "whenever that was");
    }

    /// A record of a version that did not keep the time.
    #[test]
    fn a_level_without_a_time_was_reached_at_the_sign_in() {
        let start = Timestamp::from_seconds(1_767_225_600);
        let mut session = Session::new(UserId::from(1), start, start.saturating_add(600 * MINUTE));
        session.assurance_level = 2;
        assert_eq!((session.level_reached_at(2), session.newest_level()), (Some(start), 2));
        session.authenticated_at = start.saturating_add(MINUTE);
        assert_eq!((session.level_reached_at(2), session.newest_level()), (Some(start), 1));
        assert_eq!(session.level_reached_at(3), None);
    }
}
