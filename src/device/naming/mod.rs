//! Device names that a person recognises, from the User-Agent and the Client Hints.
//!
//! Everything here is what the client says of itself, for people to read; nothing of it is proof. The raw
//! strings are kept beside the name, so that a better table renames old rows.
//!
//! [`describe`] follows these rules:
//!
//! 1. Hints count only when the User-Agent has `Chrome/` in it, and only when their platform agrees with the
//!    User-Agent's. Otherwise somebody has replaced one of the two headers, and the User-Agent alone speaks.
//! 2. A bot is a bot, by its own name. The device it imitates is not shown.
//! 3. Of several systems the most specific is meant: Android over Linux, Xbox over Windows. `CriOS` and its like
//!    on a "Macintosh", and a `Mobile/` build there, are an iPad.
//! 4. Of all products and brands that the tables know, the most specific wins: an app over a browser, a browser
//!    over the engine it is built on. The order of brands does not matter. An unknown brand is dropped, and
//!    GREASE, which is made to be unknown, goes with it however it is spelled.
//! 5. An app that the tables do not know goes by its own name where it has one: on Electron, in a web view, in
//!    front of a network library or of a system. Otherwise it is an *App*. A product that stands alone is unknown.
//! 6. A model is given when it is a name people know (*Pixel 8 Pro*), never as a code (*SM-S928B*); from the
//!    hints, or from an Android User-Agent that still has it.
//! 7. Numbers that browsers have frozen are never given: Windows 10 from `NT 10.0`, macOS 10.15, Android 10 on
//!    a `K`, iOS 18.6 below a later Safari. Windows 11 comes from the hints only.
//! 8. What is not said is unknown.
//!
//! # Forms of a name
//!
//! | known | name |
//! |---|---|
//! | client and device | *Safari on iPhone*, *Chrome on Pixel 8 Pro*, *Edge on Xbox* |
//! | client and system | *Chrome on Windows*, *Firefox on Linux*; *Chrome on Windows 11* where hints prove it |
//! | an app that does not name itself | *App on iPhone* |
//! | client only | *curl*, *Googlebot*, *Firefox* |
//! | a television or console with its built-in browser | *Samsung TV*, *PlayStation 5* |
//! | system only | *Unknown browser on Linux* |
//! | nothing | *Unknown device* |
//!
//! Windows is the only system whose version is part of the name, because people know theirs by it: 10 and 11 where
//! hints prove it, older ones where the User-Agent has them (*Windows 7*). All versions are in [`Described`].
//!
//! Two readings are likely rather than certain. Apple's network stack (`CFNetwork`) is the same on all of Apple's
//! systems, and is read as an iPhone unless another system is named; `okhttp` is read as Android.
//!
//! Some things cannot be told at all: Safari on an iPad that asks for desktop pages is *Safari on macOS*, and
//! browsers that copy Chrome to the letter are *Chrome*.

mod apps;
mod browsers;
mod clean;
mod clients;
mod facts;
mod hints;
mod models;
mod platforms;
mod rank;
mod tokens;
mod tools;
#[cfg(feature = "ua-parser")]
mod ua_parser;

use std::borrow::Cow;

pub use self::hints::ClientHints;
#[cfg(feature = "ua-parser")]
pub use self::ua_parser::{InvalidRules, UaParser};
use self::{
    facts::{Claim, Facts, Product, number},
    hints::Said,
    platforms::System,
    rank::Rank,
};
use crate::device::DeviceKind;

/// What a client said of itself.
///
/// Every text in it is safe to show: letters, digits and a few harmless marks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Described {
    /// The browser, app or program, as people call it.
    pub browser: Option<Cow<'static, str>>,
    /// Its version, without digits that are frozen.
    pub browser_version: Option<Box<str>>,
    /// The operating system.
    pub os: Option<Cow<'static, str>>,
    /// Its version, when it is not frozen: `11` is Windows 11.
    pub os_version: Option<Box<str>>,
    /// The device, by a name that people know.
    pub model: Option<Cow<'static, str>>,
    /// The kind of device; [`DeviceKind::App`] is an app on a device that it does not tell.
    pub kind: DeviceKind,
}

