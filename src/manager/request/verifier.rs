//! What verifies access tokens: the crate's own verifier, the application's, or an outer layer.

use crate::{
    clock::Timestamp,
    manager::{Verifier, request::current::Claims},
    token::{TokenVerifier, VerifiedToken},
};

impl Verifier {
    /// What verifies the tokens of this crate.
    pub(in crate::manager) fn own(&self) -> Option<&TokenVerifier> {
        match self {
            Self::Own(verifier) => Some(verifier),
            Self::Application(_) | Self::Upstream => None,
        }
    }

    pub(in crate::manager) fn key_revision(&self) -> u64 {
        match self {
            Self::Own(verifier) => verifier.revision(),
            Self::Application(verifier) => verifier.revision(),
            Self::Upstream => 0,
        }
    }

    pub(super) fn claims(&self) -> Claims {
        match self {
            Self::Own(_) => Claims::InToken,
            Self::Application(_) | Self::Upstream => Claims::Elsewhere,
        }
    }

    /// Until when a token that was verified once is good.
    pub(super) fn deadline(&self, verified: &VerifiedToken) -> Timestamp {
        match self {
            Self::Own(verifier) => verifier.deadline(verified),
            Self::Application(_) | Self::Upstream => verified.expires_at,
        }
    }

    pub(super) fn is_unexpired(&self, verified: &VerifiedToken, now: Timestamp) -> bool {
        now < self.deadline(verified)
    }
}
