use std::{fmt, hash::RandomState, mem, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::{
    activity::ActivityQueue,
    cache::Cache,
    client_ip::TrustedProxies,
    clock::{Clock, SteadyClock, SystemClock},
    credentials::{SiteData, Transport},
    device::DescribeDevice,
    error::{ConfigError, ConfigErrorKind},
    event::{Listeners, OnSessionEvent},
    location::Locate,
    manager::{
        Endings, Inner, SessionManager, Tokens, Verifier,
        records::{flush::ChunkSize, idle::RefusedWrites, nodes::Hearing, store_time::StoreTime, watch::Watchers},
        request::{
            Adoption,
            notice::{MOST_NOTICED, NoticedBrowsers},
            refusals::Refusals,
        },
        settings::{
            RefreshPolicy,
            clients::{DEVICE_LIFETIME, DeviceCookie},
            companions::Companions,
            limits::Limits,
            travel::Origins,
        },
        upkeep::{background::Background, setup::Setup},
    },
    metrics::Metrics,
    policy::SessionPolicy,
    privacy::AddressPrivacy,
    store::{DescribingStore, SessionStore},
    token::{KeyRing, TokenIssuer, TokenOptions, TokenVerifier, VerifyToken},
};

/// Builds a [`SessionManager`].
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`keys`](Self::keys), [`verifier`](Self::verifier) or [`verified_upstream`](Self::verified_upstream) | none: one is required |
/// | [`token_options`](Self::token_options) | [`TokenOptions::new`] |
/// | [`transport`](Self::transport) | [`Transport::Bearer`] |
/// | [`trusted_origins`](Self::trusted_origins) | none but the application's own |
/// | [`clear_site_data`](Self::clear_site_data) | off: a sign-out clears our cookies alone |
/// | [`insecure_without_csrf_check`](Self::insecure_without_csrf_check) | off: requests with a cookie are checked |
/// | [`refresh`](Self::refresh) | off: access tokens live as long as their session |
/// | [`adopt`](Self::adopt) | nothing: a token names a session, or is refused |
/// | [`policy`](Self::policy) | [`SessionPolicy::new`]: 30 days, 7 days idle |
/// | [`max_sessions`](Self::max_sessions), [`limit`](Self::limit), [`limits_of`](Self::limits_of) | no limit |
/// | [`same_device`](Self::same_device) | earlier sessions on the device stay |
/// | [`addresses`](Self::addresses) | kept in full |
/// | [`device_cookie`](Self::device_cookie) | on where tokens travel in cookies and the keys are secrets |
/// | [`cache_ttl`](Self::cache_ttl) | 10 s, or a tenth of the idle timeout when that is less |
/// | [`cache_capacity`](Self::cache_capacity) | 64 MiB |
/// | [`activity_interval`](Self::activity_interval) | 60 s, or a tenth of the idle timeout when that is less |
/// | [`flush_interval`](Self::flush_interval) | 10 s, or a sixth of the activity interval when that is less |
/// | [`store_deadline`](Self::store_deadline) | 1 s |
/// | [`concurrent_loads`](Self::concurrent_loads) | 32 |
/// | [`retention`](Self::retention) | 30 days |
/// | [`address_retention`](Self::address_retention) | as long as the session is kept |
/// | [`purge_interval`](Self::purge_interval) | 1 hour |
/// | [`max_ended`](Self::max_ended) | the newest 200 of each user |
/// | [`max_devices`](Self::max_devices) | 100 of each user |
/// | [`device_retention`](Self::device_retention) | 400 days |
/// | [`endings`](Self::endings) | told |
/// | [`bus`](Self::bus), [`polling`](Self::polling) or [`without_bus`](Self::without_bus) | a store that processes share is polled twice a second |
/// | [`bus_keys`](Self::bus_keys) | messages between nodes are not sealed |
/// | [`trusted_proxies`](Self::trusted_proxies) | none |
/// | [`locate`](Self::locate) | nobody knows places |
/// | [`describe_devices`](Self::describe_devices) | the built-in tables |
/// | [`clock`](Self::clock) | the system's |
/// | [`on_event`](Self::on_event) | nobody listens |
#[must_use = "a builder does nothing until `build()` is called"]
pub struct SessionManagerBuilder {
    store: Arc<dyn SessionStore>,
    pub(in crate::manager) proof: Option<Proof>,
    /// Whether two different ways were chosen.
    pub(in crate::manager) proven_differently: bool,
    pub(in crate::manager) token_options: TokenOptions,
    pub(in crate::manager) transport: Transport,
    pub(in crate::manager) origins: Origins,
    pub(in crate::manager) site_data: SiteData,
    pub(in crate::manager) refresh: Option<RefreshPolicy>,
    pub(in crate::manager) adoption: Option<Adoption>,
    pub(in crate::manager) policy: SessionPolicy,
    pub(in crate::manager) limits: Limits,
    pub(in crate::manager) addresses: AddressPrivacy,
    pub(in crate::manager) device_keys: Option<KeyRing>,
    pub(in crate::manager) cache_ttl: Option<Duration>,
    pub(in crate::manager) cache_capacity: u64,
    pub(in crate::manager) activity_interval: Option<Duration>,
    pub(in crate::manager) flush_interval: Option<Duration>,
    pub(in crate::manager) store_deadline: Duration,
    pub(in crate::manager) concurrent_loads: usize,
    pub(in crate::manager) retention: Duration,
    pub(in crate::manager) address_retention: Option<Duration>,
    pub(in crate::manager) purge_interval: Duration,
    pub(in crate::manager) device_retention: Duration,
    endings: Endings,
    pub(in crate::manager) hearing: Hearing,
    pub(in crate::manager) bus_keys: Option<KeyRing>,
    trusted_proxies: TrustedProxies,
    locate: Option<Arc<dyn Locate>>,
    describes: Option<Arc<dyn DescribeDevice>>,
    pub(in crate::manager) clock: Arc<dyn Clock>,
    pub(in crate::manager) listeners: Listeners,
}

