//! Which nodes belong together and share a channel.

use std::fmt;

use sha2::{Digest, Sha256};

/// Which nodes belong together: those whose stores have the same prefix, and whose tokens have the same issuer and
/// audience.
///
/// Unrelated applications may share one server. A channel that is named after the realm keeps their messages apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Realm(Box<str>);

impl Realm {
    /// The nodes with this prefix, issuer and audience.
    pub fn new(store_prefix: &str, issuer: Option<&str>, audience: Option<&str>) -> Self {
        let mut hash = Sha256::new().chain_update(b"tower-device-sessions realm\0");
        for part in [Some(store_prefix), issuer, audience] {
            let length = part.map_or(0, |part| part.len() as u64 + 1);
            hash.update(length.to_be_bytes());
            hash.update(part.unwrap_or_default());
        }
        let digits = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
        Self(digits.into())
    }

    /// Sixteen lower-case hexadecimal digits, for the name of a channel.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_makes_another_realm() {
        let realms = [
            Realm::new("tds_", None, None),
            Realm::new("tds_", Some(""), None),
            Realm::new("tds_", Some("a"), None),
            Realm::new("tds_", None, Some("a")),
            Realm::new("tds_", Some("a"), Some("a")),
            Realm::new("tds_a", None, None),
            Realm::new("", Some("tds_"), None),
        ];
        let different: std::collections::HashSet<_> = realms.iter().collect();
        assert_eq!(different.len(), realms.len());
        assert!(realms.iter().all(|realm| realm.as_str().len() == 16));
    }

    /// The nodes of a fleet that is being deployed run two versions of this.
    #[test]
    fn the_name_is_for_ever() {
        assert_eq!(Realm::new("tds_", Some("https://a.example"), None).as_str(), "6504c284a2a9d91d");
    }
}
