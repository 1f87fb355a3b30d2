//! How access tokens are refreshed.

use std::time::Duration;

use crate::{error::ConfigError, manager::settings::invalid, succession::Retries, token::KeyRing};

/// How access tokens are refreshed.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`access_lifetime`](Self::access_lifetime) | 10 minutes |
/// | [`grace`](Self::grace) | 30 seconds |
/// | [`retry_for`](Self::retry_for) | as long as an access token lives |
/// | [`until_next_refresh`](Self::until_next_refresh) | off: the two times above |
/// | [`on_reuse`](Self::on_reuse) | the session ends |
/// | [`latest_token_only`](Self::latest_token_only) | off: access tokens are valid until they expire |
/// | [`keys`](Self::keys) | the ring that signs access tokens, if that is HS256; required otherwise |
/// | [`cookie_path`](Self::cookie_path) | none: the cookie is `__Host-refresh` |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_device_sessions::{KeyRing, SessionManager, manager::RefreshPolicy, store::MemoryStore};
///
/// let sessions = SessionManager::builder(MemoryStore::new())
///     .keys(KeyRing::random()?)
///     .refresh(RefreshPolicy::new().access_lifetime(Duration::from_secs(300)))
///     .build()?;
/// # let _ = sessions;
/// # Ok::<(), tower_device_sessions::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RefreshPolicy {
    pub(in crate::manager) access_lifetime: Duration,
    pub(in crate::manager) grace: Duration,
    retry_for: Option<Duration>,
    retry_until: RetryUntil,
    pub(in crate::manager) on_reuse: OnReuse,
    pub(in crate::manager) older_tokens: OlderTokens,
    pub(in crate::manager) keys: Option<KeyRing>,
    pub(in crate::manager) cookie_path: Option<String>,
}

/// What ends when a used refresh token is presented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnReuse {
    /// The session whose token it is.
    #[default]
    EndSession,
    /// All sessions of the user.
    EndAllSessions,
}

/// What ends the time in which a used token still returns its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RetryUntil {
    TimeOut,
    NextRefresh,
}

/// What becomes of access tokens of older generations that have not expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::manager) enum OlderTokens {
    Accepted,
    Refused,
}

impl RefreshPolicy {
    /// The longest grace.
    pub const LONGEST_GRACE: Duration = Duration::from_secs(120);

    /// The defaults.
    pub fn new() -> Self {
        Self {
            access_lifetime: Duration::from_secs(600),
            grace: Duration::from_secs(30),
            retry_for: None,
            retry_until: RetryUntil::TimeOut,
            on_reuse: OnReuse::EndSession,
            older_tokens: OlderTokens::Accepted,
            keys: None,
            cookie_path: None,
        }
    }

    /// How long an access token lives, from 1 second to 1 day; never longer than its session. Default: 10 minutes.
    pub fn access_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_lifetime = lifetime;
        self
    }

    /// How long after a refresh the used token still returns the same successor, although that has been seen in use: 0
    /// to 120 seconds. Default: 30 seconds.
    ///
    /// 0 is strict, but a lost response is still no theft: see [`retry_for`](Self::retry_for).
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long after a refresh the used token still returns the same successor, while that has not been seen in use:
    /// the response may have been lost. Default: as long as an access token lives. It is never shorter than the
    /// [`grace`](Self::grace).
    ///
    /// Later than that the token counts as stolen. Only access tokens that reach a node of this manager are seen in
    /// use. If all of them do, a longer time, up to [`Duration::MAX`], costs nothing. If they go to services that only
    /// check the signature, two holders of one token can take turns unnoticed for this long; each time is reported by
    /// [`RefreshReplayed`](crate::event::SessionEvent::RefreshReplayed).
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = Some(time);
        self
    }

    /// Accepts a used token until its successor is presented for a refresh, even if the new access token has been used,
    /// and without a time limit. Default: off; [`grace`](Self::grace) and [`retry_for`](Self::retry_for) are the
    /// limits.
    ///
    /// It is for apps that may be killed after they have used the new access token and before they have stored the new
    /// refresh token.
    ///
    /// # Security
    ///
    /// A thief and the app can then take turns for as long as the session lives. The session does not end because of
    /// it; only [`RefreshReplayed`](crate::event::SessionEvent::RefreshReplayed) reports it.
    pub fn until_next_refresh(mut self) -> Self {
        self.retry_until = RetryUntil::NextRefresh;
        self
    }

    /// What ends when a used token is presented. Default: its session.
    pub fn on_reuse(mut self, on_reuse: OnReuse) -> Self {
        self.on_reuse = on_reuse;
        self
    }

    /// Refuses an access token as soon as one of a newer generation has been seen in use. Default: it is valid until it
    /// expires.
    ///
    /// Other nodes notice when they read the record again, after the cache's time to live at the latest.
    pub fn latest_token_only(mut self) -> Self {
        self.older_tokens = OlderTokens::Refused;
        self
    }

    /// The secret of the refresh tokens: a ring of HS256 keys. Default: the ring that signs access tokens, if it is one
    /// of HS256 keys.
    ///
    /// A refresh token is valid as long as the ring has the key that made it: retire a key when the longest session has
    /// ended, not when the last access token has expired.
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// The path of the refresh endpoint, as browsers see it, such as `/api/refresh`. Default: none.
    ///
    /// The cookie is then only sent to that path, and is named `__Secure-refresh`. Without it the cookie is
    /// `__Host-refresh`: it is sent with every request to this host, and no other host can plant one.
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookie_path = Some(path.into());
        self
    }

    pub(in crate::manager) fn retries(&self) -> Retries {
        match self.retry_until {
            RetryUntil::TimeOut => Retries { seen: self.grace, unseen: self.retry_for.unwrap_or(self.access_lifetime) },
            RetryUntil::NextRefresh => Retries { seen: Duration::MAX, unseen: Duration::MAX },
        }
    }

    pub(in crate::manager) fn check(&self) -> Result<(), ConfigError> {
        let second = Duration::from_secs(1);
        let rules = [
            (self.access_lifetime < second, "access tokens live for less than a second"),
            (self.access_lifetime > 86_400 * second, "access tokens that are refreshed live for more than a day"),
            (self.grace > Self::LONGEST_GRACE, "the grace of a refresh is longer than 120 s"),
        ];
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, message)) => Err(invalid(message)),
            None => Ok(()),
        }
    }
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self::new()
    }
}