/// What proves a token.
pub(in crate::manager) enum Proof {
    Keys(KeyRing),
    Application(Arc<dyn VerifyToken>),
    Upstream,
}

impl SessionManagerBuilder {
    pub(in crate::manager) fn new(store: Arc<dyn SessionStore>) -> Self {
        Self {
            store,
            proof: None,
            proven_differently: false,
            token_options: TokenOptions::new(),
            transport: Transport::Bearer,
            origins: Origins::default(),
            site_data: SiteData::Kept,
            refresh: None,
            adoption: None,
            policy: SessionPolicy::new(),
            limits: Limits::default(),
            addresses: AddressPrivacy::Full,
            device_keys: None,
            cache_ttl: None,
            cache_capacity: 64 * 1_024 * 1_024,
            activity_interval: None,
            flush_interval: None,
            store_deadline: Duration::from_secs(1),
            concurrent_loads: 32,
            retention: Duration::from_secs(30 * 86_400),
            address_retention: None,
            purge_interval: Duration::from_secs(3_600),
            device_retention: DEVICE_LIFETIME,
            endings: Endings::Told,
            hearing: Hearing::default(),
            bus_keys: None,
            trusted_proxies: TrustedProxies::none(),
            locate: None,
            describes: None,
            clock: Arc::new(SystemClock::new()),
            listeners: Listeners::default(),
        }
    }

    /// The keys that sign and verify tokens. It excludes [`verifier`](Self::verifier) and
    /// [`verified_upstream`](Self::verified_upstream).
    pub fn keys(self, keys: KeyRing) -> Self {
        self.proven_by(Proof::Keys(keys))
    }

    /// A verifier of the application's own. The manager then issues no tokens; sessions are started with
    /// [`StartSession::without_token`](crate::StartSession::without_token), and the application puts the session's id into
    /// its own token.
    pub fn verifier(self, verifier: impl VerifyToken) -> Self {
        self.proven_by(Proof::Application(Arc::new(verifier)))
    }

    /// An outer layer verifies the token, and leaves a [`VerifiedToken`](crate::token::VerifiedToken) in the request's
    /// extensions. No header is read then, and the manager issues no tokens.
    pub fn verified_upstream(self) -> Self {
        self.proven_by(Proof::Upstream)
    }

