use axum::{
    Extension,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, Uri};
use serde::Deserialize;

use crate::{
    credentials::CredentialSource,
    event::SessionEvent,
    manager::SessionManager,
    middleware::Only,
    policy::Denied,
    routes::{bad_request, failed},
    transport::{self, Credential, MalformedCredential},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefreshBody {
    refresh_token: Option<String>,
}

/// `POST /refresh`.
///
/// 1. A token in the body counts where tokens travel in bodies, one in the cookie where they travel in cookies.
/// 2. A cookie is attached by browsers, whoever asks for it: the request must say where it comes from.
/// 3. Two tokens that differ are refused.
/// 4. The answer goes the way the token came. A refused one clears no cookie: another tab may have got a new one meanwhile.
pub(super) async fn refresh(
    State(manager): State<SessionManager>,
    method: Method,
    uri: Uri,
    only: Option<Extension<Only>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let accepted = manager.credentials();
    let only = only.map(|Extension(Only(source))| source);
    let reads_body = accepted.bearer && only != Some(CredentialSource::Cookie);
    let refresh_cookie = accepted.refresh_cookie.as_ref().filter(|_| only != Some(CredentialSource::Bearer));
    let in_body = match reads_body && !body.is_empty() {
        false => None,
        true => match serde_json::from_slice::<RefreshBody>(&body) {
            Ok(body) => body.refresh_token,
            Err(_) => return bad_request("invalid_body", "Send a JSON object with refreshToken"),
        },
    };
    let in_cookie = match refresh_cookie.map(|cookie| transport::cookie::read(cookie, &headers)) {
        None | Some(Credential::Absent) => None,
        Some(Credential::Token { token, .. }) => std::str::from_utf8(token).ok(),
        Some(Credential::Malformed(MalformedCredential::TooLarge(_))) => return Denied::Invalid.into_response(),
        Some(Credential::Malformed(_)) => {
            manager.tell(&SessionEvent::AmbiguousCredentials);
            return Denied::Malformed.into_response();
        }
    };

    if in_cookie.is_some()
        && let Some(csrf) = &accepted.csrf
        && let Err(why) = csrf.clone().strict().check(CredentialSource::Cookie, &method, &uri, &headers)
    {
        manager.tell(&SessionEvent::CsrfDenied { why });
        return Denied::Forged(why).into_response();
    }
    match (in_body.as_deref(), in_cookie) {
        (None, None) if reads_body && !body.is_empty() => {
            bad_request("invalid_body", "Send a JSON object with refreshToken")
        }
        (None, None) => Denied::Missing.into_response(),
        (Some(one), Some(other)) if one != other => {
            manager.tell(&SessionEvent::AmbiguousCredentials);
            Denied::Malformed.into_response()
        }
        (Some(token), _) => match manager.refresh(token).await {
            Ok(started) => started.in_body().into_response(),
            Err(error) => failed(error),
        },
        (None, Some(token)) => match manager.refresh(token).await {
            Ok(started) => started.in_cookie().into_response(),
            Err(error) => failed(error),
        },
    }
}
