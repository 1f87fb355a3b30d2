//! Which system is meant, and which of its versions is true.

use super::{
    facts::{Facts, number},
    hints::{ClientHints, Said},
    platforms::{self, System},
};

/// Applies rule 1.
pub(super) fn read_hints<'h>(facts: &Facts<'_>, hints: &'h ClientHints) -> Said<'h> {
    if !facts.is_chromium {
        return Said::default();
    }
    let said = Said::read(hints);
    match (facts.system, said.system) {
        (Some(system), Some(hint)) if !system.agrees_with(hint) => Said::default(),
        _ => said,
    }
}

/// Applies rule 3.
pub(super) fn system(facts: &Facts<'_>, said: &Said<'_>) -> Option<System> {
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

/// Applies rule 7.
pub(super) fn os_version(facts: &Facts<'_>, said: &Said<'_>, system: Option<System>) -> Option<Box<str>> {
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
        // Safari has stopped at these two; Chrome writes the true version, which has a third place.
        System::Iphone | System::Ipad => {
            let is_told = facts.version.is_some_and(|safari| safari.starts_with("18."));
            matches!(version.as_str(), "18.6" | "18.7") && !is_told
        }
        System::Linux | System::ChromeOs | System::Quest | System::Chromecast | System::Fuchsia | System::Roku => true,
        _ => false,
    };
    (!is_frozen).then(|| version.into())
}
