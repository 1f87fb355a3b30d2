//! Which of the sessions that connections wait for is to be read next.
//!
//! 1. A session that somebody waits for is to be looked at *later*, is *due*, is being *read*, or has *ended*. One read
//!    at a time is under way for each.
//! 2. Those that are due are read in the order of their urgency, and equals in the order in which they became due. The
//!    urgency only rises until the session is read.
//! 3. A session that becomes due while its record is being read is due again as soon as the read is over: what the read
//!    brings may be older than the reason to look. So each reason to look is followed by a read that begins after it.
//! 4. An end is final.
//!
//! It is plain data, without a lock or a clock; times are ticks. The model in `tests/guard_model` runs this file.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{SessionId, UserId};

/// Everyone who waits, and whose turn it is. `W` is what a session's waiters have in common.
#[derive(Debug)]
pub(super) struct Turns<W> {
    sessions: BTreeMap<Key, Watch<W>>,
    later: BTreeSet<(u64, Key)>,
    due: BTreeSet<(Urgency, u64, Key)>,
    /// How often a session has become due.
    arrivals: u64,
}

/// Ordered by user, so that the sessions of one user lie together.
type Key = (UserId, SessionId);

#[derive(Debug)]
struct Watch<W> {
    waiting: usize,
    place: Place,
    shared: W,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Later { at: u64, urgency: Urgency },
    Due { urgency: Urgency, arrival: u64 },
    Reading { again: Option<Urgency> },
    Ended,
}

/// Why to look at a session, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// It is said to have ended.
    Ended,
    /// Something about it is said to have changed, or nobody knows whether it has.
    Changed,
    /// Word of other nodes may have been lost.
    Doubt,
    /// A deadline, or the next look at all sessions.
    Time,
}

impl<W> Default for Turns<W> {
    fn default() -> Self {
        Self { sessions: BTreeMap::new(), later: BTreeSet::new(), due: BTreeSet::new(), arrivals: 0 }
    }
}

impl<W> Turns<W> {
    /// Notes that one more waits for the end of a session, which is to be looked at at this time if nobody has waited
    /// for it yet.
    pub(super) fn join(&mut self, user: &UserId, id: SessionId, at: u64, shared: impl FnOnce() -> W) -> &W {
        let key = (user.clone(), id);
        let later = &mut self.later;
        let watch = self.sessions.entry(key).or_insert_with_key(|key| {
            later.insert((at, key.clone()));
            Watch { waiting: 0, place: Place::Later { at, urgency: Urgency::Time }, shared: shared() }
        });
        watch.waiting += 1;
        &watch.shared
    }

    /// Notes that one of those who wait has gone.
    pub(super) fn leave(&mut self, user: &UserId, id: SessionId) {
        let key = (user.clone(), id);
        let Some(watch) = self.sessions.get_mut(&key) else {
            return;
        };
        watch.waiting -= 1;
        if watch.waiting == 0 {
            self.put(&key, Place::Ended);
            self.sessions.remove(&key);
        }
    }

    /// Takes a session off the list because it has ended. Returns what its waiters share, if there are any.
    pub(super) fn end(&mut self, user: &UserId, id: SessionId) -> Option<&W> {
        let key = (user.clone(), id);
        self.put(&key, Place::Ended);
        self.sessions.get(&key).map(|watch| &watch.shared)
    }

    /// Has a session looked at, if anybody waits for it.
    pub(super) fn make_due(&mut self, user: &UserId, id: SessionId, urgency: Urgency) {
        self.raise(&(user.clone(), id), urgency);
    }

    /// Has all sessions of a user looked at that somebody waits for, except the one to keep.
    pub(super) fn make_all_due(&mut self, user: &UserId, keep: Option<SessionId>, urgency: Urgency) {
        let first = (user.clone(), SessionId::from_uuid(uuid::Uuid::nil()));
        let of_user = self.sessions.range(first..).map(|(key, _)| key).take_while(|(owner, _)| owner == user);
        let keys: Vec<Key> = of_user.filter(|(_, id)| Some(*id) != keep).cloned().collect();
        keys.iter().for_each(|key| self.raise(key, urgency));
    }

