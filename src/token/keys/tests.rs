//! Keys that are refused, and keys that come and go.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::{
    error::ConfigErrorKind,
    token::tests::{OTHER_SECRET, SECRET, files},
};

fn kind<T>(result: Result<T, ConfigError>) -> Option<ConfigErrorKind> {
    result.err().map(|error| {
        let text = error.to_string();
        assert!(text.starts_with(|first: char| !first.is_uppercase() || text.starts_with("JWK")), "{text}");
        assert!(!text.ends_with('.'), "{text}");
        error.kind()
    })
}

fn jwk_of(key: impl Into<VerifyingKey>) -> Value {
    jwk::write(&key.into()).unwrap()
}

fn with(jwk: &Value, name: &str, value: Value) -> Value {
    let mut changed = jwk.clone();
    changed[name] = value;
    changed
}

fn read(jwk: &Value) -> Result<VerifyingKey, ConfigError> {
    VerifyingKey::jwk(jwk.to_string())
}

fn named(secret: &[u8], kid: &str) -> SigningKey {
    SigningKey::hs256(secret).unwrap().kid(kid)
}

/// S21.
#[test]
fn a_weak_secret_is_refused() {
    let weak: [&[u8]; 14] = [
        b"",
        b"short",
        b"kq7Jb0Vd3xYc9LwPzR5tGhN2mSfE8uA",
        &[0; 32],
        &[0xff; 64],
        &[b'a'; 1_000],
        b"abababababababababababababababababab",
        b"0000000011111111222222223333333344444444",
        b"secretsecretsecretsecretsecretsecret",
        b"passwordpasswordpasswordpassword",
        b"changemechangemechangemechangeme",
        files::RSA2048_PUBLIC.as_bytes(),
        files::ED25519.as_bytes(),
        br#" {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    ];
    for secret in weak {
        assert_eq!(kind(KeyRing::hs256(secret)), Some(ConfigErrorKind::WeakKey), "{}", String::from_utf8_lossy(secret));
        assert_eq!(kind(VerifyingKey::hs256(secret)), Some(ConfigErrorKind::WeakKey));
    }

    let random: Vec<u8> = (0_u8..32).map(|number| number.wrapping_mul(73) ^ 0x5a).collect();
    let good: [&[u8]; 5] = [
        SECRET,
        b"8f3a1c0de4b79265fa01c3e8d7b64920",
        b"8f3a1c0de4b79265fa01c3e8d7b649208f3a1c0de4b79265fa01c3e8d7b64921",
        b"{kq7Jb0Vd3xYc9LwPzR5tGhN2mSfE8uAo}",
        &random,
    ];
    for secret in good {
        assert_eq!(kind(KeyRing::hs256(secret)), None);
    }
}

#[test]
fn every_form_of_a_key_file_is_read() {
    let pairs = [
        (SigningKey::eddsa_pem(files::ED25519), VerifyingKey::eddsa_pem(files::ED25519_PUBLIC)),
        (SigningKey::es256_pem(files::P256), VerifyingKey::es256_pem(files::P256_PUBLIC)),
        (SigningKey::rs256_pem(files::RSA2048), VerifyingKey::rs256_pem(files::RSA2048_PUBLIC)),
        (SigningKey::rs256_pem(files::RSA2048_PKCS1), VerifyingKey::rs256_pem(files::RSA2048_PKCS1_PUBLIC)),
    ];
    for (private, public) in pairs {
        let (private, public) = (private.unwrap(), public.unwrap());
        assert!(private.public.is_same_key(&public));
        let signature = private.sign(b"x").unwrap();
        assert!(public.verifies(b"x", &signature));
        assert!(!public.verifies(b"y", &signature));
        assert!(read(&jwk_of(public.clone())).unwrap().is_same_key(&public));
    }
    assert!(VerifyingKey::eddsa_pem(files::ED25519).is_ok());
    assert!(VerifyingKey::es256_pem(files::P256).is_ok());
    assert!(VerifyingKey::rs256_pem(files::RSA2048).is_ok());
    assert!(VerifyingKey::rs256_pem(files::RSA2048_PKCS1).is_ok());

    let with_text = format!("a key:\r\n{}\r\nthat was it", files::ED25519.replace('\n', "\r\n"));
    assert!(SigningKey::eddsa_pem(with_text).is_ok());
}

/// S22, S25.
#[test]
fn any_other_key_file_is_refused() {
    let two = [files::ED25519, files::ED25519_OTHER].concat();
    let relabelled = files::ED25519_PUBLIC.replace("PUBLIC", "PRIVATE");
    let cut = files::ED25519.replace("MC4CAQAw", "MC4CAQ");
    let unlike_ends = files::ED25519.replace("END PRIVATE", "END PUBLIC");
    let bad = [
        "",
        "x",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n%%%%\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
        files::ED25519_ENCRYPTED,
        files::P256_SEC1,
        files::P384,
        files::P384_PUBLIC,
        files::SECP256K1,
        files::SECP256K1_PUBLIC,
        files::CERTIFICATE,
        &two,
        &relabelled,
        &cut,
        &unlike_ends,
    ];
    for file in bad {
        for refused in [
            SigningKey::eddsa_pem(file).map(VerifyingKey::from),
            SigningKey::es256_pem(file).map(VerifyingKey::from),
            SigningKey::rs256_pem(file).map(VerifyingKey::from),
            VerifyingKey::eddsa_pem(file),
            VerifyingKey::es256_pem(file),
            VerifyingKey::rs256_pem(file),
        ] {
            assert_eq!(kind(refused), Some(ConfigErrorKind::InvalidKey), "{file}");
        }
    }
    for file in [files::P384, files::SECP256K1, files::SECP256K1_PUBLIC] {
        let error = VerifyingKey::es256_pem(file).unwrap_err();
        assert_eq!(error.to_string(), "the key is on another curve than P-256");
    }
    let error = VerifyingKey::es256_pem(files::P384_PUBLIC).unwrap_err();
    assert_eq!(error.to_string(), "the file holds a public P-384 key, where a P-256 key belongs");
    assert!(SigningKey::eddsa_pem(b"\xff").is_err());
}

/// S01, S22: a key is of the kind that was asked for.
#[test]
fn a_key_of_another_kind_is_refused() {
    let (ed, p256, rsa) = (files::ED25519, files::P256, files::RSA2048);
    let refused = [
        KeyRing::eddsa_pem(p256),
        KeyRing::eddsa_pem(rsa),
        KeyRing::es256_pem(ed),
        KeyRing::es256_pem(rsa),
        KeyRing::rs256_pem(ed),
        KeyRing::rs256_pem(p256),
        KeyRing::eddsa_pem(files::ED25519_PUBLIC),
        KeyRing::es256_pem(files::P256_PUBLIC),
        KeyRing::rs256_pem(files::RSA2048_PUBLIC),
        KeyRing::rs256_pem(files::RSA2048_PKCS1_PUBLIC),
    ];
    for refused in refused {
        assert_eq!(kind(refused), Some(ConfigErrorKind::InvalidKey));
    }
}

/// S22.
#[test]
fn a_weak_rsa_key_is_refused() {
    assert_eq!(kind(SigningKey::rs256_pem(files::RSA1024)), Some(ConfigErrorKind::WeakKey));
    assert_eq!(kind(VerifyingKey::rs256_pem(files::RSA1024_PUBLIC)), Some(ConfigErrorKind::WeakKey));

    let good = jwk_of(SigningKey::rs256_pem(files::RSA2048).unwrap());
    let modulus = URL_SAFE_NO_PAD.decode(good["n"].as_str().unwrap()).unwrap();
    let encode = |bytes: &[u8]| json!(URL_SAFE_NO_PAD.encode(bytes));

    for exponent in [&[][..], &[0], &[1], &[2], &[4], &[0, 0, 1], &[1, 0, 0]] {
        assert_eq!(kind(read(&with(&good, "e", encode(exponent)))), Some(ConfigErrorKind::WeakKey), "{exponent:?}");
    }
    assert_eq!(kind(read(&with(&good, "e", encode(&[3])))), None);
    assert_eq!(kind(read(&with(&good, "e", encode(&[3, 0, 0, 0, 1])))), Some(ConfigErrorKind::InvalidKey));

    let mut even = modulus.clone();
    *even.last_mut().unwrap() &= 0xfe;
    assert_eq!(kind(read(&with(&good, "n", encode(&even)))), Some(ConfigErrorKind::InvalidKey));
    let mut of_2047_bits = modulus.clone();
    of_2047_bits[0] = 0x7f;
    assert_eq!(kind(read(&with(&good, "n", encode(&of_2047_bits)))), Some(ConfigErrorKind::WeakKey));
    let padded = [&vec![0; 64][..], &modulus[..128]].concat();
    assert_eq!(kind(read(&with(&good, "n", encode(&padded)))), Some(ConfigErrorKind::WeakKey));
    let too_long = [&[1][..], &[0xff; 512]].concat();
    assert_eq!(kind(read(&with(&good, "n", encode(&too_long)))), Some(ConfigErrorKind::InvalidKey));
}

/// S22: a zero before the modulus is not part of the number.
#[test]
fn leading_zeros_are_stripped() {
    let private = SigningKey::rs256_pem(files::RSA2048).unwrap();
    let good = jwk_of(private.clone());
    let longer = |name: &str| {
        let number = URL_SAFE_NO_PAD.decode(good[name].as_str().unwrap()).unwrap();
        json!(URL_SAFE_NO_PAD.encode([&[0, 0][..], &number].concat()))
    };
    let padded = with(&with(&good, "n", longer("n")), "e", longer("e"));
    let public = read(&padded).unwrap();
    assert!(public.is_same_key(&private.public));
    assert!(public.verifies(b"x", &private.sign(b"x").unwrap()));
}

/// S22: without a panic in either provider.
#[test]
fn a_point_of_another_length_or_off_the_curve_is_refused() {
    let (ed, p256) =
        (jwk_of(SigningKey::eddsa_pem(files::ED25519).unwrap()), jwk_of(SigningKey::es256_pem(files::P256).unwrap()));
    for length in [0, 1, 3, 31, 33, 64] {
        let short = json!(URL_SAFE_NO_PAD.encode(vec![9; length]));
        assert_eq!(kind(read(&with(&ed, "x", short.clone()))), Some(ConfigErrorKind::InvalidKey), "{length}");
        assert_eq!(kind(read(&with(&p256, "x", short.clone()))), Some(ConfigErrorKind::InvalidKey), "{length}");
        assert_eq!(kind(read(&with(&p256, "y", short))), Some(ConfigErrorKind::InvalidKey), "{length}");
    }
    for byte in [0, 1, 0xff] {
        let point = json!(URL_SAFE_NO_PAD.encode([byte; 32]));
        assert_eq!(kind(read(&with(&p256, "x", point.clone()))), Some(ConfigErrorKind::InvalidKey));
        if byte != 1 {
            assert_eq!(kind(read(&with(&ed, "x", point))), Some(ConfigErrorKind::InvalidKey));
        }
    }
    let swapped = with(&with(&p256, "x", p256["y"].clone()), "y", p256["x"].clone());
    assert_eq!(kind(read(&swapped)), Some(ConfigErrorKind::InvalidKey));

    let padded = json!(format!("{}=", ed["x"].as_str().unwrap()));
    assert_eq!(kind(read(&with(&ed, "x", padded))), Some(ConfigErrorKind::InvalidKey));
    let left_over = json!(format!("{}B", &ed["x"].as_str().unwrap()[..42]));
    assert_eq!(kind(read(&with(&ed, "x", left_over))), Some(ConfigErrorKind::InvalidKey));
}

/// S22.
#[test]
fn the_purpose_of_a_jwk_is_honoured() {
    let good = jwk_of(SigningKey::es256_pem(files::P256).unwrap());
    let elsewhere = [
        with(&good, "use", json!("enc")),
        with(&good, "use", json!("SIG")),
        with(&good, "key_ops", json!([])),
        with(&good, "key_ops", json!(["sign"])),
        with(&good, "key_ops", json!(["encrypt", "wrapKey"])),
        with(&good, "alg", json!("ES384")),
        with(&good, "alg", json!("ECDH-ES")),
        with(&good, "alg", json!("none")),
        with(&good, "crv", json!("P-384")),
        with(&good, "crv", json!("secp256k1")),
        with(&good, "kty", json!("XYZ")),
        with(&good, "kty", json!("OKP")),
    ];
    let malformed = [
        with(&good, "alg", json!("RS256")),
        with(&good, "alg", json!("HS256")),
        with(&good, "alg", json!(1)),
        with(&good, "use", json!(["sig"])),
        with(&good, "use", Value::Null),
        with(&good, "key_ops", json!("verify")),
        with(&good, "key_ops", json!(["verify", "verify"])),
        with(&good, "key_ops", json!(["verify", 1])),
        with(&good, "kid", json!(7)),
        with(&good, "crv", json!(1)),
        with(&good, "kty", json!("oct")),
        with(&good, "k", json!("AAAA")),
        with(&good, "d", json!("AAAA")),
        with(&good, "d", Value::Null),
        with(&good, "x", json!(1)),
        json!({}),
        json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) }),
        json!({ "kty": "EC" }),
        json!({ "kty": "EC", "crv": "P-256" }),
    ];
    let neighbour = with(&good, "kid", json!("neighbour"));
    let set = |keys: Value| KeyRing::builder().jwks(json!({ "keys": keys }).to_string()).build();
    for jwk in &elsewhere {
        assert_eq!(kind(read(jwk)), Some(ConfigErrorKind::InvalidKey), "{jwk}");
        assert_eq!(kind(set(json!([jwk]))), Some(ConfigErrorKind::InvalidKey), "{jwk}");
        assert_eq!(set(json!([jwk, neighbour])).unwrap().kids(), ["neighbour"], "{jwk}");
    }
    for jwk in &malformed {
        assert_eq!(kind(read(jwk)), Some(ConfigErrorKind::InvalidKey), "{jwk}");
        assert_eq!(kind(set(json!([neighbour, jwk]))), Some(ConfigErrorKind::InvalidKey), "{jwk}");
    }
    for jwk in [
        with(&good, "key_ops", json!(["verify"])),
        with(&good, "key_ops", json!(["sign", "verify"])),
        with(&good, "x5c", json!(["AAAA"])),
    ] {
        assert_eq!(kind(read(&jwk)), None, "{jwk}");
    }
    let text = good.to_string();
    for malformed in [
        text.replacen('{', "{\"kty\":\"EC\",", 1),
        format!("[{text}]"),
        format!("{text}x"),
        String::new(),
        "null".to_owned(),
    ] {
        assert_eq!(kind(VerifyingKey::jwk(&malformed)), Some(ConfigErrorKind::InvalidKey), "{malformed}");
    }
    for malformed in ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[1]}", "{\"keys\":[],\"keys\":[]}"] {
        assert_eq!(kind(KeyRing::builder().jwks(malformed).build()), Some(ConfigErrorKind::InvalidKey), "{malformed}");
    }
}

