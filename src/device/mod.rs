//! Devices: what a client says of itself, and the name by which a person recognises it.

mod client;
mod kind;
mod known;
pub mod naming;

pub(crate) use self::client::ClientParts;
pub use self::{
    client::ClientInfo,
    kind::DeviceKind,
    known::KnownDevice,
    naming::{ClientHints, Described},
};

use std::{borrow::Cow, fmt};

/// A device as its session remembers it.
///
/// The raw strings are the source: the description is made of them anew whenever a record is read, so that a better
/// naming table renames old sessions too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// The `User-Agent`, cleaned and cut to 512 bytes.
    pub user_agent: Option<Box<str>>,
    /// The Client Hints.
    pub hints: ClientHints,
    /// Browser, operating system, model and kind, as far as they are known.
    pub described: Described,
    /// The name that the user gave the device.
    pub custom_name: Option<DeviceName>,
}

impl Device {
    /// The device that sent these strings, described by the built-in tables.
    pub fn new(user_agent: Option<Box<str>>, hints: ClientHints) -> Self {
        let described = naming::describe(user_agent.as_deref(), &hints);
        Self { user_agent, hints, described, custom_name: None }
    }

    /// The same device under the name that its user gave it, if any.
    #[must_use]
    pub fn custom_name(mut self, name: Option<DeviceName>) -> Self {
        self.custom_name = name;
        self
    }

    /// The name to show: the user's own, or one like *Chrome on Windows*.
    pub fn name(&self) -> Cow<'_, str> {
        match &self.custom_name {
            Some(name) => Cow::Borrowed(name.as_str()),
            None => Cow::Owned(self.described.name()),
        }
    }

    /// What sort of device it is.
    pub fn kind(&self) -> DeviceKind {
        self.described.kind
    }
}

impl Default for Device {
    /// A device that said nothing.
    fn default() -> Self {
        Self::new(None, ClientHints::default())
    }
}

/// The name that a user gave a device: 1 to 80 characters of one line.
///
/// White space around it is dropped. Control characters, and those that change the reading direction or cannot be
/// seen, are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceName(Box<str>);

impl DeviceName {
    /// The longest name, in characters.
    pub const MAX_LENGTH: usize = 80;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for DeviceName {
    type Error = InvalidDeviceName;

    fn try_from(text: &str) -> Result<Self, InvalidDeviceName> {
        let name = text.trim();
        let fits = (1..=Self::MAX_LENGTH).contains(&name.chars().count());
        if fits && name.chars().all(crate::text::is_harmless) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidDeviceName(()))
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A device name that is empty, too long, or holds characters that cannot be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDeviceName(());

impl fmt::Display for InvalidDeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device name is 1 to 80 visible characters on one line")
    }
}

impl std::error::Error for InvalidDeviceName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_name_is_one_to_80_visible_characters() {
        let longest = "ö".repeat(80);
        for good in ["x", "Zoë's phone", "📱 <b>", longest.as_str()] {
            assert_eq!(DeviceName::try_from(good).as_ref().map(DeviceName::as_str), Ok(good));
        }
        assert_eq!(DeviceName::try_from("  x ").as_ref().map(DeviceName::as_str), Ok("x"));

        let too_long = "ö".repeat(81);
        for bad in ["", "  ", "a\nb", "a\0", "\u{202E}evil", "a\u{200B}b", too_long.as_str()] {
            assert!(DeviceName::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_users_own_name_wins() -> Result<(), InvalidDeviceName> {
        let device = Device::new(Some("curl/8.5.0".into()), ClientHints::default());
        assert_eq!(device.name(), "curl");
        assert_eq!(device.custom_name(Some(DeviceName::try_from("build box")?)).name(), "build box");
        Ok(())
    }
}
