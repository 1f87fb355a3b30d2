//! Setups that are hardly intended and show only at run time: each is reported once, in the log and by an event.

use std::{
    sync::{
        Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    clock::ticks,
    event::{Misconfiguration, SessionEvent},
    logging,
    manager::{Inner, SessionManager, upkeep::next_round::next_round},
};

/// What has been seen of the set-up.
#[derive(Default)]
pub(super) struct Setup {
    /// A bit for each [`Misconfiguration`] that has been told.
    told: AtomicU32,
    /// When the first layer in shadow mode was made, in ticks; 0 when there is none.
    shadow_since: AtomicU64,
    /// Whether it was reported that a request has no address of its peer.
    peer_is_missed: AtomicBool,
}

impl SessionManager {
    /// Reports that something is set up in a way that is hardly intended, unless it has been reported already.
    pub(crate) fn warn_once(&self, what: Misconfiguration) {
        self.inner.warn_once(what);
    }

    /// Notes that a layer refuses nothing.
    pub(crate) fn note_shadow(&self) {
        let (since, now) = (&self.inner.upkeep.setup.shadow_since, self.inner.records.clock.ticks().max(1));
        // Another layer may have been the first.
        let _ = since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Notes that a request does not have the address of its peer.
    pub(crate) fn note_missing_peer(&self) {
        if !self.inner.upkeep.setup.peer_is_missed.swap(true, Ordering::Relaxed) {
            logging::no_peer_address();
        }
    }

    /// Notes for which host a request is.
    pub(crate) fn note_host(&self, authority: &str) {
        let credentials = self.credentials();
        if credentials.insecure && !crate::host::is_this_machine(crate::host::without_port(authority)) {
            self.warn_once(Misconfiguration::InsecureCookies);
        }
    }
}

impl Inner {
    pub(in crate::manager) fn warn_once(&self, what: Misconfiguration) {
        let bit = 1 << what as u32;
        if self.upkeep.setup.told.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return;
        }
        logging::misconfigured(what.as_str(), what);
        self.records.tell(&SessionEvent::Misconfigured { what });
    }

    async fn look_at_store(&self) {
        if self.records.plain_text_peer().await.is_some() {
            self.warn_once(Misconfiguration::PlainTextStore);
        }
    }

    fn look_at_layers(&self) {
        let since = self.upkeep.setup.shadow_since.load(Ordering::Relaxed);
        if since > 0 && self.records.clock.ticks().saturating_sub(since) >= ticks(SHADOW_FOR_LONG) {
            self.warn_once(Misconfiguration::ShadowForLong);
        }
    }
}

/// The task that looks at the set-up, at the beginning and then now and then.
pub(in crate::manager) async fn look_at_setup(inner: Weak<Inner>, mut stop: watch::Receiver<bool>) {
    if let Some(inner) = inner.upgrade() {
        inner.look_at_store().await;
    }
    while next_round(BETWEEN_LOOKS, &mut stop).await {
        let Some(inner) = inner.upgrade() else {
            return;
        };
        inner.look_at_layers();
    }
}

const BETWEEN_LOOKS: Duration = Duration::from_secs(3_600);

const SHADOW_FOR_LONG: Duration = Duration::from_secs(7 * 86_400);
