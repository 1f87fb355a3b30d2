//! The builder: all settings, with their defaults.

use std::{fmt, mem, sync::Arc, time::Duration};

use crate::{
    client_ip::TrustedProxies,
    clock::Clock,
    device::DescribeDevice,
    error::ConfigError,
    event::OnSessionEvent,
    location::Locate,
    manager::{
        Endings, Inner, SessionManager,
        records::Records,
        request::Requests,
        settings::{Proof, Settings},
        tokens::Tokens,
        upkeep::Upkeep,
    },
    policy::SessionPolicy,
    store::SessionStore,
    token::{KeyRing, TokenOptions, VerifyToken},
};

/// Builds a [`SessionManager`].
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`keys`](Self::keys), [`verifier`](Self::verifier), [`verified_upstream`](Self::verified_upstream) | required |
/// | [`token_options`](Self::token_options) | [`TokenOptions::new`] |
/// | [`transport`](Self::transport) | [`Transport::Bearer`](crate::credentials::Transport::Bearer) |
/// | [`trusted_origins`](Self::trusted_origins) | none but the application's own |
/// | [`clear_site_data`](Self::clear_site_data) | off: a sign-out clears only our cookies |
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
/// | [`bus`](Self::bus), [`polling`](Self::polling), [`without_bus`](Self::without_bus) | a shared store is polled |
/// | [`bus_keys`](Self::bus_keys) | messages between nodes are not sealed |
/// | [`trusted_proxies`](Self::trusted_proxies) | none |
/// | [`locate`](Self::locate) | no places |
/// | [`describe_devices`](Self::describe_devices) | the built-in tables |
/// | [`clock`](Self::clock) | the system's |
/// | [`on_event`](Self::on_event) | none |
#[must_use = "a builder does nothing until `build()` is called"]
pub struct SessionManagerBuilder {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) settings: Settings,
}

impl SessionManagerBuilder {
    pub(in crate::manager) fn new(store: Arc<dyn SessionStore>) -> Self {
        Self { store, settings: Settings::new() }
    }

    /// The keys that sign and verify tokens. It excludes [`verifier`](Self::verifier) and
    /// [`verified_upstream`](Self::verified_upstream).
    pub fn keys(self, keys: KeyRing) -> Self {
        self.proven_by(Proof::Keys(keys))
    }

