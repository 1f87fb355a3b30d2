//! Tokens that real libraries have made, and what it takes to adopt each.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tower_device_sessions::{
    ClientInfo, ConfigError, KeyRing, SessionManager, Timestamp, UserId,
    clock::ManualClock,
    manager::{Adoption, Revocation},
    policy::Denied,
    store::MemoryStore,
    token::{
        Algorithm, ForeignClaims, ForeignTokens, SigningKey, TokenOptions, TokenRejection, VerifiedToken, VerifyToken,
        VerifyingKey,
    },
};

use crate::support::{SECRET, TestResult};

#[derive(Deserialize)]
struct Vectors {
    now: i64,
    secret: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    maker: String,
    name: String,
    token: String,
    keys: String,
    jwks: Option<Value>,
    kid: Option<String>,
    insecure_secret: Option<String>,
    algorithm: String,
    issuer: Option<String>,
    audience: Option<String>,
    user_claim: Option<String>,
    user: String,
    relaxations: Vec<String>,
    taken_without: bool,
}

impl Vectors {
    fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("../../vectors/old_tokens.json"))
    }

    fn clock(&self) -> ManualClock {
        ManualClock::at(Timestamp::from_seconds(self.now))
    }

    fn find(&self, maker: &str, name: &str) -> &Case {
        let found = self.cases.iter().find(|case| case.maker == maker && case.name == name);
        found.expect("one of the vectors")
    }
}

impl Case {
    /// All keys with which the old system signs.
    fn rings(&self, secret: &str) -> Result<Vec<KeyRing>, ConfigError> {
        let rsa = include_str!("../../keys/rsa2048_public.pem");
        let key = match &*self.keys {
            "HS256" => VerifyingKey::hs256(secret),
            "HS384" => VerifyingKey::hs384(secret),
            "HS512" => VerifyingKey::hs512(secret),
            "RS384" => VerifyingKey::rs384_pem(rsa),
            "RS512" => VerifyingKey::rs512_pem(rsa),
            "PS256" => VerifyingKey::ps256_pem(rsa),
            "ES384" => VerifyingKey::es384_pem(include_str!("../../keys/p384_public.pem")),
            _ => {
                // A provider's set has keys of two algorithms.
                let set = self.jwks.clone().unwrap_or_else(set).to_string();
                let of = |algorithm| KeyRing::builder().jwks_for(set.clone(), algorithm).build();
                let rings = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa].map(of);
                return Ok(rings.into_iter().flatten().collect());
            }
        }?;
        let key = match &self.kid {
            Some(kid) => key.kid(kid),
            None => key,
        };
        Ok(vec![KeyRing::builder().verifying_key(key).build()?])
    }

    fn options(&self, without: Option<&str>) -> TokenOptions {
        let with = |name: &str| self.relaxations.iter().any(|own| own == name) && without != Some(name);
        let mut options = TokenOptions::new();
        if let Some(issuer) = &self.issuer {
            options = options.issuer(issuer);
        }
        if let Some(audience) = &self.audience {
            options = options.audience(audience);
        }
        if with("accept_untyped_tokens") {
            options = options.accept_untyped_tokens();
        }
        if with("max_lifetime") {
            options = options.max_lifetime(Duration::from_secs(366 * 86_400));
        }
        options
    }

    fn tokens(&self, secret: &str, without: Option<&str>) -> Result<ForeignTokens, ConfigError> {
        let with = |name: &str| self.relaxations.iter().any(|own| own == name) && without != Some(name);
        let mut tokens = match &self.insecure_secret {
            Some(insecure) => {
                let other = ForeignTokens::new(KeyRing::random()?);
                if without == Some("insecure_secret") {
                    other
                } else {
                    other.insecure_secret(Algorithm::Hs256, insecure)?
                }
            }
            None => {
                let mut rings = self.rings(secret)?.into_iter();
                let first = rings.next().expect("a ring");
                rings.fold(ForeignTokens::new(first), ForeignTokens::and_keys)
            }
        };
        tokens = tokens.options(self.options(without));
        if let Some(claim) = self.user_claim.clone().filter(|_| with("user_claim")) {
            tokens = tokens.user_claim(claim);
        }
        if with("numeric_users") {
            tokens = tokens.numeric_users();
        }
        if with("without_issue_time") {
            tokens = tokens.without_issue_time();
        }
        if with("without_end") {
            tokens = tokens.without_end();
        }
        if with("foreign_session_ids") {
            tokens = tokens.foreign_session_ids();
        }
        if with("read") {
            tokens = tokens.read(|claims| {
                let id = claims.get("user")?.get("id")?.as_str()?;
                UserId::try_from(id).ok().map(ForeignClaims::new)
            });
        }
        Ok(tokens)
    }
}

