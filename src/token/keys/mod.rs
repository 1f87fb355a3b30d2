//! The keys: which one signs, and which ones verify.
//!
//! 1. A ring has one algorithm (S01): secrets and public keys never meet in one ring (S23), and a key is only used with
//!    its own algorithm, which no token can change (S02).
//! 2. A token's `kid` is an exact key into the ring (S24). A token without one belongs to the key without one, if there
//!    is such a key.
//! 3. A ring changes while it is in use; all clones see the change at once. Tokens of a retired key are refused from
//!    then on, even those that were verified before, because the ring's revision changes.

mod builder;
mod curve;
mod der;
mod documented;
mod foreign;
mod jwk;
mod key;
mod pem;
mod set;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::ConfigError;

pub(super) use self::set::{Key, KeySet};
pub use self::{
    builder::KeyRingBuilder,
    key::{SigningKey, VerifyingKey},
};

/// The keys that sign and verify tokens.
///
/// Cloning is cheap, and clones share their keys: a change through one of them applies to all. Secrets are wiped from
/// memory when the last clone is dropped, or the key is retired.
///
/// # Examples
///
/// One key, without a name:
///
/// ```
/// use tower_device_sessions::token::KeyRing;
///
/// # let secret = [*b"0123456789abcdef", *b"fedcba9876543210"].concat();
/// let keys = KeyRing::hs256(&secret)?;
/// assert!(KeyRing::hs256("too short").is_err());
/// # Ok::<(), tower_device_sessions::error::ConfigError>(())
/// ```
///
/// A new key, without a restart and without signing anybody out:
///
/// ```
/// use tower_device_sessions::token::{KeyRing, SigningKey};
///
/// # let old = [*b"0123456789abcdef", *b"fedcba9876543210"].concat();
/// # let new = [*b"hgfedcba12345678", *b"87654321abcdefgh"].concat();
/// let keys = KeyRing::builder().signing_key(SigningKey::hs256(&old)?.kid("2026-01")).build()?;
///
/// // On every node: accept the new key. Then, on every node: sign with it.
/// keys.add(SigningKey::hs256(&new)?.kid("2026-02"))?;
/// keys.rotate_to(SigningKey::hs256(&new)?.kid("2026-02"))?;
///
/// // When the longest token of the old key has expired:
/// keys.retire("2026-01")?;
/// assert_eq!(keys.kids(), ["2026-02"]);
/// # Ok::<(), tower_device_sessions::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct KeyRing {
    shared: Arc<Shared>,
}

struct Shared {
    keys: RwLock<Arc<KeySet>>,
    /// Stored after the keys have been replaced, so that a reader of a revision also sees its keys.
    revision: AtomicU64,
}

impl KeyRing {
    /// A ring of one unnamed secret; see [`SigningKey::hs256`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the secret is too weak.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::builder().signing_key(SigningKey::hs256(secret)?).build()
    }

    /// A ring of one unnamed secret from the system's random generator, for trials and tests.
    ///
    /// The secret ends with the process, and so do all tokens. A server takes its secret from its configuration.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] only when the cryptography is defective.
    pub fn random() -> Result<Self, ConfigError> {
        // Two random UUIDs have 244 random bits.
        let secret = Zeroizing::new([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat());
        Self::hs256(&*secret)
    }

    /// A ring of one unnamed Ed25519 key; see [`SigningKey::eddsa_pem`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for anything but one private Ed25519 key.
    pub fn eddsa_pem(private_key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::builder().signing_key(SigningKey::eddsa_pem(private_key)?).build()
    }

    /// A ring of one unnamed P-256 key; see [`SigningKey::es256_pem`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for anything but one private key on P-256.
    pub fn es256_pem(private_key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::builder().signing_key(SigningKey::es256_pem(private_key)?).build()
    }

    /// A ring of one unnamed RSA key; see [`SigningKey::rs256_pem`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for anything but one private RSA key of 2048 to 4096 bits.
    pub fn rs256_pem(private_key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::builder().signing_key(SigningKey::rs256_pem(private_key)?).build()
    }

    /// A ring of several keys, or of keys that only verify.
    pub fn builder() -> KeyRingBuilder {
        KeyRingBuilder::new()
    }

    fn new(keys: KeySet) -> Self {
        Self { shared: Arc::new(Shared { keys: RwLock::new(Arc::new(keys)), revision: AtomicU64::new(0) }) }
    }

    /// Also verifies with `key` from now on. Adding a key that is in the ring already changes nothing.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a key without a name or of another algorithm, or when another key has that name.
    pub fn add(&self, key: impl Into<VerifyingKey>) -> Result<(), ConfigError> {
        self.change(|keys| keys.add(key.into()))
    }

    /// Signs with `key` from now on. The previous signing key continues to verify.
    ///
    /// Where several nodes verify each other's tokens, [`add`](Self::add) the key on all of them first: a node that
    /// does not have it yet refuses its tokens.
    ///
    /// A ring of one unnamed key keeps it for the tokens without a `kid`, until
    /// [`retire_unnamed`](Self::retire_unnamed).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the ring only verifies; for a key without a name or of another algorithm, or when another
    /// key has that name.
    pub fn rotate_to(&self, key: SigningKey) -> Result<(), ConfigError> {
        self.change(|keys| keys.rotate_to(key))
    }

    /// Refuses the tokens of the key named `kid` from now on, even those that were verified before.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when no key has that name, or it is the one that signs: rotate first.
    pub fn retire(&self, kid: &str) -> Result<(), ConfigError> {
        self.change(|keys| keys.retire(Some(kid)))
    }

    /// Refuses tokens without a `kid` from now on.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when there is no key without a name, or it is the one that signs: rotate first.
    pub fn retire_unnamed(&self) -> Result<(), ConfigError> {
        self.change(|keys| keys.retire(None))
    }

    /// The names of the keys, that of the signing one first.
    pub fn kids(&self) -> Vec<String> {
        self.keys().in_order().filter_map(|key| key.kid()).map(str::to_owned).collect()
    }

    /// The public keys as a JWK set (RFC 7517), the signing one first; for secrets, an empty one.
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.keys().in_order().filter_map(|key| jwk::write(key.verifying())).collect();
        json!({ "keys": keys })
    }

    /// A number that differs after every change of the keys.
    ///
    /// A result of verification may be cached for as long as the revision is the one that was read *before* verifying.
    pub fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Acquire)
    }

    /// Whether the ring can sign.
    pub(crate) fn signs(&self) -> bool {
        self.keys().signer().is_some()
    }

    pub(super) fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.shared.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&KeySet) -> Result<Option<KeySet>, ConfigError>) -> Result<(), ConfigError> {
        let mut keys = self.shared.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(changed) = change(&keys)? {
            *keys = Arc::new(changed);
            self.shared.revision.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys();
        f.debug_struct("KeyRing")
            .field("algorithm", &keys.algorithm().name())
            .field("kids", &self.kids())
            .field("signs", &keys.signer().is_some())
            .field("revision", &self.revision())
            .finish()
    }
}
