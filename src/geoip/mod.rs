//! Places from databases in MaxMind's format: GeoLite2, GeoIP2, DB-IP, IPinfo and their kin.
//!
//! 1. A database is read into memory, from bytes or from a file. No database is shipped with this crate.
//! 2. Input that is no database is an error. A record that turns out to be broken later only costs the place.
//! 3. Private, local and shared addresses have no place, and are not looked up.
//! 4. The city, the region and the country are read, and no other part of a record, however large it is.

mod error;
mod record;

pub use self::error::{GeoIpError, GeoIpErrorKind};

use std::{
    borrow::Cow,
    fmt, fs,
    io::Read,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use crate::{
    clock::Timestamp,
    location::{Locate, Location},
};

/// Finds places in a database, which can be replaced while the server runs.
///
/// Cloning is cheap, and all clones have one database: keep one to [`reload`](Self::reload) it.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`language`](Self::language) | `en` |
/// | [`attribution`](Self::attribution) | what GeoLite, DB-IP Lite and IPinfo Lite require, else nothing |
///
/// # Examples
///
/// ```no_run
/// use tower_device_sessions::{KeyRing, SessionManager, geoip::GeoIp, store::MemoryStore};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let places = GeoIp::from_path("/var/lib/GeoIP/GeoLite2-City.mmdb")?;
/// let sessions = SessionManager::builder(MemoryStore::new())
///     .keys(KeyRing::random()?)
///     .locate(places.clone())
///     .build()?;
///
/// // Whenever the file has been updated:
/// tokio::task::spawn_blocking(move || places.reload()).await??;
/// # let _ = sessions;
/// # Ok(())
/// # }
/// ```
///
/// The file must be replaced as a whole, by renaming a new one over it, as MaxMind's updater does.
#[derive(Clone)]
#[must_use]
pub struct GeoIp {
    database: Arc<RwLock<Option<Arc<Database>>>>,
    path: Option<Arc<Path>>,
    language: Cow<'static, str>,
    attribution: Option<Cow<'static, str>>,
}

type Database = maxminddb::Reader<Vec<u8>>;

impl GeoIp {
    /// The largest database that is read, in bytes.
    pub const LARGEST: u64 = 1 << 30;

    /// No database, until [`replace`](Self::replace) brings one: nothing has a place.
    pub fn empty() -> Self {
        Self { database: Arc::default(), path: None, language: Cow::Borrowed(ENGLISH), attribution: None }
    }

    /// The database in `bytes`.
    ///
    /// # Errors
    ///
    /// [`GeoIpError`] when it is no database, or a broken one.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, GeoIpError> {
        let places = Self::empty();
        places.replace(bytes)?;
        Ok(places)
    }

    /// The database in a file. It is read at once, which blocks.
    ///
    /// # Errors
    ///
    /// [`GeoIpError`] when the file cannot be read, or holds no database.
    pub fn from_path(path: impl Into<PathBuf>) -> Result<Self, GeoIpError> {
        let path = path.into();
        let mut places = Self::from_bytes(read(&path)?)?;
        places.path = Some(Arc::from(path));
        Ok(places)
    }

    /// The language of the names, by its code in the database, such as `de`. Names that it does not have come in
    /// English. Default: `en`.
    pub fn language(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.language = code.into();
        self
    }

    /// What has to be shown beside a place. Default: what the licences of the free databases ask for.
    pub fn attribution(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.attribution = Some(text.into());
        self
    }

    /// Uses another database from now on, in all clones too.
    ///
    /// # Errors
    ///
    /// [`GeoIpError`] when `bytes` are no database. The old one then stays.
    pub fn replace(&self, bytes: impl Into<Vec<u8>>) -> Result<(), GeoIpError> {
        let database = maxminddb::Reader::from_source(bytes.into()).map_err(GeoIpError::corrupt)?;
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(database));
        Ok(())
    }

    /// Reads the file again. This blocks: in asynchronous code it belongs into `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// [`GeoIpError`] when the file cannot be read or holds no database, and when there is no file because it was not
    /// opened by [`from_path`](Self::from_path). The old database then stays.
    pub fn reload(&self) -> Result<(), GeoIpError> {
        let path = self.path.as_deref().ok_or_else(GeoIpError::no_path)?;
        self.replace(read(path)?)
    }

    /// When the database was built, as it says; `None` when there is none.
    pub fn built_at(&self) -> Option<Timestamp> {
        let seconds = i64::try_from(self.database()?.metadata().build_epoch).ok()?;
        Some(Timestamp::from_seconds(seconds))
    }

    fn database(&self) -> Option<Arc<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Locate for GeoIp {
    fn locate(&self, ip: IpAddr) -> Option<Location> {
        let ip = ip.to_canonical();
        if !is_public(ip) {
            return None;
        }
        let database = self.database()?;
        // A database for IPv4 only knows no other addresses, and a broken record is for its maker to mend.
        let record = database.lookup(ip).ok()?;
        let place = record::read(&record, &self.language);
        (!place.is_empty()).then_some(place)
    }

    fn attribution(&self) -> Option<Cow<'_, str>> {
        if let Some(text) = &self.attribution {
            return (!text.is_empty()).then_some(Cow::Borrowed(&**text));
        }
        let database = self.database()?;
        let kind = database.metadata().database_type.to_ascii_lowercase();
        ATTRIBUTIONS.iter().find(|(prefix, _)| kind.starts_with(prefix)).map(|(_, text)| Cow::Borrowed(*text))
    }
}

impl fmt::Debug for GeoIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.database();
        let kind = database.as_ref().map(|database| &database.metadata().database_type);
        f.debug_struct("GeoIp").field("database", &kind).field("path", &self.path).finish_non_exhaustive()
    }
}

/// Reads a regular file that is not too large, however large it says it is.
fn read(path: &Path) -> Result<Vec<u8>, GeoIpError> {
    let file = fs::File::open(path).map_err(GeoIpError::unreadable)?;
    let about = file.metadata().map_err(GeoIpError::unreadable)?;
    if !about.is_file() {
        return Err(GeoIpError::not_a_file());
    }
    let mut bytes = Vec::new();
    file.take(GeoIp::LARGEST + 1).read_to_end(&mut bytes).map_err(GeoIpError::unreadable)?;
    if bytes.len() as u64 > GeoIp::LARGEST {
        return Err(GeoIpError::too_large());
    }
    Ok(bytes)
}

/// Whether an address may be anywhere in particular.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            let local = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.octets()[0] == 0;
            !(shared || local || ip.is_broadcast() || ip.is_multicast())
        }
        IpAddr::V6(ip) => {
            let local = ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local();
            !(local || ip.is_multicast())
        }
    }
}

const ENGLISH: &str = "en";

/// What licences ask for, by how the type of a database begins.
const ATTRIBUTIONS: [(&str, &str); 3] = [
    ("geolite", "This product includes GeoLite data created by MaxMind, available from https://www.maxmind.com."),
    ("dbip", "IP geolocation by DB-IP, https://db-ip.com."),
    ("ipinfo", "IP address data powered by IPinfo, https://ipinfo.io."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_looked_up() {
        let is = |text: &str| is_public(text.parse().expect("an address"));
        for public in ["81.2.69.142", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2001:218::1"] {
            assert!(is(public), "{public}");
        }
        for other in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fd00::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
