use std::{fmt, sync::Arc};

use http::Uri;

/// What a layer was set to, shared by all services that it has made.
pub(super) struct Settings<R> {
    pub(super) on_denied: Arc<R>,
    pub(super) passive: Option<Passive>,
    pub(super) enforcement: Enforcement,
}

/// Tells which requests are no activity.
pub(super) type Passive = Arc<dyn Fn(&Uri) -> bool + Send + Sync>;

/// What becomes of requests that are not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enforcement {
    Refused,
    /// They go on, and an event tells what would have been.
    Reported,
}

impl<R> Settings<R> {
    pub(super) fn new(on_denied: R) -> Self {
        Self { on_denied: Arc::new(on_denied), passive: None, enforcement: Enforcement::Refused }
    }

    /// The same settings with other answers.
    pub(super) fn on_denied<N>(&self, on_denied: N) -> Settings<N> {
        Settings { on_denied: Arc::new(on_denied), passive: self.passive.clone(), enforcement: self.enforcement }
    }

    pub(super) fn is_passive(&self, uri: &Uri) -> bool {
        self.passive.as_ref().is_some_and(|passive| passive(uri))
    }
}

impl<R> Clone for Settings<R> {
    fn clone(&self) -> Self {
        Self { on_denied: Arc::clone(&self.on_denied), passive: self.passive.clone(), enforcement: self.enforcement }
    }
}

impl<R> fmt::Debug for Settings<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("has_passive_routes", &self.passive.is_some())
            .field("enforcement", &self.enforcement)
            .finish_non_exhaustive()
    }
}
