//! Settings that could not work are refused when the manager is built, and none fails on the first request.

use std::time::Duration;

use tower_device_sessions::{
    ConfigError, KeyRing, SessionManager, SessionPolicy, Timestamp,
    credentials::{CookieOptions, Transport},
    error::ConfigErrorKind,
    manager::{Adoption, SessionManagerBuilder},
    policy::{OverLimit, SameDevice},
    store::MemoryStore,
    token::{ForeignTokens, TokenOptions, TokenRejection, VerifiedToken, VerifyToken},
};

use crate::support::{SECRET, TestResult};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

type Setting = fn(SessionManagerBuilder) -> SessionManagerBuilder;

fn build(setting: Setting) -> Result<SessionManager, ConfigError> {
    let keys = KeyRing::hs256(SECRET).expect("a good secret");
    setting(SessionManager::builder(MemoryStore::new()).keys(keys)).build()
}

fn cookies() -> Transport {
    Transport::Cookie(CookieOptions::new())
}

/// Keys with which no device's id can be signed.
fn public_keys() -> KeyRing {
    KeyRing::eddsa_pem(include_str!("../../keys/ed25519.pem")).expect("a good key")
}

fn adoption() -> Adoption {
    Adoption::between(Timestamp::UNIX_EPOCH, Timestamp::from_seconds(86_400))
}

/// A verifier that accepts nothing.
#[derive(Debug)]
struct Nobody;

impl VerifyToken for Nobody {
    fn verify(&self, _: &str, _: Timestamp) -> Result<VerifiedToken, TokenRejection> {
        Err(TokenRejection::Other)
    }
}

fn policy(absolute: Duration, idle: Duration) -> SessionPolicy {
    SessionPolicy::new().absolute_timeout(absolute).idle_timeout(idle)
}

/// S54 and the builder's table of defaults: one row for each reason to refuse.
#[test]
fn every_setting_that_could_not_work_is_refused() {
    let rows: [(Setting, &str); 26] = [
        (
            |b| b.verified_upstream(),
            "tokens are proven in two ways: call only one of `keys`, `verifier` and `verified_upstream`",
        ),
        (|b| b.policy(policy(SECOND, DAY)), "the idle timeout is longer than the absolute timeout"),
        (
            |b| b.max_sessions(1, OverLimit::RejectNew).limits_of(|_| Vec::new()),
            "limits for everybody have no effect beside `limits_of`: return them from there instead",
        ),
        (
            |b| b.trusted_origins(["https://app.example.com"]),
            "origins are trusted, and no token travels in a cookie: choose such a transport, or leave `trusted_origins` out",
        ),
        (
            |b| b.transport(cookies()).trusted_origins(["https://app.example.com"]).insecure_without_csrf_check(),
            "origins are trusted, and none is checked: call `trusted_origins` or `insecure_without_csrf_check`, not both",
        ),
        (
            |b| b.keys(public_keys()).transport(cookies()).same_device(SameDevice::Replace),
            "sessions on one device are to be replaced, and browsers have no device ids: give `device_cookie` a secret",
        ),
        (
            |b| b.transport(cookies()).adopt(adoption()).verifier(Nobody),
            "tokens are proven in two ways: call only one of `keys`, `verifier` and `verified_upstream`",
        ),
        (
            |b| b.adopt(Adoption::between(Timestamp::from_seconds(2), Timestamp::from_seconds(1))),
            "the window of adoption closes before it begins",
        ),
        (
            |b| b.bus_keys(KeyRing::hs256(SECRET).expect("a good secret")),
            "there are keys for messages between nodes, and no bus that sends any: call `bus`",
        ),
        (|b| b.policy(policy(Duration::ZERO, DAY)), "the absolute timeout is zero"),
        (|b| b.policy(policy(SessionPolicy::LONGEST + SECOND, DAY)), "the absolute timeout is longer than 400 days"),
        (|b| b.policy(policy(DAY, Duration::ZERO)), "the idle timeout is zero"),
        (|b| b.cache_ttl(60 * SECOND + MILLISECOND), "the cache's time to live is longer than 60 s"),
        (|b| b.cache_capacity(0), "the cache's capacity is zero"),
        (|b| b.activity_interval(Duration::ZERO), "the activity interval is zero"),
        (|b| b.flush_interval(Duration::ZERO), "the flush interval is zero"),
        (
            |b| b.policy(policy(DAY, 100 * SECOND)).activity_interval(45 * SECOND).cache_ttl(5 * SECOND),
            "the activity interval and the cache's time to live together are not shorter than half the idle timeout",
        ),
        (|b| b.flush_interval(61 * SECOND), "the flush interval is longer than the activity interval"),
        (|b| b.store_deadline(Duration::ZERO), "the store's deadline is zero"),
        (|b| b.store_deadline(61 * SECOND), "the store's deadline is longer than 60 s"),
        (|b| b.concurrent_loads(0), "no concurrent loads are allowed"),
        (|b| b.concurrent_loads(usize::MAX), "there are more concurrent loads than can be counted"),
        (|b| b.retention(DAY - MILLISECOND), "ended sessions are kept for less than a day"),
        (
            |b| b.retention(DAY).address_retention(DAY + MILLISECOND),
            "addresses are kept for longer than the sessions that they belong to",
        ),
        (|b| b.purge_interval(Duration::ZERO), "the purge interval is zero"),
        (|b| b.policy(policy(DAY, 100 * SECOND)).activity_interval(60 * SECOND), "half the idle timeout"),
    ];
    for (setting, says) in rows {
        let error = build(setting).expect_err(says);
        assert_eq!(error.kind(), ConfigErrorKind::Setting, "{error}");
        assert!(error.to_string().ends_with(says), "{error}, not {says}");
    }
}

