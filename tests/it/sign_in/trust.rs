//! Trust: it belongs to what the trusted device holds, and to nothing that was copied before.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, Request, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_device_sessions::{
    ClientInfo, CurrentSession, DeviceId, Error, KeyRing, SessionLayer, SessionManager, SessionRoutes, StartedSession,
    UserId,
    credentials::{CookieOptions, Transport},
    device::DeviceProof,
    event::SessionEvent,
    manager::{Revocation, TrustedDevice},
    store::{Fault, StoreMethod},
    token::{DeviceTokens, TokenOptions},
};

use crate::support::{Answer, CHROME, Kit, TestResult, request, send};

const DAY: Duration = Duration::from_secs(86_400);

fn keys() -> KeyRing {
    KeyRing::hs256("the devices' secret, of 32 bytes or more").expect("a good secret")
}

fn proving(proof: &DeviceProof) -> ClientInfo {
    ClientInfo::new().user_agent(CHROME).device_proof(Some(proof.clone()))
}

fn patch(path: &str, token: &str, body: &str) -> Request<Body> {
    let mut asked = request(Method::PATCH, path, token).map(|_| Body::from(body.to_owned()));
    asked.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().expect("a good header"));
    asked
}

impl Kit {
    async fn sign_in_proving(&self, user: &str, proof: &DeviceProof) -> StartedSession {
        self.sessions.start(user, proving(proof)).assurance_level(2).await.expect("a working store")
    }

    async fn trust(&self, current: &CurrentSession, proof: &DeviceProof) -> Option<TrustedDevice> {
        self.sessions.trust_device(current, &proving(proof), DAY).await.expect("a working store")
    }

    async fn trusts(&self, user: &str, proof: &DeviceProof) -> bool {
        let user = user.parse().expect("an id");
        self.sessions.is_trusted(&user, &proving(proof)).await.expect("a working store")
    }
}

/// A browser, and a thief who has copied its cookies, at an application that asks for a second factor.
struct Browser {
    app: Router,
    device_cookie: Option<String>,
    session_cookie: Option<String>,
}

async fn login(
    State(sessions): State<SessionManager>,
    client: ClientInfo,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let user = headers["x-user"].to_str().unwrap_or_default().to_owned();
    let has_code = headers.contains_key("x-otp");
    if !has_code && !sessions.is_trusted(&user.as_str().try_into()?, &client).await? {
        return Ok(axum::http::StatusCode::ACCEPTED.into_response());
    }
    let started = sessions.start(user.as_str(), client).assurance_level(if has_code { 2 } else { 1 });
    let started = if headers.contains_key("x-trust") { started.trust_device(DAY) } else { started };
    Ok(started.await?.into_response())
}

impl Browser {
    fn at(sessions: &SessionManager) -> Self {
        let app = Router::new()
            .route("/login", post(login))
            .route("/me", get(async |session: CurrentSession| session.user_id().to_string()))
            .nest("/api", SessionRoutes::new(sessions).into_router())
            .layer(SessionLayer::new(sessions))
            .with_state(sessions.clone());
        Self { app, device_cookie: None, session_cookie: None }
    }

    /// Another browser, with the device cookie of this one.
    fn with_copied_cookie(&self) -> Self {
        Self { app: self.app.clone(), device_cookie: self.device_cookie.clone(), session_cookie: None }
    }

