//! Several tokens in one request: which of them counts.
//!
//! 1. Those that are not live do not count: they are left over, or another program's.
//! 2. Tokens of one session are one credential. The header's comes before the cookies', and a newer one before an
//!    older.
//! 3. Header and cookie with two live sessions contradict each other.
//! 4. So do cookies with live sessions of two users, and it is unknown which of them the browser means. Of one user it
//!    is the newest session: the other cookie was once stored for another path or domain.

use crate::{
    credentials::CredentialSource,
    device::ClientInfo,
    event::SessionEvent,
    id::{SessionId, UserId},
    manager::{
        SessionManager,
        request::{current::CurrentSession, pending::Checked},
    },
    policy::Denied,
};

/// Why a request has no session.
#[derive(Debug)]
pub(crate) enum Unresolved {
    Denied(Denied),
    /// Its cookies are those of these live sessions.
    Ambiguous(Vec<(UserId, SessionId)>),
}

impl Checked {
    /// Says who sends the tokens.
    pub(crate) fn sent_by(self, client: &ClientInfo) -> Self {
        match self {
            Self::Accepted(current) => Self::Accepted(current),
            Self::Pending(pending) => Self::Pending(pending.sent_by(client.clone())),
            Self::Several(tokens) => Self::Several(tokens.into_iter().map(|token| token.sent_by(client)).collect()),
        }
    }
}

impl SessionManager {
    /// Looks several tokens up in the cache, that of the header first.
    pub(crate) fn check_several(&self, tokens: &[(&[u8], CredentialSource)]) -> Checked {
        Checked::Several(tokens.iter().map(|(token, source)| self.check(token, *source)).collect())
    }

    /// The session of a request whose tokens have been looked up.
    pub(crate) async fn resolve_checked(&self, checked: Checked) -> Result<CurrentSession, Unresolved> {
        let tokens = match checked {
            Checked::Accepted(current) => return Ok(current),
            Checked::Pending(pending) => return self.resolve(pending).await.map_err(Unresolved::Denied),
            Checked::Several(tokens) => tokens,
        };
        let (mut live, mut denied) = (Vec::new(), Denied::Missing);
        for token in tokens {
            let resolved = match token {
                Checked::Accepted(current) => Ok(current),
                Checked::Pending(pending) => self.resolve(pending).await,
                Checked::Several(_) => Err(Denied::Malformed),
            };
            match resolved {
                Ok(current) => live.push(current),
                Err(Denied::Unavailable) => return Err(Unresolved::Denied(Denied::Unavailable)),
                Err(why) => denied = the_more_telling(denied, why),
            }
        }
        match choose(live) {
            Ok(Some(current)) => Ok(current),
            Ok(None) => Err(Unresolved::Denied(denied)),
            Err(contradiction) => {
                self.tell_contradiction(&contradiction);
                Err(contradiction)
            }
        }
    }

    fn tell_contradiction(&self, contradiction: &Unresolved) {
        // The layer that lets the request pass reports ambiguous cookies.
        if matches!(contradiction, Unresolved::Denied(_)) {
            self.tell(&SessionEvent::AmbiguousCredentials);
        }
    }
}

/// The session that counts, of those that are live.
fn choose(live: Vec<CurrentSession>) -> Result<Option<CurrentSession>, Unresolved> {
    let (cookies, headers): (Vec<_>, Vec<_>) =
        live.into_iter().partition(|current| current.credential_source() == CredentialSource::Cookie);
    if let Some(current) = headers.into_iter().next() {
        let is_same = |cookie: &CurrentSession| cookie.id() == current.id() && cookie.user_id() == current.user_id();
        return match (cookies.is_empty(), cookies.iter().all(is_same)) {
            (true, _) => Ok(Some(current)),
            (false, true) => Ok(Some(current.coming_by(CredentialSource::Both))),
            (false, false) => Err(Unresolved::Denied(Denied::Malformed)),
        };
    }
    let users_differ = cookies.windows(2).any(|pair| pair[0].user_id() != pair[1].user_id());
    if users_differ {
        let held = cookies.into_iter().map(|current| (current.user_id().clone(), current.id()));
        return Err(Unresolved::Ambiguous(held.collect()));
    }
    Ok(cookies.into_iter().max_by_key(|current| (current.session().created_at, current.id(), current.token_age())))
}

/// Of two reasons the one by which a client can do more: refresh, or tell its user what has happened.
fn the_more_telling(one: Denied, other: Denied) -> Denied {
    let rank = |denied: &Denied| match denied {
        Denied::TokenExpired => 3,
        Denied::Ended(_) => 2,
        Denied::Missing => 0,
        _ => 1,
    };
    if rank(&other) > rank(&one) { other } else { one }
}
