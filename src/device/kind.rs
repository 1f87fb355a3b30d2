//! The kinds of devices.

use std::fmt;

use serde::{Serialize, Serializer};

/// What sort of device a client runs on, for an icon beside its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceKind {
    /// A desktop or laptop computer.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A television or a box beside one.
    Tv,
    /// A games console.
    Console,
    /// A headset for virtual or mixed reality.
    Headset,
    /// A watch.
    Watch,
    /// A car's own screen.
    Car,
    /// A speaker that is spoken to, with or without a screen.
    Speaker,
    /// A crawler or another automaton.
    Bot,
    /// A command-line program or a program without a person in front of it.
    Cli,
    /// An application of which nothing else is known.
    App,
    /// Nothing is known.
    #[default]
    Unknown,
}

impl DeviceKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[
        Self::Desktop,
        Self::Mobile,
        Self::Tablet,
        Self::Tv,
        Self::Console,
        Self::Headset,
        Self::Watch,
        Self::Car,
        Self::Speaker,
        Self::Bot,
        Self::Cli,
        Self::App,
        Self::Unknown,
    ];

    /// The name of the kind in stores and responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Tv => "tv",
            Self::Console => "console",
            Self::Headset => "headset",
            Self::Watch => "watch",
            Self::Car => "car",
            Self::Speaker => "speaker",
            Self::Bot => "bot",
            Self::Cli => "cli",
            Self::App => "app",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the kind with this name. An unknown name is [`Unknown`](Self::Unknown).
    pub fn from_name(name: &str) -> Self {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name).unwrap_or_default()
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for DeviceKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
