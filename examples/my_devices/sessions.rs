//! How the session manager is set up, from the settings.

use tower_device_sessions::{
    KeyRing, SessionManager, SessionPolicy,
    credentials::{CookieOptions, Transport},
    manager::RefreshPolicy,
};

use crate::settings::{Preset, Settings, Travel};

/// A session manager, and the keys of its tokens.
pub struct Opened {
    pub sessions: SessionManager,
    pub keys: KeyRing,
}

/// Opens the store and the bus, and puts a session manager on top.
pub async fn open(settings: &Settings) -> Result<Opened, String> {
    let keys = KeyRing::hs256(&settings.secret).map_err(|error| format!("SESSION_SECRET: {error}"))?;
    let builder = settings
        .shared
        .open()
        .await?
        .keys(keys.clone())
        .policy(policy(settings))
        .transport(transport(settings))
        .trusted_origins(settings.trusted_origins.clone())
        .trusted_proxies(settings.trusted_proxies.clone())
        // No credential, and so of use where tokens travel in headers too.
        .device_cookie(keys.clone());
    let mut builder = settings.limits.apply(builder);
    if let Some(refresh) = refresh(settings) {
        builder = builder.refresh(refresh);
    }
    if let Some(ttl) = settings.cache_ttl {
        builder = builder.cache_ttl(ttl);
    }
    if let Some(interval) = settings.activity_interval {
        builder = builder.activity_interval(interval);
    }
    let sessions = builder.build().map_err(|error| error.to_string())?;
    Ok(Opened { sessions, keys })
}

fn policy(settings: &Settings) -> SessionPolicy {
    let mut policy = match settings.preset {
        Preset::Aal1 => SessionPolicy::aal1(),
        Preset::Aal2 => SessionPolicy::aal2(),
        Preset::Aal3 => SessionPolicy::aal3(),
        Preset::Hardened => SessionPolicy::hardened(),
    };
    if let Some(timeout) = settings.absolute_timeout {
        policy = policy.absolute_timeout(timeout);
    }
    if let Some(timeout) = settings.idle_timeout {
        policy = policy.idle_timeout(timeout);
    }
    policy
}

fn transport(settings: &Settings) -> Transport {
    let mut cookie = CookieOptions::new();
    if let Some(name) = &settings.cookie_name {
        cookie = cookie.name(name);
    }
    if settings.insecure_cookies {
        cookie = cookie.insecure_localhost();
    }
    match settings.travel {
        Travel::Cookie => Transport::Cookie(cookie),
        // The pages need cookies in any case; `main` says what the API takes.
        Travel::Bearer | Travel::Both => Transport::Both(cookie),
    }
}

fn refresh(settings: &Settings) -> Option<RefreshPolicy> {
    let policy = RefreshPolicy::new();
    settings.refresh.then(|| match settings.refresh_grace {
        Some(grace) => policy.grace(grace),
        None => policy,
    })
}
