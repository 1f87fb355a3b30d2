//! One key: where it comes from, and whether it is good enough.
//!
//! 1. The application names the algorithm; a file or JWK of another kind is refused, never adapted to.
//! 2. A key that is too short, or a point that is not on its curve, is refused here and not on the first request.
//! 3. A key that signs signs a sentence once, and must verify its own signature.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use jsonwebtoken::{DecodingKey, EncodingKey};

use super::{
    curve,
    documented::is_in_documentation,
    pem::{self, KeyFile},
};
use crate::{
    error::{ConfigError, ConfigErrorKind},
    token::crypto::{self, Algorithm},
};

/// A key that signs tokens: an HMAC secret, or a private key.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::token::{KeyRing, SigningKey, VerifyingKey};
///
/// # let old = [*b"0123456789abcdef", *b"fedcba9876543210"].concat();
/// # let new = [*b"hgfedcba12345678", *b"87654321abcdefgh"].concat();
/// let keys = KeyRing::builder()
///     .signing_key(SigningKey::hs256(&new)?.kid("2026-02"))
///     .verifying_key(VerifyingKey::hs256(&old)?.kid("2026-01"))
///     .build()?;
/// # Ok::<(), tower_device_sessions::error::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct SigningKey {
    pub(super) private: EncodingKey,
    pub(super) public: VerifyingKey,
}

/// A key that verifies tokens and signs none: a public key, or an HMAC secret that has been replaced.
#[derive(Clone)]
#[must_use]
pub struct VerifyingKey {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) material: Material,
    pub(super) verifier: DecodingKey,
}

/// What a key is made of, beside the secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Material {
    Secret,
    Ed25519 { x: [u8; 32] },
    P256 { x: [u8; 32], y: [u8; 32] },
    P384 { x: [u8; 48], y: [u8; 48] },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl SigningKey {
    /// HMAC with SHA-256 under `secret`: at least 32 bytes from a random generator, as they are or as text.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when it is shorter, has fewer than eight different bytes, is in documentation, or is a PEM key.
    ///
    /// # Security
    ///
    /// A password is not a secret: anyone who sees one token can try passwords against it offline.
    /// `openssl rand -base64 48` makes a good secret. Anyone who can verify tokens with this secret can also make them,
    /// so services that only verify should get a public key.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let secret = secret.as_ref();
        let public = VerifyingKey::hs256(secret)?;
        Self { private: EncodingKey::from_secret(secret), public }.tested()
    }

    /// Ed25519 with a private key in PEM form (PKCS#8), as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for anything but one private Ed25519 key.
    pub fn eddsa_pem(private_key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        match read_pem(private_key.as_ref())? {
            KeyFile::Ed25519Private(pkcs8) => {
                let x = crypto::ed25519_public(&pkcs8).map_err(|error| invalid(UNREADABLE).with_source(error))?;
                Self { private: EncodingKey::from_ed_der(&pkcs8), public: VerifyingKey::ed25519(&x)? }.tested()
            }
            other => Err(mismatch(&other, "a private Ed25519 key")),
        }
    }

    /// ECDSA on P-256 with SHA-256 and a private key in PEM form (PKCS#8), as
    /// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` writes it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for anything but one private key on P-256.
    pub fn es256_pem(private_key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        match read_pem(private_key.as_ref())? {
            KeyFile::P256Private(pkcs8) => {
                let (x, y) = crypto::p256_public(&pkcs8).map_err(|error| invalid(UNREADABLE).with_source(error))?;
                Self { private: EncodingKey::from_ec_der(&pkcs8), public: VerifyingKey::p256(&x, &y)? }.tested()
            }
            other => Err(mismatch(&other, "a private P-256 key")),
        }
    }

    /// RSA (PKCS#1 v1.5) with SHA-256 and a private key of 2048 to 4096 bits in PEM form (PKCS#8 or PKCS#1).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for anything but one private RSA key of that size with an odd exponent of at least 3.
    pub fn rs256_pem(private_key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        match read_pem(private_key.as_ref())? {
            KeyFile::RsaPrivate { pkcs1, modulus, exponent } => {
                let public = VerifyingKey::rsa(&modulus, &exponent)?;
                Self { private: EncodingKey::from_rsa_der(&pkcs1), public }.tested()
            }
            other => Err(mismatch(&other, "a private RSA key")),
        }
    }

    /// The name by which tokens refer to this key: 1 to 128 bytes without control characters. Unnamed by default.
    pub fn kid(mut self, kid: impl Into<String>) -> Self {
        self.public = self.public.kid(kid);
        self
    }

    pub(in crate::token) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, jsonwebtoken::errors::Error> {
        crypto::sign(self.public.algorithm(), &self.private, message)
    }

    /// S25: what signs once, and verifies it, signs always.
    fn tested(self) -> Result<Self, ConfigError> {
        crypto::require_provider()?;
        let signature = self.sign(SELF_TEST).map_err(|error| invalid("the key does not sign").with_source(error))?;
        if !self.public.verifies(SELF_TEST, &signature) {
            return Err(invalid("the key does not verify what it has signed itself"));
        }
        Ok(self)
    }
}

