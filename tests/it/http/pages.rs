//! The "My devices" page, as a browser without JavaScript gets it.

use std::{borrow::Cow, collections::HashSet, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, header},
};
use tower_device_sessions::{
    ClientInfo, DevicesPage, SessionLayer,
    credentials::{CookieOptions, Transport},
    device::DeviceName,
    location::Location,
    manager::{RefreshPolicy, Revocation},
    pages::PageTexts,
    session::EndReason,
    store::Fault,
};

use crate::support::{Answer, CHROME, IPHONE, Kit, TestResult, get_with, request, send};

fn app(kit: &Kit) -> Router {
    let page = DevicesPage::new(&kit.sessions, "/devices").sign_in_path("/login").attribution("Places by nobody");
    Router::new().nest("/devices", page.into_router()).layer(SessionLayer::new(&kit.sessions))
}

/// Only the page, at the root, for browsers.
fn rooted(kit: &Kit) -> Router {
    DevicesPage::new(&kit.sessions, "/").into_router()
}

fn with_cookies() -> Kit {
    Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())))
}

/// A request as a browser sends it from one of the application's own pages.
fn browse(method: Method, path: &str, cookies: &str, site: &str) -> Request<Body> {
    let mut asked = request(method, path, "");
    asked.headers_mut().remove(header::AUTHORIZATION);
    for (name, value) in [("cookie", cookies), ("sec-fetch-site", site)] {
        asked.headers_mut().insert(name, value.parse().expect("visible"));
    }
    asked
}

fn form(path: &str, token: &str, body: &str) -> Request<Body> {
    let mut asked = request(Method::POST, path, token).map(|_| Body::from(body.to_owned()));
    asked.headers_mut().insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().expect("visible"));
    asked
}

/// Follows the redirect of a form, as a browser does.
async fn submit(app: &Router, path: &str, token: &str, body: &str) -> Answer {
    let answer = send(app, form(path, token, body)).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let next = answer.header("location").expect("a place to go").to_owned();
    get_with(app, &next, token).await
}

#[tokio::test]
async fn the_page_shows_this_device_the_others_and_those_that_ended() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    let gone = kit.sessions.start("ann", ClientInfo::new().user_agent("curl/8.5.0")).await?;
    kit.sessions.revoke(&gone.session().user_id, gone.session().id, Revocation::by_administrator("eve")).await?;
    let place = Location::new(Some("Berlin"), None, Some("DE"));
    let phone = ClientInfo::new().user_agent(IPHONE).location(Some(place)).ip("203.0.113.9".parse().ok());
    drop(kit.sessions.start("ann", phone).await?);
    kit.clock.advance(Duration::from_secs(2 * 3_600));
    let laptop = kit.sessions.start("ann", ClientInfo::new().user_agent(CHROME)).await?;

    let page = get_with(&app, "/devices", laptop.token()).await;
    assert_eq!(page.status, 200);
    let order: Vec<usize> = ["Chrome on Windows", "Safari on iPhone", "Recently signed out", "curl"]
        .iter()
        .map(|text| page.body.find(text).unwrap_or_else(|| panic!("{text}: {}", page.body)))
        .collect();
    assert!(order.is_sorted(), "{order:?}");
    for text in
        ["Berlin, DE", "2 hours ago", "Active now", "203.0.113.9", "Signed out by an administrator", "Places by nobody"]
    {
        assert!(page.body.contains(text), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn one_device_is_signed_out_by_a_form() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    let (laptop, phone) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    let page = submit(&app, &format!("/devices/{}/sign-out", phone.session().id), laptop.token(), "").await;
    assert!(page.body.contains("The device was signed out."));
    assert!(page.body.contains("You are not signed in anywhere else."));
    assert!(kit.sessions.authenticate(phone.token()).await.is_err());
    assert!(kit.sessions.authenticate(laptop.token()).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn all_others_are_signed_out_after_a_question() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    let laptop = kit.sign_in("ann").await;
    let others = [kit.sign_in("ann").await, kit.sign_in("ann").await];
    let question = get_with(&app, "/devices/sign-out-others", laptop.token()).await;
    assert!(question.body.contains("You stay signed in here"));
    assert!(kit.sessions.authenticate(others[0].token()).await.is_ok(), "asking changes nothing");

    let page = submit(&app, "/devices/sign-out-others", laptop.token(), "").await;
    assert!(page.body.contains("All other devices were signed out."));
    for other in &others {
        assert!(kit.sessions.authenticate(other.token()).await.is_err());
    }
    Ok(())
}

#[tokio::test]
async fn a_device_is_renamed_and_its_name_taken_away_by_a_form() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    let started = kit.sign_in("ann").await;
    let path = format!("/devices/{}/rename", started.session().id);
    let page = submit(&app, &path, started.token(), "name=Kitchen+box").await;
    assert!(page.body.contains("Kitchen box") && page.body.contains("The name was saved."));
    let page = submit(&app, &path, started.token(), "name=").await;
    assert!(!page.body.contains("Kitchen box"));

    let refused = send(&app, form(&path, started.token(), "name=a%0Ab")).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("role=\"alert\"") && refused.body.contains("1 to 80"));
    Ok(())
}

