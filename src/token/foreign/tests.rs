//! Tokens of others that are not acceptable, whatever is set.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;
use crate::token::{
    SigningKey,
    tests::{OTHER_SECRET, SECRET, files},
};

const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);
const SID: &str = "019b75a2-7c00-7000-8000-000000000001";
const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt"}"#;

fn tokens() -> ForeignTokens {
    ForeignTokens::new(KeyRing::hs256(SECRET).unwrap())
}

fn token(header: &str, claims: &str) -> String {
    let message = [URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)].join(".");
    let signature = SigningKey::hs256(SECRET).unwrap().sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn judge(tokens: &ForeignTokens, header: &str, claims: &str) -> Result<VerifiedToken, TokenRejection> {
    tokens.check().unwrap();
    let circumstances = Circumstances {
        now: NOW,
        session_id: SID.parse().unwrap(),
        ends_at: NOW.saturating_add(std::time::Duration::from_secs(86_400)),
        ours: None,
    };
    tokens.verify(token(header, claims).as_bytes(), &circumstances)
}

fn claims(more: &str) -> String {
    let usual = [
        ("sub", "\"ann\"".to_owned()),
        ("iat", NOW.as_seconds().to_string()),
        ("exp", (NOW.as_seconds() + 600).to_string()),
    ];
    let own = usual.iter().filter(|(name, _)| !more.contains(&format!("\"{name}\":")));
    let mut all: Vec<_> = own.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    all.extend((!more.is_empty()).then(|| more.to_owned()));
    format!("{{{}}}", all.join(","))
}

