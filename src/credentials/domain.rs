//! Which domains a cookie may be shared with.
//!
//! Browsers silently drop a cookie for an address or a public suffix, so nobody could sign in. What is certain to be
//! dropped is refused here. The rest of the list of public suffixes, which grows every week, is left to the browsers:
//! they enforce it anyway, and a copy of it would be large, and soon out of date.

use std::net::Ipv4Addr;

use super::cookie_error::CookieError;

/// # Errors
///
/// Why browsers would drop the cookie.
pub(super) fn check(domain: &str) -> Result<(), CookieError> {
    if is_address(domain) {
        return Err(CookieError::DomainIsAddress(domain.to_owned()));
    }
    if !is_host_name(domain) {
        return Err(CookieError::Domain(domain.to_owned()));
    }
    if is_public_suffix(domain) {
        return Err(CookieError::DomainIsPublic(domain.to_owned()));
    }
    Ok(())
}

fn is_address(domain: &str) -> bool {
    let last = domain.rsplit('.').next().unwrap_or_default();
    let ends_in_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    ends_in_number
        || domain.parse::<Ipv4Addr>().is_ok()
        || domain.trim_matches(['[', ']']).contains("::")
        || domain.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_ok()
}

fn is_host_name(domain: &str) -> bool {
    let label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let ends_well = !label.starts_with('-') && !label.ends_with('-');
        (1..=63).contains(&label.len()) && ends_well && label.bytes().all(known)
    };
    domain.len() <= 253 && domain.split('.').all(label)
}

/// A single label is a top-level domain, or a name that means something in one network only.
fn is_public_suffix(domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    !domain.contains('.') || REGISTRIES.contains(&&*domain) || HOSTS.contains(&&*domain)
}

/// Second-level domains below which anyone can register one.
const REGISTRIES: &[&str] = &[
    "ac.jp", "ac.uk", "co.il", "co.in", "co.jp", "co.ke", "co.kr", "co.nz", "co.th", "co.uk", "co.za", "com.ar",
    "com.au", "com.br", "com.cn", "com.co", "com.eg", "com.hk", "com.mx", "com.my", "com.ng", "com.pe", "com.ph",
    "com.pk", "com.pl", "com.sa", "com.sg", "com.tr", "com.tw", "com.ua", "com.vn", "edu.au", "gov.au", "gov.br",
    "gov.uk", "ne.jp", "net.au", "net.br", "net.cn", "net.nz", "net.uk", "or.jp", "or.kr", "org.au", "org.br",
    "org.cn", "org.nz", "org.uk", "org.za",
];

/// Domains that hosts give their customers names below.
const HOSTS: &[&str] = &[
    "azurewebsites.net",
    "cloudfront.net",
    "firebaseapp.com",
    "fly.dev",
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "netlify.app",
    "ngrok.app",
    "ngrok.io",
    "onrender.com",
    "pages.dev",
    "up.railway.app",
    "vercel.app",
    "web.app",
    "workers.dev",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_of_ones_own_may_share_a_cookie() {
        for domain in
            ["example.com", "app.example.com", "EXAMPLE.co.uk", "xn--bcher-kva.example", "a-b.github.io", "4chan.org"]
        {
            assert_eq!(check(domain), Ok(()), "{domain}");
        }
    }

    #[test]
    fn what_browsers_drop_is_refused_and_told_apart() {
        for domain in
            ["127.0.0.1", "203.0.113.9", "::1", "[::1]", "2001:db8::1", "[2001:db8:0:0:0:0:0:1]", "1.2.3", "0x7f.1"]
        {
            assert_eq!(check(domain), Err(CookieError::DomainIsAddress(domain.to_owned())));
        }
        for domain in ["com", "localhost", "intranet", "co.uk", "Co.Uk", "github.io", "up.railway.app"] {
            assert_eq!(check(domain), Err(CookieError::DomainIsPublic(domain.to_owned())));
        }
        let long = "a".repeat(64) + ".example";
        for domain in [
            "",
            ".",
            ".example.com",
            "example.com.",
            "a..b",
            "-a.example",
            "a-.example",
            "a_b.example",
            &long,
            "a.example:443",
        ] {
            assert_eq!(check(domain), Err(CookieError::Domain(domain.to_owned())));
        }
    }
}
