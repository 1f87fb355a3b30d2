//! The record of a busy session is read ahead of time.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;

use crate::{
    cache::{Entry, Fresh},
    clock::ticks,
    credentials::CredentialSource,
    manager::{
        Inner,
        request::{
            current::{Authenticated, CurrentSession},
            pending::Pending,
        },
        settings::Settings,
    },
};

impl Inner {
    /// Reads the record of a busy session again in the background, before the cache has to let go of it.
    ///
    /// One request sets it off. That one and those that follow go on with what is known, and none of them waits for the
    /// store. When too much is being read already nothing happens, and a later request tries again.
    pub(in crate::manager) fn reload_ahead(self: &Arc<Self>, current: &CurrentSession) {
        let (entry, now) = (current.entry(), current.accepted_at());
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !entry.claim_reload(now, now.saturating_add(ticks(reload_retry(&self.settings)))) {
            return;
        }
        let Ok(place) = Arc::clone(&self.request.reloads).try_acquire_owned() else {
            return;
        };
        let (inner, entry) = (Arc::clone(self), entry.clone());
        runtime.spawn(async move {
            inner.reload(&entry).await;
            drop(place);
        });
    }

    /// When to read a record again, in ticks.
    pub(in crate::manager) fn reload_due(&self, fresh: &Fresh) -> u64 {
        fresh.until.saturating_sub(ticks(reload_lead(&self.settings)))
    }

    async fn reload(self: &Arc<Self>, entry: &Entry<Authenticated>) {
        // The keys' revision is the one that the token was verified under, or else the entry is not recent.
        let key_revision = self.key_revision();
        if !self.records.cache.is_recent(entry, key_revision) {
            return;
        }
        let verified = entry.value().verified();
        match self.record_good_for(ticks(reload_lead(&self.settings)), &verified).await {
            Ok(Some((ticket, fresh))) if self.refusal(&verified, &fresh.session).is_none() => {
                // Where the ticket does not hold any more, the next request finds nothing, and reads the store itself.
                let pending = Pending::again(entry, CredentialSource::Bearer, key_revision);
                self.publish(&ticket, &fresh, &verified, &pending);
            }
            // The session has ended elsewhere. The next request is told how.
            Ok(_) => self.records.cache.revoke(&verified.user_id, verified.session_id),
            // The store does not answer: the entry lasts as long as it would have.
            Err(_) => {}
        }
    }
}

/// How long before its end a record is read again, if its session is busy.
fn reload_lead(settings: &Settings) -> Duration {
    settings.cache_ttl() / 5
}

/// After how long that is tried again.
fn reload_retry(settings: &Settings) -> Duration {
    reload_lead(settings) / 4
}
