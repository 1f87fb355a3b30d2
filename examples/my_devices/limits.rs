//! How many sessions an account may have, from environment variables.

use tower_device_sessions::{
    manager::SessionManagerBuilder,
    policy::{OverLimit, SameDevice},
};

use crate::settings::{one_of, text};

pub struct Limits {
    /// 0: as many as they like.
    max_sessions: u32,
    /// Not the newcomer by default: anyone who knows the password could keep the owner out by signing in often enough.
    over: OverLimit,
    same_device: SameDevice,
}

impl Limits {
    pub fn from_env() -> Result<Self, String> {
        let max_sessions = text("MAX_SESSIONS")?.unwrap_or_else(|| "0".to_owned());
        Ok(Self {
            max_sessions: max_sessions.parse().map_err(|_| {
                format!("MAX_SESSIONS: {max_sessions:?} is not a number of sessions, or 0 for no limit")
            })?,
            over: one_of("OVER_LIMIT", OVER_LIMITS)?.unwrap_or(OverLimit::RevokeOldest),
            same_device: one_of("SAME_DEVICE", SAME_DEVICES)?.unwrap_or(SameDevice::Keep),
        })
    }

    pub fn apply(&self, builder: SessionManagerBuilder) -> SessionManagerBuilder {
        let builder = builder.same_device(self.same_device);
        if self.max_sessions == 0 {
            return builder;
        }
        builder.max_sessions(self.max_sessions, self.over)
    }
}

const OVER_LIMITS: &[(&str, OverLimit)] = &[
    ("reject", OverLimit::RejectNew),
    ("oldest", OverLimit::RevokeOldest),
    ("least_recent", OverLimit::RevokeLeastRecent),
];

const SAME_DEVICES: &[(&str, SameDevice)] =
    &[("keep", SameDevice::Keep), ("replace", SameDevice::Replace), ("join", SameDevice::Join)];
