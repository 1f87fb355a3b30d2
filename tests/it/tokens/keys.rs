//! Keys: rotated under load, published, and changed altogether.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use serde_json::json;
use tower_device_sessions::{KeyRing, manager::RefreshPolicy, routes::JwksRoute, token::SigningKey};

use crate::support::{Kit, SECRET, TestResult, get_with, send};

const ED25519: &str = include_str!("../../keys/ed25519.pem");
const OTHER: &str = include_str!("../../keys/ed25519_other.pem");

async fn published(app: &Router) -> (u16, String, serde_json::Value) {
    let asked = Request::builder().uri("/.well-known/jwks.json").body(Body::empty()).expect("a good request");
    let answer = send(app, asked).await;
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    (answer.status.as_u16(), kind, answer.json())
}

/// The public keys that are current, and never a secret.
#[tokio::test]
async fn public_keys_are_published_and_secrets_are_not() -> TestResult {
    let keys = KeyRing::builder().signing_key(SigningKey::eddsa_pem(ED25519)?.kid("one")).build()?;
    let app: Router = JwksRoute::new(&keys).into_router();
    let (status, kind, set) = published(&app).await;
    assert_eq!((status, kind.as_str()), (200, "application/jwk-set+json"));
    let members: Vec<_> = set["keys"][0].as_object().expect("a key").keys().cloned().collect();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"], "and nothing private");

    keys.rotate_to(SigningKey::eddsa_pem(OTHER)?.kid("two"))?;
    let kids = |set: &serde_json::Value| [set["keys"][0]["kid"].clone(), set["keys"][1]["kid"].clone()];
    assert_eq!(kids(&published(&app).await.2), [json!("two"), json!("one")]);
    keys.retire("one")?;
    assert_eq!(kids(&published(&app).await.2), [json!("two"), json!(null)]);

    let secret: Router = JwksRoute::new(&KeyRing::hs256(SECRET)?).into_router();
    assert_eq!(published(&secret).await.2, json!({ "keys": [] }));

    // What is published verifies what is signed.
    let kit = Kit::with(|builder| builder.keys(keys.clone()));
    let started = kit.sign_in("ann").await;
    let verifying = KeyRing::builder().jwks(published(&app).await.2.to_string()).build()?;
    let other = Kit::over(kit.store.clone(), kit.clock.clone(), |builder| builder.keys(verifying));
    assert!(other.sessions.authenticate(started.token()).await.is_ok());
    Ok(())
}

/// R40: keys change under load, and nobody is signed out; retired keys are refused at once, cached or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_rotate_under_load_without_a_sign_out() -> TestResult {
    let keys = KeyRing::builder().signing_key(SigningKey::hs256(SECRET)?.kid("0")).build()?;
    let kit = Kit::with(|builder| builder.keys(keys.clone()).refresh(RefreshPolicy::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (sessions, stop) = (kit.sessions.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let user = format!("user-{number}");
                let mut session = sessions.start(user, Default::default()).await.expect("a sign-in");
                let mut refreshes = 0;
                // At least once after the last rotation, so that the first keys can go.
                loop {
                    let last_round = stop.load(Ordering::SeqCst);
                    for _ in 0..20 {
                        sessions.authenticate(session.token()).await.expect("signed in");
                    }
                    let token = session.refresh_token().expect("refresh is on").to_owned();
                    session = sessions.refresh(&token).await.expect("refreshed");
                    refreshes += 1;
                    if last_round {
                        return (session, refreshes);
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for round in 1..=20 {
        keys.rotate_to(
            SigningKey::hs256(format!("the secret number {round:>3} of more than 32 bytes"))?.kid(round.to_string()),
        )?;
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    let mut sessions = Vec::new();
    for client in clients {
        sessions.push(client.await?);
    }
    for old in 0..20 {
        keys.retire(&old.to_string())?;
    }
    for (session, refreshes) in &sessions {
        assert!(*refreshes > 0);
        assert!(kit.sessions.authenticate(session.token()).await.is_ok(), "signed with the newest key");
    }
    Ok(())
}

/// The only secret is changed. Everybody is signed out, nothing breaks, and everybody can sign in again.
#[tokio::test]
async fn a_changed_secret_signs_everybody_out_and_breaks_nothing() -> TestResult {
    let kit = Kit::with(|builder| builder.refresh(RefreshPolicy::new()));
    let started = kit.sign_in("ann").await;
    assert_eq!(get_with(&kit.app(), "/me", started.token()).await.status, 200);

    let changed = Kit::over(kit.store.clone(), kit.clock.clone(), |builder| {
        let keys = KeyRing::hs256("the secret after the incident, of 32 bytes").expect("a good secret");
        builder.keys(keys).refresh(RefreshPolicy::new())
    });
    let app = changed.app();
    let denied = get_with(&app, "/me", started.token()).await;
    assert_eq!((denied.status.as_u16(), denied.code().as_str()), (401, "token_invalid"));
    assert!(changed.sessions.refresh(started.refresh_token().expect("refresh is on")).await.is_err());

    let again = changed.sign_in("ann").await;
    assert_eq!(get_with(&app, "/me", again.token()).await.status, 200);
    // The sessions from before are on record still, listed, and can be ended.
    let list = get_with(&app, "/api/sessions", again.token()).await.json();
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    Ok(())
}

/// A retired key is refused at once, although its tokens are cached.
#[tokio::test]
async fn the_tokens_of_a_retired_key_are_refused_at_once() -> TestResult {
    let keys = KeyRing::builder().signing_key(SigningKey::hs256(SECRET)?.kid("one")).build()?;
    let kit = Kit::with(|builder| builder.keys(keys.clone()).cache_ttl(Duration::from_secs(60)));
    let started = kit.sign_in("ann").await;
    kit.sessions.authenticate(started.token()).await?;
    keys.rotate_to(SigningKey::hs256("another secret of more than 32 bytes")?.kid("two"))?;
    assert!(kit.sessions.authenticate(started.token()).await.is_ok());
    keys.retire("one")?;
    assert!(kit.sessions.authenticate(started.token()).await.is_err());
    Ok(())
}
