//! A primary is demoted and stays there, with the connections to it open; its name leads to its successor by then, as
//! that of a managed database does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_device_sessions::{
    SessionManager, StartedSession,
    manager::{Revocation, SessionManagerBuilder},
    policy::Denied,
    redis,
    store::{MySqlStore, PostgresStore, RedisStore, SessionStore, StoreErrorKind},
};

use super::{node, sign_in};
use crate::{
    support::TestResult,
    support::proxy::Proxy,
    support::servers::{RedisCluster, RedisServer},
    support::sql_server::{Engine, SqlServer},
};

/// A primary, its replica, and the name that leads to the primary.
struct Pair {
    servers: Servers,
    name: Proxy,
}

enum Servers {
    Postgres(SqlServer, SqlServer),
    MariaDb(SqlServer, SqlServer),
    Redis(RedisServer, RedisServer),
    /// The third decides over the roles of the other two.
    Sentinel(RedisServer, RedisServer, RedisServer),
    /// Each primary has a replica. The name leads nowhere: its clients find their way.
    Cluster(RedisCluster),
}

impl Pair {
    async fn postgres() -> Option<Self> {
        let primary = SqlServer::start(Engine::Postgres, &[])?;
        sql(&primary, "SELECT 1").await;
        let standby = SqlServer::standby_of(&primary)?;
        sql(&standby, "SELECT 1").await;
        let name = Proxy::to(local(primary.port)).await.expect("a port");
        Some(Self { servers: Servers::Postgres(primary, standby), name })
    }

