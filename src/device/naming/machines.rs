//! How machines are told from people by what they call themselves.

use std::borrow::Cow;

use super::{
    Described, clean,
    facts::{Facts, Product},
    platforms::System,
    rank::Rank,
    shown,
};
use crate::device::DeviceKind;

/// Applies rule 2: describes a machine, or says that it is none.
pub(super) fn describe(facts: &Facts<'_>) -> Option<Described> {
    let stated = facts.leading.or(facts.unknown);
    let (name, version) = match (facts.claim, facts.bot) {
        (Some(claim), _) if claim.rank == Rank::Bot => (Cow::Borrowed(claim.name), claim.version),
        (_, Some(bot)) => {
            let is_bare = bot.name.contains(' ') || bot.name.len() <= "crawler".len() && stated.is_some();
            let product = stated.filter(|_| is_bare).unwrap_or(bot);
            (Cow::Owned(clean::product_name(product.name).unwrap_or_else(|| shown(bot.name))), product.version)
        }
        _ => {
            let product = worker(facts).or_else(|| is_introduced(facts).then_some(stated))?;
            let name = product.and_then(|product| clean::product_name(product.name));
            match name {
                Some(name) => (Cow::Owned(name), product.map_or("", |product| product.version)),
                None => (Cow::Borrowed("Bot"), ""),
            }
        }
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

/// What is called after its work, where no person's device is told.
fn worker<'a>(facts: &Facts<'a>) -> Option<Option<Product<'a>>> {
    let is_computer = matches!(facts.system, None | Some(System::Linux | System::Windows | System::MacOs));
    let is_app = facts.has_apple_stack || facts.has_android_stack || facts.has_electron || facts.has_web_view;
    let is_program = facts.claim.is_some_and(|claim| claim.rank <= Rank::Library);
    let is_known = facts.claim.is_some_and(|claim| claim.rank > Rank::WebView);
    facts.worker.filter(|_| is_computer && !is_app && !is_program && !is_known).map(Some)
}

/// Says whether a machine introduces itself by an address, or by a name that is compatible with nothing.
///
/// Libraries have addresses too, and so have apps, which tell their system; browsers never do.
fn is_introduced(facts: &Facts<'_>) -> bool {
    let rank = facts.claim.map(|claim| claim.rank);
    if facts.is_compatible && facts.is_mozilla && facts.system.is_none() && !facts.is_computer && rank.is_none() {
        return true;
    }
    if facts.is_mozilla {
        let is_browser = rank.is_none_or(|rank| rank == Rank::Engine || rank == Rank::Base);
        return facts.has_address && is_browser
            || facts.has_crawler_address && rank.is_some_and(|rank| rank >= Rank::Engine);
    }
    // A server runs Linux, too.
    let is_app = facts.system.is_some_and(|system| system != System::Linux || !facts.has_crawler_address);
    facts.has_address && !is_app && rank.is_none_or(|rank| rank >= Rank::Engine)
}

/// Reads the name of a bot from the way bots are named: the word up to "bot", "crawler" or "spider".
///
/// The word must end there, so that neither "Robotics" nor "bottle" is a bot; nor is a phone by Cubot.
pub(super) fn bot(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let suffix = match byte | 0x20 {
            b'b' => "bot",
            b'c' => "crawler",
            b's' => "spider",
            _ => continue,
        };
        let end = at + suffix.len();
        let found = bytes.get(at..end).is_some_and(|word| word.eq_ignore_ascii_case(suffix.as_bytes()));
        if !found || bytes.get(end).is_some_and(u8::is_ascii_alphabetic) {
            continue;
        }
        let is_cubot =
            at.checked_sub(2).and_then(|start| bytes.get(start..at)).is_some_and(|b| b.eq_ignore_ascii_case(b"cu"));
        if !is_cubot {
            return text.get(..end);
        }
    }
    None
}

