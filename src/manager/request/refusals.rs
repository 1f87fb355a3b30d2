//! Refusals that are remembered for a moment.

use std::time::Duration;

use moka::sync::Cache;

use crate::{
    clock::{Timestamp, ticks},
    id::{SessionId, UserId},
    session::Ending,
    token::{RefreshToken, RefreshTokenId},
};

/// Why a record does not allow a request.
#[derive(Clone, Debug)]
pub(in crate::manager) enum Refusal {
    /// There is none.
    Unknown,
    /// Access tokens of generations below this one are refused.
    Superseded {
        below: u32,
    },
    Ended(Ending),
}

impl Refusal {
    /// Whether an access token of this generation is refused for it, too. None of them is ever taken back: ids are
    /// never given twice, endings are final, and the least generation only grows.
    fn covers(&self, generation: Option<u32>) -> bool {
        match self {
            Self::Unknown | Self::Ended(_) => true,
            Self::Superseded { below } => generation.unwrap_or(0) < *below,
        }
    }
}

/// Refusals of validly signed tokens, for a moment, so that repeating one costs no read and is told once.
///
/// 1. That a session has ended, or never existed, holds for every token that names it: access and refresh tokens of all
///    generations.
/// 2. That an access token was superseded holds for those before it.
/// 3. A refresh token can be refused although its session lives. That holds for this one only.
pub(in crate::manager) struct Refusals {
    of_sessions: Cache<SessionId, Remembered>,
    /// Until when, in ticks.
    of_refresh_tokens: Cache<RefreshTokenId, u64>,
}

#[derive(Clone)]
struct Remembered {
    user: UserId,
    refusal: Refusal,
    until: u64,
    /// A store that reads its own writes late may not know yet of a session that has just begun: the next request asks
    /// again.
    may_come: bool,
}

impl Remembered {
    fn is_of(&self, user: &UserId, now: u64) -> bool {
        self.user == *user && now < self.until
    }

    fn answers_for(&self, user: &UserId, now: u64) -> bool {
        self.is_of(user, now) && !self.may_come
    }
}

impl Refusals {
    pub(in crate::manager) fn new() -> Self {
        Self { of_sessions: for_a_moment(), of_refresh_tokens: for_a_moment() }
    }

    /// Why an access token of this session and generation was refused a moment ago.
    pub(in crate::manager) fn find(
        &self,
        user: &UserId,
        id: SessionId,
        generation: Option<u32>,
        now: u64,
    ) -> Option<Refusal> {
        let remembered = self.of_sessions.get(&id).filter(|remembered| remembered.answers_for(user, now))?;
        Some(remembered.refusal).filter(|refusal| refusal.covers(generation))
    }

    /// Why a refresh token was refused a moment ago.
    pub(in crate::manager) fn find_refresh(&self, token: &RefreshToken, now: u64) -> Option<Refusal> {
        let remembered = self.of_sessions.get(&token.session_id);
        let of_session = remembered.filter(|remembered| remembered.answers_for(&token.user_id, now));
        match of_session.map(|remembered| remembered.refusal) {
            Some(refusal @ (Refusal::Unknown | Refusal::Ended(_))) => return Some(refusal),
            Some(Refusal::Superseded { .. }) | None => {}
        }
        let of_token = self.of_refresh_tokens.get(&token.id()).filter(|until| now < *until);
        of_token.map(|_| Refusal::Unknown)
    }

    /// Remembers why a session's tokens are refused. Returns whether it is news.
    pub(in crate::manager) fn remember(
        &self,
        user: &UserId,
        id: SessionId,
        refusal: &Refusal,
        now: u64,
        present: Timestamp,
    ) -> bool {
        let has_just_begun = id.begun_at().is_some_and(|at| present.duration_since(at) < JUST_BEGUN);
        let may_come = matches!(refusal, Refusal::Unknown) && has_just_begun;
        let newest = match refusal {
            Refusal::Superseded { below } => below.saturating_sub(1),
            Refusal::Unknown | Refusal::Ended(_) => u32::MAX,
        };
        let remembered = || {
            let until = now.saturating_add(ticks(REFUSAL_TTL));
            Remembered { user: user.clone(), refusal: refusal.clone(), until, may_come }
        };
        let says_less = |known: &Remembered| !known.is_of(user, now) || !known.refusal.covers(Some(newest));
        self.of_sessions.entry(id).or_insert_with_if(remembered, says_less).is_fresh()
    }

    /// Remembers that a refresh token is refused although its session may live. Returns whether it is news.
    pub(in crate::manager) fn remember_refresh(&self, token: &RefreshToken, now: u64) -> bool {
        let until = || now.saturating_add(ticks(REFUSAL_TTL));
        self.of_refresh_tokens.entry(token.id()).or_insert_with_if(until, |known| *known <= now).is_fresh()
    }
}

fn for_a_moment<K, V>() -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(REFUSAL_TTL).build()
}

/// How long a session may be on its way to where it is read.
const JUST_BEGUN: Duration = Duration::from_secs(5);

const REFUSAL_TTL: Duration = Duration::from_secs(2);

const MOST_REMEMBERED: u64 = 10_000;
