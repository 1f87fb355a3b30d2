//! What a browser sees: the "My devices" page at `/`, and the forms by which one comes there.

use askama::Template;
use axum::{
    Form, Router,
    extract::{State, rejection::FormRejection},
    http::{StatusCode, Uri, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use tower_device_sessions::{
    ClientInfo, CurrentSession, DevicesPage, Error, ErrorKind, SessionLayer, SessionManager, StartedSession,
    pages::{EnglishTexts, SignInHint},
};

use crate::{App, accounts::Account, settings::SecondFactor};

/// The page brings its own `SessionLayer`; the forms need one.
pub fn routes(sessions: &SessionManager) -> Router<App> {
    let page = DevicesPage::new(sessions, "/");
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-in/code", post(code))
        .route("/sign-in/done", get(done))
        .layer(SessionLayer::new(sessions).on_denied(page.on_denied()))
        .merge(page.into_router())
}

#[derive(Template, Default)]
#[template(path = "../examples/my_devices/sign_in.html")]
struct SignInPage<'a> {
    notice: Option<&'a str>,
    problem: Option<&'a str>,
    email: &'a str,
    /// While the second factor is waited for.
    otp_token: Option<&'a str>,
    /// While somebody who is signed in confirms that it is them.
    confirming: bool,
}

impl SignInPage<'_> {
    fn answer(&self, status: StatusCode) -> Response {
        let Ok(text) = self.render() else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let headers = [
            (header::CACHE_CONTROL, "no-store"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (status, headers, Html(text)).into_response()
    }
}

/// The form, with the reason why one is there.
async fn show(State(app): State<App>, session: Option<CurrentSession>, uri: Uri) -> Response {
    let hint = SignInHint::from_query(uri.query());
    let confirming = hint == Some(SignInHint::ConfirmFirst) && session.is_some();
    let email = session.as_ref().and_then(|session| app.accounts.email(session.user_id().as_str()));
    if session.is_some() && !confirming {
        return Redirect::to("/").into_response();
    }
    let texts = EnglishTexts::default();
    let notice = hint.map(|hint| hint.text(&texts));
    let email = email.unwrap_or_default();
    SignInPage { notice: notice.as_deref(), email, confirming, ..SignInPage::default() }.answer(StatusCode::OK)
}

#[derive(Deserialize)]
struct SignInForm {
    email: String,
    password: String,
}

/// Where another site has sent the form, `ClientInfo` refuses it.
async fn sign_in(
    State(app): State<App>,
    session: Option<CurrentSession>,
    client: ClientInfo,
    form: Result<Form<SignInForm>, FormRejection>,
) -> Response {
    let Ok(Form(SignInForm { email, password })) = form else {
        return SignInPage::default().answer(StatusCode::BAD_REQUEST);
    };
    let Some(account) = app.accounts.check(&email, password).await else {
        let problem = Some("That is not the right email and password.");
        return SignInPage { problem, email: &email, ..SignInPage::default() }.answer(StatusCode::UNAUTHORIZED);
    };
    // Whoever is signed in already has only confirmed that it is them.
    if let Some(session) = session.filter(|session| session.user_id().as_str() == account.id) {
        return started(app.sessions.reauthenticated(&session, "pwd").await);
    }
    match needs_code(&app, account, &client).await {
        Ok(true) => {
            let token = app.otp.send(account);
            SignInPage { otp_token: Some(&token), ..SignInPage::default() }.answer(StatusCode::OK)
        }
        Ok(false) => started(app.sessions.start(account.id, client).method("pwd").await),
        Err(error) => started(Err(error)),
    }
}

/// On a device that the user trusts one factor will do.
async fn needs_code(app: &App, account: Account, client: &ClientInfo) -> Result<bool, Error> {
    match app.second_factor {
        SecondFactor::None => Ok(false),
        SecondFactor::Otp => Ok(!app.sessions.is_trusted(&account.id.try_into()?, client).await?),
    }
}

#[derive(Deserialize)]
struct CodeForm {
    token: String,
    code: String,
}

async fn code(State(app): State<App>, client: ClientInfo, form: Result<Form<CodeForm>, FormRejection>) -> Response {
    let Ok(Form(CodeForm { token, code })) = form else {
        return SignInPage::default().answer(StatusCode::BAD_REQUEST);
    };
    let Some(account) = app.otp.check(&token, &code) else {
        let problem = Some("That is not the code, or no longer. Try again, or sign in anew.");
        return SignInPage { problem, otp_token: Some(&token), ..SignInPage::default() }
            .answer(StatusCode::UNAUTHORIZED);
    };
    started(app.sessions.start(account.id, client).method("pwd").method("otp").assurance_level(2).await)
}

fn started(outcome: Result<StartedSession, Error>) -> Response {
    let (status, problem) = match outcome {
        Ok(session) => return (session.in_cookie(), Redirect::to("/sign-in/done")).into_response(),
        Err(error) if error.kind() == ErrorKind::TooManySessions => {
            (StatusCode::CONFLICT, "You are signed in on too many devices. Sign out on one of them first.")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "You cannot be signed in at the moment. Please try again."),
    };
    SignInPage { problem: Some(problem), ..SignInPage::default() }.answer(status)
}

/// Some browsers keep no `Secure` cookie of a plain HTTP server, even on localhost. Here it shows.
async fn done(session: Option<CurrentSession>) -> Response {
    if session.is_some() {
        return Redirect::to("/").into_response();
    }
    let problem =
        Some("Your browser has not kept the cookie. Start the server with INSECURE_COOKIES=on, or use HTTPS.");
    SignInPage { problem, ..SignInPage::default() }.answer(StatusCode::OK)
}

const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
