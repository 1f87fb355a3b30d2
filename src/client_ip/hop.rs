//! Reads the hops in one line of a forwarding header, rightmost first.
//!
//! `None` stands for a hop that is not an address. A line is never read in part: if its quotes do not pair, it is one
//! such hop, because then it is unknown which commas separate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

/// The hops of a comma-separated list of addresses.
pub(super) fn in_list(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    line.rsplit(|&byte| byte == b',').map(parse)
}

/// The hops of a `Forwarded` line (RFC 7239 §4): one for each element, from its `for` parameter.
pub(super) fn in_forwarded(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    // An element without `for` is an unknown hop.
    let elements = split_unquoted(line, b',').unwrap_or_else(|| vec![b""]);
    elements.into_iter().rev().map(|element| parse(node(element)?))
}

/// Parses an address, with or without port, brackets, IPv6 zone, and spaces and tabs around it.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(hop.trim_ascii()).ok()?;
    let address = match (text.strip_prefix('['), text.split_once(':')) {
        (Some(bracketed), _) => {
            let (address, port) = bracketed.split_once(']')?;
            let port_ok = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            IpAddr::V6(parse_v6(address).filter(|_| port_ok)?)
        }
        (None, Some((_, rest))) if rest.contains(':') => IpAddr::V6(parse_v6(text)?),
        (None, Some((address, port))) => IpAddr::V4(address.parse().ok().filter(|_| is_port(port))?),
        // The parser of the standard library refuses leading zeros: 010 is 8 to some, 10 to others.
        (None, None) => IpAddr::V4(text.parse::<Ipv4Addr>().ok()?),
    };
    Some(address.to_canonical()).filter(|address| !address.is_unspecified())
}

fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    match text.split_once('%') {
        Some((_, "")) => None,
        Some((address, _zone)) => address.parse().ok(),
        None => text.parse().ok(),
    }
}

fn is_port(text: &str) -> bool {
    // `parse` on its own would accept a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// The value of the only `for` in a `Forwarded` element, without its quotes.
///
/// An address with a port need not be quoted here, although it must be by the grammar: it cannot be
/// taken for anything else.
fn node(element: &[u8]) -> Option<&[u8]> {
    let mut node = None;
    for pair in split_unquoted(element, b';')? {
        let pair = pair.trim_ascii();
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_at(pair.iter().position(|&byte| byte == b'=')?);
        let value = match &value[1..] {
            [b'"', quoted @ .., b'"'] => quoted,
            token => token,
        };
        // No parameter has a quote inside, except text that was made to be misread.
        if name.contains(&b'"') || value.contains(&b'"') {
            return None;
        }
        if name.eq_ignore_ascii_case(b"for") && node.replace(value).is_some() {
            return None;
        }
    }
    node
}

/// Splits at each `separator` outside of quoted strings (RFC 9110 §5.6.4); `None` if a quote is
/// left open.
fn split_unquoted(text: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}
