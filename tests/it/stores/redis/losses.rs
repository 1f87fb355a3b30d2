//! What Redis does on its own: it forgets, fills up, restarts, has replicas. Each test has a server to itself.

use std::time::Duration;

use tower_device_sessions::{
    DeviceId, Session, Timestamp, UserId,
    device::{ClientHints, Device},
    policy::Admission,
    redis,
    session::{Actor, AsOf, EndReason, Ending, Touch},
    store::{
        Admitted, EndOutcome, EndScope, ListQuery, RedisStore, SessionState, SessionStore, StoreError, StoreErrorKind,
    },
};

use super::{clean_up, store_at};
use crate::{
    support::TestResult,
    support::servers::{RedisServer, redis_url, unique_name},
};

const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn session(user: &str) -> Session {
    Session::new(UserId::try_from(user).unwrap(), NOW, NOW.saturating_add(HOUR))
}

fn revoked() -> Ending {
    Ending::new(EndReason::RevokedByUser, Actor::System, NOW)
}

async fn insert(store: &RedisStore, session: &Session) -> Result<Admitted, StoreError> {
    store.insert(session, &Admission::new(AsOf::new(NOW, Duration::ZERO))).await
}

async fn end(store: &RedisStore, session: &Session) -> Result<EndOutcome, StoreError> {
    store.end(&session.key(), &revoked(), Duration::ZERO).await
}

async fn listed(store: &RedisStore, user: &UserId) -> Result<usize, StoreError> {
    Ok(store.list(user, &ListQuery::new(SessionState::All, 100, AsOf::new(NOW, Duration::ZERO))).await?.len())
}

async fn raw(url: &str) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
    redis::Client::open(url)?.get_multiplexed_async_connection().await
}

/// S32.
#[tokio::test]
async fn what_is_flushed_is_signed_out() -> TestResult {
    let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
    let store = RedisStore::connect(&server.url()).await?;
    let lost = session("ann");
    insert(&store, &lost).await?;
    server.ask("FLUSHALL");
    server.ask("SCRIPT FLUSH");

    assert_eq!(store.find(&lost.key()).await?, None);
    assert_eq!(store.touch(&[Touch::new(lost.key(), NOW)]).await?, 0);
    assert_eq!(end(&store, &lost).await?, EndOutcome::NotFound);
    assert_eq!(server.ask("DBSIZE").trim(), "0");
    insert(&store, &lost).await?;
    assert_eq!(store.find(&lost.key()).await?, Some(lost));
    Ok(())
}

/// S32: a server that evicts keys may take the list of a user's sessions and leave the records. Then "sign out
/// everywhere" would miss them, so they are signed out at once, for good.
#[tokio::test]
async fn a_session_without_its_index_is_gone() -> TestResult {
    let Some(url) = redis_url().await else { return Ok(()) };
    let prefix = format!("{}:", unique_name());
    let store = store_at(&url, &prefix).await?;
    let orphan = session("ann");
    insert(&store, &orphan).await?;
    let mut connection = raw(&url).await?;
    let index: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}*:open:*")).query_async(&mut connection).await?;
    redis::cmd("DEL").arg(&index).exec_async(&mut connection).await?;

    assert_eq!(store.end_all(&orphan.user_id, &EndScope::all(), &revoked(), Duration::ZERO).await?, []);
    for _ in 0..2 {
        assert_eq!(store.find(&orphan.key()).await?, None);
        assert_eq!(store.touch(&[Touch::new(orphan.key(), NOW.saturating_add(HOUR))]).await?, 0);
        assert!(!store.rename(&orphan.key(), None).await?);
        assert_eq!(end(&store, &orphan).await?, EndOutcome::NotFound);
        insert(&store, &session("ann")).await?;
    }
    clean_up(&url, &prefix).await?;
    Ok(())
}

