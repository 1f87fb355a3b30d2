//! Tokens of other issuers, and how they are read.
//!
//! They pass the same gate as ours, and the same steps in the same order. Only the claims that are used have to meet
//! requirements. Each part that ours must have, and theirs may lack, is a setting.

mod claims;
mod header;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Algorithm, KeyRing, TokenOptions, TokenRejection, TokenVerifier, VerifiedToken, VerifyingKey, gate,
    options::{RESERVED, is_name_of_claim},
};
use crate::{
    clock::Timestamp,
    error::{ConfigError, ConfigErrorKind},
    id::{SessionId, UserId},
};

/// How tokens of other issuers are verified and read: those of the system before, or of an identity provider.
///
/// [`TokenOptions`] apply to these tokens as well. Two things differ from the tokens of this crate: members of the
/// header that change nothing are ignored (RFC 7515 §4), and unused claims may be of any type. Everything else that
/// such tokens may lack, or may say differently, is a setting.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`and_keys`](Self::and_keys), [`insecure_secret`](Self::insecure_secret) | the keys of [`new`](Self::new) |
/// | [`options`](Self::options) | [`TokenOptions::new`]: of type `at+jwt`, without an audience, for 30 days at most |
/// | [`user_claim`](Self::user_claim) | `sub` |
/// | [`numeric_users`](Self::numeric_users) | off: a user's id is a string |
/// | [`without_issue_time`](Self::without_issue_time) | off: `iat` is required |
/// | [`without_end`](Self::without_end) | off: `exp` is required |
/// | [`foreign_session_ids`](Self::foreign_session_ids) | off: a token that names a session is refused |
/// | [`read`](Self::read) | off: claims are read by the settings above |
///
/// # Examples
///
/// Tokens as many tutorials make them: `{"user_id": 42, "exp": …}`, and no type.
///
/// ```
/// use tower_device_sessions::token::{ForeignTokens, KeyRing, TokenOptions};
///
/// # let secret = [*b"0123456789abcdef", *b"fedcba9876543210"].concat();
/// let tokens = ForeignTokens::new(KeyRing::hs256(&secret)?)
///     .options(TokenOptions::new().accept_untyped_tokens())
///     .user_claim("user_id")
///     .numeric_users()
///     .without_issue_time();
/// # Ok::<(), tower_device_sessions::error::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ForeignTokens {
    rings: Vec<KeyRing>,
    options: TokenOptions,
    user_claim: Cow<'static, str>,
    numeric_users: Relaxed,
    without_issue_time: Relaxed,
    without_end: Relaxed,
    session_ids: Relaxed,
    read: Option<Read>,
}

/// Whether what is refused by default is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relaxed {
    No,
    Yes,
}

type Read = Arc<dyn Fn(&Map<String, Value>) -> Option<ForeignClaims> + Send + Sync>;

/// What the application reads from the claims of a token: its user, and its times of issue and expiry if they are not
/// in `iat` and `exp`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ForeignClaims {
    user_id: UserId,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl ForeignClaims {
    /// A token of this user, for the times that `iat` and `exp` say.
    pub fn new(user_id: UserId) -> Self {
        Self { user_id, issued_at: None, expires_at: None }
    }

    /// When it was issued. Default: what `iat` says.
    pub fn issued_at(mut self, at: Timestamp) -> Self {
        self.issued_at = Some(at);
        self
    }

    /// When it ends. An earlier `exp` still counts. Default: what `exp` says.
    pub fn expires_at(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }
}

/// What a token is judged by, beside the settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) now: Timestamp,
    /// The session that the token belongs to.
    pub(crate) session_id: SessionId,
    /// When a token ends that does not say so.
    pub(crate) ends_at: Timestamp,
    /// What verifies the tokens of this crate.
    pub(crate) ours: Option<&'a TokenVerifier>,
}

impl ForeignTokens {
    /// Tokens that these keys verify. The ring may be that of the manager; it may change while it is in use.
    pub fn new(keys: KeyRing) -> Self {
        Self {
            rings: vec![keys],
            options: TokenOptions::new(),
            user_claim: Cow::Borrowed("sub"),
            numeric_users: Relaxed::No,
            without_issue_time: Relaxed::No,
            without_end: Relaxed::No,
            session_ids: Relaxed::No,
            read: None,
        }
    }

    /// Further keys, of the same algorithm or another: a provider that moves from one to the other publishes both. Each
    /// key only verifies with its own algorithm. Default: none.
    pub fn and_keys(mut self, keys: KeyRing) -> Self {
        self.rings.push(keys);
        self
    }

    /// A secret that is too short, or too plain, for a [`KeyRing`], for the tokens without a `kid` that it has signed.
    /// It signs nothing, and verifies nothing else. Default: none.
    ///
    /// # Errors
    ///
    /// [`ConfigError`](crate::ConfigError) for an algorithm other than HS256, HS384 and HS512, an empty secret, or a
    /// key in PEM or JWK form.
    ///
    /// # Security
    ///
    /// Anyone who has one of the old tokens can try secrets offline, and with the right one make tokens of any user.
    /// That was possible before, and ends with the adoption. Keep the window short, and limit
    /// [`only_if`](crate::manager::Adoption::only_if) to users that existed before.
    pub fn insecure_secret(self, algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let key = VerifyingKey::weak_secret(algorithm, secret.as_ref())?;
        Ok(self.and_keys(KeyRing::builder().verifying_key(key).build()?))
    }

    /// The requirements on the tokens: issuer, audience, type, leeway, the longest lifetime, and the name of the claim
    /// that may hold a session's id. Default: [`TokenOptions::new`].
    pub fn options(mut self, options: TokenOptions) -> Self {
        self.options = options;
        self
    }

