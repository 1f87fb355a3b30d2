//! Devices: known again, named, trusted, and forgotten with their sessions.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use tower_device_sessions::{
    ClientInfo, DeviceId, SessionId, StartedSession,
    event::SessionEvent,
    location::Location,
    manager::Revocation,
    policy::SameDevice,
    session::EndReason,
    store::{DeviceStore, Fault, StoreMethod},
};

use crate::support::{CHROME, IPHONE, Kit, TestResult, delete_with, get_with, request, send};

const DAY: Duration = Duration::from_secs(86_400);

fn patch(path: &str, token: &str, body: &str) -> Request<Body> {
    let mut asked = request(Method::PATCH, path, token).map(|_| Body::from(body.to_owned()));
    asked.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().expect("a good header"));
    asked
}

fn on(device: DeviceId, user_agent: &str) -> ClientInfo {
    ClientInfo::new().user_agent(user_agent).device_id(Some(device))
}

impl Kit {
    async fn sign_in_on(&self, user: &str, device: DeviceId) -> StartedSession {
        self.sessions.start(user, on(device, CHROME)).await.expect("a working store")
    }

    /// What the newest sign-ins were told to be: on a new device, from a new place.
    fn news(&self) -> Vec<(bool, bool)> {
        let news = |event| match event {
            SessionEvent::Started { new_device, new_location, .. } => Some((new_device, new_location)),
            _ => None,
        };
        self.events.take().into_iter().filter_map(news).collect()
    }

    async fn reason(&self, user: &str, id: SessionId) -> Option<EndReason> {
        let found = self.sessions.find(&user.parse().expect("an id"), id).await.expect("a working store");
        found.expect("a session").ended.map(|ending| ending.reason)
    }
}

/// Nobody gets a mail about the device they signed up with, nor about the first one since this crate came.
#[tokio::test]
async fn the_first_device_of_a_user_is_told_from_a_new_one() -> TestResult {
    let kit = Kit::new();
    let told = || {
        let news = |event| match event {
            SessionEvent::Started { new_device, first_device, .. } => Some((new_device, first_device)),
            _ => None,
        };
        kit.events.take().into_iter().filter_map(news).collect::<Vec<_>>()
    };
    let (laptop, phone) = (DeviceId::new(), DeviceId::new());
    // Sessions from before devices had ids.
    drop(kit.sign_in("ann").await);
    drop(kit.sign_in_on("ann", laptop).await);
    drop(kit.sign_in_on("ann", laptop).await);
    drop(kit.sign_in_on("ann", phone).await);
    assert_eq!(told(), [(false, false), (true, true), (false, false), (true, false)]);

    // Of a device that was forgotten something is left, and when the store cannot tell there is a warning too many.
    kit.sessions.forget_device(&"ann".try_into()?, laptop, Revocation::by_application()).await?;
    drop(kit.sign_in_on("ann", laptop).await);
    kit.store.fail(StoreMethod::Devices, Fault::FailBefore);
    drop(kit.sign_in_on("bob", phone).await);
    assert_eq!(told(), [(true, false), (true, false)]);
    Ok(())
}

/// The whole story: a device is known, named, and forgotten.
#[tokio::test]
async fn a_device_is_known_named_and_forgotten() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let (laptop, phone) = (DeviceId::new(), DeviceId::new());
    let here = kit.sign_in_on("ann", laptop).await;
    kit.clock.advance(DAY);
    let there = kit.sessions.start("ann", on(phone, IPHONE)).await?;
    kit.clock.advance(DAY);
    let there_again = kit.sessions.start("ann", on(phone, IPHONE)).await?;

    let list = get_with(&app, "/api/devices", here.token()).await;
    let json = list.json();
    assert_eq!((list.status.as_u16(), list.header("cache-control")), (200, Some("no-store")));
    let shown: Vec<_> = json.as_array().expect("an array").iter().map(|d| d["deviceName"].clone()).collect();
    assert_eq!(shown, ["Safari on iPhone", "Chrome on Windows"], "newest seen first");
    assert_eq!((&json[0]["id"], &json[0]["isCurrent"]), (&phone.to_string().into(), &false.into()));
    assert_eq!(json[0]["firstSeenAt"], "2026-01-02T00:00:00.000Z");
    assert_eq!(json[0]["lastSeenAt"], "2026-01-03T00:00:00.000Z");
    assert_eq!((&json[1]["isCurrent"], &json[1]["trustedUntil"]), (&true.into(), &serde_json::Value::Null));

    let path = format!("/api/devices/{phone}");
    let renamed = send(&app, patch(&path, here.token(), "{\"deviceName\":\" Zoë's phone \"}")).await;
    assert_eq!((renamed.status.as_u16(), &renamed.json()["deviceName"]), (200, &"Zoë's phone".into()));
    for started in [&there, &there_again] {
        assert_eq!(kit.sessions.authenticate(started.token()).await?.device().name(), "Zoë's phone");
    }
    let later = kit.sessions.start("ann", on(phone, IPHONE)).await?;
    assert_eq!(later.session().device.name(), "Zoë's phone", "the next sign-in has the name too");

    assert_eq!(delete_with(&app, &path, here.token()).await.status, 204);
    for started in [&there, &there_again, &later] {
        let denied = get_with(&app, "/me", started.token()).await;
        assert_eq!((denied.status.as_u16(), denied.json()["reason"].as_str()), (401, Some("revoked_by_user")));
    }
    assert_eq!(get_with(&app, "/me", here.token()).await.status, 200);
    assert_eq!(delete_with(&app, &path, here.token()).await.status, 404, "it is known no longer");
    let anew = kit.sessions.start("ann", on(phone, IPHONE)).await?;
    assert_eq!(anew.session().device.name(), "Safari on iPhone", "its name was forgotten too");
    Ok(())
}

