//! The reason for refusing an expired token: whether its session has ended, too.

use std::sync::Arc;

use crate::{
    clock::Timestamp,
    logging,
    manager::{
        Endings, Inner,
        request::{adopt, refusals::Refusal},
        tokens::Verifier,
    },
    policy::Denied,
    token::{TokenRejection, VerifiedToken},
};

impl Inner {
    /// Why a request whose token is refused has no session.
    pub(in crate::manager) async fn denied_by_token(
        self: &Arc<Self>,
        why: TokenRejection,
        token: &[u8],
        now: Timestamp,
    ) -> Denied {
        let run_out = match why {
            TokenRejection::Expired => self.verified_but_for_expiry(token, now),
            _ => None,
        };
        if let Some(verified) = run_out {
            return self.denied_for_expiry(&verified).await;
        }
        logging::token_refused(why.as_str());
        match (why, self.settings.endings) {
            // A verifier of the application's own does not say whose token it is.
            (TokenRejection::Expired, Endings::Told) => Denied::TokenExpired,
            (TokenRejection::IssuedInFuture, _) => Denied::IssuedInFuture,
            _ => Denied::Invalid,
        }
    }

    /// Why a request with an expired token has no session.
    ///
    /// If the session has ended, the reason says how. Otherwise it goes on, and its client may ask for the next token.
    /// When the store cannot be asked, the client finds out by refreshing.
    pub(in crate::manager) async fn denied_for_expiry(self: &Arc<Self>, verified: &VerifiedToken) -> Denied {
        logging::token_refused(TokenRejection::Expired.as_str());
        if self.settings.endings == Endings::Concealed {
            return Denied::Invalid;
        }
        let (user, id) = (&verified.user_id, verified.session_id);
        match self.request.refusals.find(user, id, Some(u32::MAX), self.records.clock.ticks()) {
            Some(Refusal::Ended(ending)) => return Denied::Ended(ending),
            Some(_) => return Denied::TokenExpired,
            None => {}
        }
        let refusal = match self.record(verified).await {
            Ok(Some((_, fresh))) => match self.records.ending_here(&fresh.session) {
                // An ending that the store does not take is not told: the client hears of it when it refreshes.
                Some(ending) => self.records.tellable(&fresh.session, ending).await.ok().flatten().map(Refusal::Ended),
                None => None,
            },
            Ok(None) => Some(Refusal::Unknown),
            Err(_) => None,
        };
        let Some(refusal) = refusal else {
            return Denied::TokenExpired;
        };
        // Nobody can do anything with such a token, so nobody is told.
        self.records.cache.revoke(user, id);
        self.request.refusals.remember(user, id, &refusal, self.records.clock.ticks(), self.records.clock.now());
        match refusal {
            Refusal::Ended(ending) => Denied::Ended(ending),
            Refusal::Unknown | Refusal::Superseded { .. } => Denied::TokenExpired,
        }
    }

    /// What a token says that is acceptable, or would be if it had not expired.
    pub(in crate::manager) fn verified_but_for_expiry(&self, token: &[u8], now: Timestamp) -> Option<VerifiedToken> {
        let ours = match &self.tokens.verifier {
            Verifier::Own(verifier) => {
                let unnamed = self.settings.adoption.as_ref().map(|_| adopt::id_of(token));
                verifier.verify_but_for_expiry(token, now, unnamed).ok()
            }
            Verifier::Application(_) | Verifier::Upstream => None,
        };
        ours.or_else(|| self.verify_foreign_but_for_expiry(token, now))
    }
}
