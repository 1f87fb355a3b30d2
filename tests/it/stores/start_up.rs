//! What could not be used later is refused at the start, with the reason; and what is full is waited for.

use std::error::Error;

use tower_device_sessions::{
    Session, UserId,
    bus::{RedisBus, RevocationBus},
    clock::Timestamp,
    policy::Admission,
    session::AsOf,
    store::{ConnectOptions, MySqlStore, PostgresStore, RedisStore, SessionStore, StoreError, StoreErrorKind},
};

use super::servers;
use crate::{
    support::TestResult,
    support::servers::{RedisServer, unique_name},
};

/// An error with its causes.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn ensure_refused(error: &StoreError, kind: StoreErrorKind, says: &str) {
    assert_eq!(error.kind(), kind, "{}", told(error));
    assert!(told(error).contains(says), "{}", told(error));
}

/// A name that needs no quotes in SQL.
fn plain_name() -> String {
    unique_name().replace('-', "_")
}

fn postgres() -> Option<String> {
    servers::url("postgres", "TEST_POSTGRES_URL", 5432, "postgres://postgres@127.0.0.1:5432/test")
}

fn mysql() -> Option<String> {
    servers::url("mysql", "TEST_MYSQL_URL", 3306, "mysql://root@127.0.0.1:3306/test")
}

/// The same server as another user, and another database when one is named.
fn as_user(url: &str, user: &str, database: Option<&str>) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (server, path) = rest.rsplit_once('@').expect("a user").1.split_once('/').expect("a database");
    format!("{scheme}://{user}@{server}/{}", database.unwrap_or(path))
}

