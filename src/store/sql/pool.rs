//! How a call gets a connection.
//!
//! 1. There are as many places as the pool may have connections, and they are given in turn.
//! 2. A call with a place takes an idle connection, or makes one. If the server takes no more of them, or that takes
//!    longer than [`IMPATIENCE`], hardly any are made for a while: calls wait for one that comes back, which will be
//!    sooner.
//! 3. Now and then, and after a failure, the server is asked for its [`Role`]. One that takes no changes, or does not
//!    answer, has its connections closed, and new ones are made: the name may lead to another server by now. If it does
//!    not, the store goes on with what there is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection, Database, Executor, Pool, error::DatabaseError, pool::PoolConnection};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{failure::failure, lease::Lease};
use crate::{
    clock::{Clock, SystemClock},
    store::{StoreError, role::Role},
};

/// A database on a server.
pub(super) trait Server: Database {
    /// Whether the server takes changes: it is neither a replica nor read-only.
    fn takes_changes(connection: &mut Self::Connection) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;

    /// Whether the server has refused a connection because it has as many as it takes.
    fn is_full(error: &sqlx::Error) -> bool;
}

/// The connections of a store.
#[derive(Debug)]
pub(super) struct Connections<DB: Database> {
    pool: Pool<DB>,
    places: Arc<Semaphore>,
    pace: Arc<Pace>,
    role: Arc<Role>,
}

impl<DB: Database> Clone for Connections<DB> {
    fn clone(&self) -> Self {
        let (places, pace, role) = (Arc::clone(&self.places), Arc::clone(&self.pace), Arc::clone(&self.role));
        Self { pool: self.pool.clone(), places, pace, role }
    }
}

impl<DB: Server> Connections<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    pub(super) fn new(store: &'static str, pool: Pool<DB>) -> Self {
        let places = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        let places = Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS)));
        Self { pool, places, pace: Arc::new(Pace::new()), role: Arc::new(Role::new(store)) }
    }

    /// How the pool connects. The application may change that of its own pool.
    pub(super) fn connect_options(&self) -> Arc<<DB::Connection as Connection>::Options> {
        self.pool.connect_options()
    }

    /// A connection, within the time that the pool has for it.
    pub(super) async fn lend(&self) -> Result<Lease<DB>, StoreError> {
        match timeout(self.pool.options().get_acquire_timeout(), self.lend_sound()).await {
            Ok(lent) => lent.map_err(failure),
            Err(_) => Err(failure(sqlx::Error::PoolTimedOut)),
        }
    }

    /// Whether what was found over this connection is so: a server that was demoted does not know of what is new. When
    /// it is not, the next call gets another connection.
    pub(super) async fn is_current(&self, lease: &mut Lease<DB>) -> bool {
        let is_demoted = matches!(DB::takes_changes(lease).await, Ok(false));
        !(is_demoted && self.role.ask_at_once())
    }

    async fn lend_sound(&self) -> Result<Lease<DB>, sqlx::Error> {
        let mut lease = self.lend_any().await?;
        if !self.role.is_due(self.pool.size()) {
            return Ok(lease);
        }
        // All that there are may lead to the old server; when it is known to be the only one, one is tried.
        let mut left = if self.role.takes_changes() { self.pool.size() + 1 } else { 1 };
        loop {
            let answer = DB::takes_changes(&mut lease).await;
            match answer {
                Ok(true) => {
                    self.role.is(true);
                    return Ok(lease);
                }
                Err(sqlx::Error::Database(error)) if says_nothing(&*error) => return Ok(lease),
                _ if left > 0 => {}
                answer => {
                    self.role.is(answer?);
                    return Ok(lease);
                }
            }
            left -= 1;
            lease.close();
            self.close_idle();
            if answer.is_ok() {
                self.role.suspect();
            }
            lease = self.lend_any().await?;
        }
    }

    /// One that is idle, that comes back meanwhile, or that is made. Where none can be made, others are kept from
    /// trying for a while.
    async fn lend_any(&self) -> Result<Lease<DB>, sqlx::Error> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let lease = |connection, place| Lease::new(connection, place, Arc::clone(&self.role));
        loop {
            if !self.pace.may_connect() {
                if let Some(connection) = self.idle().await {
                    return Ok(lease(connection, place));
                }
                sleep(TICK).await;
                continue;
            }
            match self.connect_or_idle().await {
                Err(error) if DB::is_full(&error) => self.pace.pause(),
                acquired => return acquired.map(|connection| lease(connection, place)),
            }
        }
    }

    async fn connect_or_idle(&self) -> Result<PoolConnection<DB>, sqlx::Error> {
        let had_none = self.pool.num_idle() == 0;
        let (mut acquiring, mut waited) = (Box::pin(self.pool.acquire()), Duration::ZERO);
        loop {
            if let Ok(acquired) = timeout(TICK, acquiring.as_mut()).await {
                if acquired.is_ok() && had_none {
                    self.pace.resume();
                }
                return acquired;
            }
            waited += TICK;
            if waited >= IMPATIENCE {
                self.pace.pause();
                waited = Duration::ZERO;
            }
            if let Some(connection) = self.idle().await {
                // A new connection is idle when it comes, and a waiting call takes it.
                tokio::spawn(async move { drop(acquiring.await) });
                return Ok(connection);
            }
        }
    }

    /// One that somebody has given back and that still answers. The pool does not try those that it is asked for so.
    async fn idle(&self) -> Option<PoolConnection<DB>> {
        let mut connection = self.pool.try_acquire()?;
        if connection.ping().await.is_err() {
            connection.close_on_drop();
            return None;
        }
        Some(connection)
    }

    /// Closes the connections that nobody uses.
    fn close_idle(&self) {
        for _ in 0..self.pool.size() {
            let Some(mut connection) = self.pool.try_acquire() else { return };
            connection.close_on_drop();
        }
    }
}

