//! The address of the client, behind the proxies that the application trusts.
//!
//! Anyone can send an `X-Forwarded-For` header; only what a trusted proxy added to it counts. The rules, in the order
//! in which the code applies them:
//!
//! 1. Without a socket peer there is no address, and no header is read.
//! 2. The peer itself is the client unless it is a trusted proxy. The header is not read then.
//! 3. Exactly one header is read, the configured one. It is unknown here which headers a proxy in front cleans, so
//!    reading "the first that is present" would let a client choose.
//! 4. All lines of that header are one list, in order; each hop added its peer at the right end.
//!    The list is walked from the right, and the first address that is not a trusted proxy is the
//!    client. What stands left of it is untrusted, and never read.
//! 5. A hop that is not an address ends the walk: `unknown`, an obfuscated name (RFC 7239 §6.3), an
//!    empty item, an open quote, an unspecified address, a number with leading zeros. It is not skipped; the result is
//!    the last trusted proxy, the nearest address that is known.
//! 6. If all hops are trusted, the leftmost is the client: a request from inside. So is the
//!    hundredth from the right, where the walk ends at the latest.
//!
//! One client has one form of address: ports, brackets and IPv6 zones are dropped, and an IPv4
//! address that is mapped into IPv6 is that IPv4 address, in hops, peers and trusted ranges alike.

use std::{borrow::Cow, fmt, net::IpAddr, str::FromStr, sync::Arc};

use ipnet::{IpNet, Ipv4Net};

mod hop;
mod place;
mod unlisted;

pub use self::place::LocationHeaders;
pub(crate) use self::unlisted::{Header, Unlisted};

/// Defines which proxies are trusted to report the client's address, and in which header.
///
/// Trusts nobody by default: the client is the socket's peer. With trusted proxies it is the
/// rightmost address in their header that is not one of theirs. A header that did not come through
/// a trusted proxy is never read.
///
/// The address helps people recognise their devices. It never allows or denies anything.
///
/// # Defaults
///
/// | option | default |
/// | --- | --- |
/// | trusted ranges | [`none`](Self::none) |
/// | [`header`](Self::header) | [`ForwardedHeader::X_FORWARDED_FOR`] |
/// | [`location_headers`](Self::location_headers) | none |
///
/// # Examples
///
/// ```
/// use std::net::IpAddr;
///
/// use tower_device_sessions::TrustedProxies;
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8", "fd00::/8"])?;
/// let lines = [&b"1.1.1.1, 198.51.100.7, 10.0.0.2"[..]];
///
/// // Our proxy asks: 10.0.0.2 is ours as well, and 1.1.1.1 is what the client itself wrote.
/// let proxy = "10.0.0.1".parse()?;
/// let client: IpAddr = "198.51.100.7".parse()?;
/// assert_eq!(proxies.client_ip(Some(proxy), lines), Some(client));
///
/// // Somebody else asks: the header is theirs, and ignored.
/// let stranger = "203.0.113.9".parse()?;
/// assert_eq!(proxies.client_ip(Some(stranger), lines), Some(stranger));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// From a setting, as a comma-separated list:
///
/// ```
/// use tower_device_sessions::TrustedProxies;
///
/// let proxies: TrustedProxies = "10.0.0.0/8, 192.0.2.1".parse()?;
/// # let _ = proxies;
/// let error = "10.0.0.0/8, 10.0.0.0/33".parse::<TrustedProxies>().unwrap_err();
/// assert_eq!(error.item(), "10.0.0.0/33");
/// # Ok::<(), tower_device_sessions::client_ip::TrustedProxiesError>(())
/// ```
///
/// # Security
///
/// List the addresses of your proxies and nothing else. A range that holds clients as well, such as
/// `0.0.0.0/0`, lets every one of them write the address that is shown. The proxies must append to the header or
/// overwrite it; one that passes it on unchanged reports what the client wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct TrustedProxies {
    ranges: Arc<[IpNet]>,
    header: ForwardedHeader,
    places: LocationHeaders,
}

impl TrustedProxies {
    /// Trusts nobody: the client is the socket's peer. The default.
    pub fn none() -> Self {
        Self { ranges: Arc::default(), header: ForwardedHeader::X_FORWARDED_FOR, places: LocationHeaders::new() }
    }

