//! A token from before this crate came is put on record, and is one of a session from then on.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Builder;

use crate::{
    clock::Timestamp,
    error::Error,
    event::SessionEvent,
    id::{SessionId, UserId},
    logging,
    manager::{
        Inner, SessionManager,
        records::{Records, change::detached},
        request::pending::Pending,
        settings::Adoption,
    },
    metrics::Operation,
    policy::{Admission, Denied, NotAdopted, TokenCutoff},
    session::{Salt, Session},
    store::Admitted,
    token::{Circumstances, TokenRejection, TokenVerifier, VerifiedToken},
};

impl SessionManager {
    /// Whether a request may have a token that is to be put on record.
    pub(crate) fn adopts(&self) -> bool {
        self.inner.settings.adoption.is_some()
    }
}

impl Inner {
    /// What an old token says that is not like ours.
    pub(super) fn verify_foreign(&self, token: &[u8], now: Timestamp) -> Option<Result<VerifiedToken, TokenRejection>> {
        let (adoption, ours) = (self.settings.adoption.as_ref()?, self.tokens.verifier.own());
        Some(adoption.tokens.as_ref()?.verify(token, &circumstances(adoption, token, now, ours)))
    }

    /// The same, or what an old token says that has expired and is otherwise acceptable.
    pub(super) fn verify_foreign_but_for_expiry(&self, token: &[u8], now: Timestamp) -> Option<VerifiedToken> {
        let (adoption, ours) = (self.settings.adoption.as_ref()?, self.tokens.verifier.own());
        let circumstances = circumstances(adoption, token, now, ours);
        adoption.tokens.as_ref()?.verify_but_for_expiry(token, &circumstances).ok()
    }

    /// Puts a token without a session on record, if it is one and is admitted. Returns whether there is a record to
    /// read now.
    pub(super) async fn adopt(self: &Arc<Self>, verified: &VerifiedToken, pending: &Pending) -> Result<bool, Denied> {
        let now = self.records.clock.now();
        let Some(adoption) = self.settings.adoption.as_ref().filter(|adoption| adoption.admits(verified, now)) else {
            return Ok(false);
        };
        if verified.session_id != id_of(&pending.token) {
            return Ok(false);
        }
        let mut admission = Admission::new(self.records.as_of(now));
        admission.adopts = Some(adoption.of_token_issued_at(verified.issued_at));
        let session = Arc::new(self.records.session_of(verified, pending, now));

        let inner = Arc::clone(self);
        let change = async move {
            let admitted =
                inner.records.ask_twice(Operation::Insert, |store| store.insert(&session, &admission)).await?;
            match admitted {
                Admitted::Inserted(_) => inner.records.tell(&SessionEvent::Adopted { session: Arc::clone(&session) }),
                Admitted::NotAdopted(NotAdopted::NotBegun) => logging::adoption_not_begun(),
                Admitted::NotAdopted(_) | Admitted::Refused(_) | Admitted::Joined(_) => {}
            }
            Ok(matches!(admitted, Admitted::Inserted(_)))
        };
        detached(change).await.map_err(|_| Denied::Unavailable)
    }
}

impl Records {
    fn session_of(&self, verified: &VerifiedToken, pending: &Pending, now: Timestamp) -> Session {
        // A token without a time of issue counts as the oldest; its session begins now.
        let created_at = Some(verified.issued_at).filter(|at| *at > Timestamp::UNIX_EPOCH).unwrap_or(now);
        let longest = now.saturating_add(self.settings.policy.absolute_timeout);
        let mut session = Session::new(verified.user_id.clone(), created_at, verified.expires_at.min(longest));
        session.id = verified.session_id;
        session.last_active_at = now;
        // An old system may issue tokens again and again without asking the user for anything.
        session.authenticated_at = Timestamp::UNIX_EPOCH;
        session.idle_timeout = self.settings.policy.idle_timeout.min(session.idle_timeout);
        session.tokens.salt = Salt::random();
        let client = self.seen(pending.client());
        session.device = client.device;
        session.device_id = client.on.id();
        session.created_ip = client.ip;
        session.last_ip = session.created_ip;
        session
    }

    /// Refuses tokens of a user that were issued until `at` and that no session was made of yet, as long as any are
    /// adopted.
    pub(in crate::manager) async fn cut_off(&self, user: &UserId, at: Timestamp) -> Result<(), Error> {
        let Some(adoption) = self.settings.adoption.as_ref().filter(|adoption| at < adoption.until) else {
            return Ok(());
        };
        let cutoff = TokenCutoff::new(at, adoption.until);
        self.ask_twice(Operation::CutOff, |store| store.cut_off(user, &cutoff)).await
    }
}

fn circumstances<'a>(
    adoption: &Adoption,
    token: &[u8],
    now: Timestamp,
    ours: Option<&'a TokenVerifier>,
) -> Circumstances<'a> {
    Circumstances { now, session_id: id_of(token), ends_at: adoption.until, ours }
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
