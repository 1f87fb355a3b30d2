//! Why a request has no session, and how that is told.

use std::fmt;

use crate::{
    assurance::Requirement,
    session::{EndReason, Ending},
};

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

impl Denied {
    /// How it is told, in every protocol.
    pub(crate) fn profile(&self) -> &'static Profile {
        match self {
            Self::Missing => &MISSING,
            Self::Malformed => &MALFORMED,
            Self::Invalid => &INVALID,
            Self::TokenExpired => &TOKEN_EXPIRED,
            Self::IssuedInFuture => &ISSUED_IN_FUTURE,
            Self::Ended(ending) => ended(ending.reason),
            Self::Forged(_) => &FORGED,
            Self::StepUp(_) => &STEP_UP,
            Self::Unavailable => &UNAVAILABLE,
        }
    }

    /// How the session has ended, where that is why.
    pub(crate) fn end_reason(&self) -> Option<EndReason> {
        match self {
            Self::Ended(ending) => Some(ending.reason),
            _ => None,
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.profile().text)?;
        match self {
            Self::Ended(ending) => write!(f, ": {}", ending.reason),
            Self::Forged(why) => write!(f, ": {why}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Denied {}

/// How a denial is told: to logs and metrics, to programs and to people, in every protocol.
#[derive(Debug)]
pub(crate) struct Profile {
    /// For logs.
    pub(crate) text: &'static str,
    /// The stable name for programs.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    pub(crate) status: u16,
    /// What `WWW-Authenticate` says. A step-up adds what it requires.
    pub(crate) challenge: Option<&'static str>,
    pub(crate) grpc_status: u16,
    pub(crate) grpc_message: &'static str,
    /// The code in Connect's own protocol.
    pub(crate) connect_code: &'static str,
    /// What it counts as.
    pub(crate) outcome: Outcome,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    Anonymous,
    Malformed,
    Invalid,
    TokenExpired,
    Ended,
    Forged,
    StepUp,
    Unavailable,
}

const MISSING: Profile = Profile {
    text: "no credential",
    code: "credentials_missing",
    title: "Not signed in",
    challenge: Some("Bearer"),
    grpc_message: "no credential",
    outcome: Outcome::Anonymous,
    ..INVALID
};

const MALFORMED: Profile = Profile {
    text: "malformed or ambiguous credentials",
    code: "invalid_request",
    title: "The request carries several credentials, or a malformed one",
    status: 400,
    challenge: Some("Bearer error=\"invalid_request\""),
    grpc_message: "malformed or several credentials",
    connect_code: "invalid_argument",
    outcome: Outcome::Malformed,
    ..INVALID
};

const INVALID: Profile = Profile {
    text: "invalid token",
    code: "token_invalid",
    title: "Invalid session",
    status: 401,
    challenge: Some("Bearer error=\"invalid_token\""),
    grpc_status: 16,
    grpc_message: "invalid session",
    connect_code: "unauthenticated",
    outcome: Outcome::Invalid,
};

const TOKEN_EXPIRED: Profile = Profile {
    text: "expired token",
    code: "token_expired",
    title: "Access token expired",
    grpc_message: "access token expired",
    outcome: Outcome::TokenExpired,
    ..INVALID
};

const ISSUED_IN_FUTURE: Profile = Profile {
    text: "token issued in the future",
    code: "clocks_disagree",
    grpc_message: "clocks disagree",
    ..UNAVAILABLE
};

const FORGED: Profile = Profile {
    text: "possibly forged request",
    code: "csrf_denied",
    title: "Request from another site refused",
    status: 403,
    challenge: None,
    grpc_message: "possibly forged request",
    connect_code: "permission_denied",
    outcome: Outcome::Forged,
    ..INVALID
};

/// The challenge is that of RFC 9470 §3.
const STEP_UP: Profile = Profile {
    text: "the user has to authenticate again",
    code: "reauthentication_required",
    title: "Confirm that it is you",
    challenge: Some("Bearer error=\"insufficient_user_authentication\""),
    grpc_message: "the user has to authenticate again",
    outcome: Outcome::StepUp,
    ..INVALID
};

const UNAVAILABLE: Profile = Profile {
    text: "session store unavailable",
    code: "store_unavailable",
    title: "Try again in a moment",
    status: 503,
    challenge: None,
    grpc_status: 14,
    grpc_message: "session store unavailable",
    connect_code: "unavailable",
    outcome: Outcome::Unavailable,
};

/// Signed out by the user. Others have ended in their own way, and are told alike.
const ENDED: Profile = Profile {
    text: "ended session",
    code: "session_revoked",
    title: "Signed out",
    grpc_message: "session ended",
    outcome: Outcome::Ended,
    ..INVALID
};

fn ended(reason: EndReason) -> &'static Profile {
    match reason {
        EndReason::SignedOut => &ENDED,
        EndReason::RevokedByUser => &Profile { title: "Signed out from another device", ..ENDED },
        EndReason::RevokedByAdmin => &Profile { title: "Signed out by an administrator", ..ENDED },
        EndReason::Policy => &Profile { title: "Signed out by a security policy", ..ENDED },
        EndReason::Evicted => {
            &Profile { code: "session_evicted", title: "Signed out because of newer sign-ins", ..ENDED }
        }
        EndReason::Replaced => &Profile { code: "session_replaced", title: "Replaced by a newer sign-in", ..ENDED },
        EndReason::Idle => {
            &Profile { code: "session_idle", title: "Signed out after a time without activity", ..ENDED }
        }
        EndReason::Expired => &Profile { code: "session_expired", title: "Session expired", ..ENDED },
        EndReason::CredentialsChanged => {
            &Profile { code: "credentials_changed", title: "Credentials changed", ..ENDED }
        }
        EndReason::RefreshReused => &Profile { code: "refresh_reused", title: "Signed out for safety", ..ENDED },
    }
}

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