/// S82: exactly these members. "A list that leaks tokens".
#[tokio::test]
async fn a_listed_device_has_these_members_and_no_others() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in_on("ann", DeviceId::new()).await;
    let list = get_with(&kit.app(), "/api/devices", started.token()).await;
    let mut names: Vec<_> = list.json()[0].as_object().expect("an object").keys().cloned().collect();
    names.sort();
    let expected = ["device", "deviceName", "firstSeenAt", "id", "isCurrent", "lastSeenAt", "trustedUntil"];
    assert_eq!(names, expected);
    assert!(!list.body.contains(started.token()));
    Ok(())
}

/// S81: byte for byte the same answer, and no effect.
#[tokio::test]
async fn somebody_elses_device_is_answered_like_one_that_never_was() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let (mine, theirs) = (DeviceId::new(), DeviceId::new());
    let (ann, bob) = (kit.sign_in_on("ann", mine).await, kit.sign_in_on("bob", theirs).await);
    let never = delete_with(&app, &format!("/api/devices/{}", DeviceId::new()), ann.token()).await;
    assert_eq!((never.status.as_u16(), never.code().as_str()), (404, "device_not_found"));

    let (theirs_path, upper) = (theirs.to_string(), theirs.to_string().to_uppercase());
    for id in [theirs_path.as_str(), "nonsense", "%00", "%ff", &upper, &"a".repeat(5_000)] {
        let path = format!("/api/devices/{id}");
        let deleted = delete_with(&app, &path, ann.token()).await;
        let renamed = send(&app, patch(&path, ann.token(), "{\"deviceName\":\"mine\"}")).await;
        let distrusted = send(&app, patch(&path, ann.token(), "{\"trusted\":false}")).await;
        for answer in [deleted, renamed, distrusted] {
            assert_eq!((answer.status.as_u16(), &answer.body), (404, &never.body), "{id}");
        }
    }
    let bobs = get_with(&app, "/api/devices", bob.token()).await.json();
    assert_eq!((bobs.as_array().map(Vec::len), &bobs[0]["deviceName"]), (Some(1), &"Chrome on Windows".into()));
    Ok(())
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused_and_changes_nothing() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let device = DeviceId::new();
    let started = kit.sign_in_on("ann", device).await;
    let path = format!("/api/devices/{device}");
    for (body, status, code) in [
        ("", 400, "invalid_body"),
        ("{", 400, "invalid_body"),
        ("{}", 400, "invalid_body"),
        ("{\"trusted\":\"yes\"}", 400, "invalid_body"),
        ("{\"deviceName\":7}", 400, "invalid_body"),
        ("{\"deviceName\":\"\"}", 400, "invalid_device_name"),
        ("{\"deviceName\":\"a\\nb\",\"trusted\":false}", 400, "invalid_device_name"),
        ("{\"deviceName\":\"x\",\"trusted\":true}", 403, "trust_refused"),
    ] {
        let answer = send(&app, patch(&path, started.token(), body)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{body}");
    }
    assert_eq!((kit.store.calls(StoreMethod::RenameDevice), kit.store.calls(StoreMethod::TrustDevice)), (0, 0));
    Ok(())
}