    /// Trusts proxies by address (`192.0.2.1`) or range in CIDR notation (`10.0.0.0/8`,
    /// `fd00::/8`).
    ///
    /// White space around an item is ignored, and so are the host bits of a range.
    ///
    /// # Errors
    ///
    /// [`TrustedProxiesError`] names the first item that is neither.
    pub fn new<I>(ranges: I) -> Result<Self, TrustedProxiesError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let parse = |item: I::Item| {
            let item = item.as_ref().trim();
            parse_range(item).ok_or_else(|| TrustedProxiesError { item: item.to_owned() })
        };
        let ranges: Arc<[IpNet]> = ranges.into_iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { ranges, ..Self::none() })
    }

    /// Sets the one header that the proxies write. Default: [`ForwardedHeader::X_FORWARDED_FOR`].
    pub fn header(mut self, header: ForwardedHeader) -> Self {
        self.header = header;
        self
    }

    /// Whether no proxy is trusted.
    pub(crate) fn is_none(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The name of the header to read, in lower case.
    pub fn header_name(&self) -> &str {
        &self.header.0
    }

    /// Returns the client's address, given the peer of the socket and the lines of [the header](Self::header_name) in
    /// their order.
    ///
    /// Returns Returns Returns Returns `None` only without a peer: on a Unix socket, or when the server does not pass
    /// it on.
    pub fn client_ip<'a, L>(&self, peer: Option<IpAddr>, lines: L) -> Option<IpAddr>
    where
        L: IntoIterator<Item = &'a [u8], IntoIter: DoubleEndedIterator>,
    {
        let peer = peer?.to_canonical();
        if !self.trusts(peer) {
            return Some(peer);
        }
        let lines = lines.into_iter().rev();
        Some(match self.header == ForwardedHeader::FORWARDED {
            true => self.walk(peer, lines.flat_map(hop::in_forwarded)),
            false => self.walk(peer, lines.flat_map(hop::in_list)),
        })
    }

    /// Rules 4 to 6: follows the hops, rightmost first, for as long as they are trusted.
    fn walk(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for hop in hops.take(MAX_HOPS) {
            let Some(hop) = hop else { break };
            client = hop;
            if !self.trusts(hop) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(&address))
    }
}

impl Default for TrustedProxies {
    fn default() -> Self {
        Self::none()
    }
}

impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    /// Parses a comma-separated list of addresses and ranges. A blank text trusts nobody.
    fn from_str(list: &str) -> Result<Self, Self::Err> {
        if list.trim().is_empty() {
            return Ok(Self::none());
        }
        Self::new(list.split(','))
    }
}

/// The header in which trusted proxies report where a request came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedHeader(Cow<'static, str>);

impl ForwardedHeader {
    /// `X-Forwarded-For`: a comma-separated list of addresses. The default.
    pub const X_FORWARDED_FOR: Self = Self(Cow::Borrowed("x-forwarded-for"));

    /// `Forwarded`: the `for` parameters of its elements (RFC 7239).
    pub const FORWARDED: Self = Self(Cow::Borrowed("forwarded"));

    /// `X-Real-IP`: one address, though a list is read like that of `X-Forwarded-For`.
    pub const X_REAL_IP: Self = Self(Cow::Borrowed("x-real-ip"));

    /// Any other, such as `CF-Connecting-IP`: one address, or a list like that of `X-Forwarded-For`.
    ///
    /// # Errors
    ///
    /// [`TrustedProxiesError`] when no header field can have this name (RFC 9110 §5.1).
    pub fn named(name: &str) -> Result<Self, TrustedProxiesError> {
        parse_header_name(name).map(Self)
    }
}

/// An item to trust is neither an address nor a range in CIDR notation, or no header can have this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxiesError {
    item: String,
}

impl TrustedProxiesError {
    /// Returns the item as it was given, without the white space around it.
    pub fn item(&self) -> &str {
        &self.item
    }
}

impl fmt::Display for TrustedProxiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let item = &self.item;
        write!(f, "trusted proxy {item:?} is neither an ip address, nor a cidr range, nor the name of a header")
    }
}

impl std::error::Error for TrustedProxiesError {}

fn parse_header_name(name: &str) -> Result<Cow<'static, str>, TrustedProxiesError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err(TrustedProxiesError { item: name.to_owned() });
    }
    Ok(Cow::Owned(name.to_ascii_lowercase()))
}

/// The address or the range that `item` is.
pub(crate) fn parse_range(item: &str) -> Option<IpNet> {
    // `IpNet`'s own parser accepts leading zeros in an address, which others read as octal.
    let range = match item.split_once('/') {
        Some((address, length)) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()?
        }
        Some(_) => return None,
        None => IpNet::from(item.parse::<IpAddr>().ok()?),
    };
    // Peers and hops are compared in their IPv4 form, so a range of mapped addresses takes it too.
    if let IpNet::V6(mapped) = range
        && let Some(address) = mapped.addr().to_ipv4_mapped()
        && let Some(length) = mapped.prefix_len().checked_sub(96)
    {
        return Ipv4Net::new(address, length).ok().map(IpNet::V4);
    }
    Some(range)
}

/// No chain of proxies is that long, but a header can be.
const MAX_HOPS: usize = 100;

#[cfg(test)]
mod tests;
