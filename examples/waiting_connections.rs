//! What a connection that waits for the end of its session costs in memory.
//!
//! ```text
//! cargo run --release --example waiting_connections
//! ```
//!
//! It signs in, lets 10,000 streams wait, and prints by how much the process has grown for each of them. It measures
//! the resident set, so it only runs on Linux.

use std::{
    error::Error,
    fs,
    pin::Pin,
    process::ExitCode,
    task::{Context, Waker},
};

use tower_device_sessions::{ClientInfo, CurrentSession, KeyRing, SessionManager, session::Ending, store::MemoryStore};

const CONNECTIONS: usize = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match measure().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waiting_connections: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<(), Box<dyn Error>> {
    let sessions = SessionManager::builder(MemoryStore::new()).keys(KeyRing::random()?).build()?;

    let mut one_each = Vec::with_capacity(CONNECTIONS);
    for user in 0..CONNECTIONS {
        one_each.push(sign_in(&sessions, user).await?);
    }
    let one_for_all = vec![sign_in(&sessions, CONNECTIONS).await?; CONNECTIONS];

    // The streams keep waiting, so that no memory is counted twice.
    let (all, bytes_for_one) = wait(&one_for_all)?;
    let (each, bytes_for_each) = wait(&one_each)?;
    println!("{CONNECTIONS} connections wait, all for one session: {bytes_for_one} bytes each");
    println!("{CONNECTIONS} connections wait, each for a session of its own: {bytes_for_each} bytes each");
    drop((all, each));
    Ok(())
}

async fn sign_in(sessions: &SessionManager, user: usize) -> Result<CurrentSession, Box<dyn Error>> {
    let started = sessions.start(format!("user {user}"), ClientInfo::new().user_agent("curl/8.5.0")).await?;
    Ok(sessions.authenticate(started.token()).await?)
}

type Waiting = Vec<Pin<Box<dyn Future<Output = Ending>>>>;

/// Lets all of them wait, as an `EndStreamsLayer` does, and returns what each of them takes.
fn wait(sessions: &[CurrentSession]) -> Result<(Waiting, usize), Box<dyn Error>> {
    let before = resident()?;
    let mut waiting: Waiting = Vec::with_capacity(sessions.len());
    for session in sessions {
        let mut ended: Pin<Box<dyn Future<Output = Ending>>> = Box::pin(session.ended());
        if ended.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return Err("a session has ended too early".into());
        }
        waiting.push(ended);
    }
    let grown = resident()?.saturating_sub(before);
    Ok((waiting, grown / sessions.len()))
}

/// The resident set, in bytes.
fn resident() -> Result<usize, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: usize = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1_024)
}
