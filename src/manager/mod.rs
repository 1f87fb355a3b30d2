//! The session manager: the use cases, and the only place that orders store, cache and bus.
//!
//! One file per use case, each a straight walk:
//!
//! - `start`: a user signs in; `limits` says what makes room.
//! - `authenticate`: a request arrives with a token.
//! - `refresh`: a client asks for the next tokens.
//! - `step_up`: a user authenticates again.
//! - `revoke`: sessions end on purpose.
//! - `list`: users look at their sessions, and name them.
//! - `devices`: the devices that users sign in on are known, named, trusted and forgotten.
//! - `account`, `export`: credentials change, and users are erased, or are told all that is known of them.
//! - `incident`: sessions of all users are found, and ended, in an emergency.
//! - `watch`: long-lived connections hear of the end of their session.
//! - `background`: activity is written, ended records are deleted, and all of it shuts down in order.
//!
//! # Cancellation
//!
//! Every change runs in a task of its own that the caller awaits. Dropping the caller's future, as a server does when its
//! client hangs up, lets the change run to its end.

mod account;
mod adopt;
mod authenticate;
mod background;
mod builder;
mod clients;
mod csrf_token;
mod current;
mod devices;
mod export;
mod incident;
mod limits;
mod list;
mod load;
mod notice;
mod refresh;
mod refusals;
mod revoke;
mod start;
mod started;
mod step_up;
mod tokens;
mod watch;

pub(crate) use self::authenticate::{Checked, Pending};
pub use self::{
    account::CredentialsChanged,
    adopt::Adoption,
    background::ShutdownReport,
    builder::SessionManagerBuilder,
    current::CurrentSession,
    incident::{AddressRange, InvalidAddressRange, SessionFilter, Sweep},
    list::{Cursor, InvalidCursor, ListOptions, SessionPage},
    refresh::{OnReuse, RefreshPolicy},
    revoke::{Revocation, Revoked},
    start::StartSession,
    started::{SignedOut, StartedSession},
    step_up::Reauthentication,
};

use std::{fmt, hash::RandomState, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::{
    activity::ActivityQueue,
    cache::Cache,
    client_ip::TrustedProxies,
    clock::{SteadyClock, Timestamp},
    credentials::Credentials,
    error::{Error, ErrorKind},
    event::{Listeners, SessionEvent},
    logging,
    manager::{
        background::Background, current::Authenticated, limits::Limits, notice::NoticedBrowsers, refresh::Refreshing,
        refusals::Refusals, watch::Watchers,
    },
    policy::SessionPolicy,
    privacy::AddressPrivacy,
    store::{SessionStore, StoreError, StoreFuture},
    token::{TokenIssuer, TokenVerifier, VerifyToken},
};

/// Starts, checks, lists and ends sessions.
///
/// Cloning is cheap, and all clones are one manager. It is made by [`SessionManager::builder`], and lives as long as the
/// last clone; [`shutdown`](Self::shutdown) writes what is left to be written.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{ClientInfo, KeyRing, SessionManager, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SessionManager::builder(MemoryStore::new())
///     .keys(KeyRing::hs256("an example secret of at least 32 bytes")?)
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
    store: Arc<dyn SessionStore>,
    clock: SteadyClock,
    cache: Cache<Authenticated>,
    refusals: Refusals,
    loads: Semaphore,
    jitter: RandomState,
    tokens: Tokens,
    credentials: Credentials,
    refreshing: Option<Refreshing>,
    adoption: Option<Adoption>,
    policy: SessionPolicy,
    limits: Limits,
    addresses: AddressPrivacy,
    activity: ActivityQueue,
    listeners: Listeners,
    noticed_browsers: NoticedBrowsers,
    trusted_proxies: TrustedProxies,
    timings: Timings,
    endings: Endings,
    watchers: Arc<Watchers>,
    background: Background,
}

/// Who verifies tokens, and who issues them.
pub(crate) struct Tokens {
    verifier: Verifier,
    issuer: Option<TokenIssuer>,
}

pub(crate) enum Verifier {
    Own(TokenVerifier),
    Application(Arc<dyn VerifyToken>),
    /// An outer layer has verified the token already.
    Upstream,
}

/// How long things take and last, as `build()` has checked them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timings {
    cache_ttl: Duration,
    activity_interval: Duration,
    flush_interval: Duration,
    store_deadline: Duration,
    retention: Duration,
    purge_interval: Duration,
}

impl Timings {
    /// How far recorded activity may lag the real one.
    fn idle_allowance(&self) -> Duration {
        self.activity_interval + self.flush_interval
    }
}

/// Whether clients are told how their own sessions ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endings {
    /// The bearer of a validly signed token is told that, and how, its session has ended.
    #[default]
    Told,
    /// An ended session is answered like a token that never was one.
    Concealed,
}

impl SessionManager {
    /// A builder for a manager over `store`.
    pub fn builder(store: impl SessionStore) -> SessionManagerBuilder {
        SessionManagerBuilder::new(Arc::new(store))
    }

    /// The proxies whose word on a client's address is taken.
    pub fn trusted_proxies(&self) -> &TrustedProxies {
        &self.inner.trusted_proxies
    }

    /// The present, as the manager's clock has it.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// How long sessions live, and what is asked of them.
    pub fn policy(&self) -> &SessionPolicy {
        &self.inner.policy
    }

    /// Which credentials are read, and how they are answered.
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    /// How many sessions this node's cache holds now, for metrics. It takes each of the cache's locks once.
    pub fn cached_sessions(&self) -> u64 {
        self.inner.cache.sessions() as u64
    }

    /// Whether an outer layer has verified the token, so that no header is read.
    pub(crate) fn is_verified_upstream(&self) -> bool {
        matches!(self.inner.tokens.verifier, Verifier::Upstream)
    }

    pub(crate) fn from_inner(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(crate) fn tell(&self, event: &SessionEvent) {
        self.inner.listeners.tell(event);
    }
}

impl fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("store", &self.inner.store)
            .field("policy", &self.inner.policy)
            .field("timings", &self.inner.timings)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Runs a change in a task of its own, so that it does not end with the caller's future.
    async fn detached<T, F>(self: &Arc<Self>, change: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let task = tokio::spawn(change);
        match task.await {
            Ok(result) => result,
            Err(panicked) => {
                logging::store_failed("change", &panicked);
                Err(Error::with_source(ErrorKind::Unavailable, panicked))
            }
        }
    }

    /// Whether endings on other nodes are heard of by themselves.
    #[expect(clippy::unused_self, reason = "the bus will know")]
    fn hears_other_nodes(&self) -> bool {
        false
    }

    /// Asks the store within the deadline.
    async fn within_deadline<T>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.timings.store_deadline, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                logging::store_failed(operation, &error);
                Err(error.into())
            }
            Err(elapsed) => {
                logging::store_timed_out(operation);
                Err(Error::with_source(ErrorKind::Unavailable, elapsed))
            }
        }
    }

    /// Asks for a change that may be repeated, and repeats it once should it fail: a connection may have been lost after
    /// the store had committed. Both attempts share one deadline.
    async fn twice_within_deadline<'a, T>(
        &self,
        operation: &'static str,
        mut change: impl FnMut() -> StoreFuture<'a, T>,
    ) -> Result<T, Error> {
        let attempts = async {
            match change().await {
                Ok(value) => Ok(value),
                Err(error) => {
                    logging::store_failed(operation, &error);
                    change().await
                }
            }
        };
        self.within_deadline(operation, attempts).await
    }
}