/// S03, S04, S17: what names things is passed over, what changes the meaning is not.
#[test]
fn harmless_members_of_the_header_are_passed_over() {
    for member in [r#""x5t":"i6lGk3FZ""#, r#""cat":"cl_B7""#, r#""ver":1"#, r#""x":{"a":[null]}"#, r#""x5t#S256":null"#]
    {
        let header = format!(r#"{{"alg":"HS256","typ":"at+jwt",{member}}}"#);
        assert!(judge(&tokens(), &header, &claims("")).is_ok(), "{member}");
    }
    for name in header::REFUSED {
        for value in ["[]", "[\"b64\"]", "null", "false", "\"x\"", "{}"] {
            let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","{name}":{value}}}"#);
            assert_eq!(judge(&tokens(), &header, &claims("")).err(), Some(TokenRejection::Header), "{header}");
        }
    }
    for header in [r#"{"alg":"HS256","x5t":"a","x5t":"a"}"#, r#"{"alg":"HS256","kid":1}"#, r#"{"typ":"at+jwt"}"#, "[]"]
    {
        assert_eq!(judge(&tokens(), header, &claims("")).err(), Some(TokenRejection::Header), "{header}");
    }
}

#[test]
fn claims_that_nobody_uses_may_be_of_any_type() {
    for name in ["jti", "acr", "auth_time", "amr", "gen", "iss", "roles"] {
        for value in ["null", "1", "-1.5", "true", "\"x\"", "[{\"method\":\"pwd\"}]", "{}"] {
            let more = format!("\"{name}\":{value}");
            assert!(judge(&tokens(), HEADER, &claims(&more)).is_ok(), "{more}");
        }
    }
    assert!(judge(&tokens(), HEADER, &claims("\"aud\":null")).is_ok());
    let error = judge(&tokens(), HEADER, &claims("\"x\":1,\"x\":2")).err();
    assert_eq!(error, Some(TokenRejection::Claims), "a name twice");
}

/// Each setting on: what is used is of its type all the same.
#[test]
fn claims_that_are_used_have_their_one_type() {
    let relaxed = tokens().numeric_users().without_issue_time().without_end().foreign_session_ids();
    for name in ["exp", "iat", "nbf"] {
        for value in ["null", "true", "\"1767225600\"", "[]", "-1", "1e300", "{}"] {
            let more = format!("\"{name}\":{value}");
            assert_eq!(judge(&relaxed, HEADER, &claims(&more)).err(), Some(TokenRejection::Claims), "{more}");
        }
    }
    for value in ["null", "true", "[]", "{}", "\"\"", "1.0", "1e3", "-0", "\" ann\""] {
        let more = format!("\"sub\":{value}");
        assert_eq!(judge(&relaxed, HEADER, &claims(&more)).err(), Some(TokenRejection::Claims), "{more}");
    }
    for (value, user) in [("42", "42"), ("-7", "-7"), ("0", "0"), ("18446744073709551616", "18446744073709551616")] {
        let verified = judge(&relaxed, HEADER, &claims(&format!("\"sub\":{value}"))).unwrap();
        assert_eq!(verified.user_id.as_str(), user);
    }
    for value in ["1", "{}", "[1]", "true"] {
        let more = format!("\"aud\":{value}");
        assert_eq!(judge(&relaxed, HEADER, &claims(&more)).err(), Some(TokenRejection::Claims), "{more}");
    }
    let strict = tokens().options(TokenOptions::new().issuer("us"));
    assert_eq!(judge(&strict, HEADER, &claims("\"iss\":[\"us\"]")).err(), Some(TokenRejection::Issuer));
}

/// S05, S06, S15.
#[test]
fn times_are_judged_as_those_of_our_tokens_are() {
    use TokenRejection::{Claims, Expired, IssuedInFuture, Lifetime, NotYetValid};
    let relaxed = tokens().without_issue_time().without_end();
    let (now, month) = (NOW.as_seconds(), 30 * 86_400);
    let table = [
        (format!("\"exp\":{},\"iat\":{}", now - 30, now - 60), Some(Expired)),
        (format!("\"exp\":{}.9,\"iat\":{}.5", now - 30, now - 60), Some(Expired)),
        (format!("\"nbf\":{}", now + 31), Some(NotYetValid)),
        (format!("\"iat\":{}", now + 31), Some(IssuedInFuture)),
        (format!("\"exp\":{}", now + month + 1), Some(Lifetime)),
        (format!("\"exp\":{},\"iat\":{}", now - 10, now - 9), Some(Lifetime)),
        (format!("\"exp\":{}.25,\"iat\":{}.75", now + 60, now - 60), None),
    ];
    for (more, expected) in table {
        assert_eq!(judge(&relaxed, HEADER, &claims(&more)).err(), expected, "{more}");
    }
    let without_iat = |exp: i64| format!("{{\"sub\":\"ann\",\"exp\":{exp}}}");
    assert_eq!(judge(&tokens(), HEADER, &without_iat(now + 60)).err(), Some(Claims));
    assert_eq!(judge(&relaxed, HEADER, &without_iat(now - 30)).err(), Some(Expired));
    assert_eq!(judge(&relaxed, HEADER, &without_iat(now + month + 1)).err(), Some(Lifetime));
    assert_eq!(judge(&relaxed, HEADER, &without_iat(now + 60)).unwrap().issued_at, Timestamp::UNIX_EPOCH);
    assert_eq!(judge(&tokens(), HEADER, &format!("{{\"sub\":\"ann\",\"iat\":{now}}}")).err(), Some(Claims));
}

#[test]
fn a_closure_reads_claims_and_cannot_outlive_exp() {
    let at = |seconds: i64| NOW.saturating_add(std::time::Duration::from_secs(seconds.unsigned_abs()));
    let read = |ends: i64| {
        tokens().read(move |claims| {
            let user = UserId::try_from(claims.get("user")?.get("id")?.as_str()?).ok()?;
            Some(ForeignClaims::new(user).issued_at(NOW).expires_at(at(ends)))
        })
    };
    let nested = r#""user":{"id":"eve"}"#;
    let verified = judge(&read(60), HEADER, &claims(nested)).unwrap();
    assert_eq!((verified.user_id.as_str(), verified.expires_at), ("eve", at(60)));
    assert_eq!(judge(&read(3_600), HEADER, &claims(nested)).unwrap().expires_at, at(600), "`exp` is earlier");
    let bare = format!("{{{nested}}}");
    assert_eq!(judge(&read(60), HEADER, &bare).unwrap().issued_at, NOW, "neither `iat` nor `exp`");
    assert_eq!(judge(&read(60), HEADER, &claims("")).err(), Some(TokenRejection::Claims), "`None` refuses");
    assert_eq!(
        judge(&tokens().read(|_| panic!("not asked")), r#"{"alg":"none"}"#, &bare).err(),
        Some(TokenRejection::Type)
    );
}

/// S01, S02, S23: a key only verifies with its own algorithm, no matter what else is in the list.
#[test]
fn keys_of_several_algorithms_do_not_mix() {
    let public = files::RSA2048_PUBLIC;
    let rsa = KeyRing::builder().verifying_key(VerifyingKey::ps256_pem(public).unwrap()).build().unwrap();
    let tokens = tokens().and_keys(rsa);
    for name in ["RS256", "PS384", "HS384", "none", "hs256", "ES256"] {
        let header = format!(r#"{{"alg":"{name}","typ":"at+jwt"}}"#);
        assert_eq!(judge(&tokens, &header, &claims("")).err(), Some(TokenRejection::Algorithm), "{name}");
    }
    assert_eq!(judge(&tokens, r#"{"alg":"PS256","typ":"at+jwt"}"#, &claims("")).err(), Some(TokenRejection::Signature));
    let named = r#"{"alg":"HS256","typ":"at+jwt","kid":"x"}"#;
    assert_eq!(judge(&tokens, named, &claims("")).err(), Some(TokenRejection::UnknownKey));
    let other = ForeignTokens::new(KeyRing::hs256(OTHER_SECRET).unwrap());
    assert_eq!(judge(&other, HEADER, &claims("")).err(), Some(TokenRejection::Signature));
    assert!(judge(&other.and_keys(KeyRing::hs256(SECRET).unwrap()), HEADER, &claims("")).is_ok());
}

#[test]
fn secrets_are_long_enough_or_said_to_be_insecure() {
    assert!(VerifyingKey::hs384([SECRET, OTHER_SECRET].concat()).is_ok());
    assert!(VerifyingKey::hs384(SECRET).is_err() && VerifyingKey::hs512([SECRET, b"x"].concat()).is_err());
    assert!(tokens().insecure_secret(Algorithm::Hs512, "secret").is_ok());
    for (algorithm, secret) in [
        (Algorithm::Hs256, ""),
        (Algorithm::Hs256, files::RSA2048_PUBLIC),
        (Algorithm::Hs256, r#"{"kty":"RSA"}"#),
        (Algorithm::Rs256, "secret"),
        (Algorithm::EdDsa, "secret"),
    ] {
        assert!(tokens().insecure_secret(algorithm, secret).is_err(), "{algorithm:?} {secret}");
    }
    assert!(!format!("{:?}", tokens().insecure_secret(Algorithm::Hs256, "hunter2").unwrap()).contains("hunter2"));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for bad in [
        tokens().user_claim(""),
        tokens().user_claim("a b"),
        tokens().user_claim("exp"),
        tokens().user_claim("sid"),
        tokens().user_claim("user_id").read(|_| None),
        tokens().numeric_users().read(|_| None),
        tokens().options(TokenOptions::new().issuer("")),
    ] {
        assert_eq!(bad.check().map_err(|error| error.kind()).err(), Some(ConfigErrorKind::Token), "{bad:?}");
    }
    assert!(
        tokens().user_claim("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier").check().is_ok()
    );
}

/// A provider that moves from one algorithm to the other publishes both.
#[test]
fn a_set_of_two_algorithms_makes_a_ring_of_each() {
    let key = |key: SigningKey, kid: &str| KeyRing::builder().signing_key(key.kid(kid)).build().unwrap().jwks();
    let rsa = key(SigningKey::rs256_pem(files::RSA2048).unwrap(), "1");
    let p256 = key(SigningKey::es256_pem(files::P256).unwrap(), "2");
    let mut unnamed = rsa["keys"][0].clone();
    unnamed.as_object_mut().unwrap().remove("alg");
    unnamed["kid"] = "3".into();
    let set = serde_json::json!({ "keys": [rsa["keys"][0], p256["keys"][0], unnamed] }).to_string();
    assert!(KeyRing::builder().jwks(&*set).build().is_err(), "as before");
    let kids = |algorithm| KeyRing::builder().jwks_for(&*set, algorithm).build().map(|ring| ring.kids()).ok();
    assert_eq!(kids(Algorithm::Rs256), Some(vec!["1".to_owned(), "3".to_owned()]));
    assert_eq!(kids(Algorithm::Es256), Some(vec!["2".to_owned()]));
    assert_eq!(kids(Algorithm::Ps256), Some(vec!["3".to_owned()]), "what says no algorithm may be of any");
    assert_eq!((kids(Algorithm::EdDsa), kids(Algorithm::Es384), kids(Algorithm::Hs256)), (None, None, None));

    let p384 = KeyRing::builder().verifying_key(VerifyingKey::es384_pem(files::P384_PUBLIC).unwrap()).build().unwrap();
    let written = p384.jwks().to_string();
    assert!(KeyRing::builder().jwks_for(&*written, Algorithm::Es384).build().is_ok());
    assert!(KeyRing::builder().jwks(written).build().is_err(), "none that this crate signs with");
}

/// By whichever provider is compiled in: tokens of other libraries in the algorithms that this crate does not sign with.
#[test]
fn every_algorithm_verifies_what_other_libraries_have_signed() {
    const TABLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/old_tokens.json"));
    let table: Value = serde_json::from_str(TABLE).unwrap();
    let secret = table["secret"].as_str().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for case in table["cases"].as_array().unwrap() {
        let key = match case["keys"].as_str().unwrap() {
            "HS384" => VerifyingKey::hs384(secret),
            "HS512" => VerifyingKey::hs512(secret),
            "RS384" => VerifyingKey::rs384_pem(files::RSA2048_PUBLIC),
            "RS512" => VerifyingKey::rs512_pem(files::RSA2048_PUBLIC),
            "PS256" => VerifyingKey::ps256_pem(files::RSA2048_PUBLIC),
            "ES384" => VerifyingKey::es384_pem(files::P384_PUBLIC),
            _ => continue,
        };
        let keys = KeyRing::builder().verifying_key(key.unwrap()).build().unwrap().keys();
        let (key, token) = (keys.find(None).unwrap(), case["token"].as_str().unwrap());
        let parts = gate::pass(token.as_bytes()).unwrap();
        let mut signature = gate::decode(parts.signature).unwrap();
        assert!(key.verifies(parts.message, &signature), "{}", case["name"]);
        assert_eq!(key.algorithm().name(), case["algorithm"], "{}", case["name"]);
        signature[7] ^= 1;
        assert!(!key.verifies(parts.message, &signature), "{}", case["name"]);
        seen.insert(key.algorithm().name());
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
}
