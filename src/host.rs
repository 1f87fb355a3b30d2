//! Hosts, as far as it matters whether one is this machine.

use std::net::{IpAddr, Ipv6Addr};

/// Whether a host without a port is this machine: a loopback address, or a name that always stands for one (RFC 6761
/// §6.3).
pub(crate) fn is_this_machine(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = address.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The host of a `Host` field, which may have a port.
pub(crate) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.contains(']') && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            let is_bare_ipv6 = authority.parse::<Ipv6Addr>().is_ok();
            if is_bare_ipv6 { authority } else { host }
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_and_nothing_else() {
        for here in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "app.localhost",
            "127.0.0.1",
            "127.8.9.1",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_this_machine(here), "{here}");
        }
        for elsewhere in
            ["", "example.com", "notlocalhost", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "0.0.0.0"]
        {
            assert!(!is_this_machine(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn a_port_is_taken_off() {
        for (authority, host) in [
            ("localhost:3000", "localhost"),
            ("localhost", "localhost"),
            ("localhost:", "localhost"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("a:b", "a:b"),
        ] {
            assert_eq!(without_port(authority), host, "{authority}");
        }
    }
}
