//! The responses to requests without a session.

mod body;
mod connect;
mod details;
mod grpc;
mod problem;

pub(crate) use self::problem::{Problem, missing_layer};
pub(super) use self::{connect::end_of_stream as connect_end, grpc::trailers as grpc_trailers};

use http::{HeaderMap, Response, Uri};

use crate::{middleware::media_type::MediaType, policy::Denied};

/// Responds to a request that is not accepted.
///
/// Closures from [`Denied`] and the request's headers to a response implement it.
pub trait OnDenied<B> {
    /// Returns the response to a request with these headers.
    fn response(&self, denied: &Denied, headers: &HeaderMap) -> Response<B>;

    /// Returns the response to a request with this URI and these headers. Default: [`response`](Self::response), which
    /// ignores the URI.
    fn response_to(&self, denied: &Denied, uri: &Uri, headers: &HeaderMap) -> Response<B> {
        let _ = uri;
        self.response(denied, headers)
    }
}

impl<F, B> OnDenied<B> for F
where
    F: Fn(&Denied, &HeaderMap) -> Response<B>,
{
    fn response(&self, denied: &Denied, headers: &HeaderMap) -> Response<B> {
        self(denied, headers)
    }
}

/// The default responses.
///
/// - A gRPC request, recognised by its `content-type`, gets only trailers: `grpc-status` 16 (`UNAUTHENTICATED`), or 14
///   (`UNAVAILABLE`) when the store could not be asked. `grpc-status-details-bin` holds a `google.rpc.ErrorInfo` with
///   the `code` below in upper case as its reason, and the reason of the ending in its metadata.
/// - A call of Connect's own protocol, recognised by `connect-protocol-version`, `application/connect+…` or
///   `?connect=v1`, gets that protocol's error, with the same `google.rpc.ErrorInfo`: as JSON with the status below, or
///   as the end of a stream.
/// - Any other request gets problem details (RFC 9457), with the status and the `WWW-Authenticate` of RFC 6750, and
///   `Cache-Control: no-store`:
///
/// | why | status | `WWW-Authenticate` | `code` |
/// | --- | --- | --- | --- |
/// | no credential | 401 | `Bearer` | `credentials_missing` |
/// | malformed or several credentials | 400 | `Bearer error="invalid_request"` | `invalid_request` |
/// | a token that is not one of ours, or names no session | 401 | `Bearer error="invalid_token"` | `token_invalid` |
/// | an expired access token of an active session | 401 | `Bearer error="invalid_token"` | `token_expired` |
/// | an ended session, even with an expired token | 401 | `Bearer error="invalid_token"` | `session_revoked` … |
/// | a request with our cookie that another site has caused | 403 | none | `csrf_denied` |
/// | a step-up is needed | 401 | `Bearer error="insufficient_user_authentication"`, … | `reauthentication_required` |
/// | the store could not be asked | 503 | none | `store_unavailable` |
/// | a token that was issued in the future, by this node's clock | 503 | none | `clocks_disagree` |
///
/// The challenge of a step-up says what is required (RFC 9470). The other codes of ended sessions are
/// `session_expired`, `session_idle`, `session_evicted`, `session_replaced`, `credentials_changed` and
/// `refresh_reused`.
///
/// The text of a problem reaches bodies of the types `axum::body::Body` (feature `axum`),
/// `http_body_util::Full<Bytes>`, `Bytes` and `String`. Others stay empty; status and headers say what matters.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultOnDenied {}

impl DefaultOnDenied {
    /// The default responses.
    pub fn new() -> Self {
        Self {}
    }
}

impl<B: Default + 'static> OnDenied<B> for DefaultOnDenied {
    fn response(&self, denied: &Denied, headers: &HeaderMap) -> Response<B> {
        self.response_to(denied, &Uri::default(), headers)
    }

    fn response_to(&self, denied: &Denied, uri: &Uri, headers: &HeaderMap) -> Response<B> {
        if MediaType::of(headers).grpc().is_some() {
            return grpc::response(denied);
        }
        match connect::call(uri, headers) {
            Some(call) => connect::response(call, denied, headers),
            None => Problem::from(denied).into_response(),
        }
    }
}
