//! The checks before the page's handlers.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, StatusCode, header};

use crate::{
    credentials::CredentialSource,
    error::Error,
    manager::{Brought, CurrentSession, StartedSession},
    middleware::{Anonymous, Seen},
    pages::{DevicesPage, handlers::message, visitor::to_sign_in},
    policy::Denied,
    routes::check_declared,
    transport,
};

/// A page for a request that goes no further.
pub(super) fn refused(page: &DevicesPage, denied: &Denied) -> Response {
    let texts = &*page.settings.texts;
    let status = StatusCode::from_u16(denied.profile().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match status {
        StatusCode::UNAUTHORIZED => to_sign_in(page, denied),
        StatusCode::FORBIDDEN => message(page, status, &texts.foreign_request()),
        StatusCode::BAD_REQUEST => message(page, status, &texts.unreadable_request()),
        _ => message(page, status, &texts.unavailable()),
    }
}

/// S72: a form that changes something must have been sent by one of our own pages.
pub(super) async fn declared(State(page): State<DevicesPage>, request: Request, next: Next) -> Response {
    if let Some(current) = request.extensions().get::<CurrentSession>()
        && let Err(denied) = check_declared(&page.manager, current.credential_source(), &request)
    {
        return refused(&page, &denied);
    }
    next.run(request).await
}

/// With refresh tokens: a visitor whose access token has expired goes on with the next one, as a page without
/// JavaScript cannot ask for it.
pub(super) async fn renewed(State(page): State<DevicesPage>, mut request: Request, next: Next) -> Response {
    let denied = match Seen::by(&page.manager, request.extensions()) {
        Some(Seen::Anonymous(anonymous)) => Some(anonymous.denied()),
        _ => None,
    };
    let Some(Denied::TokenExpired | Denied::Missing | Denied::Invalid) = denied else {
        return next.run(request).await;
    };
    let tokens = refresh_tokens(&page, request.headers());
    if tokens.is_empty() {
        return next.run(request).await;
    }
    if let Err(denied) = check_declared(&page.manager, CredentialSource::Cookie, &request) {
        return refused(&page, &denied);
    }
    let (current, started) = match renew(&page, &tokens).await {
        Ok(renewed) => renewed,
        // Cookies of several live sessions: there is a way back to the sign-in form.
        Err(error) if error.denied() == Some(&Denied::Malformed) => return to_sign_in(&page, &Denied::Malformed),
        Err(error) => return refused(&page, error.denied().unwrap_or(&Denied::Unavailable)),
    };
    request.extensions_mut().remove::<Anonymous>();
    request.extensions_mut().insert(current);
    let mut response = next.run(request).await;
    // A form that has ended the session itself has cleared its cookies.
    if !response.headers().contains_key(header::SET_COOKIE) {
        transport::cookie::put_ours(&mut response, started.cookie_lines());
    }
    response
}

/// The refresh tokens in the request's cookies, of which there is one as a rule.
fn refresh_tokens(page: &DevicesPage, headers: &HeaderMap) -> Vec<String> {
    let cookie = page.manager.credentials().refresh_cookie.as_ref().filter(|_| page.manager.refreshes());
    let tokens = cookie.map(|cookie| transport::cookie::tokens(cookie, headers)).unwrap_or_default();
    tokens.into_iter().map(|token| String::from_utf8_lossy(token).into_owned()).collect()
}

async fn renew(page: &DevicesPage, tokens: &[String]) -> Result<(CurrentSession, StartedSession), Error> {
    let in_cookies = tokens.iter().map(String::as_str).collect();
    let started = page.manager.refresh_brought(Brought { in_body: None, in_cookies, cookies_count: true }).await?;
    let current = page.manager.authenticate(started.token()).await?;
    Ok((current, started))
}