async fn say_to_postgres(url: &str, statements: &[String]) {
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    for statement in statements {
        let statement: &str = statement.clone().leak();
        sqlx::raw_sql(statement).execute(&pool).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    pool.close().await;
}

async fn say_to_mysql(url: &str, statements: &[String]) {
    let pool = sqlx::MySqlPool::connect(url).await.unwrap();
    for statement in statements {
        let statement: &str = statement.clone().leak();
        sqlx::raw_sql(statement).execute(&pool).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    pool.close().await;
}

#[tokio::test]
async fn a_postgres_database_that_cannot_hold_utf_8_is_refused() {
    let Some(url) = postgres() else { return };
    let name = plain_name();
    let create = format!("CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    say_to_postgres(&url, &[create]).await;
    let error = PostgresStore::connect(&as_user(&url, "postgres", Some(&name))).await.unwrap_err();
    say_to_postgres(&url, &[format!("DROP DATABASE {name} WITH (FORCE)")]).await;
    ensure_refused(&error, StoreErrorKind::Unsuitable, "encoding is LATIN1");
}

#[tokio::test]
async fn a_postgres_database_that_takes_no_changes_is_refused() {
    let Some(url) = postgres() else { return };
    let name = plain_name();
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    say_to_postgres(&url, &[format!("CREATE DATABASE {name}"), read_only]).await;
    let error = PostgresStore::connect(&as_user(&url, "postgres", Some(&name))).await.unwrap_err();
    say_to_postgres(&url, &[format!("DROP DATABASE {name} WITH (FORCE)")]).await;
    ensure_refused(&error, StoreErrorKind::Unsuitable, "takes no changes");
}

/// A schema error, and not one of a server that is down.
#[tokio::test]
async fn rights_that_are_missing_in_postgres_are_named() -> TestResult {
    let Some(url) = postgres() else { return Ok(()) };
    let (name, role) = (plain_name(), plain_name());
    say_to_postgres(&url, &[format!("CREATE DATABASE {name}"), format!("CREATE ROLE {role} LOGIN")]).await;
    let (owners, theirs) = (as_user(&url, "postgres", Some(&name)), as_user(&url, &role, Some(&name)));
    let to_create = PostgresStore::connect(&theirs).await?.migrate().await.unwrap_err();

    PostgresStore::connect(&owners).await?.migrate().await?;
    let select = format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    say_to_postgres(&owners, &[select]).await;
    let to_change = PostgresStore::connect(&theirs).await?.migrate().await.unwrap_err();
    let change = format!("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}");
    say_to_postgres(&owners, &[change]).await;
    let allowed = PostgresStore::connect(&theirs).await?.migrate().await;

    say_to_postgres(&url, &[format!("DROP DATABASE {name} WITH (FORCE)"), format!("DROP ROLE {role}")]).await;
    for error in [to_create, to_change] {
        ensure_refused(&error, StoreErrorKind::Schema, "the database's user lacks a right");
    }
    Ok(allowed?)
}

#[tokio::test]
async fn rights_that_are_missing_in_mysql_are_named() -> TestResult {
    let Some(url) = mysql() else { return Ok(()) };
    let (name, user) = (plain_name(), format!("u{}", std::process::id()));
    let create = format!("CREATE USER {user}@'%', {user}@localhost");
    say_to_mysql(&url, &[format!("CREATE DATABASE {name}"), create]).await;
    let grant = |what: &str| format!("GRANT {what} ON {name}.* TO {user}@'%', {user}@localhost");
    say_to_mysql(&url, &[grant("SELECT")]).await;
    let (owners, theirs) = (as_user(&url, "root", Some(&name)), as_user(&url, &user, Some(&name)));
    let to_create = MySqlStore::connect(&theirs).await?.migrate().await.unwrap_err();

    MySqlStore::connect(&owners).await?.migrate().await?;
    let to_change = MySqlStore::connect(&theirs).await?.migrate().await.unwrap_err();
    say_to_mysql(&url, &[grant("INSERT, UPDATE, DELETE")]).await;
    let allowed = MySqlStore::connect(&theirs).await?.migrate().await;

    say_to_mysql(&url, &[format!("DROP DATABASE {name}"), format!("DROP USER {user}@'%', {user}@localhost")]).await;
    for error in [to_create, to_change] {
        ensure_refused(&error, StoreErrorKind::Schema, "the database's user lacks a right");
    }
    Ok(allowed?)
}

/// In which a sweep would find nothing, and say nothing.
#[tokio::test]
async fn a_sql_mode_without_empty_texts_is_refused() -> TestResult {
    let Some(url) = mysql() else { return Ok(()) };
    let pool = sqlx::mysql::MySqlPoolOptions::new().after_connect(|connection, _| {
        Box::pin(async move {
            let set = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',EMPTY_STRING_IS_NULL')";
            sqlx::raw_sql(set).execute(connection).await.map(drop)
        })
    });
    let store = MySqlStore::from_pool(pool.connect(&url).await?);
    ensure_refused(&store.migrate().await.unwrap_err(), StoreErrorKind::Unsuitable, "EMPTY_STRING_IS_NULL");
    ensure_refused(&store.check().await.unwrap_err(), StoreErrorKind::Unsuitable, "EMPTY_STRING_IS_NULL");
    Ok(())
}

/// An address, and not a host of that name with brackets. Nothing listens on port 9.
#[tokio::test]
async fn an_ipv6_address_in_a_url_is_one() {
    let errors = [
        PostgresStore::connect("postgres://ann@[::1]:9/test").await.map(drop).unwrap_err(),
        MySqlStore::connect("mysql://ann@[::1]:9/test").await.map(drop).unwrap_err(),
        RedisStore::connect("redis://[::1]:9/").await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let text = told(&error);
        assert!(!text.contains("lookup") && !text.contains("not known"), "{text}");
    }
}

#[tokio::test]
async fn a_number_of_connections_that_is_none_is_refused() {
    for url in ["postgres://a/b?max_connections=0", "postgres://a/b?max_connections=many"] {
        assert_eq!(PostgresStore::connect(url).await.unwrap_err().kind(), StoreErrorKind::Location, "{url}");
    }
    assert_eq!(
        MySqlStore::connect("mysql://a/b?max_connections=-1").await.unwrap_err().kind(),
        StoreErrorKind::Location
    );
}

/// Reads from 24 tasks at once, which is more than the server lets in.
async fn ensure_reads_wait(store: impl SessionStore + Clone) -> TestResult {
    let now = Timestamp::from_seconds(1_767_225_600);
    let session = Session::new(UserId::from(1), now, now.saturating_add(std::time::Duration::from_secs(60)));
    store.insert(&session, &Admission::new(AsOf::new(now, std::time::Duration::ZERO))).await?;
    let mut reading = tokio::task::JoinSet::new();
    for _ in 0..24 {
        let (store, key) = (store.clone(), session.key());
        reading.spawn(async move {
            let mut late = 0;
            for _ in 0..100 {
                match store.find(&key).await {
                    Ok(found) => assert!(found.is_some()),
                    Err(_) => late += 1,
                }
            }
            late
        });
    }
    let mut late = 0;
    while let Some(read) = reading.join_next().await {
        late += read?;
    }
    // On a machine that is busy with other things, a second is too short for a few.
    assert!(late <= 24, "{late} of 2,400 reads were not answered in time");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_postgres_limit_of_connections_calls_wait_for_one_that_is_there() -> TestResult {
    let Some(url) = postgres() else { return Ok(()) };
    let (prefix, role) = (servers::prefix(), plain_name());
    let owners = PostgresStore::connect(&url).await?.table_prefix(&prefix)?;
    owners.migrate().await?;
    let grant =
        format!("GRANT ALL ON {prefix}sessions, {prefix}devices, {prefix}cutoffs, {prefix}migrations TO {role}");
    say_to_postgres(&url, &[format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 3"), grant]).await;
    let store = PostgresStore::connect(&as_user(&url, &role, None)).await?.table_prefix(&prefix)?;
    let waited = ensure_reads_wait(store).await;
    let tables = format!("DROP TABLE {prefix}sessions, {prefix}devices, {prefix}cutoffs, {prefix}migrations");
    say_to_postgres(&url, &[tables, format!("DROP ROLE {role}")]).await;
    waited
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_mysqls_limit_of_connections_calls_wait_for_one_that_is_there() -> TestResult {
    let Some(url) = mysql() else { return Ok(()) };
    let (name, user) = (plain_name(), format!("m{}", std::process::id()));
    let users = format!("{user}@'%', {user}@localhost");
    let create = format!("CREATE USER {users} WITH MAX_USER_CONNECTIONS 3");
    let grant = format!("GRANT ALL ON {name}.* TO {users}");
    say_to_mysql(&url, &[format!("CREATE DATABASE {name}"), create, grant]).await;
    let store = MySqlStore::connect(&as_user(&url, &user, Some(&name))).await?;
    store.migrate().await?;
    let waited = ensure_reads_wait(store).await;
    say_to_mysql(&url, &[format!("DROP DATABASE {name}"), format!("DROP USER {users}")]).await;
    waited
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_connections_is_a_setting() -> TestResult {
    let Some(url) = postgres() else { return Ok(()) };
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
    let watcher = sqlx::PgPool::connect(&url).await?;
    for (parameters, options, most) in [
        ("", ConnectOptions::new().max_connections(2), 2),
        ("&max_connections=3", ConnectOptions::new().max_connections(2), 3),
    ] {
        let (prefix, name) = (servers::prefix(), plain_name());
        let named = format!("{url}?application_name={name}{parameters}");
        let store = PostgresStore::connect_with(&named, options).await?.table_prefix(&prefix)?;
        store.migrate().await?;
        ensure_reads_wait(store.clone()).await?;
        let connected: i64 = sqlx::query_scalar(count).bind(&name).fetch_one(&watcher).await?;
        assert!((1..=most).contains(&connected), "{connected} connections instead of {most}");
        let tables = format!("DROP TABLE {prefix}sessions, {prefix}devices, {prefix}cutoffs, {prefix}migrations");
        say_to_postgres(&url, &[tables]).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_redis_that_cannot_run_the_scripts_is_refused() -> TestResult {
    let Some(renamed) = RedisServer::start(&["--rename-command", "EVAL", "", "--rename-command", "EVALSHA", ""]) else {
        return Ok(());
    };
    let error = RedisStore::connect(&renamed.url()).await.unwrap_err();
    ensure_refused(&error, StoreErrorKind::Unsuitable, "renamed or disabled");

    let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
    for (user, rules, says) in [
        ("noscript", "~* &* +@all -@scripting", "may not do"),
        ("nowrite", "~* &* +@all -@write", "may not do"),
        ("elsewhere", "~other:* &* +@all", "may not do"),
    ] {
        server.ask(&format!("ACL SETUSER {user} on nopass {rules}"));
        let url = format!("redis://{user}:x@127.0.0.1:{}/", server.port);
        let error = match RedisStore::connect(&url).await {
            Ok(store) => store.migrate().await.unwrap_err(),
            Err(error) => error,
        };
        ensure_refused(&error, StoreErrorKind::Unsuitable, says);
    }
    // What operators do give is enough.
    server.ask("ACL SETUSER enough on nopass ~tds:* &tds:* +@all -@dangerous -@admin");
    let url = format!("redis://enough:x@127.0.0.1:{}/", server.port);
    RedisStore::connect(&url).await?.migrate().await?;
    RedisBus::connect(&url).await?.check().await?;

    server.ask("ACL SETUSER deaf on nopass ~* resetchannels +@all");
    let bus = RedisBus::connect(&format!("redis://deaf:x@127.0.0.1:{}/", server.port)).await?;
    let error = bus.check().await.unwrap_err();
    assert!(told(&error).contains("no permissions"), "{}", told(&error));
    Ok(())
}

#[tokio::test]
async fn a_redis_replica_is_refused() -> TestResult {
    let Some(primary) = RedisServer::start(&[]) else { return Ok(()) };
    let Some(replica) = RedisServer::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port)]) else {
        return Ok(());
    };
    let error = RedisStore::connect(&replica.url()).await.unwrap_err();
    ensure_refused(&error, StoreErrorKind::Unsuitable, "it is a replica");
    Ok(())
}
