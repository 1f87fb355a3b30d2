//! Floods and garbage: what they cost is bounded, and nothing of it is a 5xx.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Method, Request, header},
};
use proptest::prelude::*;
use tower_device_sessions::store::StoreMethod;

use crate::support::{Kit, TestResult, get_with, send};

/// R32: a token that nobody signed stops at its signature, and leaves nothing behind.
#[tokio::test]
async fn a_flood_of_forged_tokens_leaves_nothing_behind() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let calls = kit.store.all_calls();
    let (message, _) = started.token().rsplit_once('.').expect("three parts");
    for number in 0..20_000_u32 {
        let forged = format!("{message}.{number:043}");
        assert!(kit.sessions.authenticate(&forged).await.is_err());
    }
    assert_eq!((kit.sessions.cached_sessions(), kit.store.all_calls()), (0, calls));
    Ok(())
}

/// R32: tokens that are signed and name no session cost one read each, and leave nothing in the cache, with one or
/// without.
#[tokio::test]
async fn a_flood_of_unknown_sessions_leaves_nothing_in_the_cache() -> TestResult {
    for ttl in [Duration::from_secs(10), Duration::ZERO] {
        let (kit, elsewhere) = (Kit::with(|builder| builder.cache_ttl(ttl)), Kit::new());
        // One that has just begun may be on its way to where it is read: it is asked for again.
        kit.clock.advance(Duration::from_secs(6));
        for number in 0..2_000 {
            let unknown = elsewhere.sign_in(&format!("user-{number}")).await;
            for _ in 0..3 {
                assert!(kit.sessions.authenticate(unknown.token()).await.is_err());
            }
        }
        assert_eq!(kit.store.calls(StoreMethod::Find), 2_000, "the refusal is remembered for a moment");
        assert_eq!(kit.sessions.cached_sessions(), 0, "with a time to live of {ttl:?}");
    }
    Ok(())
}

/// R33: the cache holds about as much as it may, and what it has let go of is simply read again.
#[tokio::test]
async fn a_flood_of_sessions_does_not_grow_the_cache_beyond_its_capacity() -> TestResult {
    // A session with its token weighs more than 1 KiB, so this is room for less than 256.
    let kit = Kit::with(|builder| builder.cache_capacity(256 * 1_024));
    let mut tokens = Vec::new();
    for number in 0..3_000 {
        let started = kit.sign_in(&format!("user-{number}")).await;
        kit.sessions.authenticate(started.token()).await?;
        tokens.push(started.token().to_owned());
        // What the eviction policy has not got round to yet is less than a batch of its own.
        assert!(kit.sessions.cached_sessions() <= 1_024, "{} sessions", kit.sessions.cached_sessions());
    }
    for token in &tokens {
        kit.sessions.authenticate(token).await?;
    }
    Ok(())
}

/// R33, R27: clients that hang up while their sessions are read do not fill the cache with what nobody fetched.
#[tokio::test]
async fn requests_that_hang_up_do_not_grow_the_cache_beyond_its_capacity() -> TestResult {
    for ttl in [Duration::from_secs(10), Duration::ZERO] {
        hang_up_on(Kit::with(|builder| builder.cache_ttl(ttl).cache_capacity(256 * 1_024).concurrent_loads(10_000)))
            .await?;
    }
    Ok(())
}

async fn hang_up_on(kit: Kit) -> TestResult {
    let mut tokens = Vec::new();
    for number in 0..3_000 {
        tokens.push(kit.sign_in(&format!("user-{number}")).await.token().to_owned());
    }
    let gate = kit.store.hold_before(StoreMethod::Find);
    let hung_up: Vec<_> = tokens
        .iter()
        .map(|token| {
            let (sessions, token) = (kit.sessions.clone(), token.clone());
            tokio::spawn(async move { sessions.authenticate(&token).await.map(drop) })
        })
        .collect();
    gate.arrived(3_000).await;
    for request in &hung_up {
        request.abort();
    }
    gate.open();
    for request in hung_up {
        assert!(request.await.is_err());
    }
    // The reads end by themselves.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // Some more traffic, so that the eviction policy has had its turn.
    for token in tokens.iter().take(200) {
        kit.sessions.authenticate(token).await?;
    }
    assert!(kit.sessions.cached_sessions() <= 1_024, "{} sessions", kit.sessions.cached_sessions());
    Ok(())
}

