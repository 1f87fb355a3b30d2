//! Refresh tokens.
//!
//! 1. A refresh token is opaque to clients. It holds a version, the session, its user, a generation, the application's
//!    claims for the next access token, and a MAC over all of it, in base64url.
//! 2. The MAC is HMAC-SHA-256 under a key that only the server has. Its input begins with a label and a zero byte,
//!    which no JWT does, so one secret can do both. It names issuer and audience, so the token is useless elsewhere.
//! 3. The token is bound to the random salt of its session, of which it holds a fingerprint. Neither a copy of the
//!    database nor the key is enough on its own to make one.
//! 4. Each generation of a session has exactly one token, however often it is issued.
//! 5. Reading is strict, and the MAC comes first: a foreign token costs no look-up.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{KeyRing, TokenOptions, TokenRejection, gate::TOKEN_BYTES_MAX};
use crate::{
    error::{ConfigError, ConfigErrorKind},
    id::{SessionId, UserId},
    session::Salt,
};

/// Makes refresh tokens, and reads them.
#[derive(Clone, Debug)]
pub(crate) struct RefreshTokens {
    keys: KeyRing,
    /// What the input of the MAC begins with.
    label: Box<[u8]>,
}

/// What a refresh token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) user_id: UserId,
    pub(crate) session_id: SessionId,
    pub(crate) generation: u32,
    fingerprint: Fingerprint,
    /// What is to be handed on from each access token to the next.
    pub(crate) carried: Vec<u8>,
}

/// The first half of a hash of a session's salt.
type Fingerprint = [u8; 16];

/// What tells one refresh token from all others: the session, the generation, and the salt's fingerprint.
pub(crate) type RefreshTokenId = (SessionId, u32, Fingerprint);

impl RefreshToken {
    pub(crate) fn new(user_id: UserId, session_id: SessionId, generation: u32, salt: &Salt, carried: Vec<u8>) -> Self {
        Self { fingerprint: fingerprint(session_id, salt), user_id, session_id, generation, carried }
    }

    pub(crate) fn id(&self) -> RefreshTokenId {
        (self.session_id, self.generation, self.fingerprint)
    }

    /// Whether the token was made for the session that has this salt.
    pub(crate) fn is_bound_to(&self, salt: &Salt) -> bool {
        // Only the holder of the key comes this far with a fingerprint of their own.
        self.fingerprint == fingerprint(self.session_id, salt)
    }

    fn encode(&self) -> Option<Vec<u8>> {
        let user = self.user_id.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(FIXED_BYTES + user.len() + self.carried.len() + MAC_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.session_id.as_uuid().as_bytes());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.fingerprint);
        bytes.push(u8::try_from(user.len()).ok()?);
        bytes.extend_from_slice(user);
        bytes.extend_from_slice(&u16::try_from(self.carried.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&self.carried);
        Some(bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let (session_id, rest) = rest.split_first_chunk::<16>()?;
        let (generation, rest) = rest.split_first_chunk::<4>()?;
        let (fingerprint, rest) = rest.split_first_chunk::<16>()?;
        let (&[user_bytes], rest) = rest.split_first_chunk()?;
        let (user, rest) = rest.split_at_checked(user_bytes.into())?;
        let (carried_bytes, carried) = rest.split_first_chunk::<2>()?;
        (carried.len() == usize::from(u16::from_be_bytes(*carried_bytes))).then_some(())?;
        Some(Self {
            user_id: std::str::from_utf8(user).ok()?.try_into().ok()?,
            session_id: SessionId::from_uuid(Uuid::from_bytes(*session_id)),
            generation: u32::from_be_bytes(*generation),
            fingerprint: *fingerprint,
            carried: carried.to_vec(),
        })
    }
}

impl RefreshTokens {
    /// # Errors
    ///
    /// Keys that are public, or do not sign.
    pub(crate) fn new(keys: KeyRing, options: &TokenOptions) -> Result<Self, ConfigError> {
        let is_secret = keys.keys().algorithm().name() == "HS256";
        if !is_secret || !keys.signs() {
            let message = "refresh tokens need a secret of their own when access tokens are signed with a private key: \
                           give the refresh policy an HS256 ring with `keys`";
            return Err(ConfigError::new(ConfigErrorKind::KeyRing, message));
        }
        Ok(Self { keys, label: options.label_for(LABEL) })
    }

