//! Axum: what a started and an ended session look like as responses, or as the first part of one.

use axum_core::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::{
    clock::Timestamp,
    extract::json,
    id::SessionId,
    manager::{FormDevice, SignedOut, StartedSession, TrustedDevice},
    transport::cookie,
};

/// The response to a sign-in. Without the bearer transport the tokens are left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartedView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    session_id: SessionId,
    expires_at: Timestamp,
}

impl IntoResponse for StartedSession {
    fn into_response(self) -> Response {
        let shown = self.is_for_body();
        let view = StartedView {
            token: shown.then_some(self.token()),
            refresh_token: self.refresh_token().filter(|_| shown),
            token_type: shown.then_some("Bearer"),
            session_id: self.session().id,
            expires_at: self.expires_at(),
        };
        let mut response = json(StatusCode::OK, &view);
        cookie::put_ours(&mut response, self.cookie_lines());
        response
    }
}

impl IntoResponseParts for StartedSession {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        Ok(with_lines(parts, self.cookie_lines()))
    }
}

impl IntoResponse for SignedOut {
    fn into_response(self) -> Response {
        (self, StatusCode::NO_CONTENT).into_response()
    }
}

impl IntoResponseParts for SignedOut {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        self.put_site_data(parts.headers_mut());
        Ok(with_lines(parts, self.cookie_lines()))
    }
}

impl IntoResponseParts for TrustedDevice {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        Ok(with_lines(parts, self.cookie_line().into_iter().collect()))
    }
}

impl IntoResponseParts for FormDevice {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        Ok(with_lines(parts, self.cookie_line().into_iter().collect()))
    }
}

fn with_lines(mut parts: ResponseParts, lines: Vec<HeaderValue>) -> ResponseParts {
    parts.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for line in &lines {
        cookie::put(parts.headers_mut(), line.clone());
    }
    parts.extensions_mut().insert(cookie::OurLines(lines));
    parts
}
