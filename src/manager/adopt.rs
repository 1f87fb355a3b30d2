use std::{fmt, sync::Arc, time::Duration};

use sha2::{Digest, Sha256};
use uuid::Builder;

use crate::{
    clock::Timestamp,
    error::{ConfigError, ConfigErrorKind},
    event::SessionEvent,
    id::{SessionId, UserId},
    manager::{Inner, Pending, SessionManager},
    policy::{Admission, Denied},
    session::{Salt, Session},
    token::VerifiedToken,
};

/// Which tokens from before this crate came are admitted, and until when.
///
/// Such a token names no session. Until the window closes, its first use puts a session on record, under an id that follows
/// from the token: on any node, and however often it is tried, the same one. From then on it is a session like others, which
/// ends when the token expires, and can be listed and ended before. After the window, tokens that were never used here are
/// refused.
///
/// # Security
///
/// - The tokens must be signed with a key of the ring, and have what is required of others: `sub`, `iat`, `exp`, the issuer,
///   the audience and the type. Where the same key signs tokens for other ends,
///   [`accept_untyped_tokens`](crate::token::TokenOptions::accept_untyped_tokens) makes credentials of those as well.
/// - Ending all sessions of a user reaches those on record. A token that has not been used here yet has none, and neither has
///   one of a user who was erased: [`only_if`](Self::only_if) is asked about each.
#[derive(Clone)]
#[must_use]
pub struct Adoption {
    until: Timestamp,
    only_if: Option<OnlyIf>,
}

type OnlyIf = Arc<dyn Fn(&UserId, Timestamp) -> bool + Send + Sync>;

impl Adoption {
    /// Admits tokens without a session until the window closes, which must be within the retention of ended sessions: a
    /// session that was ended and deleted could come back otherwise.
    pub fn until(until: Timestamp) -> Self {
        Self { until, only_if: None }
    }

    /// Admits only those tokens for whose user and time of issue this answers `true`: not those from before the user's last
    /// change of password, for example. It is asked on the request's own task, once per token. Default: all are admitted.
    pub fn only_if(mut self, admits: impl Fn(&UserId, Timestamp) -> bool + Send + Sync + 'static) -> Self {
        self.only_if = Some(Arc::new(admits));
        self
    }

    pub(super) fn check(&self, now: Timestamp, retention: Duration) -> Result<(), ConfigError> {
        if self.until.duration_since(now) > retention {
            let message = "tokens without a session are admitted for longer than ended sessions are kept";
            return Err(ConfigError::new(ConfigErrorKind::Setting, message));
        }
        Ok(())
    }

    fn admits(&self, verified: &VerifiedToken, now: Timestamp) -> bool {
        let asked = self.only_if.as_ref().is_none_or(|admits| admits(&verified.user_id, verified.issued_at));
        now < self.until && asked
    }
}

impl fmt::Debug for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adoption").field("until", &self.until).finish_non_exhaustive()
    }
}

impl SessionManager {
    /// Whether a request may have a token that is to be put on record.
    pub(crate) fn adopts(&self) -> bool {
        self.inner.adoption.is_some()
    }
}

impl Inner {
    /// Puts a token without a session on record, if it is one and is admitted. Answers whether there is a record to read now.
    pub(super) async fn adopt(self: &Arc<Self>, verified: &VerifiedToken, pending: &Pending) -> Result<bool, Denied> {
        let now = self.clock.now();
        let admitted = self.adoption.as_ref().is_some_and(|adoption| adoption.admits(verified, now));
        if !admitted || verified.session_id != id_of(pending.token()) {
            return Ok(false);
        }
        let mut session = Session::new(verified.user_id.clone(), verified.issued_at, verified.expires_at);
        session.id = verified.session_id;
        session.last_active_at = now;
        session.idle_timeout = self.policy.idle_timeout.min(session.idle_timeout);
        session.tokens.salt = Salt::random();
        let client = pending.client().parts();
        session.device = self.described(client.device);
        session.device_id = client.on.id();
        session.created_ip = client.ip.and_then(|ip| self.addresses.apply(ip));
        session.last_ip = session.created_ip;

        let (inner, session) = (Arc::clone(self), Arc::new(session));
        let change = async move {
            let admission = Admission::new(inner.as_of(now));
            inner.twice_within_deadline("insert", || inner.store.insert(&session, &admission)).await?;
            inner.listeners.tell(&SessionEvent::Adopted { session: Arc::clone(&session) });
            Ok(())
        };
        self.detached(change).await.map_err(|_| Denied::Unavailable)?;
        Ok(true)
    }
}

/// The id of the session that a token without one is put on record with.
///
/// It follows from what is signed and not from the signature, which can be rewritten.
pub(super) fn id_of(token: &[u8]) -> SessionId {
    let signed = token.iter().rposition(|&byte| byte == b'.').map_or(token, |dot| &token[..dot]);
    let hash = Sha256::new().chain_update(b"tower-device-sessions adopted token\0").chain_update(signed).finalize();
    let bytes = std::array::from_fn(|index| hash[index]);
    SessionId::from_uuid(Builder::from_custom_bytes(bytes).into_uuid())
}
