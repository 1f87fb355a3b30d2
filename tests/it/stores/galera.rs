//! Two nodes of a Galera cluster, each of which reads late what was committed on the other: nothing that was
//! acknowledged on one is missed on the other, and of two who race one wins.

use std::{path::Path, time::Duration};

use tower_device_sessions::{
    Session, SessionManager, Timestamp, UserId,
    manager::{Revocation, SessionManagerBuilder},
    policy::{Admission, Denied},
    session::{Actor, AsOf, EndReason, Ending},
    store::{EndOutcome, MySqlStore, Rotation, RotationOutcome, SessionStore, StoreError},
};

use crate::{
    support::SECRET,
    support::TestResult,
    support::servers::{free_port, skip},
    support::sql_server::{Engine, SqlServer},
};

const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";

const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);

struct Galera {
    nodes: [SqlServer; 2],
}

impl Galera {
    /// Starts both; `None` where MariaDB, Galera or what copies its data is not installed.
    async fn start() -> Option<Self> {
        if !Path::new(PROVIDER).exists() || !Path::new("/usr/bin/rsync").exists() {
            skip("galera", "there is no Galera and rsync to start it with");
            return None;
        }
        let ports = [free_port(), free_port()];
        let first = node(ports[0], "gcomm://")?;
        begun(&first).await;
        let second = node(ports[1], &format!("gcomm://127.0.0.1:{}", ports[0]))?;
        begun(&second).await;
        Some(Self { nodes: [first, second] })
    }

    async fn stores(&self) -> Result<[MySqlStore; 2], StoreError> {
        let [first, second] = &self.nodes;
        let stores =
            [MySqlStore::connect(&first.url(first.port)).await?, MySqlStore::connect(&second.url(second.port)).await?];
        for store in &stores {
            store.migrate().await?;
        }
        Ok(stores)
    }
}

fn node(port: u16, cluster: &str) -> Option<SqlServer> {
    let (copies, increments) = (free_port(), free_port());
    let options = format!(
        "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{port};ist.recv_addr=127.0.0.1:{increments};gcache.size=32M"
    );
    SqlServer::start(
        Engine::MariaDb,
        &[
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            "--wsrep-on=ON",
            &format!("--wsrep-provider={PROVIDER}"),
            "--wsrep-cluster-name=test",
            &format!("--wsrep-cluster-address={cluster}"),
            &format!("--wsrep-node-address=127.0.0.1:{port}"),
            "--wsrep-sst-method=rsync",
            &format!("--wsrep-sst-receive-address=127.0.0.1:{copies}"),
            &options,
        ],
    )
}

/// Waits until a node takes part.
async fn begun(node: &SqlServer) {
    let url = node.url(node.port);
    let mut attempts = 0;
    loop {
        let answer: Result<i64, _> = async {
            let pool = sqlx::MySqlPool::connect(&url).await?;
            sqlx::query_scalar(
                "SELECT COUNT(*) FROM information_schema.global_status \
                                WHERE variable_name = 'wsrep_ready' AND variable_value = 'ON'",
            )
            .fetch_one(&pool)
            .await
        }
        .await;
        if answer.as_ref().is_ok_and(|count| *count == 1) {
            return;
        }
        attempts += 1;
        let log = std::fs::read_to_string(node.folder.join("log")).unwrap_or_default();
        assert!(attempts < 600, "the node does not begin: {answer:?}\n{log}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn session(user: u32) -> Session {
    Session::new(UserId::from(user), NOW, NOW.saturating_add(Duration::from_secs(3_600)))
}

fn as_of() -> AsOf {
    AsOf::new(NOW, Duration::ZERO)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_has_acknowledged_the_other_one_sees() -> TestResult {
    let Some(galera) = Galera::start().await else { return Ok(()) };
    let [here, there] = galera.stores().await?;
    let ending = Ending::new(EndReason::RevokedByUser, Actor::System, NOW);
    for round in 0..200 {
        let session = session(round);
        here.insert(&session, &Admission::new(as_of())).await?;
        let found = there.find(&session.key()).await?;
        assert!(found.is_some(), "round {round}: a session that has begun is not there");
        assert_eq!(there.end(&session.key(), &ending, Duration::ZERO).await?, EndOutcome::Ended, "round {round}");
        let found = here.find(&session.key()).await?;
        assert_eq!(found.and_then(|found| found.ended), Some(ending.clone()), "round {round}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_rotate_on_two_nodes_one_wins() -> TestResult {
    let Some(galera) = Galera::start().await else { return Ok(()) };
    let [here, there] = galera.stores().await?;
    for round in 0..200 {
        let session = session(round);
        here.insert(&session, &Admission::new(as_of())).await?;
        assert!(there.find(&session.key()).await?.is_some());
        let later = AsOf::new(NOW.saturating_add(Duration::from_millis(1)), Duration::ZERO);
        let (key, one, other) = (session.key(), Rotation::new(0, as_of()), Rotation::new(0, later));
        let outcomes = tokio::join!(here.rotate(&key, &one), there.rotate(&key, &other));
        let won =
            [outcomes.0?, outcomes.1?].iter().filter(|outcome| matches!(outcome, RotationOutcome::Rotated(_))).count();
        assert_eq!(won, 1, "round {round}");
        assert_eq!(there.find(&key).await?.map(|found| found.tokens.generation), Some(1));
    }
    Ok(())
}

/// R02, with a bus that is faster than the cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_fresh_is_refused_and_nothing_revoked_accepted() -> TestResult {
    let Some(galera) = Galera::start().await else { return Ok(()) };
    let bus = tower_device_sessions::bus::LocalBus::new();
    let build = |store: MySqlStore| -> Result<SessionManager, Box<dyn std::error::Error + Send + Sync>> {
        let builder: SessionManagerBuilder = SessionManager::builder(store);
        Ok(builder.bus(bus.clone()).keys(tower_device_sessions::KeyRing::hs256(SECRET)?).build()?)
    };
    let [here, there] = galera.stores().await?;
    let (here, there) = (build(here)?, build(there)?);
    for round in 0..100 {
        let started = here.start(format!("user-{round}"), Default::default()).await?;
        let accepted = there.authenticate(started.token()).await;
        assert!(accepted.is_ok(), "round {round}: {:?}", accepted.err());
        let (user, id) = (&started.session().user_id, started.session().id);
        here.revoke(user, id, Revocation::by_application()).await?;
        let mut attempts = 0;
        loop {
            match there.authenticate(started.token()).await {
                Err(Denied::Ended(_)) => break,
                Ok(_) => attempts += 1,
                Err(denied) => panic!("round {round}: {denied:?}"),
            }
            // The message is on its way.
            assert!(attempts < 200, "round {round}: accepted after it was revoked");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}