impl VerifyingKey {
    /// HMAC with SHA-256, for tokens signed with a secret that has been replaced.
    ///
    /// # Errors
    ///
    /// Like [`SigningKey::hs256`].
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::secret_of(Algorithm::Hs256, secret.as_ref())
    }

    /// Ed25519, with a public key in PEM form; of a private one, the public half is taken.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for anything but one Ed25519 key.
    pub fn eddsa_pem(key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        match read_pem(key.as_ref())? {
            KeyFile::Ed25519Public(x) => Self::ed25519(&x),
            KeyFile::Ed25519Private(_) => SigningKey::eddsa_pem(key).map(Self::from),
            other => Err(mismatch(&other, "an Ed25519 key")),
        }
    }

    /// ECDSA on P-256 with SHA-256, with a public key in PEM form; of a private one, the public half is taken.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for anything but one key on P-256.
    pub fn es256_pem(key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        match read_pem(key.as_ref())? {
            KeyFile::P256Public(point) => {
                let coordinates = point.strip_prefix(&[4]).and_then(|point| point.split_at_checked(32));
                let (x, y) = coordinates.ok_or_else(|| invalid("the public point is not in uncompressed form"))?;
                Self::p256(x, y)
            }
            KeyFile::P256Private(_) => SigningKey::es256_pem(key).map(Self::from),
            other => Err(mismatch(&other, "a P-256 key")),
        }
    }

    /// RSA (PKCS#1 v1.5) with SHA-256, with a public key of 2048 to 4096 bits in PEM form; of a private one, the public
    /// half is taken.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for anything but one RSA key of that size with an odd exponent of at least 3.
    pub fn rs256_pem(key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        match read_pem(key.as_ref())? {
            KeyFile::RsaPublic { modulus, exponent } => Self::rsa(&modulus, &exponent),
            KeyFile::RsaPrivate { .. } => SigningKey::rs256_pem(key).map(Self::from),
            other => Err(mismatch(&other, "an RSA key")),
        }
    }

    /// The name by which tokens refer to this key: 1 to 128 bytes without control characters. Unnamed by default.
    pub fn kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    pub(super) fn secret_of(algorithm: Algorithm, secret: &[u8]) -> Result<Self, ConfigError> {
        check_secret(algorithm, secret)?;
        Ok(Self::of_secret(algorithm, secret))
    }

    pub(super) fn of_secret(algorithm: Algorithm, secret: &[u8]) -> Self {
        Self { kid: None, algorithm, material: Material::Secret, verifier: DecodingKey::from_secret(secret) }
    }

    /// The same key for another algorithm of its kind.
    pub(super) fn for_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    pub(super) fn ed25519(x: &[u8]) -> Result<Self, ConfigError> {
        let x: [u8; 32] = x.try_into().map_err(|_| invalid("a public Ed25519 key has 32 bytes"))?;
        if !curve::is_on_ed25519(&x) {
            return Err(invalid("the public key is not a usable point of Ed25519"));
        }
        let verifier = DecodingKey::from_ed_der(&x);
        Self { kid: None, algorithm: Algorithm::EdDsa, material: Material::Ed25519 { x }, verifier }.tested()
    }

    pub(super) fn p256(x: &[u8], y: &[u8]) -> Result<Self, ConfigError> {
        let (Ok(x), Ok(y)) = (<[u8; 32]>::try_from(x), <[u8; 32]>::try_from(y)) else {
            return Err(invalid("each coordinate of a P-256 key has 32 bytes"));
        };
        if !curve::is_on_p256(&x, &y) {
            return Err(invalid("the public key is not a point of P-256"));
        }
        let point = [&[4][..], &x, &y].concat();
        let verifier = DecodingKey::from_ec_der(&point);
        Self { kid: None, algorithm: Algorithm::Es256, material: Material::P256 { x, y }, verifier }.tested()
    }

    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, ConfigError> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        let bits = bit_length(n);
        if bits < RSA_BITS_MIN {
            return Err(weak(format!("an RSA key has at least {RSA_BITS_MIN} bits, this one has {bits}")));
        }
        if bits > RSA_BITS_MAX {
            return Err(invalid(format!("an RSA key has at most {RSA_BITS_MAX} bits, this one has {bits}")));
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
        if !is_odd(n) {
            return Err(invalid("the modulus of an RSA key is odd"));
        }
        if !is_odd(e) || e == [1] {
            return Err(weak("the exponent of an RSA key is odd and at least 3"));
        }
        if bit_length(e) > RSA_EXPONENT_BITS_MAX {
            return Err(invalid(format!("the exponent of an RSA key has at most {RSA_EXPONENT_BITS_MAX} bits")));
        }
        let verifier = DecodingKey::from_rsa_raw_components(n, e);
        let material = Material::Rsa { n: n.to_vec(), e: e.to_vec() };
        Self { kid: None, algorithm: Algorithm::Rs256, material, verifier }.tested()
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether this and `other` are the same key, even under different names.
    pub(in crate::token) fn is_same_key(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.material == other.material && self.secret() == other.secret()
    }

    fn secret(&self) -> Option<&[u8]> {
        match self.material {
            Material::Secret => self.verifier.try_get_as_bytes().ok(),
            _ => None,
        }
    }

    /// Every algorithm has signatures of one length; a signature of another is not worth the arithmetic.
    pub(super) fn verifies(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        signature.len() == self.signature_bytes()
            && crypto::verifies(self.algorithm(), &self.verifier, message, signature)
    }

    /// S25: a public key cannot sign, but it can be made to look at a signature that is not its own.
    pub(super) fn tested(self) -> Result<Self, ConfigError> {
        if self.verifies(SELF_TEST, &vec![1; self.signature_bytes()]) {
            return Err(invalid("the key verifies a signature that nobody made"));
        }
        Ok(self)
    }

    fn signature_bytes(&self) -> usize {
        match &self.material {
            Material::Secret => self.algorithm.hash_bytes(),
            Material::Ed25519 { .. } | Material::P256 { .. } => 64,
            Material::P384 { .. } => 96,
            Material::Rsa { n, .. } => n.len(),
        }
    }
}

