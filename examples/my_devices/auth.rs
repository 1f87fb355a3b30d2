//! Signing in and out, authenticating again, and changing the password.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;
use tower_device_sessions::{ClientInfo, CurrentSession, Error, RecentAuth, SignedOut, routes::SigningOut};

use crate::{App, busy, otp::Refused, passwords::Busy, problem, retry_after, settings::SecondFactor};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/login", post(login))
        .route("/otp", post(otp))
        .route("/logout", post(logout))
        .route("/reauthenticate", post(reauthenticate))
        .route("/password", post(password))
}

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
}

async fn login(
    State(app): State<App>,
    client: ClientInfo,
    form: Result<Json<Login>, JsonRejection>,
) -> Result<Response, Error> {
    let Ok(Json(Login { email, password })) = form else {
        return Ok(malformed("Send a JSON object with email and password"));
    };
    let account = match app.accounts.check(&email, password).await {
        Ok(Some(account)) => account,
        Ok(None) => return Ok(problem(StatusCode::UNAUTHORIZED, "wrong_credentials", "Wrong email or password")),
        Err(Busy) => return Ok(busy()),
    };
    // On a device that the user trusts, one factor is enough.
    let trusted = app.sessions.is_trusted(&account.id.try_into()?, &client).await?;
    if app.second_factor == SecondFactor::Otp && !trusted {
        let token = match app.otp.send(account) {
            Ok(token) => token,
            Err(pause) => return Ok(too_many_attempts(pause)),
        };
        return Ok((StatusCode::ACCEPTED, NO_STORE, Json(json!({ "otpToken": token }))).into_response());
    }
    Ok(app.sessions.start(account.id, client).method("pwd").await?.into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Code {
    otp_token: String,
    code: String,
}

/// Only here, with both factors proven, the session starts.
async fn otp(
    State(app): State<App>,
    client: ClientInfo,
    form: Result<Json<Code>, JsonRejection>,
) -> Result<Response, Error> {
    let Ok(Json(Code { otp_token, code })) = form else {
        return Ok(malformed("Send a JSON object with otpToken and code"));
    };
    let account = match app.otp.check(&otp_token, &code, None) {
        Ok(account) => account,
        Err(Refused::Wrong) => return Ok(problem(StatusCode::UNAUTHORIZED, "wrong_code", "Wrong or expired code")),
        Err(Refused::Paused(pause)) => return Ok(too_many_attempts(pause)),
    };
    let started = app.sessions.start(account.id, client).method("pwd").method("otp").assurance_level(2);
    Ok(started.await?.into_response())
}

/// Also with an expired access token, or with only the refresh token.
async fn logout(client: SigningOut) -> Result<SignedOut, Error> {
    client.sign_out().await
}

#[derive(Deserialize)]
struct Confirmation {
    password: String,
}

/// Returns new tokens; older ones are refused from now on.
async fn reauthenticate(
    State(app): State<App>,
    session: CurrentSession,
    form: Result<Json<Confirmation>, JsonRejection>,
) -> Result<Response, Error> {
    let Ok(Json(Confirmation { password })) = form else {
        return Ok(malformed("Send a JSON object with password"));
    };
    match app.accounts.confirm(session.user_id().as_str(), password).await {
        Ok(true) => {}
        Ok(false) => return Ok(problem(StatusCode::UNAUTHORIZED, "wrong_credentials", "Wrong password")),
        Err(Busy) => return Ok(busy()),
    }
    Ok(app.sessions.reauthenticated(&session, "pwd").await?.into_response())
}

#[derive(Deserialize)]
struct NewPassword {
    current: String,
    new: String,
}

/// Everybody who knew the old password is signed out, except the one who has just changed it: they get new tokens.
async fn password(
    State(app): State<App>,
    RecentAuth(session): RecentAuth,
    form: Result<Json<NewPassword>, JsonRejection>,
) -> Result<Response, Error> {
    let Ok(Json(NewPassword { current, new })) = form else {
        return Ok(malformed("Send a JSON object with current and new"));
    };
    if !(8..=1_024).contains(&new.len()) {
        return Ok(problem(StatusCode::BAD_REQUEST, "weak_password", "A password has at least 8 characters"));
    }
    let user = session.user_id();
    match app.accounts.confirm(user.as_str(), current).await {
        Ok(true) => {}
        Ok(false) => return Ok(problem(StatusCode::UNAUTHORIZED, "wrong_credentials", "Wrong password")),
        Err(Busy) => return Ok(busy()),
    }
    if let Err(Busy) = app.accounts.change(user.as_str(), new).await {
        return Ok(busy());
    }
    let changed = app.sessions.credentials_changed(user, Some(&session)).await?;
    Ok(match changed.kept {
        Some(kept) => kept.into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

fn malformed(error: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "invalid_body", error)
}

fn too_many_attempts(pause: Duration) -> Response {
    let error = "Too many wrong codes for this account. Try again later";
    (retry_after(pause), problem(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", error)).into_response()
}

const NO_STORE: [(&str, &str); 1] = [("cache-control", "no-store")];