/// S23, S01.
#[test]
fn keys_that_do_not_go_together_are_refused() {
    let ed = || SigningKey::eddsa_pem(files::ED25519).unwrap();
    let p256 = || SigningKey::es256_pem(files::P256).unwrap();
    let rsa = || VerifyingKey::rs256_pem(files::RSA2048_PUBLIC).unwrap();
    let build = KeyRing::builder;
    let jwks = |kid: &str| json!({ "keys": [with(&jwk_of(ed()), "kid", json!(kid))] }).to_string();
    let refused = [
        build(),
        // Two of one name.
        build().signing_key(named(SECRET, "a")).verifying_key(named(OTHER_SECRET, "a")),
        build().signing_key(named(SECRET, "a")).verifying_key(named(SECRET, "a")),
        build().signing_key(ed().kid("a")).jwks(jwks("a")),
        build().jwks(jwks("a")).jwks(jwks("a")),
        // Symmetric and asymmetric, and other mixtures.
        build().signing_key(named(SECRET, "a")).verifying_key(ed().kid("b")),
        build().signing_key(ed().kid("a")).verifying_key(named(SECRET, "b")),
        build().signing_key(ed().kid("a")).verifying_key(p256().kid("b")),
        build().signing_key(p256().kid("a")).verifying_key(rsa().kid("b")),
        build().signing_key(p256().kid("a")).jwks(jwks("b")),
        build().verifying_key(rsa().kid("a")).unnamed_key(ed()),
        // Without a name among several.
        build().signing_key(ed()).verifying_key(VerifyingKey::eddsa_pem(files::ED25519_OTHER).unwrap().kid("b")),
        build().signing_key(ed().kid("a")).verifying_key(VerifyingKey::eddsa_pem(files::ED25519_OTHER).unwrap()),
        build().signing_key(ed()).unnamed_key(ed()),
        build().signing_key(ed().kid("a")).unnamed_key(ed()).unnamed_key(ed()),
        build().signing_key(ed().kid("a")).unnamed_key(ed().kid("b")),
        build().signing_key(ed().kid("a")).signing_key(ed().kid("b")),
        // Names.
        build().signing_key(ed().kid("")),
        build().signing_key(ed().kid("x".repeat(129))),
        build().signing_key(ed().kid("a\0")),
        build().verifying_key(rsa().kid("a\n")),
    ];
    for builder in refused {
        let text = format!("{builder:?}");
        assert_eq!(kind(builder.build()), Some(ConfigErrorKind::KeyRing), "{text}");
    }
    assert!(build().signing_key(ed().kid("x".repeat(128))).build().is_ok());
    assert!(build().unnamed_key(ed()).build().is_ok());
}

