//! Closing an account.

use axum::extract::State;
use tower_device_sessions::{Error, RecentAuth, SessionManager, SignedOut};

/// Deletes everything that is on record about the user: sessions, ended or not, and devices. The demo's two accounts
/// are part of the program, so the user can sign in again.
pub async fn erase(
    State(sessions): State<SessionManager>,
    RecentAuth(session): RecentAuth,
) -> Result<SignedOut, Error> {
    sessions.erase_user(session.user_id()).await?;
    Ok(sessions.signed_out())
}
