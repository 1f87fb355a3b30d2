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
    /// `client` is only asked when it is. It answers nothing when the request is no activity.
    pub(crate) fn touch(&self, current: &CurrentSession, client: impl FnOnce() -> Option<ClientInfo>) {
        self.touch_at(self.inner.clock.coarse_ticks(), current, client);
    }

    /// The same for a request that was accepted just now, whose record is also read anew if that is due.
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
        let (user, id, at) = (current.user_id(), current.id(), inner.clock.now());
        let interval = ticks(inner.timings.activity_interval).saturating_sub(inner.clock.coarseness());
        if inner.cache.claim_touch(current.entry(), user, id, now, at, interval) {
            let mut touch = Touch::new(SessionKey::new(user.clone(), id), at);
            let mut client = client.parts();
            client.ip = client.ip.and_then(|ip| inner.addresses.apply(ip));
            touch.ip = client.ip;
            touch.generation = current.entry().value().token_generation();
            inner.activity.push(touch);
            client.device = inner.described(client.device);
            inner.notice(current.session(), &client);
            inner.metrics.activity_waiting(|| inner.activity.len());
        }
    }
}