    /// The claim with the user's id, such as `user_id`, `nameid` or a URI. Default: `sub`.
    pub fn user_claim(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.user_claim = name.into();
        self
    }

    /// Takes a whole number for a user's id, in its decimal digits: `42` is the user `"42"`. Default: a user's id is a
    /// string.
    pub fn numeric_users(mut self) -> Self {
        self.numeric_users = Relaxed::Yes;
        self
    }

    /// Accepts tokens that do not say when they were issued. Default: they are refused.
    ///
    /// They count as older than all others: anything that ends the sessions of their user also ends them.
    pub fn without_issue_time(mut self) -> Self {
        self.without_issue_time = Relaxed::Yes;
        self
    }

    /// Accepts tokens that do not say when they expire. They expire when the adoption ends. Default: they are refused.
    pub fn without_end(mut self) -> Self {
        self.without_end = Relaxed::Yes;
        self
    }

    /// Ignores the session that a token names, which is one of its issuer's and not one of ours. Default: a token that
    /// names a session is refused.
    ///
    /// A token under a key of the manager's own ring is refused all the same: its session may have been ours, and ended.
    ///
    /// # Security
    ///
    /// Give it no key that has signed tokens of this crate and was retired since: their sessions have ended, and would come
    /// back.
    pub fn foreign_session_ids(mut self) -> Self {
        self.session_ids = Relaxed::Yes;
        self
    }

    /// Reads the claims by a closure, once the signature is valid, instead of [`user_claim`](Self::user_claim) and
    /// [`numeric_users`](Self::numeric_users). `None` refuses the token. Default: not set.
    ///
    /// Issuer, audience, type and times are still checked. It is called on the request's own task and must not block.
    ///
    /// # Examples
    ///
    /// `{"user": {"id": "ann"}, …}`, but for those that confirm an address:
    ///
    /// ```
    /// use tower_device_sessions::{
    ///     UserId,
    ///     token::{ForeignClaims, ForeignTokens, KeyRing},
    /// };
    ///
    /// # let secret = [*b"0123456789abcdef", *b"fedcba9876543210"].concat();
    /// let tokens = ForeignTokens::new(KeyRing::hs256(&secret)?).read(|claims| {
    ///     let user = claims.get("user")?.get("id")?.as_str()?;
    ///     let is_for_signing_in = !claims.contains_key("purpose");
    ///     is_for_signing_in.then(|| UserId::try_from(user).ok().map(ForeignClaims::new))?
    /// });
    /// # Ok::<(), tower_device_sessions::error::ConfigError>(())
    /// ```
    pub fn read(mut self, read: impl Fn(&Map<String, Value>) -> Option<ForeignClaims> + Send + Sync + 'static) -> Self {
        self.read = Some(Arc::new(read));
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.options.check()?;
        let refused = |message: String| Err(ConfigError::new(ConfigErrorKind::Token, message));
        let claim = &*self.user_claim;
        let names_user = !RESERVED.contains(&claim) && claim != self.options.session_id_claim || claim == "sub";
        if !is_name_of_claim(claim) || !names_user {
            return refused(format!("the claim {claim:?} cannot hold the user's id"));
        }
        if self.read.is_some() && (claim != "sub" || self.numeric_users == Relaxed::Yes) {
            return refused("the user is read by a closure: leave `user_claim` and `numeric_users` out".to_owned());
        }
        Ok(())
    }

    /// Changes with every change of the keys.
    pub(crate) fn revision(&self) -> u64 {
        self.rings.iter().map(KeyRing::revision).sum()
    }

    /// What a token says, if it is acceptable.
    pub(crate) fn verify(&self, token: &[u8], under: &Circumstances<'_>) -> Result<VerifiedToken, TokenRejection> {
        let verified = self.verify_but_for_expiry(token, under)?;
        let has_run_out = under.now >= verified.expires_at.saturating_add(self.options.leeway);
        if has_run_out { Err(TokenRejection::Expired) } else { Ok(verified) }
    }

    /// The same, or what a token says that has expired and is otherwise acceptable.
    pub(crate) fn verify_but_for_expiry(
        &self,
        token: &[u8],
        under: &Circumstances<'_>,
    ) -> Result<VerifiedToken, TokenRejection> {
        let parts = gate::pass(token)?;
        let header = header::decode(parts.header)?;
        if !self.options.accepts_type(header.kind.as_deref()) {
            return Err(TokenRejection::Type);
        }
        let signature = gate::decode(parts.signature)?;
        let key = self.key(&header, parts.message, &signature)?;
        let under_our_key = under.ours.filter(|ours| ours.has_key(&key));
        claims::read(self, &gate::decode(parts.claims)?, under, under_our_key.map(TokenVerifier::session_id_claim))
    }

    /// The key that the header names and that verifies the signature. Keys of different algorithms may have one name.
    fn key(
        &self,
        header: &super::header::Header,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> Result<VerifyingKey, TokenRejection> {
        let mut why = TokenRejection::Algorithm;
        for ring in &self.rings {
            let keys = ring.keys();
            if keys.algorithm().name() != header.algorithm {
                continue;
            }
            match keys.find(header.kid.as_deref()) {
                Some(key) if key.verifies(message, signature) => return Ok(key.verifying().clone()),
                Some(_) => why = TokenRejection::Signature,
                None if why == TokenRejection::Algorithm => why = TokenRejection::UnknownKey,
                None => {}
            }
        }
        Err(why)
    }
}

impl fmt::Debug for ForeignTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignTokens")
            .field("rings", &self.rings)
            .field("options", &self.options)
            .field("user_claim", &self.user_claim)
            .finish_non_exhaustive()
    }
}
