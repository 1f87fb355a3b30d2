use std::{fmt, sync::Arc, time::Duration};

use sha2::{Digest, Sha256};
use uuid::Builder;

use crate::{
    clock::Timestamp,
    error::{ConfigError, ConfigErrorKind, Error},
    event::SessionEvent,
    id::{SessionId, UserId},
    logging,
    manager::{Inner, SessionManager, request::Pending},
    policy::{Admission, Adopting, Denied, NotAdopted, TokenCutoff},
    session::{AsOf, Salt, Session},
    store::{Admitted, StoreRetention},
    token::{Circumstances, ForeignTokens, TokenRejection, TokenVerifier, VerifiedToken},
};

/// Which tokens from before this crate came are admitted, and until when.
///
/// Such a token names no session. Until the window closes, its first use puts a session on record, under an id that follows
/// from the token: on any node, and however often it is tried, the same one. From then on it is a session like others, which
/// ends when the token expires, or an absolute timeout after its first use when that is earlier, and can be listed and ended
/// before. After the window, tokens that were never used here are refused.
///
/// # Security
///
/// - The tokens must be signed with a key of the ring, and have what is required of others: `sub`, `iat`, `exp`, the issuer,
///   the audience and the type. Where the same key signs tokens for other ends,
///   [`accept_untyped_tokens`](crate::token::TokenOptions::accept_untyped_tokens) makes credentials of those as well.
///   Tokens that look otherwise, or are signed with other keys, are read as [`tokens`](Self::tokens) says.
/// - Ending all sessions of a user, or all others, also reaches tokens that have not been used yet: those issued until then,
///   by `iat`, in whole seconds. So do a change of credentials and an erasure. What the old system has revoked is not known
///   here: [`only_if`](Self::only_if) is asked about each token.
/// - When the user authenticated is not known, so an adopted session meets no
///   [`Requirement::recent`](crate::assurance::Requirement::recent).
/// - A store that has lost its records does not know which tokens were revoked, so nothing is adopted there any more. In the
///   first day after `begins` it cannot be told from a new one.
#[derive(Clone)]
#[must_use]
pub struct Adoption {
    begins: Timestamp,
    until: Timestamp,
    only_if: Option<OnlyIf>,
    tokens: Option<ForeignTokens>,
}

type OnlyIf = Arc<dyn Fn(&UserId, Timestamp) -> bool + Send + Sync>;

impl Adoption {
    /// Admits tokens without a session until the window closes.
    ///
    /// `begins` is the day of the deployment, as a constant: the first token must be adopted within a day of it. The window
    /// must be within the retention of ended sessions, since a session that was ended and deleted could come back otherwise.
    pub fn between(begins: Timestamp, until: Timestamp) -> Self {
        Self { begins, until, only_if: None, tokens: None }
    }

    /// How old tokens are verified and read that are not like those of this crate. Default: old tokens are, but for the
    /// session.
    ///
    /// A token is first judged as one of this crate's, or by the [verifier](crate::manager::SessionManagerBuilder::verifier) of
    /// the application, which needs not know the old ones.
    pub fn tokens(mut self, tokens: ForeignTokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Admits only those tokens for whose user and time of issue this returns `true`: not those from before the user's last
    /// change of password in the old system, for example. Tokens without a time of issue count as issued at the epoch. It
    /// is called on the request's own task, once per token. Default: all are admitted.
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
            Some((_, message)) => Err(ConfigError::new(ConfigErrorKind::Setting, message)),
            None => Ok(()),
        }
    }

    fn admits(&self, verified: &VerifiedToken, now: Timestamp) -> bool {
        let asked = self.only_if.as_ref().is_none_or(|admits| admits(&verified.user_id, verified.issued_at));
        now < self.until && asked
    }

    fn circumstances<'a>(&self, token: &[u8], now: Timestamp, ours: Option<&'a TokenVerifier>) -> Circumstances<'a> {
        Circumstances { now, session_id: id_of(token), ends_at: self.until, ours }
    }

    fn of_token_issued_at(&self, issued_at: Timestamp) -> Adopting {
        Adopting::new(issued_at, self.begins.saturating_add(FIRST_DAY), self.until)
    }
}

impl fmt::Debug for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adoption").field("begins", &self.begins).field("until", &self.until).finish_non_exhaustive()
    }
}

impl SessionManager {
    /// Whether a request may have a token that is to be put on record.
    pub(crate) fn adopts(&self) -> bool {
        self.inner.adoption.is_some()
    }
}

