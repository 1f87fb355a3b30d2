//! Encrypted connections to real servers, with a certificate of an authority of the test's own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tower_device_sessions::{
    Session, UserId,
    bus::{PostgresBus, RedisBus, RevocationBus},
    clock::Timestamp,
    policy::Admission,
    session::AsOf,
    store::{MySqlStore, PostgresStore, RedisStore, SessionStore, StoreError, StoreErrorKind},
};

use crate::{
    support::TestResult,
    support::servers::{RedisServer, free_port, skip, unique_name},
    support::sql_server::{Engine, SqlServer, folder_for, own},
};

/// Makes an authority, another one, and a certificate of the first for 127.0.0.1.
fn certificates(folder: &Path) -> Option<()> {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder).stdin(Stdio::null()).output();
        output.is_ok_and(|output| {
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            true
        })
    };
    let new = ["req", "-newkey", "rsa:2048", "-nodes", "-batch", "-days", "2"];
    for (name, subject) in [("ca", "/CN=an authority"), ("other", "/CN=another authority")] {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let more = ["-x509", "-subj", subject, "-keyout", &key, "-out", &certificate];
        if !openssl(&[&new[..], &more].concat()) {
            skip("tls", "there is no openssl to make certificates");
            return None;
        }
    }
    openssl(&[&new[..], &["-subj", "/CN=a server", "-keyout", "server.key", "-out", "server.csr"]].concat());
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1").expect("a file");
    openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names",
        "-out",
        "server.pem",
    ]);
    Some(())
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

async fn ensure_it_works(store: &dyn SessionStore) -> TestResult {
    let now = Timestamp::from_seconds(1_767_225_600);
    let session = Session::new(UserId::from(1), now, now.saturating_add(std::time::Duration::from_secs(60)));
    store.migrate().await?;
    store.insert(&session, &Admission::new(AsOf::new(now, std::time::Duration::ZERO))).await?;
    assert!(store.find(&session.key()).await?.is_some());
    Ok(())
}

