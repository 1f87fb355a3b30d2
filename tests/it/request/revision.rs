//! A verifier of the application's own whose revision goes up and down.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tower_device_sessions::{
    ClientInfo, SessionId, SessionManager, Timestamp, UserId,
    policy::Denied,
    store::MemoryStore,
    token::{TokenRejection, VerifiedToken, VerifyToken},
};

use crate::support::TestResult;

#[derive(Clone, Debug, Default)]
struct Verifier(Arc<State>);

#[derive(Debug, Default)]
struct State {
    revision: AtomicU64,
    refuses: AtomicBool,
    names: Mutex<Option<(UserId, SessionId)>>,
}

impl Verifier {
    fn change(&self, revision: u64, refuses: bool) {
        self.0.refuses.store(refuses, Ordering::SeqCst);
        self.0.revision.store(revision, Ordering::SeqCst);
    }
}

impl VerifyToken for Verifier {
    fn verify(&self, _: &str, now: Timestamp) -> Result<VerifiedToken, TokenRejection> {
        let names = self.0.names.lock().expect("no test panics here").clone();
        let (user, id) = names.filter(|_| !self.0.refuses.load(Ordering::SeqCst)).ok_or(TokenRejection::Other)?;
        Ok(VerifiedToken::new(user, id, now, now.saturating_add(std::time::Duration::from_secs(600))))
    }

    fn revision(&self) -> u64 {
        self.0.revision.load(Ordering::SeqCst)
    }
}

/// The cache has a number of its own for what it has forgotten; the two may move at once, and in opposite directions.
#[tokio::test]
async fn a_revision_that_differs_in_any_way_has_tokens_verified_again() -> TestResult {
    let verifier = Verifier::default();
    let sessions = SessionManager::builder(MemoryStore::new()).verifier(verifier.clone()).build()?;
    let session = sessions.start("ann", ClientInfo::new()).without_token().await?;
    *verifier.0.names.lock().expect("no test panics here") = Some((session.user_id.clone(), session.id));
    let mut flushes = 0;
    for (revision, next, flushed) in [(10, 9, 0), (8, 7, 1), (20, 17, 3), (5, 6, 0), (0, u64::MAX, 1), (30, 31, 1)] {
        verifier.change(revision, false);
        sessions.authenticate("token").await?;
        verifier.change(next, true);
        for _ in 0..flushed {
            sessions.flush_cache();
            flushes += 1;
        }
        let denied = sessions.authenticate("token").await.map(drop);
        assert_eq!(denied, Err(Denied::Invalid), "{revision} to {next}, flushed {flushed} times, {flushes} in all");
    }
    Ok(())
}
