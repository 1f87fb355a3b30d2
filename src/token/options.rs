//! The settings of tokens.

use std::{borrow::Cow, time::Duration};

use super::header;
use crate::error::{ConfigError, ConfigErrorKind};

/// What tokens look like, and which ones are accepted.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`issuer`](Self::issuer) | none is written; any is accepted |
/// | [`audience`](Self::audience) | none is written; a token that has one is refused |
/// | [`leeway`](Self::leeway) | 30 seconds |
/// | [`max_lifetime`](Self::max_lifetime) | 30 days |
/// | [`session_id_claim`](Self::session_id_claim) | `sid` |
/// | [`token_type`](Self::token_type) | `at+jwt` |
/// | [`accept_untyped_tokens`](Self::accept_untyped_tokens) | off |
///
/// # Examples
///
/// ```
/// use tower_device_sessions::token::TokenOptions;
///
/// let options = TokenOptions::new().issuer("https://login.example.com").audience("https://api.example.com");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenOptions {
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) leeway: Duration,
    pub(super) max_lifetime: Duration,
    pub(super) session_id_claim: Cow<'static, str>,
    pub(super) token_type: Cow<'static, str>,
    pub(super) untyped: Untyped,
}

/// What happens to a token whose type is the general one, or that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untyped {
    Refused,
    Accepted,
}

impl TokenOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(30),
            max_lifetime: Duration::from_secs(30 * 86_400),
            session_id_claim: Cow::Borrowed("sid"),
            token_type: Cow::Borrowed(header::DEFAULT_TYPE),
            untyped: Untyped::Refused,
        }
    }

    /// The issuer of the tokens: written into each and required of each, compared byte by byte. Default: none is
    /// written, and any is accepted.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// The audience of the tokens: written into each and required of each. Default: none is written, and a token with
    /// an audience is refused (RFC 7519 §4.1.3).
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// By how much the clocks of issuer and verifier may differ: 0 to 300 seconds. Default: 30 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The longest time between the issue and the expiry of a token that is issued or accepted. Default: 30 days. A
    /// session manager raises it to its policy's absolute timeout.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.max_lifetime = max_lifetime;
        self
    }

    /// The claim that holds the session id, e.g. `session_id` or `sessionId` for existing tokens. Default: `sid`.
    pub fn session_id_claim(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.session_id_claim = name.into();
        self
    }

    /// The `typ` of the tokens, compared as a media type. Default: `at+jwt`, the type of access tokens (RFC 9068).
    pub fn token_type(mut self, token_type: impl Into<Cow<'static, str>>) -> Self {
        self.token_type = token_type.into();
        self
    }

    /// Also accepts tokens without a `typ`, and those whose `typ` is `JWT`. Default: they are refused.
    ///
    /// # Security
    ///
    /// The type keeps tokens of one key apart. If that key also signs tokens for other purposes (e-mail confirmation,
    /// ID tokens), each of them becomes a credential here as soon as it has the required claims.
    pub fn accept_untyped_tokens(mut self) -> Self {
        self.untyped = Untyped::Accepted;
        self
    }

    /// The same settings for tokens that may last this long.
    pub(crate) fn lasting(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = self.max_lifetime.max(lifetime);
        self
    }

    /// The issuer and the audience of the tokens.
    pub(crate) fn names(&self) -> [Option<&str>; 2] {
        [self.issuer.as_deref(), self.audience.as_deref()]
    }

    /// What the input of a MAC begins with: what it is for, and for whom.
    pub(super) fn label_for(&self, purpose: &[u8]) -> Box<[u8]> {
        let mut label = purpose.to_vec();
        for name in [&self.issuer, &self.audience] {
            let name = name.as_deref().unwrap_or_default();
            // Names have at most 512 bytes.
            label.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
            label.extend_from_slice(name.as_bytes());
        }
        label.into()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (name, value) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            let is_text = |text: &str| is_between(text, 1, TEXT_BYTES_MAX) && !text.chars().any(char::is_control);
            if value.as_deref().is_some_and(|text| !is_text(text)) {
                return Err(token(format!("the {name} has 1 to {TEXT_BYTES_MAX} bytes without control characters")));
            }
        }
        if self.leeway > LEEWAY_MAX {
            return Err(token("the leeway is 0 to 300 seconds"));
        }
        if self.max_lifetime.is_zero() || self.max_lifetime > LIFETIME_MAX {
            return Err(token("the longest lifetime is more than zero and at most ten years"));
        }
        let claim = &*self.session_id_claim;
        if !is_name_of_claim(claim) || claim.len() > NAME_BYTES_MAX {
            return Err(token(format!(
                "the claim of the session id has 1 to {NAME_BYTES_MAX} visible ASCII characters"
            )));
        }
        if RESERVED.contains(&claim) {
            return Err(token(format!("the claim {claim:?} has a meaning of its own and cannot hold the session id")));
        }
        let kind = header::essence(&self.token_type);
        if !is_between(&kind, 1, NAME_BYTES_MAX) || !kind.bytes().all(is_type_character) {
            return Err(token("the token type is not a media type"));
        }
        if OTHER_TYPES.contains(&&*kind) {
            return Err(token(format!("{kind:?} is the type of another kind of token")));
        }
        Ok(())
    }

    /// Whether a token of this type is accepted.
    pub(super) fn accepts_type(&self, kind: Option<&str>) -> bool {
        let accepts_untyped = self.untyped == Untyped::Accepted;
        let Some(kind) = kind.map(header::essence) else { return accepts_untyped };
        kind == header::essence(&self.token_type) || accepts_untyped && kind == GENERAL_TYPE
    }

    pub(super) fn writes_default_type(&self) -> bool {
        self.token_type == header::DEFAULT_TYPE
    }
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self::new()
    }
}