impl Inner {
    /// What an old token says that is not like ours.
    pub(super) fn verify_foreign(&self, token: &[u8], now: Timestamp) -> Option<Result<VerifiedToken, TokenRejection>> {
        let (adoption, ours) = (self.adoption.as_ref()?, self.tokens.verifier.own());
        Some(adoption.tokens.as_ref()?.verify(token, &adoption.circumstances(token, now, ours)))
    }

    /// The same, or what an old token says that has run out and is acceptable otherwise.
    pub(super) fn verify_foreign_but_for_expiry(&self, token: &[u8], now: Timestamp) -> Option<VerifiedToken> {
        let (adoption, ours) = (self.adoption.as_ref()?, self.tokens.verifier.own());
        let circumstances = adoption.circumstances(token, now, ours);
        adoption.tokens.as_ref()?.verify_but_for_expiry(token, &circumstances).ok()
    }

    /// Puts a token without a session on record, if it is one and is admitted. Returns whether there is a record to read now.
    pub(in crate::manager) async fn adopt(
        self: &Arc<Self>,
        verified: &VerifiedToken,
        pending: &Pending,
    ) -> Result<bool, Denied> {
        let now = self.clock.now();
        let Some(adoption) = self.adoption.as_ref().filter(|adoption| adoption.admits(verified, now)) else {
            return Ok(false);
        };
        if verified.session_id != id_of(pending.token()) {
            return Ok(false);
        }
        let mut admission = Admission::new(AsOf::new(now, self.timings.idle_allowance()));
        admission.adopts = Some(adoption.of_token_issued_at(verified.issued_at));
        let session = Arc::new(self.session_of(verified, pending, now));

        let inner = Arc::clone(self);
        let change = async move {
            let admitted = inner.twice_within_deadline("insert", || inner.store.insert(&session, &admission)).await?;
            match admitted {
                Admitted::Inserted(_) => inner.listeners.tell(&SessionEvent::Adopted { session: Arc::clone(&session) }),
                Admitted::NotAdopted(NotAdopted::NotBegun) => logging::adoption_not_begun(),
                Admitted::NotAdopted(_) | Admitted::Refused(_) | Admitted::Joined(_) => {}
            }
            Ok(matches!(admitted, Admitted::Inserted(_)))
        };
        self.detached(change).await.map_err(|_| Denied::Unavailable)
    }

    fn session_of(&self, verified: &VerifiedToken, pending: &Pending, now: Timestamp) -> Session {
        // A token that does not say when it was issued is as old as can be; its session begins now.
        let created_at = Some(verified.issued_at).filter(|at| *at > Timestamp::UNIX_EPOCH).unwrap_or(now);
        let longest = now.saturating_add(self.policy.absolute_timeout);
        let mut session = Session::new(verified.user_id.clone(), created_at, verified.expires_at.min(longest));
        session.id = verified.session_id;
        session.last_active_at = now;
        // An old system may issue tokens again and again without asking the user for anything.
        session.authenticated_at = Timestamp::UNIX_EPOCH;
        session.idle_timeout = self.policy.idle_timeout.min(session.idle_timeout);
        session.tokens.salt = Salt::random();
        let client = pending.client().parts();
        session.device = self.described(client.device);
        session.device_id = client.on.id();
        session.created_ip = client.ip.and_then(|ip| self.addresses.apply(ip));
        session.last_ip = session.created_ip;
        session
    }

    /// Refuses tokens of a user that were issued until `at` and that no session was made of yet, as long as any are adopted.
    pub(in crate::manager) async fn cut_off(&self, user: &UserId, at: Timestamp) -> Result<(), Error> {
        let Some(adoption) = self.adoption.as_ref().filter(|adoption| at < adoption.until) else {
            return Ok(());
        };
        let cutoff = TokenCutoff::new(at, adoption.until);
        self.twice_within_deadline("cut_off", || self.store.cut_off(user, &cutoff)).await
    }
}

/// The id of the session that a token without one is put on record with.
///
/// It follows from what is signed and not from the signature, which can be rewritten.
pub(in crate::manager) fn id_of(token: &[u8]) -> SessionId {
    let signed = token.iter().rposition(|&byte| byte == b'.').map_or(token, |dot| &token[..dot]);
    let hash = Sha256::new().chain_update(b"tower-device-sessions adopted token\0").chain_update(signed).finalize();
    let bytes = std::array::from_fn(|index| hash[index]);
    SessionId::from_uuid(Builder::from_custom_bytes(bytes).into_uuid())
}

/// How long a store may be new to adoption.
const FIRST_DAY: Duration = Duration::from_secs(86_400);
