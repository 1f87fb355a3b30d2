//! Privacy: how much of a client's address is kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How much of clients' addresses is put on record, and so shown in lists and told in events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressPrivacy {
    /// The whole address.
    #[default]
    Full,
    /// Only the network: the first 24 bits of an IPv4 address, the first 48 of an IPv6 address; the rest is zero.
    Cut,
    /// Nothing.
    None,
}

impl AddressPrivacy {
    /// What is put on record of this address.
    pub fn apply(self, address: IpAddr) -> Option<IpAddr> {
        match (self, address.to_canonical()) {
            (Self::Full, address) => Some(address),
            (Self::Cut, IpAddr::V4(address)) => Some(Ipv4Addr::from_bits(address.to_bits() & V4_NETWORK).into()),
            (Self::Cut, IpAddr::V6(address)) => Some(Ipv6Addr::from_bits(address.to_bits() & V6_NETWORK).into()),
            (Self::None, _) => None,
        }
    }
}

const V4_NETWORK: u32 = !0 << (32 - 24);

const V6_NETWORK: u128 = !0 << (128 - 48);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_in_full_cut_or_not_at_all() -> Result<(), std::net::AddrParseError> {
        for (address, canonical, network) in [
            ("203.0.113.9", "203.0.113.9", "203.0.113.0"),
            ("255.255.255.255", "255.255.255.255", "255.255.255.0"),
            ("::ffff:203.0.113.9", "203.0.113.9", "203.0.113.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            ("::1", "::1", "::"),
        ] {
            let address = address.parse()?;
            assert_eq!(AddressPrivacy::Full.apply(address), Some(canonical.parse()?));
            assert_eq!(AddressPrivacy::Cut.apply(address), Some(network.parse()?));
            assert_eq!(AddressPrivacy::None.apply(address), None);
        }
        Ok(())
    }
}