    async fn mariadb() -> Option<Self> {
        let primary = SqlServer::start(Engine::MariaDb, &["--server-id=1", "--log-bin"])?;
        let replica = SqlServer::start(Engine::MariaDb, &["--server-id=2", "--log-bin", "--log-slave-updates"])?;
        // Only an administrator can write to a server that is read-only.
        for user in [
            "CREATE USER app@'%'; GRANT ALL ON test.* TO app@'%'",
            "CREATE USER copy@'%'; GRANT ALL ON *.* TO copy@'%'",
        ] {
            sql(&primary, user).await;
        }
        let port = primary.port;
        let follow = format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'copy', \
             MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos; START SLAVE; SET GLOBAL read_only = 1"
        );
        sql(&replica, &follow).await;
        let name = Proxy::to(local(port)).await.expect("a port");
        Some(Self { servers: Servers::MariaDb(primary, replica), name })
    }

    async fn redis() -> Option<Self> {
        let primary = RedisServer::start(&["--repl-diskless-sync-delay", "0"])?;
        let replica = RedisServer::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port)])?;
        replica.wait_until("INFO replication", "master_link_status:up");
        let name = Proxy::to(local(primary.port)).await.expect("a port");
        Some(Self { servers: Servers::Redis(primary, replica), name })
    }

    async fn sentinel() -> Option<Self> {
        let Self { servers, name } = Self::redis().await?;
        let Servers::Redis(primary, replica) = servers else { return None };
        let sentinel = primary.sentinel();
        sentinel.wait_until("SENTINEL REPLICAS sessions", &replica.port.to_string());
        Some(Self { servers: Servers::Sentinel(primary, replica, sentinel), name })
    }

    async fn cluster() -> Option<Self> {
        let cluster = RedisCluster::with_replicas(1)?;
        for replica in cluster.nodes.iter().filter(|node| node.ask("ROLE").starts_with("slave")) {
            replica.wait_until("INFO replication", "master_link_status:up");
        }
        let name = Proxy::to(local(cluster.nodes[0].port)).await.expect("a port");
        Some(Self { servers: Servers::Cluster(cluster), name })
    }

    async fn manager(&self) -> SessionManagerBuilder {
        let port = self.name.port;
        match &self.servers {
            Servers::Postgres(primary, _) => {
                let store = PostgresStore::connect(&primary.url(port)).await.expect("it answers");
                store.migrate().await.expect("a schema");
                SessionManager::builder(store)
            }
            Servers::MariaDb(..) => {
                let store = MySqlStore::connect(&format!("mysql://app@127.0.0.1:{port}/test")).await;
                let store = store.expect("it answers");
                store.migrate().await.expect("a schema");
                SessionManager::builder(store)
            }
            Servers::Cluster(cluster) => {
                SessionManager::builder(RedisStore::cluster(cluster.urls()).await.expect("it answers"))
            }
            Servers::Redis(..) | Servers::Sentinel(..) => {
                let store = RedisStore::connect(&format!("redis://127.0.0.1:{port}/")).await.expect("it answers");
                SessionManager::builder(store)
            }
        }
    }

    /// Waits until the replica has what the primary has.
    async fn catch_up(&self, started: &StartedSession) {
        let key = started.session().key();
        let mut attempts = 0;
        loop {
            let found = match &self.servers {
                Servers::Postgres(_, standby) => {
                    let pool = sqlx::PgPool::connect(&standby.url(standby.port)).await.expect("it answers");
                    PostgresStore::from_pool(pool).find(&key).await
                }
                Servers::MariaDb(_, replica) => {
                    let pool = sqlx::MySqlPool::connect(&replica.url(replica.port)).await.expect("it answers");
                    MySqlStore::from_pool(pool).find(&key).await
                }
                // Nothing is lost where a replica takes over by agreement.
                Servers::Cluster(_) => return,
                Servers::Redis(_, replica) | Servers::Sentinel(_, replica, _) => {
                    let client = redis::Client::open(replica.url()).expect("an address");
                    let manager = client.get_connection_manager().await.expect("it answers");
                    RedisStore::from_connection_manager(manager).find(&key).await
                }
            };
            if matches!(found, Ok(Some(_))) {
                return;
            }
            attempts += 1;
            assert!(attempts < 600, "nothing is replicated: {found:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The roles change, and the name leads to the new primary.
    async fn fail_over(&self) {
        let port = match &self.servers {
            Servers::Postgres(primary, standby) => {
                sql(primary, "ALTER SYSTEM SET default_transaction_read_only = on").await;
                sql(primary, "SELECT pg_reload_conf()").await;
                sql(standby, "SELECT pg_promote(true, 30)").await;
                standby.port
            }
            Servers::MariaDb(primary, replica) => {
                sql(primary, "SET GLOBAL read_only = 1").await;
                sql(replica, "STOP SLAVE; SET GLOBAL read_only = 0").await;
                replica.port
            }
            Servers::Redis(primary, replica) => {
                replica.ask("REPLICAOF NO ONE");
                primary.ask(&format!("REPLICAOF 127.0.0.1 {}", replica.port));
                replica.port
            }
            Servers::Sentinel(primary, replica, sentinel) => {
                let (question, promoted) = ("SENTINEL GET-MASTER-ADDR-BY-NAME sessions", replica.port.to_string());
                // It may not know yet that the replica is fit for it. Then nothing has happened.
                for attempt in 0..200 {
                    if sentinel.ask(question).contains(&promoted) {
                        break;
                    }
                    if attempt % 40 == 0 {
                        sentinel.ask("SENTINEL FAILOVER sessions");
                    }
                    tokio::time::sleep(Duration::from_millis(150)).await;
                }
                sentinel.wait_until(question, &promoted);
                primary.wait_until("ROLE", "slave");
                replica.port
            }
            Servers::Cluster(cluster) => {
                for replica in cluster.nodes.iter().filter(|node| node.ask("ROLE").starts_with("slave")) {
                    // On a busy machine the vote may come too late. Then nothing has happened.
                    for attempt in 0..200 {
                        if replica.ask("ROLE").starts_with("master") {
                            break;
                        }
                        if attempt % 40 == 0 {
                            replica.ask("CLUSTER FAILOVER");
                        }
                        tokio::time::sleep(Duration::from_millis(150)).await;
                    }
                    replica.wait_until("ROLE", "master");
                }
                return;
            }
        };
        self.name.repoint(local(port));
    }

    /// What connecting to the old primary says now.
    async fn old_primary(&self) -> StoreErrorKind {
        let error = match &self.servers {
            Servers::Postgres(primary, _) => PostgresStore::connect(&primary.url(primary.port)).await.map(drop),
            Servers::MariaDb(primary, _) => {
                MySqlStore::connect(&format!("mysql://app@127.0.0.1:{}/test", primary.port)).await.map(drop)
            }
            Servers::Redis(primary, _) | Servers::Sentinel(primary, ..) => {
                RedisStore::connect(&primary.url()).await.map(drop)
            }
            Servers::Cluster(cluster) => RedisStore::connect(&cluster.nodes[0].url()).await.map(drop),
        };
        error.expect_err("it takes no changes").kind()
    }
}

fn local(port: u16) -> std::net::SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Says something to a server that may have to begin yet.
async fn sql(server: &SqlServer, statement: &str) {
    let statement: &str = statement.to_owned().leak();
    let url = server.url(server.port);
    let mut attempts = 0;
    loop {
        let said = match server.engine() {
            Engine::Postgres => match sqlx::PgPool::connect(&url).await {
                Ok(pool) => sqlx::raw_sql(statement).execute(&pool).await.map(drop),
                Err(error) => Err(error),
            },
            Engine::MariaDb => match sqlx::MySqlPool::connect(&url).await {
                Ok(pool) => sqlx::raw_sql(statement).execute(&pool).await.map(drop),
                Err(error) => Err(error),
            },
        };
        let Err(error) = said else { return };
        attempts += 1;
        assert!(attempts < 300, "{statement}: {error:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// R02: with traffic on two nodes nobody is signed out, and changes work again without a restart.
async fn a_demoted_primary_is_given_up(pair: Pair) -> TestResult {
    let ttl = Duration::from_millis(100);
    let nodes = [node(pair.manager().await.without_bus(), ttl), node(pair.manager().await.without_bus(), ttl)];
    let mut kept = Vec::new();
    for number in 0..10 {
        kept.push(sign_in(&nodes[0], &format!("kept-{number}")).await);
    }
    let doomed = sign_in(&nodes[0], "doomed").await;
    pair.catch_up(&doomed).await;

    let (kept, is_over) = (Arc::<[StartedSession]>::from(kept), Arc::new(AtomicBool::new(false)));
    let (accepted, unavailable) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let reading: Vec<_> = nodes
        .iter()
        .cloned()
        .map(|sessions| {
            let (kept, is_over) = (Arc::clone(&kept), Arc::clone(&is_over));
            let (accepted, unavailable) = (Arc::clone(&accepted), Arc::clone(&unavailable));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    for started in kept.iter() {
                        match sessions.authenticate(started.token()).await {
                            Ok(_) => drop(accepted.fetch_add(1, Ordering::Relaxed)),
                            Err(Denied::Unavailable) => drop(unavailable.fetch_add(1, Ordering::Relaxed)),
                            Err(denied) => panic!("signed out: {denied:?}"),
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        })
        .collect();

    pair.fail_over().await;
    // Three seconds at the most: the new primary takes changes already.
    let mut waited = 0;
    for sessions in &nodes {
        let mut attempts = 0;
        while let Err(error) = sessions.start("newcomer", Default::default()).await {
            attempts += 1;
            assert!(attempts < 30, "changes do not work again: {error:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        waited = waited.max(attempts);
    }
    println!("the first change succeeded after {waited} attempts that failed");
    let (user, id) = (doomed.session().user_id.clone(), doomed.session().id);
    nodes[0].revoke(&user, id, Revocation::by_application()).await?;
    nodes[1].check_store().await?;
    // Reads come from the new primary, too, once each connection to the old one has been noticed.
    for sessions in &nodes {
        let mut attempts = 0;
        while !matches!(sessions.authenticate(doomed.token()).await, Err(Denied::Ended(_))) {
            attempts += 1;
            assert!(attempts < 30, "the old primary is still read from");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for task in reading {
        task.await?;
    }
    let (accepted, unavailable) = (accepted.load(Ordering::Relaxed), unavailable.load(Ordering::Relaxed));
    println!("{accepted} requests accepted, {unavailable} answered that the store is unavailable");
    assert_eq!(pair.old_primary().await, StoreErrorKind::Unsuitable);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_postgres_is_given_up() -> TestResult {
    let Some(pair) = Pair::postgres().await else { return Ok(()) };
    a_demoted_primary_is_given_up(pair).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_mariadb_is_given_up() -> TestResult {
    let Some(pair) = Pair::mariadb().await else { return Ok(()) };
    a_demoted_primary_is_given_up(pair).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_redis_is_given_up() -> TestResult {
    let Some(pair) = Pair::redis().await else { return Ok(()) };
    a_demoted_primary_is_given_up(pair).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_sentinel_demotes_is_given_up() -> TestResult {
    let Some(pair) = Pair::sentinel().await else { return Ok(()) };
    a_demoted_primary_is_given_up(pair).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demoted_primaries_of_a_cluster_are_given_up() -> TestResult {
    let Some(pair) = Pair::cluster().await else { return Ok(()) };
    a_demoted_primary_is_given_up(pair).await
}

/// A session that the new primary knows, and the old one does not: nobody is signed out for having just signed in.
async fn what_is_new_is_found_by_a_node_that_has_noticed_nothing(pair: Pair) -> TestResult {
    let unaware = node(pair.manager().await.without_bus(), Duration::ZERO);
    let before = sign_in(&unaware, "before").await;
    pair.catch_up(&before).await;
    pair.fail_over().await;
    let aware = node(pair.manager().await.without_bus(), Duration::ZERO);
    let after = sign_in(&aware, "after").await;
    unaware.authenticate(after.token()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_new_is_found_though_postgres_was_demoted() -> TestResult {
    let Some(pair) = Pair::postgres().await else { return Ok(()) };
    what_is_new_is_found_by_a_node_that_has_noticed_nothing(pair).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_new_is_found_though_mariadb_was_demoted() -> TestResult {
    let Some(pair) = Pair::mariadb().await else { return Ok(()) };
    what_is_new_is_found_by_a_node_that_has_noticed_nothing(pair).await
}

/// Without a single change: who only reads notices it too.
async fn a_demoted_primary_is_not_read_from_for_long(pair: Pair) -> TestResult {
    let reader = node(pair.manager().await.without_bus(), Duration::ZERO);
    let doomed = sign_in(&reader, "doomed").await;
    pair.catch_up(&doomed).await;
    pair.fail_over().await;

    let writer = node(pair.manager().await.without_bus(), Duration::ZERO);
    let (user, id) = (doomed.session().user_id.clone(), doomed.session().id);
    writer.revoke(&user, id, Revocation::by_application()).await?;
    let mut attempts = 0;
    loop {
        match reader.authenticate(doomed.token()).await {
            Err(Denied::Ended(_)) => break,
            Ok(_) | Err(Denied::Unavailable) => attempts += 1,
            Err(denied) => panic!("{denied:?}"),
        }
        assert!(attempts < 50, "the old primary is still read from");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_postgres_is_not_read_from_for_long() -> TestResult {
    let Some(pair) = Pair::postgres().await else { return Ok(()) };
    a_demoted_primary_is_not_read_from_for_long(pair).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_mariadb_is_not_read_from_for_long() -> TestResult {
    let Some(pair) = Pair::mariadb().await else { return Ok(()) };
    a_demoted_primary_is_not_read_from_for_long(pair).await
}