impl From<SigningKey> for VerifyingKey {
    fn from(key: SigningKey) -> Self {
        key.public
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { private: _, public } = self;
        f.debug_struct("SigningKey").field("algorithm", &public.algorithm().name()).field("kid", &public.kid).finish()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("algorithm", &self.algorithm().name()).field("kid", &self.kid).finish()
    }
}

/// S21, S02: RFC 7518 §3.2.
fn check_secret(algorithm: Algorithm, secret: &[u8]) -> Result<(), ConfigError> {
    let (least, length) = (algorithm.hash_bytes(), secret.len());
    if length < least {
        return Err(weak(format!("an HMAC secret has at least {least} bytes, this one has {length}")));
    }
    let distinct = secret.iter().collect::<BTreeSet<_>>().len();
    if distinct < SECRET_DISTINCT_MIN {
        return Err(weak(format!("an HMAC secret is random, this one consists of {distinct} different bytes")));
    }
    if is_in_documentation(secret) {
        return Err(weak(
            "this HMAC secret stands in documentation, where anyone can read it: make one of random bytes",
        ));
    }
    check_is_no_key_file(secret)
}

/// S02.
pub(super) fn check_is_no_key_file(secret: &[u8]) -> Result<(), ConfigError> {
    // Public keys are public: anyone who can read this one could sign with it.
    let start = secret.trim_ascii_start();
    let is_jwk = start.starts_with(b"{") && secret.windows(5).any(|window| window == b"\"kty\"");
    if is_jwk || KEY_FILES.iter().any(|format| start.starts_with(format)) {
        return Err(weak("an HMAC secret is random, this one is a key file for another algorithm"));
    }
    Ok(())
}

pub(super) fn read_pem(pem: &[u8]) -> Result<KeyFile, ConfigError> {
    pem::read(pem).map_err(invalid)
}

pub(super) fn mismatch(found: &KeyFile, wanted: &str) -> ConfigError {
    invalid(format!("the file holds {}, where {wanted} belongs", found.name()))
}

pub(super) fn ring(message: impl Into<Cow<'static, str>>) -> ConfigError {
    ConfigError::new(ConfigErrorKind::KeyRing, message)
}

pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> ConfigError {
    ConfigError::new(ConfigErrorKind::InvalidKey, message)
}

pub(super) fn weak(message: impl Into<Cow<'static, str>>) -> ConfigError {
    ConfigError::new(ConfigErrorKind::WeakKey, message)
}

/// RFC 7518 §6.3.1.1: some implementations put a zero before the modulus, on which one of the providers would choke.
fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn bit_length(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |byte| byte.leading_zeros() as usize);
    number.len() * 8 - leading
}

/// 32 random hexadecimal digits hold fewer different ones than this once in thirty million times.
const SECRET_DISTINCT_MIN: usize = 8;
const KEY_FILES: [&[u8]; 4] = [b"-----BEGIN ", b"---- BEGIN ", b"ssh-", b"ecdsa-sha2-"];

/// RFC 7518 §3.3.
const RSA_BITS_MIN: usize = 2_048;
/// The most that every provider verifies.
const RSA_BITS_MAX: usize = 4_096;
const RSA_EXPONENT_BITS_MAX: usize = 33;

const UNREADABLE: &str = "the private key is malformed";
const SELF_TEST: &[u8] = b"a key that signs this signs anything";