#[test]
fn settings_at_their_bounds_are_accepted() {
    let rows: [Setting; 13] = [
        |b| b,
        |b| b.policy(policy(SessionPolicy::LONGEST, SessionPolicy::LONGEST)),
        |b| b.policy(policy(MILLISECOND * 100, MILLISECOND * 100)),
        |b| b.policy(SessionPolicy::new().absolute_timeout(SECOND)),
        |b| b.transport(cookies()).same_device(SameDevice::Replace),
        |b| b.same_device(SameDevice::Replace),
        |b| b.transport(cookies()).trusted_origins(["https://app.example.com"]),
        |b| b.cache_ttl(Duration::ZERO),
        |b| b.cache_ttl(60 * SECOND),
        |b| b.policy(policy(DAY, 100 * SECOND)).activity_interval(44 * SECOND).cache_ttl(5 * SECOND),
        |b| b.activity_interval(MILLISECOND),
        |b| b.store_deadline(60 * SECOND).concurrent_loads(1).retention(DAY),
        |b| b.policy(policy(40 * DAY, DAY)).token_options(TokenOptions::new().max_lifetime(39 * DAY)),
    ];
    for (number, setting) in rows.into_iter().enumerate() {
        assert!(build(setting).is_ok(), "row {number}: {:?}", build(setting).err());
    }
}

/// S25: what can be built can sign in, however long its sessions live.
#[tokio::test]
async fn sessions_of_every_lifetime_that_can_be_built_can_start() -> TestResult {
    for lifetime in [MILLISECOND * 100, DAY, 30 * DAY, 31 * DAY, 60 * DAY, SessionPolicy::LONGEST] {
        let policy = policy(lifetime, lifetime.min(7 * DAY));
        let keys = KeyRing::hs256(SECRET)?;
        let sessions = SessionManager::builder(MemoryStore::new()).keys(keys).policy(policy).build()?;
        let started = sessions.start("ann", Default::default()).await?;
        assert!(sessions.authenticate(started.token()).await.is_ok(), "{lifetime:?}");
    }
    Ok(())
}

#[test]
fn a_manager_needs_something_that_proves_tokens() {
    let error = SessionManager::builder(MemoryStore::new()).build().expect_err("no keys");
    assert_eq!(error.kind(), ConfigErrorKind::Setting);
    assert_eq!(error.to_string(), "no keys: call `keys`, `verifier` or `verified_upstream`");
}