/// R40.
#[test]
fn a_ring_rotates_and_retires() {
    let keys = KeyRing::builder().signing_key(named(SECRET, "1")).build().unwrap();
    let clone = keys.clone();
    let mut revision = keys.revision();
    let mut changed = |keys: &KeyRing| std::mem::replace(&mut revision, keys.revision()) != keys.revision();

    let old = keys.keys().signer().unwrap().sign(b"x").unwrap();
    keys.rotate_to(named(OTHER_SECRET, "2")).unwrap();
    assert!(changed(&clone));
    assert_eq!(clone.kids(), ["2", "1"]);
    assert!(clone.keys().find(Some("1")).unwrap().verifies(b"x", &old));
    assert!(!clone.keys().find(Some("2")).unwrap().verifies(b"x", &old));
    let new = clone.keys().signer().unwrap().sign(b"x").unwrap();
    assert!(clone.keys().find(Some("2")).unwrap().verifies(b"x", &new));

    assert_eq!(kind(keys.retire("2")), Some(ConfigErrorKind::KeyRing));
    assert_eq!(kind(keys.retire("3")), Some(ConfigErrorKind::KeyRing));
    assert_eq!(kind(keys.retire_unnamed()), Some(ConfigErrorKind::KeyRing));
    assert!(!changed(&keys));

    keys.retire("1").unwrap();
    assert!(changed(&keys));
    assert_eq!(clone.kids(), ["2"]);
    assert!(clone.keys().find(Some("1")).is_none());
    assert_eq!(kind(keys.retire("1")), Some(ConfigErrorKind::KeyRing));
}

