//! Seals: prove that a message between nodes comes from a holder of the secret.
//!
//! A seal is HMAC-SHA-256 under a secret of the ring, in base64url. Its input begins with a label and a zero byte,
//! which no JWT does, and names issuer, audience and realm, so it is useless elsewhere.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{DeviceTokens, KeyRing, TokenOptions};
use crate::error::{ConfigError, ConfigErrorKind};

/// Seals texts, and tells whether one was sealed.
#[derive(Clone, Debug)]
pub(crate) struct Seals {
    keys: KeyRing,
    /// What the input of the MAC begins with.
    label: Box<[u8]>,
}

impl Seals {
    /// # Errors
    ///
    /// Keys that are public, or do not sign.
    pub(crate) fn new(keys: KeyRing, options: &TokenOptions, realm: &str) -> Result<Self, ConfigError> {
        if !DeviceTokens::are_secret(&keys) {
            let message = "messages between nodes are sealed with a secret: give `bus_keys` an HS256 ring that signs";
            return Err(ConfigError::new(ConfigErrorKind::KeyRing, message));
        }
        let label = [&options.label_for(LABEL), realm.as_bytes(), b"\0"].concat().into();
        Ok(Self { keys, label })
    }

    /// Returns the seal of a text, or `None` when the ring no longer signs.
    pub(crate) fn seal(&self, text: &str) -> Option<String> {
        let mac = self.keys.keys().signer()?.sign(&self.message(text)).ok()?;
        Some(URL_SAFE_NO_PAD.encode(mac))
    }

    /// Whether `seal` is that of the text, under any key of the ring.
    pub(crate) fn is_sealed(&self, text: &str, seal: &str) -> bool {
        let Ok(mac) = URL_SAFE_NO_PAD.decode(seal) else {
            return false;
        };
        let message = self.message(text);
        self.keys.keys().in_order().any(|key| key.verifies(&message, &mac))
    }

    fn message(&self, text: &str) -> Vec<u8> {
        [&self.label, text.as_bytes()].concat()
    }
}

const LABEL: &[u8] = b"tower-device-sessions message between nodes\0";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::SigningKey;

    const SECRET: &str = "a secret of the tests, of 32 bytes or more";

    fn seals(secret: &str, options: &TokenOptions, realm: &str) -> Seals {
        Seals::new(KeyRing::hs256(secret).unwrap(), options, realm).unwrap()
    }

    #[test]
    fn a_seal_is_good_for_its_text_its_secret_and_its_realm() {
        let ours = seals(SECRET, &TokenOptions::new(), "a");
        let seal = ours.seal("text").unwrap();
        assert!(ours.is_sealed("text", &seal));
        for (seals, text) in [
            (ours.clone(), "texts"),
            (seals("another secret, of 32 bytes or more too", &TokenOptions::new(), "a"), "text"),
            (seals(SECRET, &TokenOptions::new().issuer("i"), "a"), "text"),
            (seals(SECRET, &TokenOptions::new(), "b"), "text"),
        ] {
            assert!(!seals.is_sealed(text, &seal));
        }
        for seal in ["", "!", "AAAA", &seal[..42], &"A".repeat(43)] {
            assert!(!ours.is_sealed("text", seal), "{seal}");
        }
    }

    #[test]
    fn seals_outlive_the_rotation_of_the_key() {
        let keys = KeyRing::builder().signing_key(SigningKey::hs256(SECRET).unwrap().kid("old")).build().unwrap();
        let seals = Seals::new(keys.clone(), &TokenOptions::new(), "a").unwrap();
        let old = seals.seal("text").unwrap();
        keys.rotate_to(SigningKey::hs256("another secret, of 32 bytes or more too").unwrap().kid("new")).unwrap();
        assert!(seals.is_sealed("text", &old) && seals.is_sealed("text", &seals.seal("text").unwrap()));
        keys.retire("old").unwrap();
        assert!(!seals.is_sealed("text", &old));
    }
}
