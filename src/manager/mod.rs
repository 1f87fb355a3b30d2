//! The session manager: the use cases, and the only place that orders store, cache and bus.
//!
//! Four rooms, and the use cases on top of them, each in a file of its own:
//!
//! - `settings`: the settings of the manager, and its builder.
//! - `records`: how records are read and changed, here and on other nodes.
//! - `request`: what happens to a request.
//! - `upkeep`: what runs in the background.
//! - `tokens`, `device_cookie`: who verifies and issues tokens, and how they travel.
//! - `start`: a user signs in, and `admit` puts the session on record; `issue` signs the tokens, and `started` hands them over.
//! - `refresh`: a client asks for the next tokens.
//! - `step_up`: a user authenticates again.
//! - `revoke`: sessions end on purpose; `sign_out`: with any token that is left.
//! - `list`: users look at their sessions, and name them.
//! - `devices`: the devices that users sign in on are known, named and forgotten.
//! - `trust`: users trust their devices.
//! - `account`, `export`: credentials change, and users are erased, or are told all that is known of them.
//! - `incident`: sessions of all users are found, and ended, in an emergency.
//!
//! # Cancellation
//!
//! Every change runs in a task of its own that the caller awaits. Dropping the caller's future, as a server does when
//! its client hangs up, lets the change run to its end.

mod account;
mod admit;
mod device_cookie;
mod devices;
mod export;
mod incident;
mod issue;
mod list;
mod records;
mod refresh;
mod request;
mod revoke;
mod settings;
mod sign_out;
mod start;
mod started;
mod step_up;
mod tokens;
mod trust;
mod upkeep;

#[allow(unused_imports, reason = "only the ready-made routes ask for it")]
pub(crate) use self::refresh::Brought;
pub use self::{
    account::CredentialsChanged,
    device_cookie::FormDevice,
    incident::{AddressRange, InvalidAddressRange, SessionFilter, Sweep},
    list::{Cursor, InvalidCursor, ListOptions, SessionPage},
    request::CurrentSession,
    revoke::{Revocation, Revoked},
    settings::{Adoption, OnReuse, RefreshPolicy, SessionManagerBuilder},
    start::StartSession,
    started::{SignedOut, StartedSession},
    step_up::Reauthentication,
    trust::TrustedDevice,
    upkeep::{Health, NodeHealth, ShutdownReport},
};
pub(crate) use self::{
    device_cookie::{DEVICE_COOKIE_LIFETIME, DeviceCookie},
    request::{Checked, Unresolved},
};

use std::{fmt, sync::Arc};

use self::{
    records::Records,
    request::Requests,
    settings::Settings,
    tokens::{Tokens, Verifier},
    upkeep::Upkeep,
};
use crate::{
    client_ip::TrustedProxies, clock::Timestamp, credentials::Credentials, event::SessionEvent, metrics::Metrics,
    policy::SessionPolicy, store::SessionStore,
};

/// Starts, checks, lists and ends sessions.
///
/// Cloning is cheap, and all clones are one manager. [`SessionManager::builder`] builds it. It lives as long as the
/// last clone; [`shutdown`](Self::shutdown) writes the remaining activity.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{ClientInfo, KeyRing, SessionManager, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SessionManager::builder(MemoryStore::new())
///     .keys(KeyRing::random()?)
///     .build()?;
///
/// let started = sessions.start("ann", ClientInfo::new().user_agent("curl/8.5.0")).await?;
/// let current = sessions.authenticate(started.token()).await?;
/// assert_eq!(current.device().name(), "curl");
///
/// sessions.sign_out(&current).await?;
/// assert!(sessions.authenticate(started.token()).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SessionManager {
    inner: Arc<Inner>,
}

/// What all clones of a manager share.
pub(crate) struct Inner {
    settings: Arc<Settings>,
    records: Records,
    tokens: Tokens,
    request: Requests,
    upkeep: Upkeep,
}

/// Whether clients are told how their own sessions ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endings {
    /// The bearer of a validly signed token learns that, and how, its session has ended.
    #[default]
    Told,
    /// An ended session is indistinguishable from an invalid token.
    Concealed,
}

impl SessionManager {
    /// A builder for a manager over `store`.
    pub fn builder(store: impl SessionStore) -> SessionManagerBuilder {
        SessionManagerBuilder::new(Arc::new(store))
    }

    /// The proxies whose word on a client's address is taken.
    pub fn trusted_proxies(&self) -> &TrustedProxies {
        &self.inner.settings.trusted_proxies
    }

    /// Returns the present, as the manager sees it: the wall clock, without jumps ahead that have not lasted for a
    /// minute.
    pub fn now(&self) -> Timestamp {
        self.inner.records.clock.now()
    }

    /// Returns the policy: how long sessions live, and what is required of them.
    pub fn policy(&self) -> &SessionPolicy {
        &self.inner.settings.policy
    }

    /// The credentials that are read, and how new ones are returned.
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.inner.tokens.credentials
    }

    /// Returns how many sessions this node's cache holds now, for metrics. It takes each of the cache's locks once.
    pub fn cached_sessions(&self) -> u64 {
        self.inner.records.cache.sessions() as u64
    }

    /// Whether clients are told how their sessions ended.
    pub(crate) fn endings(&self) -> Endings {
        self.inner.settings.endings
    }

    /// Voids the cache: every session is read again when it is next needed, as when messages of another node may have
    /// been lost.
    #[cfg(feature = "testing")]
    pub fn flush_cache(&self) {
        self.inner.records.cache.flush();
    }

    /// Whether an outer layer has verified the token, so that no header is read.
    pub(crate) fn is_verified_upstream(&self) -> bool {
        matches!(self.inner.tokens.verifier, Verifier::Upstream)
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.records.metrics
    }

    pub(crate) fn from_inner(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The cookie by which browsers are recognised, where that is switched on.
    pub(crate) fn device_cookie(&self) -> Option<&DeviceCookie> {
        self.inner.tokens.device_cookie.as_ref()
    }

    /// Whether both are clones of one manager.
    #[allow(dead_code, reason = "only extractors ask for it")]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn tell(&self, event: &SessionEvent) {
        self.inner.records.tell(event);
    }
}

impl fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("records", &self.inner.records)
            .field("policy", &self.inner.settings.policy)
            .finish_non_exhaustive()
    }
}
