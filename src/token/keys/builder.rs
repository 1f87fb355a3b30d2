//! How a ring is put together.

use zeroize::Zeroizing;

use super::{KeyRing, SigningKey, VerifyingKey, jwk, key::ring, set::KeySet};
use crate::{error::ConfigError, token::crypto::Algorithm};

/// Builds a [`KeyRing`] from several keys.
///
/// # Defaults
///
/// No key yet. A ring has at least one; a ring without a signing key only verifies.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct KeyRingBuilder {
    signing: Vec<SigningKey>,
    verifying: Vec<VerifyingKey>,
    unnamed: Vec<VerifyingKey>,
    sets: Vec<Jwks>,
}

/// The text of a JWK set, which may turn out to hold private keys.
#[derive(Clone)]
struct Jwks {
    text: Zeroizing<String>,
    /// `None` for whichever of ours its keys are for.
    algorithm: Option<Algorithm>,
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jwks")
    }
}

impl KeyRingBuilder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The key that signs, and verifies; at most one. Default: none, the ring only verifies.
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.signing.push(key);
        self
    }

    /// A key that verifies; any number. Default: none.
    pub fn verifying_key(mut self, key: impl Into<VerifyingKey>) -> Self {
        self.verifying.push(key.into());
        self
    }

    /// The key of the tokens that have no `kid`, beside keys with names; at most one. Default: none, so that a ring of
    /// several keys refuses tokens without a `kid`.
    ///
    /// It is for a ring that began with one unnamed key: that key is kept here until its last token has expired.
    pub fn unnamed_key(mut self, key: impl Into<VerifyingKey>) -> Self {
        self.unnamed.push(key.into());
        self
    }

    /// The public keys of a JWK set that are meant for verifying tokens, by an algorithm that this crate signs with; any number of
    /// sets. Of a set with keys of several algorithms [`jwks_for`](Self::jwks_for) takes those of one. Default: none.
    pub fn jwks(mut self, text: impl Into<String>) -> Self {
        self.sets.push(Jwks { text: Zeroizing::new(text.into()), algorithm: None });
        self
    }

    /// The public keys of a JWK set that verify tokens of one algorithm; any number of sets. Default: none.
    ///
    /// Keys of other algorithms are passed over: providers publish several side by side, for weeks when they move from
    /// one to the other. It is also the way to algorithms that this crate does not sign with.
    pub fn jwks_for(mut self, text: impl Into<String>, algorithm: Algorithm) -> Self {
        self.sets.push(Jwks { text: Zeroizing::new(text.into()), algorithm: Some(algorithm) });
        self
    }

    /// The ring.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when there is no key, or several signing keys; a key without a name beside others; two keys of
    /// one name; keys of two algorithms; a JWK set that is malformed, holds a private, symmetric or weak key, or holds
    /// no usable one.
    pub fn build(self) -> Result<KeyRing, ConfigError> {
        let Self { mut signing, mut verifying, mut unnamed, sets } = self;
        for Jwks { text, algorithm } in &sets {
            verifying.extend(jwk::set(text, *algorithm)?);
        }
        let (signing, unnamed) = match (signing.pop(), unnamed.pop()) {
            _ if !signing.is_empty() => return Err(ring("a ring has one signing key: let the others only verify")),
            _ if !unnamed.is_empty() => return Err(ring("a ring has at most one unnamed key")),
            last => last,
        };
        KeySet::new(signing, verifying, unnamed).map(KeyRing::new)
    }
}