    /// Has every session looked at that somebody waits for.
    pub(super) fn make_every_due(&mut self, urgency: Urgency) {
        let keys: Vec<Key> = self.sessions.keys().cloned().collect();
        keys.iter().for_each(|key| self.raise(key, urgency));
    }

    /// The session to read now, if any is due.
    pub(super) fn take(&mut self, now: u64) -> Option<(UserId, SessionId, Urgency)> {
        while let Some((_, key)) = self.later.first().filter(|(at, _)| *at <= now).cloned() {
            if let Some(Place::Later { urgency, .. }) = self.place(&key) {
                self.become_due(&key, urgency);
            }
        }
        let (urgency, _, key) = self.due.first().cloned()?;
        self.put(&key, Place::Reading { again: None });
        let (user, id) = key;
        Some((user, id, urgency))
    }

    /// Notes that the read of a session is over, and when and why to look at it next, unless that is due already.
    pub(super) fn finish(&mut self, user: &UserId, id: SessionId, at: u64, urgency: Urgency) {
        let key = (user.clone(), id);
        match self.place(&key) {
            Some(Place::Reading { again: Some(urgency) }) => self.become_due(&key, urgency),
            Some(Place::Reading { again: None }) => self.put(&key, Place::Later { at, urgency }),
            // All who waited have gone meanwhile, and others may have come.
            _ => {}
        }
    }

    fn raise(&mut self, key: &Key, urgency: Urgency) {
        match self.place(key) {
            Some(Place::Later { urgency: least, .. }) => self.become_due(key, urgency.min(least)),
            Some(Place::Due { urgency: least, .. }) if urgency < least => self.become_due(key, urgency),
            Some(Place::Reading { again }) => {
                let again = Some(again.map_or(urgency, |least| urgency.min(least)));
                self.put(key, Place::Reading { again });
            }
            Some(Place::Due { .. } | Place::Ended) | None => {}
        }
    }

    fn become_due(&mut self, key: &Key, urgency: Urgency) {
        self.arrivals += 1;
        self.put(key, Place::Due { urgency, arrival: self.arrivals });
    }

    fn place(&self, key: &Key) -> Option<Place> {
        self.sessions.get(key).map(|watch| watch.place)
    }