#[tokio::test]
async fn every_device_endpoint_needs_a_session() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let one = format!("/api/devices/{}", DeviceId::new());
    for (method, path) in [(Method::GET, "/api/devices"), (Method::PATCH, &one), (Method::DELETE, &one)] {
        let asked = Request::builder().method(method.clone()).uri(path).body(Body::empty())?;
        let answer = send(&app, asked).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, Some("Bearer")), "{method}");
    }
    Ok(())
}

/// "Signing out A also ends B": neither on the same device, nor for another user of it.
#[tokio::test]
async fn signing_out_one_session_ends_no_other() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let shared = DeviceId::new();
    let (one, other) = (kit.sign_in_on("ann", shared).await, kit.sign_in_on("ann", shared).await);
    let bobs = kit.sign_in_on("bob", shared).await;

    assert_eq!(send(&app, request(Method::POST, "/api/logout", one.token())).await.status, 204);
    for lives in [&other, &bobs] {
        assert_eq!(get_with(&app, "/me", lives.token()).await.status, 200);
    }
    assert_eq!(delete_with(&app, &format!("/api/devices/{shared}"), other.token()).await.status, 204);
    assert_eq!(get_with(&app, "/me", other.token()).await.status, 401, "the current device can be forgotten");
    assert_eq!(get_with(&app, "/me", bobs.token()).await.status, 200);
    assert_eq!(kit.sessions.devices(&"bob".parse()?).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn renaming_a_session_renames_its_device() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let device = DeviceId::new();
    let (one, other) = (kit.sign_in_on("ann", device).await, kit.sign_in_on("ann", device).await);
    let elsewhere = kit.sign_in("ann").await;
    for started in [&one, &other, &elsewhere] {
        assert_eq!(get_with(&app, "/me", started.token()).await.status, 200);
    }
    let path = format!("/api/sessions/{}", one.session().id);
    let renamed = send(&app, patch(&path, other.token(), "{\"deviceName\":\"Box\"}")).await;
    assert_eq!((renamed.status.as_u16(), &renamed.json()["deviceName"]), (200, &"Box".into()));

    let names: Vec<String> = {
        let sessions = get_with(&app, "/api/sessions", other.token()).await.json();
        sessions.as_array().expect("an array").iter().map(|s| s["deviceName"].to_string()).collect()
    };
    assert_eq!(names.iter().filter(|name| *name == "\"Box\"").count(), 2, "{names:?}");
    let devices = get_with(&app, "/api/devices", other.token()).await.json();
    assert_eq!(devices[0]["deviceName"], "Box");
    assert_eq!(kit.sessions.authenticate(elsewhere.token()).await?.device().name(), "curl");
    Ok(())
}

/// So that an application can send its mail, once.
#[tokio::test]
async fn a_sign_in_says_whether_device_and_place_are_new() -> TestResult {
    let kit = Kit::new();
    let device = DeviceId::new();
    let from = |region, country| Some(Location::new(Some("x"), region, Some(country)));
    let (bavaria, berlin) = (from(Some("Bavaria"), "DE"), from(Some("Berlin"), "DE"));
    for (device, place, news, what) in [
        (Some(device), bavaria.clone(), (true, true), "the first sign-in of all"),
        (Some(device), bavaria.clone(), (false, false), "the same again"),
        (Some(device), berlin.clone(), (false, true), "another region"),
        (Some(DeviceId::new()), berlin, (true, false), "another device"),
        (Some(device), from(None, "DE"), (false, false), "a region that is not known"),
        (Some(device), from(None, "AT"), (false, true), "another country"),
        (None, None, (false, false), "nothing is known"),
    ] {
        let client = ClientInfo::new().device_id(device).location(place);
        drop(kit.sessions.start("ann", client).await?);
        assert_eq!(kit.news(), [news], "{what}");
    }
    let client = ClientInfo::new().device_id(Some(device)).location(bavaria);
    drop(kit.sessions.start("bob", client).await?);
    assert_eq!(kit.news(), [(true, true)], "what another user has done is not known to this one");
    Ok(())
}

/// A device that could not be put on record fails no sign-in, and is called new rather than known.
#[tokio::test]
async fn a_sign_in_outlives_a_failure_to_note_its_device() -> TestResult {
    let kit = Kit::new();
    let device = DeviceId::new();
    drop(kit.sign_in_on("ann", device).await);
    kit.events.take();
    kit.store.fail(StoreMethod::SeeDevice, Fault::FailBefore);
    let started = kit.sign_in_on("ann", device).await;
    assert!(kit.sessions.authenticate(started.token()).await.is_ok());
    assert_eq!(kit.news(), [(true, false)]);
    Ok(())
}