/// R40: every node accepts a key before any node signs with it.
#[test]
fn a_key_that_only_verified_begins_to_sign() {
    let keys = KeyRing::builder().signing_key(named(SECRET, "1")).build().unwrap();
    keys.add(named(OTHER_SECRET, "2")).unwrap();
    assert_eq!(keys.kids(), ["1", "2"]);
    let revision = keys.revision();
    keys.add(named(OTHER_SECRET, "2")).unwrap();
    assert_eq!(keys.revision(), revision);
    keys.rotate_to(named(OTHER_SECRET, "2")).unwrap();
    assert_eq!(keys.kids(), ["2", "1"]);
    keys.rotate_to(named(SECRET, "1")).unwrap();
    assert_eq!(keys.kids(), ["1", "2"]);

    let ed = SigningKey::eddsa_pem(files::ED25519).unwrap();
    for refused in [
        keys.add(named(SECRET, "2")),
        keys.rotate_to(named(SECRET, "2")),
        keys.add(SigningKey::hs256(OTHER_SECRET).unwrap()),
        keys.rotate_to(SigningKey::hs256(OTHER_SECRET).unwrap()),
        keys.add(ed.clone().kid("3")),
        keys.rotate_to(ed.kid("3")),
        keys.add(named(SECRET, "")),
    ] {
        assert_eq!(kind(refused), Some(ConfigErrorKind::KeyRing));
    }
    assert_eq!(keys.kids(), ["1", "2"]);
}

