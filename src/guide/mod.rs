//! Guides: how to adopt the crate, how it is built, and what it promises an attacker.
//!
//! 1. [`migration`]: from stateless JWTs to this crate, in a quarter of an hour.
//! 2. [`browsers`] and [`mobile`]: cookies, single-page applications, live connections; refresh tokens and apps.
//! 3. [`proxy`]: addresses and places behind a load balancer or a CDN.
//! 4. [`testing`]: an application's own tests.
//! 5. [`security`]: what is promised, what is not, and what to decide before going live.
//! 6. [`scaling`]: which store when, several nodes, and what they cost.
//! 7. [`custom_store`]: a store of your own.
//! 8. [`limits`], [`retention`] and [`layers`]: how many sessions, what is kept for how long, and in which order layers belong
//!    (with CORS). The check against forged requests is in [`credentials`](crate::credentials#requests-that-other-sites-cause).
//! 9. [`errors`], [`events`] and [`metrics`]: every code, its cause and its cure; what is told, and what to do with it; a dashboard and
//!    alerts.
//! 10. [`deployment`]: a checklist. [`faq`]: short answers. [`comparison`]: which crate for which application.
//! 11. [`architecture`]: how it works inside.

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[cfg(any(not(doctest), feature = "axum"))]
#[doc = include_str!("browsers.md")]
pub mod browsers {}

#[cfg(any(not(doctest), feature = "axum"))]
#[doc = include_str!("migration.md")]
pub mod migration {}

#[doc = include_str!("mobile.md")]
pub mod mobile {}

#[doc = include_str!("proxy.md")]
pub mod proxy {}

#[doc = include_str!("security.md")]
pub mod security {}

#[doc = include_str!("scaling.md")]
pub mod scaling {}

#[cfg(any(not(doctest), feature = "axum"))]
#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("custom_store.md")]
pub mod custom_store {}

#[doc = include_str!("limits.md")]
pub mod limits {}

#[doc = include_str!("retention.md")]
pub mod retention {}

#[cfg(any(not(doctest), feature = "axum"))]
#[doc = include_str!("layers.md")]
pub mod layers {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("events.md")]
pub mod events {}

#[doc = include_str!("metrics.md")]
pub mod metrics {}

#[doc = include_str!("deployment.md")]
pub mod deployment {}

#[doc = include_str!("faq.md")]
pub mod faq {}

#[doc = include_str!("comparison.md")]
pub mod comparison {}
