//! R25: Postgres behind a real PgBouncer that gives a connection to another client after each transaction.

use std::{
    env,
    net::TcpStream,
    os::unix::fs::MetadataExt,
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use tower_device_sessions::{
    KeyRing, SessionManager,
    manager::{Revocation, SessionManagerBuilder},
    policy::Denied,
    store::{
        DevicePosition, DeviceStore, PostgresStore, StoreErrorKind,
        conformance::{Case, Failure},
    },
};

use super::postgres::{self, with_store};
use crate::{
    support::servers::{free_port, skip, unique_name},
    support::{SECRET, TestResult},
};

/// The address of the pooler, which has two connections to the server; `None` where there is none to start.
fn pooler() -> Option<String> {
    static POOLER: OnceLock<Option<(u16, Child, ChildStdin)>> = OnceLock::new();
    let server: sqlx::postgres::PgConnectOptions = postgres::url()?.parse().expect("the address of a server");
    let started = POOLER.get_or_init(|| start(&server)).as_ref()?;
    Some(format!("postgres://postgres@127.0.0.1:{}/pooled", started.0))
}

#[expect(clippy::zombie_processes, reason = "it lives as long as the tests")]
fn start(server: &sqlx::postgres::PgConnectOptions) -> Option<(u16, Child, ChildStdin)> {
    if Command::new("pgbouncer").arg("--version").output().is_err() {
        skip("postgres", "there is no pgbouncer to start");
        return None;
    }
    let (file, port) = (env::temp_dir().join(unique_name()), free_port());
    let settings = format!(
        "[databases]\npooled = host={} port={} dbname={} user={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 1000\n\
         ignore_startup_parameters = extra_float_digits\nunix_socket_dir =\n",
        server.get_host(),
        server.get_port(),
        server.get_database().unwrap_or("test"),
        server.get_username(),
    );
    std::fs::write(&file, settings).expect("a file");
    // It refuses to run as root. The shell ends it, and the file, when this process ends.
    let script = r#"pgbouncer -q "$1" > /dev/null 2>&1 & read -r _; kill $!"#;
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let mut command = Command::new(if is_root { "runuser" } else { "env" });
    if is_root {
        command.args(["-u", "postgres", "--"]);
    }
    command.args(["sh", "-c", script, "sh"]).arg(&file);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("a shell");
    let input = child.stdin.take().expect("a pipe");
    for _ in 0..500 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            let _ = std::fs::remove_file(&file);
            return Some((port, child, input));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("pgbouncer does not answer");
}

tower_device_sessions::store_conformance!(
    run = async |case: &'static Case| -> Result<(), Failure> {
        let (Some(url), Some(pooler)) = (postgres::url(), pooler()) else { return Ok(()) };
        let make = async || PostgresStore::connect(&pooler).await.unwrap().transaction_pooler();
        with_store(&url, make, async |store| case.check(store).await).await
    }
);

/// Without the setting the second client meets what the first one has prepared, or misses its own.
#[tokio::test]
async fn a_store_that_does_not_know_of_the_pooler_says_what_to_do() -> TestResult {
    let (Some(url), Some(pooler)) = (postgres::url(), pooler()) else { return Ok(()) };
    let make = async || PostgresStore::connect(&pooler).await.unwrap().transaction_pooler();
    let says = with_store(&url, make, async |_| {
        for _ in 0..20 {
            let plain = match PostgresStore::connect(&pooler).await {
                Ok(plain) => plain,
                Err(error) => return Some(error),
            };
            for _ in 0..20 {
                if let Err(error) = plain.devices(&1.into(), DevicePosition::FIRST, 1).await
                    && error.kind() == StoreErrorKind::Unsuitable
                {
                    return Some(error);
                }
            }
        }
        None
    })
    .await;
    let error = says.ok_or("it is not refused")?;
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(source.contains("transaction_pooler()"), "{error:?}");
    Ok(())
}

/// S27, S85: what takes a connection of its own is not there, and polling does without.
#[tokio::test]
async fn two_nodes_behind_a_pooler_hear_of_each_others_endings() -> TestResult {
    let (Some(url), Some(pooler)) = (postgres::url(), pooler()) else { return Ok(()) };
    let make = async || PostgresStore::connect(&pooler).await.unwrap().transaction_pooler();
    with_store(&url, make, async |store| {
        let node = |settings: fn(SessionManagerBuilder) -> SessionManagerBuilder| {
            let builder = SessionManager::builder(store.clone()).keys(KeyRing::hs256(SECRET)?);
            TestResultOf::Ok(settings(builder.cache_ttl(Duration::from_secs(60))).build()?)
        };
        // By itself, as the store is shared.
        let nodes = [node(|builder| builder)?, node(|builder| builder.polling(Duration::from_millis(50)))?];
        for round in 0..4 {
            let (here, there) = (&nodes[round % 2], &nodes[(round + 1) % 2]);
            let started = here.start("ann", Default::default()).await?;
            there.authenticate(started.token()).await?;
            while !there.health().bus.is_some_and(|bus| bus.connected && bus.name == "polling") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            there.authenticate(started.token()).await?;
            here.revoke(&started.session().user_id, started.session().id, Revocation::by_application()).await?;
            let refused = async {
                loop {
                    match there.authenticate(started.token()).await {
                        Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                        Err(denied) => return denied,
                    }
                }
            };
            let denied = tokio::time::timeout(Duration::from_secs(30), refused).await?;
            assert!(matches!(denied, Denied::Ended(_)), "{denied:?}");
        }
        Ok(())
    })
    .await
}

type TestResultOf<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
