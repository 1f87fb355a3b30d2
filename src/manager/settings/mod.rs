//! What a manager was set to, and the builder that asks.
//!
//! - `builder`: all settings, with their defaults.
//! - `timings`: how long things take and last.
//! - `limits`: how many sessions and devices a user has.
//! - `travel`: how tokens travel, and how they are renewed; `refresh` is the policy of that.
//! - `clients`: what is kept of clients.

pub(super) mod builder;
mod clients;
pub(super) mod companions;
mod contradictions;
mod limits;
mod refresh;
mod timings;
mod travel;

pub(crate) use self::clients::{DEVICE_COOKIE_LIFETIME, DeviceCookie};
pub use self::{
    builder::SessionManagerBuilder,
    clients::FormDevice,
    refresh::{OnReuse, RefreshPolicy},
};
pub(super) use self::{clients::DEVICE_LIFETIME, limits::Limits, refresh::OlderTokens, timings::Timings};
