//! Nothing leaks: what is logged, told and shown of a whole story, searched for every secret in it.

use std::time::Duration;

use axum::http::Method;
use tower_device_sessions::{ClientInfo, KeyRing, manager::Revocation, store::Fault};

use crate::support::{Kit, Log, SECRET, TestResult, delete_with, get_with, in_a_process_of_its_own, request, send};

/// S91, S92: everything, down to TRACE, of a story with every kind of refusal, failure and background work in it.
#[test]
fn no_log_event_or_error_of_a_whole_story_holds_a_secret() {
    in_a_process_of_its_own("house::secrets::tells_a_whole_story_without_a_secret");
}

#[tokio::test(start_paused = true)]
#[ignore = "the test above runs it"]
async fn tells_a_whole_story_without_a_secret() -> TestResult {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _until_the_end = tracing::subscriber::set_default(subscriber);

    let user_agent = "curl/8.5.0 user-agent-canary\r\n2026-01-01 ERROR forged-line";
    let kit = Kit::new();
    let app = kit.app();
    let client = || ClientInfo::new().user_agent(user_agent).ip("203.0.113.99".parse().ok());
    let claims = serde_json::json!({ "tenant": "claim-canary" });
    let mut told = String::new();
    let mut secrets = Vec::new();
    for _ in 0..3 {
        let started = kit.sessions.start("user-canary", client()).claims(&claims).await?;
        secrets.push(started.token().to_owned());
        secrets.push(started.session().id.to_string());
        secrets.push(started.session().id.as_uuid().simple().to_string());
        told.push_str(&format!("{started:?} {:?} ", started.session().tokens));
    }
    let [phone, laptop, tablet] = [0, 3, 6].map(|at| secrets[at].clone());

    // Good, bad, forged, ended and unknown.
    let forger =
        Kit::with(|builder| builder.keys(KeyRing::hs256("the forger's secret of 32 bytes and more").expect("good")));
    let forged = forger.sign_in("user-canary").await.token().to_owned();
    let unknown = Kit::new().sign_in("user-canary").await.token().to_owned();
    let tampered = format!("{}x", &phone[..phone.len() - 1]);
    for token in [&phone, &laptop, &tablet, &forged, &unknown, &tampered, &"e30.e30.e30".to_owned(), &"x".repeat(9_000)]
    {
        told.push_str(&get_with(&app, "/me", token).await.body);
    }
    let sessions = get_with(&app, "/api/sessions?state=all", &laptop).await.body;
    let phone_id = secrets[1].clone();
    told.push_str(&delete_with(&app, &format!("/api/sessions/{phone_id}"), &laptop).await.body);
    told.push_str(&get_with(&app, "/me", &phone).await.body);

    // Failing, hanging and panicking; and what works in the background.
    for fault in [Fault::FailBefore, Fault::FailAfter, Fault::HangBefore, Fault::Panic] {
        kit.store.fail_all(fault);
        kit.clock.advance(Duration::from_secs(61));
        told.push_str(&get_with(&app, "/me", &laptop).await.body);
        told.push_str(&get_with(&app, "/api/sessions", &laptop).await.body);
        told.push_str(&send(&app, request(Method::POST, "/api/logout", &laptop)).await.body);
        let failed = kit.sessions.start("user-canary", client()).await.expect_err("the store fails");
        told.push_str(&format!("{failed} {failed:?}"));
        tokio::time::sleep(Duration::from_secs(90)).await;
        kit.store.heal();
    }
    kit.sessions.revoke_all(&"user-canary".parse()?, Revocation::by_administrator("boss")).await?;
    let denied = kit.sessions.authenticate(&tablet).await.expect_err("revoked");
    told.push_str(&format!("{denied} {denied:?} {:?} {:?}", kit.sessions, kit.app()));
    kit.sessions.shutdown(Duration::from_secs(5)).await;
    let events = format!("{:?}", kit.events.take());

    secrets.extend([forged, unknown, tampered]);
    let ids: Vec<String> = secrets.iter().filter(|secret| !secret.contains('.')).cloned().collect();
    let tokens: Vec<String> = secrets.iter().filter(|secret| secret.contains('.')).cloned().collect();
    let logged = log.text();
    for line in ["token refused", "session refused", "the session store failed", "did not answer within the deadline"] {
        assert!(logged.contains(line), "{line:?} was to be logged:\n{logged}");
    }
    for token in &tokens {
        for part in token.split('.').skip(1).chain([token.as_str()]) {
            for (what, text) in [("log", &logged), ("list", &sessions), ("answer", &told), ("event", &events)] {
                assert!(!text.contains(part), "a token in the {what}:\n{text}");
            }
        }
    }
    for text in [&logged, &sessions, &told, &events] {
        assert!(!text.contains(SECRET) && !text.contains("forger's secret"));
    }
    for id in &ids {
        assert!(!logged.contains(id), "a session id in the log:\n{logged}");
    }
    for untrusted in ["user-agent-canary", "forged-line", "user-canary", "claim-canary", "203.0.113.99"] {
        assert!(!logged.contains(untrusted), "{untrusted} in the log:\n{logged}");
    }
    Ok(())
}