/// Reads the name of an agent that acts for a person, or of one of Google's machines.
///
/// Agents are `Claude-User` or `Agent-NovaAct`; Google puts its name before or behind a hyphen.
pub(super) fn agent(product: &str) -> Option<&str> {
    if let Some(name) = product.strip_prefix("Agent-") {
        return (!name.is_empty()).then_some(name);
    }
    let is_google =
        product.starts_with("Google-") || product.starts_with("GoogleAgent") || product.ends_with("-Google");
    (is_google || product.ends_with("-User")).then_some(product)
}

/// Says whether a product is named after a machine's work, as in "LinkChecker".
///
/// Apps are named like that too: it counts only where no device of a person is told.
pub(super) fn is_worker(product: &str) -> bool {
    let product = product.as_bytes();
    WORK.iter().any(|word| {
        let start = product.len().checked_sub(word.len());
        start.and_then(|start| product.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(word.as_bytes()))
    })
}

const WORK: &[&str] = &[
    "agent",
    "analyzer",
    "archiver",
    "audit",
    "auditor",
    "checker",
    "collector",
    "crawl",
    "detector",
    "diagnostics",
    "discovery",
    "extractor",
    "favicon",
    "favicons",
    "fetch",
    "fetcher",
    "finder",
    "grabber",
    "grader",
    "healthcheck",
    "indexer",
    "inspector",
    "linkcheck",
    "linkpreview",
    "lookup",
    "monitor",
    "monitoring",
    "observatory",
    "optimizer",
    "parser",
    "pinger",
    "preview",
    "probe",
    "prober",
    "proxy",
    "radar",
    "recon",
    "research",
    "resolver",
    "retriever",
    "robots",
    "scan",
    "scanner",
    "scraper",
    "scraping",
    "searcher",
    "subscribers",
    "survey",
    "synthetic",
    "synthetics",
    "validator",
    "verifier",
    "watcher",
];

#[cfg(test)]
mod tests {
    use super::{super::addresses::is_address, agent, bot, is_worker};

    #[test]
    fn bots_are_told_by_their_shape() {
        for (text, expected) in [
            ("Googlebot", Some("Googlebot")),
            ("Googlebot-Image", Some("Googlebot")),
            ("bingbot/2.0", Some("bingbot")),
            ("Baiduspider-render", Some("Baiduspider")),
            ("SomeCrawler/1", Some("SomeCrawler")),
            ("Robotics", None),
            ("CUBOT X50", None),
            ("bottle", None),
            ("bo", None),
            ("", None),
        ] {
            assert_eq!(bot(text), expected, "{text}");
        }
    }

    #[test]
    fn agents_say_for_whom_they_act() {
        for (product, expected) in [
            ("Claude-User", Some("Claude-User")),
            ("Agent-NovaAct", Some("NovaAct")),
            ("Google-Read-Aloud", Some("Google-Read-Aloud")),
            ("Mediapartners-Google", Some("Mediapartners-Google")),
            ("GoogleAgent-Mariner", Some("GoogleAgent-Mariner")),
            ("GoogleApp", None),
            ("Agent-", None),
            ("Users", None),
        ] {
            assert_eq!(agent(product), expected, "{product}");
        }
    }

    #[test]
    fn work_is_at_the_end_of_a_name() {
        for product in ["SecurityScanner", "domain-Checker", "FAVICONS", "subscribers"] {
            assert!(is_worker(product), "{product}");
        }
        for product in ["ScannerPro", "Chrome", "", "Scan2"] {
            assert!(!is_worker(product), "{product}");
        }
    }

    #[test]
    fn addresses_are_of_pages_and_mailboxes() {
        for word in ["+https://acme.example", "http://a", "www.acme.example", "mailto:a", "+ops@acme.example"] {
            assert!(is_address(word), "{word}");
        }
        for word in ["@", "user@host", "https", "Chrome", "wwwatch", ""] {
            assert!(!is_address(word), "{word}");
        }
    }
}