    fn proven_by(mut self, proof: Proof) -> Self {
        let differs = |earlier: &Proof| mem::discriminant(earlier) != mem::discriminant(&proof);
        self.proven_differently |= self.proof.as_ref().is_some_and(differs);
        self.proof = Some(proof);
        self
    }

    /// What tokens look like: issuer, audience, the name of the session's claim and so on. They may live as long as sessions
    /// do, whatever [`TokenOptions::max_lifetime`] says.
    pub fn token_options(mut self, options: TokenOptions) -> Self {
        self.token_options = options;
        self
    }

    /// How long sessions live. Default: 30 days, 7 days idle.
    pub fn policy(mut self, policy: SessionPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How long a record may be used without being read anew, 0 to 60 s; 0 reads the store on every request. It bounds
    /// what this node may miss when the bus is dead. In the last fifth of that time the record of a session in use is read
    /// anew in the background, so that a busy session does not wait for the store. Default: 10 s, or a tenth of the idle
    /// timeout when that is less.
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.cache_ttl = Some(ttl);
        self
    }

    /// About how many bytes the cache may take. Default: 64 MiB.
    pub fn cache_capacity(mut self, bytes: u64) -> Self {
        self.cache_capacity = bytes;
        self
    }

    /// How often the activity of one session is recorded at most. Default: 60 s, or a tenth of the idle timeout when that
    /// is less.
    pub fn activity_interval(mut self, interval: Duration) -> Self {
        self.activity_interval = Some(interval);
        self
    }

