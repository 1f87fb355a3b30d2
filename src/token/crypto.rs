//! Signatures: the only file that calls the JWT library.
//!
//! 1. The provider is named here and its factories are called directly. The library's process-wide default is not used:
//!    it panics on the first token when both of its providers are compiled in, and it belongs to the application.
//! 2. An algorithm comes from our own key, never from a token.
//! 3. Without a provider no key ring can be built, so that nothing below is reached. A verifier of the application's
//!    own and the verdict of an upstream need none.

use jsonwebtoken::{DecodingKey, EncodingKey, errors::Error, jwk::EllipticCurve};

#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
use self::absent::PROVIDER;
#[cfg(feature = "aws_lc_rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER as PROVIDER;
#[cfg(all(feature = "rust_crypto", not(feature = "aws_lc_rs")))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER as PROVIDER;

pub(super) const NO_PROVIDER: &str =
    "keys need a provider of cryptography: enable the feature `aws_lc_rs` or `rust_crypto`";

/// Whether signatures can be made and verified.
pub(super) const HAS_PROVIDER: bool = cfg!(any(feature = "aws_lc_rs", feature = "rust_crypto"));

/// The four algorithms; a ring has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    EdDsa,
    Es256,
    Rs256,
}

impl Algorithm {
    /// The value of the `alg` header, compared byte by byte.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Hs256, Self::EdDsa, Self::Es256, Self::Rs256].into_iter().find(|algorithm| algorithm.name() == name)
    }

    const fn in_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

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
