//! What the cache takes, and whether it keeps its bound.

use serde_json::json;
use tower_device_sessions::{ClientInfo, SessionManager, clock::ManualClock, device::ClientHints, store::MemoryStore};

use crate::{
    Failure, Pace, allocations,
    figures::{Figures, heading},
    ours,
};

pub async fn run(pace: Pace, figures: &mut Figures) -> Result<(), Failure> {
    let count = pace.pick(20_000, 100_000);
    heading("Memory, in bytes that were asked for");
    for (name, client) in [
        ("memory_per_session_bytes", ClientInfo::new()),
        ("memory_per_session_with_device_bytes", ClientInfo::new().user_agent(ours::CHROME)),
    ] {
        let sessions = manager(1 << 40)?;
        let tokens = tokens(&sessions, count, &client).await?;
        let length = tokens.iter().map(String::len).sum::<usize>() as f64 / tokens.len() as f64;
        // The first request sets things up that are not per session.
        sessions.authenticate(&tokens[0]).await?;
        let before = allocations::live_bytes();
        for token in &tokens[1..] {
            sessions.authenticate(token).await?;
        }
        let each = (allocations::live_bytes() - before) as f64 / (tokens.len() - 1) as f64;
        println!("{each:.0} for each of {count} sessions with one token of {length:.0} bytes ({name})");
        figures.add(name, each);
    }

    let capacity = 4 << 20;
    let hints = ClientHints::from_compact(HINTS);
    let mut flooded_by = Vec::new();
    for (name, client) in [
        ("flood_of_sessions_over_capacity", ClientInfo::new().user_agent(ours::CHROME)),
        ("flood_of_bare_sessions_over_capacity", ClientInfo::new()),
        ("flood_of_sessions_with_hints_over_capacity", ClientInfo::new().user_agent(ours::CHROME).hints(hints)),
    ] {
        let sessions = manager(capacity)?;
        let tokens = tokens(&sessions, count, &client).await?;
        sessions.authenticate(&tokens[0]).await?;
        let before = allocations::live_bytes();
        for token in &tokens[1..] {
            sessions.authenticate(token).await?;
        }
        let flooded = allocations::live_bytes() - before;
        println!("{flooded} after a flood of {count} valid sessions, of {capacity} allowed ({name})");
        figures.add(name, flooded as f64 / capacity as f64);
        flooded_by.push((sessions, tokens));
    }
    let Some((sessions, tokens)) = flooded_by.first() else { return Ok(()) };

    let before = allocations::live_bytes();
    for number in 0..count {
        let garbage = format!("{}.{number:024}", tokens[0].rsplit_once('.').map_or("", |(message, _)| message));
        if sessions.authenticate(&garbage).await.is_ok() {
            return Err("garbage was accepted".into());
        }
    }
    let left = allocations::live_bytes() - before;
    println!("{left} after a flood of {count} forged tokens");
    figures.add("flood_of_garbage_bytes", left as f64);
    Ok(())
}

fn manager(capacity: u64) -> Result<SessionManager, Failure> {
    Ok(ours::manager(MemoryStore::new())?.clock(ManualClock::new()).cache_capacity(capacity).build()?)
}

/// What a Chrome on Windows says when it is asked.
const HINTS: &str = "brands=\"Google Chrome\";v=\"131\", \"Chromium\";v=\"131\", \"Not_A Brand\";v=\"24\"|mobile=?0|platform=\"Windows\"\
                     |version=\"15.0.0\"|model=\"\"|form=\"Desktop\"";

/// Tokens of about 300 bytes, each of a session of its own.
async fn tokens(sessions: &SessionManager, count: usize, client: &ClientInfo) -> Result<Vec<String>, Failure> {
    let mut tokens = Vec::with_capacity(count);
    for number in 0..count {
        let started = sessions.start(1_000_000 + number as u64, client.clone()).claims(&json!({ "tenant": "acme", "locale": "en-GB-oxendict" }));
        tokens.push(started.await?.token().to_owned());
    }
    Ok(tokens)
}
