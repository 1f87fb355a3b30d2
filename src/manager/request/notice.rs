//! Whether a session is in use from elsewhere than before.

use crate::{device::ClientParts, event::SessionEvent, id::SessionId, manager::Inner, session::Session};

/// The browser that was last told of each session, so that it is told once and not with every touch.
pub(super) type NoticedBrowsers = moka::sync::Cache<SessionId, Box<str>>;

/// How many sessions in use from another browser are remembered.
pub(super) const MOST_NOTICED: u64 = 10_000;

impl Inner {
    /// S88: tells that a session is in use from elsewhere than before. It decides nothing.
    ///
    /// It is asked as often as activity is recorded, not on every request.
    pub(in crate::manager) fn notice(&self, session: &Session, client: &ClientParts) {
        let (user_id, session_id) = (session.user_id.clone(), session.id);
        if let (Some(from), Some(to)) = (session.last_ip, client.ip)
            && from != to
        {
            self.records.tell(&SessionEvent::AddressChanged { user_id: user_id.clone(), session_id, from, to });
        }

        let (before, now) = (&session.device, &client.device);
        let says_the_same = before.user_agent == now.user_agent && before.hints() == now.hints();
        if before.user_agent.is_none() || now.user_agent.is_none() || says_the_same {
            return;
        }
        let (before, now) = (before.described(), now.described());
        // Of whatever versions.
        if before.browser == now.browser && before.os == now.os {
            return;
        }
        let to: Box<str> = now.name().into();
        if self.request.noticed_browsers.get(&session_id).is_some_and(|noticed| noticed == to) {
            return;
        }
        self.request.noticed_browsers.insert(session_id, to.clone());
        let from = before.name().into();
        self.records.tell(&SessionEvent::BrowserChanged { user_id, session_id, from, to });
    }
}
