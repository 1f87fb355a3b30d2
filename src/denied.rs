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
    /// Its token is not one of ours, or names no session of its user. Which of these is never told.
    Invalid,
    /// Its access token is one of ours and has run out. As far as is known its session goes on: the client may refresh.
    TokenExpired,
    /// Its token is one of ours, and was issued in the future, as this node's clock has it: the clocks of two nodes
    /// disagree, or this one's was set back. The credential may be as good as ever.
    IssuedInFuture,
    /// Its token is one of ours, and the session has ended.
    Ended(Ending),
    /// A cookie authenticates it, and another site has caused it, or may have.
    Forged(CsrfDenied),
    /// It has a session, whose user has to authenticate again first.
    StepUp(Requirement),
    /// The store could not be asked. The credential may be as good as ever.
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

/// Why a request that a cookie authenticates was taken for a forged one, and answered with 403.
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
