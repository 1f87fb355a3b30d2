//! What the crate does, through its public API: one module per subject.

#[cfg(feature = "testing")]
mod stores;
