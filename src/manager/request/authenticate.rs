//! The walk from a token to its session.

use std::sync::Arc;

use crate::{
    cache::{Fresh, Lookup, Publication, Ticket},
    clock::{Timestamp, ticks},
    credentials::CredentialSource,
    denied::Outcome,
    device::ClientInfo,
    event::SessionEvent,
    id::{SessionId, UserId},
    logging,
    manager::{
        Endings, Inner, SessionManager,
        records::advance::MOST_ROUNDS,
        request::{
            adopt,
            current::{Authenticated, Claims, CurrentSession},
            pending::{Checked, Pending},
            refusals::Refusal,
            weight::weight,
        },
        settings::Adoption,
        tokens::Verifier,
    },
    metrics::LookedUp,
    policy::Denied,
    session::Session,
    token::{TokenRejection, VerifiedToken},
};

impl SessionManager {
    /// Finds the live session of an access token.
    ///
    /// It does what [`SessionLayer`](crate::SessionLayer) does for each request, for transports other than HTTP. It
    /// records the activity.
    ///
    /// # Errors
    ///
    /// [`Denied`] says why there is no session. [`Denied::Unavailable`] says nothing about the token.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing. A read of the store that others wait for goes on.
    pub async fn authenticate(&self, token: &str) -> Result<CurrentSession, Denied> {
        let resolved = match self.check(token.as_bytes(), CredentialSource::Bearer) {
            Checked::Accepted(current) => Ok(current),
            Checked::Pending(pending) => self.resolve(pending).await,
            Checked::Several(_) => Err(Denied::Malformed),
        };
        self.metrics().request(resolved.as_ref().map_or_else(|denied| denied.profile().outcome, |_| Outcome::Accepted));
        let current = resolved?;
        self.admit(&current, || Some(ClientInfo::new()));
        Ok(current)
    }

    /// The session of a token that the cache knows. Never waits; the common request needs no more than this.
    ///
    /// What is known was accepted once, byte by byte, so that no other rule has to be applied to `token` first.
    pub(crate) fn known(&self, token: &[u8], source: CredentialSource) -> Option<CurrentSession> {
        let (inner, now) = (&self.inner, self.inner.records.clock.coarse_ticks());
        match inner.records.cache.get(token, now, inner.key_revision()) {
            Lookup::Hit(entry) => {
                inner.records.metrics.looked_up(LookedUp::Hit);
                Some(CurrentSession::new(entry, source, now))
            }
            Lookup::Stale(_) | Lookup::Miss => None,
        }
    }

    /// Looks a token up in the cache, and says what is left to be done. Never waits.
    pub(crate) fn check(&self, token: &[u8], source: CredentialSource) -> Checked {
        let (inner, now) = (&self.inner, self.inner.records.clock.coarse_ticks());
        let key_revision = inner.key_revision();
        match inner.records.cache.get(token, now, key_revision) {
            Lookup::Hit(entry) => {
                inner.records.metrics.looked_up(LookedUp::Hit);
                Checked::Accepted(CurrentSession::new(entry, source, now))
            }
            Lookup::Stale(entry) => {
                inner.records.metrics.looked_up(LookedUp::Stale);
                Checked::Pending(Pending::again(&entry, source, key_revision))
            }
            Lookup::Miss => {
                inner.records.metrics.looked_up(LookedUp::Miss);
                let claims = inner.tokens.verifier.claims();
                Checked::Pending(Pending {
                    source,
                    token: token.into(),
                    key_revision,
                    verified: None,
                    claims,
                    client: None,
                })
            }
        }
    }

    /// Looks up what an outer layer has verified.
    pub(crate) fn check_verified(&self, verified: &VerifiedToken) -> Checked {
        let (inner, now) = (&self.inner, self.inner.records.clock.coarse_ticks());
        // How the token came is the outer layer's business, and so is whether the request was forged.
        let source = CredentialSource::Bearer;
        let key = upstream_key(verified);
        match inner.records.cache.get(&key, now, 0) {
            Lookup::Hit(entry) if entry.value().is_of(verified) => {
                inner.records.metrics.looked_up(LookedUp::Hit);
                Checked::Accepted(CurrentSession::new(entry, source, now))
            }
            looked_up => {
                let stale = matches!(looked_up, Lookup::Stale(_));
                inner.records.metrics.looked_up(if stale { LookedUp::Stale } else { LookedUp::Miss });
                let (verified, claims) = (Some(verified.clone()), Claims::Elsewhere);
                Checked::Pending(Pending { source, token: key.into(), key_revision: 0, verified, claims, client: None })
            }
        }
    }

