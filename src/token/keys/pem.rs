//! Key files: PEM around PKCS#8, PKCS#1 or a SubjectPublicKeyInfo (RFC 7468, 5958, 8017, 5280).
//!
//! A file holds one key. What it says it is (the object identifier, the curve) is checked here; whether the numbers are
//! any good is the business of `material`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::der::{self, Malformed, Reader};

/// A key as it was found in a file.
pub(super) enum KeyFile {
    /// The PKCS#8 document of an Ed25519 key.
    Ed25519Private(Zeroizing<Vec<u8>>),
    /// The 32 bytes of the point.
    Ed25519Public(Vec<u8>),
    /// The PKCS#8 document of a P-256 key.
    P256Private(Zeroizing<Vec<u8>>),
    /// The point, uncompressed.
    P256Public(Vec<u8>),
    /// The point, uncompressed.
    P384Public(Vec<u8>),
    /// The PKCS#1 document of an RSA key, and its public numbers.
    RsaPrivate { pkcs1: Zeroizing<Vec<u8>>, modulus: Vec<u8>, exponent: Vec<u8> },
    /// Modulus and exponent.
    RsaPublic { modulus: Vec<u8>, exponent: Vec<u8> },
}

impl KeyFile {
    /// What the file holds, for messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ed25519Private(_) => "a private Ed25519 key",
            Self::Ed25519Public(_) => "a public Ed25519 key",
            Self::P256Private(_) => "a private P-256 key",
            Self::P256Public(_) => "a public P-256 key",
            Self::P384Public(_) => "a public P-384 key",
            Self::RsaPrivate { .. } => "a private RSA key",
            Self::RsaPublic { .. } => "a public RSA key",
        }
    }
}

/// Reads the one key in `pem`.
///
/// # Errors
///
/// A sentence for the developer; it never holds a part of the key.
pub(super) fn read(pem: &[u8]) -> Result<KeyFile, &'static str> {
    let text = str::from_utf8(pem).map_err(|_| NOT_PEM)?;
    let (label, der) = block(text)?;
    match label {
        "PRIVATE KEY" => private(der),
        "PUBLIC KEY" => public(&der),
        "RSA PRIVATE KEY" => rsa_private(der),
        "RSA PUBLIC KEY" => rsa_public(&der).map_err(|Malformed| "the PKCS#1 document is malformed"),
        "EC PRIVATE KEY" | "EC PARAMETERS" => {
            Err("the key is in SEC1 form: convert it with `openssl pkcs8 -topk8 -nocrypt`")
        }
        "ENCRYPTED PRIVATE KEY" => Err("the key is encrypted: decrypt it with `openssl pkcs8`"),
        "CERTIFICATE" => Err("this is a certificate: take its public key out with `openssl x509 -pubkey -noout`"),
        _ => Err("the PEM label is not that of a private or public key"),
    }
}

/// The label and the bytes of the only block of the text.
fn block(text: &str) -> Result<(&str, Zeroizing<Vec<u8>>), &'static str> {
    let (_, begun) = text.split_once("-----BEGIN ").ok_or(NOT_PEM)?;
    let (label, body) = begun.split_once("-----").ok_or(NOT_PEM)?;
    let (body, ended) = body.split_once("-----END ").ok_or(NOT_PEM)?;
    let after = ended.strip_prefix(label).and_then(|rest| rest.strip_prefix("-----")).ok_or(NOT_PEM)?;
    if after.contains("-----BEGIN ") {
        return Err("there is more than one PEM block: which of them is the key cannot be told");
    }
    // As long as the body, so that no piece of it is left behind by growing.
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    base64.extend(body.chars().filter(|character| !character.is_ascii_whitespace()));
    let der = STANDARD.decode(&*base64).map_err(|_| "the text between the PEM labels is not base64")?;
    Ok((label, Zeroizing::new(der)))
}

