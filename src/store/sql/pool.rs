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
    sync::{Mutex, Semaphore},
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
    /// For connections that are made though nobody waits for them.
    growing: Arc<Semaphore>,
    /// Whose turn it is to have a connection that comes back, where none can be made.
    turn: Arc<Mutex<()>>,
    pace: Arc<Pace>,
    role: Arc<Role>,
}

impl<DB: Database> Clone for Connections<DB> {
    fn clone(&self) -> Self {
        let (places, growing) = (Arc::clone(&self.places), Arc::clone(&self.growing));
        let (turn, pace, role) = (Arc::clone(&self.turn), Arc::clone(&self.pace), Arc::clone(&self.role));
        Self { pool: self.pool.clone(), places, growing, turn, pace, role }
    }
}

impl<DB: Server> Connections<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    pub(super) fn new(store: &'static str, pool: Pool<DB>) -> Self {
        let places = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        let places = Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS)));
        let growing = Arc::new(Semaphore::new(AT_ONCE));
        let (turn, pace, role) = (Arc::default(), Arc::new(Pace::new()), Arc::new(Role::new(store)));
        Self { pool, places, growing, turn, pace, role }
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
        let mut may_connect = self.pace.may_connect();
        loop {
            if !may_connect {
                // In turn: who comes later must not be quicker than who is waiting.
                let turn = self.turn.lock().await;
                while !may_connect {
                    if let Some(connection) = self.idle().await {
                        return Ok(lease(connection, place));
                    }
                    sleep(TICK).await;
                    may_connect = self.pace.may_connect();
                }
                drop(turn);
            }
            match self.connect_or_idle().await {
                Ok(Some(connection)) => return Ok(lease(connection, place)),
                Ok(None) => {}
                Err(error) if DB::is_full(&error) => self.pace.pause(),
                Err(error) => return Err(error),
            }
            may_connect = self.pace.may_connect();
        }
    }

    /// `None` where others have found meanwhile that none can be made: whoever goes on trying keeps one of the pool's places to
    /// itself, and those that are given back go to others.
    async fn connect_or_idle(&self) -> Result<Option<PoolConnection<DB>>, sqlx::Error> {
        let had_none = self.pool.num_idle() == 0;
        let (mut acquiring, mut waited) = (Box::pin(self.pool.acquire()), Duration::ZERO);
        loop {
            if let Ok(acquired) = timeout(TICK, acquiring.as_mut()).await {
                if acquired.is_ok() && had_none {
                    self.pace.resume();
                }
                return acquired.map(Some);
            }
            waited += TICK;
            if waited >= IMPATIENCE {
                self.pace.pause();
            }
            let idle = self.idle().await;
            if idle.is_some() || waited >= PATIENCE && self.pace.is_paused() {
                self.finish_in_background(acquiring);
                return Ok(idle);
            }
        }
    }

    /// Lets a few connections be made that nobody waits for any more: each is idle when it comes. Where that many are under way,
    /// others need not begin.
    fn finish_in_background(
        &self,
        acquiring: impl Future<Output = Result<PoolConnection<DB>, sqlx::Error>> + Send + 'static,
    ) {
        let Ok(place) = Arc::clone(&self.growing).try_acquire_owned() else {
            return self.pace.pause();
        };
        let pace = Arc::clone(&self.pace);
        tokio::spawn(async move {
            match acquiring.await {
                Ok(_) => pace.resume(),
                Err(_) => pace.pause(),
            }
            drop(place);
        });
    }

    /// One that somebody has given back and that still answers. The pool does not try those that it is asked for so.
    async fn idle(&self) -> Option<PoolConnection<DB>> {
        let mut connection = self.pool.try_acquire()?;
        // Not by `ping`: were this future dropped before its answer is read, somebody else would read it instead of their own.
        if connection.execute(sqlx::raw_sql("SELECT 1")).await.is_err() {
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

    fn is_paused(&self) -> bool {
        self.clock.coarse() < Duration::from_millis(self.paused_until.load(Ordering::Relaxed))
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

/// How long a call waits for the connection that it makes when others have found that none can be made.
const PATIENCE: Duration = Duration::from_millis(20);

/// How long a connection may take to be made before others are kept from making more.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// How long until another connection is tried.
const PAUSE: Duration = Duration::from_millis(300);

/// How many connections are made in the background.
const AT_ONCE: usize = 2;

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
