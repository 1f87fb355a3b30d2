//! Why a request has no session.

use std::fmt;

use crate::{assurance::Requirement, session::Ending};

/// Why a request has no session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// It carried no credential.
    Missing,
    /// It carried several credentials, or one that does not follow the syntax.
    Malformed,
    /// Its token is not one of ours, or names no session of its user. Clients never learn which.
    Invalid,
    /// Its access token is one of ours and has expired. Its session is active as far as is known, so the client may
    /// refresh.
    TokenExpired,
    /// Its token is one of ours, and was issued in the future by this node's clock: the clocks of two nodes disagree,
    /// or this one's was set back. The credential may still be valid.
    IssuedInFuture,
    /// Its token is one of ours, and the session has ended.
    Ended(Ending),
    /// It is authenticated by a cookie, and another site caused it, or may have.
    Forged(CsrfDenied),
    /// It has a session, but the user has to authenticate again first.
    StepUp(Requirement),
    /// The store could not be asked. The credential may still be valid.
    Unavailable,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no credential"),
            Self::Malformed => f.write_str("malformed or ambiguous credentials"),
            Self::Invalid => f.write_str("invalid token"),
            Self::TokenExpired => f.write_str("expired token"),
            Self::IssuedInFuture => f.write_str("token issued in the future"),
            Self::Ended(ending) => write!(f, "ended session: {}", ending.reason),
            Self::Forged(why) => write!(f, "possibly forged request: {why}"),
            Self::StepUp(_) => f.write_str("the user has to authenticate again"),
            Self::Unavailable => f.write_str("session store unavailable"),
        }
    }
}

impl std::error::Error for Denied {}

/// Why a request that is authenticated by a cookie was rejected with 403 as possibly forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CsrfDenied {
    /// The browser says in `Sec-Fetch-Site` that another origin caused the request.
    CrossSite,
    /// There is no `Sec-Fetch-Site`, and `Origin` is neither the request's own nor a trusted one.
    ForeignOrigin,
    /// Neither header is present, and the route asks for one.
    Undeclared,
}

impl fmt::Display for CsrfDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CrossSite => "another site caused the request",
            Self::ForeignOrigin => "the origin of the request is not trusted",
            Self::Undeclared => "the request does not say where it comes from",
        })
    }
}

impl std::error::Error for CsrfDenied {}