/// S22, S25: token settings and keys that could not work are refused, by kinds of their own.
#[test]
fn token_settings_and_keys_that_could_not_work_are_refused() {
    let rows: [(Setting, ConfigErrorKind); 4] = [
        (|b| b.token_options(TokenOptions::new().leeway(301 * SECOND)), ConfigErrorKind::Token),
        (|b| b.token_options(TokenOptions::new().issuer("")), ConfigErrorKind::Token),
        (|b| b.token_options(TokenOptions::new().session_id_claim("sub")), ConfigErrorKind::Token),
        (|b| b.token_options(TokenOptions::new().token_type("logout+jwt")), ConfigErrorKind::Token),
    ];
    for (setting, kind) in rows {
        assert_eq!(build(setting).map(drop).map_err(|error| error.kind()), Err(kind));
    }
    // S21, S22.
    assert_eq!(KeyRing::hs256("short").map_err(|error| error.kind()).err(), Some(ConfigErrorKind::WeakKey));
    let weak = KeyRing::rs256_pem(include_str!("../../keys/rsa1024.pem"));
    assert_eq!(weak.map_err(|error| error.kind()).err(), Some(ConfigErrorKind::WeakKey));
    let none = KeyRing::eddsa_pem("nonsense");
    assert_eq!(none.map_err(|error| error.kind()).err(), Some(ConfigErrorKind::InvalidKey));
}

/// An outer layer knows nothing of adoption, and a verifier of the application's own only where the old keys are given.
#[test]
fn adoption_needs_a_manager_that_verifies_old_tokens() {
    let verifying = || SessionManager::builder(MemoryStore::new()).verifier(Nobody);
    let tokens = || ForeignTokens::new(KeyRing::hs256(SECRET).expect("a good secret"));
    let rows = [
        (verifying().adopt(adoption()), Some("the verifier does not say which tokens are old ones")),
        (verifying().adopt(adoption().tokens(tokens())), None),
        (
            SessionManager::builder(MemoryStore::new()).verified_upstream().adopt(adoption().tokens(tokens())),
            Some("tokens are adopted only by a manager that reads them itself"),
        ),
        (
            verifying().adopt(adoption().tokens(tokens().user_claim("exp"))),
            Some("the claim \"exp\" cannot hold the user's id"),
        ),
        (
            verifying().adopt(adoption().tokens(tokens().user_claim("id").read(|_| None))),
            Some("the user is read by a closure"),
        ),
    ];
    for (builder, expected) in rows {
        let refused = builder.build().map_err(|error| error.to_string()).err();
        match expected {
            Some(start) => assert!(refused.as_ref().is_some_and(|error| error.starts_with(start)), "{refused:?}"),
            None => assert_eq!(refused, None),
        }
    }
}

/// What a `main` that returns the error prints.
#[test]
fn an_error_reads_in_debug_as_it_does_in_display() {
    let error = KeyRing::hs256("short").expect_err("too short");
    assert_eq!(format!("{error:?}"), error.to_string());
    let unreadable = KeyRing::eddsa_pem(include_str!("../../keys/ed25519_encrypted.pem")).expect_err("encrypted");
    assert_eq!(format!("{unreadable:?}"), unreadable.to_string());
}

/// What browsers would drop without a word is an error with a reason.
#[test]
fn a_cookie_domain_that_browsers_would_drop_is_refused() {
    let build = |domain: &str| {
        let cookie = CookieOptions::new().domain(domain);
        let keys = KeyRing::hs256(SECRET).expect("a good secret");
        SessionManager::builder(MemoryStore::new()).keys(keys).transport(Transport::Cookie(cookie)).build()
    };
    for (domain, says) in [
        ("203.0.113.9", "is an address"),
        ("[2001:db8::1]", "is an address"),
        ("co.uk", "belongs to everybody"),
        ("github.io", "belongs to everybody"),
        ("localhost", "belongs to everybody"),
        (".example.com", "is not a host name"),
    ] {
        let error = build(domain).expect_err(domain);
        assert_eq!(error.kind(), ConfigErrorKind::Transport, "{domain}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(build("example.co.uk").is_ok());
}

/// No error tells a secret, and none of its causes does.
#[test]
fn a_refused_secret_is_not_told() {
    for secret in ["hunter2", "hunter2hunter2", "hunter2hunter2hunter2hunter"] {
        let error = KeyRing::hs256(secret).expect_err("too short");
        let mut told = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            told.push_str(&format!(" {cause} {cause:?}"));
            source = cause.source();
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
}
