//! The settings of a manager as plain data, and its builder.
//!
//! - `builder`: all settings, with their defaults.
//! - `timings`: times and durations.
//! - `limits`: how many sessions and devices a user may have.
//! - `travel`: how tokens travel, and how they are renewed; `refresh` is the policy of that.
//! - `adoption`: which tokens from before this crate came are accepted.
//! - `clients`: what is kept of clients.
//! - `contradictions`: settings that contradict each other.
//! - `hearing`: how other nodes are heard.

mod adoption;
mod builder;
mod clients;
mod contradictions;
mod hearing;
mod limits;
mod refresh;
mod timings;
mod travel;

pub(super) use self::refresh::OlderTokens;
pub use self::{
    adoption::Adoption,
    builder::SessionManagerBuilder,
    refresh::{OnReuse, RefreshPolicy},
};

use std::{sync::Arc, time::Duration};

use self::limits::Limits;
use crate::{
    bus::RevocationBus,
    client_ip::TrustedProxies,
    clock::{Clock, SystemClock},
    credentials::{SiteData, Transport},
    device::DescribeDevice,
    error::{ConfigError, ConfigErrorKind},
    event::Listeners,
    location::Locate,
    manager::Endings,
    policy::SessionPolicy,
    privacy::AddressPrivacy,
    store::StoreFacts,
    token::{KeyRing, TokenOptions, VerifyToken},
};

/// The settings of a manager. The defaults are those that [`SessionManagerBuilder`] lists.
///
/// A setting without a default of its own follows from others, and is read by the method of its name.
pub(crate) struct Settings {
    pub(super) proof: Option<Proof>,
    /// Whether two different ways were chosen.
    proven_differently: bool,
    pub(super) token_options: TokenOptions,
    pub(super) transport: Transport,
    pub(super) origins: Origins,
    pub(super) site_data: SiteData,
    pub(super) refresh: Option<RefreshPolicy>,
    pub(super) adoption: Option<Adoption>,
    pub(super) policy: SessionPolicy,
    pub(super) limits: Limits,
    pub(super) addresses: AddressPrivacy,
    pub(super) device_keys: Option<KeyRing>,
    cache_ttl: Option<Duration>,
    pub(super) cache_capacity: u64,
    activity_interval: Option<Duration>,
    flush_interval: Option<Duration>,
    pub(super) store_deadline: Duration,
    pub(super) concurrent_loads: usize,
    pub(super) retention: Duration,
    pub(super) address_retention: Option<Duration>,
    pub(super) purge_interval: Duration,
    pub(super) device_retention: Duration,
    pub(super) endings: Endings,
    pub(super) hearing: Hearing,
    pub(super) bus_keys: Option<KeyRing>,
    pub(super) trusted_proxies: TrustedProxies,
    pub(super) locate: Option<Arc<dyn Locate>>,
    pub(super) describes: Option<Arc<dyn DescribeDevice>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) listeners: Listeners,
}

/// What proves a token.
pub(super) enum Proof {
    Keys(KeyRing),
    Application(Arc<dyn VerifyToken>),
    Upstream,
}

/// Where unsafe requests with a cookie may come from.
#[derive(Default)]
pub(super) struct Origins {
    /// Besides the application's own.
    pub(super) trusted: Vec<String>,
    /// Whether the application checks them itself.
    pub(super) are_unchecked: bool,
}

/// How other nodes are heard, as it was asked for.
#[derive(Debug, Default)]
pub(super) enum Hearing {
    /// By polling where other processes may use the store too, else not at all.
    #[default]
    AsTheStoreNeeds,
    Bus(Arc<dyn RevocationBus>),
    Polling(Duration),
    None,
}

impl Settings {
    fn new() -> Self {
        Self {
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

    /// Whether all settings fit together, and fit a store with these facts.
    fn check(&self, store: &StoreFacts) -> Result<(), ConfigError> {
        self.check_timings()?;
        self.limits.check()?;
        self.refresh.as_ref().map_or(Ok(()), RefreshPolicy::check)?;
        self.adoption.as_ref().map_or(Ok(()), |adoption| adoption.check(self.retention, store.retention))
    }

    /// How many records may be read ahead of time. Waiting requests come first, so background reads get half of the
    /// places at most.
    pub(super) fn loads_ahead_of_time(&self) -> usize {
        self.concurrent_loads.div_ceil(2)
    }
}

pub(super) fn invalid(message: &'static str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Setting, message)
}

/// How long a browser keeps its device cookie: as long as it keeps any.
pub(super) const DEVICE_LIFETIME: Duration = SessionPolicy::LONGEST;
