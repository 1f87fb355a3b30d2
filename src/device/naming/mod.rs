//! Placeholder until the naming tables arrive.
use std::borrow::Cow;

use crate::device::DeviceKind;

/// Raw Client Hints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientHints {
    /// `Sec-CH-UA`.
    pub brands: Option<Box<str>>,
}

impl ClientHints {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.brands.is_none()
    }

    /// One line for a database column.
    pub fn to_compact(&self) -> String {
        String::new()
    }

    /// Reads it back.
    pub fn from_compact(_text: &str) -> Self {
        Self::default()
    }
}

/// What a client said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Described {
    /// Browser.
    pub browser: Option<Cow<'static, str>>,
    /// Version.
    pub browser_version: Option<Box<str>>,
    /// OS.
    pub os: Option<Cow<'static, str>>,
    /// Version.
    pub os_version: Option<Box<str>>,
    /// Model.
    pub model: Option<Cow<'static, str>>,
    /// Kind.
    pub kind: DeviceKind,
}

impl Described {
    /// Name.
    pub fn name(&self) -> String {
        self.browser.clone().map_or_else(|| "Unknown device".to_owned(), Cow::into_owned)
    }
}

/// Describes.
pub fn describe(user_agent: Option<&str>, _hints: &ClientHints) -> Described {
    let browser = user_agent.and_then(|ua| ua.split('/').next()).map(|name| Cow::Owned(name.to_owned()));
    Described { browser, ..Described::default() }
}