    async fn send(&mut self, method: Method, path: &str, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut asked = Request::builder().method(method).uri(path).header("sec-fetch-site", "same-origin");
        for cookie in [&self.device_cookie, &self.session_cookie].into_iter().flatten() {
            asked = asked.header(header::COOKIE, cookie);
        }
        for (name, value) in headers {
            asked = asked.header(*name, *value);
        }
        let asked = asked.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_owned()));
        let answer = send(&self.app, asked.expect("a good request")).await;
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let pair = line.to_str().expect("visible").split(';').next().unwrap_or_default().to_owned();
            match pair.split_once('=') {
                Some(("__Host-device", _)) => self.device_cookie = Some(pair),
                Some((_, "")) => self.session_cookie = None,
                _ => self.session_cookie = Some(pair),
            }
        }
        answer
    }

    async fn sign_in(&mut self, headers: &[(&'static str, &str)]) -> u16 {
        let headers = [&[("x-user", "ann")], headers].concat();
        self.send(Method::POST, "/login", &headers, "").await.status.as_u16()
    }

    async fn device(&mut self) -> String {
        let devices = self.send(Method::GET, "/api/devices", &[], "").await.json();
        let here = devices.as_array().expect("an array").iter().find(|device| device["isCurrent"] == true);
        here.expect("the current device")["id"].as_str().expect("an id").to_owned()
    }

    async fn trust(&mut self) -> u16 {
        let path = format!("/api/devices/{}", self.device().await);
        self.send(Method::PATCH, &path, &[], "{\"trusted\":true}").await.status.as_u16()
    }
}

fn cookies() -> Kit {
    Kit::with(|builder| builder.transport(Transport::Cookie(CookieOptions::new())))
}

const CODE: (&str, &str) = ("x-otp", "123456");

/// A copy of the cookie skips the second factor until the user does anything about it, and never again afterwards.
#[tokio::test]
async fn a_copied_cookie_skips_no_second_factor_after_the_device_was_trusted_again() -> TestResult {
    for reaction in ["forget", "change the password", "distrust", "trust again"] {
        let kit = cookies();
        let mut owner = Browser::at(&kit.sessions);
        assert_eq!(owner.sign_in(&[]).await, 202);
        assert_eq!(owner.sign_in(&[CODE]).await, 200);
        assert_eq!(owner.trust().await, 200);
        assert_eq!(owner.sign_in(&[]).await, 200, "its owner skips it");
        let mut thief = owner.with_copied_cookie();
        assert_eq!(thief.sign_in(&[]).await, 200, "so does a copy, for now");

        let ann: UserId = "ann".parse()?;
        let path = format!("/api/devices/{}", owner.device().await);
        assert_eq!(owner.sign_in(&[CODE]).await, 200);
        match reaction {
            "forget" => assert_eq!(owner.send(Method::DELETE, &path, &[], "").await.status, 204),
            "change the password" => drop(kit.sessions.credentials_changed(&ann, None).await?),
            "distrust" => assert_eq!(owner.send(Method::PATCH, &path, &[], "{\"trusted\":false}").await.status, 200),
            _ => {}
        }
        if reaction != "trust again" {
            assert_eq!(owner.sign_in(&[]).await, 202, "{reaction}: nobody skips it");
            assert_eq!(thief.sign_in(&[]).await, 202, "{reaction}: nobody skips it");
            assert_eq!(owner.sign_in(&[CODE]).await, 200);
        }
        assert_eq!(owner.trust().await, 200);
        assert_eq!(thief.sign_in(&[]).await, 202, "{reaction}: the copy does not");
        assert_eq!(owner.sign_in(&[]).await, 200, "{reaction}: its owner does");
        thief.device_cookie.clone_from(&owner.device_cookie);
        assert_eq!(thief.sign_in(&[]).await, 200, "{reaction}: the cookie is what counts");
    }
    Ok(())
}

/// An id that was forgotten is another's from then on: its owner gets a new one, and so does a thief who has copied it.
#[tokio::test]
async fn a_forgotten_device_comes_back_under_a_new_id() -> TestResult {
    let kit = cookies();
    let mut owner = Browser::at(&kit.sessions);
    assert_eq!(owner.sign_in(&[CODE]).await, 200);
    let (forgotten, mut thief) = (owner.device().await, owner.with_copied_cookie());
    assert_eq!(owner.send(Method::DELETE, &format!("/api/devices/{forgotten}"), &[], "").await.status, 204);
    kit.events.take();

    for browser in [&mut owner, &mut thief] {
        assert_eq!(browser.sign_in(&[CODE]).await, 200);
    }
    let (back, copy) = (owner.device().await, thief.device().await);
    assert!(back != forgotten && copy != forgotten && back != copy);
    let news: Vec<bool> = kit
        .events
        .take()
        .into_iter()
        .filter_map(|event| match event {
            SessionEvent::Started { new_device, .. } => Some(new_device),
            _ => None,
        })
        .collect();
    assert_eq!(news, [true, true]);
    let known = kit.sessions.devices(&"ann".parse()?).await?;
    assert!(known.iter().all(|device| device.id.to_string() != forgotten), "it is not shown any longer");
    assert_eq!(owner.sign_in(&[CODE]).await, 200);
    assert_eq!(owner.device().await, back, "it is known by its new id");
    assert!(kit.sessions.find_device(&"ann".parse()?, forgotten.parse()?).await?.is_none());

    let mut other_user = owner.with_copied_cookie();
    other_user.device_cookie.clone_from(&thief.device_cookie);
    let headers = [("x-user", "bob"), CODE];
    assert_eq!(other_user.send(Method::POST, "/login", &headers, "").await.status, 200);
    assert_eq!(other_user.device().await, copy, "what one user has forgotten is no matter of another's");
    Ok(())
}

/// An id that nobody has proven is only a name, and stays what it is.
#[tokio::test]
async fn a_forgotten_name_of_a_device_stays_the_same() -> TestResult {
    let kit = Kit::new();
    let (ann, id) = (UserId::try_from("ann")?, DeviceId::new());
    let client = || ClientInfo::new().device_id(Some(id));
    drop(kit.sessions.start("ann", client()).await?);
    assert!(kit.sessions.forget_device(&ann, id, Revocation::by_application()).await?);
    assert!(!kit.sessions.forget_device(&ann, id, Revocation::by_application()).await?);
    let again = kit.sessions.start("ann", client()).await?;
    assert_eq!((again.session().device_id, again.device_proof()), (Some(id), None));
    assert!(kit.sessions.find_device(&ann, id).await?.is_some());
    Ok(())
}

/// Trust is of one user on one device, for a time, and taken away at will.
#[tokio::test]
async fn a_trusted_device_is_trusted_for_its_time() -> TestResult {
    let kit = Kit::new();
    let (ann, proof) = (UserId::try_from("ann")?, DeviceProof::new(DeviceId::new()));
    let current = kit.sessions.authenticate(kit.sign_in_proving("ann", &proof).await.token()).await?;
    drop(kit.sign_in_proving("bob", &proof).await);
    assert!(!kit.trusts("ann", &proof).await);
    let trusted = kit.trust(&current, &proof).await.ok_or("it was not trusted")?;
    assert_eq!(trusted.until(), kit.sessions.now().saturating_add(DAY));
    assert!(kit.trusts("ann", trusted.proof()).await);
    assert!(!kit.trusts("bob", trusted.proof()).await, "another user of the device");
    assert!(!kit.trusts("ann", &proof).await, "the id alone");
    let unproven = ClientInfo::new().device_id(Some(proof.id()));
    for client in [ClientInfo::new(), unproven.clone(), ClientInfo::new().device_proof(None)] {
        assert!(!kit.sessions.is_trusted(&ann, &client).await?, "{client:?}");
    }

    kit.clock.advance(DAY - Duration::from_micros(1));
    assert!(kit.trusts("ann", trusted.proof()).await);
    kit.clock.advance(Duration::from_micros(1));
    assert!(!kit.trusts("ann", trusted.proof()).await);

    let again = kit.trust(&current, trusted.proof()).await.ok_or("it was not trusted")?;
    assert!(kit.trusts("ann", again.proof()).await && !kit.trusts("ann", trusted.proof()).await);
    assert!(kit.sessions.distrust_device(&ann, proof.id()).await?);
    assert!(!kit.trusts("ann", again.proof()).await);

    // Nothing can be trusted but what has proven to be the device that the session is on.
    let nowhere = kit.sessions.authenticate(kit.sign_in("ann").await.token()).await?;
    for (current, client) in [
        (&nowhere, proving(&proof)),
        (&current, proving(&DeviceProof::new(DeviceId::new()))),
        (&current, unproven),
        (&current, ClientInfo::new().device_proof(None)),
    ] {
        assert!(kit.sessions.trust_device(current, &client, DAY).await?.is_none(), "{client:?}");
    }
    Ok(())
}

/// Each of the users of one browser trusts it by a secret of their own.
#[tokio::test]
async fn one_browser_is_trusted_by_several_users() -> TestResult {
    let kit = cookies();
    let mut browser = Browser::at(&kit.sessions);
    for user in ["ann", "bob", "ann"] {
        let headers = [("x-user", user), CODE, ("x-trust", "yes")];
        assert_eq!(browser.send(Method::POST, "/login", &headers, "").await.status, 200);
    }
    for user in ["ann", "bob"] {
        let signed_in = browser.send(Method::POST, "/login", &[("x-user", user)], "").await;
        assert_eq!(signed_in.status, 200, "{user}");
    }
    assert_eq!(browser.send(Method::POST, "/login", &[("x-user", "cyd")], "").await.status, 202);
    Ok(())
}

/// A new browser can be trusted by the sign-in itself, whose answer brings the cookie.
#[tokio::test]
async fn a_sign_in_can_trust_its_device() -> TestResult {
    let kit = cookies();
    let mut browser = Browser::at(&kit.sessions);
    assert_eq!(browser.sign_in(&[CODE, ("x-trust", "yes")]).await, 200);
    assert_eq!(browser.sign_in(&[]).await, 200);

    // One that cannot be trusted is a sign-in all the same.
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        let mut other = Browser::at(&kit.sessions);
        kit.store.fail(StoreMethod::TrustDevice, fault);
        assert_eq!(other.sign_in(&[CODE, ("x-trust", "yes")]).await, 200);
        kit.store.heal();
        assert_eq!(other.send(Method::GET, "/me", &[], "").await.status, 200);
        assert_eq!(other.sign_in(&[]).await, 202);
    }
    let unproven = kit.sessions.start("ann", ClientInfo::new()).trust_device(DAY).await?;
    assert!(unproven.device_proof().is_none());
    Ok(())
}

