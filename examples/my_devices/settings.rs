//! The settings of the server, from environment variables.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `ADDR` | where to listen | `127.0.0.1:3000` |
//! | `DATABASE_URL` | the URL of the store, see below | `sqlite://my_devices.db` |
//! | `MAX_CONNECTIONS` | the most connections to an SQL database; `?max_connections=` in its URL wins | 10 |
//! | `TRANSACTION_POOLER` | `on`: Postgres is behind a pooler in transaction mode, such as PgBouncer | `off` |
//! | `BUS` | how several processes hear of each other: `postgres`, `redis`, `poll`, `none` | what fits the store |
//! | `REDIS_URL` | the server of `BUS=redis` beside another store | `DATABASE_URL`, if that is one |
//! | `REQUEST_TIMEOUT` | how long the head of a request may take to arrive, and then its body and the answer | 10 s |
//! | `SESSION_SECRET` | the key that signs tokens, at least 32 bytes | a development key, with a warning |
//! | `ABSOLUTE_TIMEOUT` | how long a session lives | 30 days |
//! | `IDLE_TIMEOUT` | how long it may be without activity | 7 days |
//! | `CACHE_TTL` | how long a record may be used without being read again | 10 s |
//! | `ACTIVITY_INTERVAL` | how often activity is recorded at most | 60 s |
//! | `PRESET` | the lifetimes of `aal1`, `aal2`, `aal3` or `hardened`; the timeouts above win | `aal1` |
//! | `TRANSPORT` | how tokens travel over the API: `bearer`, `cookie` or `both`; the pages use cookies | `bearer` |
//! | `INSECURE_COOKIES` | `on`: no `Secure` and no prefix, for browsers that want HTTPS even on localhost | `off` |
//! | `REFRESH` | `on`: access tokens live for 10 minutes, and are refreshed | `off` |
//! | `REFRESH_GRACE` | how long a used refresh token still returns the same successor | 30 s |
//! | `OTP` | `on`: signing in takes a second factor; the six-digit code is on the log | `off` |
//! | `MAX_SESSIONS` | how many sessions an account may have, 0 for no limit | 0 |
//! | `OVER_LIMIT` | who gives way: `reject` the newcomer, the `oldest` session, the `least_recent` one | `oldest` |
//! | `SAME_DEVICE` | earlier sessions on the device of a new one: `keep`, `replace` or `join`; for the API | `keep` |
//! | `ADMIN_TOKEN` | the token for the routes below `/admin`, at least 32 bytes | none: there are no such routes |
//! | `TRUSTED_ORIGINS` | other origins whose pages may use the cookies, comma-separated | none |
//! | `PATH_PREFIX` | what public paths begin with, such as `/devices`; a proxy may strip it | nothing |
//! | `COOKIE_NAME` | the whole name of the session's cookie, such as `__Host-devices` | `__Host-session` |
//! | `TRUSTED_PROXIES` | CIDRs whose `X-Forwarded-For` is believed, comma-separated | none |
//!
//! The store is at `sqlite://FILE`, `memory:`, or `postgres`, `mysql`, `mariadb`, `redis`, `rediss`.
//! Durations are written as `500ms`, `30s`, `10m`, `14d`.

use std::{env, net::SocketAddr, time::Duration};

use tower_device_sessions::TrustedProxies;

use crate::{admin::AdminToken, limits::Limits, stores::Shared};

pub struct Settings {
    pub address: SocketAddr,
    pub request_timeout: Duration,
    pub shared: Shared,
    pub secret: Vec<u8>,
    pub absolute_timeout: Option<Duration>,
    pub idle_timeout: Option<Duration>,
    pub cache_ttl: Option<Duration>,
    pub activity_interval: Option<Duration>,
    pub preset: Preset,
    pub travel: Travel,
    pub insecure_cookies: bool,
    pub refresh: bool,
    pub refresh_grace: Option<Duration>,
    pub second_factor: SecondFactor,
    pub trusted_origins: Vec<String>,
    pub prefix: String,
    pub cookie_name: Option<String>,
    pub trusted_proxies: TrustedProxies,
    pub limits: Limits,
    pub admin: Option<AdminToken>,
}

#[derive(Clone, Copy)]
pub enum Preset {
    Aal1,
    Aal2,
    Aal3,
    Hardened,
}

#[derive(Clone, Copy)]
pub enum Travel {
    Bearer,
    Cookie,
    Both,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    None,
    Otp,
}

