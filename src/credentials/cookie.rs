//! The options of a cookie, and which of them exclude each other.

use memchr::memmem::Finder;

use super::{cookie_error::CookieError, domain, is_tchar, is_token68};

/// The name and the attributes of the session cookie.
///
/// The cookie is always `HttpOnly`: no script needs to read it. It is always `Secure`, except with
/// [`insecure_localhost`](Self::insecure_localhost). Its lifetime in the browser is that of the session.
///
/// The name carries the strongest prefix that the other options allow, because browsers enforce
/// what a prefix promises: `__Host-` keeps sibling subdomains and plain-HTTP pages from planting a
/// cookie of that name. Any other path, or a domain, excludes it and leaves `__Secure-`.
///
/// # Defaults
///
/// | option | default |
/// | --- | --- |
/// | [`name`](Self::name) | `__Host-session`; with a domain or path `__Secure-session` |
/// | [`same_site`](Self::same_site) | [`SameSite::Lax`] |
/// | [`path`](Self::path) | `/` |
/// | [`domain`](Self::domain) | none: only the host that set the cookie gets it back |
/// | [`insecure_localhost`](Self::insecure_localhost) | off |
///
/// # Examples
///
/// ```
/// use tower_device_sessions::credentials::{CookieOptions, SameSite};
///
/// // Set-Cookie: __Host-Http-app=…; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=…
/// let strict = CookieOptions::new()
///     .name("__Host-Http-app")
///     .same_site(SameSite::Strict);
/// # let _ = strict;
/// ```
///
/// # Errors
///
/// The options are checked together when they are used, and a combination that cannot work is a [`CookieError`] then.
/// No option can fail on a response.
#[derive(Clone, Debug)]
#[must_use]
pub struct CookieOptions {
    name: Name,
    same_site: SameSite,
    path: String,
    domain: Option<String>,
    scheme: Scheme,
}

impl CookieOptions {
    /// Starts with the defaults.
    pub fn new() -> Self {
        Self {
            name: Name::Strongest("session".to_owned()),
            same_site: SameSite::Lax,
            path: "/".to_owned(),
            domain: None,
            scheme: Scheme::Https,
        }
    }

    /// Sets the whole name, prefix included. Default: `session` behind the strongest prefix.
    ///
    /// `__Host-Http-` may stand in place of `__Host-`; browsers that support it also refuse cookies of that name from
    /// scripts; for others it is a `__Host-` cookie.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Name::Exact(name.into());
        self
    }

    /// Sets which cross-site requests carry the cookie. Default: [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Sets the path below which browsers send the cookie. Default: `/`.
    ///
    /// A path separates nothing that matters for security: pages of the same origin reach the
    /// cookie through a request anyway. Any but `/` excludes a `__Host-` name.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Shares the cookie with all subdomains of `domain`. Default: not shared.
    ///
    /// Excludes a `__Host-` name: each of those subdomains then sees, replaces and removes the
    /// cookie. Addresses and public suffixes such as `co.uk` are refused, as far as they are known here.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Lets the cookie work over plain HTTP, for development on localhost. Default: off.
    ///
    /// The cookie is then not `Secure`, and its name loses its prefix, even one that was set by [`name`](Self::name):
    /// browsers refuse `__Host-` and `__Secure-` names without `Secure`.
    ///
    /// # Security
    ///
    /// Anyone on the network path can read and plant such a cookie. Never turn this on in production.
    pub fn insecure_localhost(mut self) -> Self {
        self.scheme = Scheme::InsecureHttp;
        self
    }

    /// Whether the cookie works over plain HTTP.
    pub(crate) fn is_insecure(&self) -> bool {
        self.scheme == Scheme::InsecureHttp
    }

    /// The same options for another cookie, named `base` behind the strongest prefix.
    pub(crate) fn sibling(&self, base: &str) -> Self {
        Self { name: Name::Strongest(base.to_owned()), ..self.clone() }
    }

    /// The same options for a cookie that requests from other sites need not carry.
    pub(crate) fn kept_at_home(self) -> Self {
        match self.same_site {
            SameSite::None => self,
            SameSite::Lax | SameSite::Strict => self.same_site(SameSite::Strict),
        }
    }

    /// Checks the options together.
    ///
    /// # Errors
    ///
    /// The first [`CookieError`] that applies, in the order name, path, domain, other combinations.
    pub(crate) fn build(&self) -> Result<SessionCookie, CookieError> {
        let name = self.full_name();
        let (prefix, base) = split_prefix(&name);
        let insecure = self.scheme == Scheme::InsecureHttp;

        if base.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_tchar) {
            return Err(CookieError::Name(name));
        }
        if !is_path(&self.path) {
            return Err(CookieError::Path(self.path.clone()));
        }
        if insecure && self.domain.is_some() {
            return Err(CookieError::InsecureWithDomain);
        }
        self.domain.as_deref().map(domain::check).transpose()?;
        if prefix.starts_with("__Host-") && self.domain.is_some() {
            return Err(CookieError::PrefixWithDomain(name));
        }
        if prefix.starts_with("__Host-") && self.path != "/" {
            return Err(CookieError::PrefixWithPath(name));
        }
        if insecure && self.same_site == SameSite::None {
            return Err(CookieError::InsecureSameSiteNone);
        }

        let domain = self.domain.as_ref().map(|domain| format!("; Domain={domain}"));
        let domain = domain.unwrap_or_default();
        let secure = if insecure { "" } else { "; Secure" };
        let (path, same_site) = (&self.path, self.same_site.as_str());
        let attributes = format!("; Path={path}{domain}{secure}; HttpOnly; SameSite={same_site}");
        Ok(SessionCookie::new(name, attributes))
    }

    fn full_name(&self) -> String {
        let sharable = self.domain.is_some() || self.path != "/";
        match (&self.name, self.scheme) {
            (Name::Exact(name), Scheme::Https) => name.clone(),
            (Name::Exact(name), Scheme::InsecureHttp) => split_prefix(name).1.to_owned(),
            (Name::Strongest(base), Scheme::Https) if sharable => format!("__Secure-{base}"),
            (Name::Strongest(base), Scheme::Https) => format!("__Host-{base}"),
            (Name::Strongest(base), Scheme::InsecureHttp) => base.clone(),
        }
    }
}

