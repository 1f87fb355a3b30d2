//! What each change does to a record: for stores that hold records as values.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    id::SessionId,
    policy::{ActiveSession, Admission, Eviction},
    session::{Actor, AsOf, Ending, Session, Touch},
    store::{Admitted, EndOutcome, ListPosition, ListQuery, Rotation, RotationOutcome, ScanPage, StoreError},
};

/// # For stores
impl Session {
    /// Returns when the session ended, or reaches its absolute deadline.
    pub fn ends_at(&self) -> Timestamp {
        self.ended.as_ref().map_or(self.expires_at, |ending| ending.at)
    }

    /// Removes addresses and place from a session that ended, or expired, before this moment, as
    /// [`SessionStore::forget_addresses`](crate::store::SessionStore::forget_addresses) does. Returns whether it did.
    pub fn forget_addresses(&mut self, ended_before: Timestamp) -> bool {
        let is_due = self.ends_at() < ended_before;
        if is_due {
            (self.created_ip, self.last_ip, self.location) = (None, None, None);
        }
        is_due
    }
}

/// # For stores
impl Ending {
    /// Ends a session as [`SessionStore::end`](crate::store::SessionStore::end) does: by this ending, or by the
    /// deadline that it had passed by then. One that has ended stays as it is.
    pub fn apply_to(&self, session: &mut Session, idle_allowance: Duration) -> EndOutcome {
        if let Some(ending) = &session.ended {
            return EndOutcome::AlreadyEnded(ending.clone());
        }
        let passed = session.ending(&AsOf::new(self.at, idle_allowance));
        session.ended = Some(passed.clone().unwrap_or_else(|| self.clone()));
        passed.map_or(EndOutcome::Ended, EndOutcome::AlreadyEnded)
    }
}

/// # For stores
impl Touch {
    /// Records this activity as [`SessionStore::touch`](crate::store::SessionStore::touch) does. Returns `false` for a
    /// session that has ended, which stays as it is.
    pub fn apply_to(&self, session: &mut Session) -> bool {
        if session.ended.is_some() {
            return false;
        }
        if session.last_active_at <= self.at {
            session.last_active_at = self.at;
            session.last_ip = self.ip.or(session.last_ip);
        }
        session.tokens.newest_seen |= self.generation == Some(session.tokens.generation);
        true
    }
}

/// # For stores
impl Rotation {
    /// Moves a session to its next generation as [`SessionStore::rotate`](crate::store::SessionStore::rotate) does, or
    /// leaves it as it is when it is at another generation, or has ended.
    pub fn apply_to(&self, session: &mut Session) -> RotationOutcome {
        let is_active = session.is_active(&self.as_of);
        let next = self.from.checked_add(1).filter(|_| is_active && session.tokens.generation == self.from);
        let Some(next) = next else {
            return RotationOutcome::Unchanged(Box::new(session.clone()));
        };
        session.tokens.generation = next;
        session.tokens.rotated_at = Some(self.as_of.now);
        session.tokens.newest_seen = false;
        session.last_active_at = session.last_active_at.max(self.as_of.now);
        if self.refuse_older {
            session.tokens.least_generation = next;
        }
        if let Some(proof) = &self.proof {
            session.methods = proof.methods.clone();
            session.assurance_level = proof.assurance_level;
            session.levels = proof.levels.clone();
            session.authenticated_at = self.as_of.now;
        }
        RotationOutcome::Rotated(Box::new(session.clone()))
    }
}

/// What makes room for a newcomer.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RoomMade {
    /// For [`Admitted::Inserted`](crate::store::Admitted::Inserted).
    pub evictions: Vec<Eviction>,
    /// The sessions that have ended for it, as they are now: to be put on record.
    pub ended: Vec<Session>,
    /// The sessions that ended long ago and are beyond [`keep_ended`](Admission::keep_ended): to be deleted.
    pub trimmed: Vec<Session>,
}

/// # For stores
impl Admission {
    /// Decides over a newcomer that is not on record, given all sessions of its user, as
    /// [`SessionStore::insert`](crate::store::SessionStore::insert) does.
    ///
    /// # Errors
    ///
    /// What to return when nothing is to change: [`Admitted::Joined`], or [`Admitted::Refused`].
    pub fn apply_to<'a>(
        &self,
        newcomer: &Session,
        others: impl IntoIterator<Item = &'a Session>,
    ) -> Result<RoomMade, Admitted> {
        let others: Vec<&Session> = others.into_iter().collect();
        let active =
            others.iter().filter(|other| other.is_active(&self.as_of)).map(|&other| ActiveSession::from(other));
        let (active, newcomer): (Vec<ActiveSession>, _) = (active.collect(), ActiveSession::from(newcomer));
        if let Some(joined) = self.joins(&newcomer, &active) {
            return Err(Admitted::Joined(joined));
        }
        let evictions = self.decide(&newcomer, &active).map_err(Admitted::Refused)?;
        let reason_of = |other: &Session| evictions.iter().find(|gone| gone.id == other.id).map(|gone| gone.reason);
        let (mut ended, mut staying) = (Vec::new(), Vec::new());
        for other in others {
            let Some(reason) = reason_of(other) else {
                staying.push(other);
                continue;
            };
            let mut other = other.clone();
            Ending::new(reason, Actor::System, self.as_of.now).apply_to(&mut other, self.as_of.idle_allowance);
            ended.push(other);
        }
        let trimmed = self.trimmed(staying.into_iter().chain(&ended));
        Ok(RoomMade { evictions, ended, trimmed })
    }

    /// Returns those of a user's sessions whose records go with an insert.
    fn trimmed<'a>(&self, sessions: impl Iterator<Item = &'a Session>) -> Vec<Session> {
        let Some(before) = self.trims_before() else { return Vec::new() };
        let mut ended: Vec<&Session> = sessions.filter(|session| session.ended.is_some()).collect();
        ended.sort_unstable_by_key(|session| std::cmp::Reverse(ListPosition::of(session)));
        let keep = usize::try_from(self.keep_ended).unwrap_or(usize::MAX);
        let beyond = ended.into_iter().skip(keep).take(Self::TRIMMED_AT_ONCE as usize);
        beyond.filter(|session| session.ends_at() < before).cloned().collect()
    }
}

/// # For stores
impl ListQuery {
    /// Returns the page asked for, of all sessions of a user, as
    /// [`SessionStore::list`](crate::store::SessionStore::list) does.
    pub fn page<'a>(&self, sessions: impl IntoIterator<Item = &'a Session>) -> Vec<Session> {
        let mut page: Vec<&Session> = sessions.into_iter().filter(|session| self.selects(session)).collect();
        page.sort_unstable_by_key(|session| std::cmp::Reverse(ListPosition::of(session)));
        if self.above.is_some() {
            page.reverse();
        }
        page.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
        page.into_iter().cloned().collect()
    }
}

/// # For stores
impl ScanPage {
    /// Returns one page of all these sessions in the order of their ids, as
    /// [`SessionStore::scan`](crate::store::SessionStore::scan) does.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] for a cursor that is none.
    pub fn by_id<'a>(
        sessions: impl IntoIterator<Item = &'a Session>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Self, StoreError> {
        let after: Option<SessionId> = cursor.map(str::parse).transpose().map_err(StoreError::corrupt)?;
        let behind = |session: &&Session| after.is_none_or(|after| session.id > after);
        let mut page: Vec<&Session> = sessions.into_iter().filter(behind).collect();
        page.sort_unstable_by_key(|session| session.id);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| has_more).map(|last| last.id.to_string());
        Ok(Self::new(page.into_iter().cloned().collect(), next))
    }
}
