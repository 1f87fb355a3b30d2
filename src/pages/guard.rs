//! What stands before the page's handlers.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, StatusCode, header};

use crate::{
    credentials::CredentialSource,
    error::Error,
    manager::{CurrentSession, StartedSession},
    middleware::Anonymous,
    pages::{DevicesPage, handlers::message, visitor::to_sign_in},
    policy::Denied,
    routes::check_declared,
    transport::{self, Credential},
};

/// A page for a request that goes no further.
pub(super) fn refused(page: &DevicesPage, denied: &Denied) -> Response {
    let texts = &*page.settings.texts;
    match denied {
        Denied::Unavailable => message(page, StatusCode::SERVICE_UNAVAILABLE, &texts.unavailable()),
        Denied::Forged(_) => message(page, StatusCode::FORBIDDEN, &texts.foreign_request()),
        Denied::Malformed => message(page, StatusCode::BAD_REQUEST, &texts.unreadable_request()),
        denied => to_sign_in(page, denied),
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

/// With refresh tokens: a visitor whose access token has expired goes on with the next one, as a page without JavaScript
/// cannot ask for it.
pub(super) async fn renewed(State(page): State<DevicesPage>, mut request: Request, next: Next) -> Response {
    let denied = request.extensions().get::<Anonymous>().map(Anonymous::denied);
    let Some(Denied::TokenExpired | Denied::Missing) = denied else {
        return next.run(request).await;
    };
    let Some(token) = refresh_token(&page, request.headers()) else {
        return next.run(request).await;
    };
    if let Err(denied) = check_declared(&page.manager, CredentialSource::Cookie, &request) {
        return refused(&page, &denied);
    }
    let (current, started) = match renew(&page, &token).await {
        Ok(renewed) => renewed,
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

/// The refresh token in the request's cookie.
fn refresh_token(page: &DevicesPage, headers: &HeaderMap) -> Option<String> {
    let cookie = page.manager.credentials().refresh_cookie.as_ref().filter(|_| page.manager.refreshes())?;
    match transport::cookie::read(cookie, headers) {
        Credential::Token { token, .. } => std::str::from_utf8(token).ok().map(str::to_owned),
        _ => None,
    }
}

async fn renew(page: &DevicesPage, token: &str) -> Result<(CurrentSession, StartedSession), Error> {
    let started = page.manager.refresh(token).await?.in_cookie();
    let current = page.manager.authenticate(started.token()).await?;
    Ok((current, started))
}
