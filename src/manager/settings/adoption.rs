//! Which tokens from before this crate came are accepted.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    clock::Timestamp,
    error::ConfigError,
    id::UserId,
    manager::settings::invalid,
    policy::Adopting,
    store::StoreRetention,
    token::{ForeignTokens, VerifiedToken},
};

/// Which tokens from before this crate came are accepted, and until when.
///
/// Such a token names no session. Until the window closes, its first use puts a session on record, under an id that is
/// derived from the token: the same one on every node and at every attempt. From then on it is a session like others,
/// which can be listed and ended. It ends when the token expires, or an absolute timeout after its first use when that
/// is earlier. After the window, tokens that were never used here are refused.
///
/// # Security
///
/// - The tokens must be signed with a key of the ring, and must have what other tokens need: `sub`, `iat`, `exp`, the
///   issuer, the audience and the type. Where the same key signs tokens for other purposes,
///   [`accept_untyped_tokens`](crate::token::TokenOptions::accept_untyped_tokens) makes those credentials, too. Tokens
///   of another form, or signed with other keys, are read as [`tokens`](Self::tokens) says.
/// - Ending all sessions of a user, or all others, also reaches tokens that have not been used yet: those issued until
///   then, by `iat`, in whole seconds. So do a change of credentials and an erasure. This crate does not know what the
///   old system has revoked: [`only_if`](Self::only_if) decides about each token.
/// - It is unknown when the user authenticated, so an adopted session meets no
///   [`Requirement::recent`](crate::assurance::Requirement::recent).
/// - A store that has lost its records does not know which tokens were revoked, so nothing is adopted there any more.
///   On the first day after `begins` it looks like a new one.
#[derive(Clone)]
#[must_use]
pub struct Adoption {
    begins: Timestamp,
    pub(in crate::manager) until: Timestamp,
    only_if: Option<OnlyIf>,
    pub(in crate::manager) tokens: Option<ForeignTokens>,
}

type OnlyIf = Arc<dyn Fn(&UserId, Timestamp) -> bool + Send + Sync>;

impl Adoption {
    /// Accepts tokens without a session until the window closes.
    ///
    /// `begins` is the day of the deployment, as a constant: the first token must be adopted within a day of it. The
    /// window must be within the retention of ended sessions, because a session that was ended and deleted could come
    /// back otherwise.
    pub fn between(begins: Timestamp, until: Timestamp) -> Self {
        Self { begins, until, only_if: None, tokens: None }
    }

    /// How old tokens are verified and read that differ from those of this crate. Default: they do not differ, except
    /// for the session.
    ///
    /// A token is first judged as one of this crate's, or by the
    /// [verifier](crate::manager::SessionManagerBuilder::verifier) of the application, which need not accept the old
    /// ones.
    pub fn tokens(mut self, tokens: ForeignTokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Accepts only those tokens for whose user and time of issue this returns `true`: not those from before the user's
    /// last change of password in the old system, for example. Tokens without a time of issue count as issued at the
    /// epoch. It is called on the request's own task, once per token. Default: all are accepted.
    pub fn only_if(mut self, admits: impl Fn(&UserId, Timestamp) -> bool + Send + Sync + 'static) -> Self {
        self.only_if = Some(Arc::new(admits));
        self
    }

    /// Whether old tokens are verified without the keys of the manager.
    pub(in crate::manager) fn verifies_itself(&self) -> bool {
        self.tokens.is_some()
    }

    /// Changes with every change of the keys of old tokens.
    pub(in crate::manager) fn key_revision(&self) -> u64 {
        self.tokens.as_ref().map_or(0, ForeignTokens::revision)
    }

    pub(in crate::manager) fn check(&self, retention: Duration, store: StoreRetention) -> Result<(), ConfigError> {
        self.tokens.as_ref().map_or(Ok(()), ForeignTokens::check)?;
        let window = self.until.duration_since(self.begins);
        let rules = [
            (self.until <= self.begins, "the window of adoption closes before it begins"),
            (window > retention, "tokens without a session are admitted for longer than ended sessions are kept"),
            (store == StoreRetention::Unknown, "this store does not say that it keeps what adoption relies on"),
            (!store.covers(window), "the store itself keeps ended sessions for less long than tokens are adopted"),
        ];
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, message)) => Err(invalid(message)),
            None => Ok(()),
        }
    }

    pub(in crate::manager) fn admits(&self, verified: &VerifiedToken, now: Timestamp) -> bool {
        let asked = self.only_if.as_ref().is_none_or(|admits| admits(&verified.user_id, verified.issued_at));
        now < self.until && asked
    }

    pub(in crate::manager) fn of_token_issued_at(&self, issued_at: Timestamp) -> Adopting {
        Adopting::new(issued_at, self.begins.saturating_add(FIRST_DAY), self.until)
    }
}

impl fmt::Debug for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adoption").field("begins", &self.begins).field("until", &self.until).finish_non_exhaustive()
    }
}

/// How long a store may be new to adoption.
const FIRST_DAY: Duration = Duration::from_secs(86_400);
