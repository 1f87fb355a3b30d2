//! Which client is shown, and by which name.

use std::borrow::Cow;

use super::{
    clean,
    facts::{Claim, Facts, Product},
    hints::Said,
    platforms::System,
    rank::Rank,
    unknown,
};

/// The client that is shown.
pub(super) struct Client<'a> {
    pub(super) rank: Rank,
    pub(super) name: Cow<'static, str>,
    pub(super) version: &'a str,
}

/// Applies rules 4 and 5.
pub(super) fn client<'a>(facts: &Facts<'a>, said: &Said<'a>, system: Option<System>) -> Option<Client<'a>> {
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
    own_brand(said, claim).or_else(|| own_name(facts, claim, system)).or_else(|| {
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

/// A brand that no table knows, on an engine that many are built on.
fn own_brand<'a>(said: &Said<'a>, claim: Option<Claim<'a>>) -> Option<Client<'a>> {
    let product = said.own_brand.filter(|_| claim.is_none_or(|claim| claim.rank < Rank::Browser))?;
    let name = unknown::browser(product.name).or_else(|| clean::product_name(product.name))?;
    Some(Client { rank: Rank::Browser, name: Cow::Owned(name), version: product.version })
}

/// The name of a client that the tables do not know.
fn own_name<'a>(facts: &Facts<'a>, claim: Option<Claim<'a>>, system: Option<System>) -> Option<Client<'a>> {
    let rank = claim.map(|claim| claim.rank);
    let is_common = rank.is_none_or(|rank| rank < Rank::Browser);
    if let Some(product) = facts.browser.filter(|_| is_common)
        && let Some(name) = unknown::browser(product.name).and_then(|name| clean::product_name(&name))
    {
        return Some(Client { rank: Rank::Browser, name: Cow::Owned(name), version: product.version });
    }
    let product: Product<'a> = if facts.is_mozilla {
        let is_copy = claim.is_some_and(|claim| matches!(claim.name, "Chrome" | "Safari" | "Android Browser"));
        facts.unknown.filter(|_| rank == Some(Rank::WebView) || is_copy && !facts.is_television)?
    } else {
        let is_known = rank.is_some_and(|rank| rank > Rank::WebView || rank == Rank::Engine || rank == Rank::Base);
        facts.leading.filter(|_| !is_known)?
    };
    // A word is a name when it has a version, or when a home page and a system stand behind it.
    let has_version = product.version.starts_with(|c: char| c.is_ascii_digit() || c == 'v');
    let is_introduced = facts.has_address && facts.system.is_some() && system.is_some();
    let name = unknown::browser(product.name).filter(|_| !facts.is_mozilla);
    let name = name.as_deref().unwrap_or(product.name);
    let name = clean::product_name(name).filter(|_| has_version || is_introduced)?;
    Some(Client { rank: Rank::App, name: Cow::Owned(name), version: product.version })
}
