//! Why a cookie cannot be configured, or cannot be set.

use std::fmt;

/// Why a cookie cannot be configured, or cannot be set.
///
/// No variant holds a cookie's value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieError {
    /// The name is empty behind its prefix, longer than 128 bytes, or has bytes that are not
    /// allowed: controls, white space, separators, anything but ASCII.
    Name(String),
    /// The path does not begin with `/`, is longer than 1,024 bytes, or has a `;`, a control or a
    /// byte that is not ASCII.
    Path(String),
    /// The domain is not a host name: labels of letters, digits and hyphens between single dots.
    Domain(String),
    /// The domain is an address: browsers share cookies of names only.
    DomainIsAddress(String),
    /// The domain is one below which anyone can register a name, such as `co.uk`, or a single word: browsers share no
    /// cookie with all of those.
    DomainIsPublic(String),
    /// A name with the prefix `__Host-` excludes a domain.
    PrefixWithDomain(String),
    /// A name with the prefix `__Host-` excludes any path but `/`.
    PrefixWithPath(String),
    /// A cookie for insecure localhost cannot have a domain.
    InsecureWithDomain,
    /// Browsers refuse `SameSite=None` without `Secure`.
    InsecureSameSiteNone,
    /// The value is empty or has bytes that would not be read back.
    ValueSyntax,
    /// Name and value have more than 4,096 bytes, so that browsers would drop the cookie.
    TooLarge {
        /// The bytes of name and value together.
        size: usize,
    },
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "cookie name {name:?} is not allowed"),
            Self::Path(path) => write!(f, "cookie path {path:?} is not allowed"),
            Self::Domain(domain) => write!(f, "cookie domain {domain:?} is not a host name"),
            Self::DomainIsAddress(domain) => {
                write!(f, "cookie domain {domain:?} is an address: leave the domain out, or use a name")
            }
            Self::DomainIsPublic(domain) => {
                write!(f, "cookie domain {domain:?} belongs to everybody: browsers would drop the cookie")
            }
            Self::PrefixWithDomain(name) => write!(f, "cookie name {name:?} excludes a domain"),
            Self::PrefixWithPath(name) => {
                write!(f, "cookie name {name:?} excludes a path but \"/\"")
            }
            Self::InsecureWithDomain => f.write_str("an insecure localhost cookie excludes a domain"),
            Self::InsecureSameSiteNone => f.write_str("an insecure localhost cookie excludes same-site none"),
            Self::ValueSyntax => f.write_str("cookie value is not a token"),
            Self::TooLarge { size } => {
                write!(f, "cookie name and value have {size} bytes, browsers accept 4096")
            }
        }
    }
}

impl std::error::Error for CookieError {}
