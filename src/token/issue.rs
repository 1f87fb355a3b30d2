//! Issuing a token.
//!
//! 1. The default token names its issuer, user, session, audience and lifetime, and when and how the user signed in. It
//!    holds no other personal data (S66).
//! 2. The application's own claims stand beside ours and cannot replace them.
//! 3. A token that would not be accepted is not issued: too large, valid for too long, nested too deep.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serializer as _, ser::SerializeMap as _};
use serde_json::{Map, Value};

use super::{
    KeyRing, TokenOptions, TokenRejection, claims,
    gate::TOKEN_BYTES_MAX,
    header,
    options::RESERVED,
    verify::{TokenVerifier, claims_of},
};
use crate::{
    clock::Timestamp,
    error::{ConfigError, ConfigErrorKind},
    id::{SessionId, UserId},
};

/// The largest claims, before they are encoded.
pub(crate) const CLAIMS_BYTES_MAX: usize = 6_144;

/// What a new token is to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewToken<'a> {
    pub(crate) user_id: &'a UserId,
    pub(crate) session_id: SessionId,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) generation: Option<u32>,
    /// When the user proved who they are.
    pub(crate) authenticated_at: Timestamp,
    /// How they proved it.
    pub(crate) methods: &'a [String],
    /// How sure that makes us.
    pub(crate) level: Option<&'a str>,
    /// The application's own.
    pub(crate) claims: Option<&'a Map<String, Value>>,
}

/// Signs tokens with a ring of keys.
#[derive(Clone, Debug)]
pub(crate) struct TokenIssuer {
    keys: KeyRing,
    options: TokenOptions,
}

/// Why a token was not issued.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum IssueError {
    /// The application sets a claim that is reserved.
    ReservedClaim(String),
    /// A strict reader would not accept the application's claims.
    UnacceptableClaims,
    /// The claims, or the whole token, are too large.
    TooLarge { bytes: usize },
    /// The token expires before it is issued, or later than the longest lifetime allows.
    Lifetime,
    /// The key did not sign.
    Signature(Box<dyn std::error::Error + Send + Sync>),
}

impl TokenIssuer {
    /// S25: an issuer that can be built has issued a token that was accepted.
    pub(crate) fn new(keys: KeyRing, options: TokenOptions) -> Result<Self, ConfigError> {
        options.check()?;
        if !keys.signs() {
            return Err(ConfigError::new(ConfigErrorKind::KeyRing, "the ring only verifies: it cannot issue tokens"));
        }
        let issuer = Self { keys, options };
        issuer.test().map_err(|cause| {
            let message = "a token that was issued on trial was not accepted";
            ConfigError::new(ConfigErrorKind::Token, message).with_source(cause)
        })?;
        Ok(issuer)
    }

    pub(crate) fn issue(&self, token: &NewToken<'_>) -> Result<String, IssueError> {
        let claims = self.claims(token)?;
        let keys = self.keys.keys();
        let signer = keys.signer().ok_or_else(|| IssueError::Signature("the ring only verifies".into()))?;
        let key = signer.key;
        let mut text = match self.options.writes_default_type() {
            true => key.header().to_owned(),
            false => header::encode(key.algorithm(), &self.options.token_type, key.kid()),
        };
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut text);
        let signature = signer.sign(text.as_bytes()).map_err(|error| IssueError::Signature(error.into()))?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        if text.len() > TOKEN_BYTES_MAX {
            return Err(IssueError::TooLarge { bytes: text.len() });
        }
        Ok(text)
    }

    /// The application's own among the claims of a token that has been verified.
    pub(crate) fn own_claims(&self, token: &[u8]) -> Map<String, Value> {
        let claims: Map<String, Value> = claims_of(token).unwrap_or_default();
        claims.into_iter().filter(|(name, _)| !self.is_reserved(name)).collect()
    }

    fn is_reserved(&self, name: &str) -> bool {
        RESERVED.contains(&name) || name == self.options.session_id_claim
    }

    fn claims(&self, token: &NewToken<'_>) -> Result<Vec<u8>, IssueError> {
        if let Some(name) = token.claims.and_then(|claims| claims.keys().find(|name| self.is_reserved(name))) {
            return Err(IssueError::ReservedClaim(name.clone()));
        }
        let json = self.serialize(token).map_err(|_| IssueError::UnacceptableClaims)?;
        if json.len() > CLAIMS_BYTES_MAX {
            return Err(IssueError::TooLarge { bytes: json.len() });
        }
        match claims::verify(&json, &self.options, token.issued_at) {
            // A lifetime of less than a second, and no leeway.
            Ok(_) | Err(TokenRejection::Expired) => {}
            Err(TokenRejection::Lifetime) => return Err(IssueError::Lifetime),
            Err(_) => return Err(IssueError::UnacceptableClaims),
        }
        Ok(json)
    }

    fn serialize(&self, token: &NewToken<'_>) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = Vec::with_capacity(256);
        let mut serializer = serde_json::Serializer::new(&mut json);
        let mut map = serializer.serialize_map(None)?;
        if let Some(issuer) = &self.options.issuer {
            map.serialize_entry("iss", issuer)?;
        }
        map.serialize_entry("sub", token.user_id)?;
        if let Some(audience) = &self.options.audience {
            map.serialize_entry("aud", audience)?;
        }
        map.serialize_entry("exp", &token.expires_at.as_seconds())?;
        map.serialize_entry("iat", &token.issued_at.as_seconds())?;
        // It is not known of tokens that were adopted.
        if token.authenticated_at > Timestamp::UNIX_EPOCH {
            map.serialize_entry("auth_time", &token.authenticated_at.as_seconds())?;
        }
        map.serialize_entry(&*self.options.session_id_claim, &token.session_id)?;
        if let Some(generation) = token.generation {
            map.serialize_entry("gen", &generation)?;
        }
        if let Some(level) = token.level {
            map.serialize_entry("acr", level)?;
        }
        if !token.methods.is_empty() {
            map.serialize_entry("amr", token.methods)?;
        }
        for (name, value) in token.claims.into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.end()?;
        Ok(json)
    }

    fn test(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let now = Timestamp::from_seconds(1_767_225_600);
        let user_id = UserId::from(1);
        let token = NewToken {
            user_id: &user_id,
            session_id: SessionId::at(now),
            issued_at: now,
            expires_at: now.saturating_add(self.options.max_lifetime),
            generation: Some(u32::MAX),
            authenticated_at: now,
            methods: &[],
            level: None,
            claims: None,
        };
        let text = self.issue(&token)?;
        TokenVerifier::new(self.keys.clone(), self.options.clone())?.verify(text.as_bytes(), now)?;
        Ok(())
    }
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedClaim(name) => write!(f, "the claim {name:?} has a meaning of its own and cannot be set"),
            Self::UnacceptableClaims => {
                f.write_str("the claims are nested too deep, or hold text that no token may hold")
            }
            Self::TooLarge { bytes } => write!(f, "the token is too large: {bytes} bytes"),
            Self::Lifetime => f.write_str("the token would expire before it is issued, or later than is allowed"),
            Self::Signature(_) => f.write_str("the token could not be signed"),
        }
    }
}

impl std::error::Error for IssueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Signature(source) => Some(&**source),
            _ => None,
        }
    }
}
