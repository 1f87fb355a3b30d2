//! Device tokens.
//!
//! 1. A device token proves that a client is the one that was given a device id. It holds a version, the id, up to four
//!    secrets of 16 bytes that stand for the trust in the device, and a MAC over all of it, in base64url. It is no
//!    credential, and says nothing about users or sessions.
//! 2. The MAC is HMAC-SHA-256 under a key that only the server has. Its input begins with a label and a zero byte, as
//!    that of refresh tokens does, and names issuer and audience: one secret can sign all of them, and none passes for
//!    another.
//! 3. Reading is strict: one of five lengths, one spelling, the MAC first and in constant time.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::{KeyRing, TokenOptions, TokenRejection};
use crate::{
    device::{DeviceProof, TrustSecret},
    error::{ConfigError, ConfigErrorKind},
    id::DeviceId,
};

/// Issues and reads the tokens by which devices prove their identity and that they are trusted.
///
/// Browsers keep theirs in the device cookie. This is for clients without cookies: an app gets a token with each
/// sign-in, keeps the newest, and sends it with the next sign-in, where its content becomes
/// [`ClientInfo::device_proof`](crate::ClientInfo::device_proof). When the device is trusted, the app gets another
/// token, and the trust is bound to a secret in that one.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{
///     ClientInfo, Error, SessionManager,
///     token::DeviceTokens,
/// };
///
/// /// The session's token and the device's, for the app to keep.
/// async fn sign_in(
///     sessions: &SessionManager,
///     tokens: &DeviceTokens,
///     sent: Option<&str>,
/// ) -> Result<(String, Option<String>), Error> {
///     let proof = sent.and_then(|token| tokens.open(token.as_bytes()).ok());
///     let started = sessions.start("ann", ClientInfo::new().device_proof(proof)).await?;
///     let device_token = started.device_proof().and_then(|proof| tokens.issue(proof));
///     Ok((started.token().to_owned(), device_token))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct DeviceTokens {
    keys: KeyRing,
    /// What the input of the MAC begins with.
    label: Box<[u8]>,
}

impl DeviceTokens {
    /// Tokens under the secrets of `keys`, for the issuer and the audience in `options`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the keys are not secrets (HS256), or do not sign.
    pub fn new(keys: KeyRing, options: &TokenOptions) -> Result<Self, ConfigError> {
        if !Self::are_secret(&keys) {
            let message = "device tokens need a secret: an HS256 ring that signs";
            return Err(ConfigError::new(ConfigErrorKind::KeyRing, message));
        }
        Ok(Self { keys, label: options.label_for(LABEL) })
    }

    /// Whether these keys can sign device tokens.
    pub(crate) fn are_secret(keys: &KeyRing) -> bool {
        keys.signs() && keys.keys().algorithm().name() == "HS256"
    }