impl Settings {
    pub fn from_env() -> Result<Self, String> {
        let address = text("ADDR")?.unwrap_or_else(|| "127.0.0.1:3000".to_owned());
        let proxies = text("TRUSTED_PROXIES")?.unwrap_or_default();
        Ok(Self {
            address: address.parse().map_err(|_| format!("ADDR: {address:?} is not an address like 127.0.0.1:3000"))?,
            request_timeout: request_timeout()?,
            shared: Shared::from_env("sqlite://my_devices.db")?,
            secret: secret()?,
            absolute_timeout: duration("ABSOLUTE_TIMEOUT")?,
            idle_timeout: duration("IDLE_TIMEOUT")?,
            cache_ttl: duration("CACHE_TTL")?,
            activity_interval: duration("ACTIVITY_INTERVAL")?,
            preset: one_of("PRESET", PRESETS)?.unwrap_or(Preset::Aal1),
            travel: one_of("TRANSPORT", TRAVELS)?.unwrap_or(Travel::Bearer),
            insecure_cookies: insecure_cookies()?,
            refresh: is_on("REFRESH")?,
            refresh_grace: duration("REFRESH_GRACE")?,
            second_factor: if is_on("OTP")? { SecondFactor::Otp } else { SecondFactor::None },
            trusted_origins: list("TRUSTED_ORIGINS")?,
            prefix: prefix()?,
            cookie_name: text("COOKIE_NAME")?,
            trusted_proxies: proxies.parse().map_err(|error| format!("TRUSTED_PROXIES: {error}"))?,
            limits: Limits::from_env()?,
            admin: AdminToken::from_env()?,
        })
    }
}

fn request_timeout() -> Result<Duration, String> {
    match duration("REQUEST_TIMEOUT")? {
        Some(Duration::ZERO) => Err("REQUEST_TIMEOUT: within no time no request arrives".to_owned()),
        timeout => Ok(timeout.unwrap_or(Duration::from_secs(10))),
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

/// The parts between commas.
fn list(name: &str) -> Result<Vec<String>, String> {
    let text = text(name)?.unwrap_or_default();
    Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

/// A path without a slash at its end; `/` is none.
fn prefix() -> Result<String, String> {
    let text = text("PATH_PREFIX")?.unwrap_or_default();
    let prefix = text.trim_end_matches('/');
    let is_path = prefix.split('/').skip(1).all(|part| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        !part.is_empty() && part.bytes().all(is_plain)
    });
    match prefix.is_empty() || (prefix.starts_with('/') && is_path) {
        true => Ok(prefix.to_owned()),
        false => Err(format!("PATH_PREFIX: {text:?} is not a path like /devices")),
    }
}

fn insecure_cookies() -> Result<bool, String> {
    let on = is_on("INSECURE_COOKIES")?;
    if on {
        eprintln!("my_devices: WARNING: INSECURE_COOKIES is on. Whoever is on the network reads and plants cookies.");
    }
    Ok(on)
}

const PRESETS: &[(&str, Preset)] =
    &[("aal1", Preset::Aal1), ("aal2", Preset::Aal2), ("aal3", Preset::Aal3), ("hardened", Preset::Hardened)];

const TRAVELS: &[(&str, Travel)] = &[("bearer", Travel::Bearer), ("cookie", Travel::Cookie), ("both", Travel::Both)];

fn is_on(name: &str) -> Result<bool, String> {
    Ok(one_of(name, &[("on", true), ("off", false)])?.unwrap_or(false))
}

pub fn one_of<T: Copy>(name: &str, choices: &[(&str, T)]) -> Result<Option<T>, String> {
    let Some(value) = text(name)? else {
        return Ok(None);
    };
    let chosen = choices.iter().find(|(choice, _)| *choice == value);
    let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
    chosen.map(|(_, chosen)| Some(*chosen)).ok_or_else(|| format!("{name}: {value:?} is none of {}", names.join(", ")))
}

fn duration(name: &str) -> Result<Option<Duration>, String> {
    let Some(value) = text(name)? else {
        return Ok(None);
    };
    let duration = if value == "0" { Ok(Duration::ZERO) } else { humantime::parse_duration(&value) };
    duration.map(Some).map_err(|_| format!("{name}: {value:?} is not a duration like 500ms, 30s, 10m or 14d"))
}

/// The value of a variable; one that is empty counts as unset.
pub fn text(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name}: not valid UTF-8")),
    }
}