/// Whether a server that has refused the question may be whatever it is: it does not know what it was asked for, or is
/// in the middle of a transaction of the application's that has failed.
fn says_nothing(error: &dyn DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("25P02" | "42704" | "42883"))
}

/// Whether connections are made.
#[derive(Debug)]
struct Pace {
    clock: SystemClock,
    /// In milliseconds of the clock; 0 when there is no pause.
    paused_until: AtomicU64,
}

impl Pace {
    fn new() -> Self {
        Self { clock: SystemClock::new(), paused_until: AtomicU64::new(0) }
    }

    /// Within a pause nobody may, and one call when it is over.
    fn may_connect(&self) -> bool {
        let until = self.paused_until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        self.clock.coarse() >= Duration::from_millis(until)
            && self
                .paused_until
                .compare_exchange(until, self.after_a_pause(), Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    fn pause(&self) {
        self.paused_until.store(self.after_a_pause(), Ordering::Release);
    }

    fn resume(&self) {
        if self.paused_until.load(Ordering::Relaxed) != 0 {
            self.paused_until.store(0, Ordering::Release);
        }
    }

    fn after_a_pause(&self) -> u64 {
        u64::try_from((self.clock.coarse() + PAUSE).as_millis()).unwrap_or(u64::MAX)
    }
}

/// How long a connection may take to be made before others are kept from making more.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// How long until another connection is tried.
const PAUSE: Duration = Duration::from_millis(300);

/// How often a call looks whether one has come back.
const TICK: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_pause_one_call_tries_again() {
        let pace = Pace::new();
        assert!(pace.may_connect() && pace.may_connect());
        pace.pause();
        assert!(!pace.may_connect());
        while !pace.may_connect() {
            std::thread::yield_now();
        }
        assert!(!pace.may_connect());
        pace.resume();
        assert!(pace.may_connect() && pace.may_connect());
    }
}
