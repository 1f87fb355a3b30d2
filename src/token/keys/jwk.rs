//! Public keys as JSON (RFC 7517, 7518 §6, 8037): read from others, and written for others.
//!
//! 1. The JSON is strict: a repeated member is refused.
//! 2. A key that holds a private or symmetric part is refused: a set of public keys is no place for it.
//! 3. Keys are read for the algorithms that this crate signs with, or for one that the application names.
//! 4. In a set, a key that is meant for something else (`use`, `key_ops`, `alg`, an unknown `kty` or `crv`) is skipped
//!    (RFC 7517 §5); a key that is meant for us must be sound. A single key must be meant for us.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::key::{Material, VerifyingKey, invalid};
use crate::{
    error::ConfigError,
    token::{
        crypto::Algorithm,
        json::{self, Invalid, Item},
    },
};

impl VerifyingKey {
    /// A public key as a JWK (RFC 7517): `OKP` on Ed25519, `EC` on P-256, or `RSA`. Its `kid` becomes the key's.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the JWK is malformed, private or symmetric, too weak, or not meant for verifying tokens by
    /// its `use`, `key_ops` or `alg`.
    pub fn jwk(text: impl AsRef<str>) -> Result<Self, ConfigError> {
        read(text.as_ref(), None)?.map_err(|purpose| invalid(format!("the JWK is not for verifying tokens: {purpose}")))
    }
}

/// Reads the keys of a set that are meant for verifying tokens, of this algorithm if there is one; there must be one.
pub(super) fn set(text: &str, algorithm: Option<Algorithm>) -> Result<Vec<VerifyingKey>, ConfigError> {
    let members = members(text)?;
    let Some(Item::Array(keys)) = members.get("keys") else {
        return Err(invalid("a JWK set has a member `keys`, an array"));
    };
    let mut texts = Vec::new();
    let mut collect = |item: Item<'_>| match item {
        Item::Object(text) => {
            texts.push(text.to_owned());
            Ok(())
        }
        _ => Err(Invalid),
    };
    json::array(keys, &mut collect).map_err(|Invalid| invalid("the `keys` of a JWK set are objects"))?;

    let mut usable = Vec::new();
    for text in &texts {
        usable.extend(read(text, algorithm)?.ok());
    }
    if usable.is_empty() {
        return Err(invalid("the JWK set holds no key for verifying tokens"));
    }
    Ok(usable)
}

/// The public half of `key`, or nothing for a secret.
pub(super) fn write(key: &VerifyingKey) -> Option<Value> {
    let encode = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
    let mut jwk = match &key.material {
        Material::Secret => return None,
        Material::Ed25519 { x } => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(x) }),
        Material::P256 { x, y } => json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) }),
        Material::P384 { x, y } => json!({ "kty": "EC", "crv": "P-384", "x": encode(x), "y": encode(y) }),
        Material::Rsa { n, e } => json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }),
    };
    let members = jwk.as_object_mut()?;
    members.insert("use".to_owned(), json!("sig"));
    members.insert("alg".to_owned(), json!(key.algorithm().name()));
    if let Some(kid) = &key.kid {
        members.insert("kid".to_owned(), json!(kid));
    }
    Some(jwk)
}

/// A key that is meant for something else.
type OtherPurpose = &'static str;
type Members<'a> = BTreeMap<String, Item<'a>>;

