use std::{fmt, hash::RandomState, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::{
    activity::ActivityQueue,
    cache::Cache,
    client_ip::TrustedProxies,
    clock::{Clock, SteadyClock, SystemClock},
    credentials::{Credentials, CsrfPolicy, Transport},
    error::{ConfigError, ConfigErrorKind},
    event::{Listeners, OnSessionEvent},
    manager::{
        Endings, Inner, RefreshPolicy, SessionManager, Tokens, Verifier,
        background::Background,
        clients::DeviceCookie,
        limits::Limits,
        notice::{MOST_NOTICED, NoticedBrowsers},
        refresh::Refreshing,
        refusals::Refusals,
    },
    policy::SessionPolicy,
    privacy::AddressPrivacy,
    store::SessionStore,
    token::{KeyRing, RefreshTokens, TokenIssuer, TokenOptions, TokenVerifier, VerifyToken},
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
/// | [`insecure_without_csrf_check`](Self::insecure_without_csrf_check) | off: requests with a cookie are checked |
/// | [`refresh`](Self::refresh) | off: access tokens live as long as their session |
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
/// | [`purge_interval`](Self::purge_interval) | 1 hour |
/// | [`endings`](Self::endings) | told |
/// | [`trusted_proxies`](Self::trusted_proxies) | none |
/// | [`clock`](Self::clock) | the system's |
/// | [`on_event`](Self::on_event) | nobody listens |
#[must_use = "a builder does nothing until `build()` is called"]
pub struct SessionManagerBuilder {
    store: Arc<dyn SessionStore>,
    pub(super) proof: Option<Proof>,
    pub(super) token_options: TokenOptions,
    pub(super) transport: Transport,
    origins: Origins,
    refresh: Option<RefreshPolicy>,
    pub(super) policy: SessionPolicy,
    pub(super) limits: Limits,
    pub(super) addresses: AddressPrivacy,
    pub(super) device_keys: Option<KeyRing>,
    pub(super) cache_ttl: Option<Duration>,
    pub(super) cache_capacity: u64,
    pub(super) activity_interval: Option<Duration>,
    pub(super) flush_interval: Option<Duration>,
    pub(super) store_deadline: Duration,
    pub(super) concurrent_loads: usize,
    pub(super) retention: Duration,
    pub(super) purge_interval: Duration,
    endings: Endings,
    trusted_proxies: TrustedProxies,
    clock: Arc<dyn Clock>,
    listeners: Listeners,
}

/// Where unsafe requests with a cookie may come from.
enum Origins {
    Own { and: Vec<String> },
    Unchecked,
}

/// What proves a token.
pub(super) enum Proof {
    Keys(KeyRing),
    Application(Arc<dyn VerifyToken>),
    Upstream,
}

impl SessionManagerBuilder {
    pub(super) fn new(store: Arc<dyn SessionStore>) -> Self {
        Self {
            store,
            proof: None,
            token_options: TokenOptions::new(),
            transport: Transport::Bearer,
            origins: Origins::Own { and: Vec::new() },
            refresh: None,
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
            purge_interval: Duration::from_secs(3_600),
            endings: Endings::Told,
            trusted_proxies: TrustedProxies::none(),
            clock: Arc::new(SystemClock::new()),
            listeners: Listeners::default(),
        }
    }

    /// The keys that sign and verify tokens. The last call among this, [`verifier`](Self::verifier) and
    /// [`verified_upstream`](Self::verified_upstream) counts.
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.proof = Some(Proof::Keys(keys));
        self
    }

    /// A verifier of the application's own. The manager then issues no tokens; sessions are started with
    /// [`StartSession::without_token`](crate::StartSession::without_token), and the application puts the session's id into
    /// its own token.
    pub fn verifier(mut self, verifier: impl VerifyToken) -> Self {
        self.proof = Some(Proof::Application(Arc::new(verifier)));
        self
    }

    /// An outer layer verifies the token, and leaves a [`VerifiedToken`](crate::token::VerifiedToken) in the request's
    /// extensions. No header is read then, and the manager issues no tokens.
    pub fn verified_upstream(mut self) -> Self {
        self.proof = Some(Proof::Upstream);
        self
    }

    /// What tokens look like: issuer, audience, the name of the session's claim and so on. They may live as long as sessions
    /// do, whatever [`TokenOptions::max_lifetime`] says.
    pub fn token_options(mut self, options: TokenOptions) -> Self {
        self.token_options = options;
        self
    }

    /// How tokens travel. Default: in the `Authorization` field.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Origins besides the application's own whose pages may cause unsafe requests with our cookie, each as browsers write
    /// it: `https://app.example.com`. Default: none.
    pub fn trusted_origins(mut self, origins: impl IntoIterator<Item: Into<String>>) -> Self {
        self.origins = Origins::Own { and: origins.into_iter().map(Into::into).collect() };
        self
    }

    /// Leaves the defence against forged requests to the application. Default: unsafe requests with our cookie are checked
    /// by `Sec-Fetch-Site` and `Origin`.
    ///
    /// # Security
    ///
    /// Any page on the web can then make a signed-in visitor's browser send requests in the visitor's name, where `SameSite`
    /// does not prevent it.
    pub fn insecure_without_csrf_check(mut self) -> Self {
        self.origins = Origins::Unchecked;
        self
    }

    /// Switches refresh tokens on. Default: off; access tokens live as long as their session, and are checked against it on
    /// every request.
    pub fn refresh(mut self, policy: RefreshPolicy) -> Self {
        self.refresh = Some(policy);
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

    /// How often recorded activity is written. Default: 10 s, or a sixth of the activity interval when that is less.
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

    /// How often records past their retention are deleted. Default: 1 hour.
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
    /// browsers would refuse, refresh tokens without a secret, times out of bounds, or an idle timeout that could pass
    /// between two records of activity.
    pub fn build(self) -> Result<SessionManager, ConfigError> {
        let timings = self.timings()?;
        self.limits.check()?;
        let credentials = self.credentials()?;
        let refreshing = self.refreshing()?;
        let device_cookie = DeviceCookie::new(&self)?;
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
        let inner = Inner {
            store: self.store,
            clock: SteadyClock::new(self.clock),
            cache: Cache::new(self.cache_capacity, CACHE_FORGETS_AFTER),
            refusals: Refusals::new(),
            loads: Semaphore::new(self.concurrent_loads),
            reloads: Arc::new(Semaphore::new(self.concurrent_loads.div_ceil(2))),
            jitter: RandomState::new(),
            tokens,
            credentials,
            refreshing,
            policy: self.policy,
            limits: self.limits,
            addresses: self.addresses,
            device_cookie,
            activity: ActivityQueue::new(MOST_WAITING),
            listeners: self.listeners,
            noticed_browsers: NoticedBrowsers::new(MOST_NOTICED),
            trusted_proxies: self.trusted_proxies,
            timings,
            endings: self.endings,
            watchers: Arc::default(),
            background: Background::new(),
        };
        Ok(SessionManager::from_inner(Arc::new(inner)))
    }

    fn credentials(&self) -> Result<Credentials, ConfigError> {
        let refused = |error: &str| ConfigError::new(ConfigErrorKind::Transport, error.to_owned());
        let csrf = match &self.origins {
            Origins::Own { and } => Some(CsrfPolicy::new(and).map_err(|error| refused(&error.to_string()))?),
            Origins::Unchecked => None,
        };
        let refresh_path = self.refresh.as_ref().and_then(|policy| policy.cookie_path.as_deref());
        Credentials::new(&self.transport, refresh_path, csrf).map_err(|error| refused(&error.to_string()))
    }

    fn refreshing(&self) -> Result<Option<Refreshing>, ConfigError> {
        let Some(policy) = &self.refresh else {
            return Ok(None);
        };
        policy.check()?;
        let Some(Proof::Keys(signing)) = &self.proof else {
            return Err(invalid("refresh tokens need a manager that issues access tokens: call `keys`"));
        };
        let keys = policy.keys.as_ref().unwrap_or(signing);
        let tokens = RefreshTokens::new(keys.clone(), &self.token_options)?;
        Ok(Some(Refreshing::new(policy.clone(), tokens)))
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

fn invalid(message: &'static str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Setting, message)
}

/// How long the cache remembers a session that nobody asks for.
const CACHE_FORGETS_AFTER: Duration = Duration::from_secs(300);

/// How many sessions' activity may wait to be written.
const MOST_WAITING: usize = 10_000;