    /// Verifies the token where that is still to be done, reads the session, and decides.
    pub(crate) async fn resolve(&self, pending: Pending) -> Result<CurrentSession, Denied> {
        let inner = &self.inner;
        inner.ensure_running();
        let now = inner.records.clock.now();

        let verified = match &pending.verified {
            Some(verified) if inner.tokens.verifier.is_unexpired(verified, now) => verified.clone(),
            Some(verified) => return Err(inner.denied_for_expiry(verified).await),
            None => match inner.verify(&pending.token, now) {
                Ok(verified) => verified,
                Err(why) => return Err(inner.denied_by_token(why, &pending.token, now).await),
            },
        };
        let (user, id) = (&verified.user_id, verified.session_id);
        if let Some(refusal) = inner.request.refusals.find(user, id, verified.generation, inner.records.clock.ticks()) {
            return Err(inner.denied_by(refusal));
        }

        let mut reread = false;
        // Each round but the last means that the session was changed while it was read. The bound is for a session that
        // is changed without end.
        for _ in 0..MOST_ROUNDS {
            let (ticket, fresh) = match inner.record(&verified).await? {
                Some(found) => found,
                None if inner.adopt(&verified, &pending).await? => continue,
                None => return Err(inner.refuse(user, id, Refusal::Unknown)),
            };
            // A record that is older than the token was read before another node has moved the session on.
            if !reread && verified.generation > Some(fresh.session.tokens.generation) {
                reread = true;
                inner.records.cache.revoke(user, id);
                continue;
            }
            if let Some(refusal) = inner.refusal(&verified, &fresh.session) {
                inner.records.cache.revoke(user, id);
                match inner.tellable_refusal(refusal, &fresh.session).await? {
                    Some(refusal) => return Err(inner.refuse(user, id, refusal)),
                    // It was active meanwhile, elsewhere.
                    None => continue,
                }
            }
            if inner.is_first_use(&verified, &fresh.session) {
                inner.report_first_use(&verified, fresh.session.last_active_at).await;
                if inner.tokens.refuses_older() {
                    continue;
                }
            }
            if let Some(current) = inner.publish(&ticket, &fresh, &verified, &pending) {
                return Ok(current);
            }
        }
        Err(Denied::Unavailable)
    }
}

impl Inner {
    /// Refuses a token of a session, and remembers it for a moment. As long as it is remembered, it is reported once.
    pub(in crate::manager) fn refuse(&self, user: &UserId, id: SessionId, refusal: Refusal) -> Denied {
        if self.request.refusals.remember(user, id, &refusal, self.records.clock.ticks(), self.records.clock.now()) {
            self.tell_refused(user, id, &refusal);
        }
        self.denied_by(refusal)
    }

    pub(in crate::manager) fn tell_refused(&self, user: &UserId, session_id: SessionId, refusal: &Refusal) {
        let user_id = user.clone();
        match refusal {
            Refusal::Unknown => {
                logging::session_refused(session_id, "unknown");
                self.records.tell(&SessionEvent::UnknownSession { user_id, session_id });
            }
            Refusal::Superseded { .. } => logging::session_refused(session_id, "superseded token"),
            Refusal::Ended(ending) => {
                logging::session_refused(session_id, ending.reason.as_str());
                self.records.tell(&SessionEvent::UsedAfterEnd { user_id, session_id, ending: ending.clone() });
            }
        }
    }

    /// What the client learns about a refusal.
    pub(in crate::manager) fn denied_by(&self, refusal: Refusal) -> Denied {
        match (refusal, self.settings.endings) {
            (Refusal::Ended(ending), Endings::Told) => Denied::Ended(ending),
            _ => Denied::Invalid,
        }
    }

    pub(in crate::manager) fn verify(&self, token: &[u8], now: Timestamp) -> Result<VerifiedToken, TokenRejection> {
        let why = match self.verify_at(token, now) {
            Err(TokenRejection::IssuedInFuture) => TokenRejection::IssuedInFuture,
            verified => return verified,
        };
        // The wall clock may have jumped ahead, and a token of ours from beyond the present bears that out.
        let jumped = self.records.clock.suspected().ok_or(why)?;
        let verified = self.verify_at(token, jumped).map_err(|_| why)?;
        if self.records.clock.bear_out(verified.issued_at) { Ok(verified) } else { Err(why) }
    }