/// "A trusted device that survives it": trust dies with the device, with the end of all sessions, and with a change of
/// credentials, but not with the end of the others.
#[tokio::test]
async fn trust_dies_with_what_it_rests_on() -> TestResult {
    for (what, survives) in [
        ("others", true),
        ("all", false),
        ("global", false),
        ("forget", false),
        ("changed", false),
        ("kept", false),
        ("erase", false),
    ] {
        let kit = Kit::new();
        let app = kit.app();
        let (ann, proof) = (UserId::try_from("ann")?, DeviceProof::new(DeviceId::new()));
        let started = kit.sign_in_proving("ann", &proof).await;
        let current = kit.sessions.authenticate(started.token()).await?;
        let trusted = kit.trust(&current, &proof).await.ok_or("it was not trusted")?;
        match what {
            "others" => drop(kit.sessions.revoke_others(&current).await?),
            "all" => drop(kit.sessions.revoke_all(&ann, Revocation::by_application()).await?),
            "global" => drop(send(&app, request(Method::POST, "/api/logout?scope=global", started.token())).await),
            "forget" => drop(kit.sessions.forget_device(&ann, proof.id(), &current).await?),
            "changed" => drop(kit.sessions.credentials_changed(&ann, None).await?),
            "kept" => drop(kit.sessions.credentials_changed(&ann, Some(&current)).await?),
            _ => drop(kit.sessions.erase_user(&ann).await?),
        }
        assert_eq!(kit.trusts("ann", trusted.proof()).await, survives, "{what}");
        drop(kit.sign_in_proving("ann", trusted.proof()).await);
        assert_eq!(kit.trusts("ann", trusted.proof()).await, survives, "{what}, after a sign-in");
    }
    Ok(())
}

