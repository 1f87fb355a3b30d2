//! Which kind of device a client runs on.

use super::{client::Client, facts::Facts, hints::Said, makers::Make, platforms::System, rank::Rank};
use crate::device::DeviceKind;

/// Tells the kind from the program, the hints, the model and the words of the User-Agent, in this order.
pub(super) fn kind(
    facts: &Facts<'_>,
    said: &Said<'_>,
    make: Make,
    system: Option<System>,
    client: Option<&Client<'_>>,
) -> DeviceKind {
    if let Some(kind) = program(facts, client) {
        return kind;
    }
    let runs_on_all = matches!(
        system,
        None | Some(System::Linux | System::FreeBsd | System::Tizen | System::Android | System::Windows)
    );
    if facts.is_television && runs_on_all && make.kind != Some(DeviceKind::Watch) {
        return DeviceKind::Tv;
    }
    if facts.is_headset && runs_on_all {
        return DeviceKind::Headset;
    }
    let Some(system) = system else {
        return said.kind.or(make.kind).unwrap_or_else(|| without_system(facts, client));
    };
    let on_android = matches!(system, System::Android | System::HarmonyOs | System::Tizen);
    if on_android && let Some(kind) = said.kind.or(make.kind) {
        return kind;
    }
    // A network stack tells nothing about the device it runs on.
    let is_stack = facts.system.is_none() && !facts.is_ios_only && !facts.is_mozilla;
    let has_engine = facts.has_webkit || facts.has_gecko;
    let is_native = !has_engine && system == System::Android && !facts.is_phone && !facts.is_tablet;
    // Nor does an app that introduces itself by its home page tell which computer it is on.
    let is_visitor = facts.has_address && !facts.is_mozilla && system.kind() == DeviceKind::Desktop;
    if is_stack || is_visitor || is_native && client.is_some() {
        return DeviceKind::App;
    }
    match system {
        _ if facts.is_watch => DeviceKind::Watch,
        System::Android | System::HarmonyOs => {
            let is_phone = facts.is_phone || said.is_phone;
            if facts.is_computer {
                DeviceKind::Desktop
            } else if facts.is_tablet || has_engine && !is_phone {
                DeviceKind::Tablet
            } else {
                DeviceKind::Mobile
            }
        }
        System::Tizen | System::WebOs if facts.is_phone => DeviceKind::Mobile,
        System::Windows | System::Linux if facts.is_phone && said.kind.is_none() => DeviceKind::Mobile,
        System::Linux if facts.is_tablet => DeviceKind::Tablet,
        System::Windows | System::Linux | System::ChromeOs => said.kind.unwrap_or(system.kind()),
        system => system.kind(),
    }
}

/// A program without a person in front of it is of no device's kind.
fn program(facts: &Facts<'_>, client: Option<&Client<'_>>) -> Option<DeviceKind> {
    let name = client.map(|client| client.name.as_ref());
    if matches!(name, Some("Headless Chrome" | "Headless Edge" | "PhantomJS" | "Playwright" | "Puppeteer")) {
        return Some(DeviceKind::Bot);
    }
    let is_library = facts.claim.is_some_and(|claim| claim.rank <= Rank::Library && claim.name != "App");
    let is_tool = name == Some("PowerShell") || name == Some("Insomnia") && !facts.is_mozilla;
    let is_named_cli = facts.leading.is_some_and(|product| product.name.split(['-', '_']).any(|word| word == "cli"));
    (is_library && !facts.is_mozilla || is_tool || is_named_cli).then_some(DeviceKind::Cli)
}

fn without_system(facts: &Facts<'_>, client: Option<&Client<'_>>) -> DeviceKind {
    match client.map(|client| client.rank) {
        _ if facts.is_watch => DeviceKind::Watch,
        _ if facts.is_tablet => DeviceKind::Tablet,
        _ if facts.is_phone => DeviceKind::Mobile,
        Some(Rank::Runtime | Rank::WebView | Rank::App) => DeviceKind::App,
        _ => DeviceKind::Unknown,
    }
}
