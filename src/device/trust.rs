//! Trust in devices: the proof that a client brings, and the secret that the trust is bound to.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{clock::Timestamp, id::DeviceId, session::Salt};

/// Which device a client has proven to be, and the secrets of the trust that was given to it.
///
/// It comes out of a [`DeviceTokens`](crate::token::DeviceTokens) token or the device cookie, and goes back into one:
/// with a sign-in ([`StartedSession::device_proof`](crate::StartedSession::device_proof)) and when a device is trusted
/// ([`TrustedDevice`](crate::manager::TrustedDevice)).
///
/// Several users may trust one device, each with a secret of its own. A proof holds the newest
/// [`MAX_SECRETS`](Self::MAX_SECRETS).
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceProof {
    id: DeviceId,
    secrets: Vec<TrustSecret>,
}

impl DeviceProof {
    /// The most secrets of trust that one device holds.
    pub const MAX_SECRETS: usize = 4;

    /// A device that nobody trusts yet.
    pub fn new(id: DeviceId) -> Self {
        Self { id, secrets: Vec::new() }
    }

    pub(crate) fn with_secrets(id: DeviceId, secrets: Vec<TrustSecret>) -> Self {
        Self { id, secrets }
    }

    /// The id.
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// The secrets, the newest first.
    pub(crate) fn secrets(&self) -> &[TrustSecret] {
        &self.secrets
    }

    /// The same device with one more secret, in place of the one that `replaced` is the hash of.
    #[must_use]
    pub(crate) fn with_secret(mut self, secret: TrustSecret, replaced: Option<&TrustHash>) -> Self {
        self.secrets.retain(|held| replaced.is_none_or(|hash| !hash.is_of(held)));
        self.secrets.insert(0, secret);
        self.secrets.truncate(Self::MAX_SECRETS);
        self
    }
}

impl fmt::Debug for DeviceProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceProof").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The secret that only a trusted device holds: 128 random bits.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TrustSecret([u8; Self::BYTES]);

impl TrustSecret {
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn random() -> Self {
        Self(*Salt::random().as_bytes())
    }

    pub(crate) const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    pub(crate) fn hash(&self) -> TrustHash {
        TrustHash(Sha256::digest(self.0).into())
    }
}

/// The hash of the secret that a trusted device holds. Nothing can be presented in place of the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TrustHash([u8; 32]);

impl TrustHash {
    /// The hash with these bytes, as a store has kept them.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compared in constant time.
    fn is_of(&self, secret: &TrustSecret) -> bool {
        let presented = secret.hash();
        self.0.iter().zip(presented.0).fold(0, |differing, (one, other)| differing | (one ^ other)) == 0
    }
}

impl fmt::Debug for TrustHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrustHash(..)")
    }
}

/// The trust that a user has given a device. It is bound to the secret with this hash, not to the device's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trust {
    /// Until when the application may skip a second factor.
    pub until: Timestamp,
    /// The hash of the secret that the device was given with the trust.
    pub hash: TrustHash,
}

impl Trust {
    /// Trust until then, in the device that holds the secret of this hash.
    pub fn new(until: Timestamp, hash: TrustHash) -> Self {
        Self { until, hash }
    }

    /// Whether it has not expired at `now`.
    pub fn lasts(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// Whether it lasts at `now`, and `proof` holds its secret.
    pub fn is_proven_by(&self, proof: &DeviceProof, now: Timestamp) -> bool {
        // Without a shortcut: how long it takes does not tell which secret it was.
        let held = proof.secrets.iter().fold(false, |held, secret| held | self.hash.is_of(secret));
        self.lasts(now) && held
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn secret(byte: u8) -> TrustSecret {
        TrustSecret::from_bytes([byte; TrustSecret::BYTES])
    }

    #[test]
    fn only_the_secret_proves_trust_and_only_for_its_time() {
        let now = Timestamp::from_seconds(1_767_225_600);
        let until = now.saturating_add(Duration::from_secs(60));
        let trust = Trust::new(until, secret(1).hash());
        let bare = DeviceProof::new(DeviceId::new());
        let proof = bare.clone().with_secret(secret(1), None).with_secret(secret(2), None);
        assert!(trust.is_proven_by(&proof, now));
        assert!(!trust.is_proven_by(&proof, until));
        assert!(!trust.is_proven_by(&bare, now));
        assert!(!trust.is_proven_by(&bare.with_secret(secret(2), None), now));
    }

    #[test]
    fn a_proof_holds_the_newest_secrets_and_one_for_each_trust() {
        let mut proof = DeviceProof::new(DeviceId::new());
        for byte in 0..6 {
            proof = proof.with_secret(secret(byte), None);
        }
        assert!(proof.secrets() == [secret(5), secret(4), secret(3), secret(2)]);
        proof = proof.with_secret(secret(9), Some(&secret(4).hash()));
        assert!(proof.secrets() == [secret(9), secret(5), secret(3), secret(2)]);
    }

    #[test]
    fn secrets_differ_and_are_never_printed() {
        let secret = TrustSecret::random();
        assert!(secret != TrustSecret::random());
        let proof = DeviceProof::new(DeviceId::new()).with_secret(secret.clone(), None);
        let trust = Trust::new(Timestamp::UNIX_EPOCH, secret.hash());
        let printed = format!("{proof:?} {trust:?}");
        assert!(
            printed.contains("TrustHash(..)") && !printed.contains(&format!("{:?}", secret.as_bytes())),
            "{printed}"
        );
    }
}
