//! The "My devices" page in a real browser, and what it looks like to people who see, hear or type.

mod chromium;
mod looks;
mod site;

use self::chromium::{Browser, Chromium, Tab};
use crate::example::my_devices::Server;

/// Signs in by the form.
fn sign_in(tab: &mut Tab, server: &Server) {
    tab.open(&format!("http://{}/", server.address));
    assert_eq!(tab.address(), "/sign-in");
    tab.fill("#email", "demo@example.com");
    tab.fill("#password", "correct horse battery staple");
    tab.follow("form button");
    assert_eq!(tab.address(), "/");
}

/// The selector of the one device whose name this is.
fn device(tab: &Tab, name: &str) -> String {
    let script = format!(
        "[...document.querySelectorAll('.tds-device[id]')].filter(item => \
         item.querySelector('.tds-name').textContent === {name:?}).map(item => item.id).join()"
    );
    let id = tab.evaluate(&script);
    let id = id.as_str().filter(|id| id.len() > 10 && !id.contains(','));
    format!("#{}", id.unwrap_or_else(|| panic!("{name} is not there once:\n{}", tab.text())))
}

const RENAME: &str = ".tds-rename summary";
const SIGN_OUT: &str = "form[action$='/sign-out'] button";

/// The story that the README begins with, in two browsers, with scripts and without.
#[test]
fn a_browser_that_another_signs_out_hears_so_at_its_next_click() {
    let Some(chromium) = Chromium::shared() else { return };
    for with_scripts in [true, false] {
        let server = Server::start(&[]);
        let mut laptop = chromium.tab(Browser::ChromeOnWindows);
        let mut phone = chromium.tab(Browser::SafariOnIphone);
        if !with_scripts {
            laptop.without_scripts();
            phone.without_scripts();
        }
        sign_in(&mut laptop, &server);
        sign_in(&mut phone, &server);
        assert!(phone.text().contains("Chrome on Windows"));

        laptop.open(&format!("http://{}/", server.address));
        let of_phone = device(&laptop, "Safari on iPhone");
        laptop.follow(&format!("{of_phone} {SIGN_OUT}"));
        assert!(laptop.text().contains("The device was signed out."));
        assert!(laptop.text().contains("You are not signed in anywhere else."));
        assert_eq!(laptop.address(), if with_scripts { "/" } else { "/?done=signed-out" });

        phone.follow("a[href='/sign-out-others']");
        assert_eq!(phone.address(), "/sign-in?why=revoked_by_user");
        assert!(phone.text().contains("You were signed out from another device."));
        assert_eq!(phone.cookies(), ["__Host-device"], "the dead cookie is gone");

        phone.fill("#email", "demo@example.com");
        phone.fill("#password", "correct horse battery staple");
        phone.follow("form button");
        assert!(phone.text().contains("Signed out from another device"), "it is told among those that ended");
        for mut tab in [laptop, phone] {
            assert_eq!(tab.complaints(), Vec::<String>::new());
        }
    }
}

/// All that can be done, with scripts and without.
#[test]
fn devices_are_renamed_and_signed_out_by_hand() {
    let Some(chromium) = Chromium::shared() else { return };
    for with_scripts in [true, false] {
        let server = Server::start(&[]);
        let [mut laptop, mut second, mut phone] =
            [Browser::ChromeOnWindows, Browser::ChromeOnWindows, Browser::SafariOnIphone].map(|kind| {
                let mut tab = chromium.tab(kind);
                if !with_scripts {
                    tab.without_scripts();
                }
                sign_in(&mut tab, &server);
                tab
            });
        laptop.open(&format!("http://{}/", server.address));
        let of_phone = device(&laptop, "Safari on iPhone");
        laptop.click(&format!("{of_phone} {RENAME}"));
        laptop.fill(&format!("{of_phone} input"), "Ann's <phone>");
        laptop.follow(&format!("{of_phone} form[action$='/rename'] button"));
        assert!(laptop.text().contains("The name was saved."));
        assert_eq!(device(&laptop, "Ann's <phone>"), of_phone);

        // The question can be declined.
        laptop.follow("a[href='/sign-out-others']");
        assert!(laptop.text().contains("You stay signed in here"));
        laptop.follow(".tds-choice a");
        assert_eq!(laptop.count(".tds-device[id]"), 3);
        laptop.follow("a[href='/sign-out-others']");
        laptop.follow(".tds-choice button");
        assert!(laptop.text().contains("All other devices were signed out."));
        assert_eq!(laptop.count(".tds-device[id]"), 1);
        for other in [&mut second, &mut phone] {
            other.open(&format!("http://{}/", server.address));
            assert!(other.text().contains("You were signed out from another device."));
        }

        laptop.follow(&format!(".tds-current {SIGN_OUT}"));
        assert_eq!(laptop.address(), "/sign-in?why=signed_out");
        assert!(laptop.text().contains("You are signed out."));
        assert_eq!(laptop.cookies(), ["__Host-device"]);
        for mut tab in [laptop, second, phone] {
            assert_eq!(tab.complaints(), Vec::<String>::new());
        }
    }
}

