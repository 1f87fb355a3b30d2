use http::{HeaderMap, HeaderValue, Response, header};

use crate::{error::ErrorKind, policy::Denied};

/// Whether a request is a gRPC call, by the content type that the protocol prescribes.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers.get(header::CONTENT_TYPE).and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b'-')))
}

/// An answer made of trailers alone: status 200, and `grpc-status` among the headers.
pub(super) fn response<B: Default>(denied: &Denied) -> Response<B> {
    let (status, message) = match denied {
        Denied::Missing => (UNAUTHENTICATED, "no credential"),
        Denied::Malformed => (UNAUTHENTICATED, "malformed or several credentials"),
        Denied::Invalid => (UNAUTHENTICATED, "invalid session"),
        Denied::TokenExpired => (UNAUTHENTICATED, "session expired"),
        Denied::Forged(_) => (UNAUTHENTICATED, "possibly forged request"),
        Denied::StepUp(_) => (UNAUTHENTICATED, "the user has to authenticate again"),
        Denied::Ended(_) => (UNAUTHENTICATED, "session ended"),
        Denied::Unavailable => (UNAVAILABLE, "session store unavailable"),
    };
    let mut response = Response::new(B::default());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(status));
    headers.insert("grpc-message", HeaderValue::from_static(message));
    if let Denied::Ended(ending) = denied {
        headers.insert("session-end-reason", HeaderValue::from_static(ending.reason.as_str()));
    }
    response
}

impl ErrorKind {
    /// The gRPC status code for an answer to such an error, for sign-ins over gRPC: `tonic::Code::from_i32` takes it.
    ///
    /// 8 (`RESOURCE_EXHAUSTED`) for too many sessions, 14 (`UNAVAILABLE`) for a store that did not answer, 16
    /// (`UNAUTHENTICATED`) for what was denied, 13 (`INTERNAL`) for the rest.
    pub fn grpc_code(self) -> i32 {
        match self {
            Self::TooManySessions => 8,
            Self::Unavailable => 14,
            Self::Denied => 16,
            Self::InvalidUserId | Self::InvalidClaims | Self::NoSigningKey => 13,
        }
    }
}

const UNAUTHENTICATED: &str = "16";
const UNAVAILABLE: &str = "14";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_requests_are_known_by_their_content_type() {
        let is = |value: &'static str| {
            is_grpc(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]))
        };
        assert!(is("application/grpc"));
        assert!(is("application/grpc+proto"));
        assert!(is("application/grpc-web+proto"));
        assert!(!is("application/grpcish"));
        assert!(!is("application/json"));
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
