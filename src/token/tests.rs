//! Tokens as an attacker makes them, against every algorithm.

use std::{thread, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    crypto::Algorithm,
    issue::{IssueError, NewToken},
    *,
};
use crate::{UserId, clock::Timestamp, error::ConfigErrorKind};

/// Keys only for tests; see the README beside them.
pub(in crate::token) mod files {
    pub(in crate::token) const ED25519: &str = include_str!("../../tests/keys/ed25519.pem");
    pub(in crate::token) const ED25519_OTHER: &str = include_str!("../../tests/keys/ed25519_other.pem");
    pub(in crate::token) const ED25519_PUBLIC: &str = include_str!("../../tests/keys/ed25519_public.pem");
    pub(in crate::token) const ED25519_ENCRYPTED: &str = include_str!("../../tests/keys/ed25519_encrypted.pem");
    pub(in crate::token) const P256: &str = include_str!("../../tests/keys/p256.pem");
    pub(in crate::token) const P256_OTHER: &str = include_str!("../../tests/keys/p256_other.pem");
    pub(in crate::token) const P256_PUBLIC: &str = include_str!("../../tests/keys/p256_public.pem");
    pub(in crate::token) const P256_SEC1: &str = include_str!("../../tests/keys/p256_sec1.pem");
    pub(in crate::token) const P384: &str = include_str!("../../tests/keys/p384.pem");
    pub(in crate::token) const P384_PUBLIC: &str = include_str!("../../tests/keys/p384_public.pem");
    pub(in crate::token) const SECP256K1: &str = include_str!("../../tests/keys/secp256k1.pem");
    pub(in crate::token) const SECP256K1_PUBLIC: &str = include_str!("../../tests/keys/secp256k1_public.pem");
    pub(in crate::token) const RSA2048: &str = include_str!("../../tests/keys/rsa2048.pem");
    pub(in crate::token) const RSA2048_OTHER: &str = include_str!("../../tests/keys/rsa2048_other.pem");
    pub(in crate::token) const RSA2048_PUBLIC: &str = include_str!("../../tests/keys/rsa2048_public.pem");
    pub(in crate::token) const RSA2048_PKCS1: &str = include_str!("../../tests/keys/rsa2048_pkcs1.pem");
    pub(in crate::token) const RSA2048_PKCS1_PUBLIC: &str = include_str!("../../tests/keys/rsa2048_pkcs1_public.pem");
    pub(in crate::token) const RSA1024: &str = include_str!("../../tests/keys/rsa1024.pem");
    pub(in crate::token) const RSA1024_PUBLIC: &str = include_str!("../../tests/keys/rsa1024_public.pem");
    pub(in crate::token) const CERTIFICATE: &str = include_str!("../../tests/keys/certificate.pem");
}

pub(in crate::token) const SECRET: &[u8] = b"kq7Jb0Vd3xYc9LwPzR5tGhN2mSfE8uAo";
pub(in crate::token) const OTHER_SECRET: &[u8] = b"W1oXp4Zn6QsTe0BvUyHj7KcMi3DgRla5";
const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);
const SID: &str = "019b75a2-7c00-7000-8000-000000000001";

const ALL: [Algorithm; 4] = [Algorithm::Hs256, Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];

fn signing_key(algorithm: Algorithm) -> SigningKey {
    let key = match algorithm {
        Algorithm::Hs256 => SigningKey::hs256(SECRET),
        Algorithm::EdDsa => SigningKey::eddsa_pem(files::ED25519),
        Algorithm::Es256 => SigningKey::es256_pem(files::P256),
        Algorithm::Rs256 => SigningKey::rs256_pem(files::RSA2048),
        other => panic!("{other:?} is only verified"),
    };
    key.unwrap()
}

fn other_key(algorithm: Algorithm) -> SigningKey {
    let key = match algorithm {
        Algorithm::Hs256 => SigningKey::hs256(OTHER_SECRET),
        Algorithm::EdDsa => SigningKey::eddsa_pem(files::ED25519_OTHER),
        Algorithm::Es256 => SigningKey::es256_pem(files::P256_OTHER),
        Algorithm::Rs256 => SigningKey::rs256_pem(files::RSA2048_OTHER),
        other => panic!("{other:?} is only verified"),
    };
    key.unwrap()
}

fn ring(key: SigningKey) -> KeyRing {
    KeyRing::builder().signing_key(key).build().unwrap()
}

fn verifier(keys: &KeyRing) -> TokenVerifier {
    TokenVerifier::new(keys.clone(), TokenOptions::new()).unwrap()
}

fn issuer(keys: &KeyRing) -> TokenIssuer {
    TokenIssuer::new(keys.clone(), TokenOptions::new()).unwrap()
}

