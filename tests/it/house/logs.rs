//! What reaches the log, at its most talkative: enough to follow a session, and nothing that could be used.

use axum::http::{Method, Request, header};
use tower_device_sessions::{
    ClientInfo,
    manager::Revocation,
    store::{Fault, StoreMethod},
};
use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::{Kit, Log, TestResult, app, get_with, in_a_process_of_its_own, request, send};

/// Everything that is said on this thread from now on comes to the log, until the guard is dropped.
fn listen(log: &Log) -> tracing::subscriber::DefaultGuard {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::set_default(subscriber)
}

/// S91, S92: no token, no raw id, nothing that a request has said; a keyed hash instead.
#[test]
fn the_log_names_a_session_by_a_keyed_hash_alone() {
    in_a_process_of_its_own("house::logs::names_sessions_by_a_keyed_hash");
}

#[tokio::test]
#[ignore = "the test above runs it"]
async fn names_sessions_by_a_keyed_hash() -> TestResult {
    let log = Log::default();
    let listening = listen(&log);

    let kit = Kit::new();
    let app = app(&kit.sessions);
    let client = || ClientInfo::new().user_agent("a client\nof its own").ip("203.0.113.77".parse().ok());
    let phone = kit.sessions.start("secret-user", client()).await?;
    let laptop = kit.sessions.start("secret-user", client()).await?;
    let current = kit.sessions.authenticate(phone.token()).await?;
    assert_eq!(current.correlation_id().len(), 16);

    assert_eq!(get_with(&app, "/me", phone.token()).await.status, 200);
    assert_eq!(get_with(&app, "/me", "secret.but.nonsense").await.status, 401);
    let forged = format!("{}x", phone.token());
    assert_eq!(get_with(&app, "/me", &forged).await.status, 401);
    let two = Request::get("/me").header(header::AUTHORIZATION, "Bearer a").header(header::AUTHORIZATION, "Bearer b");
    assert_eq!(send(&app, two.body(axum::body::Body::empty())?).await.status, 400);

    let path = format!("/api/sessions/{}", phone.session().id);
    assert_eq!(send(&app, request(Method::DELETE, &path, laptop.token())).await.status, 204);
    assert_eq!(get_with(&app, "/me", phone.token()).await.status, 401);
    let unknown = Kit::new().sign_in("ann").await;
    assert_eq!(get_with(&app, "/me", unknown.token()).await.status, 401);
    kit.store.fail(StoreMethod::EndAll, Fault::FailAfter);
    assert!(kit.sessions.revoke_all(&laptop.session().user_id, Revocation::by_application()).await.is_err());

    drop(listening);
    let log = log.text();
    assert!(log.contains("revoke_session{session="), "{log}");
    assert!(log.contains("start_session{session="), "{log}");
    assert!(log.contains(&current.correlation_id()), "{log}");
    assert!(log.contains("the session store failed"), "{log}");
    let mut secrets = vec!["secret".to_owned(), "of its own".to_owned(), "203.0.113.77".to_owned()];
    for started in [&phone, &laptop, &unknown] {
        let id = started.session().id;
        secrets.extend([id.to_string(), id.as_uuid().simple().to_string()]);
        secrets.extend(started.token().split('.').map(str::to_owned));
    }
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} is in the log:\n{log}");
    }
    Ok(())
}

/// What an application would answer with a bare 500 is on the log with its cause, and what nobody would notice is there
/// once.
#[test]
fn silent_mistakes_are_on_the_log() {
    in_a_process_of_its_own("house::logs::tells_of_silent_mistakes");
}

#[tokio::test]
#[ignore = "the test above runs it"]
async fn tells_of_silent_mistakes() -> TestResult {
    let log = Log::default();
    let listening = listen(&log);

    let kit = Kit::with(|builder| builder.max_sessions(1, tower_device_sessions::policy::OverLimit::RejectNew));
    let too_long = "u".repeat(129);
    assert!(kit.sessions.start(too_long.as_str(), ClientInfo::new()).await.is_err());
    assert!(kit.sessions.start("ann", ClientInfo::new()).claims(&serde_json::json!({ "sub": "eve" })).await.is_err());
    let started = kit.sessions.start("ann", ClientInfo::new()).await?;
    assert!(kit.sessions.start("ann", ClientInfo::new()).await.is_err(), "a limit");

    let app = app(&kit.sessions);
    for _ in 0..3 {
        assert_eq!(get_with(&app, "/me", started.token()).await.status, 200);
        kit.clock.advance(std::time::Duration::from_secs(120));
    }
    let (second, third) = (Kit::new(), Kit::new());
    drop((second, third));

    drop(listening);
    let log = log.text();
    let count = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(count("a session could not be started"), 2, "{log}");
    assert!(
        log.lines().any(|line| line.contains("ERROR") && line.contains("the claim \"sub\" has a meaning")),
        "{log}"
    );
    assert!(!log.contains(&too_long), "{log}");
    assert_eq!(count("no request has its peer's address"), 1, "{log}");
    assert_eq!(count("a second session manager over a `MemoryStore`"), 1, "{log}");
    Ok(())
}