/// R40: the paved path begins with an unnamed key, and need not end there.
#[test]
fn an_unnamed_key_is_kept_until_it_is_retired() {
    let keys = KeyRing::hs256(SECRET).unwrap();
    let old = keys.keys().signer().unwrap().sign(b"x").unwrap();
    assert_eq!(kind(keys.retire_unnamed()), Some(ConfigErrorKind::KeyRing));
    keys.rotate_to(named(OTHER_SECRET, "1")).unwrap();
    assert_eq!(keys.kids(), ["1"]);
    assert!(keys.keys().find(None).unwrap().verifies(b"x", &old));
    keys.retire_unnamed().unwrap();
    assert!(keys.keys().find(None).is_none());
}

/// A key that has leaked can be retired, also where it is the only one.
#[test]
fn a_ring_that_only_verifies_can_be_emptied_but_not_made_to_sign() {
    let key = VerifyingKey::eddsa_pem(files::ED25519_PUBLIC).unwrap().kid("1");
    let keys = KeyRing::builder().verifying_key(key).build().unwrap();
    let own = SigningKey::eddsa_pem(files::ED25519).unwrap().kid("1");
    assert_eq!(kind(keys.rotate_to(own)), Some(ConfigErrorKind::KeyRing));
    keys.retire("1").unwrap();
    assert!(keys.kids().is_empty());
    keys.add(VerifyingKey::eddsa_pem(files::ED25519_OTHER).unwrap().kid("2")).unwrap();
    assert_eq!(keys.kids(), ["2"]);
}

