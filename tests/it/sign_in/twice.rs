//! Forms that are submitted twice at once: whichever answer a browser keeps, it has the one session.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Method, Request, header},
    response::{Html, IntoResponse},
    routing::get,
};
use tower_device_sessions::{
    ClientInfo, CurrentSession, DeviceId, Error, ErrorKind, KeyRing, SessionLayer, SessionManager, SessionRoutes,
    StartedSession,
    credentials::{CookieOptions, Transport},
    device::DeviceProof,
    event::SessionEvent,
    manager::{RefreshPolicy, SessionManagerBuilder},
    policy::{OverLimit, SameDevice, SessionLimit},
    session::EndReason,
    store::{Fault, StoreMethod},
};

use crate::support::{Answer, CHROME, Kit, SECRET, TestResult, send};

fn kit(settings: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder) -> Kit {
    Kit::with(|builder| {
        let builder = builder.transport(Transport::Cookie(CookieOptions::new()));
        settings(builder.device_cookie(KeyRing::hs256(SECRET).expect("a good secret")))
    })
}

fn on(device: &DeviceProof) -> ClientInfo {
    ClientInfo::new().user_agent(CHROME).device_proof(Some(device.clone()))
}

fn new_device() -> DeviceProof {
    DeviceProof::new(DeviceId::new())
}

impl Kit {
    async fn submit(&self, device: &DeviceProof) -> Result<StartedSession, Error> {
        self.sessions.start("ann", on(device)).method("pwd").same_device(SameDevice::Join).await
    }

    /// How many sign-ins and endings were told.
    fn told(&self) -> (usize, usize) {
        let events = self.events.take();
        let count = |is: fn(&SessionEvent) -> bool| events.iter().filter(|event| is(event)).count();
        (
            count(|event| matches!(event, SessionEvent::Started { .. })),
            count(|event| matches!(event, SessionEvent::Ended { .. })),
        )
    }

    async fn is_accepted(&self, started: &StartedSession) -> bool {
        self.sessions.authenticate(started.token()).await.is_ok()
    }
}

/// Either answer holds a live token of one session, also of another node, and also where a limit is reached.
#[tokio::test]
async fn two_submissions_are_one_session_on_two_nodes() -> TestResult {
    let limited = |builder: SessionManagerBuilder| builder.limit(SessionLimit::new(1, OverLimit::RejectNew));
    for refresh in [false, true] {
        let kit =
            kit(|builder| if refresh { limited(builder).refresh(RefreshPolicy::new()) } else { limited(builder) });
        let there = Kit::over(kit.store.clone(), kit.clock.clone(), |builder| {
            if refresh { builder.refresh(RefreshPolicy::new()) } else { builder }
        });
        let device = new_device();
        let first = kit.submit(&device).await?;
        kit.clock.advance(Duration::from_secs(3));
        let second = there.submit(&device).await?;
        assert_eq!(first.session().id, second.session().id);
        for (node, answer) in [(&kit, &second), (&there, &first), (&kit, &first), (&there, &second)] {
            assert!(node.is_accepted(answer).await);
        }
        assert_eq!((kit.told(), there.told()), ((1, 0), (0, 0)), "one sign-in, and nothing has ended");
        if let Some(token) = second.refresh_token() {
            assert!(kit.sessions.refresh(token).await.is_ok());
        }
    }
    Ok(())
}

/// The second submission comes while the first waits for the store, and the first is put on record after it.
#[tokio::test]
async fn the_order_of_the_answers_does_not_matter() -> TestResult {
    let kit = Arc::new(kit(|builder| builder));
    let device = new_device();
    for _ in 0..3 {
        let held = kit.store.hold_before(StoreMethod::Insert);
        let submit = || {
            let (kit, device) = (Arc::clone(&kit), device.clone());
            tokio::spawn(async move { kit.submit(&device).await })
        };
        let (first, second) = (submit(), submit());
        held.arrived(2).await;
        held.open();
        let (first, second) = (first.await??, second.await??);
        assert_eq!(first.session().id, second.session().id);
        assert!(kit.is_accepted(&first).await && kit.is_accepted(&second).await);
        kit.clock.advance(Duration::from_secs(60));
    }
    let list = kit.sessions.list(&"ann".parse()?, &Default::default()).await?;
    assert_eq!(list.sessions.len(), 1, "the later sign-ins have replaced the earlier");
    Ok(())
}

/// Not a second answer: another way to prove it, another moment, a device that is only named, another browser.
#[tokio::test]
async fn another_sign_in_replaces_as_ever() -> TestResult {
    let kit = kit(|builder| builder);
    let device = new_device();
    let reason = async |started: &StartedSession| -> Result<Option<EndReason>, Error> {
        let found = kit.sessions.find(&started.session().user_id, started.session().id).await?;
        Ok(found.and_then(|session| session.ended).map(|ending| ending.reason))
    };
    let by_password = kit.submit(&device).await?;
    let stronger = || kit.sessions.start("ann", on(&device)).method("pwd").method("otp").assurance_level(2);
    let by_both = stronger().same_device(SameDevice::Join).await?;
    assert_eq!(reason(&by_password).await?, Some(EndReason::Replaced));
    let again = stronger().same_device(SameDevice::Join).await?;
    assert_eq!((again.session().id, reason(&by_both).await?), (by_both.session().id, None));

    kit.clock.advance(Duration::from_secs(30));
    let later = stronger().same_device(SameDevice::Join).await?;
    assert_ne!(later.session().id, by_both.session().id);
    assert_eq!(reason(&by_both).await?, Some(EndReason::Replaced));

    let named = ClientInfo::new().user_agent(CHROME).device_id(Some(device.id()));
    let by_name = kit.sessions.start("ann", named).method("pwd").method("otp").assurance_level(2);
    let by_name = by_name.same_device(SameDevice::Join).await?;
    assert_ne!(by_name.session().id, later.session().id, "a name proves nothing");

    let other = kit.submit(&new_device()).await?;
    assert_ne!(other.session().id, by_name.session().id);
    assert_eq!(reason(&by_name).await?, None, "another browser's session stays");
    Ok(())
}

