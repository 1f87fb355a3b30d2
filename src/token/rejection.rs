//! Why a token is refused.

use std::fmt;

/// Why a token is refused: for logs and metrics, never for the client.
///
/// The exceptions are [`Expired`](Self::Expired) and [`IssuedInFuture`](Self::IssuedInFuture), which are only reported
/// for tokens that are valid in every other respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenRejection {
    /// Longer than 8192 bytes, or its header longer than 1024.
    TooLarge,
    /// Not three non-empty parts of strict base64url.
    Malformed,
    /// The header is not strict JSON with `alg`, and perhaps `typ` and `kid`, and nothing else.
    Header,
    /// Of another type than access tokens are.
    Type,
    /// No key has this `kid`, or there is none where one is needed.
    UnknownKey,
    /// Another algorithm than that of the key.
    Algorithm,
    /// The signature is wrong.
    Signature,
    /// The claims are not strict JSON, or one is missing or of the wrong type.
    Claims,
    /// The session id is missing, or is not a UUID in canonical form.
    SessionIdClaim,
    /// From another issuer.
    Issuer,
    /// For another audience.
    Audience,
    /// Not valid yet, by its `nbf`.
    NotYetValid,
    /// Issued in the future by this node's clock, and otherwise valid: the clocks of two nodes disagree.
    IssuedInFuture,
    /// Valid for longer than the policy allows, or expired before it was issued.
    Lifetime,
    /// Expired, and otherwise valid.
    Expired,
    /// Refused by the application's own verifier, for another reason.
    Other,
}

impl TokenRejection {
    /// A stable word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Header => "header",
            Self::Type => "type",
            Self::UnknownKey => "unknown_key",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::SessionIdClaim => "session_id_claim",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::Lifetime => "lifetime",
            Self::Expired => "expired",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for TokenRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the token is too large",
            Self::Malformed => "the token is malformed",
            Self::Header => "the token's header is not acceptable",
            Self::Type => "the token is not an access token",
            Self::UnknownKey => "the token names no key of ours",
            Self::Algorithm => "the token's algorithm is not that of its key",
            Self::Signature => "the token's signature is wrong",
            Self::Claims => "the token's claims are not acceptable",
            Self::SessionIdClaim => "the token names no session",
            Self::Issuer => "the token is from another issuer",
            Self::Audience => "the token is for another audience",
            Self::NotYetValid => "the token is not valid yet",
            Self::IssuedInFuture => "the token was issued in the future",
            Self::Lifetime => "the token is valid for too long",
            Self::Expired => "the token has expired",
            Self::Other => "the token is refused",
        })
    }
}

impl std::error::Error for TokenRejection {}