/// PKCS#8: version, algorithm, key, and attributes that are of no concern.
fn private(pkcs8: Zeroizing<Vec<u8>>) -> Result<KeyFile, &'static str> {
    let (algorithm, key) = pkcs8_parts(&pkcs8).map_err(|Malformed| "the PKCS#8 document is malformed")?;
    match algorithm {
        Named::Ed25519 => Ok(KeyFile::Ed25519Private(pkcs8)),
        Named::P256 => Ok(KeyFile::P256Private(pkcs8)),
        Named::Rsa => rsa_private(Zeroizing::new(key.to_vec())),
        Named::P384 | Named::OtherCurve => Err(OTHER_CURVE),
        Named::Other => Err(OTHER_ALGORITHM),
    }
}

fn pkcs8_parts(pkcs8: &[u8]) -> Result<(Named, &[u8]), Malformed> {
    let mut outer = Reader::new(pkcs8);
    let mut document = outer.sequence()?;
    outer.end()?;
    document.unsigned()?;
    let algorithm = algorithm(document.sequence()?)?;
    let key = document.element(der::OCTET_STRING)?;
    Ok((algorithm, key))
}

/// SubjectPublicKeyInfo: algorithm and key.
fn public(document: &[u8]) -> Result<KeyFile, &'static str> {
    let (algorithm, key) = public_parts(document).map_err(|Malformed| "the public key document is malformed")?;
    match algorithm {
        Named::Ed25519 => Ok(KeyFile::Ed25519Public(key.to_vec())),
        Named::P256 => Ok(KeyFile::P256Public(key.to_vec())),
        Named::P384 => Ok(KeyFile::P384Public(key.to_vec())),
        Named::Rsa => rsa_public(key).map_err(|Malformed| "the public key document is malformed"),
        Named::OtherCurve => Err(OTHER_CURVE),
        Named::Other => Err(OTHER_ALGORITHM),
    }
}

fn public_parts(document: &[u8]) -> Result<(Named, &[u8]), Malformed> {
    let mut outer = Reader::new(document);
    let mut document = outer.sequence()?;
    outer.end()?;
    let algorithm = algorithm(document.sequence()?)?;
    let key = document.whole_bytes()?;
    document.end()?;
    Ok((algorithm, key))
}

fn rsa_private(pkcs1: Zeroizing<Vec<u8>>) -> Result<KeyFile, &'static str> {
    let numbers = |pkcs1: &[u8]| -> Result<_, Malformed> {
        let mut outer = Reader::new(pkcs1);
        let mut document = outer.sequence()?;
        outer.end()?;
        document.unsigned()?;
        Ok((document.unsigned()?.to_vec(), document.unsigned()?.to_vec()))
    };
    let (modulus, exponent) = numbers(&pkcs1).map_err(|Malformed| "the PKCS#1 document is malformed")?;
    Ok(KeyFile::RsaPrivate { pkcs1, modulus, exponent })
}

fn rsa_public(pkcs1: &[u8]) -> Result<KeyFile, Malformed> {
    let mut outer = Reader::new(pkcs1);
    let mut document = outer.sequence()?;
    outer.end()?;
    let modulus = document.unsigned()?.to_vec();
    let exponent = document.unsigned()?.to_vec();
    document.end()?;
    Ok(KeyFile::RsaPublic { modulus, exponent })
}

enum Named {
    Ed25519,
    P256,
    P384,
    Rsa,
    OtherCurve,
    Other,
}

fn algorithm(mut identifier: Reader<'_>) -> Result<Named, Malformed> {
    let named = match identifier.element(der::OBJECT_IDENTIFIER)? {
        ID_ED25519 => Named::Ed25519,
        ID_RSA => {
            if !identifier.is_empty() {
                identifier.element(der::NULL)?;
            }
            Named::Rsa
        }
        ID_EC => match identifier.element(der::OBJECT_IDENTIFIER)? {
            ID_P256 => Named::P256,
            ID_P384 => Named::P384,
            _ => Named::OtherCurve,
        },
        _ => return Ok(Named::Other),
    };
    identifier.end()?;
    Ok(named)
}

/// 1.3.101.112 (RFC 8410).
const ID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// 1.2.840.113549.1.1.1 (RFC 8017).
const ID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1 (RFC 5480).
const ID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7 (RFC 5480).
const ID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34 (RFC 5480).
const ID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

const NOT_PEM: &str = "the key is not in PEM form";
const OTHER_CURVE: &str = "the key is on another curve than P-256";
const OTHER_ALGORITHM: &str = "the key is neither Ed25519, P-256 nor RSA";