impl Default for CookieOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A cookie whose name and attributes fit together, made by [`CookieOptions::build`].
#[derive(Clone, Debug)]
pub(crate) struct SessionCookie {
    pub(crate) name: String,
    /// Finds the name and the `=` behind it. Our name has no `=`, so that one is the first.
    pub(crate) beginning: Finder<'static>,
    /// Everything behind the value but the lifetime, with the leading `; `.
    pub(crate) attributes: String,
}

impl SessionCookie {
    pub(crate) fn new(name: String, attributes: String) -> Self {
        let beginning = Finder::new(&format!("{name}=")).into_owned();
        Self { name, beginning, attributes }
    }

    /// Whether a browser would keep `value` under this name, and send it back as it is.
    ///
    /// # Errors
    ///
    /// [`CookieError::ValueSyntax`] if the value could not be read back, and
    /// [`CookieError::TooLarge`] if name and value have more than 4,096 bytes.
    pub(crate) fn check(&self, value: &str) -> Result<(), CookieError> {
        if !is_token68(value.as_bytes()) {
            return Err(CookieError::ValueSyntax);
        }
        let size = self.name.len() + value.len();
        if size > MAX_COOKIE_BYTES { Err(CookieError::TooLarge { size }) } else { Ok(()) }
    }
}

/// Which cross-site requests carry the cookie (the `SameSite` attribute).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameSite {
    /// Top-level navigations by a safe method, such as following a link. The default.
    #[default]
    Lax,
    /// None: a user who follows a link from another site arrives signed out.
    Strict,
    /// All, for a front end on another site. Then only the CSRF check protects against forged requests.
    None,
}

impl SameSite {
    fn as_str(self) -> &'static str {
        match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
            Self::None => "None",
        }
    }
}

#[derive(Clone, Debug)]
enum Name {
    Exact(String),
    /// What stands behind the strongest prefix that the other options allow.
    Strongest(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Https,
    InsecureHttp,
}

/// Splits a name into the prefix that browsers know, in its proper case, and the rest.
fn split_prefix(name: &str) -> (&'static str, &str) {
    for prefix in ["__Host-Http-", "__Host-", "__Http-", "__Secure-"] {
        // Newer browsers enforce a prefix in any case, so any case counts as the prefix.
        if let Some((start, base)) = name.split_at_checked(prefix.len())
            && start.eq_ignore_ascii_case(prefix)
        {
            return (prefix, base);
        }
    }
    ("", name)
}

fn is_path(path: &str) -> bool {
    let printable = |byte: u8| matches!(byte, b' '..=b'~') && byte != b';';
    path.starts_with('/') && path.len() <= MAX_ATTRIBUTE_BYTES && path.bytes().all(printable)
}

/// Far below what browsers accept, so that the cleared cookie always fits.
const MAX_NAME_BYTES: usize = 128;

/// What browsers accept of name and value together.
const MAX_COOKIE_BYTES: usize = 4_096;

/// Browsers ignore an attribute that is longer.
const MAX_ATTRIBUTE_BYTES: usize = 1_024;
