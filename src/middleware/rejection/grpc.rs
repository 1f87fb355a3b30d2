//! Rejections of gRPC requests.

use http::{HeaderMap, HeaderValue, Response, header};

use crate::{error::ErrorKind, middleware::rejection::details, policy::Denied, session::EndReason};

/// A response of only trailers: status 200, and `grpc-status` among the headers.
pub(super) fn response<B: Default>(denied: &Denied) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.headers_mut() = trailers(denied);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// What a call without a session ends with.
pub(in crate::middleware) fn trailers(denied: &Denied) -> HeaderMap {
    let profile = denied.profile();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(profile.grpc_status));
    trailers.insert("grpc-message", HeaderValue::from_static(profile.grpc_message));
    let reason = denied.end_reason().map(EndReason::as_str);
    if let Some(reason) = reason {
        trailers.insert("session-end-reason", HeaderValue::from_static(reason));
    }
    let details = details::encode(profile, reason);
    // Base64 is visible text.
    if let Ok(details) = HeaderValue::try_from(details) {
        trailers.insert("grpc-status-details-bin", details);
    }
    trailers
}

impl Denied {
    /// Returns the trailers of a gRPC call that has no session for this reason: `grpc-status`, `grpc-message`, and a
    /// `google.rpc.ErrorInfo` in `grpc-status-details-bin`.
    ///
    /// `tonic::Status::from_header_map` makes a status of it, for methods that need a session beside others that do
    /// not.
    pub fn grpc_trailers(&self) -> HeaderMap {
        trailers(self)
    }
}

impl ErrorKind {
    /// Returns the gRPC status code for such an error, for sign-ins over gRPC: `tonic::Code::from_i32` takes it.
    ///
    /// 8 (`RESOURCE_EXHAUSTED`) for too many sessions, 14 (`UNAVAILABLE`) for a store that did not answer, 16
    /// (`UNAUTHENTICATED`) for what was denied, 13 (`INTERNAL`) for the rest.
    pub fn grpc_code(self) -> i32 {
        match self {
            Self::TooManySessions => 8,
            Self::Unavailable => 14,
            Self::Denied => 16,
            Self::InvalidUserId | Self::InvalidClaims | Self::InvalidData | Self::NoSigningKey => 13,
        }
    }
}
