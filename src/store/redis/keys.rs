//! The names of keys, and which of them live together.
//!
//! | key | holds |
//! | --- | --- |
//! | `tds:{7}:s:<session>:<user>` | a hash: the record |
//! | `tds:{7}:open:<user>` | a sorted set: the user's sessions without an ending, by last activity |
//! | `tds:{7}:over:<user>` | a sorted set: those with an ending, by last activity |
//! | `tds:{7}:ends` | a sorted set: the sessions of the whole shard, by when they ended or will at the latest |
//! | `tds:{7}:device:<device>:<user>` | a hash: a device |
//! | `tds:{7}:devices:<user>` | a sorted set: the user's devices, by when they were last seen |
//! | `tds:{7}:due` | a sorted set: the devices of the whole shard, by when to ask whether they are still needed |
//! | `tds:{7}:cutoff:<hash of the user>` | the user's cutoff |
//! | `tds:{7}:adoption` | the note that an adoption has begun, in each shard: any of them may be lost |
//!
//! Redis Cluster places keys by what stands in braces. Here that is the number of one of 1,024 shards, which only the
//! user's id decides: all keys of a user are on one node, and so is the shard's list of endings, which can therefore be
//! kept in the same atomic step. The user's id comes last, so that no character in it can be mistaken for anything
//! else.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};

use crate::{
    id::{DeviceId, SessionId, UserId},
    store::{StoreError, StoreErrorKind, subject::subject_of},
};

/// How many shards there are. It is part of the layout: another number would lose every record there is.
pub(super) const SHARDS: u16 = 1_024;

const LONGEST_PREFIX: usize = 64;

/// What the names of all keys begin with.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: Arc<str>,
}

impl Keys {
    /// The keys under this prefix.
    pub(super) fn new(prefix: &str) -> Result<Self, StoreError> {
        let fits = (1..=LONGEST_PREFIX).contains(&prefix.len());
        let clean = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte));
        if fits && clean {
            return Ok(Self { prefix: prefix.into() });
        }
        let rule = "a key prefix is 1 to 64 ASCII letters, digits and characters of `_-.:/`";
        Err(StoreError::new(StoreErrorKind::Location, rule))
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The keys of one user.
    pub(super) fn of<'u>(&self, user: &'u UserId) -> UserKeys<'u> {
        UserKeys { base: self.base(shard_of(user)), user: user.as_str() }
    }

    /// What the names of all keys of a shard begin with.
    pub(super) fn base(&self, shard: u16) -> String {
        format!("{}{{{shard}}}:", self.prefix)
    }

    /// A key that is never there.
    pub(super) fn none(&self) -> String {
        format!("{}none", self.base(0))
    }

    /// The endings of a shard.
    pub(super) fn ends(&self, shard: u16) -> String {
        format!("{}{{{shard}}}:ends", self.prefix)
    }

    /// The devices of a shard.
    pub(super) fn due(&self, shard: u16) -> String {
        format!("{}{{{shard}}}:due", self.prefix)
    }

    /// The note in a shard that an adoption has begun.
    pub(super) fn adoption(&self, shard: u16) -> String {
        format!("{}{{{shard}}}:adoption", self.prefix)
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self { prefix: "tds:".into() }
    }
}

/// The keys of one user.
pub(super) struct UserKeys<'u> {
    pub(super) base: String,
    user: &'u str,
}

impl UserKeys<'_> {
    pub(super) fn record(&self, id: SessionId) -> String {
        format!("{}s:{id}:{}", self.base, self.user)
    }

    pub(super) fn open(&self) -> String {
        format!("{}open:{}", self.base, self.user)
    }

    pub(super) fn over(&self) -> String {
        format!("{}over:{}", self.base, self.user)
    }

    pub(super) fn ends(&self) -> String {
        format!("{}ends", self.base)
    }

    pub(super) fn due(&self) -> String {
        format!("{}due", self.base)
    }

    pub(super) fn device(&self, id: DeviceId) -> String {
        format!("{}device:{id}:{}", self.base, self.user)
    }

    /// It outlives the erasure of the user, so it does not tell whose it is.
    pub(super) fn cutoff(&self) -> String {
        format!("{}cutoff:{}", self.base, BASE64_STANDARD_NO_PAD.encode(subject_of(self.user)))
    }

    pub(super) fn devices(&self) -> String {
        format!("{}devices:{}", self.base, self.user)
    }
}

/// The shard of a user: FNV-1a, which is the same everywhere and for ever.
pub(super) fn shard_of(user: &UserId) -> u16 {
    let hash = user
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    u16::try_from(folded % u64::from(SHARDS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_for_ever() -> Result<(), Box<dyn std::error::Error>> {
        let user = UserId::try_from("auth0|{5f7c}")?;
        let keys = Keys::default();
        let id = SessionId::from_uuid(uuid::Uuid::nil());
        assert_eq!(keys.of(&user).record(id), "tds:{974}:s:00000000-0000-0000-0000-000000000000:auth0|{5f7c}");
        assert_eq!(keys.of(&user).open(), "tds:{974}:open:auth0|{5f7c}");
        assert_eq!(keys.of(&user).ends(), keys.ends(974));
        assert_eq!(keys.of(&user).due(), keys.due(974));
        Ok(())
    }

    #[test]
    fn users_spread_evenly() {
        let mut counts = vec![0_u32; usize::from(SHARDS)];
        for user in 0..102_400_u32 {
            counts[usize::from(shard_of(&UserId::from(user)))] += 1;
        }
        assert!(counts.iter().all(|count| (50..=160).contains(count)), "{:?}", counts.iter().max());
    }

    #[test]
    fn a_prefix_holds_nothing_that_redis_would_read() {
        for good in ["tds:", "a", "app/sessions:v1:", "a.b-c_d"] {
            assert!(Keys::new(good).is_ok(), "{good}");
        }
        let too_long = "x".repeat(65);
        for bad in ["", "{tds}", "a}", "a b", "a*", "a\n", "ä", &too_long] {
            assert!(Keys::new(bad).is_err(), "{bad}");
        }
    }
}
