//! What the cache says of a request's token, and what is left to be done then.

use crate::{
    cache::Entry,
    credentials::CredentialSource,
    device::ClientInfo,
    manager::request::current::{Authenticated, Claims, CurrentSession},
    token::VerifiedToken,
};

/// What the cache knows about a request's token.
pub(crate) enum Checked {
    /// It is good.
    Accepted(CurrentSession),
    /// The store, or the signature, has to be asked.
    Pending(Pending),
    /// The request has several tokens.
    Several(Vec<Self>),
}

/// A token that the cache cannot answer for.
pub(crate) struct Pending {
    pub(super) source: CredentialSource,
    pub(super) token: Box<[u8]>,
    pub(super) key_revision: u64,
    pub(super) verified: Option<VerifiedToken>,
    pub(super) claims: Claims,
    /// Who sends it, where that is of interest.
    pub(super) client: Option<Box<ClientInfo>>,
}

impl Pending {
    /// A token that was accepted under this revision of the keys, to be checked again.
    pub(super) fn again(entry: &Entry<Authenticated>, source: CredentialSource, key_revision: u64) -> Self {
        let (token, claims) = (entry.token().into(), entry.value().claims());
        let verified = Some(entry.value().verified());
        Self { source, token, key_revision, verified, claims, client: None }
    }

    /// Says who sends the token.
    pub(crate) fn sent_by(mut self, client: ClientInfo) -> Self {
        self.client = Some(Box::new(client));
        self
    }

    pub(super) fn client(&self) -> ClientInfo {
        self.client.as_deref().cloned().unwrap_or_default()
    }
}