    /// The text of `token`; `None` when it would be longer than what is read, or cannot be signed.
    pub(crate) fn issue(&self, token: &RefreshToken) -> Option<String> {
        let mut bytes = token.encode()?;
        let mac = self.keys.keys().signer()?.sign(&self.message(&bytes)).ok()?;
        bytes.extend_from_slice(&mac);
        let text = URL_SAFE_NO_PAD.encode(bytes);
        (text.len() <= TOKEN_BYTES_MAX).then_some(text)
    }

    /// What `text` says, if it is one of ours.
    pub(crate) fn open(&self, text: &[u8]) -> Result<RefreshToken, TokenRejection> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenRejection::TooLarge);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenRejection::Malformed)?;
        let (bytes, mac) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(TokenRejection::Malformed)?;
        let (message, mac) = (self.message(bytes), mac.to_vec());
        if !self.keys.keys().in_order().any(|key| key.verifies(&message, &mac)) {
            return Err(TokenRejection::Signature);
        }
        RefreshToken::decode(bytes).ok_or(TokenRejection::Malformed)
    }

    fn message(&self, bytes: &[u8]) -> Vec<u8> {
        [&self.label, bytes].concat()
    }
}

fn fingerprint(session_id: SessionId, salt: &Salt) -> Fingerprint {
    let hash = Sha256::new()
        .chain_update(b"tower-device-sessions salt of a session\0")
        .chain_update(session_id.as_uuid().as_bytes())
        .chain_update(salt.as_bytes())
        .finalize();
    std::array::from_fn(|index| hash[index])
}