    /// A verifier of the application's own. The manager then issues no tokens; sessions are started with
    /// [`StartSession::without_token`](crate::StartSession::without_token), and the application puts the session's id
    /// into its own token.
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
        self.settings.proven_differently |= self.settings.proof.as_ref().is_some_and(differs);
        self.settings.proof = Some(proof);
        self
    }

    /// What tokens look like: issuer, audience, the name of the session's claim and so on. They may live as long as
    /// sessions do, even beyond [`TokenOptions::max_lifetime`].
    pub fn token_options(mut self, options: TokenOptions) -> Self {
        self.settings.token_options = options;
        self
    }

    /// How long sessions live. Default: 30 days, 7 days idle.
    pub fn policy(mut self, policy: SessionPolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// How long a record may be used without being read again, 0 to 60 s; 0 reads the store on every request. It bounds
    /// what this node may miss when the bus is dead. In the last fifth of that time the record of a session in use is
    /// read again in the background, so that a busy session does not wait for the store. Default: 10 s, or a tenth of
    /// the idle timeout when that is less.
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.settings.cache_ttl = Some(ttl);
        self
    }

    /// About how many bytes the cache may take. Default: 64 MiB.
    pub fn cache_capacity(mut self, bytes: u64) -> Self {
        self.settings.cache_capacity = bytes;
        self
    }

    /// How often the activity of one session is recorded at most. Default: 60 s, or a tenth of the idle timeout when
    /// that is less.
    pub fn activity_interval(mut self, interval: Duration) -> Self {
        self.settings.activity_interval = Some(interval);
        self
    }

    /// How often recorded activity is written, in chunks of at most 1,000 sessions that take the store about 10 ms
    /// each. Default: 10 s, or a sixth of the activity interval when that is less.
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.settings.flush_interval = Some(interval);
        self
    }

    /// How long a call of the store may take, including the wait for a connection. Default: 1 s.
    pub fn store_deadline(mut self, deadline: Duration) -> Self {
        self.settings.store_deadline = deadline;
        self
    }

    /// The maximum number of concurrent reads; background refreshes may use half of them. Keep it below the size of the
    /// store's pool. Default: 32.
    pub fn concurrent_loads(mut self, loads: usize) -> Self {
        self.settings.concurrent_loads = loads;
        self
    }

    /// How long ended sessions are kept, at least a day. Default: 30 days.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.settings.retention = retention;
        self
    }

    /// How long the addresses and the place of a session are kept after it has ended; at most as long as the session
    /// itself. The first later round of the cleaner deletes them, see [`purge_interval`](Self::purge_interval). For an
    /// idle session the time counts from the end of its absolute timeout, unless its ending was put on record. Default:
    /// as long as the session is kept.
    pub fn address_retention(mut self, retention: Duration) -> Self {
        self.settings.address_retention = Some(retention);
        self
    }

    /// How often records past their retention are deleted. The first two rounds after a start delete nothing, and a
    /// round that would delete more than half of all sessions emits
    /// [`RetentionPaused`](crate::event::SessionEvent::RetentionPaused) instead. A process that lives for less than
    /// three rounds should call [`purge`](SessionManager::purge). Default: 1 hour.
    pub fn purge_interval(mut self, interval: Duration) -> Self {
        self.settings.purge_interval = interval;
        self
    }

    /// Whether clients are told how their own sessions ended. Default: they are.
    pub fn endings(mut self, endings: Endings) -> Self {
        self.settings.endings = endings;
        self
    }

    /// The proxies that are trusted to report a client's address. Default: none; the address is the socket's peer.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.settings.trusted_proxies = proxies;
        self
    }

    /// Describes devices in place of the built-in tables: what the list calls a session, and which kind of device a
    /// limit counts it as. Default: [`naming::describe`](crate::device::naming::describe).
    pub fn describe_devices(mut self, describes: impl DescribeDevice) -> Self {
        self.settings.describes = Some(Arc::new(describes));
        self
    }

    /// Finds the place of an address; closures from `IpAddr` to `Option<Location>` work. It is called only at sign-in.
    /// Default: none; sessions have no place unless a trusted proxy reports one.
    pub fn locate(mut self, locate: impl Locate) -> Self {
        self.settings.locate = Some(Arc::new(locate));
        self
    }

    /// Where the time is read. Default: the system's clocks.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.settings.clock = Arc::new(clock);
        self
    }

    /// Adds a listener for events; closures that take `&SessionEvent` work. Default: none.
    pub fn on_event(mut self, listener: impl OnSessionEvent) -> Self {
        self.settings.listeners.add(Arc::new(listener));
        self
    }

    /// Checks the settings and builds the manager. It does no I/O and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for every setting that cannot work: no keys, keys that do not sign what they verify, a cookie
    /// that browsers would refuse, refresh tokens without a secret, times out of bounds, an idle timeout that could
    /// pass between two records of activity, or a setting that another one makes ineffective.
    pub fn build(self) -> Result<SessionManager, ConfigError> {
        let Self { store, settings } = self;
        settings.check(&store.facts())?;
        let tokens = Tokens::new(&settings)?;
        settings.check_contradictions(tokens.device_cookie.as_ref())?;
        let settings = Arc::new(settings);
        let records = Records::new(store, Arc::clone(&settings))?;
        let (request, upkeep) = (Requests::new(&settings), Upkeep::new(&records));
        Ok(SessionManager::from_inner(Arc::new(Inner { settings, records, tokens, request, upkeep })))
    }
}

impl fmt::Debug for SessionManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManagerBuilder")
            .field("store", &self.store)
            .field("policy", &self.settings.policy)
            .field("transport", &self.settings.transport)
            .field("refresh", &self.settings.refresh)
            .finish_non_exhaustive()
    }
}