impl Described {
    /// Returns the name to show, in at most 80 characters, without control, bidirectional or markup characters.
    pub fn name(&self) -> String {
        let mut name = String::with_capacity(32);
        let has_version = self.os.as_deref() == Some("Windows");
        let version = self.os_version.as_deref().filter(|_| has_version);
        let place = self.model.as_deref().or(self.os.as_deref());
        let version = version.filter(|_| self.model.is_none());
        let is_built_in =
            matches!(self.kind, DeviceKind::Tv | DeviceKind::Console | DeviceKind::Headset | DeviceKind::Watch);
        match (self.browser.as_deref(), place) {
            (Some(browser), Some(_)) => {
                clean::push(&mut name, browser, BROWSER_CHARACTERS);
                name.push_str(" on ");
            }
            (Some(browser), None) => clean::push(&mut name, browser, BROWSER_CHARACTERS),
            (None, Some(_)) if is_built_in && self.model.is_some() => {}
            (None, Some(_)) => name.push_str("Unknown browser on "),
            (None, None) => name.push_str("Unknown device"),
        }
        clean::push(&mut name, place.unwrap_or_default(), NAME_CHARACTERS);
        if let Some(version) = version {
            name.push(' ');
            clean::push(&mut name, version, NAME_CHARACTERS);
        }
        name
    }
}

/// Describes a client by what its request said.
///
/// It never fails and takes time in proportion to the length of the input.
pub fn describe(user_agent: Option<&str>, hints: &ClientHints) -> Described {
    let facts = Facts::read(user_agent.unwrap_or_default());
    if let Some(bot) = bot(&facts) {
        return bot;
    }
    let said = read_hints(&facts, hints);
    let system = system(&facts, &said);
    let client = client(&facts, &said, system);
    let kind = kind(&facts, &said, system, client.as_ref());
    // The engine of a television's or console's own browser is not a browser that its owner has chosen.
    let is_built_in = matches!(kind, DeviceKind::Tv | DeviceKind::Console) && system != Some(System::SteamDeck);
    let client = client.filter(|client| !(is_built_in && client.rank == Rank::Engine));
    let model = model(&facts, &said, system, kind);
    Described {
        browser_version: client.as_ref().and_then(|client| clean::version(client.version)).map(Box::from),
        browser: client.map(|client| client.name),
        os: system.and_then(System::os).map(Cow::Borrowed),
        os_version: os_version(&facts, &said, system),
        model,
        kind,
    }
}

/// The client that is shown.
struct Client<'a> {
    rank: Rank,
    name: Cow<'static, str>,
    version: &'a str,
}

fn read_hints<'h>(facts: &Facts<'_>, hints: &'h ClientHints) -> Said<'h> {
    if !facts.is_chromium {
        return Said::default();
    }
    let said = Said::read(hints);
    match (facts.system, said.system) {
        (Some(system), Some(hint)) if !system.agrees_with(hint) => Said::default(),
        _ => said,
    }
}

fn bot(facts: &Facts<'_>) -> Option<Described> {
    // A page about oneself in a comment is how crawlers introduce themselves. Libraries do it too, browsers never do.
    let is_crawler = match facts.claim {
        Some(claim) => facts.has_crawler_url && claim.rank >= Rank::Engine,
        None => facts.has_url,
    };
    let stated = facts.leading.or(facts.unknown);
    let (name, version) = match (facts.claim, facts.bot) {
        (Some(claim), _) if claim.rank == Rank::Bot => (Cow::Borrowed(claim.name), claim.version),
        (_, Some(bot)) => {
            let is_bare = bot.name.contains(' ') || bot.name.len() <= "crawler".len() && stated.is_some();
            let product = stated.filter(|_| is_bare).unwrap_or(bot);
            (Cow::Owned(clean::product_name(product.name).unwrap_or_else(|| shown(bot.name))), product.version)
        }
        _ if is_crawler => match stated.and_then(|product| clean::product_name(product.name)) {
            Some(name) => (Cow::Owned(name), stated.map_or("", |product| product.version)),
            None => (Cow::Borrowed("Bot"), ""),
        },
        _ => return None,
    };
    Some(Described {
        browser: Some(name),
        browser_version: clean::version(version).map(Box::from),
        os: None,
        os_version: None,
        model: None,
        kind: DeviceKind::Bot,
    })
}

fn system(facts: &Facts<'_>, said: &Said<'_>) -> Option<System> {
    let system = facts.system.max(said.system);
    let is_samsung = facts.claim.is_some_and(|claim| claim.name == "Samsung Internet");
    match system {
        Some(System::MacOs) if facts.is_ios_only => Some(System::Ipad),
        // Desktop pages on a Galaxy: the browser exists on Android, and says Linux.
        Some(System::Linux) if is_samsung && !facts.is_television => Some(System::Android),
        None if facts.has_apple_stack && (facts.has_architecture || facts.has_safari) => Some(System::MacOs),
        None if facts.has_apple_stack => Some(System::Iphone),
        None if facts.has_android_stack => Some(System::Android),
        system => system,
    }
}

