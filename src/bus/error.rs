//! The error of a bus.

use std::{error::Error as StdError, fmt};

/// Why an operation of a bus failed.
#[derive(Debug)]
pub struct BusError {
    kind: BusErrorKind,
    source: Box<dyn StdError + Send + Sync>,
}

/// The kinds of [`BusError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusErrorKind {
    /// What carries the messages did not answer, or refused.
    Unavailable,
    /// The address, or the name of the channel, is not valid.
    Location,
}

impl BusError {
    /// An error of this kind, caused by `source`.
    pub fn new(kind: BusErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// What carries the messages did not answer, or refused.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(BusErrorKind::Unavailable, source)
    }

    /// The kind of this error.
    pub fn kind(&self) -> BusErrorKind {
        self.kind
    }
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            BusErrorKind::Unavailable => "the bus between nodes did not answer",
            BusErrorKind::Location => "the location of the bus between nodes is not valid",
        })
    }
}

impl StdError for BusError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
