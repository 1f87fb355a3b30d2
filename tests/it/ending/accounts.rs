//! Accounts: credentials change, users are erased, and are told all that is known of them.

use std::time::Duration;

use serde_json::{Value, json};
use tower_device_sessions::{
    ClientInfo, DeviceId, KeyRing, SessionKey, SessionManager, UserId,
    clock::ManualClock,
    event::SessionEvent,
    manager::{ListOptions, Revocation},
    policy::Denied,
    privacy::AddressPrivacy,
    session::{Actor, EndReason},
    store::{Fault, MemoryStore, SessionState, SessionStore, StoreMethod},
};

use crate::support::{CHROME, Kit, SECRET, TestResult, get_with};

const MINUTE: Duration = Duration::from_secs(60);

/// S34, S49. "A password change that leaves sessions": it leaves one, under new tokens.
#[tokio::test]
async fn a_change_of_credentials_ends_everything_but_the_session_that_made_it() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let ann: UserId = "ann".parse()?;
    let claims = json!({ "tenant": "acme" });
    let current = kit.sessions.start("ann", ClientInfo::new()).claims(&claims).await?;
    let others = [kit.sign_in("ann").await, kit.sign_in("ann").await];
    let bob = kit.sign_in("bob").await;
    for started in others.iter().chain([&current, &bob]) {
        assert_eq!(get_with(&app, "/me", started.token()).await.status, 200);
    }
    kit.events.take();
    kit.clock.advance(MINUTE);

    let session = kit.sessions.authenticate(current.token()).await?;
    let changed = kit.sessions.credentials_changed(&ann, Some(&session)).await?;
    assert_eq!(changed.revoked, 2);
    let kept = changed.kept.ok_or("the session was not kept")?;
    assert_eq!(kept.session().id, current.session().id);
    assert_ne!(kept.token(), current.token());

    for other in &others {
        let denied = get_with(&app, "/me", other.token()).await;
        assert_eq!((denied.status.as_u16(), denied.code().as_str()), (401, "credentials_changed"));
    }
    assert_eq!(get_with(&app, "/me", current.token()).await.status, 401, "the old token of the session that was kept");
    assert_eq!(get_with(&app, "/me", kept.token()).await.status, 200);
    assert_eq!(get_with(&app, "/me", bob.token()).await.status, 200);
    let again = kit.sessions.authenticate(kept.token()).await?;
    assert_eq!(again.claims::<Value>()?["tenant"], "acme", "the application's claims are handed on");
    assert_eq!(again.session().expires_at, current.session().expires_at, "and nothing lives longer");

    let ended = kit.sessions.find(&ann, others[0].session().id).await?.and_then(|session| session.ended);
    let ending = ended.ok_or("no ending")?;
    assert_eq!((ending.reason, ending.actor), (EndReason::CredentialsChanged, Actor::Session(session.id())));
    let told = kit.events.take();
    let changed = |event: &SessionEvent| matches!(event, SessionEvent::CredentialsChanged { kept: Some(id), .. } if *id == session.id());
    assert_eq!(told.iter().filter(|event| changed(event)).count(), 1, "{told:?}");
    Ok(())
}