/// Both orders of a race between trusting a device and ending everything.
#[tokio::test]
async fn trust_that_races_with_the_end_of_all_sessions_does_not_stay() -> TestResult {
    for trust_first in [true, false] {
        let kit = Kit::new();
        let (ann, proof) = (UserId::try_from("ann")?, DeviceProof::new(DeviceId::new()));
        let current = kit.sessions.authenticate(kit.sign_in_proving("ann", &proof).await.token()).await?;
        let (held, waiting) = match trust_first {
            true => (StoreMethod::DistrustDevices, StoreMethod::EndAll),
            false => (StoreMethod::TrustDevice, StoreMethod::TrustDevice),
        };
        let gate = kit.store.hold_before(held);
        let trusting = |sessions: SessionManager, current: CurrentSession, client: ClientInfo| async move {
            Ok::<_, Error>(sessions.trust_device(&current, &client, DAY).await?.is_some())
        };
        let revoking = |sessions: SessionManager, user| async move {
            sessions.revoke_all(&user, Revocation::by_application()).await
        };
        // The first one is held in the middle, until the other has finished.
        if trust_first {
            let revoke = tokio::spawn(revoking(kit.sessions.clone(), ann.clone()));
            gate.arrived(1).await;
            let trusted = trusting(kit.sessions.clone(), current.clone(), proving(&proof)).await?;
            assert!(!trusted, "the session has ended");
            gate.open();
            revoke.await??;
        } else {
            let trust = tokio::spawn(trusting(kit.sessions.clone(), current.clone(), proving(&proof)));
            gate.arrived(1).await;
            revoking(kit.sessions.clone(), ann.clone()).await?;
            gate.open();
            assert!(!trust.await??, "the session has ended");
        }
        assert!(kit.store.calls(waiting) > 0);
        let known = kit.sessions.find_device(&ann, proof.id()).await?.ok_or("a device")?;
        assert_eq!(known.trust, None, "trust first: {trust_first}");
    }
    Ok(())
}

