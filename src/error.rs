//! Errors: [`ConfigError`] for the developer at `build()`, [`Error`] for what fails at run time.
//!
//! Why a *request* has no session is a [`Denied`](crate::policy::Denied), not an error.

use std::{borrow::Cow, error::Error as StdError, fmt};

use crate::{
    id::InvalidUserId,
    policy::{Denied, Full},
    store::StoreError,
};

/// Why an operation of the manager failed.
///
/// Clients learn its [`kind`](Self::kind); the source is for logs.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The user id is not 1 to 128 bytes of clean text.
    InvalidUserId,
    /// The application's claims cannot be put into a token.
    InvalidClaims,
    /// The application's data of a session does not have the shape that was asked for.
    InvalidData,
    /// The user has as many sessions as a limit allows.
    TooManySessions,
    /// The session, or the token, does not allow it: [`Error::denied`] says why.
    Denied,
    /// The store did not answer in time, or failed. Whether a change was made is unknown; it is safe to retry.
    Unavailable,
    /// The manager issues no tokens: it was built with a verifier of the application's own.
    NoSigningKey,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(crate) fn with_source(kind: ErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns why it was denied, for an error of the kind [`ErrorKind::Denied`].
    pub fn denied(&self) -> Option<&Denied> {
        self.source.as_deref()?.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::InvalidUserId => "invalid user id",
            ErrorKind::InvalidClaims => "claims that cannot be put into a token",
            ErrorKind::InvalidData => "data of another shape than was asked for",
            ErrorKind::TooManySessions => "the user has as many sessions as the limit allows",
            ErrorKind::Denied => "the session does not allow it",
            ErrorKind::Unavailable => "the session store is unavailable",
            ErrorKind::NoSigningKey => "no key to sign tokens with",
        })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

impl From<InvalidUserId> for Error {
    fn from(error: InvalidUserId) -> Self {
        Self::with_source(ErrorKind::InvalidUserId, error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::with_source(ErrorKind::Unavailable, error)
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        let kind = match denied {
            Denied::Unavailable | Denied::IssuedInFuture => ErrorKind::Unavailable,
            _ => ErrorKind::Denied,
        };
        Self::with_source(kind, denied)
    }
}

impl From<Full> for Error {
    fn from(full: Full) -> Self {
        Self::with_source(ErrorKind::TooManySessions, format!("{} sessions are active", full.active))
    }
}

/// A setting that cannot work, found at startup and not on the first request.
///
/// The text is for the developer. It never contains a key or a secret. `Debug` is the text too, followed by its causes:
/// it is what a `main` that returns the error prints.
pub struct ConfigError {
    kind: ConfigErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`ConfigError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// A key could not be read, or is not of the announced kind.
    InvalidKey,
    /// A key could be read, but is too weak to sign with.
    WeakKey,
    /// The keys are sound, but do not fit together: two with one name, two algorithms, or none at all.
    KeyRing,
    /// A token setting is out of bounds.
    Token,
    /// A cookie or an origin that no browser would accept.
    Transport,
    /// A time or a size is out of bounds, or two of them contradict each other.
    Setting,
}

impl ConfigError {
    pub(crate) fn new(kind: ConfigErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind of setting that is wrong.
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for ConfigError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