fn new_token(user_id: &UserId) -> NewToken<'_> {
    NewToken {
        user_id,
        session_id: SID.parse().unwrap(),
        issued_at: NOW,
        expires_at: NOW.saturating_add(Duration::from_secs(600)),
        generation: None,
        authenticated_at: NOW,
        methods: &[],
        level: None,
        claims: None,
    }
}

fn issue(keys: &KeyRing) -> String {
    issuer(keys).issue(&new_token(&UserId::try_from("ann").unwrap())).unwrap()
}

fn good_claims() -> String {
    let (iat, exp) = (NOW.as_seconds(), NOW.as_seconds() + 600);
    format!(r#"{{"sub":"ann","exp":{exp},"iat":{iat},"sid":"{SID}"}}"#)
}

/// A token with any header and claims, under a good signature of `key`.
fn forge(key: &SigningKey, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    let message = [URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)].join(".");
    let signature = key.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn refusal(keys: &KeyRing, token: impl AsRef<[u8]>) -> Option<TokenRejection> {
    verifier(keys).verify(token.as_ref(), NOW).err()
}

fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

#[test]
fn what_is_issued_is_accepted_by_every_algorithm() {
    for algorithm in ALL {
        for kid in [None, Some("2026-01"), Some("é / \" \\")] {
            let key = signing_key(algorithm);
            let key = match kid {
                Some(kid) => key.kid(kid),
                None => key,
            };
            let keys = ring(key);
            let verified = verifier(&keys).verify(issue(&keys).as_bytes(), NOW).unwrap();
            assert_eq!(verified.user_id.as_str(), "ann");
            assert_eq!(verified.session_id.to_string(), SID);
            assert_eq!(verified.issued_at, NOW);
            assert_eq!(verified.expires_at.duration_since(NOW), Duration::from_secs(600));
            assert_eq!(verified.generation, None);
        }
    }
}

/// S01: the algorithm is that of the key, to the letter.
#[test]
fn any_other_algorithm_is_refused() {
    use TokenRejection::{Algorithm as Wrong, Header};
    let others = [
        ("\"none\"", Wrong),
        ("\"None\"", Wrong),
        ("\"NONE\"", Wrong),
        ("\"nOnE\"", Wrong),
        ("\"\"", Wrong),
        ("\"hs256\"", Wrong),
        ("\"Hs256\"", Wrong),
        ("\"HS256 \"", Wrong),
        ("\"HS384\"", Wrong),
        ("\"HS512\"", Wrong),
        ("\"RS384\"", Wrong),
        ("\"PS256\"", Wrong),
        ("\"ES384\"", Wrong),
        ("\"ES256K\"", Wrong),
        ("\"Ed25519\"", Wrong),
        ("\"eddsa\"", Wrong),
        ("\"dir\"", Wrong),
        ("\"RSA-OAEP\"", Wrong),
        ("null", Header),
        ("0", Header),
        ("true", Header),
        ("[\"HS256\"]", Header),
        ("[\"none\",\"HS256\"]", Header),
        ("{\"HS256\":1}", Header),
    ];
    for algorithm in ALL {
        let key = signing_key(algorithm);
        let keys = ring(key.clone());
        for (name, rejection) in others {
            let token = forge(&key, format!(r#"{{"alg":{name},"typ":"at+jwt"}}"#), good_claims());
            assert_eq!(refusal(&keys, &token), Some(rejection), "{algorithm:?} {name}");
        }
        for other in ALL.into_iter().filter(|other| *other != algorithm) {
            let token = forge(&key, format!(r#"{{"alg":"{}","typ":"at+jwt"}}"#, other.name()), good_claims());
            assert_eq!(refusal(&keys, &token), Some(Wrong), "{algorithm:?} {other:?}");
        }
        assert_eq!(refusal(&keys, forge(&key, r#"{"typ":"at+jwt"}"#, good_claims())), Some(Header));
    }
}

/// S01: the classic; the signature is empty, or that of the attacker.
#[test]
fn an_unsigned_token_is_refused() {
    for algorithm in ALL {
        let keys = ring(signing_key(algorithm));
        for name in ["none", "None", "NONE", algorithm.name()] {
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{name}","typ":"at+jwt"}}"#));
            let claims = URL_SAFE_NO_PAD.encode(good_claims());
            assert_eq!(refusal(&keys, format!("{header}.{claims}.")), Some(TokenRejection::Malformed));
            assert_eq!(refusal(&keys, format!("{header}.{claims}")), Some(TokenRejection::Malformed));
            let refused = refusal(&keys, format!("{header}.{claims}.AAAA"));
            assert!(matches!(refused, Some(TokenRejection::Algorithm | TokenRejection::Signature)));
        }
    }
}

/// S02: a public key is known to everybody, and must not become a secret.
#[test]
fn a_public_key_is_no_hmac_secret() {
    let cases = [
        (Algorithm::EdDsa, files::ED25519_PUBLIC),
        (Algorithm::Es256, files::P256_PUBLIC),
        (Algorithm::Rs256, files::RSA2048_PUBLIC),
        (Algorithm::Rs256, files::RSA2048_PKCS1_PUBLIC),
    ];
    for (algorithm, pem) in cases {
        let keys = ring(signing_key(algorithm).kid("a"));
        let jwk = keys.jwks()["keys"][0].clone();
        let x = jwk["x"].as_str().or(jwk["n"].as_str()).unwrap();
        let secrets = [
            pem.as_bytes().to_vec(),
            pem.trim_end().as_bytes().to_vec(),
            pem.replace('\n', "\r\n").into_bytes(),
            der(pem),
            jwk.to_string().into_bytes(),
            x.as_bytes().to_vec(),
            URL_SAFE_NO_PAD.decode(x).unwrap(),
        ];
        for secret in secrets {
            for (name, kid) in [("HS256", "\"a\""), ("HS384", "\"a\""), (algorithm.name(), "\"a\"")] {
                let header = format!(r#"{{"alg":"{name}","kid":{kid},"typ":"at+jwt"}}"#);
                let message = [URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(good_claims())].join(".");
                let mac =
                    crypto::sign(Algorithm::Hs256, &EncodingKey::from_secret(&secret), message.as_bytes()).unwrap();
                let refused = refusal(&keys, format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac)));
                let expected = match name == algorithm.name() {
                    true => TokenRejection::Signature,
                    false => TokenRejection::Algorithm,
                };
                assert_eq!(refused, Some(expected));
            }
        }
    }
}

#[test]
fn the_signature_of_another_key_is_refused() {
    for algorithm in ALL {
        let (ours, theirs) = (ring(signing_key(algorithm).kid("a")), ring(other_key(algorithm).kid("a")));
        assert_eq!(refusal(&ours, issue(&theirs)), Some(TokenRejection::Signature));
        assert_eq!(refusal(&theirs, issue(&ours)), Some(TokenRejection::Signature));
    }
}

/// S03, S04, S17: under a good signature.
#[test]
fn a_header_with_more_than_three_members_is_refused() {
    let members = [
        r#""crit":["exp"]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["b64"],"b64":true"#,
        r#""crit":[]"#,
        r#""crit":null"#,
        r#""jku":"https://attacker.example/jwks.json""#,
        r#""jwk":{"kty":"oct","k":"AAAA"}"#,
        r#""x5u":"https://attacker.example/x5u""#,
        r#""x5c":["AAAA"]"#,
        r#""x5t":"AAAA""#,
        r#""x5t#S256":"AAAA""#,
        r#""zip":"DEF""#,
        r#""enc":"A128GCM""#,
        r#""cty":"JWT""#,
        r#""b64":false"#,
        r#""b64":true"#,
    ];
    for algorithm in ALL {
        let key = signing_key(algorithm);
        let keys = ring(key.clone());
        for member in members {
            let token =
                forge(&key, format!(r#"{{"alg":"{}","typ":"at+jwt",{member}}}"#, algorithm.name()), good_claims());
            assert_eq!(refusal(&keys, token), Some(TokenRejection::Header), "{member}");
        }
    }
}

/// S18, S20: under a good signature.
#[test]
fn a_header_that_is_not_strict_json_is_refused() {
    let key = signing_key(Algorithm::Hs256);
    let keys = ring(key.clone());
    let headers: [&[u8]; 8] = [
        br#"{"alg":"HS256","typ":"at+jwt","alg":"HS256"}"#,
        br#"{"alg":"none","typ":"at+jwt","\u0061lg":"HS256"}"#,
        br#"{"alg":"HS256","typ":"at+jwt","typ":"at+jwt"}"#,
        br#"{"alg":"HS256","typ":"at+jwt"}}"#,
        b"\xef\xbb\xbf{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}",
        b"{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"\xff\"}",
        b"{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"\\u0000\"}",
        b"null",
    ];
    for header in headers {
        assert_eq!(refusal(&keys, forge(&key, header, good_claims())), Some(TokenRejection::Header));
    }
    let spaced = " { \"typ\" : \"\\u0061t+jwt\" ,\n\"alg\":\"HS256\"} ";
    assert_eq!(refusal(&keys, forge(&key, spaced, good_claims())), None);
}

/// S09, S47.
#[test]
fn only_access_tokens_pass() {
    let key = signing_key(Algorithm::Hs256);
    let keys = ring(key.clone());
    let lenient = TokenVerifier::new(keys.clone(), TokenOptions::new().accept_untyped_tokens()).unwrap();
    let custom = TokenOptions::new().token_type("application/vnd.example.session+jwt");
    let custom = TokenVerifier::new(keys.clone(), custom).unwrap();
    let strict = verifier(&keys);
    let table = [
        (r#","typ":"at+jwt""#, true, true, false),
        (r#","typ":"AT+JWT""#, true, true, false),
        (r#","typ":"application/at+jwt""#, true, true, false),
        (r#","typ":"APPLICATION/At+Jwt""#, true, true, false),
        (r#","typ":"JWT""#, false, true, false),
        (r#","typ":"jwt""#, false, true, false),
        (r#","typ":"application/jwt""#, false, true, false),
        ("", false, true, false),
        (r#","typ":"vnd.example.session+jwt""#, false, false, true),
        (r#","typ":"logout+jwt""#, false, false, false),
        (r#","typ":"dpop+jwt""#, false, false, false),
        (r#","typ":"secevent+jwt""#, false, false, false),
        (r#","typ":"dbsc+jwt""#, false, false, false),
        (r#","typ":"refresh+jwt""#, false, false, false),
        (r#","typ":"rt+jwt""#, false, false, false),
        (r#","typ":"id+jwt""#, false, false, false),
        (r#","typ":"JOSE""#, false, false, false),
        (r#","typ":"""#, false, false, false),
        (r#","typ":" at+jwt""#, false, false, false),
    ];
    for (typ, by_strict, by_lenient, by_custom) in table {
        let token = forge(&key, format!(r#"{{"alg":"HS256"{typ}}}"#), good_claims());
        for (verifier, accepted) in [(&strict, by_strict), (&lenient, by_lenient), (&custom, by_custom)] {
            let expected = (!accepted).then_some(TokenRejection::Type);
            assert_eq!(verifier.verify(token.as_bytes(), NOW).err(), expected, "{typ}");
        }
    }
}

/// S24.
#[test]
fn a_kid_is_an_exact_key_into_the_ring() {
    let strange = [
        "",
        "A",
        "a ",
        " a",
        "a\\u0000",
        "a/../a",
        "../../../../dev/null",
        "/dev/null",
        "file:///dev/null",
        "https://attacker.example/jwks.json",
        "' UNION SELECT 'secret' -- ",
        "a' OR '1'='1",
        "a|whoami",
        "$(id)",
        "%00",
        "b",
        "null",
        "0",
    ];
    let key = signing_key(Algorithm::Hs256).kid("a");
    let keys = ring(key.clone());
    for kid in strange.map(str::to_owned).into_iter().chain(["a".repeat(129), "a".repeat(700)]) {
        let token = forge(&key, format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"at+jwt"}}"#), good_claims());
        let refused = refusal(&keys, token);
        assert!(matches!(refused, Some(TokenRejection::UnknownKey | TokenRejection::Header)), "{kid} {refused:?}");
    }
    for number in 0..1_000 {
        let token = forge(&key, format!(r#"{{"alg":"HS256","kid":"{number}","typ":"at+jwt"}}"#), good_claims());
        assert_eq!(refusal(&keys, token), Some(TokenRejection::UnknownKey));
    }
    // Without a name where all keys have one, and with one where the only key has none.
    let nameless = forge(&key, r#"{"alg":"HS256","typ":"at+jwt"}"#, good_claims());
    assert_eq!(refusal(&keys, &nameless), Some(TokenRejection::UnknownKey));
    let unnamed = ring(signing_key(Algorithm::Hs256));
    assert_eq!(refusal(&unnamed, &nameless), None);
    assert_eq!(refusal(&unnamed, issue(&keys)), Some(TokenRejection::UnknownKey));
}

/// S02: one key's signature does not pass under another key's name.
#[test]
fn a_kid_names_the_key_that_signed() {
    let (first, second) = (signing_key(Algorithm::EdDsa).kid("1"), other_key(Algorithm::EdDsa).kid("2"));
    let keys = KeyRing::builder().signing_key(first.clone()).verifying_key(second.clone()).build().unwrap();
    let header = |kid: &str| format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"at+jwt"}}"#);
    assert_eq!(refusal(&keys, forge(&first, header("1"), good_claims())), None);
    assert_eq!(refusal(&keys, forge(&second, header("2"), good_claims())), None);
    assert_eq!(refusal(&keys, forge(&first, header("2"), good_claims())), Some(TokenRejection::Signature));
    assert_eq!(refusal(&keys, forge(&second, header("1"), good_claims())), Some(TokenRejection::Signature));
}

/// S05, S06, S07, S08, S10, S15, S18, S20: through the whole verifier, under a good signature.
#[test]
fn bad_claims_under_a_good_signature_are_refused() {
    let header = r#"{"alg":"EdDSA","typ":"at+jwt"}"#;
    let key = signing_key(Algorithm::EdDsa);
    let keys = ring(key.clone());
    let now = NOW.as_seconds();
    let with = |name: &str, value: Value| {
        let mut claims: Map<String, Value> = serde_json::from_str(&good_claims()).unwrap();
        claims.insert(name.to_owned(), value);
        Value::from(claims).to_string()
    };
    let table = [
        (with("exp", json!(now - 30)), TokenRejection::Lifetime),
        (with("exp", json!("1")), TokenRejection::Claims),
        (with("exp", Value::Null), TokenRejection::Claims),
        (with("exp", json!(now + 365 * 86_400)), TokenRejection::Lifetime),
        (with("iat", json!(now + 31)), TokenRejection::IssuedInFuture),
        (with("nbf", json!(now + 31)), TokenRejection::NotYetValid),
        (with("nbf", json!("x")), TokenRejection::Claims),
        (with("sub", json!(1)), TokenRejection::Claims),
        (with("sid", json!("x")), TokenRejection::SessionIdClaim),
        (with("aud", json!("somebody else")), TokenRejection::Audience),
        (with("iss", json!(["x"])), TokenRejection::Claims),
        (good_claims().replacen('{', "{\"sub\":\"bob\",", 1), TokenRejection::Claims),
        (format!("\u{feff}{}", good_claims()), TokenRejection::Claims),
    ];
    for (claims, rejection) in table {
        assert_eq!(refusal(&keys, forge(&key, header, &claims)), Some(rejection), "{claims}");
        // S12: nothing of it is read under a bad signature.
        let foreign = forge(&other_key(Algorithm::EdDsa), header, &claims);
        assert_eq!(refusal(&keys, foreign), Some(TokenRejection::Signature), "{claims}");
    }
    assert_eq!(refusal(&keys, forge(&key, header, b"\xff\xfe{}")), Some(TokenRejection::Claims));
}

/// "Expired" is said of tokens that are acceptable otherwise, and of no other.
#[test]
fn expired_is_the_last_word() {
    let keys = ring(signing_key(Algorithm::Hs256));
    let token = issue(&keys);
    let at = |seconds: i64| Timestamp::from_seconds(NOW.as_seconds() + seconds);
    assert!(verifier(&keys).verify(token.as_bytes(), at(629)).is_ok());
    assert_eq!(verifier(&keys).verify(token.as_bytes(), at(630)), Err(TokenRejection::Expired));

    let foreign = issue(&ring(other_key(Algorithm::Hs256)));
    assert_eq!(verifier(&keys).verify(foreign.as_bytes(), at(9_999)), Err(TokenRejection::Signature));
    let ours = TokenVerifier::new(keys, TokenOptions::new().issuer("us")).unwrap();
    assert_eq!(ours.verify(token.as_bytes(), at(9_999)), Err(TokenRejection::Issuer));
}

/// S07: the keys of one issuer do not vouch for another.
#[test]
fn an_issuer_is_bound_to_its_keys() {
    let with = |name: &str, key| {
        let (keys, options) = (ring(key), TokenOptions::new().issuer(name));
        let issuer = TokenIssuer::new(keys.clone(), options.clone()).unwrap();
        let token = issuer.issue(&new_token(&UserId::from(1))).unwrap();
        (TokenVerifier::new(keys, options).unwrap(), token)
    };
    let (a, from_a) = with("a", signing_key(Algorithm::EdDsa));
    let (_, from_b) = with("b", other_key(Algorithm::EdDsa));
    let (_, b_as_a) = with("a", other_key(Algorithm::EdDsa));
    let (_, a_as_b) = with("b", signing_key(Algorithm::EdDsa));
    assert!(a.verify(from_a.as_bytes(), NOW).is_ok());
    assert_eq!(a.verify(from_b.as_bytes(), NOW), Err(TokenRejection::Signature));
    assert_eq!(a.verify(b_as_a.as_bytes(), NOW), Err(TokenRejection::Signature));
    assert_eq!(a.verify(a_as_b.as_bytes(), NOW), Err(TokenRejection::Issuer));
}

/// S16: every algorithm, every bit.
#[test]
fn any_flipped_bit_is_refused() {
    for algorithm in ALL {
        let keys = ring(signing_key(algorithm).kid("a"));
        let verifier = verifier(&keys);
        let token = issue(&keys).into_bytes();
        for at in 0..token.len() {
            for bit in 0..8 {
                let mut flipped = token.clone();
                flipped[at] ^= 1 << bit;
                assert!(verifier.verify(&flipped, NOW).is_err(), "{algorithm:?} {at} {bit}");
            }
        }
    }
}

/// S16: any other character anywhere, one more, one less, and every end cut off.
#[test]
fn any_changed_length_or_byte_is_refused() {
    let keys = ring(signing_key(Algorithm::Hs256));
    let verifier = verifier(&keys);
    let token = issue(&keys).into_bytes();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0\x7f\xff";
    for at in 0..=token.len() {
        assert_eq!(verifier.verify(&token[..at], NOW).is_ok(), at == token.len());
        for byte in alphabet {
            let mut longer = token.clone();
            longer.insert(at, *byte);
            assert!(verifier.verify(&longer, NOW).is_err(), "{at} {byte}");
            if at < token.len() && token[at] != *byte {
                let mut changed = token.clone();
                changed[at] = *byte;
                assert!(verifier.verify(&changed, NOW).is_err(), "{at} {byte}");
            }
        }
        if at < token.len() {
            let mut shorter = token.clone();
            shorter.remove(at);
            assert!(verifier.verify(&shorter, NOW).is_err(), "{at}");
        }
    }
}

/// S16: a signature of another length, also one that a prefix or a padding would complete.
#[test]
fn a_signature_of_another_length_is_refused() {
    for algorithm in ALL {
        let keys = ring(signing_key(algorithm));
        let token = issue(&keys);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let half = &signature[..signature.len() / 2];
        let variants = [
            half.to_vec(),
            signature[..signature.len() - 1].to_vec(),
            signature[1..].to_vec(),
            [&signature[..], &[0]].concat(),
            [&[0], &signature[..]].concat(),
            vec![0; signature.len()],
            vec![0],
            vec![0; 4_000],
        ];
        for variant in variants {
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(variant));
            assert_eq!(refusal(&keys, token), Some(TokenRejection::Signature), "{algorithm:?}");
        }
    }
}

/// S17.
#[test]
fn other_serializations_are_refused() {
    let keys = ring(signing_key(Algorithm::Hs256));
    let token = issue(&keys);
    let [header, claims, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let others = [
        json!({ "protected": header, "payload": claims, "signature": signature }).to_string(),
        json!({ "payload": claims, "signatures": [{ "protected": header, "signature": signature }] }).to_string(),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.{claims}.{signature}.{claims}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{claims}"),
        format!("Bearer {token}"),
        format!("{token},{token}"),
        format!("{token} {token}"),
        format!("\"{token}\""),
    ];
    for other in others {
        assert_eq!(refusal(&keys, &other), Some(TokenRejection::Malformed), "{other}");
    }
}

/// S19.
#[test]
fn an_oversized_token_is_refused() {
    let key = signing_key(Algorithm::Hs256);
    let keys = ring(key.clone());
    let padded = |bytes: usize| {
        let claims = good_claims().replace('}', &format!(",\"app\":\"{}\"}}", "x".repeat(bytes)));
        forge(&key, r#"{"alg":"HS256","typ":"at+jwt"}"#, claims)
    };
    assert_eq!(refusal(&keys, padded(5_800)), None);
    assert_eq!(refusal(&keys, padded(6_100)), Some(TokenRejection::TooLarge));
    assert_eq!(refusal(&keys, padded(1 << 20)), Some(TokenRejection::TooLarge));
    let long_kid = format!(r#"{{"alg":"HS256","kid":"{}","typ":"at+jwt"}}"#, "a".repeat(400 * 1_024));
    assert_eq!(refusal(&keys, forge(&key, long_kid, good_claims())), Some(TokenRejection::TooLarge));
}

/// S66.
#[test]
fn a_default_token_says_no_more_than_it_must() {
    let keys = ring(signing_key(Algorithm::Hs256).kid("2026-01"));
    let user_id = UserId::try_from("ann").unwrap();
    let decode = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();

    let token = issuer(&keys).issue(&new_token(&user_id)).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(decode(parts[0]), r#"{"alg":"HS256","kid":"2026-01","typ":"at+jwt"}"#);
    let claims = r#"{"sub":"ann","exp":1767226200,"iat":1767225600,"auth_time":1767225600,"sid":"019b75a2-7c00-7000-8000-000000000001"}"#;
    assert_eq!(decode(parts[1]), claims);

    let options = TokenOptions::new().issuer("https://a.example").audience("api").session_id_claim("session_id");
    let issuer = TokenIssuer::new(keys, options).unwrap();
    let app = json!({ "role": "admin" });
    let full = NewToken {
        generation: Some(3),
        methods: &["pwd".to_owned(), "otp".to_owned()],
        level: Some("aal2"),
        claims: app.as_object(),
        ..new_token(&user_id)
    };
    let claims = concat!(
        r#"{"iss":"https://a.example","sub":"ann","aud":"api","exp":1767226200,"iat":1767225600,"auth_time":1767225600,"#,
        r#""session_id":"019b75a2-7c00-7000-8000-000000000001","gen":3,"acr":"aal2","amr":["pwd","otp"],"role":"admin"}"#,
    );
    assert_eq!(decode(issuer.issue(&full).unwrap().split('.').nth(1).unwrap()), claims);
}

/// S58: what the application adds cannot replace what we say.
#[test]
fn reserved_claims_cannot_be_set() {
    let keys = ring(signing_key(Algorithm::Hs256));
    let options = TokenOptions::new().session_id_claim("session_id");
    let issuer = TokenIssuer::new(keys, options).unwrap();
    let user_id = UserId::from(1);
    let reserved = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "gen", "auth_time", "amr", "acr", "session_id"];
    for name in reserved {
        let claims = Map::from_iter([(name.to_owned(), json!("x"))]);
        let refused = issuer.issue(&NewToken { claims: Some(&claims), ..new_token(&user_id) });
        assert!(matches!(refused, Err(IssueError::ReservedClaim(claim)) if claim == name));
    }
    let claims = Map::from_iter([("sid".to_owned(), json!("x")), ("SUB".to_owned(), json!("x"))]);
    assert!(issuer.issue(&NewToken { claims: Some(&claims), ..new_token(&user_id) }).is_ok());
}

/// S65: what would not be accepted is not issued.
#[test]
fn an_unacceptable_token_is_not_issued() {
    let keys = ring(signing_key(Algorithm::Rs256));
    let issuer = issuer(&keys);
    let user_id = UserId::from(1);
    let issue = |value: Value| {
        let claims = Map::from_iter([("app".to_owned(), value)]);
        issuer.issue(&NewToken { claims: Some(&claims), ..new_token(&user_id) })
    };
    assert!(issue(json!("x".repeat(5_500))).is_ok());
    assert!(matches!(issue(json!("x".repeat(5_900))), Err(IssueError::TooLarge { bytes: 8_193.. })));
    assert!(matches!(issue(json!("x".repeat(6_100))), Err(IssueError::TooLarge { bytes: 6_145..8_193 })));
    assert!(matches!(issue(json!("a\0")), Err(IssueError::UnacceptableClaims)));
    assert!(matches!(issue(json!({ "\0": 1 })), Err(IssueError::UnacceptableClaims)));
    let deep = (0..16).fold(json!(1), |inner, _| json!([inner]));
    assert!(matches!(issue(deep), Err(IssueError::UnacceptableClaims)));

    let until = |expires_at| issuer.issue(&NewToken { expires_at, ..new_token(&user_id) });
    assert!(until(NOW.saturating_add(Duration::from_secs(30 * 86_400))).is_ok());
    assert!(matches!(until(NOW.saturating_add(Duration::from_secs(30 * 86_400 + 1))), Err(IssueError::Lifetime)));
    assert!(matches!(until(NOW.saturating_sub(Duration::from_secs(1))), Err(IssueError::Lifetime)));
    assert!(until(NOW.saturating_add(Duration::from_millis(500))).is_ok());

    let long = NewToken { expires_at: Timestamp::from_micros(i64::MAX), ..new_token(&user_id) };
    assert!(issuer.issue(&long).is_err());
}

/// S25.
#[test]
fn a_ring_that_only_verifies_cannot_issue() {
    let key = VerifyingKey::eddsa_pem(files::ED25519_PUBLIC).unwrap();
    let keys = KeyRing::builder().verifying_key(key).build().unwrap();
    let error = TokenIssuer::new(keys.clone(), TokenOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::KeyRing);
    assert_eq!(refusal(&keys, issue(&ring(signing_key(Algorithm::EdDsa)))), None);
}

#[test]
fn settings_are_checked_when_they_are_used() {
    let keys = ring(signing_key(Algorithm::Hs256));
    let bad = TokenOptions::new().leeway(Duration::from_secs(301));
    assert!(TokenIssuer::new(keys.clone(), bad.clone()).is_err());
    assert!(TokenVerifier::new(keys.clone(), bad).is_err());
    let tiny = TokenOptions::new().max_lifetime(Duration::from_millis(1));
    assert!(TokenIssuer::new(keys.clone(), tiny.clone()).is_ok());
    // Times are whole seconds: every token would have expired when it is issued.
    assert!(TokenIssuer::new(keys, tiny.leeway(Duration::ZERO)).is_err());
}

#[test]
fn the_applications_claims_are_read_from_the_token() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct App {
        role: String,
        iat: i64,
    }

    let keys = ring(signing_key(Algorithm::EdDsa));
    let claims = Map::from_iter([("role".to_owned(), json!("admin"))]);
    let user_id = UserId::from(1);
    let token = issuer(&keys).issue(&NewToken { claims: Some(&claims), ..new_token(&user_id) }).unwrap();
    let app: App = claims_of(token.as_bytes()).unwrap();
    assert_eq!(app, App { role: "admin".to_owned(), iat: NOW.as_seconds() });

    let error = claims_of::<App>(issue(&keys).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "the token's claims do not have the shape that was asked for");
    assert!(claims_of::<App>(b"x").is_err());
}

/// R40: a rotation under load signs nobody out.
#[test]
fn tokens_stay_good_while_keys_rotate() {
    let keys = ring(signing_key(Algorithm::Hs256).kid("0"));
    let (issuer, verifier) = (issuer(&keys), verifier(&keys));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let user_id = UserId::from(1);
                for _ in 0..500 {
                    let token = issuer.issue(&new_token(&user_id)).unwrap();
                    assert!(verifier.verify(token.as_bytes(), NOW).is_ok());
                }
            });
        }
        for number in 1..20 {
            let secret = [OTHER_SECRET, &[number]].concat();
            keys.rotate_to(SigningKey::hs256(secret).unwrap().kid(number.to_string())).unwrap();
            thread::yield_now();
        }
    });
    assert_eq!(keys.kids().len(), 20);
}

/// R40: a token that has been verified is refused once its key is retired, and the revision tells who remembers it.
#[test]
fn the_tokens_of_a_retired_key_are_refused() {
    let keys = KeyRing::hs256(SECRET).unwrap();
    let (verifier, old) = (verifier(&keys), issue(&keys));
    let accepts = |token: &str| verifier.verify(token.as_bytes(), NOW).is_ok();

    keys.rotate_to(other_key(Algorithm::Hs256).kid("1")).unwrap();
    let new = issue(&keys);
    assert!(accepts(&old) && accepts(&new));

    let revision = verifier.revision();
    keys.retire_unnamed().unwrap();
    assert_ne!(verifier.revision(), revision);
    assert!(!accepts(&old) && accepts(&new));
}

/// S91.
#[test]
fn debug_shows_no_secret() {
    let key = signing_key(Algorithm::Hs256).kid("a");
    let keys = ring(key.clone());
    let jwks = KeyRing::builder().jwks(std::str::from_utf8(SECRET).unwrap());
    let texts = [
        format!("{key:?}"),
        format!("{:?}", VerifyingKey::from(key.clone())),
        format!("{keys:?} {keys:#?}"),
        format!("{:?}", KeyRing::builder().signing_key(key)),
        format!("{jwks:?}"),
        format!("{:?} {:?}", issuer(&keys), verifier(&keys)),
    ];
    let secret = std::str::from_utf8(SECRET).unwrap();
    let numbers = format!("{SECRET:?}");
    for text in texts {
        assert!(!text.contains(secret) && !text.contains(&numbers[1..20]), "{text}");
    }
    assert_eq!(format!("{keys:?}"), r#"KeyRing { algorithm: "HS256", kids: ["a"], signs: true, revision: 0 }"#);
}

/// What the JWT library itself says about a token, with its own decoder of headers and claims.
fn library_accepts(token: &str) -> bool {
    let key = jsonwebtoken::DecodingKey::from_secret(SECRET);
    #[cfg(not(all(feature = "aws_lc_rs", feature = "rust_crypto")))]
    {
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
    }
    #[cfg(all(feature = "aws_lc_rs", feature = "rust_crypto"))]
    {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let decoded = jsonwebtoken::dangerous::insecure_decode::<Value>(token);
        let same_algorithm = decoded.is_ok_and(|decoded| decoded.header.alg == jsonwebtoken::Algorithm::HS256);
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        same_algorithm && crypto::verifies(Algorithm::Hs256, &key, message.as_bytes(), &signature)
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_without_panic(token in "[A-Za-z0-9_.-]{0,300}") {
        let keys = ring(signing_key(Algorithm::Hs256));
        prop_assert!(refusal(&keys, token).is_some());
    }

    #[test]
    fn any_header_and_claims_are_judged_without_panic(header: Vec<u8>, claims: Vec<u8>) {
        let key = signing_key(Algorithm::Hs256);
        prop_assert!(refusal(&ring(key.clone()), forge(&key, header, claims)).is_some());
    }

    /// Ours is the stricter one.
    #[test]
    fn what_is_accepted_the_library_accepts_too(
        header in "\\{(\"(alg|typ|kid|crit)\":\"(HS256|none|at\\+jwt|a)\",?){0,3}\\}",
        more in "(,\"(sub|aud|app|nbf|gen|jti|amr)\":(\"ann\"|1|null|\\[\"a\"\\]|\\{\"a\":1\\}|1\\.5|[0-9]{1,3}e[0-9]{1,3})){0,3}",
        standard: bool,
    ) {
        let key = signing_key(Algorithm::Hs256);
        let header = if standard { r#"{"alg":"HS256","typ":"at+jwt"}"#.to_owned() } else { header };
        let claims = good_claims();
        let token = forge(&key, header, format!("{}{more}}}", &claims[..claims.len() - 1]));
        if refusal(&ring(key), &token).is_none() {
            prop_assert!(library_accepts(&token), "{token}");
        }
    }

    #[test]
    fn whatever_the_application_adds_is_accepted_or_not_issued(
        claims in prop::collection::hash_map(".{0,4}", ".{0,8}".prop_map(Value::from), 0..6),
    ) {
        let keys = ring(signing_key(Algorithm::Hs256));
        let claims: Map<String, Value> = claims.into_iter().collect();
        let user_id = UserId::from(1);
        if let Ok(token) = issuer(&keys).issue(&NewToken { claims: Some(&claims), ..new_token(&user_id) }) {
            prop_assert_eq!(refusal(&keys, &token), None);
            prop_assert!(library_accepts(&token));
            let read: Map<String, Value> = claims_of(token.as_bytes()).unwrap();
            prop_assert!(claims.iter().all(|(name, value)| read.get(name) == Some(value)));
        }
    }
}
