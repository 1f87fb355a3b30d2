//! The example as two processes on one database: they are two nodes of one application.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    example::my_devices::{Server, refused},
    support::{CHROME, IPHONE},
};

/// S27, S85: what one process revokes the other refuses, long before its cache would have expired.
fn two_processes_are_two_nodes(variables: &[(&str, &str)]) {
    let variables: Vec<_> = variables.iter().copied().chain([("CACHE_TTL", "60s")]).collect();
    let (here, there) = (Server::start(&variables), Server::start(&variables));
    let laptop = here.sign_in("demo@example.com", CHROME, &[]);
    // The first may be noticed because the other process has just begun to hear.
    for _ in 0..2 {
        let phone = here.sign_in("demo@example.com", IPHONE, &[]);
        for _ in 0..2 {
            assert_eq!(there.with_token("GET", "/api/me", &phone).0, 200);
        }
        let path = format!("/api/sessions/{}", phone["sessionId"].as_str().expect("an id"));
        assert_eq!(here.with_token("DELETE", &path, &laptop).0, 204);
        assert_eq!(here.with_token("GET", "/api/me", &phone).0, 401);
        assert_refuses(&there, &phone);
        assert_eq!(there.with_token("GET", "/api/me", &laptop).0, 200);
    }
    assert_eq!(there.with_token("POST", "/api/logout", &laptop).0, 204);
    assert_refuses(&here, &laptop);
}

fn assert_refuses(node: &Server, token: &Value) {
    let began = Instant::now();
    while node.with_token("GET", "/api/me", token).0 == 200 {
        assert!(began.elapsed() < Duration::from_secs(30), "the other node has heard nothing");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(feature = "postgres")]
#[test]
fn two_processes_on_postgres_are_two_nodes() {
    let standard = "postgres://postgres@127.0.0.1:5432/test";
    let Some(url) = crate::stores::servers::url("postgres", "TEST_POSTGRES_URL", 5432, standard) else { return };
    two_processes_are_two_nodes(&[("DATABASE_URL", &url), ("MAX_CONNECTIONS", "3")]);
}

#[cfg(feature = "postgres")]
#[test]
fn two_processes_behind_a_pooler_are_two_nodes() {
    let standard = "postgres://postgres@127.0.0.1:5432/test";
    let Some(url) = crate::stores::servers::url("postgres", "TEST_POSTGRES_URL", 5432, standard) else { return };
    two_processes_are_two_nodes(&[("DATABASE_URL", &url), ("TRANSACTION_POOLER", "on")]);
}

#[cfg(feature = "mysql")]
#[test]
fn two_processes_on_mysql_are_two_nodes() {
    let standard = "mysql://root@127.0.0.1:3306/test";
    let Some(url) = crate::stores::servers::url("mysql", "TEST_MYSQL_URL", 3306, standard) else { return };
    two_processes_are_two_nodes(&[("DATABASE_URL", &url.replace("mysql://", "mariadb://"))]);
}

/// The address as MariaDB's own tools write it.
#[cfg(feature = "mysql")]
#[test]
fn an_address_may_begin_with_mariadb() {
    let standard = "mysql://root@127.0.0.1:3306/test";
    let Some(url) = crate::stores::servers::url("mysql", "TEST_MYSQL_URL", 3306, standard) else { return };
    let server = Server::start(&[("DATABASE_URL", &url.replacen("mysql:", "mariadb:", 1))]);
    assert_eq!(server.with_token("GET", "/api/me", &server.sign_in("demo@example.com", CHROME, &[])).0, 200);
}

/// Nothing is prepared, and nothing listened for, on a connection that another may have next.
#[cfg(feature = "postgres")]
#[test]
fn two_processes_behind_a_transaction_pooler_are_two_nodes() {
    let standard = "postgres://postgres@127.0.0.1:5432/test";
    let Some(url) = crate::stores::servers::url("postgres", "TEST_POSTGRES_URL", 5432, standard) else { return };
    two_processes_are_two_nodes(&[("DATABASE_URL", &url), ("TRANSACTION_POOLER", "on")]);
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn two_processes_on_redis_are_two_nodes() {
    let Some(url) = crate::support::servers::redis_url().await else { return };
    two_processes_are_two_nodes(&[("DATABASE_URL", &url)]);
}

#[cfg(feature = "sqlite")]
#[test]
fn two_processes_on_one_file_poll_it() {
    let url = crate::example::my_devices::database("nodes");
    two_processes_are_two_nodes(&[("DATABASE_URL", &url), ("BUS", "poll")]);
}

#[test]
fn stores_and_buses_that_cannot_work_are_refused_on_one_line() {
    for (variables, says) in [
        (&[("DATABASE_URL", "oracle://x")][..], "DATABASE_URL: use sqlite://FILE"),
        (&[("BUS", "pigeons")], "BUS: \"pigeons\" is none of postgres, redis, poll, none"),
        (&[("BUS", "postgres")], "BUS: "),
        (&[("BUS", "redis")], "BUS: "),
        (&[("BUS", "redis"), ("REDIS_URL", "http://x")], "BUS: "),
        (&[("TRANSACTION_POOLER", "on")], "TRANSACTION_POOLER: takes a DATABASE_URL that is postgres://"),
        (&[("TRANSACTION_POOLER", "1")], "TRANSACTION_POOLER: \"1\" is none of on, off"),
        #[cfg(feature = "postgres")]
        (
            &[("DATABASE_URL", "postgres://127.0.0.1:1/x"), ("TRANSACTION_POOLER", "on"), ("BUS", "postgres")],
            "BUS: no notification comes through a transaction pooler",
        ),
        #[cfg(feature = "mysql")]
        (&[("DATABASE_URL", "mariadb://root@127.0.0.1:1/none")], "DATABASE_URL: the session store did not answer"),
        #[cfg(feature = "redis")]
        (&[("DATABASE_URL", "rediss://127.0.0.1:1/")], "DATABASE_URL: the session store did not answer"),
        #[cfg(feature = "postgres")]
        (&[("DATABASE_URL", "postgres://postgres@127.0.0.1:1/none")], "DATABASE_URL: the session store did not answer"),
        #[cfg(feature = "mysql")]
        (&[("DATABASE_URL", "mysql://root@127.0.0.1:1/none")], "DATABASE_URL: the session store did not answer"),
        #[cfg(feature = "redis")]
        (&[("DATABASE_URL", "redis://127.0.0.1:1/")], "DATABASE_URL: the session store did not answer"),
    ] {
        let said = refused(variables);
        assert!(said.starts_with(&format!("my_devices: {says}")) && said.trim_end().lines().count() == 1, "{said}");
    }
}
