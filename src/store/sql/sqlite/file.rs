//! The file of a database, which is for its owner only.

use std::{fs::OpenOptions, path::Path};

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
