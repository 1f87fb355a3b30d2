//! Which systems there are, and what each of them runs on.

use crate::device::DeviceKind;

/// The systems, the less specific before the more specific: of several that a User-Agent names, the greatest is meant.
///
/// Android also says Linux, an Xbox also says Windows, and every iPhone says Mac OS X.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum System {
    Linux,
    FreeBsd,
    OpenBsd,
    NetBsd,
    Windows,
    MacOs,
    ChromeOs,
    Android,
    WindowsPhone,
    KaiOs,
    HarmonyOs,
    Tizen,
    WebOs,
    Vidaa,
    Iphone,
    Ipod,
    Ipad,
    AppleWatch,
    HomePod,
    AppleTv,
    VisionOs,
    FireTablet,
    FireTv,
    Chromecast,
    Fuchsia,
    Echo,
    Roku,
    Quest,
    Pico,
    Sonos,
    Tesla,
    SteamDeck,
    Xbox,
    PlayStation,
    Nintendo,
}

impl System {
    /// The operating system as people call it.
    pub(super) fn os(self) -> Option<&'static str> {
        match self {
            Self::Linux => Some("Linux"),
            Self::FreeBsd => Some("FreeBSD"),
            Self::OpenBsd => Some("OpenBSD"),
            Self::NetBsd => Some("NetBSD"),
            Self::Windows | Self::Xbox => Some("Windows"),
            Self::MacOs => Some("macOS"),
            Self::ChromeOs => Some("ChromeOS"),
            Self::Android | Self::Pico => Some("Android"),
            Self::WindowsPhone => Some("Windows Phone"),
            Self::KaiOs => Some("KaiOS"),
            Self::HarmonyOs => Some("HarmonyOS"),
            Self::Tizen => Some("Tizen"),
            Self::WebOs => Some("webOS"),
            Self::Vidaa => Some("VIDAA"),
            Self::Iphone | Self::Ipod => Some("iOS"),
            Self::Ipad => Some("iPadOS"),
            Self::AppleWatch => Some("watchOS"),
            Self::AppleTv => Some("tvOS"),
            Self::VisionOs => Some("visionOS"),
            Self::FireTablet | Self::FireTv | Self::Echo => Some("Fire OS"),
            Self::Roku => Some("Roku OS"),
            Self::Quest => Some("Horizon OS"),
            Self::SteamDeck => Some("SteamOS"),
            Self::Fuchsia => Some("Fuchsia"),
            Self::HomePod | Self::Chromecast | Self::Sonos | Self::Tesla | Self::PlayStation | Self::Nintendo => None,
        }
    }

    /// The device, where the system runs on one product only.
    pub(super) fn model(self) -> Option<&'static str> {
        match self {
            Self::Iphone => Some("iPhone"),
            Self::Ipod => Some("iPod touch"),
            Self::Ipad => Some("iPad"),
            Self::AppleWatch => Some("Apple Watch"),
            Self::HomePod => Some("HomePod"),
            Self::AppleTv => Some("Apple TV"),
            Self::VisionOs => Some("Apple Vision Pro"),
            Self::FireTablet => Some("Fire tablet"),
            Self::FireTv => Some("Fire TV"),
            Self::Chromecast => Some("Chromecast"),
            Self::Fuchsia => Some("Nest Hub"),
            Self::Echo => Some("Echo"),
            Self::Sonos => Some("Sonos"),
            Self::Tesla => Some("Tesla"),
            Self::Roku => Some("Roku"),
            Self::Quest => Some("Meta Quest"),
            Self::Pico => Some("Pico"),
            Self::SteamDeck => Some("Steam Deck"),
            Self::Xbox => Some("Xbox"),
            Self::PlayStation => Some("PlayStation"),
            Self::Nintendo => Some("Nintendo"),
            _ => None,
        }
    }

    /// The kind of device, as far as the system tells it.
    pub(super) fn kind(self) -> DeviceKind {
        match self {
            Self::Linux | Self::FreeBsd | Self::OpenBsd | Self::NetBsd => DeviceKind::Desktop,
            Self::Windows | Self::MacOs | Self::ChromeOs => DeviceKind::Desktop,
            Self::Android | Self::WindowsPhone | Self::KaiOs | Self::HarmonyOs => DeviceKind::Mobile,
            Self::Iphone | Self::Ipod => DeviceKind::Mobile,
            Self::Ipad | Self::FireTablet => DeviceKind::Tablet,
            Self::WebOs | Self::Vidaa | Self::AppleTv | Self::FireTv => DeviceKind::Tv,
            Self::Chromecast | Self::Roku => DeviceKind::Tv,
            Self::AppleWatch => DeviceKind::Watch,
            Self::Quest | Self::Pico | Self::VisionOs => DeviceKind::Headset,
            Self::SteamDeck | Self::Xbox | Self::PlayStation | Self::Nintendo => DeviceKind::Console,
            Self::HomePod | Self::Echo | Self::Sonos | Self::Fuchsia => DeviceKind::Speaker,
            Self::Tesla => DeviceKind::Car,
            Self::Tizen => DeviceKind::Unknown,
        }
    }

    /// Says whether the system is one of Apple's for touch.
    pub(super) fn is_apple_touch(self) -> bool {
        matches!(self, Self::Iphone | Self::Ipod | Self::Ipad)
    }

    /// Says whether a browser that claims `self` may send the hint `hint`.
    ///
    /// A system may be named by what it is built on: ChromeOS and Android are Linux, the Quest is Android. Anything
    /// else is a request in which one of the two headers was replaced.
    pub(super) fn agrees_with(self, hint: Self) -> bool {
        let runs_on_linux = |system| {
            matches!(
                system,
                Self::ChromeOs
                    | Self::Android
                    | Self::Chromecast
                    | Self::Tizen
                    | Self::WebOs
                    | Self::Vidaa
                    | Self::Tesla
            ) || Self::Android.is_under(system)
        };
        self == hint
            || hint == Self::Linux && runs_on_linux(self)
            || self == Self::Linux && runs_on_linux(hint)
            || hint == Self::Android && hint.is_under(self)
            || hint == Self::Windows && self == Self::Xbox
    }

    fn is_under(self, system: Self) -> bool {
        self == Self::Android
            && matches!(
                system,
                Self::HarmonyOs
                    | Self::FireTablet
                    | Self::FireTv
                    | Self::Chromecast
                    | Self::Echo
                    | Self::Quest
                    | Self::Pico
            )
    }
}

