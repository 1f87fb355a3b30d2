//! Adopting tokens from before this crate came: which of them are put on record, and when that ends.

use crate::clock::Timestamp;

/// What must hold for a token from before this crate came to be put on record.
///
/// A store records that adoption has begun. One that has no such note later has lost its records, and with them which
/// tokens were revoked, so nothing is adopted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adopting {
    /// When the token was issued: it must be after the user's [`TokenCutoff`].
    pub issued_at: Timestamp,
    /// Before this moment, a store that knows of no adoption begins one.
    pub may_begin_before: Timestamp,
    /// The end of the adoption, until which the store keeps the note.
    pub kept_until: Timestamp,
}

impl Adopting {
    /// A token issued at `issued_at`, in an adoption that begins before one moment and ends at another.
    pub fn new(issued_at: Timestamp, may_begin_before: Timestamp, kept_until: Timestamp) -> Self {
        Self { issued_at, may_begin_before, kept_until }
    }

    /// Decides at `now`, given whether the store knows of the adoption, and the user's cutoff.
    ///
    /// # Errors
    ///
    /// Why the token is not put on record.
    pub fn decide(&self, now: Timestamp, has_begun: bool, issued_until: Option<Timestamp>) -> Result<(), NotAdopted> {
        if !has_begun && now >= self.may_begin_before {
            return Err(NotAdopted::NotBegun);
        }
        if issued_until.is_some_and(|cutoff| self.issued_at <= cutoff) {
            return Err(NotAdopted::CutOff);
        }
        Ok(())
    }
}

/// Why a token from before this crate came is not put on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAdopted {
    /// It was issued at or before the user's [`TokenCutoff`].
    CutOff,
    /// The store knows of no adoption, and it is too late to begin one: it has lost its records, or is not the right
    /// one.
    NotBegun,
}

/// The moment up to which a user's tokens are refused if they name no session.
///
/// It is set when all sessions of the user end, for the tokens that have no session yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenCutoff {
    /// Tokens issued at this moment or earlier are refused.
    pub issued_until: Timestamp,
    /// The end of the adoption; the cutoff is not needed afterwards.
    pub kept_until: Timestamp,
}

impl TokenCutoff {
    /// Refuses tokens issued up to `issued_until`, in an adoption that ends at `kept_until`.
    pub fn new(issued_until: Timestamp, kept_until: Timestamp) -> Self {
        Self { issued_until, kept_until }
    }

    /// Both cutoffs at once: it refuses what either refuses, for as long as either does.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let issued_until = self.issued_until.max(other.issued_until);
        Self { issued_until, kept_until: self.kept_until.max(other.kept_until) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_adopted_after_its_users_cutoff_where_adoption_has_begun() {
        let at = Timestamp::from_seconds;
        let adopting = |issued_at| Adopting::new(at(issued_at), at(100), at(1_000));
        let table = [
            (50, 99, false, None, Ok(())),
            (50, 100, false, None, Err(NotAdopted::NotBegun)),
            (50, 100, true, None, Ok(())),
            (50, 200, true, Some(49), Ok(())),
            (50, 200, true, Some(50), Err(NotAdopted::CutOff)),
            (50, 99, false, Some(51), Err(NotAdopted::CutOff)),
        ];
        for (issued_at, now, has_begun, cutoff, decision) in table {
            let decided = adopting(issued_at).decide(at(now), has_begun, cutoff.map(at));
            assert_eq!(decided, decision, "issued at {issued_at}, presented at {now}, cutoff {cutoff:?}");
        }
    }

    #[test]
    fn two_cutoffs_refuse_what_either_refuses() {
        let cutoff = |issued, kept| TokenCutoff::new(Timestamp::from_seconds(issued), Timestamp::from_seconds(kept));
        assert_eq!(cutoff(1, 20).and(cutoff(2, 10)), cutoff(2, 20));
    }
}