#[test]
fn a_wrong_password_and_the_second_factor_are_dealt_with_by_the_form() {
    let Some(chromium) = Chromium::shared() else { return };
    let server = Server::start(&[("OTP", "on")]);
    let mut tab = chromium.tab(Browser::ChromeOnWindows);
    tab.open(&format!("http://{}/", server.address));
    tab.fill("#email", "demo@example.com");
    tab.fill("#password", "wrong");
    tab.follow("form button");
    assert!(tab.text().contains("That is not the right email and password."));
    assert_eq!(tab.evaluate("document.querySelector('#email').value"), "demo@example.com");
    tab.fill("#password", "correct horse battery staple");
    tab.follow("form button");
    assert!(tab.text().contains("One more step"), "{}", tab.text());
    assert_eq!(tab.cookies(), ["__Host-device"], "the form has told the browser which device it is, and nothing else");
    let line = server.logged("one-time code for demo@example.com");
    let code = line.rsplit(' ').next().expect("a code");
    tab.fill("#code", if code == "000000" { "000001" } else { "000000" });
    tab.follow("form button");
    assert!(tab.text().contains("That is not the code"));
    tab.fill("#code", code);
    tab.follow("form button");
    assert!(tab.text().contains("This device") && tab.text().contains("Chrome on Windows"));
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

/// S57: where the policy asks for it, ending others takes the password, and then goes on.
#[test]
fn ending_others_takes_a_recent_password_where_the_policy_says_so() {
    let Some(chromium) = Chromium::shared() else { return };
    let server = Server::start(&[("PRESET", "hardened")]);
    let mut tab = chromium.tab(Browser::ChromeOnWindows);
    sign_in(&mut tab, &server);
    // Nothing can be waited for here: it is the address that leads to the form while one is signed in.
    tab.open(&format!("http://{}/sign-in?why=confirm", server.address));
    assert!(tab.text().contains("Please confirm that it is you."));
    tab.fill("#password", "correct horse battery staple");
    tab.follow("form button");
    assert_eq!((tab.address().as_str(), tab.count(".tds-device[id]")), ("/", 1), "no second session");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

/// Everything is reached by the keyboard, in the order of the page, and shows that it is.
#[test]
fn the_keyboard_reaches_everything_and_renames() {
    let Some(chromium) = Chromium::shared() else { return };
    let site = site::Site::new();
    site.furnish();
    let mut tab = chromium.tab(Browser::ChromeOnWindows);
    drop(site.enter(&tab));
    tab.open(&format!("{}/", site.address));
    let reachable = tab.count("summary, a[href], details[open] input, button:not(details:not([open]) button)");
    let mut seen = Vec::new();
    for _ in 0..reachable {
        tab.press("Tab");
        let focused = tab.evaluate(
            "(() => { const it = document.activeElement; const outline = getComputedStyle(it).outlineStyle; \
             return outline + ' ' + it.tagName + ' ' + it.innerText.replace(/\\s+/g, ' ').trim() })()",
        );
        seen.push(focused.as_str().unwrap_or_default().to_owned());
    }
    assert!(seen.iter().all(|focused| focused.starts_with("solid ")), "{seen:#?}");
    assert_eq!(seen[0], "solid SUMMARY Rename Chrome on Windows");
    assert!(seen.iter().any(|focused| focused == "solid A Sign out all other devices"), "{seen:#?}");
    assert_eq!(seen.last().map(String::as_str), Some("solid BUTTON Sign out Living room"), "{seen:#?}");

    tab.open(&format!("{}/", site.address));
    tab.press("Tab");
    tab.press("Enter");
    tab.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))");
    assert_eq!(tab.evaluate("document.activeElement.tagName"), "INPUT", "the field takes the focus");
    tab.press("Escape");
    assert_eq!(tab.evaluate("document.activeElement.tagName + document.querySelectorAll('[open]').length"), "SUMMARY0");
    tab.press("Enter");
    tab.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))");
    tab.write("Desk");
    tab.press_and_follow("Enter");
    assert_eq!(device(&tab, "Desk"), tab.evaluate("'#' + document.querySelector('.tds-current').id"));
}