/// Over HTTP a device is trusted from itself, by a session of the second level: two methods are not two factors.
#[tokio::test]
async fn a_device_is_trusted_from_itself_at_the_second_level() -> TestResult {
    let kit = Kit::with(|builder| builder.device_cookie(keys()));
    let tokens = DeviceTokens::new(keys(), &TokenOptions::new())?;
    let app = kit.app();
    let (here, there) = (DeviceProof::new(DeviceId::new()), DeviceProof::new(DeviceId::new()));
    let start = |proof: &DeviceProof| kit.sessions.start("ann", proving(proof));
    let one = start(&here).method("pwd").await?;
    let two_methods = start(&here).method("pwd").method("pin").await?;
    let level = start(&here).method("pwd").method("otp").assurance_level(2).await?;
    let elsewhere = start(&there).assurance_level(2).await?;
    let path = format!("/api/devices/{}", here.id());
    let token_of = |proof: &DeviceProof| tokens.issue(proof).expect("keys that sign");
    let body = |token: &str| format!("{{\"trusted\":true,\"deviceToken\":\"{token}\"}}");
    for (started, body, status, what) in [
        (&one, body(&token_of(&here)), 403, "one method"),
        (&two_methods, body(&token_of(&here)), 403, "two methods of one factor"),
        (&elsewhere, body(&token_of(&there)), 403, "from another device"),
        (&elsewhere, body(&token_of(&here)), 403, "from a session on another device"),
        (&level, body(&token_of(&there)), 403, "with the proof of another device"),
        (&level, body("made up"), 403, "with a proof that is none"),
        (&level, "{\"trusted\":true}".to_owned(), 403, "by whoever has stolen nothing but the session"),
        (&level, body(&token_of(&here)), 200, "as it should be"),
    ] {
        let answer = send(&app, patch(&path, started.token(), &body)).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        assert_eq!(answer.headers.get(header::SET_COOKIE), None, "{what}: it has no cookies");
        let given = answer.json()["deviceToken"].as_str().map(str::to_owned);
        assert_eq!(given.is_some(), status == 200, "{what}");
        if let Some(given) = given {
            assert_eq!(answer.json()["trustedUntil"], "2026-01-31T00:00:00.000Z");
            assert!(kit.trusts("ann", &tokens.open(given.as_bytes())?).await);
            assert!(!kit.trusts("ann", &here).await);
            let away = send(&app, patch(&path, elsewhere.token(), "{\"trusted\":false}")).await;
            assert_eq!(away.json()["trustedUntil"], serde_json::Value::Null, "taken away from anywhere");
            assert!(!kit.trusts("ann", &tokens.open(given.as_bytes())?).await);
        }
    }
    Ok(())
}

/// An app keeps what it is given with each sign-in, and what it is given with trust.
#[tokio::test]
async fn an_app_without_cookies_is_known_and_trusted_by_its_token() -> TestResult {
    let kit = Kit::new();
    let tokens = DeviceTokens::new(keys(), &TokenOptions::new())?;
    let sign_in = async |sent: Option<&str>| {
        let proof = sent.and_then(|token| tokens.open(token.as_bytes()).ok());
        let client = ClientInfo::new().user_agent("MyApp/4.2").device_proof(proof);
        let started = kit.sessions.start("ann", client).assurance_level(2).await?;
        let token = started.device_proof().and_then(|proof| tokens.issue(proof)).ok_or("no token")?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((started, token))
    };
    let (first, token) = sign_in(None).await?;
    let (second, same) = sign_in(Some(&token)).await?;
    assert_eq!((second.session().device_id, &same), (first.session().device_id, &token));

    let current = kit.sessions.authenticate(second.token()).await?;
    let trusted = kit.trust(&current, &tokens.open(token.as_bytes())?).await.ok_or("it was not trusted")?;
    let better = tokens.issue(trusted.proof()).ok_or("no token")?;
    let (_, kept) = sign_in(Some(&better)).await?;
    assert_eq!(kept, better);
    assert!(kit.trusts("ann", &tokens.open(kept.as_bytes())?).await);
    assert!(!kit.trusts("ann", &tokens.open(token.as_bytes())?).await);

    kit.sessions.forget_device(&"ann".parse()?, trusted.proof().id(), Revocation::by_application()).await?;
    let (third, other) = sign_in(Some(&better)).await?;
    assert_ne!(third.session().device_id, first.session().device_id);
    assert_ne!(tokens.open(other.as_bytes())?.id(), trusted.proof().id());
    Ok(())
}
