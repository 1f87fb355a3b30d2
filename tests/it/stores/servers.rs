//! Where the database servers are that some tests need.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// The address of the server of this name: that in the environment variable, else `standard` when something answers at
/// its port on this machine. Without a server the test has nothing to do, unless `REQUIRE_STORES` names it.
pub(crate) fn url(name: &str, variable: &str, port: u16, standard: &str) -> Option<String> {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if let Ok(url) = env::var(variable) {
        return Some(url);
    }
    if TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(1)).is_ok() {
        return Some(standard.to_owned());
    }
    let required = env::var("REQUIRE_STORES").unwrap_or_default();
    assert!(!required.split(',').any(|store| store.trim() == name), "no {name} server answers on port {port}");
    if TOLD.lock().unwrap().insert(name.to_owned()) {
        // Not with `eprintln!`, which the test harness keeps to itself when a test passes.
        let _ = writeln!(io::stderr(), "not tested: {name}, no server answers on port {port} (or set {variable})");
    }
    None
}

/// A table prefix that no other test uses, now or later.
pub(crate) fn prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("t{}_{}_", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