/// The public keys of a provider that is moving from RS256 to ES256.
fn set() -> Value {
    let keys = [
        SigningKey::rs256_pem(include_str!("../../keys/rsa2048.pem")).map(|key| key.kid("rsa")),
        SigningKey::es256_pem(include_str!("../../keys/p256.pem")).map(|key| key.kid("p256")),
    ];
    let public = keys.map(|key| {
        let ring = KeyRing::builder().signing_key(key.expect("a good key")).build().expect("a ring");
        ring.jwks()["keys"][0].clone()
    });
    json!({ "keys": public })
}

fn window(now: i64) -> Adoption {
    let begins = Timestamp::from_seconds(now - 3_600);
    Adoption::between(begins, begins.saturating_add(Duration::from_secs(14 * 86_400)))
}

fn adopting(vectors: &Vectors, tokens: ForeignTokens) -> Result<SessionManager, ConfigError> {
    let builder = SessionManager::builder(MemoryStore::new()).keys(KeyRing::hs256(SECRET)?).clock(vectors.clock());
    builder.adopt(window(vectors.now).tokens(tokens)).build()
}

/// Nobody is signed out by a migration.
#[tokio::test]
async fn every_token_of_real_libraries_is_adopted_by_the_settings_it_needs() -> TestResult {
    let vectors = Vectors::read()?;
    for case in &vectors.cases {
        let (maker, name) = (&case.maker, &case.name);
        let sessions = adopting(&vectors, case.tokens(&vectors.secret, None)?)?;
        let adopted = sessions.authenticate(&case.token).await;
        let current = adopted.map_err(|denied| format!("{maker}, {name}: {denied:?}"))?;
        assert_eq!(current.user_id().as_str(), case.user, "{maker}, {name}");
        assert!(sessions.authenticate(&case.token).await.is_ok(), "{maker}, {name}: from the store");

        sessions.revoke_all(current.user_id(), Revocation::by_application()).await?;
        let denied = sessions.authenticate(&case.token).await.map(drop);
        assert!(matches!(denied, Err(Denied::Ended(_))), "{maker}, {name}: {denied:?}");
    }
    Ok(())
}

/// Each of them is a decision: without it, the token is refused as before.
#[tokio::test]
async fn without_any_one_of_its_settings_a_token_is_refused() -> TestResult {
    let vectors = Vectors::read()?;
    let mut seen = std::collections::BTreeSet::new();
    for case in &vectors.cases {
        let insecure = case.insecure_secret.as_ref().map(|_| "insecure_secret".to_owned());
        for without in case.relaxations.iter().chain(&insecure) {
            seen.insert(without.clone());
            let sessions = adopting(&vectors, case.tokens(&vectors.secret, Some(without))?)?;
            let denied = sessions.authenticate(&case.token).await.map(drop);
            assert_eq!(denied, Err(Denied::Invalid), "{}, {}: without {without}", case.maker, case.name);
        }
    }
    assert_eq!(seen.len(), 9, "{seen:?}");
    Ok(())
}

/// Without `Adoption::tokens`, what was refused still is.
#[tokio::test]
async fn the_default_adopts_what_is_like_our_own_tokens_alone() -> TestResult {
    let vectors = Vectors::read()?;
    for case in &vectors.cases {
        if case.insecure_secret.is_some() {
            assert!(KeyRing::hs256(case.insecure_secret.as_deref().unwrap_or_default()).is_err());
            continue;
        }
        let rings = case.rings(&vectors.secret)?;
        let mut taken = false;
        for keys in rings {
            let sessions = SessionManager::builder(MemoryStore::new())
                .keys(keys)
                .clock(vectors.clock())
                .token_options(case.options(Some("max_lifetime")))
                .adopt(window(vectors.now))
                .build()?;
            taken |= sessions.authenticate(&case.token).await.is_ok();
        }
        let is_of_another_algorithm =
            ["HS384", "HS512", "RS384", "RS512", "PS256", "ES384"].contains(&&*case.algorithm);
        assert_eq!(
            taken || is_of_another_algorithm,
            case.taken_without || is_of_another_algorithm,
            "{}, {}",
            case.maker,
            case.name
        );
    }
    Ok(())
}

/// A verifier of the application's own, which knows nothing of old tokens.
#[derive(Debug)]
struct Nobody;

