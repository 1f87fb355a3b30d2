//! Verifying a token.
//!
//! 1. The gate: size, shape and alphabet.
//! 2. The header: strict, and of the right type.
//! 3. The key that its `kid` names, and the one algorithm of that key.
//! 4. The signature.
//! 5. Only then the claims (S12).

use std::fmt;

use serde::de::DeserializeOwned;

use super::{
    KeyRing, TokenOptions, TokenRejection, VerifiedToken, VerifyingKey, claims, gate, header,
    keys::{Key, KeySet},
};
use crate::{clock::Timestamp, error::ConfigError, id::SessionId};

/// Verifies access tokens, for applications that bring their own verifier.
///
/// # Examples
///
/// ```
/// # mod paseto {
/// #     use tower_device_sessions::{SessionId, Timestamp};
/// #     pub struct Claims {
/// #         pub user: String, pub session: SessionId, pub issued_at: Timestamp, pub expires_at: Timestamp,
/// #     }
/// #     pub fn verified(_token: &str) -> Option<Claims> { None }
/// # }
/// use tower_device_sessions::{
///     Timestamp, UserId,
///     token::{TokenRejection, VerifiedToken, VerifyToken},
/// };
///
/// #[derive(Debug)]
/// struct Paseto;
///
/// impl VerifyToken for Paseto {
///     fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenRejection> {
///         // Checks the signature, the issuer and the audience.
///         let claims = paseto::verified(token).ok_or(TokenRejection::Other)?;
///         if claims.expires_at <= now {
///             return Err(TokenRejection::Expired);
///         }
///         let user = UserId::try_from(claims.user).map_err(|_| TokenRejection::Claims)?;
///         Ok(VerifiedToken::new(user, claims.session, claims.issued_at, claims.expires_at))
///     }
/// }
/// ```
///
/// # Security
///
/// A token that an implementation accepts is a credential. So an implementation checks signature, algorithm, issuer,
/// audience, type, and the times against `now`, and returns what the signed claims say. Return
/// [`Expired`](TokenRejection::Expired) and [`IssuedInFuture`](TokenRejection::IssuedInFuture) only for tokens that
/// would otherwise be accepted.
pub trait VerifyToken: fmt::Debug + Send + Sync + 'static {
    /// Returns what `token` says, if it is acceptable at `now`.
    ///
    /// It is called on the request's own task, once per token and node while the session is cached, so it must neither
    /// block nor panic. Calls with one token may be repeated and concurrent.
    ///
    /// # Errors
    ///
    /// Returns why the token is refused. The client does not learn it.
    fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenRejection>;

    /// Returns a number that changes whenever tokens accepted earlier may have become unacceptable, so that they are
    /// verified again. It may increase or decrease, but never returns to an earlier value. It is read on every request.
    ///
    /// Default: always 0.
    fn revision(&self) -> u64 {
        0
    }
}

/// Verifies tokens with a ring of keys.
#[derive(Clone, Debug)]
pub(crate) struct TokenVerifier {
    keys: KeyRing,
    options: TokenOptions,
}

impl TokenVerifier {
    pub(crate) fn new(keys: KeyRing, options: TokenOptions) -> Result<Self, ConfigError> {
        options.check()?;
        Ok(Self { keys, options })
    }

    /// Whether one of the keys is this one, whatever it is called.
    pub(super) fn has_key(&self, key: &VerifyingKey) -> bool {
        self.keys.keys().in_order().any(|own| own.verifying().is_same_key(key))
    }

    /// The claim that holds the session of a token.
    pub(super) fn session_id_claim(&self) -> &str {
        &self.options.session_id_claim
    }

    pub(crate) fn verify(&self, token: &[u8], now: Timestamp) -> Result<VerifiedToken, TokenRejection> {
        self.verify_as(token, now, None)
    }

    /// The same, where a token without a session belongs to the session `unnamed`.
    pub(crate) fn verify_as(
        &self,
        token: &[u8],
        now: Timestamp,
        unnamed: Option<SessionId>,
    ) -> Result<VerifiedToken, TokenRejection> {
        let verified = self.verify_but_for_expiry(token, now, unnamed)?;
        let has_run_out = claims::has_run_out(&verified, &self.options, now);
        if has_run_out { Err(TokenRejection::Expired) } else { Ok(verified) }
    }

    /// What a token says that is acceptable, or has expired and is otherwise acceptable. It is no credential.
    pub(crate) fn verify_but_for_expiry(
        &self,
        token: &[u8],
        now: Timestamp,
        unnamed: Option<SessionId>,
    ) -> Result<VerifiedToken, TokenRejection> {
        let parts = gate::pass(token)?;
        let keys = self.keys.keys();
        let key = self.key(&keys, parts.header)?;
        let signature = gate::decode(parts.signature)?;
        if !key.verifies(parts.message, &signature) {
            return Err(TokenRejection::Signature);
        }
        claims::read(&gate::decode(parts.claims)?, &self.options, now, unnamed)
    }

    /// Until when a token that has been verified is good, the leeway included.
    pub(crate) fn deadline(&self, verified: &VerifiedToken) -> Timestamp {
        verified.expires_at.saturating_add(self.options.leeway)
    }

    /// Read before a token is verified, and compared later: see [`KeyRing::revision`].
    pub(crate) fn revision(&self) -> u64 {
        self.keys.revision()
    }

    fn key<'a>(&self, keys: &'a KeySet, encoded_header: &[u8]) -> Result<&'a Key, TokenRejection> {
        // Most tokens bear, byte by byte, the header that we write ourselves: decoding it could say nothing new.
        if self.options.writes_default_type()
            && let Some(key) = keys.find_by_header(encoded_header)
        {
            return Ok(key);
        }
        let header = header::decode(encoded_header)?;
        if !self.options.accepts_type(header.kind.as_deref()) {
            return Err(TokenRejection::Type);
        }
        let key = keys.find(header.kid.as_deref()).ok_or(TokenRejection::UnknownKey)?;
        if header.algorithm != key.algorithm().name() {
            return Err(TokenRejection::Algorithm);
        }
        Ok(key)
    }
}

impl VerifyToken for TokenVerifier {
    fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenRejection> {
        Self::verify(self, token.as_bytes(), now)
    }

    fn revision(&self) -> u64 {
        Self::revision(self)
    }
}

/// The claims of a token that has been verified, as the application's own type.
///
/// They are decoded from the request's token when they are read, and not kept.
pub(crate) fn claims_of<T: DeserializeOwned>(token: &[u8]) -> Result<T, ClaimsError> {
    let parts = gate::pass(token).map_err(|rejection| ClaimsError(Box::new(rejection)))?;
    let claims = gate::decode(parts.claims).map_err(|rejection| ClaimsError(Box::new(rejection)))?;
    serde_json::from_slice(&claims).map_err(|error| ClaimsError(Box::new(error)))
}

/// The claims of a token do not have the form of the application's type.
#[derive(Debug)]
pub(crate) struct ClaimsError(Box<dyn std::error::Error + Send + Sync>);

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token's claims do not have the shape that was asked for")
    }
}

impl std::error::Error for ClaimsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let Self(source) = self;
        Some(&**source)
    }
}
