use std::sync::Arc;

use crate::{
    cache::{Entry, Fresh, Lookup, Publication, Ticket},
    clock::{Timestamp, ticks},
    credentials::CredentialSource,
    device::ClientInfo,
    event::SessionEvent,
    id::{SessionId, UserId},
    logging,
    manager::{
        Adoption, Endings, Inner, SessionManager, Verifier,
        records::advance::MOST_ROUNDS,
        request::{
            CurrentSession, adopt,
            current::{Authenticated, Claims},
            refusals::Refusal,
            weight::weight,
        },
    },
    metrics::{LookedUp, Outcome},
    policy::Denied,
    session::{Ending, Session},
    token::{TokenRejection, VerifiedToken},
};

/// What the cache says of a request's token.
pub(crate) enum Checked {
    /// It is good.
    Accepted(CurrentSession),
    /// The store, or the signature, has to be asked.
    Pending(Pending),
    /// The request has several tokens.
    Several(Vec<Self>),
}

/// A token that the cache cannot answer for.
pub(crate) struct Pending {
    source: CredentialSource,
    token: Box<[u8]>,
    key_revision: u64,
    verified: Option<VerifiedToken>,
    claims: Claims,
    /// Who sends it, where that is of interest.
    client: Option<Box<ClientInfo>>,
}

impl Pending {
    /// A token that was accepted under this revision of the keys, and is to go on being accepted.
    pub(in crate::manager) fn again(entry: &Entry<Authenticated>, source: CredentialSource, key_revision: u64) -> Self {
        let (token, claims) = (entry.token().into(), entry.value().claims());
        let verified = Some(entry.value().verified());
        Self { source, token, key_revision, verified, claims, client: None }
    }

    pub(in crate::manager) fn token(&self) -> &[u8] {
        &self.token
    }

    /// Says who sends the token.
    pub(crate) fn sent_by(mut self, client: ClientInfo) -> Self {
        self.client = Some(Box::new(client));
        self
    }

    pub(in crate::manager) fn client(&self) -> ClientInfo {
        self.client.as_deref().cloned().unwrap_or_default()
    }
}