#[test]
fn a_jwk_set_holds_the_public_keys_alone() {
    let secret = KeyRing::builder().signing_key(named(SECRET, "1")).verifying_key(named(OTHER_SECRET, "2")).build();
    assert_eq!(secret.unwrap().jwks(), json!({ "keys": [] }));

    let rings = [
        (KeyRing::eddsa_pem(files::ED25519), json!(["alg", "crv", "kty", "use", "x"])),
        (KeyRing::es256_pem(files::P256), json!(["alg", "crv", "kty", "use", "x", "y"])),
        (KeyRing::rs256_pem(files::RSA2048), json!(["alg", "e", "kty", "n", "use"])),
    ];
    for (ring, members) in rings {
        let ring = ring.unwrap();
        let jwks = ring.jwks();
        let mut names: Vec<_> = jwks["keys"][0].as_object().unwrap().keys().cloned().collect();
        names.sort();
        assert_eq!(json!(names), members);

        let verifying = KeyRing::builder().jwks(jwks.to_string()).build().unwrap();
        let signature = ring.keys().signer().unwrap().sign(b"x").unwrap();
        assert!(verifying.keys().find(None).unwrap().verifies(b"x", &signature));
        assert!(!verifying.signs());
    }

    let (first, second) =
        (SigningKey::eddsa_pem(files::ED25519).unwrap(), SigningKey::eddsa_pem(files::ED25519_OTHER).unwrap());
    let ring = KeyRing::builder().signing_key(first.kid("1")).verifying_key(second.clone().kid("2")).build().unwrap();
    ring.rotate_to(second.kid("2")).unwrap();
    assert_eq!(ring.jwks()["keys"][0]["kid"], "2");
    assert_eq!(ring.jwks()["keys"][1]["kid"], "1");
}

/// S21: what anyone can read is no secret.
#[test]
fn a_secret_of_documentation_is_refused() {
    let known = "an example secret of at least 32 bytes";
    assert_eq!(kind(KeyRing::hs256(known)), Some(ConfigErrorKind::WeakKey));
    assert_eq!(VerifyingKey::hs256(known).map_err(|error| error.kind()).err(), Some(ConfigErrorKind::WeakKey));
}

#[test]
fn random_rings_sign_and_are_all_different() {
    let (one, other) = (KeyRing::random().unwrap(), KeyRing::random().unwrap());
    let signature = one.keys().signer().unwrap().sign(b"x").unwrap();
    assert!(one.keys().find(None).unwrap().verifies(b"x", &signature));
    assert!(!other.keys().find(None).unwrap().verifies(b"x", &signature));
}

/// S91: what keys are made of is wiped when it is dropped. That the memory is, no safe code can see; this is its
/// promise.
#[test]
fn secrets_are_wiped_on_drop() {
    fn is_wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}

    let SigningKey { private, public } = SigningKey::hs256(SECRET).unwrap();
    is_wiped(&private);
    is_wiped(&public.verifier);
    let pem::KeyFile::Ed25519Private(document) = pem::read(files::ED25519.as_bytes()).unwrap() else {
        panic!("another key")
    };
    is_wiped(&document);
}