    /// Returns the token of a device, or `None` when the ring no longer signs.
    pub fn issue(&self, device: &DeviceProof) -> Option<String> {
        let mut bytes = Vec::with_capacity(MOST_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(device.id().as_uuid().as_bytes());
        device.secrets().iter().for_each(|secret| bytes.extend_from_slice(secret.as_bytes()));
        let mac = self.keys.keys().signer()?.sign(&self.message(&bytes)).ok()?;
        bytes.extend_from_slice(&mac);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Returns what a token proves.
    ///
    /// # Errors
    ///
    /// [`TokenRejection::Malformed`] for text that is not in the form of a token, [`TokenRejection::Signature`] for one
    /// that was not signed with one of the keys, or for another environment.
    pub fn open(&self, token: &[u8]) -> Result<DeviceProof, TokenRejection> {
        let mut bytes = [0; MOST_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).map_err(|_| TokenRejection::Malformed)?;
        let (signed, mac) = bytes[..length].split_last_chunk::<MAC_BYTES>().ok_or(TokenRejection::Malformed)?;
        let (head, secrets) = signed.split_first_chunk::<HEAD_BYTES>().ok_or(TokenRejection::Malformed)?;
        let (secrets, []) = secrets.as_chunks::<{ TrustSecret::BYTES }>() else {
            return Err(TokenRejection::Malformed);
        };
        let (message, mac) = (self.message(signed), mac.to_vec());
        if !self.keys.keys().in_order().any(|key| key.verifies(&message, &mac)) {
            return Err(TokenRejection::Signature);
        }
        let [VERSION, id @ ..] = *head else {
            return Err(TokenRejection::Malformed);
        };
        let secrets = secrets.iter().map(|secret| TrustSecret::from_bytes(*secret)).collect();
        Ok(DeviceProof::with_secrets(DeviceId::from_uuid(Uuid::from_bytes(id)), secrets))
    }

    fn message(&self, bytes: &[u8]) -> Vec<u8> {
        [&self.label, bytes].concat()
    }
}

const LABEL: &[u8] = b"tower-device-sessions device token\0";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 16;
const MAC_BYTES: usize = 32;
const MOST_BYTES: usize = HEAD_BYTES + DeviceProof::MAX_SECRETS * TrustSecret::BYTES + MAC_BYTES;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::SigningKey;

    const SECRET: &str = "a secret of the tests, of 32 bytes or more";

    fn with(secret: &str, options: &TokenOptions) -> DeviceTokens {
        DeviceTokens::new(KeyRing::hs256(secret).unwrap(), options).unwrap()
    }

    fn tokens() -> DeviceTokens {
        with(SECRET, &TokenOptions::new())
    }

    fn new_device() -> DeviceProof {
        DeviceProof::new(DeviceId::new())
    }

    fn trusted(times: usize) -> DeviceProof {
        (0..times).fold(new_device(), |proof, _| proof.with_secret(TrustSecret::random(), None))
    }

    #[test]
    fn a_token_reads_back_and_is_always_the_same() {
        for (secrets, length) in [(0, 66), (1, 87), (2, 108), (3, 130), (4, 151), (5, 151)] {
            let device = trusted(secrets);
            let token = tokens().issue(&device).unwrap();
            assert_eq!(tokens().open(token.as_bytes()), Ok(device.clone()));
            assert_eq!(tokens().issue(&device), Some(token.clone()));
            assert_ne!(tokens().issue(&new_device()), Some(token.clone()));
            assert_eq!(token.len(), length);
        }
    }

    /// S48: another secret, issuer or audience is another environment.
    #[test]
    fn a_token_of_another_environment_is_refused() {
        let token = tokens().issue(&new_device()).unwrap();
        for other in [
            with("another secret, of 32 bytes or more too", &TokenOptions::new()),
            with(SECRET, &TokenOptions::new().issuer("https://staging.example")),
            with(SECRET, &TokenOptions::new().audience("api")),
        ] {
            assert_eq!(other.open(token.as_bytes()), Err(TokenRejection::Signature));
        }
    }

    /// R40.
    #[test]
    fn tokens_outlive_the_rotation_of_the_key_and_not_its_retirement() {
        let keys = KeyRing::builder().signing_key(SigningKey::hs256(SECRET).unwrap().kid("old")).build().unwrap();
        let tokens = DeviceTokens::new(keys.clone(), &TokenOptions::new()).unwrap();
        let old = tokens.issue(&new_device()).unwrap();
        keys.rotate_to(SigningKey::hs256("another secret, of 32 bytes or more too").unwrap().kid("new")).unwrap();
        assert!(tokens.open(old.as_bytes()).is_ok());
        keys.retire("old").unwrap();
        assert_eq!(tokens.open(old.as_bytes()), Err(TokenRejection::Signature));
    }

    /// A version that is not known yet is not read as this one, however well it is signed.
    #[test]
    fn a_token_of_another_version_is_refused() {
        let tokens = tokens();
        let mut bytes = vec![VERSION + 1];
        bytes.extend_from_slice(DeviceId::new().as_uuid().as_bytes());
        let mac = tokens.keys.keys().signer().unwrap().sign(&tokens.message(&bytes)).unwrap();
        bytes.extend_from_slice(&mac);
        assert_eq!(tokens.open(URL_SAFE_NO_PAD.encode(bytes).as_bytes()), Err(TokenRejection::Malformed));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let mut token = tokens().issue(&trusted(1)).unwrap().into_bytes();
            let index = at.index(token.len());
            token[index] ^= 1 << bit;
            prop_assert!(tokens().open(&token).is_err());
        }

        #[test]
        fn any_other_length_is_refused(length in any::<prop::sample::Index>(), more in "[A-Za-z0-9_=.-]{1,90}", times in 0..5_usize) {
            let token = tokens().issue(&trusted(times)).unwrap();
            prop_assert!(tokens().open(&token.as_bytes()[..length.index(token.len())]).is_err());
            prop_assert!(tokens().open((token + &more).as_bytes()).is_err());
        }

        /// R36.
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(tokens().open(&bytes).is_err());
        }
    }
}