/// Signing this device out leads to the sign-in form.
#[tokio::test]
async fn signing_this_device_out_leads_to_the_sign_in_form() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    let started = kit.sign_in("ann").await;
    let answer = send(&app, form(&format!("/devices/{}/sign-out", started.session().id), started.token(), "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/login?why=signed_out")));
    assert!(kit.sessions.authenticate(started.token()).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_visitor_without_a_session_is_sent_to_the_sign_in_form() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    for (method, path) in [
        (Method::GET, "/devices"),
        (Method::GET, "/devices/sign-out-others"),
        (Method::POST, "/devices/sign-out-others"),
    ] {
        let answer = send(&app, Request::builder().method(method).uri(path).body(Body::empty())?).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/login")), "{path}");
    }
    Ok(())
}

/// Markup in anything that came from outside is text on the page.
#[tokio::test]
async fn nothing_from_outside_becomes_markup() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    let evil = "<script>alert(1)</script>\"'><img src=x>";
    let place = Location::new(Some(evil), Some(evil), Some(evil));
    let client = ClientInfo::new().user_agent(format!("{evil}/1.0")).location(Some(place));
    let started = kit.sessions.start("ann", client).await?;
    let (user, id) = (started.session().user_id.clone(), started.session().id);
    kit.sessions.rename(&user, id, Some(DeviceName::try_from(evil)?)).await?;
    for _ in 0..2 {
        let page = get_with(&app, "/devices", started.token()).await;
        assert!(!page.body.contains("<script>alert") && !page.body.contains("<img"), "{}", page.body);
        kit.sessions.rename(&user, id, None).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_page_allows_nothing_inline_and_no_framing() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    let started = kit.sign_in("ann").await;
    let page = get_with(&app, "/devices", started.token()).await;
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
    assert_eq!(page.header("cross-origin-resource-policy"), Some("same-origin"));
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    assert!(!page.body.contains(" style=") && !page.body.contains("<style") && !page.body.contains(" onclick"));
    for (asset, kind) in [("devices.css", "text/css"), ("devices.js", "text/javascript")] {
        let path = format!("/devices/assets/{asset}");
        assert!(page.body.contains(&path));
        let answer = get_with(&app, &path, started.token()).await;
        assert!(answer.header("content-type").is_some_and(|found| found.starts_with(kind)));
    }
    Ok(())
}

/// R01: an outage is said, changes nothing, and signs nobody out.
#[tokio::test]
async fn an_outage_is_a_page_that_says_so() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    let (started, other) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    assert_eq!(get_with(&app, "/devices", started.token()).await.status, 200);
    kit.store.fail_all(Fault::FailBefore);
    let page = get_with(&app, "/devices", started.token()).await;
    assert_eq!((page.status.as_u16(), page.header("retry-after")), (503, Some("1")));
    assert!(page.body.contains("role=\"alert\""));
    let path = format!("/devices/{}/sign-out", other.session().id);
    assert_eq!(send(&app, form(&path, started.token(), "")).await.status, 503);
    kit.store.heal();
    assert!(kit.sessions.authenticate(other.token()).await.is_ok());
    Ok(())
}

/// S81: somebody else's device is no device.
#[tokio::test]
async fn somebody_elses_device_is_no_device_on_the_page() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    let (ann, bob) = (kit.sign_in("ann").await, kit.sign_in("bob").await);
    for action in ["sign-out", "rename"] {
        for id in [bob.session().id.to_string(), "nonsense".to_owned()] {
            let answer = send(&app, form(&format!("/devices/{id}/{action}"), ann.token(), "name=mine")).await;
            assert_eq!(answer.status, 404, "{action} {id}");
            assert!(answer.body.contains("There is no such device."));
        }
    }
    assert!(kit.sessions.authenticate(bob.token()).await.is_ok());
    let bobs = kit.sessions.find(&bob.session().user_id, bob.session().id).await?.expect("a record");
    assert_eq!(bobs.device.custom_name, None);
    Ok(())
}

struct German;

