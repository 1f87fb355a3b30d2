//! Under what a user's cutoff is kept: it outlives the erasure of the user, so it does not tell whose it is.

use sha2::{Digest, Sha256};

/// Stands for all users: the note that an adoption has begun.
pub(super) const EVERYBODY: [u8; 32] = [0; 32];

/// Stands for one user.
pub(super) fn subject_of(user: &str) -> [u8; 32] {
    Sha256::new().chain_update(b"tower-device-sessions cutoff\0").chain_update(user).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_for_ever() {
        let subject = subject_of("7").map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(subject, "498d8ac9a69e7fe06fd90d24c08783bef1721cea0991e0d8500b913c74b88ccc");
    }
}