fn read(text: &str, wanted: Option<Algorithm>) -> Result<Result<VerifyingKey, OtherPurpose>, ConfigError> {
    let jwk = members(text)?;
    let kind = string(&jwk, "kty")?.ok_or_else(|| invalid("a JWK has a member `kty`"))?;
    if kind == "oct" || jwk.contains_key("k") {
        return Err(invalid("the JWK is symmetric: a secret has no place among public keys"));
    }
    if PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
        return Err(invalid("the JWK holds a private key: publish and configure the public members alone"));
    }
    let kid = string(&jwk, "kid")?;
    if let Some(purpose) = other_purpose(&jwk, wanted)? {
        return Ok(Err(purpose));
    }

    let curve = string(&jwk, "crv")?;
    let key = match (kind, curve) {
        ("OKP", Some("Ed25519")) => VerifyingKey::ed25519(&number(&jwk, "x")?)?,
        ("EC", Some("P-256")) => VerifyingKey::p256(&number(&jwk, "x")?, &number(&jwk, "y")?)?,
        ("EC", Some("P-384")) if wanted == Some(Algorithm::Es384) => {
            VerifyingKey::p384(&number(&jwk, "x")?, &number(&jwk, "y")?)?
        }
        ("RSA", None) => {
            let key = VerifyingKey::rsa(&number(&jwk, "n")?, &number(&jwk, "e")?)?;
            match wanted {
                Some(other @ (Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Ps256)) => key.for_algorithm(other),
                _ => key,
            }
        }
        ("OKP" | "EC", None) => return Err(invalid("a JWK on a curve has a member `crv`")),
        _ => return Ok(Err("its `kty` or `crv` is none of ours")),
    };
    let algorithm = string(&jwk, "alg")?.and_then(Algorithm::from_name);
    if algorithm.is_some_and(|algorithm| algorithm != key.algorithm()) {
        return Err(invalid("the JWK's `alg` does not fit its `kty`"));
    }
    if wanted.is_some_and(|wanted| wanted != key.algorithm()) {
        return Ok(Err("it is of another algorithm"));
    }
    Ok(Ok(match kid {
        Some(kid) => key.kid(kid),
        None => key,
    }))
}

/// S22: `use`, `key_ops` and `alg` say what a key is for, and each that is there has to say "verifying".
fn other_purpose(jwk: &Members<'_>, wanted: Option<Algorithm>) -> Result<Option<OtherPurpose>, ConfigError> {
    if string(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Ok(Some("its `use` is not `sig`"));
    }
    if let Some(name) = string(jwk, "alg")? {
        let algorithm = Algorithm::from_name(name);
        let fits = match wanted {
            Some(wanted) => algorithm == Some(wanted),
            None => algorithm.is_some_and(Algorithm::is_ours),
        };
        if !fits {
            return Ok(Some("its `alg` is none of ours"));
        }
    }
    match jwk.get("key_ops") {
        None => Ok(None),
        Some(Item::Array(operations)) => {
            let mut names = Vec::new();
            let mut collect = |item: Item<'_>| match item {
                Item::String(name) if !names.contains(&name.clone().into_owned()) => {
                    names.push(name.into_owned());
                    Ok(())
                }
                _ => Err(Invalid),
            };
            json::array(operations, &mut collect)
                .map_err(|Invalid| invalid("the `key_ops` of a JWK are different strings"))?;
            let verifies = names.iter().any(|name| name == "verify");
            Ok((!verifies).then_some("its `key_ops` lack `verify`"))
        }
        Some(_) => Err(invalid("the `key_ops` of a JWK are an array")),
    }
}

fn members(text: &str) -> Result<Members<'_>, ConfigError> {
    let mut members = Members::new();
    let mut collect = |name: &str, item| {
        members.insert(name.to_owned(), item);
        Ok(())
    };
    json::object(text, &mut collect).map_err(|Invalid| invalid("the JWK is not an object in strict JSON"))?;
    Ok(members)
}

fn string<'a>(jwk: &'a Members<'_>, name: &'static str) -> Result<Option<&'a str>, ConfigError> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Item::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(format!("the JWK's `{name}` is not a string"))),
    }
}

/// A number as base64url of its bytes, without padding or bits left over.
fn number(jwk: &Members<'_>, name: &'static str) -> Result<Vec<u8>, ConfigError> {
    let text = string(jwk, name)?.ok_or_else(|| invalid(format!("the JWK lacks `{name}`")))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid(format!("the JWK's `{name}` is not base64url")))
}

/// RFC 7518 §6.2.2 and §6.3.2.
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];