impl PageTexts for German {
    fn language(&self) -> Cow<'_, str> {
        "de".into()
    }

    fn title(&self) -> Cow<'_, str> {
        "Meine Geräte & <mehr>".into()
    }
}

#[tokio::test]
async fn the_texts_can_be_translated() -> TestResult {
    let kit = Kit::new();
    let page = DevicesPage::new(&kit.sessions, "/devices").texts(German).stylesheet("/own.css");
    let app = Router::new().nest("/devices", page.into_router()).layer(SessionLayer::new(&kit.sessions));
    let started = kit.sign_in("ann").await;
    let page = get_with(&app, "/devices", started.token()).await.body;
    assert!(page.contains("<html lang=\"de\">") && page.contains("href=\"/own.css\""));
    assert!(page.contains("Meine Geräte") && !page.contains("<mehr>"));
    Ok(())
}

/// A long list goes on on the next page.
#[tokio::test]
async fn a_long_list_goes_on_on_the_next_page() -> TestResult {
    let kit = Kit::new();
    let app = app(&kit);
    let started = kit.sign_in("ann").await;
    for _ in 0..100 {
        kit.clock.advance(Duration::from_secs(1));
        drop(kit.sign_in("ann").await);
    }
    let next = |page: &str| {
        let rest = page.split("href=\"/devices?cursor=").nth(1)?;
        rest.split('"').next().map(|cursor| format!("/devices?cursor={cursor}"))
    };
    let devices = |page: &str| -> Vec<String> {
        page.split("id=\"device-").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    };
    let first = get_with(&app, "/devices", started.token()).await.body;
    let second = get_with(&app, &next(&first).expect("a link"), started.token()).await.body;
    assert!(!first.contains("Back to the first") && second.contains("<a class=\"tds-button\" href=\"/devices\">Back"));
    let third = get_with(&app, &next(&second).expect("a link"), started.token()).await.body;
    assert_eq!(next(&third), None);
    // This device stands on each of them.
    assert_eq!([&first, &second, &third].map(|page| devices(page).len()), [50, 51, 2]);
    let all: HashSet<String> = [first, second, third].iter().flat_map(|page| devices(page)).collect();
    assert_eq!(all.len(), 101);
    assert!(get_with(&app, "/devices?cursor=nonsense", started.token()).await.status.is_success());
    Ok(())
}

/// S57: where the policy asks for a recent authentication, the page leads to the sign-in, and nothing ends.
#[tokio::test]
async fn the_page_asks_for_a_recent_authentication_where_the_policy_does() -> TestResult {
    let kit = Kit::with(|builder| builder.policy(tower_device_sessions::SessionPolicy::hardened()));
    let app = app(&kit);
    let laptop = kit.sign_in("ann").await;
    kit.clock.advance(Duration::from_secs(400));
    let phone = kit.sign_in("ann").await;
    let of_phone = format!("/devices/{}/sign-out", phone.session().id);
    for path in [of_phone.as_str(), "/devices/sign-out-others"] {
        let answer = send(&app, form(path, laptop.token(), "")).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/login?why=confirm")), "{path}");
    }
    assert!(kit.sessions.authenticate(phone.token()).await.is_ok());
    let own = format!("/devices/{}/sign-out", laptop.session().id);
    assert_eq!(send(&app, form(&own, laptop.token(), "")).await.status, 303);
    assert!(kit.sessions.authenticate(laptop.token()).await.is_err(), "one's own, however stale");
    Ok(())
}

const CLEARED: &str = "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";

