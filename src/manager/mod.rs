//! The session manager: the use cases, and the only place that orders store, cache and bus.
//!
//! Four rooms, and the use cases on top of them, each a straight walk in a file of its own:
//!
//! - `settings`: what the manager was set to.
//! - `records`: how records are read and changed, here and on other nodes.
//! - `request`: what happens to a request.
//! - `upkeep`: what runs beside the requests.
//! - `start`, `started`: a user signs in, and gets tokens.
//! - `refresh`: a client asks for the next tokens.
//! - `step_up`: a user authenticates again.
//! - `revoke`: sessions end on purpose; `sign_out`: with whatever token is left.
//! - `list`: users look at their sessions, and name them.
//! - `devices`: the devices that users sign in on are known, named and forgotten.
//! - `trust`: users trust their devices.
//! - `account`, `export`: credentials change, and users are erased, or are told all that is known of them.
//! - `incident`: sessions of all users are found, and ended, in an emergency.
//!
//! # Cancellation
//!
//! Every change runs in a task of its own that the caller awaits. Dropping the caller's future, as a server does when its
//! client hangs up, lets the change run to its end.

mod account;
mod devices;
mod export;
mod incident;
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
mod trust;
mod upkeep;

#[allow(unused_imports, reason = "only the ready-made routes ask for it")]
pub(crate) use self::refresh::Brought;
pub use self::{
    account::CredentialsChanged,
    incident::{AddressRange, InvalidAddressRange, SessionFilter, Sweep},
    list::{Cursor, InvalidCursor, ListOptions, SessionPage},
    request::{Adoption, CurrentSession},
    revoke::{Revocation, Revoked},
    settings::{FormDevice, OnReuse, RefreshPolicy, SessionManagerBuilder},
    start::StartSession,
    started::{SignedOut, StartedSession},
    step_up::Reauthentication,
    trust::TrustedDevice,
    upkeep::{Health, NodeHealth, ShutdownReport},
};
pub(crate) use self::{
    request::{Checked, Unresolved},
    settings::{DEVICE_COOKIE_LIFETIME, DeviceCookie},
};

use std::{fmt, hash::RandomState, sync::Arc};

use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::{
    activity::ActivityQueue,
    cache::Cache,
    client_ip::TrustedProxies,
    clock::{SteadyClock, Timestamp},
    credentials::Credentials,
    device::{DescribeDevice, Device},
    error::{Error, ErrorKind},
    event::{Listeners, SessionEvent},
    location::Locate,
    logging,
    manager::{
        records::{flush::ChunkSize, idle::RefusedWrites, nodes::Nodes, store_time::StoreTime, watch::Watchers},
        refresh::Refreshing,
        request::{current::Authenticated, notice::NoticedBrowsers, refusals::Refusals},
        settings::{Limits, Timings, companions::Companions},
        upkeep::{background::Background, setup::Setup},
    },
    metrics::{Answered, Metrics, Stopwatch},
    policy::SessionPolicy,
    privacy::AddressPrivacy,
    session::AsOf,
    store::{SessionStore, StoreError},
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
    store: Arc<dyn SessionStore>,
    clock: SteadyClock,
    cache: Cache<Authenticated>,
    refusals: Refusals,
    loads: Semaphore,
    /// Places for loads ahead of time, fewer than there are for all: requests that wait come first.
    reloads: Arc<Semaphore>,
    jitter: RandomState,
    tokens: Tokens,
    credentials: Credentials,
    refreshing: Option<Refreshing>,
    adoption: Option<Adoption>,
    policy: SessionPolicy,
    limits: Limits,
    addresses: AddressPrivacy,
    device_cookie: Option<DeviceCookie>,
    activity: ActivityQueue,
    chunk_size: ChunkSize,
    refused_writes: RefusedWrites,
    listeners: Listeners,
    noticed_browsers: NoticedBrowsers,
    trusted_proxies: TrustedProxies,
    locate: Option<Arc<dyn Locate>>,
    describes: Option<Arc<dyn DescribeDevice>>,
    timings: Timings,
    store_time: StoreTime,
    endings: Endings,
    watchers: Arc<Watchers>,
    nodes: Option<Arc<Nodes>>,
    background: Background,
    metrics: Metrics,
    setup: Setup,
    _companions: Companions,
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

    /// The present, as the manager goes by it: the wall clock, without jumps ahead that have not lasted for a minute.
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

    /// Whether clients are told how their sessions ended.
    pub(crate) fn endings(&self) -> Endings {
        self.inner.endings
    }

    /// Has every session read anew when it is next asked for, as when word of another node may have been lost.
    #[cfg(feature = "testing")]
    pub fn flush_cache(&self) {
        self.inner.cache.flush();
    }

    /// Whether an outer layer has verified the token, so that no header is read.
    pub(crate) fn is_verified_upstream(&self) -> bool {
        matches!(self.inner.tokens.verifier, Verifier::Upstream)
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(crate) fn from_inner(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Whether both are clones of one manager.
    #[allow(dead_code, reason = "only extractors ask for it")]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
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
    /// This moment, with what recorded activity may lag the real one by.
    fn as_of(&self, now: Timestamp) -> AsOf {
        AsOf::new(now, self.timings.idle_allowance())
    }

    /// The device as the application describes it.
    fn described(&self, device: Device) -> Device {
        match &self.describes {
            Some(describes) => device.described_by(Arc::clone(describes)),
            None => device,
        }
    }

    /// Runs a change in a task of its own, so that it does not end with the caller's future.
    async fn detached<T, F>(self: &Arc<Self>, change: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let task = tokio::spawn(change.in_current_span());
        match task.await {
            Ok(result) => result,
            Err(panicked) => {
                logging::store_failed("change", &panicked);
                Err(Error::with_source(ErrorKind::Unavailable, panicked))
            }
        }
    }

    /// Asks the store within the deadline.
    async fn within_deadline<T>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Error> {
        let since = Stopwatch::start(&self.clock);
        let (answered, result) = match tokio::time::timeout(self.timings.store_deadline, answer).await {
            Ok(Ok(value)) => (Answered::Ok, Ok(value)),
            Ok(Err(error)) => {
                logging::store_failed(operation, &error);
                (Answered::Error, Err(error.into()))
            }
            Err(elapsed) => {
                logging::store_timed_out(operation);
                (Answered::Timeout, Err(Error::with_source(ErrorKind::Unavailable, elapsed)))
            }
        };
        if let Some(nodes) = &self.nodes {
            nodes.note_store(result.is_err());
        }
        self.metrics.answered(operation, answered, since, &self.clock);
        result
    }
}