impl VerifyToken for Nobody {
    fn verify(&self, _: &str, _: Timestamp) -> Result<VerifiedToken, TokenRejection> {
        Err(TokenRejection::Other)
    }
}

#[tokio::test]
async fn old_tokens_are_adopted_beside_a_verifier_of_the_applications_own() -> TestResult {
    let vectors = Vectors::read()?;
    let case = vectors.find("jsonwebtoken", "user_id");
    let sessions = SessionManager::builder(MemoryStore::new())
        .verifier(Nobody)
        .clock(vectors.clock())
        .adopt(window(vectors.now).tokens(case.tokens(&vectors.secret, None)?))
        .build()?;
    assert_eq!(sessions.authenticate(&case.token).await?.user_id().as_str(), "42");
    Ok(())
}

/// A token of ours whose session is gone does not come back as an old one.
#[tokio::test]
async fn a_token_under_our_own_key_that_names_a_session_is_never_an_old_one() -> TestResult {
    let vectors = Vectors::read()?;
    let keys = KeyRing::hs256(SECRET)?;
    let tokens = ForeignTokens::new(keys.clone()).foreign_session_ids();
    let build = |keys: &KeyRing| {
        let builder = SessionManager::builder(MemoryStore::new()).keys(keys.clone()).clock(vectors.clock());
        builder.adopt(window(vectors.now).tokens(tokens.clone())).build()
    };
    let started = build(&keys)?.start("ann", ClientInfo::new()).await?;
    assert_eq!(build(&keys)?.authenticate(started.token()).await.map(drop), Err(Denied::Invalid));

    // Nor where its session is in another claim, and our own verifier refuses it for its audience.
    let named = |audience: &'static str| {
        let options = TokenOptions::new().session_id_claim("session_id").audience(audience);
        let tokens = tokens.clone().options(TokenOptions::new().audience("staging"));
        let builder = SessionManager::builder(MemoryStore::new()).keys(keys.clone()).clock(vectors.clock());
        builder.token_options(options).adopt(window(vectors.now).tokens(tokens)).build()
    };
    let started = named("staging")?.start("ann", ClientInfo::new()).await?;
    assert_eq!(named("production")?.authenticate(started.token()).await.map(drop), Err(Denied::Invalid));
    Ok(())
}

/// Keys of old tokens that are retired are refused at once, also where the session is cached.
#[tokio::test]
async fn a_retired_key_of_old_tokens_is_refused_at_once() -> TestResult {
    let vectors = Vectors::read()?;
    let case = vectors.find("jose", "the claims of Supabase");
    let ring = case.rings(&vectors.secret)?.pop().ok_or("a ring")?;
    let tokens = ForeignTokens::new(ring.clone()).options(case.options(None));
    let sessions = adopting(&vectors, tokens)?;
    sessions.authenticate(&case.token).await?;
    ring.retire("old")?;
    assert_eq!(sessions.authenticate(&case.token).await.map(drop), Err(Denied::Invalid));
    Ok(())
}

/// What does not say when it was issued counts as older than everything.
#[tokio::test]
async fn ending_all_sessions_reaches_tokens_without_a_time_of_issue() -> TestResult {
    let vectors = Vectors::read()?;
    let case = vectors.find("PyJWT", "FastAPI's tutorial");
    let sessions = adopting(&vectors, case.tokens(&vectors.secret, None)?)?;
    sessions.revoke_all(&UserId::try_from("ann")?, Revocation::by_application()).await?;
    assert_eq!(sessions.authenticate(&case.token).await.map(drop), Err(Denied::Invalid));

    let sessions = adopting(&vectors, case.tokens(&vectors.secret, None)?)?;
    let current = sessions.authenticate(&case.token).await?;
    assert_eq!(current.session().created_at, Timestamp::from_seconds(vectors.now), "when it was first seen");
    Ok(())
}

/// A session without an end, or with one that is far away, ends by what is decided here.
#[tokio::test]
async fn sessions_of_tokens_that_last_for_long_end_by_the_window_or_the_policy() -> TestResult {
    let vectors = Vectors::read()?;
    let day = Duration::from_secs(86_400);
    for (name, expected) in [
        ("no exp", Timestamp::from_seconds(vectors.now - 3_600).saturating_add(14 * day)),
        ("a year", Timestamp::from_seconds(vectors.now).saturating_add(30 * day)),
    ] {
        let case = vectors.find("PyJWT", name);
        let sessions = adopting(&vectors, case.tokens(&vectors.secret, None)?)?;
        assert_eq!(sessions.authenticate(&case.token).await?.session().expires_at, expected, "{name}");
    }
    Ok(())
}