    /// Moves a session to another place, in the lists too.
    fn put(&mut self, key: &Key, place: Place) {
        let Some(watch) = self.sessions.get_mut(key) else {
            return;
        };
        match std::mem::replace(&mut watch.place, place) {
            Place::Later { at, .. } => drop(self.later.remove(&(at, key.clone()))),
            Place::Due { urgency, arrival } => drop(self.due.remove(&(urgency, arrival, key.clone()))),
            Place::Reading { .. } | Place::Ended => {}
        }
        match place {
            Place::Later { at, .. } => drop(self.later.insert((at, key.clone()))),
            Place::Due { urgency, arrival } => drop(self.due.insert((urgency, arrival, key.clone()))),
            Place::Reading { .. } | Place::Ended => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000;
    const LATER: u64 = 2_000;

    fn id(number: u128) -> SessionId {
        SessionId::from_uuid(uuid::Uuid::from_u128(number))
    }

    /// Sessions of these users, numbered from one, that are to be looked at later.
    fn turns(users: &[&str]) -> (Turns<()>, Vec<UserId>) {
        let users: Vec<UserId> = users.iter().map(|&user| user.try_into().unwrap()).collect();
        let mut turns = Turns::default();
        for (user, number) in users.iter().zip(1..) {
            turns.join(user, id(number), LATER, || ());
        }
        (turns, users)
    }

    /// Takes all that is due, without ending a read.
    fn taken(turns: &mut Turns<()>, now: u64) -> Vec<SessionId> {
        std::iter::from_fn(|| turns.take(now)).map(|(_, id, _)| id).collect()
    }

    #[test]
    fn the_most_urgent_come_first_and_equals_in_the_order_in_which_they_became_due() {
        let (mut turns, users) = turns(&["ann", "bob", "cid", "dan", "eve", "fay"]);
        turns.make_every_due(Urgency::Doubt);
        for (number, urgency) in
            [(5, Urgency::Changed), (2, Urgency::Ended), (4, Urgency::Changed), (6, Urgency::Ended)]
        {
            turns.make_due(&users[number - 1], id(number as u128), urgency);
        }
        // What is less urgent changes nothing.
        turns.make_every_due(Urgency::Doubt);
        turns.make_due(&users[1], id(2), Urgency::Changed);
        assert_eq!(taken(&mut turns, NOW), [2, 6, 5, 4, 1, 3].map(id));
        assert_eq!(taken(&mut turns, LATER), []);
    }

    #[test]
    fn a_deadline_makes_due_when_it_has_come() {
        let (mut turns, users) = turns(&["ann", "bob"]);
        assert_eq!(taken(&mut turns, LATER - 1), []);
        assert_eq!(taken(&mut turns, LATER), [1, 2].map(id));
        turns.finish(&users[0], id(1), LATER + 1, Urgency::Ended);
        turns.finish(&users[1], id(2), LATER + 1, Urgency::Time);
        assert_eq!(turns.take(LATER), None);
        assert_eq!(turns.take(LATER + 1), Some((users[0].clone(), id(1), Urgency::Ended)));
    }

    #[test]
    fn what_becomes_due_while_it_is_read_is_due_again_when_the_read_is_over() {
        let (mut turns, users) = turns(&["ann"]);
        turns.make_due(&users[0], id(1), Urgency::Changed);
        assert_eq!(taken(&mut turns, NOW), [id(1)]);
        turns.make_every_due(Urgency::Doubt);
        turns.make_due(&users[0], id(1), Urgency::Ended);
        turns.make_due(&users[0], id(1), Urgency::Changed);
        assert_eq!(turns.take(NOW), None, "one read at a time");
        turns.finish(&users[0], id(1), LATER, Urgency::Time);
        assert_eq!(turns.take(NOW), Some((users[0].clone(), id(1), Urgency::Ended)));
        turns.finish(&users[0], id(1), LATER, Urgency::Time);
        assert_eq!(turns.take(NOW), None);
    }

    #[test]
    fn a_user_is_told_from_others_whose_names_begin_alike() {
        let (mut turns, users) = turns(&["ann", "anna", "an", "ann", "ann"]);
        turns.make_all_due(&users[0], Some(id(4)), Urgency::Ended);
        assert_eq!(taken(&mut turns, NOW), [1, 5].map(id));
        turns.make_due(&users[1], id(3), Urgency::Ended);
        assert_eq!(turns.take(NOW), None, "it is somebody else's");
    }

    #[test]
    fn an_ended_session_is_looked_at_no_more() {
        let (mut turns, users) = turns(&["ann", "bob"]);
        turns.make_every_due(Urgency::Doubt);
        assert_eq!(turns.take(NOW).map(|(_, id, _)| id), Some(id(1)));
        for (user, number) in users.iter().zip(1..) {
            assert!(turns.end(user, id(number)).is_some());
        }
        turns.finish(&users[0], id(1), NOW, Urgency::Time);
        turns.make_every_due(Urgency::Ended);
        assert_eq!(taken(&mut turns, u64::MAX), []);
    }

    #[test]
    fn nothing_is_left_of_a_session_that_nobody_waits_for() {
        let (mut turns, users) = turns(&["ann", "ann"]);
        turns.join(&users[0], id(1), NOW, || ());
        turns.make_due(&users[0], id(1), Urgency::Changed);
        assert_eq!(turns.take(NOW).map(|(_, id, _)| id), Some(id(1)));
        for number in [1, 2, 1] {
            turns.leave(&users[0], id(number));
        }
        assert!(turns.sessions.is_empty() && turns.later.is_empty() && turns.due.is_empty());

        // Somebody has come again before the read is over: that one is looked at when it says.
        turns.join(&users[0], id(1), LATER, || ());
        turns.finish(&users[0], id(1), u64::MAX, Urgency::Time);
        assert_eq!(taken(&mut turns, LATER), [id(1)]);
    }
}
