//! What the page looks like, in each of its states.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::Value;
use tower_device_sessions::{ClientInfo, location::Location, manager::Revocation, store::Fault};

use super::{
    chromium::{Browser, Chromium, Tab},
    site::Site,
};
use crate::{
    example::my_devices::Server,
    support::{CHROME, IPHONE},
};

/// Brings a tab to each state of the page and of the sign-in form, one after another, and lets `look` see it.
fn in_each_state(mut look: impl FnMut(&mut Tab, &str)) {
    let Some(chromium) = Chromium::shared() else { return };
    let site = Site::new();
    let tab = &mut chromium.tab(Browser::ChromeOnWindows);
    let home = format!("{}/", site.address);
    let first = site.enter(tab);
    tab.open(&home);
    look(tab, "empty");
    site.rename(&first, "Office computer");
    site.furnish();
    let started = site.enter(tab);
    tab.open(&home);
    look(tab, "devices");
    tab.click(".tds-current .tds-rename summary");
    look(tab, "renaming");
    tab.open(&format!("{home}?done=signed-out"));
    look(tab, "notice");
    tab.open(&format!("{home}sign-out-others"));
    look(tab, "question");
    for number in 0..60 {
        site.kit.clock.advance(Duration::from_secs(1));
        let other = site.sign_in(ClientInfo::new().user_agent(if number % 2 == 0 { CHROME } else { IPHONE }));
        site.rename(&other, &"W".repeat(80));
    }
    site.rename(&started, &"long name ".repeat(8));
    tab.open(&home);
    look(tab, "many");
    site.kit.store.fail_all(Fault::FailBefore);
    tab.open(&home);
    look(tab, "error");
    site.kit.clock.advance(Duration::from_secs(3_600));
    tab.open(&home);
    assert!(tab.text().contains("cannot be shown at the moment"), "{}", tab.text());
    look(tab, "outage");

    let server = Server::start(&[("OTP", "on")]);
    let form = format!("http://{}/sign-in", server.address);
    tab.open(&form);
    look(tab, "sign-in");
    tab.open(&format!("{form}?why=revoked_by_user"));
    look(tab, "sign-in-again");
    tab.fill("#email", "demo@example.com");
    tab.fill("#password", "wrong");
    tab.follow("form button");
    look(tab, "sign-in-wrong");
    tab.fill("#password", "correct horse battery staple");
    tab.follow("form button");
    look(tab, "sign-in-code");
}

/// axe-core, where the preparation of the tests has put it; with `REQUIRE_BROWSER` it has to be there.
fn axe() -> Option<String> {
    let target =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().map(|target| target.join("axe/package/axe.min.js"));
    let path = std::env::var_os("AXE_CORE").map(PathBuf::from).or(target)?;
    let source = fs::read_to_string(&path).ok();
    if source.is_none() {
        let missing = path.display();
        assert!(std::env::var_os("REQUIRE_BROWSER").is_none(), "there is no {missing}, and REQUIRE_BROWSER is set");
        println!("skipped: accessibility is not tested without axe-core in {missing}");
    }
    source
}

#[test]
fn axe_finds_no_violation_in_light_and_in_dark() {
    let Some(axe) = axe() else { return };
    let mut looked = 0;
    in_each_state(|tab, state| {
        tab.evaluate(&format!("{axe}; 0"));
        for scheme in ["light", "dark"] {
            tab.scheme(scheme);
            let violations = tab.evaluate(
                "(async () => { await Promise.all(document.getAnimations().map(it => it.finished)); \
                 return (await axe.run()).violations.map(it => \
                 it.id + ': ' + it.nodes.map(node => node.html + ' ' + node.failureSummary).join('; ')) })()",
            );
            assert_eq!(violations, Value::Array(Vec::new()), "{state}, {scheme}");
            looked += 1;
        }
    });
    assert!(looked == 24 || looked == 0, "{looked}");
}

#[test]
fn nothing_is_wider_than_the_narrowest_phone() {
    in_each_state(|tab, state| {
        for width in [360, 320, 1_280] {
            tab.size(width, 740);
            let excess = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
            assert_eq!(excess, 0, "{state}, {width} pixels");
        }
    });
}

