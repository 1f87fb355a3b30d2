//! Keys of tokens that somebody else signs, in algorithms that this crate does not sign with.

use jsonwebtoken::DecodingKey;

use super::{
    VerifyingKey, curve,
    key::{Material, check_is_no_key_file, invalid, mismatch, read_pem, weak},
    pem::KeyFile,
};
use crate::{error::ConfigError, token::crypto::Algorithm};

/// # Keys of tokens that somebody else signs
impl VerifyingKey {
    /// HMAC with SHA-384, for tokens that somebody else signs: at least 48 bytes (RFC 7518 §3.2).
    ///
    /// # Errors
    ///
    /// Like [`hs256`](Self::hs256).
    pub fn hs384(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::secret_of(Algorithm::Hs384, secret.as_ref())
    }

    /// HMAC with SHA-512, for tokens that somebody else signs: at least 64 bytes (RFC 7518 §3.2).
    ///
    /// # Errors
    ///
    /// Like [`hs256`](Self::hs256).
    pub fn hs512(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::secret_of(Algorithm::Hs512, secret.as_ref())
    }

    /// ECDSA on P-384 with SHA-384 and a public key in PEM form, for tokens that somebody else signs.
    ///
    /// # Errors
    ///
    /// Anything but one public key on P-384.
    pub fn es384_pem(key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        match read_pem(key.as_ref())? {
            KeyFile::P384Public(point) => {
                let coordinates = point.strip_prefix(&[4]).and_then(|point| point.split_at_checked(48));
                let (x, y) = coordinates.ok_or_else(|| invalid("the public point is not in uncompressed form"))?;
                Self::p384(x, y)
            }
            other => Err(mismatch(&other, "a public P-384 key")),
        }
    }

    /// RSA (PKCS#1 v1.5) with SHA-384, for tokens that somebody else signs.
    ///
    /// # Errors
    ///
    /// Like [`rs256_pem`](Self::rs256_pem).
    pub fn rs384_pem(key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::rs256_pem(key).map(|key| key.for_algorithm(Algorithm::Rs384))
    }

    /// RSA (PKCS#1 v1.5) with SHA-512, for tokens that somebody else signs.
    ///
    /// # Errors
    ///
    /// Like [`rs256_pem`](Self::rs256_pem).
    pub fn rs512_pem(key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::rs256_pem(key).map(|key| key.for_algorithm(Algorithm::Rs512))
    }

    /// RSA (PSS) with SHA-256, for tokens that somebody else signs.
    ///
    /// # Errors
    ///
    /// Like [`rs256_pem`](Self::rs256_pem).
    pub fn ps256_pem(key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::rs256_pem(key).map(|key| key.for_algorithm(Algorithm::Ps256))
    }

    /// A secret that may be too weak to sign with, and is no key of another kind.
    pub(in crate::token) fn weak_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, ConfigError> {
        if !matches!(algorithm, Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512) {
            return Err(invalid(format!("{} is signed with a key, and not with a secret", algorithm.name())));
        }
        if secret.is_empty() {
            return Err(weak("the HMAC secret is empty"));
        }
        check_is_no_key_file(secret)?;
        Ok(Self::of_secret(algorithm, secret))
    }

    pub(super) fn p384(x: &[u8], y: &[u8]) -> Result<Self, ConfigError> {
        let (Ok(x), Ok(y)) = (<[u8; 48]>::try_from(x), <[u8; 48]>::try_from(y)) else {
            return Err(invalid("each coordinate of a P-384 key has 48 bytes"));
        };
        if !curve::is_on_p384(&x, &y) {
            return Err(invalid("the public key is not a point of P-384"));
        }
        let verifier = DecodingKey::from_ec_der(&[&[4][..], &x, &y].concat());
        Self { kid: None, algorithm: Algorithm::Es384, material: Material::P384 { x, y }, verifier }.tested()
    }
}
