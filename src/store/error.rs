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
    /// The schema could not be created or is not there, or the database's user lacks a right to it.
    Schema,
    /// The store answers, but is unsuitable: it takes no changes, is too old, or is set up in a way that harms
    /// sessions. The source says which.
    Unsuitable,
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

    /// An error of this kind, with a hint at what to do about its source.
    #[cfg(any(feature = "mysql", feature = "postgres", feature = "redis", feature = "sqlite"))]
    pub(super) fn hinted(
        kind: StoreErrorKind,
        hint: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::new(kind, Hinted { hint, source: source.into() })
    }

    /// Returns the driver's error, if it is of this type.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(super) fn driver_error<E: StdError + 'static>(&self) -> Option<&E> {
        let source = self.source()?;
        source.downcast_ref().or_else(|| source.downcast_ref::<Hinted>()?.source.downcast_ref())
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
            StoreErrorKind::Unsuitable => "the session store cannot be used as it is",
            StoreErrorKind::Location => "the session store's location is not valid",
        })
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis", feature = "sqlite"))]
#[derive(Debug)]
struct Hinted {
    hint: &'static str,
    source: Box<dyn StdError + Send + Sync>,
}

#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis", feature = "sqlite"))]
impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hint)
    }
}

#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis", feature = "sqlite"))]
impl StdError for Hinted {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
