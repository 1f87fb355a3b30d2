//! The error of a store.

use std::{error::Error as StdError, fmt};

/// Why an operation of a store failed.
///
/// It is for logs: clients learn only that the store was unavailable.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store did not answer, or refused. Whether a change was applied is not known.
    Unavailable,
    /// A record could not be read.
    Corrupt,
    /// The schema could not be created or is not there.
    Schema,
    /// The location of the store is not valid.
    Location,
}

impl StoreError {
    /// An error of this kind, caused by `source`.
    pub fn new(kind: StoreErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// The store did not answer, or refused.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StoreErrorKind::Unavailable, source)
    }

    /// A record could not be read.
    pub fn corrupt(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StoreErrorKind::Corrupt, source)
    }

    /// The kind of this error.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Unavailable => "the session store did not answer",
            StoreErrorKind::Corrupt => "a session record could not be read",
            StoreErrorKind::Schema => "the session store's schema could not be prepared",
            StoreErrorKind::Location => "the session store's location is not valid",
        })
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}