#[tokio::test]
async fn nothing_lives_for_ever_and_nothing_expires_at_once() -> TestResult {
    let Some(url) = redis_url().await else { return Ok(()) };
    let prefix = format!("{}:", unique_name());
    let mut connection = raw(&url).await?;
    // However the clocks of the caller and the server disagree.
    for (name, now) in [("past", Timestamp::UNIX_EPOCH), ("future", Timestamp::from_seconds(9_000_000_000))] {
        let prefix = format!("{prefix}{name}:");
        let store = store_at(&url, &prefix).await?.retention(Duration::ZERO);
        let open = Session::new(UserId::from(1), now, now.saturating_add(HOUR));
        let over = Session::new(UserId::from(1), now, now.saturating_add(400 * DAY));
        let expired = Session::new(UserId::from(1), now, now);
        let endless = Session::new(UserId::from(1), now, Timestamp::from_micros(i64::MAX));
        for session in [&open, &over, &expired, &endless] {
            store.insert(session, &Admission::new(AsOf::new(now, Duration::ZERO))).await?;
        }
        store.end(&over.key(), &Ending::new(EndReason::SignedOut, Actor::System, now), Duration::ZERO).await?;

        let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}*")).query_async(&mut connection).await?;
        assert_eq!(keys.len(), 7);
        for key in keys {
            let left: i64 = redis::cmd("TTL").arg(&key).query_async(&mut connection).await?;
            assert!(left > 86_000, "{key} has {left} s left");
            let ended = key.contains(&over.id.to_string()) || key.contains(&expired.id.to_string());
            assert!(!ended || left <= 86_400, "{key} has {left} s left");
        }
    }
    clean_up(&url, &prefix).await?;
    Ok(())
}

#[tokio::test]
async fn names_of_records_that_expired_are_dropped_as_they_are_read() -> TestResult {
    let Some(url) = redis_url().await else { return Ok(()) };
    let prefix = format!("{}:", unique_name());
    let store = store_at(&url, &prefix).await?;
    let sessions: Vec<Session> = (0..5).map(|_| session("ann")).collect();
    for session in &sessions {
        insert(&store, session).await?;
    }
    end(&store, &sessions[4]).await?;
    let mut connection = raw(&url).await?;
    let records: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}*:s:*")).query_async(&mut connection).await?;
    redis::cmd("DEL").arg(&records).exec_async(&mut connection).await?;

    let user = &sessions[0].user_id;
    assert_eq!(listed(&store, user).await?, 0);
    let left: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}*:*:ann")).query_async(&mut connection).await?;
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(store.purge(NOW.saturating_add(DAY), 100).await?, 0);
    let left: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}*")).query_async(&mut connection).await?;
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}

/// R39, and what a hand or a bug may have done to a record.
#[tokio::test]
async fn a_damaged_record_is_reported_and_can_still_be_ended() -> TestResult {
    let Some(url) = redis_url().await else { return Ok(()) };
    let prefix = format!("{}:", unique_name());
    let store = store_at(&url, &prefix).await?;
    let mut connection = raw(&url).await?;
    for (field, value) in [
        ("fixed", Some("{")),
        ("fixed", None),
        ("expires_at", Some("soon")),
        ("expires_at", None),
        ("last_active_at", None),
        ("idle_timeout", Some("-1")),
        ("generation", Some("4294967296")),
        ("data", Some("[]")),
        ("name", Some("\n")),
    ] {
        let damaged = session(&unique_name());
        insert(&store, &damaged).await?;
        let pattern = format!("{prefix}*{}*", damaged.id);
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await?;
        match value {
            Some(value) => redis::cmd("HSET").arg(&keys).arg(field).arg(value).exec_async(&mut connection).await?,
            None => redis::cmd("HDEL").arg(&keys).arg(field).exec_async(&mut connection).await?,
        }
        redis::cmd("HSET").arg(&keys).arg("of a newer version").arg("1").exec_async(&mut connection).await?;

        let found = store.find(&damaged.key()).await;
        assert_eq!(found.map_err(|error| error.kind()), Err(StoreErrorKind::Corrupt), "{field} {value:?}");
        let listed = listed(&store, &damaged.user_id).await;
        assert_eq!(listed.map_err(|error| error.kind()), Err(StoreErrorKind::Corrupt), "{field} {value:?}");
        let healthy = session(damaged.user_id.as_str());
        insert(&store, &healthy).await?;
        let touches = [&healthy, &damaged].map(|session| Touch::new(session.key(), NOW));
        assert!(store.touch(&touches).await? >= 1, "{field} {value:?}");
        let ended = store.end_all(&damaged.user_id, &EndScope::all(), &revoked(), Duration::ZERO).await?;
        assert!(ended.contains(&healthy.id), "{field} {value:?}");
        assert!(matches!(end(&store, &damaged).await?, EndOutcome::AlreadyEnded(_)), "{field} {value:?}");
    }

    let tolerated = session("zoe");
    insert(&store, &tolerated).await?;
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{prefix}*{}*", tolerated.id)).query_async(&mut connection).await?;
    redis::cmd("HSET").arg(&keys).arg("of a newer version").arg("1").exec_async(&mut connection).await?;
    assert_eq!(store.find(&tolerated.key()).await?, Some(tolerated.clone()));
    redis::cmd("DEL").arg(&keys).exec_async(&mut connection).await?;
    redis::cmd("SET").arg(&keys).arg("not a hash").exec_async(&mut connection).await?;
    let found = store.find(&tolerated.key()).await;
    assert_eq!(found.map_err(|error| error.kind()), Err(StoreErrorKind::Corrupt));
    clean_up(&url, &prefix).await?;
    Ok(())
}

