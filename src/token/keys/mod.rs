//! The keys: which one signs, and which ones verify.
//!
//! 1. A ring has one algorithm (S01): secrets and public keys never meet in one ring (S23), and a key is used with its
//!    algorithm alone, whatever a token says (S02).
//! 2. A token's `kid` is an exact key into the ring (S24). A token without one belongs to the key without one, if there is
//!    such a key.
//! 3. A ring changes while it is in use; all clones see the change at once. Tokens of a retired key are refused from
//!    then on, also those verified before: the ring's revision tells.

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
/// Cloning is cheap, and clones share their keys: what one does to them is seen by all. Secrets are wiped from memory when the
/// last clone is dropped, or the key is retired.
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
/// # let (old, new) = ([*b"0123456789abcdef", *b"fedcba9876543210"].concat(), [*b"hgfedcba12345678", *b"87654321abcdefgh"].concat());
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
    /// Stored after the keys have been replaced, so that whoever sees a revision also sees its keys.
    revision: AtomicU64,
}

impl KeyRing {
    /// A ring of one unnamed secret; see [`SigningKey::hs256`].
    ///
    /// # Errors
    ///
    /// A secret that is too weak.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::builder().signing_key(SigningKey::hs256(secret)?).build()
    }

    /// A ring of one unnamed secret from the system's random generator, for trials and tests.
    ///
    /// It ends with the process, and all tokens with it. A server takes its secret from its configuration.
    ///
    /// # Errors
    ///
    /// None but a defect of the cryptography.
    pub fn random() -> Result<Self, ConfigError> {
        // Two random UUIDs have 244 random bits.
        let secret = Zeroizing::new([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat());
        Self::hs256(&*secret)
    }

    /// A ring of one unnamed Ed25519 key; see [`SigningKey::eddsa_pem`].
    ///
    /// # Errors
    ///
    /// Anything but one private Ed25519 key.
    pub fn eddsa_pem(private_key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::builder().signing_key(SigningKey::eddsa_pem(private_key)?).build()
    }

    /// A ring of one unnamed P-256 key; see [`SigningKey::es256_pem`].
    ///
    /// # Errors
    ///
    /// Anything but one private key on P-256.
    pub fn es256_pem(private_key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::builder().signing_key(SigningKey::es256_pem(private_key)?).build()
    }

    /// A ring of one unnamed RSA key; see [`SigningKey::rs256_pem`].
    ///
    /// # Errors
    ///
    /// Anything but one private RSA key of 2048 to 4096 bits.
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

    /// Verifies with `key` too, from now on. Adding a key that is there already changes nothing.
    ///
    /// # Errors
    ///
    /// A key without a name or of another algorithm, or another key of that name.
    pub fn add(&self, key: impl Into<VerifyingKey>) -> Result<(), ConfigError> {
        self.change(|keys| keys.add(key.into()))
    }

    /// Signs with `key` from now on; the key that signed until now goes on verifying.
    ///
    /// Where several nodes verify each other's tokens, give the key to [`add`](Self::add) on all of them first: a node that
    /// does not know it yet refuses what it signs.
    ///
    /// A ring of one unnamed key keeps it for the tokens without a `kid`, until
    /// [`retire_unnamed`](Self::retire_unnamed).
    ///
    /// # Errors
    ///
    /// A ring that only verifies; a key without a name or of another algorithm, or another key of that name.
    pub fn rotate_to(&self, key: SigningKey) -> Result<(), ConfigError> {
        self.change(|keys| keys.rotate_to(key))
    }

    /// Refuses the tokens of the key named `kid` from now on, also those that have been verified already.
    ///
    /// # Errors
    ///
    /// No key of that name, or the one that signs: rotate first.
    pub fn retire(&self, kid: &str) -> Result<(), ConfigError> {
        self.change(|keys| keys.retire(Some(kid)))
    }

    /// Refuses tokens without a `kid` from now on.
    ///
    /// # Errors
    ///
    /// No key without a name, or it is the one that signs: rotate first.
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
    /// What has been verified may be remembered for as long as the revision is the one that was read *before* it was
    /// verified.
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
