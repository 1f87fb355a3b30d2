//! The prefix of table names, and the statements under it.

use crate::store::{StoreError, StoreErrorKind};

/// The prefix of all names in the statements and migrations as they are written, and the default.
pub(super) const DEFAULT_PREFIX: &str = "tds_";

/// Refuses a prefix that is anything but 1 to 21 lower-case letters, digits and underscores, not starting with a digit:
/// such a name needs no quotes in any dialect and leaves room for the rest of the name.
pub(super) fn check_prefix(prefix: &str) -> Result<(), StoreError> {
    let fits = (1..=21).contains(&prefix.len());
    let starts_well = !prefix.starts_with(|c: char| c.is_ascii_digit());
    let clean = prefix.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if fits && starts_well && clean {
        return Ok(());
    }
    let rule = "a table prefix is 1 to 21 lower-case letters, digits and underscores, and does not start with a digit";
    Err(StoreError::new(StoreErrorKind::Location, rule))
}

/// Refuses a URL of another kind of database, which the drivers would take for an odd one of theirs. The URL, which may
/// hold a password, is not repeated.
pub(super) fn check_scheme(url: &str, schemes: &[&str]) -> Result<(), StoreError> {
    if schemes.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(());
    }
    let rule = format!("the URL of this store starts with {}", schemes.join(" or "));
    Err(StoreError::new(StoreErrorKind::Location, rule))
}

/// The statement with its names under this prefix. Another prefix than the default leaks the text, which both lines of
/// the driver take without copying; it is done once per store.
pub(super) fn under_prefix(statement: &'static str, prefix: &str) -> &'static str {
    if prefix == DEFAULT_PREFIX {
        return statement;
    }
    statement.replace(DEFAULT_PREFIX, prefix).leak()
}

/// Declares the statements of a dialect, and `with_prefix`, which makes them for one prefix.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident: $sql:expr,)+) => {
        #[derive(Debug)]
        pub(super) struct Statements {
            $($(#[$doc])* pub(super) $name: &'static str,)+
        }

        impl Statements {
            pub(super) fn with_prefix(prefix: &str) -> Self {
                Self { $($name: crate::store::sql::names::under_prefix($sql, prefix),)+ }
            }
        }
    };
}

pub(super) use statements;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_short_plain_identifier() {
        for good in ["a", "_", "tds_", "app2_", "abcdefghijklmnopqrstu"] {
            assert!(check_prefix(good).is_ok(), "{good}");
        }
        for bad in ["", "2a", "A", "a-b", "a b", "a;", "\"", "ä", "schema.", "abcdefghijklmnopqrstuv"] {
            assert!(check_prefix(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_name_gets_the_prefix() {
        let statement = under_prefix("SELECT id FROM tds_sessions WHERE 'tds_locks'", "app_");
        assert_eq!(statement, "SELECT id FROM app_sessions WHERE 'app_locks'");
    }
}
