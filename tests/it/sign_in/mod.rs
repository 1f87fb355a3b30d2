//! Signing in: who the client is, which device it is on, what room there is, and proving it again.

mod adoption;
mod clients;
mod device_cookie;
mod devices;
pub mod limits;
#[cfg(feature = "geoip")]
mod mmdb;
mod name_figures;
mod naming;
mod old_tokens;
mod places;
mod step_up;
mod trust;
mod twice;
mod upkeep;
