//! What a verified token says.

use crate::{
    clock::Timestamp,
    id::{SessionId, UserId},
};

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedToken {
    /// Whose session it is (`sub`).
    pub user_id: UserId,
    /// Which session it is.
    pub session_id: SessionId,
    /// When the token was issued (`iat`), in whole seconds.
    pub issued_at: Timestamp,
    /// When the token expires (`exp`), in whole seconds and without the leeway.
    pub expires_at: Timestamp,
    /// The generation of the session's tokens that this one belongs to (`gen`).
    pub generation: Option<u32>,
}

impl VerifiedToken {
    /// A token without a generation.
    pub fn new(user_id: UserId, session_id: SessionId, issued_at: Timestamp, expires_at: Timestamp) -> Self {
        Self { user_id, session_id, issued_at, expires_at, generation: None }
    }

    /// The generation of the session's tokens that this one belongs to. Default: none.
    #[must_use]
    pub fn generation(mut self, generation: u32) -> Self {
        self.generation = Some(generation);
        self
    }
}
