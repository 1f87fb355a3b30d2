//! Which system a word of the User-Agent or of the hints stands for, and what that system runs on.

use super::rank::lookup;
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
    Roku,
    Quest,
    Pico,
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
            Self::FireTablet | Self::FireTv => Some("Fire OS"),
            Self::Roku => Some("Roku OS"),
            Self::Quest => Some("Horizon OS"),
            Self::SteamDeck => Some("SteamOS"),
            Self::HomePod | Self::Chromecast | Self::PlayStation | Self::Nintendo => None,
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

    /// The kind of device, as far as the system alone tells it.
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
            Self::Tizen | Self::HomePod => DeviceKind::Unknown,
        }
    }

    /// Says whether the system is one of Apple's for touch.
    pub(super) fn is_apple_touch(self) -> bool {
        matches!(self, Self::Iphone | Self::Ipod | Self::Ipad)
    }

    /// Says whether a browser that claims `self` may send the hint `hint`.
    ///
    /// A system may be named by what it is built on: ChromeOS and Android are Linux, the Quest is Android. Anything
    /// else is a request in which somebody has replaced one of the two headers.
    pub(super) fn agrees_with(self, hint: Self) -> bool {
        let runs_on_linux = |system| {
            matches!(
                system,
                Self::ChromeOs | Self::Android | Self::Chromecast | Self::Tizen | Self::WebOs | Self::Vidaa
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
                Self::HarmonyOs | Self::FireTablet | Self::FireTv | Self::Chromecast | Self::Quest | Self::Pico
            )
    }
}