/// Applies rules 4 and 5.
fn client<'a>(facts: &Facts<'a>, said: &Said<'a>, system: Option<System>) -> Option<Client<'a>> {
    let claim = own_claim(facts, system);
    let claim = match said.brand {
        Some((rank, name, version)) if is_better(rank, name, claim) => Some(Claim { rank, name, version }),
        _ => claim,
    };
    // Opera marks its gaming edition in a comment, and only Opera Mini uses the web view of Android.
    let claim = claim.map(|claim| match claim.name {
        "Opera" if facts.has_gx => Claim { name: "Opera GX", ..claim },
        "Opera" if facts.is_chromium && facts.version.is_some() => Claim { name: "Opera Mini", ..claim },
        _ => claim,
    });
    own_name(facts, claim).or_else(|| {
        claim.map(|claim| Client { rank: claim.rank, name: Cow::Borrowed(claim.name), version: claim.version })
    })
}

/// Says whether a brand replaces what the User-Agent claims: with a greater rank, or with a word for the same engine.
fn is_better(rank: Rank, name: &str, claim: Option<Claim<'_>>) -> bool {
    claim.is_none_or(|claim| claim.rank < rank || claim.rank == rank && (rank == Rank::Engine || claim.name == name))
}

/// The client that the User-Agent names, or the one that its engine and system imply.
fn own_claim<'a>(facts: &Facts<'a>, system: Option<System>) -> Option<Claim<'a>> {
    let claim = facts.claim;
    if claim.is_some_and(|claim| claim.rank >= Rank::Base) {
        return claim;
    }
    let is_apple = system.is_some_and(|system| system.is_apple_touch() || system == System::MacOs);
    let is_android_view = system == Some(System::Android) && facts.is_chromium && facts.version.is_some();
    let is_apple_view = is_apple && facts.has_webkit && !facts.has_safari && claim.is_none();
    // What runs on a phone and does not call itself Mozilla is no browser.
    let is_native = system.is_some_and(|system| system.is_apple_touch() || system == System::Android);
    let is_native = is_native && !facts.is_mozilla && claim.is_none();
    let is_view = is_native || facts.has_web_view || is_android_view || is_apple_view || facts.has_electron;
    if is_view {
        return Some(Claim { rank: Rank::WebView, name: "App", version: "" });
    }
    if claim.is_some() || !facts.has_safari {
        return claim;
    }
    let name = match system {
        Some(System::Android) => "Android Browser",
        Some(System::MacOs | System::Windows | System::VisionOs) => "Safari",
        Some(system) if system.is_apple_touch() => "Safari",
        // Several browsers on WebKit copy Safari here and do not say which they are.
        _ => return None,
    };
    Some(Claim { rank: Rank::Engine, name, version: facts.version.unwrap_or_default() })
}

/// The name of an app that the tables do not know.
fn own_name<'a>(facts: &Facts<'a>, claim: Option<Claim<'a>>) -> Option<Client<'a>> {
    let rank = claim.map(|claim| claim.rank);
    let product: Product<'a> = if facts.is_mozilla {
        facts.unknown.filter(|_| rank == Some(Rank::WebView))?
    } else {
        // Something must vouch for the name: a library behind it, or a system.
        let is_backed = rank.is_some() || facts.system.is_some() || facts.has_apple_stack;
        let is_known = rank.is_some_and(|rank| rank > Rank::WebView || rank == Rank::Engine || rank == Rank::Base);
        facts.leading.filter(|_| is_backed && !is_known)?
    };
    let is_plausible = product.version.starts_with(|c: char| c.is_ascii_digit() || c == 'v');
    let name = clean::product_name(product.name).filter(|_| is_plausible)?;
    Some(Client { rank: Rank::App, name: Cow::Owned(name), version: product.version })
}