/// A submission after the session has ended is a sign-in.
#[tokio::test]
async fn nobody_joins_what_has_ended() -> TestResult {
    let kit = kit(|builder| builder);
    let device = new_device();
    let first = kit.submit(&device).await?;
    kit.sessions.sign_out(&kit.sessions.authenticate(first.token()).await?).await?;
    let second = kit.submit(&device).await?;
    assert_ne!(first.session().id, second.session().id);
    assert!(kit.is_accepted(&second).await && !kit.is_accepted(&first).await);
    Ok(())
}

/// A sign-in whose store returns nothing is none, and is safe to repeat.
#[tokio::test]
async fn a_submission_that_cannot_be_looked_up_fails() -> TestResult {
    let kit = kit(|builder| builder);
    let device = new_device();
    let first = kit.submit(&device).await?;
    kit.store.fail(StoreMethod::Find, Fault::FailBefore);
    assert_eq!(kit.submit(&device).await.map_err(|error| error.kind()).map(drop), Err(ErrorKind::Unavailable));
    kit.store.heal();
    assert_eq!(kit.submit(&device).await?.session().id, first.session().id);
    Ok(())
}

/// Who confirms twice that it is them stays signed in by either answer.
#[tokio::test]
async fn two_confirmations_are_one_step() -> TestResult {
    let kit = kit(|builder| builder);
    let there = kit.another_node();
    let started = kit.submit(&new_device()).await?;
    kit.clock.advance(Duration::from_secs(3_600));
    let current = kit.sessions.authenticate(started.token()).await?;
    let first = kit.sessions.reauthenticated(&current, "pwd").await?;
    let second = there.sessions.reauthenticated(&current, "pwd").join().await?;
    for (node, answer) in [(&kit, &second), (&there, &first), (&kit, &first), (&there, &second)] {
        assert!(node.is_accepted(answer).await);
    }
    assert!(!kit.is_accepted(&started).await, "tokens from before are refused");

    // Another method, another level, or later, is another step: not for a token from before.
    let again = || kit.sessions.reauthenticated(&current, "pwd").join();
    for other in
        [again().method("otp"), again().assurance_level(2), kit.sessions.reauthenticated(&current, "otp").join()]
    {
        assert_eq!(other.await.map_err(|error| error.kind()).map(drop), Err(ErrorKind::Denied));
    }
    kit.clock.advance(Duration::from_secs(30));
    assert_eq!(again().await.map_err(|error| error.kind()).map(drop), Err(ErrorKind::Denied));
    Ok(())
}

/// The form hands out the cookie, so that a browser's first sign-in comes from a device that is known.
#[tokio::test]
async fn a_form_gives_a_new_browser_its_device() -> TestResult {
    async fn form(State(sessions): State<SessionManager>, client: ClientInfo) -> impl IntoResponse {
        (sessions.device_for_form(&client), Html("<form>"))
    }
    async fn submit(State(sessions): State<SessionManager>, client: ClientInfo) -> Result<StartedSession, Error> {
        sessions.start("ann", client).same_device(SameDevice::Join).await
    }
    async fn me(session: CurrentSession) -> String {
        session.id().to_string()
    }
    fn pair(line: &str) -> &str {
        line.split(';').next().unwrap_or_default()
    }
    let kit = kit(|builder| builder);
    let app = Router::new()
        .route("/sign-in", get(form).post(submit))
        .route("/me", get(me))
        .nest("/api", SessionRoutes::new(&kit.sessions).into_router())
        .layer(SessionLayer::new(&kit.sessions))
        .with_state(kit.sessions.clone());
    let ask = async |method: Method, path: &str, cookie: &str| {
        let asked = Request::builder().method(method).uri(path).header(header::COOKIE, cookie);
        let asked = asked.header("sec-fetch-site", "same-origin").header(header::USER_AGENT, CHROME);
        send(&app, asked.body(Body::empty()).expect("a good request")).await
    };
    let lines = |answer: &Answer| -> Vec<String> {
        let lines = answer.headers.get_all(header::SET_COOKIE).iter();
        lines.map(|line| line.to_str().expect("visible").to_owned()).collect()
    };

    let shown = ask(Method::GET, "/sign-in", "a=b").await;
    assert_eq!((shown.body.as_str(), shown.header("cache-control")), ("<form>", Some("no-store")));
    let given = lines(&shown);
    let [given] = given.as_slice() else { panic!("one cookie: {given:?}") };
    assert!(given.starts_with("__Host-device=") && !given.contains("Max-Age"), "{given}");
    assert_eq!(lines(&ask(Method::GET, "/sign-in", pair(given)).await), Vec::<String>::new(), "it has one");

    let (first, second) =
        (ask(Method::POST, "/sign-in", pair(given)).await, ask(Method::POST, "/sign-in", pair(given)).await);
    assert_eq!(first.json()["sessionId"], second.json()["sessionId"]);
    for answer in [&second, &first] {
        let lines = lines(answer);
        let session = lines.iter().find(|line| line.starts_with("__Host-session=")).ok_or("a cookie")?;
        assert_eq!(
            ask(Method::GET, "/me", pair(session)).await.body,
            first.json()["sessionId"].as_str().ok_or("an id")?
        );
        assert!(lines.iter().any(|line| line.starts_with("__Host-device=") && line.contains("Max-Age=34560000")));
    }
    Ok(())
}