/// Browsers keep what was left in memory, `no-store` or not. It is asked for again before anybody sees it.
#[test]
fn after_signing_out_back_shows_nothing_of_the_user() {
    let Some(chromium) = Chromium::shared() else { return };
    let server = Server::start(&[]);
    let mut tab = chromium.tab(Browser::ChromeOnWindows);
    sign_in(&mut tab, &server);
    tab.follow(&format!(".tds-current {SIGN_OUT}"));
    assert_eq!(tab.address(), "/sign-in?why=signed_out");
    // Whether the browser has kept the page depends on its version.
    let from_memory = tab.back();
    let shown = (tab.address(), tab.count(".tds-device"));
    assert_eq!(shown, ("/sign-in".to_owned(), 0), "from memory: {from_memory}: {}", tab.text());
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

/// Nor does the form come back with what was typed into it.
#[test]
fn after_signing_in_back_leads_to_no_password() {
    let Some(chromium) = Chromium::shared() else { return };
    let server = Server::start(&[]);
    let mut tab = chromium.tab(Browser::ChromeOnWindows);
    sign_in(&mut tab, &server);
    tab.back();
    assert_eq!((tab.address().as_str(), tab.count("[type=password]")), ("/", 0));
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn after_an_ending_from_elsewhere_back_shows_nothing_of_the_user() {
    let Some(chromium) = Chromium::shared() else { return };
    let site = site::Site::new();
    site.furnish();
    let mut tab = chromium.tab(Browser::ChromeOnWindows);
    let started = site.enter(&tab);
    tab.open(&format!("{}/", site.address));
    assert!(tab.count(".tds-device") > 1);
    tab.open(&format!("{}/assets/devices.css", site.address));
    site.revoke(&started, tower_device_sessions::manager::Revocation::by_administrator("eve"));
    tab.back();
    assert_eq!((tab.address().as_str(), tab.count(".tds-device")), ("/sign-in?why=revoked_by_admin", 0));
}

/// A proxy that adds `no-referrer` makes the origin of a form `null`, where the page has no policy of its own. Without
/// `Sec-Fetch-Site`, as over plain HTTP, nothing else tells where the form comes from.
#[test]
fn forms_tell_their_origin_whatever_policy_a_proxy_adds() {
    let Some(chromium) = Chromium::shared() else { return };
    let site = site::Site::behind_a_proxy_without_referrers();
    let mut tab = chromium.tab(Browser::ChromeOnWindows);
    drop(site.enter(&tab));
    tab.open(&format!("{}/", site.address));
    tab.click(RENAME);
    tab.fill(".tds-rename input", "Desk");
    tab.follow("form[action$='/rename'] button");
    assert!(tab.text().contains("The name was saved."), "{}", tab.text());
}

/// Two clicks send a form once: the second is let go.
#[test]
fn a_form_that_is_submitted_twice_is_sent_once() {
    let Some(chromium) = Chromium::shared() else { return };
    let server = Server::start(&[]);
    let mut tab = chromium.tab(Browser::ChromeOnWindows);
    tab.open(&format!("http://{}/", server.address));
    let sent = tab.evaluate(
        "(() => { const form = document.querySelector('form'); \
         const submit = () => form.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true })); \
         return [submit(), submit()] })()",
    );
    assert_eq!(sent, serde_json::json!([true, false]));
}