/// On another node the old token lasts as long as its cached record does, and no longer.
#[tokio::test]
async fn the_old_token_is_refused_on_other_nodes_too() -> TestResult {
    let kit = Kit::new();
    let other = kit.another_node();
    let current = kit.sign_in("ann").await;
    assert!(other.sessions.authenticate(current.token()).await.is_ok());
    let session = kit.sessions.authenticate(current.token()).await?;
    let kept = kit.sessions.credentials_changed(session.user_id(), Some(&session)).await?.kept.ok_or("not kept")?;
    kit.clock.advance(Duration::from_secs(11));
    assert_eq!(other.sessions.authenticate(current.token()).await.err(), Some(Denied::Invalid));
    assert!(other.sessions.authenticate(kept.token()).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_change_of_credentials_may_keep_nothing() -> TestResult {
    let kit = Kit::new();
    let ann: UserId = "ann".parse()?;
    let (one, two) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    let bob = kit.sessions.authenticate(kit.sign_in("bob").await.token()).await?;
    // Somebody else's session is none to keep, and is left alone.
    let changed = kit.sessions.credentials_changed(&ann, Some(&bob)).await?;
    assert_eq!((changed.revoked, changed.kept.is_none()), (2, true));
    for started in [&one, &two] {
        assert!(matches!(kit.sessions.authenticate(started.token()).await, Err(Denied::Ended(_))));
    }
    assert!(kit.sessions.find(bob.user_id(), bob.id()).await?.is_some_and(|session| session.ended.is_none()));
    Ok(())
}

/// The session ends while its user changes the password: it does not come back.
#[tokio::test]
async fn a_session_that_ended_meanwhile_is_not_kept() -> TestResult {
    let kit = Kit::new();
    let session = kit.sessions.authenticate(kit.sign_in("ann").await.token()).await?;
    kit.sessions.revoke(session.user_id(), session.id(), Revocation::by_application()).await?;
    let changed = kit.sessions.credentials_changed(session.user_id(), Some(&session)).await?;
    assert!(changed.kept.is_none());
    Ok(())
}

/// An answer of the store that was lost leaves nobody with a token that is refused.
#[tokio::test]
async fn a_lost_answer_still_ends_in_a_token_that_works() -> TestResult {
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        let kit = Kit::new();
        let session = kit.sessions.authenticate(kit.sign_in("ann").await.token()).await?;
        kit.store.fail_next(StoreMethod::Rotate, 1, fault);
        let kept = kit.sessions.credentials_changed(session.user_id(), Some(&session)).await?.kept;
        let kept = kept.ok_or("not kept")?;
        assert!(kit.sessions.authenticate(kept.token()).await.is_ok(), "{fault:?}");
    }
    Ok(())
}

/// Without tokens of the manager's own there is none to hand out, and the session that is kept stays as it is.
#[tokio::test]
async fn without_keys_everything_else_ends_all_the_same() -> TestResult {
    let kit = Kit::new();
    let (current, other) = (kit.sign_in("ann").await, kit.sign_in("ann").await);
    let verifying = tower_device_sessions::token::VerifyingKey::hs256(SECRET)?;
    let keys = KeyRing::builder().unnamed_key(verifying).build()?;
    let node = SessionManager::builder(kit.store.clone()).keys(keys).clock(kit.clock.clone()).build()?;
    let session = node.authenticate(current.token()).await?;
    let changed = node.credentials_changed(session.user_id(), Some(&session)).await?;
    assert_eq!((changed.revoked, changed.kept.is_none()), (1, true));
    assert!(node.authenticate(current.token()).await.is_ok());
    assert!(node.authenticate(other.token()).await.is_err());
    Ok(())
}

/// "A deleted row that comes back": neither activity that waits, nor a cached record, nor a running read brings it
/// back.
#[tokio::test]
async fn an_erased_user_is_gone_and_stays_gone() -> TestResult {
    let kit = Kit::new();
    let app = kit.app();
    let (ann, device) = (UserId::try_from("ann")?, DeviceId::new());
    let client = ClientInfo::new().user_agent(CHROME).device_id(Some(device));
    let (one, two) = (kit.sessions.start("ann", client).await?, kit.sign_in("ann").await);
    let bob = kit.sign_in("bob").await;
    kit.sessions.sign_out(&kit.sessions.authenticate(two.token()).await?).await?;
    kit.clock.advance(5 * MINUTE);
    assert_eq!(get_with(&app, "/me", one.token()).await.status, 200, "activity waits to be written");
    let waiting = kit.sessions.authenticate(one.token()).await?.ended();
    kit.events.take();

    assert_eq!(kit.sessions.erase_user(&ann).await?, 2);
    waiting.await;
    let told = kit.events.take();
    assert!(matches!(told.last(), Some(SessionEvent::Erased { sessions: 2, .. })), "{told:?}");
    assert!(kit.sessions.flush_activity().await);
    let denied = get_with(&app, "/me", one.token()).await;
    assert_eq!((denied.status.as_u16(), denied.code().as_str()), (401, "token_invalid"));
    assert_eq!(get_with(&app, "/me", bob.token()).await.status, 200);

    let all = ListOptions::new().state(SessionState::All);
    assert!(kit.sessions.list(&ann, &all).await?.sessions.is_empty());
    assert!(kit.sessions.devices(&ann).await?.is_empty());
    let export = kit.sessions.export_user(&ann).await?;
    assert_eq!(export, json!({ "userId": "ann", "sessions": [], "devices": [] }));
    assert_eq!(kit.sessions.erase_user(&ann).await?, 0, "again is harmless");
    Ok(())
}

/// A read that was under way when the user was erased is not published afterwards.
#[tokio::test]
async fn a_running_read_does_not_outlive_the_erasure() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let gate = kit.store.hold_after(StoreMethod::Find);
    let reading = tokio::spawn({
        let (sessions, token) = (kit.sessions.clone(), started.token().to_owned());
        async move { sessions.authenticate(&token).await.map(drop) }
    });
    gate.arrived(1).await;
    kit.sessions.erase_user(&"ann".parse()?).await?;
    gate.open();
    assert!(reading.await?.is_err());
    assert!(kit.sessions.authenticate(started.token()).await.is_err());
    Ok(())
}