/// Reads the `Sec-CH-UA-Platform` hint.
pub(super) fn platform(name: &str) -> Option<System> {
    match name {
        "Windows" => Some(System::Windows),
        "macOS" | "Mac OS X" => Some(System::MacOs),
        "Linux" => Some(System::Linux),
        "Chrome OS" | "Chromium OS" | "ChromeOS" => Some(System::ChromeOs),
        "Android" => Some(System::Android),
        "iOS" => Some(System::Iphone),
        "HarmonyOS" | "OpenHarmony" => Some(System::HarmonyOs),
        "Tizen" => Some(System::Tizen),
        "webOS" => Some(System::WebOs),
        _ => None,
    }
}

/// Tells the Windows that people know from the version in `Sec-CH-UA-Platform-Version`.
pub(super) fn windows_from_hint(version: &str) -> Option<&'static str> {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten()?, numbers.next().flatten()) {
        (13.., _) => Some("11"),
        (1..=10, _) => Some("10"),
        (0, Some(3)) => Some("8.1"),
        (0, Some(2)) => Some("8"),
        (0, Some(1)) => Some("7"),
        _ => None,
    }
}

/// Tells the Windows that people know from `NT`'s number; 10.0 is frozen and tells none.
pub(super) fn windows_from_nt(version: &str) -> Option<&'static str> {
    match version {
        "6.3" => Some("8.1"),
        "6.2" => Some("8"),
        "6.1" => Some("7"),
        "6.0" => Some("Vista"),
        "5.1" | "5.2" => Some("XP"),
        _ => None,
    }
}
