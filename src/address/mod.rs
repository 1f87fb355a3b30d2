//! What the URL of a server says beyond what its driver understands. Stores and buses read it alike.

#[cfg(feature = "redis")]
mod redis;

use std::borrow::Cow;

#[cfg(feature = "redis")]
pub(crate) use self::redis::{Certificates, client_of, info_of};

/// Takes a parameter out of a URL, which its driver would not know. The last one counts.
pub(crate) fn take_parameter<'u>(url: &'u str, name: &str) -> (Cow<'u, str>, Option<&'u str>) {
    let Some((address, query)) = url.split_once('?') else {
        return (url.into(), None);
    };
    let value_of = |pair: &'u str| pair.strip_prefix(name)?.strip_prefix('=');
    let value = query.split('&').rev().find_map(value_of);
    if value.is_none() {
        return (url.into(), None);
    }
    let others: Vec<&str> = query.split('&').filter(|pair| value_of(pair).is_none()).collect();
    let others = others.join("&");
    (if others.is_empty() { address.into() } else { format!("{address}?{others}").into() }, value)
}

/// The host without the brackets that an IPv6 address has in a URL: the drivers keep them, and look for a host of that
/// name.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn without_brackets(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_taken_out_of_the_url() {
        for (url, rest, value) in [
            ("postgres://a/b", "postgres://a/b", None),
            ("postgres://a/b?sslmode=require", "postgres://a/b?sslmode=require", None),
            ("postgres://a/b?size=3", "postgres://a/b", Some("3")),
            ("mysql://a/b?x=1&size=3&y=2", "mysql://a/b?x=1&y=2", Some("3")),
            ("mysql://a/b?size=3&size=4", "mysql://a/b", Some("4")),
            ("mysql://a/b?sizes=3&size=", "mysql://a/b?sizes=3", Some("")),
        ] {
            assert_eq!(take_parameter(url, "size"), (Cow::from(rest), value), "{url}");
        }
    }

    #[cfg(any(feature = "mysql", feature = "postgres"))]
    #[test]
    fn an_address_loses_its_brackets() {
        assert_eq!(without_brackets("[::1]"), Some("::1"));
        assert_eq!(without_brackets("db.example"), None);
    }
}