    /// How often recorded activity is written, in chunks of at most 1,000 sessions that take the store about 10 ms each.
    /// Default: 10 s, or a sixth of the activity interval when that is less.
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.flush_interval = Some(interval);
        self
    }

    /// How long one answer of the store may take, the wait for it included. Default: 1 s.
    pub fn store_deadline(mut self, deadline: Duration) -> Self {
        self.store_deadline = deadline;
        self
    }

    /// How many records may be read at the same time, ahead of time half as many; keep it below the size of the store's
    /// pool. Default: 32.
    pub fn concurrent_loads(mut self, loads: usize) -> Self {
        self.concurrent_loads = loads;
        self
    }

    /// How long ended sessions are kept, at least a day. Default: 30 days.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// How long the addresses and the place of a session are kept after it has ended; at most as long as the session
    /// itself. They go with the first round of the cleaner that comes later, see [`purge_interval`](Self::purge_interval).
    /// A session that ends by idling counts from the end of its absolute timeout, unless somebody has put its ending on
    /// record. Default: as long as the session is kept.
    pub fn address_retention(mut self, retention: Duration) -> Self {
        self.address_retention = Some(retention);
        self
    }

    /// How often records past their retention are deleted. The first two rounds after a start delete nothing, and a round that would
    /// delete more than half of all sessions asks instead, by [`RetentionPaused`](crate::event::SessionEvent::RetentionPaused); a process that lives
    /// for less than three rounds calls [`purge`](SessionManager::purge). Default: 1 hour.
    pub fn purge_interval(mut self, interval: Duration) -> Self {
        self.purge_interval = interval;
        self
    }

    /// Whether clients are told how their own sessions ended. Default: they are.
    pub fn endings(mut self, endings: Endings) -> Self {
        self.endings = endings;
        self
    }

    /// The proxies whose word on a client's address is taken. Default: none; the address is the socket's peer.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.trusted_proxies = proxies;
        self
    }

    /// Describes devices in place of the built-in tables: what the list calls a session, and which kind of device a limit
    /// counts it as. Default: [`naming::describe`](crate::device::naming::describe).
    pub fn describe_devices(mut self, describes: impl DescribeDevice) -> Self {
        self.describes = Some(Arc::new(describes));
        self
    }

    /// Who knows the place of an address; closures from `IpAddr` to `Option<Location>` will do. It is asked at sign-in and
    /// never again. Default: nobody; sessions have no place unless a trusted proxy tells one.
    pub fn locate(mut self, locate: impl Locate) -> Self {
        self.locate = Some(Arc::new(locate));
        self
    }

    /// Where the time is read. Default: the system's clocks.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Adds a listener for events; closures that take `&SessionEvent` will do. Default: nobody listens.
    pub fn on_event(mut self, listener: impl OnSessionEvent) -> Self {
        self.listeners.add(Arc::new(listener));
        self
    }

    /// Checks the settings, and makes the manager. It does no I/O and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for every setting that could not work: no keys, keys that do not sign what they verify, a cookie that
    /// browsers would refuse, refresh tokens without a secret, times out of bounds, an idle timeout that could pass between two
    /// records of activity, or a setting that another one takes the effect from.
    pub fn build(self) -> Result<SessionManager, ConfigError> {
        let timings = self.timings()?;
        self.limits.check()?;
        let credentials = self.checked_credentials()?;
        let refreshing = self.checked_refreshing()?;
        let device_cookie = DeviceCookie::new(&self)?;
        self.check_contradictions(device_cookie.as_ref())?;
        if let Some(adoption) = &self.adoption {
            adoption.check(self.retention, self.store.facts().retention)?;
        }
        let clock = SteadyClock::new(Arc::clone(&self.clock));
        let store_time = StoreTime::new(clock.ticks());
        let nodes = self.nodes(&self.store, &clock, timings.cache_ttl)?;
        let companions = Companions::join(self.store.name(), nodes.is_some());
        let tokens = match self.proof {
            None => return Err(invalid("no keys: call `keys`, `verifier` or `verified_upstream`")),
            Some(Proof::Keys(keys)) => {
                let options = self.token_options.lasting(self.policy.absolute_timeout);
                let verifier = TokenVerifier::new(keys.clone(), options.clone())?;
                let issuer = if keys.signs() { Some(TokenIssuer::new(keys, options)?) } else { None };
                Tokens { verifier: Verifier::Own(verifier), issuer }
            }
            Some(Proof::Application(verifier)) => Tokens { verifier: Verifier::Application(verifier), issuer: None },
            Some(Proof::Upstream) => Tokens { verifier: Verifier::Upstream, issuer: None },
        };
        let store = match &self.describes {
            Some(describes) => Arc::new(DescribingStore::new(self.store, Arc::clone(describes))),
            None => self.store,
        };
        // Requests that wait come first, so that the others have half of the places at most.
        let ahead_of_time = self.concurrent_loads.div_ceil(2);
        let inner = Inner {
            store,
            clock,
            cache: Cache::new(self.cache_capacity, CACHE_FORGETS_AFTER),
            refusals: Refusals::new(),
            loads: Semaphore::new(self.concurrent_loads),
            reloads: Arc::new(Semaphore::new(ahead_of_time)),
            jitter: RandomState::new(),
            tokens,
            credentials,
            refreshing,
            adoption: self.adoption,
            policy: self.policy,
            limits: self.limits,
            addresses: self.addresses,
            device_cookie,
            activity: ActivityQueue::new(MOST_WAITING),
            chunk_size: ChunkSize::new(),
            refused_writes: RefusedWrites::default(),
            listeners: self.listeners,
            noticed_browsers: NoticedBrowsers::new(MOST_NOTICED),
            trusted_proxies: self.trusted_proxies,
            locate: self.locate,
            describes: self.describes,
            timings,
            store_time,
            endings: self.endings,
            watchers: Arc::new(Watchers::new(ahead_of_time)),
            nodes,
            background: Background::new(),
            metrics: Metrics::new(),
            setup: Setup::default(),
            _companions: companions,
        };
        Ok(SessionManager::from_inner(Arc::new(inner)))
    }
}

impl fmt::Debug for SessionManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManagerBuilder")
            .field("store", &self.store)
            .field("policy", &self.policy)
            .field("transport", &self.transport)
            .field("refresh", &self.refresh)
            .finish_non_exhaustive()
    }
}

pub(in crate::manager) fn invalid(message: &'static str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Setting, message)
}

/// How long the cache remembers a session that nobody asks for.
const CACHE_FORGETS_AFTER: Duration = Duration::from_secs(300);

/// How many sessions' activity may wait to be written.
const MOST_WAITING: usize = 10_000;
