//! How an SQL store connects.

use std::borrow::Cow;

use crate::{
    address::take_parameter,
    store::{StoreError, StoreErrorKind},
};

/// How an SQL store connects to its database, beyond what its URL says.
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "postgres")]
/// # async fn open() -> Result<(), tower_device_sessions::store::StoreError> {
/// use tower_device_sessions::store::{ConnectOptions, PostgresStore};
///
/// let options = ConnectOptions::new().max_connections(30);
/// let store = PostgresStore::connect_with("postgres://app@db.internal/app?sslmode=verify-full", options).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct ConnectOptions {
    max_connections: Option<u32>,
}

impl ConnectOptions {
    /// The defaults of the store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most connections that this store keeps open, at least 1. `?max_connections=` in the URL wins over it.
    /// Default: 10; for SQLite, the number of processors, from 2 to 8.
    ///
    /// All nodes together, and all other users of the database, have to stay below the limit of the server. Beyond it,
    /// calls wait for an existing connection, within the time for a free connection.
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections.max(1));
        self
    }

    pub(super) fn size_or(&self, default: u32) -> u32 {
        self.max_connections.unwrap_or(default)
    }

    /// These options and what a URL says of them, and the rest of the URL.
    pub(super) fn and_those_of(mut self, url: &str) -> Result<(Self, Cow<'_, str>), StoreError> {
        let (rest, size) = take_parameter(url, "max_connections");
        if let Some(size) = size {
            let size = size.parse().ok().filter(|&size: &u32| size > 0);
            let rule = "max_connections is a number of connections, from 1";
            self.max_connections = Some(size.ok_or_else(|| StoreError::new(StoreErrorKind::Location, rule))?);
        }
        Ok((self, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_wins() -> Result<(), StoreError> {
        let ours = ConnectOptions::new().max_connections(7);
        assert_eq!(ours.and_those_of("postgres://a/b")?.0.size_or(10), 7);
        let (options, rest) = ours.and_those_of("postgres://a/b?max_connections=3&sslmode=require")?;
        assert_eq!((options.size_or(10), &*rest), (3, "postgres://a/b?sslmode=require"));
        for url in ["mysql://a/b?max_connections=0", "mysql://a/b?max_connections=", "mysql://a/b?max_connections=x"] {
            assert_eq!(ours.and_those_of(url).unwrap_err().kind(), StoreErrorKind::Location, "{url}");
        }
        Ok(())
    }
}