#[tokio::test]
async fn a_full_server_still_ends_sessions() -> TestResult {
    let Some(server) = RedisServer::start(&["--maxmemory-policy", "noeviction"]) else { return Ok(()) };
    let store = RedisStore::connect(&server.url()).await?;
    let sessions = [session("ann"), session("ann"), session("ann")];
    for session in &sessions {
        insert(&store, session).await?;
    }
    server.ask("CONFIG SET maxmemory 1");

    let refused = insert(&store, &session("bob")).await.map_err(|error| error.kind());
    assert_eq!(refused, Err(StoreErrorKind::Unavailable));
    assert_eq!(end(&store, &sessions[0]).await?, EndOutcome::Ended);
    let ended = store.end_all(&sessions[0].user_id, &EndScope::all(), &revoked(), Duration::ZERO).await?;
    assert_eq!(ended.len(), 2);
    Ok(())
}

/// R16, R18: with the log synced on every write, a crash loses nothing that was answered.
#[tokio::test]
async fn a_server_that_comes_back_is_found_again() -> TestResult {
    let Some(mut server) = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]) else {
        return Ok(());
    };
    let store = RedisStore::connect(&server.url()).await?;
    let (kept, ended) = (session("ann"), session("ann"));
    insert(&store, &kept).await?;
    insert(&store, &ended).await?;
    end(&store, &ended).await?;

    server.kill();
    for _ in 0..3 {
        let failed = store.find(&kept.key()).await;
        assert_eq!(failed.map_err(|error| error.kind()), Err(StoreErrorKind::Unavailable));
    }

    server.run();
    server.wait_until("INFO persistence", "loading:0");
    let mut found = store.find(&kept.key()).await;
    for _ in 0..20 {
        if found.is_ok() {
            break;
        }
        found = store.find(&kept.key()).await;
    }
    assert_eq!(found?, Some(kept));
    assert_eq!(store.find(&ended.key()).await?.and_then(|found| found.ended), Some(revoked()));
    Ok(())
}

/// R16.
#[tokio::test]
async fn an_ending_waits_for_replicas_when_it_is_told_to() -> TestResult {
    let Some(primary) = RedisServer::start(&["--repl-diskless-sync-delay", "0"]) else { return Ok(()) };
    let port = primary.port.to_string();
    let Some(mut replica) = RedisServer::start(&["--replicaof", "127.0.0.1", &port]) else { return Ok(()) };
    primary.wait_until("INFO replication", "connected_slaves:1");
    primary.wait_until("INFO replication", "state=online");
    let store = RedisStore::connect(&primary.url()).await?.wait_replicas(1, Duration::from_millis(300)).await?;
    // Where the replica is there, a busy machine may take its time.
    let patient = RedisStore::connect(&primary.url()).await?.wait_replicas(1, Duration::from_secs(20)).await?;
    let (first, second, third) = (session("ann"), session("ann"), session("ann"));
    for session in [&first, &second, &third] {
        insert(&store, session).await?;
    }

    assert_eq!(end(&patient, &first).await?, EndOutcome::Ended);
    // A replica is refused as a store, unless the application has connected to it by itself.
    assert_eq!(RedisStore::connect(&replica.url()).await.unwrap_err().kind(), StoreErrorKind::Unsuitable);
    let of_replica = redis::Client::open(replica.url())?.get_connection_manager().await?;
    let of_replica = RedisStore::from_connection_manager(of_replica);
    let found = of_replica.find(&first.key()).await?;
    assert_eq!(found.and_then(|found| found.ended), Some(revoked()));

    replica.kill();
    primary.wait_until("INFO replication", "connected_slaves:0");
    for _ in 0..2 {
        let told = end(&store, &second).await.map_err(|error| error.kind());
        assert_eq!(told, Err(StoreErrorKind::Unavailable));
    }
    let told = store.end_all(&third.user_id, &EndScope::all(), &revoked(), Duration::ZERO).await;
    assert_eq!(told.map_err(|error| error.kind()), Err(StoreErrorKind::Unavailable));
    // Everything else goes on.
    assert_eq!(listed(&store, &first.user_id).await?, 3);

    replica.run();
    primary.wait_until("INFO replication", "state=online");
    assert_eq!(end(&patient, &second).await?, EndOutcome::AlreadyEnded(revoked()));
    assert_eq!(patient.end_all(&third.user_id, &EndScope::all(), &revoked(), Duration::ZERO).await?, []);
    let found = of_replica.find(&third.key()).await;
    let found = match found {
        Ok(found) => found,
        Err(_) => of_replica.find(&third.key()).await?,
    };
    assert_eq!(found.and_then(|found| found.ended), Some(revoked()));
    Ok(())
}

