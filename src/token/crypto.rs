//! Signatures: the only file that calls the JWT library.
//!
//! 1. The provider is named here and its factories are called directly. The library's process-wide default is not used:
//!    it panics on the first token when both of its providers are compiled in, and it belongs to the application.
//! 2. An algorithm comes from our own key, never from a token.
//! 3. Without a provider no key ring can be built, so that nothing below is reached. A verifier of the application's
//!    own and the verdict of an upstream need none.

use jsonwebtoken::{DecodingKey, EncodingKey, errors::Error, jwk::EllipticCurve};

use crate::error::{ConfigError, ConfigErrorKind};

#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
use self::absent::PROVIDER;
#[cfg(feature = "aws_lc_rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER as PROVIDER;
#[cfg(all(feature = "rust_crypto", not(feature = "aws_lc_rs")))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER as PROVIDER;

const NO_PROVIDER: &str = "keys need a provider of cryptography: enable the feature `aws_lc_rs` or `rust_crypto`";

/// Refuses keys where signatures can be neither made nor verified.
pub(super) fn require_provider() -> Result<(), ConfigError> {
    let has_provider = cfg!(any(feature = "aws_lc_rs", feature = "rust_crypto"));
    has_provider.then_some(()).ok_or_else(|| ConfigError::new(ConfigErrorKind::KeyRing, NO_PROVIDER))
}

/// How a token is signed (RFC 7518 §3, RFC 8037); a ring has exactly one.
///
/// This crate signs with four of them: HS256, EdDSA, ES256 and RS256. The others are for tokens that somebody else
/// signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384; only verified.
    Hs384,
    /// HMAC with SHA-512; only verified.
    Hs512,
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384; only verified.
    Es384,
    /// RSA (PKCS#1 v1.5) with SHA-256.
    Rs256,
    /// RSA (PKCS#1 v1.5) with SHA-384; only verified.
    Rs384,
    /// RSA (PKCS#1 v1.5) with SHA-512; only verified.
    Rs512,
    /// RSA (PSS) with SHA-256; only verified.
    Ps256,
}

impl Algorithm {
    /// The value of the `alg` header, compared byte by byte.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
        }
    }

    /// Whether this crate signs with it, so that a key without another name is meant for it.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Hs256 | Self::EdDsa | Self::Es256 | Self::Rs256)
    }

    /// How long its hash is, and so an HMAC, and the least secret for one.
    pub(super) const fn hash_bytes(self) -> usize {
        match self {
            Self::Hs256 | Self::Es256 | Self::Rs256 | Self::Ps256 => 32,
            Self::Hs384 | Self::Es384 | Self::Rs384 => 48,
            Self::Hs512 | Self::Rs512 | Self::EdDsa => 64,
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    const fn in_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Hs384 => jsonwebtoken::Algorithm::HS384,
            Self::Hs512 => jsonwebtoken::Algorithm::HS512,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Rs384 => jsonwebtoken::Algorithm::RS384,
            Self::Rs512 => jsonwebtoken::Algorithm::RS512,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
        }
    }
}

const ALL: [Algorithm; 10] = [
    Algorithm::Hs256,
    Algorithm::Hs384,
    Algorithm::Hs512,
    Algorithm::EdDsa,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
];

pub(super) fn sign(algorithm: Algorithm, key: &EncodingKey, message: &[u8]) -> Result<Vec<u8>, Error> {
    let signer = (PROVIDER.signer_factory)(&algorithm.in_library(), key)?;
    Ok(signer.try_sign(message)?)
}

/// Whether `signature` is that of `message`. The signature is a `Vec` because the library wants one.
pub(super) fn verifies(algorithm: Algorithm, key: &DecodingKey, message: &[u8], signature: &Vec<u8>) -> bool {
    let verifier = (PROVIDER.verifier_factory)(&algorithm.in_library(), key);
    verifier.is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
}

/// The coordinates of the public point that belongs to a private P-256 key in PKCS#8.
pub(super) fn p256_public(pkcs8: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let library = jsonwebtoken::Algorithm::ES256;
    (PROVIDER.key_utils.ec_pub_components_from_private_key)(pkcs8, library).map(|(_, x, y)| (x, y))
}

/// The public key that belongs to a private Ed25519 key in PKCS#8.
pub(super) fn ed25519_public(pkcs8: &[u8]) -> Result<Vec<u8>, Error> {
    (PROVIDER.key_utils.ed_pub_components_from_private_key)(pkcs8, &EllipticCurve::Ed25519)
}

#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
mod absent {
    use jsonwebtoken::{
        crypto::{CryptoProvider, KeyUtils},
        errors::{Error, ErrorKind},
    };

    pub(super) static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |_, _| Err(missing()),
        verifier_factory: |_, _| Err(missing()),
        key_utils: KeyUtils {
            ec_pub_components_from_private_key: |_, _| Err(missing()),
            ed_pub_components_from_private_key: |_, _| Err(missing()),
            ..KeyUtils::new_unimplemented()
        },
    };

    fn missing() -> Error {
        ErrorKind::Provider(super::NO_PROVIDER.to_owned()).into()
    }
}
