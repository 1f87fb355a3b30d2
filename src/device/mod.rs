//! Devices: what a client says about itself, and the name by which a person recognises it.

mod client;
mod describe;
mod joiners;
mod kind;
mod known;
pub mod naming;
mod trust;
mod upkeep;

#[cfg(feature = "ua-parser")]
pub use self::naming::{InvalidRules, UaParser};
pub use self::{
    client::ClientInfo,
    describe::{BuiltInTables, DescribeDevice},
    kind::DeviceKind,
    known::{KnownDevice, Standing},
    naming::{ClientHints, Described},
    trust::{DeviceProof, Trust, TrustHash},
    upkeep::DeviceUpkeep,
};
pub(crate) use self::{
    client::{ClientDevice, ClientParts},
    trust::TrustSecret,
};

use std::{borrow::Cow, fmt, sync::Arc};

/// A device as its session remembers it.
///
/// The raw strings are the source. The description is derived from them when it is read, so a better naming table
/// renames old sessions too, and a record that is not shown costs nothing. Two devices are equal when their strings and
/// the names that their users gave them are equal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Device {
    /// The `User-Agent`, cleaned and cut to 512 bytes.
    pub user_agent: Option<Box<str>>,
    /// The name that the user gave the device.
    pub custom_name: Option<DeviceName>,
    /// Most devices have sent none, so the room for seven is only allocated where there is one.
    hints: Option<Box<ClientHints>>,
    /// Who describes the device, unless the built-in tables do.
    describes: Option<Arc<dyn DescribeDevice>>,
}

impl Device {
    /// The device that sent these strings, to be described by the built-in tables.
    pub fn new(user_agent: Option<Box<str>>, hints: ClientHints) -> Self {
        let hints = (!hints.is_empty()).then(|| Box::new(hints));
        Self { user_agent, custom_name: None, hints, describes: None }
    }

    /// The Client Hints.
    pub fn hints(&self) -> &ClientHints {
        self.hints.as_deref().unwrap_or(&ClientHints::NONE)
    }

    /// The same device under the name that its user gave it, if any.
    #[must_use]
    pub fn custom_name(mut self, name: Option<DeviceName>) -> Self {
        self.custom_name = name;
        self
    }

    /// The same device as `describes` sees it.
    pub(crate) fn described_by(mut self, describes: Arc<dyn DescribeDevice>) -> Self {
        self.describes = Some(describes);
        self
    }

    /// Browser, operating system, model and kind, as far as they are known.
    ///
    /// They are derived again on each call, which takes about a microsecond unless the application describes devices
    /// itself. To read several of them, call this once.
    pub fn described(&self) -> Described {
        match &self.describes {
            Some(describes) => describes.describe(self.user_agent.as_deref(), self.hints()),
            None => naming::describe(self.user_agent.as_deref(), self.hints()),
        }
    }

    /// The name to show: the user's own, or one like *Chrome on Windows*, by [`described`](Self::described).
    pub fn name(&self) -> Cow<'_, str> {
        match &self.custom_name {
            Some(name) => Cow::Borrowed(name.as_str()),
            None => Cow::Owned(self.described().name()),
        }
    }

    /// What sort of device it is, by [`described`](Self::described).
    pub fn kind(&self) -> DeviceKind {
        self.described().kind
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        self.user_agent == other.user_agent && self.hints == other.hints && self.custom_name == other.custom_name
    }
}

impl Eq for Device {}

impl Default for Device {
    /// A device that sent nothing.
    fn default() -> Self {
        Self::new(None, ClientHints::default())
    }
}

/// The name that a user gave a device: 1 to 80 characters of one line.
///
/// White space around it is dropped. Control characters, and those that change the reading direction or cannot be
/// seen, are refused. Zero-width joiners (U+200C and U+200D) stay where a script or an emoji is written with them, and
/// are dropped elsewhere.
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
        let is_visible = !name.starts_with(joiners::is_joiner)
            && name.chars().all(|c| crate::text::is_harmless(c) || joiners::is_joiner(c));
        if fits && is_visible {
            Ok(Self(joiners::without_idle(name).trim_end().into()))
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
        for (text, name) in [
            ("  x ", "x"),
            ("گوشی\u{200C}ام", "گوشی\u{200C}ام"),
            ("👩\u{200D}💻 Work", "👩\u{200D}💻 Work"),
            ("Chr\u{200D}ome", "Chrome"),
            ("x \u{200D}", "x"),
        ] {
            assert_eq!(DeviceName::try_from(text).as_ref().map(DeviceName::as_str), Ok(name));
        }

        let too_long = "ö".repeat(81);
        for bad in [
            "",
            "  ",
            "a\nb",
            "a\0",
            "\u{202E}evil",
            "a\u{200B}b",
            "a\u{200F}b",
            "\u{200D}",
            "\u{200C}a",
            too_long.as_str(),
        ] {
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