#[tokio::test]
async fn an_erasure_that_fails_is_an_error_and_can_be_repeated() -> TestResult {
    let kit = Kit::new();
    let ann: UserId = "ann".parse()?;
    let started = kit.sign_in("ann").await;
    kit.store.fail(StoreMethod::Erase, Fault::FailBefore);
    assert!(kit.sessions.erase_user(&ann).await.is_err());
    assert!(kit.sessions.authenticate(started.token()).await.is_err(), "the session has ended at least");
    kit.store.heal();
    assert_eq!(kit.sessions.erase_user(&ann).await?, 1);
    Ok(())
}

/// Everything that is on record, and nothing that could be presented.
#[tokio::test]
async fn an_export_has_everything_but_secrets() -> TestResult {
    let kit = Kit::new();
    let (ann, device) = (UserId::try_from("ann")?, DeviceId::new());
    let client = ClientInfo::new().user_agent(CHROME).ip("203.0.113.9".parse().ok()).device_id(Some(device));
    let data = json!({ "theme": "dark" }).as_object().cloned().unwrap_or_default();
    let started = kit.sessions.start("ann", client).method("pwd").data(data).await?;
    let ended = kit.sign_in("ann").await;
    kit.sessions.sign_out(&kit.sessions.authenticate(ended.token()).await?).await?;
    assert!(kit.sessions.rename_device(&ann, device, Some("Box".try_into()?)).await?);
    drop(kit.sign_in("bob").await);

    let export = kit.sessions.export_user(&ann).await?;
    assert_eq!(export["userId"], "ann");
    let sessions = export["sessions"].as_array().ok_or("no sessions")?;
    assert_eq!(sessions.len(), 2);
    let first = sessions.iter().find(|session| session["id"] == started.session().id.to_string()).ok_or("not there")?;
    assert_eq!((&first["createdIp"], &first["deviceId"]), (&"203.0.113.9".into(), &device.to_string().into()));
    assert_eq!((&first["data"]["theme"], &first["device"]["userAgent"]), (&"dark".into(), &CHROME.into()));
    assert!(first["methods"]["pwd"].is_string());
    assert!(sessions.iter().any(|session| session["ended"]["reason"] == "signed_out"));
    assert_eq!(export["devices"][0]["device"]["customName"], "Box");
    let text = export.to_string();
    assert!(!text.contains("salt") && !text.contains(started.token()), "{text}");
    Ok(())
}

/// Longer than a page, and none twice.
#[tokio::test]
async fn an_export_of_many_sessions_has_each_once() -> TestResult {
    let (store, clock) = (MemoryStore::new(), ManualClock::new());
    let keys = KeyRing::hs256(SECRET)?;
    let sessions = SessionManager::builder(store).keys(keys).clock(clock.clone()).build()?;
    for _ in 0..1_100 {
        drop(sessions.start("ann", ClientInfo::new()).await?);
        clock.advance(Duration::from_millis(1));
    }
    let export = sessions.export_user(&"ann".parse()?).await?;
    let mut ids: Vec<_> = export["sessions"].as_array().ok_or("none")?.iter().map(|s| s["id"].to_string()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1_100);
    Ok(())
}

/// Addresses are kept in full, cut or not at all: at the sign-in, with each touch, and in events.
#[tokio::test]
async fn addresses_are_kept_as_the_application_says() -> TestResult {
    use axum::http::Request;

    for (privacy, signed_in, seen) in [
        (AddressPrivacy::Full, json!("203.0.113.9"), json!("198.51.100.7")),
        (AddressPrivacy::Cut, json!("203.0.113.0"), json!("198.51.100.0")),
        (AddressPrivacy::None, Value::Null, Value::Null),
    ] {
        let kit = Kit::with(|builder| builder.addresses(privacy));
        let app = kit.app();
        let started = kit.sessions.start("ann", ClientInfo::new().ip("203.0.113.9".parse().ok())).await?;
        let list = get_with(&app, "/api/sessions", started.token()).await;
        assert_eq!(list.json()[0]["ipAddress"], signed_in, "{privacy:?}");

        kit.clock.advance(2 * MINUTE);
        let mut asked: Request<axum::body::Body> =
            crate::support::request(axum::http::Method::GET, "/me", started.token());
        let peer: std::net::SocketAddr = "198.51.100.7:1".parse()?;
        asked.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        assert_eq!(crate::support::send(&app, asked).await.status, 200);
        assert!(kit.sessions.flush_activity().await);
        let on_record = kit.store.find(&SessionKey::new("ann".parse()?, started.session().id)).await?.ok_or("gone")?;
        assert_eq!(json!(on_record.last_ip), seen, "{privacy:?}");
        let told = format!("{:?}", kit.events.take());
        assert_eq!(told.contains("198.51.100.7"), privacy == AddressPrivacy::Full, "{told}");
    }
    Ok(())
}
