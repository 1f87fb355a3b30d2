//! Problem details: one for each reason to reject a request.

use std::borrow::Cow;

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::{
    assurance::Requirement,
    middleware::{isolation::isolate, rejection::body::body_with},
    policy::Denied,
    session::EndReason,
};

/// Problem details (RFC 9457) with a stable `code` for programs and a short `error` for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    error: &'static str,
    /// Why the session ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The longest time since the user's authentication, in seconds.
    #[serde(rename = "maxAge", skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
    /// The required assurance level.
    #[serde(rename = "acrValues", skip_serializing_if = "Option::is_none")]
    acr_values: Option<&'static str>,
    #[serde(skip)]
    challenge: Option<Cow<'static, str>>,
    #[serde(skip)]
    retry_after: Option<&'static str>,
}

impl Problem {
    /// A problem without a challenge.
    pub(crate) fn new(status: StatusCode, code: &'static str, error: &'static str) -> Self {
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            error,
            reason: None,
            max_age: None,
            acr_values: None,
            challenge: None,
            retry_after: None,
        }
    }

    /// Adds what a step-up requires.
    fn asking_for(self, requirement: &Requirement) -> Self {
        let (acr_values, max_age) = (requirement.level_name(), requirement.max_age().map(|age| age.as_secs()));
        let mut challenge = self.challenge.unwrap_or_default().into_owned();
        if let Some(level) = acr_values {
            challenge.push_str(&format!(", acr_values=\"{level}\""));
        }
        if let Some(seconds) = max_age {
            challenge.push_str(&format!(", max_age={seconds}"));
        }
        Self { acr_values, max_age, challenge: Some(challenge.into()), ..self }
    }

    /// The response, with the body as far as `B` can hold it.
    pub(crate) fn into_response<B: Default + 'static>(self) -> Response<B> {
        // A problem is made of texts and one number; it cannot fail to serialize.
        let text = serde_json::to_string(&self).unwrap_or_default();
        let mut response = Response::new(body_with(text.into()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        isolate(headers);
        // A challenge is made of fixed texts and a number.
        if let Some(Ok(challenge)) = self.challenge.map(|challenge| HeaderValue::try_from(&*challenge)) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

impl From<&Denied> for Problem {
    fn from(denied: &Denied) -> Self {
        let profile = denied.profile();
        let status = StatusCode::from_u16(profile.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = Self {
            reason: denied.end_reason().map(EndReason::as_str),
            challenge: profile.challenge.map(Cow::Borrowed),
            retry_after: (status == StatusCode::SERVICE_UNAVAILABLE).then_some("1"),
            ..Self::new(status, profile.code, profile.title)
        };
        match denied {
            Denied::StepUp(requirement) => problem.asking_for(requirement),
            _ => problem,
        }
    }
}

/// The layer is missing.
pub(crate) fn missing_layer() -> Problem {
    let error = "SessionLayer is missing: add `.layer(SessionLayer::new(&sessions))` around this service";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "session_layer_missing", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        session::{Actor, Ending},
    };

    fn answer(denied: &Denied) -> Response<String> {
        Problem::from(denied).into_response()
    }

    /// S76, S78.
    #[test]
    fn a_missing_credential_is_answered_by_a_bare_challenge() {
        let response = answer(&Denied::Missing);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            response.body(),
            "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,\
             \"code\":\"credentials_missing\",\"error\":\"Not signed in\"}"
        );
    }

    /// S76.
    #[test]
    fn a_bad_credential_is_answered_by_invalid_token() {
        let ending = Ending::new(EndReason::RevokedByUser, Actor::System, Timestamp::UNIX_EPOCH);
        for denied in [Denied::Invalid, Denied::TokenExpired, Denied::Ended(ending)] {
            let response = answer(&denied);
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"");
        }
    }

    /// S76, S70.
    #[test]
    fn a_malformed_credential_is_a_bad_request() {
        let response = answer(&Denied::Malformed);
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer error=\"invalid_request\"");
    }

    /// S79.
    #[test]
    fn an_outage_is_never_the_clients_fault() {
        let response = answer(&Denied::Unavailable);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert!(!response.headers().contains_key(header::WWW_AUTHENTICATE));
        assert!(!response.headers().contains_key(header::SET_COOKIE));
    }

    #[test]
    fn every_reason_has_a_code_and_a_text() {
        for &reason in EndReason::ALL {
            let ending = Ending::new(reason, Actor::System, Timestamp::UNIX_EPOCH);
            let body = answer(&Denied::Ended(ending)).into_body();
            assert!(body.contains(&format!("\"reason\":\"{reason}\"")), "{body}");
        }
    }
}