/// S66: a visitor with a session that has ended learns why, and the cookie is cleared with its own attributes.
#[tokio::test]
async fn an_ended_session_leads_to_the_sign_in_form_with_the_reason() -> TestResult {
    let kit = with_cookies();
    let app = rooted(&kit);
    let (user, laptop) = ("ann".try_into()?, kit.sign_in("ann").await);
    let phone = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(laptop.token()).await?;
    kit.sessions.revoke(&user, phone.session().id, &current).await?;
    let blocked = kit.sign_in("ann").await;
    let revocation = Revocation::by_administrator("eve");
    kit.sessions.revoke(&user, blocked.session().id, revocation).await?;
    // A token that cannot be verified may be another program's, or good on a node that knows its key.
    let unknown = format!("{}x", laptop.token());
    for (token, location, cleared) in [
        (phone.token(), "/sign-in?why=revoked_by_user", Some(CLEARED)),
        (blocked.token(), "/sign-in?why=revoked_by_admin", Some(CLEARED)),
        (unknown.as_str(), "/sign-in", None),
    ] {
        for (method, path) in [(Method::GET, "/"), (Method::POST, "/sign-out-others")] {
            let answer = send(&app, browse(method, path, &format!("__Host-session={token}"), "same-origin")).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some(location)), "{path}");
            assert_eq!(answer.header("set-cookie"), cleared, "{path}");
        }
    }
    let answer = send(&app, browse(Method::GET, "/", "other=cookie", "none")).await;
    assert_eq!((answer.header("location"), answer.header("set-cookie")), (Some("/sign-in"), None));

    let cookie = format!("__Host-session={}", laptop.token());
    kit.clock.advance(Duration::from_secs(8 * 86_400));
    let answer = send(&app, browse(Method::GET, "/", &cookie, "none")).await;
    assert_eq!(answer.header("location"), Some(&*format!("/sign-in?why={}", EndReason::Idle)));
    let month = Duration::from_secs(30 * 86_400);
    let busy = kit.sessions.start("ann", ClientInfo::new()).idle_timeout(month).await?;
    let cookie = format!("__Host-session={}", busy.token());
    kit.clock.advance(month);
    let answer = send(&app, browse(Method::GET, "/", &cookie, "none")).await;
    assert_eq!(answer.header("location"), Some(&*format!("/sign-in?why={}", EndReason::Expired)));
    assert_eq!(answer.header("set-cookie"), None, "by the right clock it may be good");
    Ok(())
}

/// S72: what another site sends, or nobody knows who, changes nothing, and is answered by a page.
#[tokio::test]
async fn a_form_that_another_site_has_sent_is_refused() -> TestResult {
    let kit = with_cookies();
    let app = rooted(&kit);
    let (laptop, phone) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    let cookie = format!("__Host-session={}", laptop.token());
    let of_phone = phone.session().id;
    for path in ["/sign-out-others".to_owned(), format!("/{of_phone}/sign-out"), format!("/{of_phone}/rename")] {
        let mut undeclared = browse(Method::POST, &path, &cookie, "");
        undeclared.headers_mut().remove("sec-fetch-site");
        let mut foreign = browse(Method::POST, &path, &cookie, "");
        foreign.headers_mut().remove("sec-fetch-site");
        foreign.headers_mut().insert("origin", "https://evil.example".parse()?);
        let cross = ["cross-site", "same-site"].map(|site| browse(Method::POST, &path, &cookie, site));
        for asked in cross.into_iter().chain([undeclared, foreign]) {
            let answer = send(&app, asked).await;
            assert_eq!(answer.status, 403, "{path}");
            assert!(answer.body.contains("came from another site") && answer.header("set-cookie").is_none());
        }
    }
    assert!(kit.sessions.authenticate(phone.token()).await.is_ok());
    let answer = send(&app, browse(Method::GET, "/", &cookie, "cross-site")).await;
    assert_eq!(answer.status, 200, "a link from elsewhere is followed");
    Ok(())
}

/// R01: also where nothing is known of the session yet, the answer is a page, and it looks right.
#[tokio::test]
async fn an_outage_before_the_session_is_known_is_a_page_too() -> TestResult {
    let kit = with_cookies();
    let app = rooted(&kit);
    let started = kit.sign_in("ann").await;
    let cookie = format!("__Host-session={}", started.token());
    kit.store.fail_all(Fault::FailBefore);
    let answer = send(&app, browse(Method::GET, "/", &cookie, "none")).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")));
    assert!(
        answer.body.contains("role=\"alert\"") && answer.body.contains("<a class=\"tds-button\" href=\"/\">Try again")
    );
    assert_eq!(answer.header("set-cookie"), None, "nobody is signed out by an outage");
    let style = send(&app, browse(Method::GET, "/assets/devices.css", &cookie, "same-origin")).await;
    assert_eq!(style.status, 200);
    Ok(())
}

/// At the root, links and forms begin with a slash.
#[tokio::test]
async fn at_the_root_the_page_links_to_itself() -> TestResult {
    let kit = with_cookies();
    let app = rooted(&kit);
    let started = kit.sign_in("ann").await;
    let cookie = format!("__Host-session={}", started.token());
    let page = send(&app, browse(Method::GET, "/", &cookie, "none")).await.body;
    assert!(
        page.contains("href=\"/assets/devices.css?v=")
            && page.contains(&format!("action=\"/{}/rename\"", started.session().id))
    );
    let question = send(&app, browse(Method::GET, "/sign-out-others", &cookie, "none")).await.body;
    assert!(question.contains("href=\"/\""));
    let answer = send(&app, browse(Method::POST, "/sign-out-others", &cookie, "same-origin")).await;
    assert_eq!(answer.header("location"), Some("/?done=others-signed-out"));
    Ok(())
}

