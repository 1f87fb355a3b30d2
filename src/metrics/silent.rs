//! The metrics of applications that want none: nothing, at no cost.

use std::time::Duration;

use crate::{
    clock::SteadyClock,
    denied::Outcome,
    metrics::{Answered, Loaded, LookedUp, Operation},
    session::EndReason,
};

pub(crate) struct Metrics;

pub(crate) struct Stopwatch;

impl Metrics {
    pub(crate) fn new() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn request(&self, _: Outcome) {}

    #[inline(always)]
    pub(crate) fn looked_up(&self, _: LookedUp) {}

    #[inline(always)]
    pub(crate) fn loaded(&self, _: Loaded) {}

    #[inline(always)]
    pub(crate) fn answered(&self, _: Operation, _: Answered, _: Stopwatch, _: &SteadyClock) {}

    #[inline(always)]
    pub(crate) fn started(&self) {}

    #[inline(always)]
    pub(crate) fn ended(&self, _: EndReason) {}

    #[inline(always)]
    pub(crate) fn revoked(&self, _: Stopwatch, _: &SteadyClock) {}

    #[inline(always)]
    pub(crate) fn revocation_heard(&self, _: Duration) {}

    #[inline(always)]
    pub(crate) fn activity_waiting(&self, _: impl FnOnce() -> usize) {}

    #[inline(always)]
    pub(crate) fn activity_written(&self, _: usize) {}

    #[inline(always)]
    pub(crate) fn activity_dropped(&self, _: u64) {}

    #[inline(always)]
    pub(crate) fn connection_waits(&self) {}

    #[inline(always)]
    pub(crate) fn connection_left(&self) {}

    #[inline(always)]
    pub(crate) fn bus_connected(&self, _: bool) {}

    #[inline(always)]
    pub(crate) fn epoch_bumped(&self) {}

    #[inline(always)]
    pub(crate) fn retention_paused(&self) {}
}

impl Stopwatch {
    #[inline(always)]
    pub(crate) fn start(_: &SteadyClock) -> Self {
        Self
    }
}