/// By the server's defaults: a value of more than 64 bytes would make it nearly twice as large.
#[tokio::test]
async fn a_record_is_small() -> TestResult {
    let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
    let store = RedisStore::connect(&server.url()).await?;
    let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
    let mut hints = ClientHints::default();
    hints.brands = Some(r#""Google Chrome";v="131", "Chromium";v="131", "Not_A Brand";v="24""#.into());
    let mut typical = session("01890a5d-ac96-774b-bcce-b302099a8057");
    typical.device = Device::new(Some(chrome.into()), hints);
    typical.device_id = Some(DeviceId::new());
    typical.created_ip = "203.0.113.9".parse().ok();
    typical.last_ip = typical.created_ip;
    typical.methods.insert("pwd".into(), NOW);
    insert(&store, &typical).await?;
    assert_eq!(store.find(&typical.key()).await?, Some(typical.clone()));

    let mut connection = raw(&server.url()).await?;
    let record: Vec<String> = redis::cmd("KEYS").arg("*:s:*").query_async(&mut connection).await?;
    let encoding: String = redis::cmd("OBJECT").arg("ENCODING").arg(&record).query_async(&mut connection).await?;
    let bytes: u64 = redis::cmd("MEMORY").arg("USAGE").arg(&record).query_async(&mut connection).await?;
    println!("a record takes {bytes} bytes");
    assert_eq!(encoding, "listpack");
    assert!(bytes <= 900, "{bytes} bytes");

    // What is forgotten is gone from all pieces.
    assert!(store.forget_addresses(&typical.key(), NOW.saturating_add(DAY)).await?);
    let mut forgotten = typical.clone();
    (forgotten.created_ip, forgotten.last_ip) = (None, None);
    assert_eq!(store.find(&typical.key()).await?, Some(forgotten));
    let held: Vec<String> = redis::cmd("HVALS").arg(&record).query_async(&mut connection).await?;
    assert!(!held.concat().contains("203.0.113"), "{held:?}");
    Ok(())
}

#[tokio::test]
async fn a_store_takes_the_connections_of_the_application() -> TestResult {
    let Some(url) = redis_url().await else { return Ok(()) };
    let prefix = format!("{}:", unique_name());
    let client = redis::Client::open(url.as_str())?;
    let own = RedisStore::from_client(client.clone()).await?.key_prefix(&prefix)?;
    let manager = client.get_connection_manager().await?;
    let given = RedisStore::from_connection_manager(manager).key_prefix(&prefix)?;
    let written = session("ann");
    insert(&own, &written).await?;
    assert_eq!(given.find(&written.key()).await?, Some(written.clone()));
    assert_eq!(given.ended_between(NOW, NOW.saturating_add(DAY), 10).await?.len(), 1);

    let refused = given.wait_replicas(1, Duration::from_millis(10)).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(StoreErrorKind::Location));
    for nonsense in ["", "nonsense", "http://127.0.0.1/", "redis://"] {
        let refused = RedisStore::connect(nonsense).await.err().map(|error| error.kind());
        assert_eq!(refused, Some(StoreErrorKind::Location), "{nonsense:?}");
    }
    let refused = RedisStore::connect("redis://127.0.0.1:1/").await.err().map(|error| error.kind());
    assert_eq!(refused, Some(StoreErrorKind::Unavailable));
    clean_up(&url, &prefix).await?;
    Ok(())
}

/// S91.
#[tokio::test]
async fn nothing_prints_a_password() -> TestResult {
    let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
    server.ask("CONFIG SET requirepass hunter2");
    let store = RedisStore::connect(&format!("redis://:hunter2@127.0.0.1:{}/", server.port)).await;
    let printed = format!("{:?}", store?);
    assert!(!printed.contains("hunter2") && !printed.contains("127.0.0.1"), "{printed}");
    let refused = RedisStore::connect(&format!("redis://:hunter3@127.0.0.1:{}/", server.port)).await;
    assert!(!format!("{refused:?}").contains("hunter3"));
    Ok(())
}
