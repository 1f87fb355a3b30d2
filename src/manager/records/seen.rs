//! What may go on record about a client: the only way for devices, addresses and places.

use std::{
    borrow::Cow,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    device::{ClientInfo, ClientParts},
    location::Location,
    logging,
    manager::{SessionManager, records::Records},
};

impl SessionManager {
    /// Returns what has to be shown beside places, by the licence of the data.
    pub fn location_attribution(&self) -> Option<Cow<'_, str>> {
        self.inner.settings.locate.as_ref()?.attribution()
    }
}

impl Records {
    /// A client as it may go on record: the device as the application describes it, and as much of the address as is
    /// kept.
    pub(in crate::manager) fn seen(&self, client: ClientInfo) -> ClientParts {
        self.kept_of(client.parts())
    }

    /// The same of a client that signs in, with the place where it is.
    pub(in crate::manager) fn seen_at_sign_in(&self, client: ClientInfo) -> ClientParts {
        let mut client = client.parts();
        let place = client.location.take().or_else(|| self.locate(client.ip)).or(client.location_by_proxy.take());
        ClientParts { location: place, ..self.kept_of(client) }
    }

    /// Where a client is that signs in. A broken database, or code that panics, fails no sign-in.
    fn locate(&self, ip: Option<IpAddr>) -> Option<Location> {
        let (locate, ip) = (self.settings.locate.as_ref()?, ip?.to_canonical());
        let located = catch_unwind(AssertUnwindSafe(|| locate.locate(ip)));
        if located.is_err() {
            logging::locate_panicked();
        }
        located.ok()?.filter(|location| !location.is_empty())
    }

    fn kept_of(&self, client: ClientParts) -> ClientParts {
        let ip = client.ip.and_then(|ip| self.settings.addresses.apply(ip));
        ClientParts { device: self.described(client.device), ip, ..client }
    }
}
