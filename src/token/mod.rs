//! Access tokens: JWTs that name a session.
//!
//! 1. [`KeyRing`]: which key signs, which keys verify, and how they change at run time.
//! 2. A token is verified in this order, and refused at the first step that fails: the gate (size, shape, alphabet),
//!    the header, the key, the signature, and only then the claims.
//! 3. A token chooses which of our keys verifies it, and nothing else about its verification.
//! 4. [`TokenOptions`]: what tokens look like, and which ones are accepted.
//! 5. [`VerifyToken`]: the way in for applications that verify tokens themselves.
//! 6. [`ForeignTokens`]: tokens that somebody else has issued.
//! 7. [`DeviceTokens`] prove which device a client is.
//! 8. Refresh tokens are different: opaque, under a secret, and only read by the manager (`refresh`).

mod claims;
mod crypto;
mod device;
mod foreign;
mod gate;
mod header;
mod issue;
mod json;
mod keys;
mod options;
mod refresh;
mod rejection;
mod seal;
mod verified;
mod verify;

#[cfg(test)]
mod tests;

pub use self::{
    crypto::Algorithm,
    device::DeviceTokens,
    foreign::{ForeignClaims, ForeignTokens},
    keys::{KeyRing, KeyRingBuilder, SigningKey, VerifyingKey},
    options::TokenOptions,
    rejection::TokenRejection,
    verified::VerifiedToken,
    verify::VerifyToken,
};
pub(crate) use self::{
    foreign::Circumstances,
    issue::{NewToken, TokenIssuer},
    refresh::{RefreshToken, RefreshTokenId, RefreshTokens},
    seal::Seals,
    verify::{TokenVerifier, claims_of},
};
