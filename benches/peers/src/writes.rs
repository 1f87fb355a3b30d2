//! Last activity: ten thousand sessions, written at once.

use std::time::{Duration, Instant};

use tower_device_sessions::{
    ClientInfo,
    clock::ManualClock,
    store::{PostgresStore, SessionStore, SqliteStore},
};

use crate::{
    Failure,
    figures::{Figures, heading},
    ours,
    tutorial::{Scratch, postgres_url},
};

const SESSIONS: u64 = 10_000;

pub async fn run(figures: &mut Figures) -> Result<(), Failure> {
    heading("Writing the activity of 10,000 sessions");
    let sqlite = SqliteStore::connect(&Scratch::new("writes")?.url()).await?;
    let taken = flush(sqlite).await?;
    println!("SQLite {} ms", taken.as_millis());
    figures.add("flush_sqlite_ms", taken.as_secs_f64() * 1_000.0);

    match PostgresStore::connect(&postgres_url()).await {
        Ok(postgres) => {
            let taken = flush(postgres.table_prefix("peers_")?).await?;
            println!("Postgres {} ms", taken.as_millis());
            figures.add("flush_postgres_ms", taken.as_secs_f64() * 1_000.0);
        }
        Err(error) => println!("no Postgres at {}: {error}", postgres_url()),
    }
    Ok(())
}

async fn flush(store: impl SessionStore) -> Result<Duration, Failure> {
    store.migrate().await?;
    let clock = ManualClock::new();
    // Nothing is written but when it is asked for.
    let interval = Duration::from_secs(600);
    let sessions = ours::manager(store)?
        .clock(clock.clone())
        .activity_interval(interval)
        .flush_interval(interval)
        .store_deadline(Duration::from_secs(30))
        .build()?;
    let mut tokens = Vec::new();
    for number in 0..SESSIONS {
        tokens.push(sessions.start(number, ClientInfo::new()).await?.token().to_owned());
    }
    let mut least = Duration::MAX;
    for _ in 0..3 {
        clock.advance(interval);
        for token in &tokens {
            sessions.authenticate(token).await?;
        }
        let start = Instant::now();
        if !sessions.flush_activity().await {
            return Err("the store did not take the activity".into());
        }
        least = least.min(start.elapsed());
    }
    Ok(least)
}