const LABEL: &[u8] = b"tower-device-sessions refresh token\0";
const VERSION: u8 = 1;
const MAC_BYTES: usize = 32;
/// Version, session, generation, fingerprint and the two lengths.
const FIXED_BYTES: usize = 1 + 16 + 4 + 16 + 1 + 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Timestamp, token::SigningKey};

    const SECRET: &str = "a secret of the tests, of 32 bytes or more";

    fn tokens() -> RefreshTokens {
        RefreshTokens::new(KeyRing::hs256(SECRET).unwrap(), &TokenOptions::new()).unwrap()
    }

    fn token(user: &str, generation: u32, carried: &[u8]) -> RefreshToken {
        let id = SessionId::at(Timestamp::from_seconds(1_767_225_600));
        RefreshToken::new(user.try_into().unwrap(), id, generation, &Salt::from_bytes([7; 16]), carried.to_vec())
    }

    /// S41, S91: what is issued is opaque, and the salt is not in it.
    #[test]
    fn a_token_reads_back_and_hides_its_salt() {
        let issued = token("ann", 3, b"{}");
        let text = tokens().issue(&issued).unwrap();
        let opened = tokens().open(text.as_bytes()).unwrap();
        assert_eq!(opened, issued);
        assert!(opened.is_bound_to(&Salt::from_bytes([7; 16])));
        assert!(!opened.is_bound_to(&Salt::from_bytes([8; 16])));
        assert!(!URL_SAFE_NO_PAD.decode(&text).unwrap().windows(16).any(|bytes| bytes == [7; 16]));
        assert_eq!(tokens().issue(&issued).as_ref(), Some(&text), "one token per generation");
    }

    /// S48: another secret, issuer or audience is another environment.
    #[test]
    fn a_token_of_another_environment_is_refused() {
        let text = tokens().issue(&token("ann", 0, b"")).unwrap();
        let with = |secret: &str, options: TokenOptions| {
            RefreshTokens::new(KeyRing::hs256(secret).unwrap(), &options).unwrap()
        };
        for other in [
            with("another secret, of 32 bytes or more too", TokenOptions::new()),
            with(SECRET, TokenOptions::new().issuer("https://staging.example")),
            with(SECRET, TokenOptions::new().audience("api")),
        ] {
            assert_eq!(other.open(text.as_bytes()), Err(TokenRejection::Signature));
        }
        // What is issuer for one is not audience for the other.
        let (issuer, audience) =
            (with(SECRET, TokenOptions::new().issuer("x")), with(SECRET, TokenOptions::new().audience("x")));
        assert!(audience.open(issuer.issue(&token("ann", 0, b"")).unwrap().as_bytes()).is_err());
    }

    /// R40: a new key, and the tokens of the old one.
    #[test]
    fn tokens_outlive_the_rotation_of_the_key_and_not_its_retirement() {
        let keys = KeyRing::builder().signing_key(SigningKey::hs256(SECRET).unwrap().kid("old")).build().unwrap();
        let tokens = RefreshTokens::new(keys.clone(), &TokenOptions::new()).unwrap();
        let old = tokens.issue(&token("ann", 0, b"")).unwrap();
        keys.rotate_to(SigningKey::hs256("another secret, of 32 bytes or more too").unwrap().kid("new")).unwrap();
        let new = tokens.issue(&token("ann", 0, b"")).unwrap();
        assert_ne!(old, new);
        assert!(tokens.open(old.as_bytes()).is_ok() && tokens.open(new.as_bytes()).is_ok());
        keys.retire("old").unwrap();
        assert_eq!(tokens.open(old.as_bytes()), Err(TokenRejection::Signature));
        assert!(tokens.open(new.as_bytes()).is_ok());
    }

    #[test]
    fn a_token_that_would_not_be_read_is_not_issued() {
        assert!(tokens().issue(&token("ann", 0, &[b'x'; 6_000])).is_some());
        assert_eq!(tokens().issue(&token("ann", 0, &[b'x'; 6_100])), None);
        assert_eq!(tokens().issue(&token("ann", 0, &[b'x'; 70_000])), None);
        assert_eq!(tokens().open("A".repeat(8_193).as_bytes()), Err(TokenRejection::TooLarge));
    }

    proptest! {
        /// S41, S48.
        #[test]
        fn every_token_reads_back(user in "[!-~é]{1,60}", generation: u32, carried in prop::collection::vec(any::<u8>(), 0..200)) {
            let issued = token(&user, generation, &carried);
            let text = tokens().issue(&issued).unwrap();
            prop_assert_eq!(tokens().open(text.as_bytes()), Ok(issued));
        }

        /// A flipped bit anywhere, in the text or in the bytes.
        #[test]
        fn a_flipped_bit_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let text = tokens().issue(&token("ann", 3, b"{}")).unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            let index = at.index(bytes.len());
            bytes[index] ^= 1 << bit;
            prop_assert!(tokens().open(URL_SAFE_NO_PAD.encode(bytes).as_bytes()).is_err());

            let mut text = text.into_bytes();
            let index = at.index(text.len());
            text[index] ^= 1 << bit;
            prop_assert!(tokens().open(&text).is_err());
        }

        /// Truncated, or with something behind it.
        #[test]
        fn any_other_length_is_refused(length in any::<prop::sample::Index>(), more in "[A-Za-z0-9_=.-]{1,12}") {
            let text = tokens().issue(&token("ann", 3, b"{}")).unwrap();
            prop_assert!(tokens().open(&text.as_bytes()[..length.index(text.len())]).is_err());
            prop_assert!(tokens().open(&text.as_bytes()[length.index(text.len()) + 1..]).is_err());
            let longer = text + &more;
            prop_assert!(tokens().open(longer.as_bytes()).is_err());
        }

        /// R36.
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(tokens().open(&bytes).is_err());
            let _ = RefreshToken::decode(&bytes);
        }
    }
}