/// With refresh tokens the page renews them by itself, for a form as for a link; another site cannot make it do so.
#[tokio::test]
async fn the_page_goes_on_with_the_next_token() -> TestResult {
    let kit =
        Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())).refresh(RefreshPolicy::new()));
    let app = rooted(&kit);
    let (started, other) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    let refresh = started.refresh_token().expect("a refresh token");
    let cookies = format!("__Host-session={}; __Host-refresh={refresh}", started.token());
    kit.clock.advance(Duration::from_secs(3_600));
    let sign_out = format!("/{}/sign-out", other.session().id);
    let answer = send(&app, browse(Method::POST, &sign_out, &cookies, "cross-site")).await;
    assert_eq!(answer.status, 403);

    let answer = send(&app, browse(Method::POST, &sign_out, &cookies, "same-origin")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/?done=signed-out")));
    let set: Vec<&str> = answer.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok()).collect();
    let next: Vec<&str> = set.iter().filter_map(|line| line.split(';').next()).collect();
    assert!(next.iter().any(|pair| pair.starts_with("__Host-session=ey")), "{next:?}");
    assert!(next.iter().any(|pair| pair.starts_with("__Host-refresh=") && pair.len() > 20), "{next:?}");
    let answer = send(&app, browse(Method::GET, "/", &next.join("; "), "none")).await;
    assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (200, None));

    // Signing out by a form that had to be renewed first leaves no cookie behind.
    kit.clock.advance(Duration::from_secs(3_600));
    let own = format!("/{}/sign-out", started.session().id);
    let answer = send(&app, browse(Method::POST, &own, &next.join("; "), "same-origin")).await;
    assert_eq!(answer.header("location"), Some("/sign-in?why=signed_out"));
    let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok()).collect();
    assert!(lines.len() == 2 && lines.iter().all(|line| line.ends_with("Max-Age=0")), "{lines:?}");
    let answer = send(&app, browse(Method::GET, "/", &next.join("; "), "none")).await;
    assert_eq!(answer.header("location"), Some("/sign-in?why=signed_out"));
    Ok(())
}

/// A proxy that signs people in puts a token of its own on every request.
#[tokio::test]
async fn the_page_reads_cookies_only_where_there_are_cookies() -> TestResult {
    for transport in [Transport::Cookie(CookieOptions::new()), Transport::Both(CookieOptions::new())] {
        let kit = Kit::with(|builder| builder.transport(transport));
        let app = rooted(&kit);
        let (ann, bob) = (kit.sign_in("ann").await, kit.sign_in("bob").await);
        for foreign in [bob.token(), "eyJ.of.somebody", "not even a token"] {
            let mut asked = browse(Method::GET, "/", &format!("__Host-session={}", ann.token()), "same-origin");
            asked.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {foreign}").parse()?);
            let page = send(&app, asked).await;
            assert!(page.status == 200 && page.body.contains("This device"), "{}", page.body);
            let mut asked = browse(Method::GET, "/", "a=b", "same-origin");
            asked.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {foreign}").parse()?);
            let page = send(&app, asked).await;
            assert_eq!((page.status.as_u16(), page.header("location")), (303, Some("/sign-in")));
        }
    }
    Ok(())
}

/// One visitor's redirect is not another's: neither where one has to go, nor that one may come back.
#[tokio::test]
async fn no_redirect_of_the_page_is_stored() -> TestResult {
    let kit = with_cookies();
    let app = rooted(&kit);
    let (laptop, phone) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    let cookie = format!("__Host-session={}", laptop.token());
    let (this, other) = (laptop.session().id, phone.session().id);
    for (method, path, cookie) in [
        (Method::GET, "/".to_owned(), "a=b"),
        (Method::GET, "/".to_owned(), "__Host-session=nonsense"),
        (Method::GET, "/sign-out-others".to_owned(), "a=b"),
        (Method::GET, format!("/{other}/rename"), &*cookie),
        (Method::GET, format!("/{other}/sign-out"), &cookie),
        (Method::POST, format!("/{other}/sign-out"), &cookie),
        (Method::POST, "/sign-out-others".to_owned(), &cookie),
        (Method::POST, format!("/{this}/sign-out"), &cookie),
    ] {
        let answer = send(&app, browse(method.clone(), &path, cookie, "same-origin")).await;
        let seen = (answer.status.as_u16(), answer.header("cache-control"));
        assert_eq!(seen, (303, Some("no-store")), "{method} {path}");
    }
    Ok(())
}