    fn verify_at(&self, token: &[u8], now: Timestamp) -> Result<VerifiedToken, TokenRejection> {
        match self.verify_ours(token, now) {
            Err(why) if !matches!(why, TokenRejection::Expired | TokenRejection::IssuedInFuture) => {
                match self.verify_foreign(token, now) {
                    Some(verified @ (Ok(_) | Err(TokenRejection::Expired))) => verified,
                    Some(Err(as_old)) => {
                        logging::old_token_refused(as_old.as_str());
                        Err(why)
                    }
                    None => Err(why),
                }
            }
            verified => verified,
        }
    }

    fn verify_ours(&self, token: &[u8], now: Timestamp) -> Result<VerifiedToken, TokenRejection> {
        match &self.tokens.verifier {
            Verifier::Own(verifier) => match verifier.verify(token, now) {
                Err(TokenRejection::SessionIdClaim) if self.settings.adoption.is_some() => {
                    verifier.verify_as(token, now, Some(adopt::id_of(token)))
                }
                verified => verified,
            },
            Verifier::Application(verifier) => {
                let text = std::str::from_utf8(token).map_err(|_| TokenRejection::Malformed)?;
                verifier.verify(text, now)
            }
            Verifier::Upstream => Err(TokenRejection::Malformed),
        }
    }

    /// Why a record does not allow a request with this token, if so.
    pub(in crate::manager) fn refusal(&self, verified: &VerifiedToken, session: &Session) -> Option<Refusal> {
        if let Some(ending) = self.records.ending_here(session) {
            return Some(Refusal::Ended(ending));
        }
        let below = self.tokens.least_generation(session);
        (verified.generation.unwrap_or(0) < below).then_some(Refusal::Superseded { below })
    }

    async fn tellable_refusal(&self, refusal: Refusal, session: &Session) -> Result<Option<Refusal>, Denied> {
        match refusal {
            Refusal::Ended(ending) => {
                let tellable = self.records.tellable(session, ending).await.map_err(|_| Denied::Unavailable)?;
                Ok(tellable.map(Refusal::Ended))
            }
            Refusal::Unknown | Refusal::Superseded { .. } => Ok(Some(refusal)),
        }
    }

    /// What changes when a key is added or retired.
    pub(super) fn key_revision(&self) -> u64 {
        let of_old_tokens = self.settings.adoption.as_ref().map_or(0, Adoption::key_revision);
        self.tokens.verifier.key_revision().wrapping_add(of_old_tokens << 32)
    }

    /// Whether nothing is known against a session that was accepted earlier, without asking the store.
    pub(in crate::manager) fn is_current(&self, current: &CurrentSession) -> bool {
        let key_revision = self.key_revision();
        matches!(
            self.records.cache.get(current.entry().token(), self.records.clock.coarse_ticks(), key_revision),
            Lookup::Hit(_)
        )
    }

    pub(in crate::manager) fn publish(
        self: &Arc<Self>,
        ticket: &Ticket,
        fresh: &Fresh,
        verified: &VerifiedToken,
        pending: &Pending,
    ) -> Option<CurrentSession> {
        let session = &fresh.session;
        let (now, now_ticks) = (self.records.clock.now(), self.records.clock.ticks());

        // A request that is accepted is activity, so the idle deadline is a whole timeout away.
        let token_left = self.tokens.verifier.deadline(verified).duration_since(now);
        let session_left = session.expires_at.duration_since(now);
        let left = token_left.min(session_left).min(session.idle_timeout);
        let valid_until = fresh.until.min(now_ticks.saturating_add(ticks(left)));
        // Reading the record again gains nothing when something else ends the entry.
        let reload_due = if valid_until < fresh.until { u64::MAX } else { self.reload_due(fresh) };

        let since_activity = now.duration_since(session.last_active_at);
        let touch_in = self.settings.activity_interval().saturating_sub(since_activity);

        let publication = Publication {
            token: &pending.token,
            bytes: weight(session, &pending.token),
            value: Authenticated::new(session, verified, pending.claims, self),
            key_revision: pending.key_revision,
            // Requests read the coarse hand: what is to be over by a moment is over by that hand as much earlier.
            valid_until: valid_until.saturating_sub(self.records.clock.coarseness()),
            touch_due: now_ticks.saturating_add(ticks(touch_in)).saturating_sub(self.records.clock.coarseness()),
            reload_due,
        };
        self.records
            .cache
            .publish(ticket, publication)
            .map(|entry| CurrentSession::new(entry, pending.source, now_ticks))
    }
}

/// The cache's key for an identity that came without a token. No token begins with a zero byte.
fn upstream_key(verified: &VerifiedToken) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + verified.user_id.as_str().len() + 16);
    key.push(0);
    key.extend_from_slice(verified.user_id.as_str().as_bytes());
    key.push(0);
    key.extend_from_slice(verified.session_id.as_uuid().as_bytes());
    key
}
