//! Refreshing tokens.

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
    error::Error,
    event::SessionEvent,
    manager::{Brought, SessionManager},
    middleware::Only,
    policy::Denied,
    routes::bad_request,
    transport::{self, Credential},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefreshBody {
    pub(super) refresh_token: Option<String>,
}

/// `POST /refresh`.
///
/// 1. A token in the body counts where tokens travel in bodies, tokens in cookies where they travel in cookies.
/// 2. Browsers attach a cookie no matter which site causes the request: the request must come from the application's
///    own pages, or the cookie does not count. A token in the body needs no such check.
/// 3. Of several tokens the one that is live counts. Two live sessions are refused.
/// 4. The new tokens go every way that the old ones came. A refusal clears no cookie: another tab may have received a
///    new one meanwhile.
pub(super) async fn refresh(
    State(manager): State<SessionManager>,
    method: Method,
    uri: Uri,
    only: Option<Extension<Only>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    let accepted = manager.credentials();
    let only = only.map(|Extension(Only(source))| source);
    let reads_body = accepted.bearer && only != Some(CredentialSource::Cookie);
    let refresh_cookie = accepted.refresh_cookie.as_ref().filter(|_| only != Some(CredentialSource::Bearer));
    let in_body = match reads_body && !body.is_empty() {
        false => None,
        true => match serde_json::from_slice::<RefreshBody>(&body) {
            Ok(body) => body.refresh_token,
            Err(_) => return Ok(bad_request("invalid_body", "Send a JSON object with refreshToken")),
        },
    };
    let cookies = refresh_cookie.map(|cookie| transport::read_cookies(cookie, &headers));
    let in_cookies = texts(cookies.as_ref());
    let csrf = accepted
        .csrf
        .clone()
        .map_or(Ok(()), |csrf| csrf.strict().check(CredentialSource::Cookie, &method, &uri, &headers));

    match (in_body.as_deref(), &in_cookies[..], csrf) {
        (None, [], _) if reads_body && !body.is_empty() => {
            Ok(bad_request("invalid_body", "Send a JSON object with refreshToken"))
        }
        (None, [], _) if matches!(cookies, Some(Credential::Malformed(_))) => Err(Denied::Invalid.into()),
        (None, [], _) => Err(Denied::Missing.into()),
        (None, _, Err(why)) => {
            manager.tell(&SessionEvent::CsrfDenied { why });
            Err(Denied::Forged(why).into())
        }
        (in_body, _, csrf) => {
            let brought = Brought { in_body, in_cookies, cookies_count: csrf.is_ok() };
            let refreshed = manager.refresh_brought(brought).await;
            if refreshed.as_ref().is_err_and(|error| error.denied() == Some(&Denied::Malformed)) {
                manager.tell(&SessionEvent::AmbiguousCredentials);
            }
            refreshed.map(IntoResponse::into_response)
        }
    }
}

/// The tokens as texts, which all that are well-formed are.
fn texts<'a>(cookies: Option<&Credential<'a>>) -> Vec<&'a str> {
    let tokens = match cookies {
        Some(Credential::Token { token, .. }) => vec![*token],
        Some(Credential::Several(tokens)) => tokens.iter().map(|(token, _)| *token).collect(),
        Some(Credential::Absent | Credential::Malformed(_)) | None => Vec::new(),
    };
    tokens.into_iter().filter_map(|token| std::str::from_utf8(token).ok()).collect()
}