fn is_between(text: &str, shortest: usize, longest: usize) -> bool {
    (shortest..=longest).contains(&text.len())
}

/// Whether a claim can have this name: 1 to 512 visible ASCII characters.
pub(super) fn is_name_of_claim(name: &str) -> bool {
    is_between(name, 1, TEXT_BYTES_MAX) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// RFC 6838 §4.2, in lower case.
fn is_type_character(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$&-^_.+".contains(&byte)
}

fn token(message: impl Into<Cow<'static, str>>) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Token, message)
}

const GENERAL_TYPE: &str = "jwt";
/// S09: these tokens are meant for another recipient.
const OTHER_TYPES: [&str; 8] = [
    "logout+jwt",
    "dpop+jwt",
    "secevent+jwt",
    "dbsc+jwt",
    "refresh+jwt",
    "rt+jwt",
    "oauth-authz-req+jwt",
    "token-introspection+jwt",
];
const LEEWAY_MAX: Duration = Duration::from_secs(300);
const LIFETIME_MAX: Duration = Duration::from_secs(3_653 * 86_400);
const TEXT_BYTES_MAX: usize = 512;
const NAME_BYTES_MAX: usize = 64;

/// The claims with a meaning of their own, beside the one that holds the session id.
pub(in crate::token) const RESERVED: [&str; 11] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "gen", "auth_time", "amr", "acr"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_bounds_are_refused() {
        let new = TokenOptions::new;
        let seconds = Duration::from_secs;
        let bad = [
            new().issuer(""),
            new().issuer("a\nb"),
            new().issuer("x".repeat(513)),
            new().audience(""),
            new().audience("a\0"),
            new().leeway(seconds(301)),
            new().leeway(Duration::from_micros(300_000_001)),
            new().max_lifetime(Duration::ZERO),
            new().max_lifetime(seconds(3_654 * 86_400)),
            new().session_id_claim(""),
            new().session_id_claim("a b"),
            new().session_id_claim("é"),
            new().session_id_claim("x".repeat(65)),
            new().session_id_claim("sub"),
            new().session_id_claim("exp"),
            new().session_id_claim("gen"),
            new().token_type(""),
            new().token_type("application/"),
            new().token_type("a b"),
            new().token_type("text/plain"),
            new().token_type("logout+jwt"),
            new().token_type("application/DPoP+jwt"),
        ];
        for options in bad {
            let error = options.check().unwrap_err();
            assert_eq!(error.kind(), ConfigErrorKind::Token, "{options:?}");
        }

        let good = [
            new(),
            new().issuer("https://a.example/").audience("é"),
            new().leeway(Duration::ZERO),
            new().leeway(seconds(300)),
            new().session_id_claim("session_id"),
            new().session_id_claim("https://example.com/sid"),
            new().token_type("JWT"),
            new().token_type("application/vnd.example+jwt"),
        ];
        for options in good {
            assert!(options.check().is_ok(), "{options:?}");
        }
    }

    /// S09.
    #[test]
    fn other_types_never_pass() {
        let strict = TokenOptions::new();
        let lenient = TokenOptions::new().accept_untyped_tokens();
        for kind in OTHER_TYPES.into_iter().chain(["id+jwt", "jwe", "JWT+x", "", "at+jwt,JWT"]) {
            assert!(!strict.accepts_type(Some(kind)), "{kind}");
            assert!(!lenient.accepts_type(Some(kind)), "{kind}");
        }
        for kind in [Some("JWT"), Some("jwt"), Some("application/jwt"), None] {
            assert!(!strict.accepts_type(kind), "{kind:?}");
            assert!(lenient.accepts_type(kind), "{kind:?}");
        }
        for kind in ["at+jwt", "AT+JWT", "application/at+jwt"] {
            assert!(strict.accepts_type(Some(kind)) && lenient.accepts_type(Some(kind)), "{kind}");
        }
    }
}
