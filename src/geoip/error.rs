//! The error of a database of places.

use std::{error::Error, fmt, io};

/// A database of places that cannot be used.
#[derive(Debug)]
pub struct GeoIpError {
    kind: GeoIpErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`GeoIpError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeoIpErrorKind {
    /// The file cannot be read, or there is none to read.
    Unreadable,
    /// The file is larger than [`GeoIp::LARGEST`](crate::geoip::GeoIp::LARGEST).
    TooLarge,
    /// It is not a database in MaxMind's format, or is a broken one.
    Corrupt,
    /// It tells of other things than places, such as the owners of networks.
    NoPlaces,
}

impl GeoIpError {
    /// The kind of this error.
    pub fn kind(&self) -> GeoIpErrorKind {
        self.kind
    }

    pub(super) fn unreadable(error: io::Error) -> Self {
        Self { kind: GeoIpErrorKind::Unreadable, source: Some(error.into()) }
    }

    pub(super) fn not_a_file() -> Self {
        Self { kind: GeoIpErrorKind::Unreadable, source: Some("it is no regular file".into()) }
    }

    pub(super) fn no_path() -> Self {
        Self { kind: GeoIpErrorKind::Unreadable, source: Some("it was not opened by its path".into()) }
    }

    pub(super) fn too_large() -> Self {
        Self { kind: GeoIpErrorKind::TooLarge, source: None }
    }

    pub(super) fn no_places(kind: &str) -> Self {
        Self { kind: GeoIpErrorKind::NoPlaces, source: Some(format!("it is of the type {kind:?}").into()) }
    }

    pub(super) fn corrupt(error: maxminddb::MaxMindDbError) -> Self {
        Self { kind: GeoIpErrorKind::Corrupt, source: Some(Box::new(error)) }
    }
}

impl fmt::Display for GeoIpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            GeoIpErrorKind::Unreadable => "the database of places cannot be read",
            GeoIpErrorKind::TooLarge => "the database of places is larger than 1 GiB",
            GeoIpErrorKind::NoPlaces => "the database has no places; it takes one of cities or countries",
            GeoIpErrorKind::Corrupt => "not a database of places in MaxMind's format, or a broken one",
        })
    }
}

impl Error for GeoIpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