/// What one part of a comment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// The system; what follows the word is its version.
    Is(System),
    /// A system whose version is somewhere in the part, as in `CPU iPhone OS 17_5 like Mac OS X`.
    Apple,
    Nintendo,
    PlayStation,
    Windows,
    /// A television, by a maker when the word tells one.
    Television(Option<&'static str>),
    /// A maker, which matters on televisions only.
    Maker(&'static str),
    Phone,
    Tablet,
    Headset,
    /// Amazon's system without Android; its model follows.
    AmazonTv,
    Computer,
    Architecture,
    WebView,
    Steam,
    OperaMini,
    InternetExplorer,
    /// The next product is the client's true name.
    Compatible,
    /// Nothing; and it is no model either.
    Nothing,
}

/// Reads the first word of a part, or a product outside of comments, in any case.
pub(super) fn sign(word: &str) -> Option<Sign> {
    let find = |word| lookup(SIGNS, word, |row| row.0).map(|(_, sign)| *sign);
    // A model's number is joined to the word in "iPhone14,5".
    find(word).or_else(|| {
        let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
        (stem.len() >= 3 && stem.len() < word.len()).then(|| find(stem))?
    })
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

/// The words, in lower case and byte order.
const SIGNS: &[(&str, Sign)] = &[
    ("andr0id", Sign::Is(System::Android)),
    ("android", Sign::Is(System::Android)),
    ("apple", Sign::Apple),
    ("appletv", Sign::Is(System::AppleTv)),
    ("aquos", Sign::Television(Some("Sharp TV"))),
    ("arch", Sign::Is(System::Linux)),
    ("arm_64", Sign::Nothing),
    ("bravia", Sign::Television(Some("Sony TV"))),
    ("centos", Sign::Is(System::Linux)),
    ("chromecast", Sign::Is(System::Chromecast)),
    ("cobalt", Sign::Television(None)),
    ("compatible", Sign::Compatible),
    ("cpu", Sign::Apple),
    ("crkey", Sign::Is(System::Chromecast)),
    ("cros", Sign::Is(System::ChromeOs)),
    ("darwin", Sign::Is(System::MacOs)),
    ("debian", Sign::Is(System::Linux)),
    ("fedora", Sign::Is(System::Linux)),
    ("freebsd", Sign::Is(System::FreeBsd)),
    ("googletv", Sign::Television(Some("Google TV"))),
    ("harmonyos", Sign::Is(System::HarmonyOs)),
    ("hbbtv", Sign::Television(None)),
    ("hisense", Sign::Maker("Hisense TV")),
    ("hmscore", Sign::Nothing),
    ("homepod", Sign::Is(System::HomePod)),
    ("intel", Sign::Apple),
    ("ios", Sign::Is(System::Iphone)),
    ("ipad", Sign::Is(System::Ipad)),
    ("ipados", Sign::Is(System::Ipad)),
    ("iphone", Sign::Is(System::Iphone)),
    ("ipod", Sign::Is(System::Ipod)),
    ("k", Sign::Nothing),
    ("kaios", Sign::Is(System::KaiOs)),
    ("kepler", Sign::AmazonTv),
    ("khtml", Sign::Nothing),
    ("lg", Sign::Maker("LG TV")),
    ("lge", Sign::Maker("LG TV")),
    ("linux", Sign::Is(System::Linux)),
    ("linux-gnu", Sign::Is(System::Linux)),
    ("mac", Sign::Apple),
    ("macintosh", Sign::Is(System::MacOs)),
    ("macos", Sign::Is(System::MacOs)),
    ("microsoft", Sign::Windows),
    ("mobile", Sign::Phone),
    ("msie", Sign::InternetExplorer),
    ("netbsd", Sign::Is(System::NetBsd)),
    ("netcast", Sign::Television(Some("LG TV"))),
    ("nintendo", Sign::Nintendo),
    ("openbsd", Sign::Is(System::OpenBsd)),
    ("openharmony", Sign::Is(System::HarmonyOs)),
    ("opera", Sign::OperaMini),
    ("os", Sign::Apple),
    ("osx", Sign::Is(System::MacOs)),
    ("panasonic", Sign::Maker("Panasonic TV")),
    ("pc", Sign::Computer),
    ("philips", Sign::Maker("Philips TV")),
    ("phone", Sign::Phone),
    ("pico", Sign::Is(System::Pico)),
    ("playstation", Sign::PlayStation),
    ("quest", Sign::Is(System::Quest)),
    ("realitydevice", Sign::Is(System::VisionOs)),
    ("roku", Sign::Is(System::Roku)),
    ("samsung", Sign::Maker("Samsung TV")),
    ("sharp", Sign::Maker("Sharp TV")),
    ("smart-tv", Sign::Television(None)),
    ("smart_tv", Sign::Television(None)),
    ("smartcast", Sign::Television(Some("Vizio TV"))),
    ("smarttv", Sign::Television(None)),
    ("sony", Sign::Maker("Sony TV")),
    ("steam", Sign::Steam),
    ("steamdeck", Sign::Is(System::SteamDeck)),
    ("steamos", Sign::Is(System::SteamDeck)),
    ("tablet", Sign::Tablet),
    ("tcl", Sign::Maker("TCL TV")),
    ("tizen", Sign::Is(System::Tizen)),
    ("toshiba", Sign::Maker("Toshiba TV")),
    ("trident", Sign::InternetExplorer),
    ("tv", Sign::Television(None)),
    ("tvos", Sign::Is(System::AppleTv)),
    ("u", Sign::Nothing),
    ("ubuntu", Sign::Is(System::Linux)),
    ("valve", Sign::Steam),
    ("vidaa", Sign::Is(System::Vidaa)),
    ("viera", Sign::Television(Some("Panasonic TV"))),
    ("visionos", Sign::Is(System::VisionOs)),
    ("vizio", Sign::Television(Some("Vizio TV"))),
    ("vr", Sign::Headset),
    ("watch", Sign::Is(System::AppleWatch)),
    ("watchos", Sign::Is(System::AppleWatch)),
    ("web0s", Sign::Is(System::WebOs)),
    ("webos", Sign::Is(System::WebOs)),
    ("win32", Sign::Windows),
    ("win64", Sign::Windows),
    ("windows", Sign::Windows),
    ("wv", Sign::WebView),
    ("x11", Sign::Nothing),
    ("x86_64", Sign::Architecture),
    ("xbox", Sign::Is(System::Xbox)),
    ("xros", Sign::Is(System::VisionOs)),
];
