//! Whether there seems to be a proxy in front that is not configured.

use std::{
    net::IpAddr,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

/// Notices, once, that every session would show the address of a proxy.
///
/// 1. A request from a private address that carries a header of proxies came through one: their addresses are private,
///    and clients have no use for such a header.
/// 2. Without the header it takes many requests, all from one private address that is not this machine's own. A
///    developer's browser comes from there, and a proxy that writes no header may.
pub(crate) struct Unlisted {
    told: AtomicBool,
    first: OnceLock<IpAddr>,
    several: AtomicBool,
    count: AtomicU32,
}

impl Unlisted {
    pub(crate) const fn new() -> Self {
        let (told, several) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { told, first: OnceLock::new(), several, count: AtomicU32::new(0) }
    }

    /// Whether this request from `peer`, with such a header or without, is the one at which to warn.
    pub(crate) fn shows(&self, peer: IpAddr, header: Header) -> bool {
        if self.told.load(Ordering::Relaxed) {
            return false;
        }
        let peer = peer.to_canonical();
        let shown = match header {
            Header::Present => is_private(peer),
            Header::Absent => self.is_the_only_one(peer),
        };
        shown && !self.told.swap(true, Ordering::Relaxed)
    }

    fn is_the_only_one(&self, peer: IpAddr) -> bool {
        if *self.first.get_or_init(|| peer) != peer {
            self.several.store(true, Ordering::Relaxed);
        }
        if self.several.load(Ordering::Relaxed) || !is_private(peer) || peer.is_loopback() {
            return false;
        }
        self.count.fetch_add(1, Ordering::Relaxed) + 1 >= MANY
    }
}

/// Whether a request carries a header that proxies write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Present,
    Absent,
}

/// Whether only machines nearby can have this address, among them load balancers and this machine itself.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let shared = first == 100 && second & 0b1100_0000 == 64;
            address.is_private() || address.is_loopback() || address.is_link_local() || shared
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// More requests than one person's device would send.
const MANY: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_private_peer_with_the_header_is_told_of_once() {
        for peer in
            ["10.0.0.1", "172.31.0.9", "192.168.1.1", "100.64.0.1", "127.0.0.1", "fd00::1", "::1", "::ffff:10.0.0.1"]
        {
            let unlisted = Unlisted::new();
            assert!(unlisted.shows(ip(peer), Header::Present), "{peer}");
            assert!(!unlisted.shows(ip(peer), Header::Present), "{peer}, once more");
        }
    }

    #[test]
    fn a_public_peer_may_write_what_it_likes() {
        let unlisted = Unlisted::new();
        for peer in ["203.0.113.7", "172.32.0.1", "100.128.0.1", "2001:db8::1"] {
            assert!(!unlisted.shows(ip(peer), Header::Present), "{peer}");
        }
        assert!(unlisted.shows(ip("10.0.0.1"), Header::Present));
    }

    #[test]
    fn one_private_peer_alone_is_told_of_when_there_were_many_requests() {
        let unlisted = Unlisted::new();
        for _ in 1..MANY {
            assert!(!unlisted.shows(ip("10.0.0.1"), Header::Absent));
        }
        assert!(unlisted.shows(ip("10.0.0.1"), Header::Absent));
        assert!(!unlisted.shows(ip("10.0.0.1"), Header::Absent));
    }

    #[test]
    fn several_peers_are_clients() {
        let unlisted = Unlisted::new();
        for _ in 0..MANY {
            assert!(!unlisted.shows(ip("10.0.0.1"), Header::Absent));
            assert!(!unlisted.shows(ip("10.0.0.2"), Header::Absent));
        }
        assert!(unlisted.shows(ip("10.0.0.1"), Header::Present), "but for what they write");
    }

    #[test]
    fn this_machine_by_itself_is_a_developer() {
        let unlisted = Unlisted::new();
        assert!((0..2 * MANY).all(|_| !unlisted.shows(ip("127.0.0.1"), Header::Absent)));
    }
}
