//! Guides: how the crate is built, and what it promises an attacker.

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("security.md")]
pub mod security {}
