//! The keys of a ring at one moment, immutable, and the rules they obey.

use std::sync::Arc;

use jsonwebtoken::EncodingKey;

use super::{SigningKey, VerifyingKey, key::ring};
use crate::{
    error::ConfigError,
    token::{
        crypto::{self, Algorithm},
        header::{self, DEFAULT_TYPE},
    },
};

/// Any number of keys of one algorithm, each with a name of its own.
#[derive(Clone)]
pub(in crate::token) struct KeySet {
    algorithm: Algorithm,
    /// The private half of the first key.
    signing: Option<EncodingKey>,
    /// All keys, the signing one first.
    keys: Vec<Arc<Key>>,
}

/// A key in a ring.
pub(in crate::token) struct Key {
    verifying: VerifyingKey,
    /// The encoded header that this crate itself writes for this key.
    header: String,
}

/// A key together with its private half.
pub(in crate::token) struct Signer<'a> {
    pub(in crate::token) key: &'a Key,
    private: &'a EncodingKey,
}

impl Signer<'_> {
    pub(in crate::token) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, jsonwebtoken::errors::Error> {
        crypto::sign(self.key.algorithm(), self.private, message)
    }
}

impl Key {
    fn new(verifying: VerifyingKey) -> Arc<Self> {
        let header = header::encode(verifying.algorithm(), DEFAULT_TYPE, verifying.kid.as_deref());
        Arc::new(Self { verifying, header })
    }

    pub(in crate::token) fn kid(&self) -> Option<&str> {
        self.verifying.kid.as_deref()
    }

    pub(in crate::token) fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The encoded header with this key's algorithm and name and the default token type.
    pub(in crate::token) fn header(&self) -> &str {
        &self.header
    }

    pub(in crate::token) fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
    }

    pub(in crate::token) fn verifies(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        self.verifying.verifies(message, signature)
    }
}

impl KeySet {
    pub(super) fn new(
        signing: Option<SigningKey>,
        verifying: Vec<VerifyingKey>,
        unnamed: Option<VerifyingKey>,
    ) -> Result<Self, ConfigError> {
        crypto::require_provider()?;
        let count = usize::from(signing.is_some()) + verifying.len() + usize::from(unnamed.is_some());
        let unnamed_is_named = unnamed.as_ref().is_some_and(|key| key.kid.is_some());
        if unnamed_is_named {
            return Err(ring("the unnamed key has a name"));
        }
        let named = signing.iter().map(|key| &key.public).chain(&verifying);
        if count > 1 && named.clone().any(|key| key.kid.is_none()) {
            return Err(ring("each of several keys has a name: give it one with `kid`"));
        }
        let mut all = named.chain(&unnamed);
        let algorithm = all.next().map(VerifyingKey::algorithm).ok_or_else(|| ring("a ring has at least one key"))?;

        let (private, first) = signing.map(|SigningKey { private, public }| (private, public)).unzip();
        let mut set = Self { algorithm, signing: private, keys: Vec::new() };
        for key in first.into_iter().chain(verifying).chain(unnamed) {
            set.check(&key)?;
            if set.find(key.kid.as_deref()).is_some() {
                return Err(ring(format!("two keys are named {:?}", key.kid.unwrap_or_default())));
            }
            set.keys.push(Key::new(key));
        }
        Ok(set)
    }

    pub(super) fn add(&self, key: VerifyingKey) -> Result<Option<Self>, ConfigError> {
        self.check_newcomer(&key)?;
        if self.find(key.kid.as_deref()).is_some() {
            return Ok(None);
        }
        let mut changed = self.clone();
        changed.keys.push(Key::new(key));
        Ok(Some(changed))
    }

    pub(super) fn rotate_to(&self, key: SigningKey) -> Result<Option<Self>, ConfigError> {
        let SigningKey { private, public } = key;
        if self.signing.is_none() {
            return Err(ring("the ring only verifies: it cannot begin to sign"));
        }
        self.check_newcomer(&public)?;
        let mut changed = self.clone();
        changed.signing = Some(private);
        changed.keys.retain(|key| key.kid() != public.kid.as_deref());
        changed.keys.insert(0, Key::new(public));
        Ok(Some(changed))
    }

    pub(super) fn retire(&self, kid: Option<&str>) -> Result<Option<Self>, ConfigError> {
        if self.find(kid).is_none() {
            return Err(ring(match kid {
                Some(kid) => format!("no key is named {kid:?}"),
                None => "every key has a name".to_owned(),
            }));
        }
        if self.signer().is_some_and(|signer| signer.key.kid() == kid) {
            return Err(ring("the key signs: rotate to another one first"));
        }
        let mut changed = self.clone();
        changed.keys.retain(|key| key.kid() != kid);
        Ok(Some(changed))
    }

    pub(in crate::token) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that a token's `kid`, or its absence, refers to.
    pub(in crate::token) fn find(&self, kid: Option<&str>) -> Option<&Key> {
        self.keys.iter().map(Arc::as_ref).find(|key| key.kid() == kid)
    }

    /// The key whose own header this is, byte by byte.
    pub(in crate::token) fn find_by_header(&self, encoded: &[u8]) -> Option<&Key> {
        self.keys.iter().map(Arc::as_ref).find(|key| key.header.as_bytes() == encoded)
    }

    pub(in crate::token) fn in_order(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().map(Arc::as_ref)
    }

    /// The key that signs, and what it signs with.
    pub(in crate::token) fn signer(&self) -> Option<Signer<'_>> {
        let private = self.signing.as_ref()?;
        self.in_order().next().map(|key| Signer { key, private })
    }

    /// What every key of the ring has to be.
    fn check(&self, key: &VerifyingKey) -> Result<(), ConfigError> {
        if key.algorithm() != self.algorithm {
            let (ours, theirs) = (self.algorithm.name(), key.algorithm().name());
            return Err(ring(format!("a ring has one algorithm: {theirs} does not go with {ours}")));
        }
        let kid = key.kid.as_deref().unwrap_or("unnamed");
        if kid.is_empty() || kid.len() > KID_BYTES_MAX || kid.chars().any(char::is_control) {
            return Err(ring(format!("a name has 1 to {KID_BYTES_MAX} bytes without control characters")));
        }
        Ok(())
    }

    /// What a key that comes later has to be, too.
    fn check_newcomer(&self, key: &VerifyingKey) -> Result<(), ConfigError> {
        self.check(key)?;
        let Some(kid) = key.kid.as_deref() else {
            return Err(ring("each of several keys has a name: give it one with `kid`"));
        };
        match self.find(Some(kid)) {
            Some(known) if !known.verifying.is_same_key(key) => Err(ring(format!("another key is named {kid:?}"))),
            _ => Ok(()),
        }
    }
}

/// S24.
pub(in crate::token) const KID_BYTES_MAX: usize = 128;
