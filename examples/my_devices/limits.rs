//! How many sessions an account may have, from environment variables.

use tower_device_sessions::{
    manager::SessionManagerBuilder,
    policy::{OverLimit, SameDevice},
};

use crate::settings::text;

pub struct Limits {
    /// 0: as many as they like.
    max_sessions: u32,
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
            over: match text("OVER_LIMIT")?.as_deref() {
                None | Some("reject") => OverLimit::RejectNew,
                Some("oldest") => OverLimit::RevokeOldest,
                Some("least_recent") => OverLimit::RevokeLeastRecent,
                Some(other) => return Err(format!("OVER_LIMIT: {other:?} is not reject, oldest or least_recent")),
            },
            same_device: match text("SAME_DEVICE")?.as_deref() {
                None | Some("keep") => SameDevice::Keep,
                Some("replace") => SameDevice::Replace,
                Some(other) => return Err(format!("SAME_DEVICE: {other:?} is not keep or replace")),
            },
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
