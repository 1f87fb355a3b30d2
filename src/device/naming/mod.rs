//! Device names that a person recognises, from the User-Agent and the Client Hints.
//!
//! Everything here is what the client says about itself, for people to read, and is no proof. The raw strings are kept
//! beside the name, so a better table renames old rows.
//!
//! [`describe`] follows these rules:
//!
//! 1. Hints count only when the User-Agent has `Chrome/` in it, and only when their platform agrees with the
//!    User-Agent's. Otherwise one of the two headers has been replaced, and only the User-Agent counts.
//! 2. A bot is a bot, by its own name. The device it imitates is not shown. Agents that act for a person are bots,
//!    and so is what introduces itself by an address and tells no system. A phone may have "bot" in its model.
//! 3. Of several systems the most specific is meant: Android over Linux, Xbox over Windows. `CriOS` and its like
//!    on a "Macintosh", and a `Mobile/` build there, are an iPad.
//! 4. Of all products and brands that the tables know, the most specific wins: an app over a browser, a browser
//!    over the engine it is built on. The order of brands does not matter. An unknown brand goes by its own name, and
//!    GREASE, which is made to be unknown, is dropped however it is spelled. What a client is *like* it is not.
//! 5. An app that the tables do not know goes by its own name where it has one: on Electron, in a web view, behind
//!    Chrome or Safari, or in front with a version. Otherwise it is an *App*. Engines and libraries are no names, and
//!    neither is a word without a version.
//! 6. A model is given when it is a name people know (*Pixel 8 Pro*), never as a code (*SM-S928B*); from the
//!    hints, or from an Android User-Agent that still has it. A code whose beginning tells the maker gives
//!    *Samsung phone*, unless a browser or an app that stands for itself has sent it in its User-Agent.
//! 7. Numbers that browsers have frozen are never given: Windows 10 from `NT 10.0`, macOS 10.15, Android 10 on
//!    a `K`, iOS 18.6 and 18.7 without a third number below a later Safari. Windows 11 comes from the hints only.
//! 8. What is not said is unknown.
//!
//! # Forms of a name
//!
//! | known | name |
//! |---|---|
//! | client and device | *Safari on iPhone*, *Chrome on Pixel 8 Pro*, *Edge on Xbox* |
//! | client and maker | *Chrome on Samsung phone*, *Edge on Lenovo tablet* |
//! | client and system | *Chrome on Windows*, *Firefox on Linux*; *Chrome on Windows 11* where hints prove it |
//! | an app that does not name itself | *App on iPhone* |
//! | client only | *curl*, *Googlebot*, *Firefox* |
//! | a television, console, car or speaker with its built-in browser | *Samsung TV*, *PlayStation 5*, *Nest Hub* |
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

mod addresses;
mod apps;
mod browsers;
mod clean;
mod client;
mod clients;
mod codes;
mod facts;
mod hints;
mod kind;
mod machines;
mod makers;
mod models;
mod platforms;
mod rank;
mod system;
mod televisions;
mod tokens;
mod tools;
#[cfg(feature = "ua-parser")]
mod ua_parser;
mod unknown;
mod words;

use std::borrow::Cow;

pub use self::hints::ClientHints;
#[cfg(feature = "ua-parser")]
pub use self::ua_parser::{InvalidRules, UaParser};
use self::{
    client::client,
    facts::Facts,
    kind::kind,
    makers::Make,
    platforms::System,
    rank::Rank,
    system::{os_version, read_hints, system},
};
use crate::device::DeviceKind;

/// What a client said about itself.
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
        let is_built_in = matches!(
            self.kind,
            DeviceKind::Tv
                | DeviceKind::Console
                | DeviceKind::Headset
                | DeviceKind::Watch
                | DeviceKind::Car
                | DeviceKind::Speaker
        );
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
/// It never fails, and takes time linear in the length of the input.
pub fn describe(user_agent: Option<&str>, hints: &ClientHints) -> Described {
    let user_agent = user_agent.unwrap_or_default();
    let facts = Facts::read(user_agent);
    if let Some(machine) = machines::describe(&facts) {
        return machine;
    }
    let said = read_hints(&facts, hints);
    let system = system(&facts, &said);
    let client = client(&facts, &said, system);
    let make = Make::of(said.model.as_deref().or(facts.model).unwrap_or_default(), facts.is_phone);
    let kind = kind(&facts, &said, make, system, client.as_ref());
    let rank = client.as_ref().map(|client| client.rank);
    let model = models::device(user_agent, &facts, &said, make, system, (kind, rank));
    // The engine of a device's own browser is not a browser that its owner has chosen.
    let is_own = match kind {
        DeviceKind::Tv => rank == Some(Rank::Engine) || rank == Some(Rank::Base) && facts.is_television,
        DeviceKind::Console => rank == Some(Rank::Engine) && system != Some(System::SteamDeck),
        DeviceKind::Car | DeviceKind::Speaker => rank == Some(Rank::Engine) && model.is_some(),
        _ => false,
    };
    let is_own = is_own && (kind == DeviceKind::Tv || system != Some(System::Android));
    let client = client.filter(|_| !is_own);
    Described {
        browser_version: client.as_ref().and_then(|client| clean::version(client.version)).map(Box::from),
        browser: client.map(|client| client.name),
        os: system.and_then(System::os).map(Cow::Borrowed),
        os_version: os_version(&facts, &said, system),
        model,
        kind,
    }
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
