//! The file of a database: it is for its owner only, and still the one that is open.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    clock::{Clock, SystemClock},
    logging,
    store::{StoreError, StoreErrorKind},
};

/// The file that the connections have open, and whether it is still the one at its path.
///
/// SQLite does not notice when it is removed or replaced: it goes on with the file that nobody else sees any more, and
/// a restart undoes all that was written to it, revocations too.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    opened: Identity,
    is_told: AtomicBool,
    clock: SystemClock,
    look_again_at: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(u64, u64);

impl File {
    /// The file at `path`, which is open.
    pub(super) fn opened(path: PathBuf) -> io::Result<Self> {
        let opened = identity(&path)?;
        let look_again_at = AtomicU64::new(0);
        Ok(Self { path, opened, is_told: AtomicBool::new(false), clock: SystemClock::new(), look_again_at })
    }

    /// Refuses a change that nobody would find again.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.is_there() {
            return Ok(());
        }
        let told = "the database's file was removed or replaced while it was open: restart this process";
        Err(StoreError::new(StoreErrorKind::Unsuitable, told))
    }

    /// Whether it was gone when somebody looked last, which is done now and then, so that it is told when nothing is
    /// changed for long.
    pub(super) fn was_gone(&self) -> bool {
        let now = seconds(self.clock.coarse());
        let due = self.look_again_at.load(Ordering::Relaxed);
        let next = now + seconds(LOOK_EVERY);
        if now >= due && self.look_again_at.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.is_there();
        }
        self.is_told.load(Ordering::Relaxed)
    }

    fn is_there(&self) -> bool {
        let is_there = match identity(&self.path) {
            Ok(found) => found == self.opened,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        if !is_there && !self.is_told.swap(true, Ordering::Relaxed) {
            logging::store_replaced("sqlite");
        }
        is_there
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;

    let found = fs::metadata(path)?;
    Ok(Identity(found.dev(), found.ino()))
}

/// Elsewhere a file that is open cannot be replaced.
#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|_| Identity(0, 0))
}

/// Creates the file for its owner only, if it is not there; SQLite gives the files beside it the same rights. When this
/// fails, opening the database will tell why.
#[cfg(unix)]
pub(super) fn create_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;

    let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

/// Elsewhere a file has the rights of its folder.
#[cfg(not(unix))]
pub(super) fn create_private(path: &Path) {
    let _ = OpenOptions::new().write(true).create_new(true).open(path);
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs()
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