/// Of racing first sign-ins on one device one is told that it is new.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_sign_ins_on_a_new_device_are_told_so_once() -> TestResult {
    let kit = Kit::new();
    let device = DeviceId::new();
    let racing: Vec<_> = (0..32)
        .map(|_| {
            let sessions = kit.sessions.clone();
            tokio::spawn(async move { sessions.start("ann", on(device, CHROME)).await.map(drop) })
        })
        .collect();
    for sign_in in racing {
        sign_in.await??;
    }
    assert_eq!(kit.news().iter().filter(|(new_device, _)| *new_device).count(), 1);
    assert_eq!(kit.sessions.devices(&"ann".parse()?).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn sessions_on_one_device_stay_or_are_replaced() -> TestResult {
    for (same_device, reason) in [(SameDevice::Keep, None), (SameDevice::Replace, Some(EndReason::Replaced))] {
        let kit = Kit::with(|builder| builder.same_device(same_device));
        let device = DeviceId::new();
        let old = kit.sign_in_on("ann", device).await;
        let (elsewhere, bobs) = (kit.sign_in("ann").await, kit.sign_in_on("bob", device).await);
        assert!(kit.sessions.authenticate(old.token()).await.is_ok());
        let new = kit.sign_in_on("ann", device).await;

        assert_eq!(kit.reason("ann", old.session().id).await, reason, "{same_device:?}");
        assert_eq!(kit.sessions.authenticate(old.token()).await.is_ok(), reason.is_none(), "{same_device:?}");
        for lives in [&new, &elsewhere, &bobs] {
            assert!(kit.sessions.authenticate(lives.token()).await.is_ok(), "{same_device:?}");
        }
    }
    Ok(())
}

/// The sessions end first: what fails halfway can be asked for again.
#[tokio::test]
async fn forgetting_that_fails_halfway_can_be_repeated() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let (here, lost) = (DeviceId::new(), DeviceId::new());
    let (current, gone) = (kit.sign_in_on("ann", here).await, kit.sign_in_on("ann", lost).await);
    let path = format!("/api/devices/{lost}");
    kit.store.fail(StoreMethod::ForgetDevice, Fault::FailBefore);
    assert_eq!(delete_with(&app, &path, current.token()).await.status, 503);
    assert_eq!(get_with(&app, "/me", gone.token()).await.status, 401);
    kit.store.heal();
    assert_eq!(delete_with(&app, &path, current.token()).await.status, 204);

    kit.store.fail(StoreMethod::Devices, Fault::FailBefore);
    let outage = get_with(&app, "/api/devices", current.token()).await;
    assert_eq!((outage.status.as_u16(), outage.header("retry-after")), (503, Some("1")));
    Ok(())
}

/// A session that another node has in its cache has the new name once that is read again.
#[tokio::test]
async fn a_name_reaches_other_nodes() -> TestResult {
    let kit = Kit::new();
    let other = kit.another_node();
    let device = DeviceId::new();
    let started = kit.sign_in_on("ann", device).await;
    assert_eq!(other.sessions.authenticate(started.token()).await?.device().name(), "Chrome on Windows");
    assert!(kit.sessions.rename_device(&"ann".parse()?, device, Some("Box".try_into()?)).await?);
    kit.clock.advance(Duration::from_secs(11));
    assert_eq!(other.sessions.authenticate(started.token()).await?.device().name(), "Box");
    assert!(kit.store.find_device(&"ann".parse()?, device).await?.is_some());
    Ok(())
}

/// The application's own description is shown at sign-in, and whenever a record is read, also one from before it came.
#[tokio::test]
async fn the_application_may_describe_devices_itself() -> TestResult {
    use tower_device_sessions::device::{ClientHints, naming};

    let before = Kit::new();
    let old = before.sessions.start("ann", ClientInfo::new().user_agent("acme-till/1.0")).await?;
    let kit = Kit::over(before.store.clone(), before.clock.clone(), |builder| {
        builder.describe_devices(|user_agent: Option<&str>, hints: &ClientHints| {
            let mut described = naming::describe(user_agent, hints);
            described.browser = Some("Acme Till".into());
            described
        })
    });
    let new = kit.sessions.start("ann", ClientInfo::new().user_agent("acme-till/1.0")).await?;
    assert_eq!(new.session().device.name(), "Acme Till");
    assert_ne!(old.session().device.name(), "Acme Till");
    assert_eq!(kit.sessions.authenticate(old.token()).await?.device().name(), "Acme Till");
    let page = kit.sessions.list(&new.session().user_id, &Default::default()).await?;
    assert!(page.sessions.len() == 2 && page.sessions.iter().all(|session| session.device.name() == "Acme Till"));
    Ok(())
}