impl SessionManager {
    /// Finds the live session of an access token.
    ///
    /// It is what [`SessionLayer`](crate::SessionLayer) does for each request, for transports other than HTTP. The
    /// activity is recorded.
    ///
    /// # Errors
    ///
    /// [`Denied`] says why there is none. [`Denied::Unavailable`] says nothing about the token.
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
        self.metrics().request(resolved.as_ref().map_or_else(Outcome::from, |_| Outcome::Accepted));
        let current = resolved?;
        self.admit(&current, || Some(ClientInfo::new()));
        Ok(current)
    }

    /// The session of a token that the cache knows. Never waits; the common request needs no more than this.
    ///
    /// What is known was accepted once, byte by byte, so that no other rule has to be applied to `token` first.
    pub(crate) fn known(&self, token: &[u8], source: CredentialSource) -> Option<CurrentSession> {
        let (inner, now) = (&self.inner, self.inner.clock.coarse_ticks());
        match inner.cache.get(token, now, inner.key_revision()) {
            Lookup::Hit(entry) => {
                inner.metrics.looked_up(LookedUp::Hit);
                Some(CurrentSession::new(entry, source, now))
            }
            Lookup::Stale(_) | Lookup::Miss => None,
        }
    }

    /// Looks a token up in the cache, and says what is left to be done. Never waits.
    pub(crate) fn check(&self, token: &[u8], source: CredentialSource) -> Checked {
        let (inner, now) = (&self.inner, self.inner.clock.coarse_ticks());
        let key_revision = inner.key_revision();
        match inner.cache.get(token, now, key_revision) {
            Lookup::Hit(entry) => {
                inner.metrics.looked_up(LookedUp::Hit);
                Checked::Accepted(CurrentSession::new(entry, source, now))
            }
            Lookup::Stale(entry) => {
                inner.metrics.looked_up(LookedUp::Stale);
                Checked::Pending(Pending::again(&entry, source, key_revision))
            }
            Lookup::Miss => {
                inner.metrics.looked_up(LookedUp::Miss);
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
        let (inner, now) = (&self.inner, self.inner.clock.coarse_ticks());
        // How the token came is the outer layer's business, and so is whether the request was forged.
        let source = CredentialSource::Bearer;
        let key = upstream_key(verified);
        match inner.cache.get(&key, now, 0) {
            Lookup::Hit(entry) if entry.value().is_of(verified) => {
                inner.metrics.looked_up(LookedUp::Hit);
                Checked::Accepted(CurrentSession::new(entry, source, now))
            }
            looked_up => {
                let stale = matches!(looked_up, Lookup::Stale(_));
                inner.metrics.looked_up(if stale { LookedUp::Stale } else { LookedUp::Miss });
                let (verified, claims) = (Some(verified.clone()), Claims::Elsewhere);
                Checked::Pending(Pending { source, token: key.into(), key_revision: 0, verified, claims, client: None })
            }
        }
    }

    /// Verifies the token where that is still to be done, reads the session, and decides.
    pub(crate) async fn resolve(&self, pending: Pending) -> Result<CurrentSession, Denied> {
        let inner = &self.inner;
        inner.background.ensure_running(inner);
        let now = inner.clock.now();

        let verified = match &pending.verified {
            Some(verified) if inner.tokens.verifier.is_unexpired(verified, now) => verified.clone(),
            Some(verified) => return Err(inner.denied_for_expiry(verified).await),
            None => match inner.verify(&pending.token, now) {
                Ok(verified) => verified,
                Err(why) => return Err(inner.denied_by_token(why, &pending.token, now).await),
            },
        };
        let (user, id) = (&verified.user_id, verified.session_id);
        if let Some(refusal) = inner.refusals.find(user, id, verified.generation, inner.clock.ticks()) {
            return Err(inner.denied_by(refusal));
        }

        let mut reread = false;
        // Each round but the last means that the session was changed while it was read. The bound is for the case that
        // somebody does nothing else.
        for _ in 0..MOST_ROUNDS {
            let (ticket, fresh) = match inner.record(&verified).await? {
                Some(found) => found,
                None if inner.adopt(&verified, &pending).await? => continue,
                None => return Err(inner.refuse(user, id, Refusal::Unknown)),
            };
            // A record that is older than the token was read before another node has moved the session on.
            if !reread && verified.generation > Some(fresh.session.tokens.generation) {
                reread = true;
                inner.cache.revoke(user, id);
                continue;
            }
            if let Some(refusal) = inner.refusal(&verified, &fresh.session) {
                inner.cache.revoke(user, id);
                match inner.tellable_refusal(refusal, &fresh.session).await? {
                    Some(refusal) => return Err(inner.refuse(user, id, refusal)),
                    // It was active meanwhile, elsewhere.
                    None => continue,
                }
            }
            if inner.is_first_use(&verified, &fresh.session) {
                inner.report_first_use(&verified, fresh.session.last_active_at).await;
                if inner.refuses_older_tokens() {
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
    /// Refuses a token of a session, and remembers it for a moment. It is told once as long as it is remembered.
    pub(in crate::manager) fn refuse(&self, user: &UserId, id: SessionId, refusal: Refusal) -> Denied {
        if self.refusals.remember(user, id, &refusal, self.clock.ticks(), self.clock.now()) {
            self.tell_refused(user, id, &refusal);
        }
        self.denied_by(refusal)
    }

    pub(in crate::manager) fn tell_refused(&self, user: &UserId, session_id: SessionId, refusal: &Refusal) {
        let user_id = user.clone();
        match refusal {
            Refusal::Unknown => {
                logging::session_refused(session_id, "unknown");
                self.listeners.tell(&SessionEvent::UnknownSession { user_id, session_id });
            }
            Refusal::Superseded { .. } => logging::session_refused(session_id, "superseded token"),
            Refusal::Ended(ending) => {
                logging::session_refused(session_id, ending.reason.as_str());
                self.listeners.tell(&SessionEvent::UsedAfterEnd { user_id, session_id, ending: ending.clone() });
            }
        }
    }

    /// What the client hears of a refusal.
    pub(in crate::manager) fn denied_by(&self, refusal: Refusal) -> Denied {
        match (refusal, self.endings) {
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
        let jumped = self.clock.suspected().ok_or(why)?;
        let verified = self.verify_at(token, jumped).map_err(|_| why)?;
        if self.clock.bear_out(verified.issued_at) { Ok(verified) } else { Err(why) }
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
                Err(TokenRejection::SessionIdClaim) if self.adoption.is_some() => {
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
        if let Some(ending) = self.ending_here(session) {
            return Some(Refusal::Ended(ending));
        }
        let below = self.least_generation(session);
        (verified.generation.unwrap_or(0) < below).then_some(Refusal::Superseded { below })
    }

    async fn tellable_refusal(&self, refusal: Refusal, session: &Session) -> Result<Option<Refusal>, Denied> {
        match refusal {
            Refusal::Ended(ending) => {
                let tellable = self.tellable(session, ending).await.map_err(|_| Denied::Unavailable)?;
                Ok(tellable.map(Refusal::Ended))
            }
            Refusal::Unknown | Refusal::Superseded { .. } => Ok(Some(refusal)),
        }
    }

    /// How a session has ended by now, given the activity that this node has seen and the store may not have yet.
    pub(in crate::manager) fn ending_here(&self, session: &Session) -> Option<Ending> {
        let last_active_at = self.last_active_at(session);
        session.ending_after(last_active_at, &self.as_of(self.clock.now()))
    }

    /// The newest activity of a session that this node knows of.
    pub(in crate::manager) fn last_active_at(&self, session: &Session) -> Timestamp {
        let seen_here = self.cache.last_activity(&session.user_id, session.id);
        seen_here.map_or(session.last_active_at, |at| at.max(session.last_active_at))
    }

    /// What changes when a key is added or retired.
    pub(super) fn key_revision(&self) -> u64 {
        let of_old_tokens = self.adoption.as_ref().map_or(0, Adoption::key_revision);
        self.tokens.verifier.key_revision().wrapping_add(of_old_tokens << 32)
    }

    /// Whether nothing is known against a session that was accepted earlier, without asking anybody.
    pub(in crate::manager) fn is_current(&self, current: &CurrentSession) -> bool {
        let key_revision = self.key_revision();
        matches!(self.cache.get(current.entry().token(), self.clock.coarse_ticks(), key_revision), Lookup::Hit(_))
    }

    pub(in crate::manager) fn publish(
        self: &Arc<Self>,
        ticket: &Ticket,
        fresh: &Fresh,
        verified: &VerifiedToken,
        pending: &Pending,
    ) -> Option<CurrentSession> {
        let session = &fresh.session;
        let (now, now_ticks) = (self.clock.now(), self.clock.ticks());

        // A request that is accepted is activity, so the idle deadline is a whole timeout away.
        let token_left = self.tokens.verifier.deadline(verified).duration_since(now);
        let session_left = session.expires_at.duration_since(now);
        let left = token_left.min(session_left).min(session.idle_timeout);
        let valid_until = fresh.until.min(now_ticks.saturating_add(ticks(left)));
        // Reading the record anew gains nothing when something else ends the entry.
        let reload_due = if valid_until < fresh.until { u64::MAX } else { self.reload_due(fresh) };

        let since_activity = now.duration_since(session.last_active_at);
        let touch_in = self.timings.activity_interval.saturating_sub(since_activity);

        let publication = Publication {
            token: &pending.token,
            bytes: weight(session, &pending.token),
            value: Authenticated::new(session, verified, pending.claims, self),
            key_revision: pending.key_revision,
            // Requests read the coarse hand: what is to be over by a moment is over by that hand as much earlier.
            valid_until: valid_until.saturating_sub(self.clock.coarseness()),
            touch_due: now_ticks.saturating_add(ticks(touch_in)).saturating_sub(self.clock.coarseness()),
            reload_due,
        };
        self.cache.publish(ticket, publication).map(|entry| CurrentSession::new(entry, pending.source, now_ticks))
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