/// Asks until the server has begun.
async fn begun<T>(mut connect: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let mut attempts = 0;
    loop {
        match connect().await {
            Ok(store) => return store,
            Err(error) => {
                attempts += 1;
                assert!(attempts < 300, "{error:?}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

fn ensure_not_trusted(error: &StoreError) {
    assert_eq!(error.kind(), StoreErrorKind::Unsuitable, "{error:?}");
}

/// A server with a certificate, and the folder with its authority.
fn server(engine: Engine) -> Option<(SqlServer, PathBuf)> {
    let folder = folder_for(engine)?;
    certificates(&folder)?;
    own(engine, &folder.join("server.key"));
    let (certificate, key, authority) =
        (path(&folder, "server.pem"), path(&folder, "server.key"), path(&folder, "ca.pem"));
    let arguments = match engine {
        Engine::Postgres => vec![
            "-c".to_owned(),
            "ssl=on".to_owned(),
            "-c".to_owned(),
            format!("ssl_cert_file={certificate}"),
            "-c".to_owned(),
            format!("ssl_key_file={key}"),
        ],
        Engine::MariaDb => {
            vec![format!("--ssl-cert={certificate}"), format!("--ssl-key={key}"), format!("--ssl-ca={authority}")]
        }
    };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Some((SqlServer::start_in(folder.clone(), engine, &arguments), folder))
}

#[tokio::test]
async fn postgres_is_spoken_to_in_secret_and_by_its_certificate() -> TestResult {
    let Some((server, folder)) = server(Engine::Postgres) else { return Ok(()) };
    let at = |host: &str, parameters: &str| format!("postgres://postgres@{host}:{}/postgres?{parameters}", server.port);
    let (ca, other) = (path(&folder, "ca.pem"), path(&folder, "other.pem"));
    let full = at("127.0.0.1", &format!("sslmode=verify-full&sslrootcert={ca}"));
    let store = begun(async || PostgresStore::connect(&full).await).await;
    ensure_it_works(&store).await?;
    let bus = PostgresBus::connect(&full).await?;
    bus.check().await?;

    let is_encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let pool = sqlx::PgPool::connect(&at("127.0.0.1", "sslmode=disable")).await?;
    assert!(sqlx::query_scalar::<_, bool>(is_encrypted).fetch_one(&pool).await?);

    for parameters in [format!("sslmode=verify-full&sslrootcert={other}"), "sslmode=verify-full".to_owned()] {
        ensure_not_trusted(&PostgresStore::connect(&at("127.0.0.1", &parameters)).await.unwrap_err());
    }
    // The certificate is not for this name.
    let elsewhere = at("localhost", &format!("sslmode=verify-full&sslrootcert={ca}"));
    ensure_not_trusted(&PostgresStore::connect(&elsewhere).await.unwrap_err());
    // Encrypted, no matter to whom.
    PostgresStore::connect(&at("127.0.0.1", "sslmode=require")).await?;
    Ok(())
}

#[tokio::test]
async fn mariadb_is_spoken_to_in_secret_and_by_its_certificate() -> TestResult {
    let Some((server, folder)) = server(Engine::MariaDb) else { return Ok(()) };
    let at = |host: &str, parameters: &str| format!("mariadb://root@{host}:{}/test?{parameters}", server.port);
    let (ca, other) = (path(&folder, "ca.pem"), path(&folder, "other.pem"));
    let identity = at("127.0.0.1", &format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"));
    let store = begun(async || MySqlStore::connect(&identity).await).await;
    ensure_it_works(&store).await?;

    let root = sqlx::MySqlPool::connect(&at("127.0.0.1", "ssl-mode=DISABLED").replace("mariadb", "mysql")).await?;
    sqlx::raw_sql("CREATE USER tls@'%' REQUIRE SSL; GRANT ALL ON test.* TO tls@'%'").execute(&root).await?;
    // Whom the server lets in by TLS only.
    let required = at("127.0.0.1", "ssl-mode=REQUIRED").replace("root@", "tls@");
    ensure_it_works(&MySqlStore::connect(&required).await?).await?;

    for parameters in [format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={other}"), "ssl-mode=VERIFY_CA".to_owned()] {
        ensure_not_trusted(&MySqlStore::connect(&at("127.0.0.1", &parameters)).await.unwrap_err());
    }
    let elsewhere = at("localhost", &format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"));
    ensure_not_trusted(&MySqlStore::connect(&elsewhere).await.unwrap_err());
    Ok(())
}

#[tokio::test]
async fn redis_is_spoken_to_in_secret_and_by_its_certificate() -> TestResult {
    let folder = std::env::temp_dir().join(unique_name());
    std::fs::create_dir_all(&folder)?;
    if certificates(&folder).is_none() {
        return Ok(());
    }
    let port = free_port();
    let tls = port.to_string();
    let (certificate, key, ca) = (path(&folder, "server.pem"), path(&folder, "server.key"), path(&folder, "ca.pem"));
    let arguments =
        ["--tls-port", &tls, "--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let more = ["--tls-auth-clients", "optional"];
    let Some(_server) = RedisServer::start(&[&arguments[..], &more].concat()) else { return Ok(()) };
    let at = |host: &str, parameters: &str| format!("rediss://{host}:{port}/{parameters}");
    let trusted = at("127.0.0.1", &format!("?ssl-ca={ca}"));
    ensure_it_works(&RedisStore::connect(&trusted).await?).await?;
    RedisBus::connect(&trusted).await?.check().await?;
    // With a certificate of the client's own.
    let own = at("127.0.0.1", &format!("?ssl-ca={ca}&ssl-cert={certificate}&ssl-key={key}"));
    ensure_it_works(&RedisStore::connect(&own).await?).await?;

    for parameters in [format!("?ssl-ca={}", path(&folder, "other.pem")), String::new()] {
        let error = RedisStore::connect(&at("127.0.0.1", &parameters)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    }
    let elsewhere = RedisStore::connect(&at("localhost", &format!("?ssl-ca={ca}"))).await;
    assert!(elsewhere.is_err(), "the certificate is not for this name");
    assert!(RedisBus::connect(&at("127.0.0.1", "")).await.is_err());
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
