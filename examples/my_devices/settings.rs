//! What the server is set up with, from environment variables.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `ADDR` | where to listen | `127.0.0.1:3000` |
//! | `DATABASE_URL` | `sqlite://FILE` or `memory:` | `sqlite://my_devices.db` |
//! | `SESSION_SECRET` | the key that signs tokens, at least 32 bytes | a development key, with a warning |
//! | `ABSOLUTE_TIMEOUT` | how long a session lives | 30 days |
//! | `IDLE_TIMEOUT` | how long it may rest | 7 days |
//! | `CACHE_TTL` | how long a record may be used without being read anew | 10 s |
//! | `ACTIVITY_INTERVAL` | how often activity is recorded at most | 60 s |
//! | `TRUSTED_PROXIES` | CIDRs whose `X-Forwarded-For` is believed, comma-separated | none |
//!
//! Durations are written as `500ms`, `30s`, `10m`, `14d`.

use std::{env, net::SocketAddr, time::Duration};

use tower_device_sessions::TrustedProxies;

pub struct Settings {
    pub address: SocketAddr,
    pub store: StoreLocation,
    pub secret: Vec<u8>,
    pub absolute_timeout: Option<Duration>,
    pub idle_timeout: Option<Duration>,
    pub cache_ttl: Option<Duration>,
    pub activity_interval: Option<Duration>,
    pub trusted_proxies: TrustedProxies,
}

pub enum StoreLocation {
    Memory,
    #[cfg(feature = "sqlite")]
    Sqlite(String),
}

impl Settings {
    pub fn from_env() -> Result<Self, String> {
        let address = text("ADDR")?.unwrap_or_else(|| "127.0.0.1:3000".to_owned());
        let proxies = text("TRUSTED_PROXIES")?.unwrap_or_default();
        Ok(Self {
            address: address.parse().map_err(|_| format!("ADDR: {address:?} is not an address like 127.0.0.1:3000"))?,
            store: store()?,
            secret: secret()?,
            absolute_timeout: duration("ABSOLUTE_TIMEOUT")?,
            idle_timeout: duration("IDLE_TIMEOUT")?,
            cache_ttl: duration("CACHE_TTL")?,
            activity_interval: duration("ACTIVITY_INTERVAL")?,
            trusted_proxies: proxies.parse().map_err(|error| format!("TRUSTED_PROXIES: {error}"))?,
        })
    }
}

fn store() -> Result<StoreLocation, String> {
    let url = text("DATABASE_URL")?.unwrap_or_else(|| "sqlite://my_devices.db".to_owned());
    match url.split_once(':') {
        Some(("memory", "" | "//")) => Ok(StoreLocation::Memory),
        #[cfg(feature = "sqlite")]
        Some(("sqlite", _)) => Ok(StoreLocation::Sqlite(url)),
        #[cfg(not(feature = "sqlite"))]
        Some(("sqlite", _)) => Err("DATABASE_URL: build with `--features sqlite`, or use memory:".to_owned()),
        _ => Err("DATABASE_URL: use sqlite://FILE or memory:".to_owned()),
    }
}

fn secret() -> Result<Vec<u8>, String> {
    match env::var_os("SESSION_SECRET") {
        Some(secret) if secret.len() < 32 => {
            Err(format!("SESSION_SECRET: {} bytes are too few, at least 32 are needed", secret.len()))
        }
        Some(secret) => Ok(secret.into_encoded_bytes()),
        None => {
            eprintln!("my_devices: WARNING: SESSION_SECRET is not set. Tokens are signed with a key that everybody");
            eprintln!("my_devices: WARNING: can read in the source code. Never let this server leave your machine.");
            Ok(b"a development key that everybody knows".to_vec())
        }
    }
}

fn duration(name: &str) -> Result<Option<Duration>, String> {
    let Some(value) = text(name)? else {
        return Ok(None);
    };
    let duration = if value == "0" { Ok(Duration::ZERO) } else { humantime::parse_duration(&value) };
    duration.map(Some).map_err(|_| format!("{name}: {value:?} is not a duration like 500ms, 30s, 10m or 14d"))
}

/// The value of a variable; one that is empty counts as unset.
fn text(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name}: not valid UTF-8")),
    }
}