/// A revoked session is not counted: it is gone.
#[tokio::test]
async fn a_revoked_session_leaves_the_cache() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let current = kit.sessions.authenticate(started.token()).await?;
    assert_eq!(kit.sessions.cached_sessions(), 1);
    kit.sessions.sign_out(&current).await?;
    assert_eq!(kit.sessions.cached_sessions(), 0);
    Ok(())
}

/// R35: large headers of others are none of our business, and ours have their own bounds.
#[tokio::test]
async fn large_headers_are_no_trouble() -> TestResult {
    let kit = Kit::new();
    let started = kit.sign_in("ann").await;
    let app = kit.app();
    let large = "x".repeat(64 * 1_024);
    let asked = Request::get("/me")
        .header(header::AUTHORIZATION, format!("Bearer {}", started.token()))
        .header(header::COOKIE, format!("a={large}"))
        .header(header::USER_AGENT, &large)
        .header("x-forwarded-for", &large)
        .header("sec-ch-ua", &large);
    assert_eq!(send(&app, asked.body(Body::empty())?).await.status, 200);
    assert_eq!(get_with(&app, "/me", &large).await.status, 401);
    // The longest path that there can be is a little shorter.
    let path = format!("/api/sessions?cursor={}", &large[..60_000]);
    assert_eq!(get_with(&app, &path, started.token()).await.status, 400);
    Ok(())
}

fn method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::HEAD,
    ])
}

fn path() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "/me",
        "/maybe",
        "/api/sessions",
        "/api/sessions/current",
        "/api/sessions/others",
        "/api/logout",
    ]);
    let id = "/api/sessions/[0-9a-f-]{30,40}|/api/sessions/(%[0-9a-f]{2}|[a-zA-Z0-9.~_-]){1,40}";
    let query = "(\\?(limit|cursor|state|scope)=[a-zA-Z0-9_%-]{0,40}(&(limit|state)=[a-z0-9-]{0,12}){0,2})?";
    (prop_oneof![known.prop_map(str::to_owned), id], query).prop_map(|(path, query)| path + &query)
}

/// R36: whatever the request, the answer is never a 5xx, and the user stays signed in or has signed out.
#[test]
fn no_request_is_answered_by_a_5xx() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bytes = || prop::collection::vec(any::<u8>(), 0..120);
    let body =
        prop_oneof![bytes(), "\\{\"deviceName\":(\"[^\"\\\\]{0,100}\"|null|7|\\[\\])\\}".prop_map(String::into_bytes),];
    let kind = prop::sample::select(vec!["application/json", "text/plain", "application/grpc", ""]);
    let headers = prop::collection::vec(
        (
            prop::sample::select(vec![
                "authorization",
                "cookie",
                "user-agent",
                "x-forwarded-for",
                "forwarded",
                "sec-ch-ua",
                "host",
                "origin",
            ]),
            bytes(),
        ),
        0..4,
    );
    proptest!(|(method in method(), path in path(), body in body, kind in kind, headers in headers, signed_in: bool)| {
        let status = runtime.block_on(async {
            let kit = Kit::new();
            let started = kit.sign_in("ann").await;
            let Ok(mut asked) = Request::builder().method(method).uri(&path).body(Body::from(body)) else { return Ok(200) };
            asked.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            for (name, value) in headers {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    asked.headers_mut().append(HeaderName::from_static(name), value);
                }
            }
            if signed_in {
                let bearer = format!("Bearer {}", started.token());
                asked.headers_mut().insert(header::AUTHORIZATION, HeaderValue::try_from(bearer).expect("visible"));
            }
            let answer = tower::ServiceExt::oneshot(kit.app(), asked).await.unwrap_or_else(|never| match never {});
            Ok::<_, TestCaseError>(answer.status().as_u16())
        })?;
        prop_assert!(status < 500, "{} for {}", status, path);
    });
}