/// While a name is typed, the way back stands beside the label, also in a longer language and from right to left.
#[test]
fn the_way_back_covers_no_label() {
    let Some(chromium) = Chromium::shared() else { return };
    let site = Site::new();
    let tab = &mut chromium.tab(Browser::ChromeOnWindows);
    drop(site.enter(tab));
    for width in [320, 375, 1_000] {
        for (direction, back, label) in [
            ("ltr", "Cancel", "Name of the device"),
            ("ltr", "Abbrechen", "Bezeichnung des Ger\u{e4}ts"),
            ("rtl", "Cancel", "Name of the device"),
        ] {
            tab.size(width, 700);
            tab.open(&format!("{}/", site.address));
            tab.click(".tds-rename summary");
            let covered = tab.evaluate(&format!(
                "(() => {{ document.documentElement.dir = '{direction}'; \
                 const open = document.querySelector('[open]'), label = open.querySelector('label'); \
                 open.querySelector('.tds-opened').textContent = '{back}'; label.textContent = '{label}'; \
                 const back = open.querySelector('summary').getBoundingClientRect(), range = document.createRange(); \
                 range.selectNodeContents(label); \
                 return [...range.getClientRects()].some(line => line.right > back.left + 1 && line.left < back.right - 1 \
                 && line.bottom > back.top + 4 && line.top < back.bottom - 4) }})()"
            ));
            assert_eq!(covered, false, "{width} pixels, {direction}, {back}");
        }
    }
}

#[test]
fn nothing_violates_the_content_security_policy() {
    in_each_state(|tab, state| {
        assert_eq!(tab.complaints(), Vec::<String>::new(), "{state}");
        // The policy is in force: what is inline does not run.
        tab.evaluate(
            "(() => { const it = document.createElement('script'); it.textContent = 'window.ran = true'; \
             document.body.append(it); })()",
        );
        assert_eq!(tab.evaluate("window.ran"), Value::Null, "{state}");
        let complaints = tab.complaints();
        assert!(complaints.iter().any(|text| text.contains("Content Security Policy")), "{state}: {complaints:?}");
    });
}

#[test]
fn the_page_is_light_or_dark_as_the_visitor_prefers() {
    in_each_state(|tab, state| {
        let brightness = |tab: &Tab, property: &str| {
            let colour = tab.evaluate(&format!("getComputedStyle(document.body).{property}"));
            let digits = colour.as_str().expect("a colour").replace(|c: char| !c.is_ascii_digit(), " ");
            digits.split_whitespace().map(|part| part.parse::<u32>().expect("a number")).sum::<u32>() / 3
        };
        for (scheme, is_dark) in [("light", false), ("dark", true)] {
            tab.scheme(scheme);
            let (back, text) = (brightness(tab, "backgroundColor"), brightness(tab, "color"));
            assert_eq!(back < text, is_dark, "{state}, {scheme}: {text} on {back}");
        }
    });
}

/// What came from outside stays text, also in the eyes of a browser.
#[test]
fn markup_in_names_and_places_stays_text() {
    let Some(chromium) = Chromium::shared() else { return };
    let site = Site::new();
    let tab = &mut chromium.tab(Browser::ChromeOnWindows);
    drop(site.enter(tab));
    let evil = "\"'><img src=x onerror=alert(1)><script>alert(2)</script><a href=javascript:alert(3)>x</a>";
    let place = || Some(Location::new(Some(evil), Some(evil), Some(evil)));
    let client = || ClientInfo::new().user_agent(format!("{evil}/1.0")).location(place());
    let named = site.sign_in(client());
    site.rename(&named, "\"'><img src=x onerror=alert(1)><script>alert(2)</script>");
    drop(site.sign_in(client()));
    let ended = site.sign_in(client());
    site.revoke(&ended, Revocation::by_administrator(evil));
    tab.open(&format!("{}/", site.address));
    assert_eq!(tab.count("img, .tds-device script, [onerror], a[href^=javascript]"), 0);
    assert!(tab.text().contains("<script>alert(2)</script>"), "{}", tab.text());
    assert_eq!(tab.evaluate("[...document.querySelectorAll('input')].some(it => it.value.includes('<img'))"), true);
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

/// Writes what each state looks like into the folder `SCREENSHOTS`, for people to judge.
#[test]
fn each_state_is_drawn() {
    let folder = std::env::var_os("SCREENSHOTS").map(PathBuf::from);
    in_each_state(|tab, state| {
        for (scheme, width, device) in
            [("light", 900, "desktop"), ("dark", 900, "desktop"), ("light", 390, "phone"), ("dark", 390, "phone")]
        {
            tab.scheme(scheme);
            tab.size(width, 640);
            let image = tab.screenshot(if folder.is_some() { 2 } else { 1 });
            assert!(image.starts_with(b"\x89PNG") && image.len() > 1_000, "{state}");
            if let Some(folder) = &folder {
                fs::create_dir_all(folder).expect("a folder");
                fs::write(folder.join(format!("{state}-{scheme}-{device}.png")), image).expect("a file");
            }
        }
    });
}
