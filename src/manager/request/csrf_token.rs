//! Tokens for the forms of a session.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::manager::request::current::CurrentSession;

/// # Tokens in forms
///
/// Requests that are authenticated by a cookie are checked for their origin, which needs no tokens. These are for
/// applications for which a standard requires them (NIST SP 800-63B-4 §5.1).
impl CurrentSession {
    /// Returns a token for the session's forms and requests, to be sent back in a field or a header of its own. It
    /// stays the same as long as the session lives. It is worth nothing without the session's cookie, and useless in
    /// another session.
    pub fn csrf_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.csrf_mac().finalize().into_bytes())
    }

    /// Whether `presented` is the session's [`csrf_token`](Self::csrf_token), compared in constant time.
    pub fn is_csrf_token(&self, presented: &str) -> bool {
        URL_SAFE_NO_PAD.decode(presented).is_ok_and(|mac| self.csrf_mac().verify_slice(&mac).is_ok())
    }

    fn csrf_mac(&self) -> Hmac<Sha256> {
        let session = self.session();
        // HMAC pads a short key with zeros to the length of a block (RFC 2104 §2).
        let mut key = [0; 64];
        key[..16].copy_from_slice(session.tokens.salt.as_bytes());
        let mac = Hmac::<Sha256>::new(&key.into());
        mac.chain_update(b"tower-device-sessions csrf token\0").chain_update(session.id.as_uuid().as_bytes())
    }
}
