//! How tokens are verified and issued, and how they travel.

use std::sync::Arc;

use crate::{
    clock::Timestamp,
    credentials::{Credentials, CsrfPolicy},
    error::{ConfigError, ConfigErrorKind},
    manager::{
        device_cookie::DeviceCookie,
        refresh::Refreshing,
        request::{Claims, CurrentSession},
        settings::{OlderTokens, Proof, Settings, invalid},
        started::Carried,
    },
    session::Session,
    token::{RefreshTokens, TokenIssuer, TokenVerifier, VerifiedToken, VerifyToken},
};

/// What a manager does with tokens, as `build()` has checked it.
pub(crate) struct Tokens {
    pub(super) verifier: Verifier,
    pub(super) issuer: Option<TokenIssuer>,
    pub(super) credentials: Credentials,
    pub(super) refreshing: Option<Refreshing>,
    pub(super) device_cookie: Option<DeviceCookie>,
}

pub(crate) enum Verifier {
    Own(TokenVerifier),
    Application(Arc<dyn VerifyToken>),
    /// An outer layer has verified the token already.
    Upstream,
}

impl Tokens {
    pub(super) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let credentials = credentials(settings)?;
        let refreshing = refreshing(settings)?;
        let device_cookie = DeviceCookie::new(settings)?;
        let (verifier, issuer) = match &settings.proof {
            None => return Err(invalid("no keys: call `keys`, `verifier` or `verified_upstream`")),
            Some(Proof::Keys(keys)) => {
                let options = settings.token_options.clone().lasting(settings.policy.absolute_timeout);
                let verifier = TokenVerifier::new(keys.clone(), options.clone())?;
                let issuer = keys.signs().then(|| TokenIssuer::new(keys.clone(), options)).transpose()?;
                (Verifier::Own(verifier), issuer)
            }
            Some(Proof::Application(verifier)) => (Verifier::Application(Arc::clone(verifier)), None),
            Some(Proof::Upstream) => (Verifier::Upstream, None),
        };
        Ok(Self { verifier, issuer, credentials, refreshing, device_cookie })
    }

    /// What the tokens of a session pass on to their successors; nothing where the manager issues none.
    pub(super) fn carried_by(&self, current: &CurrentSession) -> Option<Carried> {
        let issuer = self.issuer.as_ref()?;
        Some(Carried::from_claims(issuer.own_claims(current.entry().token())))
    }

    /// The generation below which access tokens are refused for being old.
    pub(super) fn least_generation(&self, session: &Session) -> u32 {
        match self.refuses_older() {
            true => session.tokens.least_generation.max(session.tokens.latest_in_use()),
            false => session.tokens.least_generation,
        }
    }

    /// Whether access tokens are refused as soon as a newer one has been seen in use.
    pub(super) fn refuses_older(&self) -> bool {
        self.refreshing.as_ref().is_some_and(|refreshing| refreshing.policy.older_tokens == OlderTokens::Refused)
    }
}

impl Verifier {
    /// What verifies the tokens of this crate.
    pub(super) fn own(&self) -> Option<&TokenVerifier> {
        match self {
            Self::Own(verifier) => Some(verifier),
            Self::Application(_) | Self::Upstream => None,
        }
    }

    /// What changes when a key is added or retired.
    pub(super) fn key_revision(&self) -> u64 {
        match self {
            Self::Own(verifier) => verifier.revision(),
            Self::Application(verifier) => verifier.revision(),
            Self::Upstream => 0,
        }
    }

    pub(super) fn claims(&self) -> Claims {
        match self {
            Self::Own(_) => Claims::InToken,
            Self::Application(_) | Self::Upstream => Claims::Elsewhere,
        }
    }

    /// Until when a token that was verified once is valid.
    pub(super) fn deadline(&self, verified: &VerifiedToken) -> Timestamp {
        match self {
            Self::Own(verifier) => verifier.deadline(verified),
            Self::Application(_) | Self::Upstream => verified.expires_at,
        }
    }

    pub(super) fn is_unexpired(&self, verified: &VerifiedToken, now: Timestamp) -> bool {
        now < self.deadline(verified)
    }
}

fn credentials(settings: &Settings) -> Result<Credentials, ConfigError> {
    let refused = |error: &str| ConfigError::new(ConfigErrorKind::Transport, error.to_owned());
    let csrf = CsrfPolicy::new(&settings.origins.trusted).map_err(|error| refused(&error.to_string()))?;
    let csrf = (!settings.origins.are_unchecked).then_some(csrf);
    let refresh_path = settings.refresh.as_ref().and_then(|policy| policy.cookie_path.as_deref());
    let credentials = Credentials::new(&settings.transport, refresh_path, csrf);
    let credentials = credentials.map_err(|error| refused(&error.to_string()))?;
    Ok(Credentials { site_data: settings.site_data, ..credentials })
}

fn refreshing(settings: &Settings) -> Result<Option<Refreshing>, ConfigError> {
    let Some(policy) = &settings.refresh else {
        return Ok(None);
    };
    let Some(Proof::Keys(signing)) = &settings.proof else {
        return Err(invalid("refresh tokens need a manager that issues access tokens: call `keys`"));
    };
    let keys = policy.keys.as_ref().unwrap_or(signing);
    let tokens = RefreshTokens::new(keys.clone(), &settings.token_options)?;
    Ok(Some(Refreshing::new(policy.clone(), tokens)))
}
