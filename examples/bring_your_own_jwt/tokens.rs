//! The application's tokens: what it had before, and at the end of the file what this crate learns of them.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use tower_device_sessions::{
    InvalidUserId, SessionId, UserId,
    clock::Timestamp,
    token::{TokenRejection, VerifiedToken, VerifyToken},
};
use uuid::Uuid;

/// The claims of the application's tokens. The session's id is new.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    pub sub: String,
    pub session_id: SessionId,
    pub iat: i64,
    pub exp: i64,
}

/// Issues and verifies the application's tokens.
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Tokens {
    pub fn new() -> Self {
        install_provider();
        // No token outlives this process: an application keeps its secret.
        let secret = format!("{}{}", Uuid::new_v4(), Uuid::new_v4());
        let encoding = EncodingKey::from_secret(secret.as_bytes());
        let decoding = DecodingKey::from_secret(secret.as_bytes());
        Self { encoding, decoding, validation: Validation::new(Algorithm::HS256) }
    }

    pub fn issue(&self, claims: &Claims) -> jsonwebtoken::errors::Result<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding)
    }

    pub fn verify(&self, token: &str) -> jsonwebtoken::errors::Result<Claims> {
        jsonwebtoken::decode(token, &self.decoding, &self.validation).map(|token| token.claims)
    }
}

/// The JWT library needs a provider of cryptography.
fn install_provider() {
    #[cfg(feature = "aws_lc_rs")]
    use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
    #[cfg(not(feature = "aws_lc_rs"))]
    use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
    // Only the first call counts; there is no other.
    let _ = DEFAULT_PROVIDER.install_default();
}

/// What a verified token names.
impl TryFrom<Claims> for VerifiedToken {
    type Error = InvalidUserId;

    fn try_from(claims: Claims) -> Result<Self, InvalidUserId> {
        let (issued_at, expires_at) = (Timestamp::from_seconds(claims.iat), Timestamp::from_seconds(claims.exp));
        Ok(Self::new(UserId::try_from(claims.sub)?, claims.session_id, issued_at, expires_at))
    }
}

/// What this crate requires of a verifier. It calls it once per token, and remembers the result until the token
/// expires.
impl VerifyToken for Tokens {
    fn verify(&self, token: &str, _now: Timestamp) -> Result<VerifiedToken, TokenRejection> {
        let claims = Self::verify(self, token).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => TokenRejection::Expired,
            ErrorKind::InvalidSignature => TokenRejection::Signature,
            _ => TokenRejection::Other,
        })?;
        VerifiedToken::try_from(claims).map_err(|_| TokenRejection::Claims)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}