fn kind(facts: &Facts<'_>, said: &Said<'_>, system: Option<System>, client: Option<&Client<'_>>) -> DeviceKind {
    let name = client.map(|client| client.name.as_ref());
    let rank = client.map(|client| client.rank);
    let is_program = facts.claim.is_some_and(|claim| claim.rank <= Rank::Library && claim.name != "App");
    if matches!(name, Some("Headless Chrome" | "Headless Edge" | "PhantomJS" | "Playwright" | "Puppeteer")) {
        return DeviceKind::Bot;
    }
    let is_tool = name == Some("PowerShell") || name == Some("Insomnia") && !facts.is_mozilla;
    if is_program && !facts.is_mozilla || is_tool {
        return DeviceKind::Cli;
    }
    let is_computer = matches!(system, None | Some(System::Linux | System::Tizen | System::Android | System::Windows));
    if facts.is_television && is_computer {
        return DeviceKind::Tv;
    }
    if facts.is_headset && is_computer {
        return DeviceKind::Headset;
    }
    let model = said.model.as_deref().or(facts.model);
    if system == Some(System::Android) && model.is_some_and(|model| model.contains("Watch")) {
        return DeviceKind::Watch;
    }
    let Some(system) = system else {
        return said.kind.unwrap_or(match rank {
            Some(Rank::Runtime | Rank::WebView | Rank::App) => DeviceKind::App,
            _ if facts.is_tablet => DeviceKind::Tablet,
            _ if facts.is_phone => DeviceKind::Mobile,
            _ => DeviceKind::Unknown,
        });
    };
    // A network stack alone says nothing about the device it runs on.
    let is_stack = facts.system.is_none() && !facts.is_ios_only && !facts.is_mozilla;
    let has_engine = facts.has_webkit || facts.has_gecko;
    let is_native = !has_engine && system == System::Android && !facts.is_phone && !facts.is_tablet;
    if is_stack || is_native && client.is_some() {
        return DeviceKind::App;
    }
    match system {
        System::Android | System::HarmonyOs => said.kind.unwrap_or_else(|| {
            let is_phone = facts.is_phone || said.is_phone;
            if facts.is_computer {
                DeviceKind::Desktop
            } else if facts.is_tablet || has_engine && !is_phone {
                DeviceKind::Tablet
            } else {
                DeviceKind::Mobile
            }
        }),
        System::Tizen if facts.is_phone => DeviceKind::Mobile,
        System::Windows | System::Linux | System::ChromeOs => said.kind.unwrap_or(system.kind()),
        system => system.kind(),
    }
}

/// Applies rule 6.
fn model(facts: &Facts<'_>, said: &Said<'_>, system: Option<System>, kind: DeviceKind) -> Option<Cow<'static, str>> {
    if kind == DeviceKind::Tv && system.is_none_or(|system| system.model().is_none()) {
        let maker = match system {
            Some(System::Tizen) => "Samsung TV",
            Some(System::WebOs) => "LG TV",
            Some(System::Vidaa) => "Hisense TV",
            Some(System::Android) => facts.maker.unwrap_or("Android TV"),
            _ => facts.maker.unwrap_or("Smart TV"),
        };
        return Some(Cow::Borrowed(maker));
    }
    let may_have_model =
        matches!(system, None | Some(System::Android | System::Quest | System::Pico | System::HarmonyOs));
    let model = said.model.as_deref().filter(|model| models::is_marketing_name(model));
    let model = model.or(facts.model.filter(|model| models::is_marketing_name(model)));
    if let Some(model) = model.filter(|_| may_have_model) {
        return Some(Cow::Owned(shown(model)));
    }
    let known = match system? {
        System::PlayStation | System::Nintendo => facts.maker,
        _ => None,
    };
    known.or(system?.model()).map(Cow::Borrowed)
}

/// Applies rule 7.
fn os_version(facts: &Facts<'_>, said: &Said<'_>, system: Option<System>) -> Option<Box<str>> {
    let system = system?;
    if let Some(version) = &said.system_version {
        let version = match system {
            System::Windows => return platforms::windows_from_hint(version).map(Box::from),
            System::Linux => None,
            _ => number(version),
        };
        // An empty or a zero version is a browser that would rather not say.
        return version.filter(|version| version != "0").map(Box::from);
    }
    if system == System::Windows {
        let version = facts.system_version.split([' ', ';']).next().unwrap_or_default();
        return platforms::windows_from_nt(version).map(Box::from);
    }
    let version = number(facts.system_version)?;
    let is_frozen = match system {
        System::MacOs => version == "10.15" || version.starts_with("10.15."),
        System::Android => version == "10" && facts.model.is_none(),
        System::Iphone | System::Ipad => {
            let is_told = facts.version.is_some_and(|safari| safari.starts_with("18."));
            (version.starts_with("18.6") || version.starts_with("18.7")) && !is_told
        }
        System::Linux | System::ChromeOs | System::Quest | System::Chromecast | System::Roku => true,
        _ => false,
    };
    (!is_frozen).then(|| version.into())
}

fn shown(text: &str) -> String {
    let mut out = String::new();
    clean::push(&mut out, text, BROWSER_CHARACTERS);
    out
}

const NAME_CHARACTERS: usize = 80;
const BROWSER_CHARACTERS: usize = 36;

#[cfg(test)]
mod tests;
