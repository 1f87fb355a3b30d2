//! The settings of a session layer, as its services use them.

use std::{fmt, sync::Arc};

use http::{Extensions, Uri};

use crate::{credentials::CredentialSource, event::SessionEvent, manager::SessionManager, policy::Denied};

/// The settings of a layer, shared by all its services.
///
/// The manager is among them, so that a service and its future hold one pointer.
pub(super) struct Settings<R> {
    pub(super) manager: SessionManager,
    pub(super) on_denied: Arc<R>,
    pub(super) passive: Option<Passive>,
    pub(super) enforcement: Enforcement,
    /// The one transport that is used here; `None`: all that the manager has.
    pub(super) only: Option<CredentialSource>,
    /// Empty, with room for what a request comes to have.
    pub(super) empty: Extensions,
}

/// Decides which requests do not count as activity.
pub(super) type Passive = Arc<dyn Fn(&Uri) -> bool + Send + Sync>;

/// What becomes of requests that are not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enforcement {
    Refused,
    /// They go on, and an event says how they would have been rejected.
    Reported,
}

impl<R> Settings<R> {
    pub(super) fn new(manager: SessionManager, on_denied: R) -> Self {
        let (on_denied, enforcement, empty) = (Arc::new(on_denied), Enforcement::Refused, empty_with_room());
        Self { manager, on_denied, passive: None, enforcement, only: None, empty }
    }

    /// The same settings with other responses.
    pub(super) fn on_denied<N>(&self, on_denied: N) -> Settings<N> {
        let Self { manager, on_denied: _, passive, enforcement, only, empty } = self.clone();
        Settings { manager, on_denied: Arc::new(on_denied), passive, enforcement, only, empty }
    }

    pub(super) fn is_passive(&self, uri: &Uri) -> bool {
        self.passive.as_ref().is_some_and(|passive| passive(uri))
    }

    /// In shadow mode, tells what would not have been accepted.
    pub(super) fn tell_would_deny(&self, denied: &Denied) {
        if self.enforcement == Enforcement::Reported {
            self.manager.tell(&SessionEvent::WouldDeny { denied: denied.clone() });
        }
    }

    /// Puts something into a request.
    ///
    /// Around a router nothing is there yet. The map would grow now, and again for what the router puts beside it,
    /// which costs more than the look-up of the session.
    pub(super) fn put<T: Clone + Send + Sync + 'static>(&self, extensions: &mut Extensions, value: T) {
        if extensions.is_empty() {
            *extensions = self.empty.clone();
        }
        extensions.insert(value);
    }

    /// Puts something into a request, and takes out what a layer around this one has said to the contrary.
    pub(super) fn put_in_place_of<Other, T>(&self, extensions: &mut Extensions, value: T)
    where
        Other: Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
    {
        extensions.remove::<Other>();
        self.put(extensions, value);
    }
}

/// A map keeps its room when it is cleared, and a copy has as much.
fn empty_with_room() -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert([(); 1]);
    extensions.insert([(); 2]);
    extensions.insert([(); 3]);
    extensions.insert([(); 4]);
    extensions.clear();
    extensions
}

impl<R> Clone for Settings<R> {
    fn clone(&self) -> Self {
        let (passive, enforcement, only) = (self.passive.clone(), self.enforcement, self.only);
        let (manager, on_denied, empty) = (self.manager.clone(), Arc::clone(&self.on_denied), self.empty.clone());
        Self { manager, on_denied, passive, enforcement, only, empty }
    }
}

impl<R> fmt::Debug for Settings<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("has_passive_routes", &self.passive.is_some())
            .field("enforcement", &self.enforcement)
            .field("only", &self.only)
            .finish_non_exhaustive()
    }
}
