//! The refresh tokens that one request brings, of which one is to be used.
//!
//! 1. A token that is not ours does not count: it is left over, or another program's.
//! 2. Of one session the newest token counts. A browser has an older one under a path that the cookie once had, or a
//!    script has kept one while a page has refreshed by cookie; presenting that would look like theft.
//! 3. Of several sessions the one that is live counts.
//! 4. The body and a cookie with two live sessions contradict each other, and so do cookies with live sessions of two
//!    users. Of one user it is the newest session.
//! 5. The new tokens go every way by which the old ones came, and no other.

#![allow(dead_code, reason = "only the ready-made routes and pages ask for it")]

use std::sync::Arc;

use crate::{
    credentials::CredentialSource,
    error::Error,
    id::SessionKey,
    manager::{Inner, SessionManager, StartedSession},
    policy::Denied,
    token::RefreshToken,
};

/// What a request for new tokens brings.
#[derive(Default)]
pub(crate) struct Brought<'a> {
    pub(crate) in_body: Option<&'a str>,
    pub(crate) in_cookies: Vec<&'a str>,
    /// Whether the application's own page has sent the cookies: others cannot use them.
    pub(crate) cookies_count: bool,
}

/// A token of ours, and how it came.
struct Opened<'a> {
    text: &'a str,
    token: RefreshToken,
    source: CredentialSource,
}

impl SessionManager {
    /// Exchanges the one refresh token that counts among those of a request.
    pub(crate) async fn refresh_brought(&self, brought: Brought<'_>) -> Result<StartedSession, Error> {
        let opened = self.open_all(&brought);
        let may_be_used = |opened: &&Opened<'_>| brought.cookies_count || opened.source != CredentialSource::Cookie;
        let mut candidates: Vec<&Opened<'_>> = Vec::new();
        for opened in opened.iter().filter(may_be_used) {
            match candidates.iter_mut().find(|other| other.token.session_id == opened.token.session_id) {
                Some(other) if other.token.generation < opened.token.generation => *other = opened,
                Some(_) => {}
                None => candidates.push(opened),
            }
        }
        let used = match candidates[..] {
            [] => return Err(Denied::Invalid.into()),
            [one] => one,
            _ => self.choose(&candidates, &opened).await?,
        };
        let session = used.token.session_id;
        let came_by = |source| opened.iter().any(|other| other.source == source && other.token.session_id == session);
        let source = match (came_by(CredentialSource::Bearer), came_by(CredentialSource::Cookie)) {
            (true, true) => CredentialSource::Both,
            (true, false) => CredentialSource::Bearer,
            (false, _) => CredentialSource::Cookie,
        };
        Ok(self.refresh(used.text).await?.answering(source))
    }

    fn open_all<'a>(&self, brought: &Brought<'a>) -> Vec<Opened<'a>> {
        let Some(refreshing) = &self.inner.tokens.refreshing else {
            return Vec::new();
        };
        let in_body = brought.in_body.map(|text| (text, CredentialSource::Bearer));
        let in_cookies = brought.in_cookies.iter().map(|text| (*text, CredentialSource::Cookie));
        let opened = in_body.into_iter().chain(in_cookies).filter_map(|(text, source)| {
            let token = refreshing.tokens.open(text.as_bytes()).ok()?;
            Some(Opened { text, token, source })
        });
        opened.collect()
    }

    /// Rules 3 and 4, for tokens of several sessions.
    async fn choose<'a>(&self, candidates: &[&'a Opened<'a>], opened: &[Opened<'_>]) -> Result<&'a Opened<'a>, Error> {
        let mut live: Vec<&Opened<'_>> = Vec::new();
        for candidate in candidates {
            if self.inner.is_refreshable(&candidate.token).await? {
                live.push(candidate);
            }
        }
        let in_body = opened.iter().find(|opened| opened.source == CredentialSource::Bearer);
        let contradicts = |one: &Opened<'_>, other: &Opened<'_>| {
            let of_body =
                |opened: &Opened<'_>| in_body.is_some_and(|body| body.token.session_id == opened.token.session_id);
            of_body(one) || of_body(other) || one.token.user_id != other.token.user_id
        };
        if live.windows(2).any(|pair| contradicts(pair[0], pair[1])) {
            return Err(Denied::Malformed.into());
        }
        // Where none is live, one of them says why.
        let newest = live.into_iter().max_by_key(|opened| opened.token.session_id);
        newest.or(candidates.first().copied()).ok_or_else(|| Denied::Invalid.into())
    }
}

impl Inner {
    /// Whether a refresh token names a session that has not ended.
    async fn is_refreshable(self: &Arc<Self>, token: &RefreshToken) -> Result<bool, Error> {
        if self.check_not_refused(token).is_err() {
            return Ok(false);
        }
        let found = self.records.find_in_turn(&SessionKey::new(token.user_id.clone(), token.session_id)).await?;
        Ok(found.is_some_and(|session| {
            token.is_bound_to(&session.tokens.salt) && self.records.ending_here(&session).is_none()
        }))
    }
}
