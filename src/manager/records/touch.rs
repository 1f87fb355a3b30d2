//! Activity is noted, as often as it is worth recording.

use crate::{
    clock::ticks,
    device::ClientInfo,
    id::SessionKey,
    manager::{SessionManager, request::CurrentSession},
    session::Touch,
};

impl SessionManager {
    /// Records that the session is active now, when that is worth recording. Never waits and never fails.
    ///
    /// `client` is only called when it is. It returns `None` when the request is no activity.
    pub(crate) fn touch(&self, current: &CurrentSession, client: impl FnOnce() -> Option<ClientInfo>) {
        self.touch_at(self.inner.records.clock.coarse_ticks(), current, client);
    }

    /// The same for a request that was accepted just now, whose record is also read again if that is due.
    pub(crate) fn admit(&self, current: &CurrentSession, client: impl FnOnce() -> Option<ClientInfo>) {
        let now = current.accepted_at();
        if current.entry().is_reload_due(now) {
            self.inner.reload_ahead(current);
        }
        self.touch_at(now, current, client);
    }

    fn touch_at(&self, now: u64, current: &CurrentSession, client: impl FnOnce() -> Option<ClientInfo>) {
        let inner = &self.inner;
        if !current.entry().is_touch_due(now) {
            return;
        }
        let Some(client) = client() else {
            return;
        };
        let (user, id, at) = (current.user_id(), current.id(), inner.records.clock.now());
        let interval = ticks(inner.settings.activity_interval()).saturating_sub(inner.records.clock.coarseness());
        if inner.records.cache.claim_touch(current.entry(), user, id, now, at, interval) {
            let mut touch = Touch::new(SessionKey::new(user.clone(), id), at);
            let client = inner.records.seen(client);
            touch.ip = client.ip;
            touch.generation = current.entry().value().token_generation();
            inner.records.activity.push(touch);
            inner.notice(current.session(), &client);
            inner.records.metrics.activity_waiting(|| inner.records.activity.len());
        }
    }
}
