use std::{
    borrow::Cow,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    location::Location,
    logging,
    manager::{Inner, SessionManager},
};

impl SessionManager {
    /// What has to be shown wherever places are, by the licence of the data they come from.
    pub fn location_attribution(&self) -> Option<Cow<'_, str>> {
        self.inner.locate.as_ref()?.attribution()
    }
}

impl Inner {
    /// Where a client is that signs in. A database that is broken, or code that is, costs nobody their sign-in.
    pub(in crate::manager) fn locate(&self, ip: Option<IpAddr>) -> Option<Location> {
        let (locate, ip) = (self.locate.as_ref()?, ip?.to_canonical());
        let located = catch_unwind(AssertUnwindSafe(|| locate.locate(ip)));
        if located.is_err() {
            logging::locate_panicked();
        }
        located.ok()?.filter(|location| !location.is_empty())
    }
}
