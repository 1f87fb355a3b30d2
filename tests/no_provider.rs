//! What works without a provider of cryptography: `cargo test --no-default-features --test no_provider`.
#![cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]

use tower_device_sessions::{
    ClientInfo, KeyRing, SessionManager, UserId,
    clock::Timestamp,
    error::ConfigErrorKind,
    manager::Revocation,
    policy::Denied,
    store::MemoryStore,
    token::{TokenRejection, VerifiedToken, VerifyToken},
};

/// Reads `user~session`.
#[derive(Debug)]
struct Plain;

impl VerifyToken for Plain {
    fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenRejection> {
        let (user, session) = token.split_once('~').ok_or(TokenRejection::Malformed)?;
        let user = UserId::try_from(user).map_err(|_| TokenRejection::Malformed)?;
        let session = session.parse().map_err(|_| TokenRejection::Malformed)?;
        Ok(VerifiedToken::new(user, session, now, now.saturating_add(std::time::Duration::from_secs(60))))
    }
}

#[tokio::test]
async fn a_verifier_of_ones_own_needs_no_provider() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = SessionManager::builder(MemoryStore::new()).verifier(Plain).build()?;
    let session = sessions.start("ann", ClientInfo::new()).without_token().await?;
    let token = format!("ann~{}", session.id);
    assert_eq!(sessions.authenticate(&token).await.map(|current| current.user_id().clone()), Ok("ann".parse()?));
    sessions.revoke(&session.user_id, session.id, Revocation::by_application()).await?;
    assert!(matches!(sessions.authenticate(&token).await, Err(Denied::Ended(_))));
    Ok(())
}

#[test]
fn keys_without_a_provider_are_refused_by_name() {
    let refused =
        KeyRing::hs256("2sGqvEN7ZbFZ0Uzs9qfKxPZC0mHzTdxW").map(drop).map_err(|error| (error.kind(), error.to_string()));
    let reason = "keys need a provider of cryptography: enable the feature `aws_lc_rs` or `rust_crypto`";
    assert_eq!(refused, Err((ConfigErrorKind::KeyRing, reason.to_owned())));
}
