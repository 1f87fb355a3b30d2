//! What a browser sees: the "My devices" page at `/`, and the forms that lead there.

use std::time::Duration;

use askama::Template;
use axum::{
    Form, Router,
    extract::{State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::map_response,
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use serde::Deserialize;
use tower_device_sessions::{
    ClientInfo, CurrentSession, DevicesPage, Error, ErrorKind, SessionLayer, SessionManager, SessionRejection,
    StartedSession,
    credentials::CredentialSource,
    device::DeviceProof,
    pages::{EnglishTexts, SignInHint},
    policy::SameDevice,
};

use crate::{A_MOMENT, App, accounts::Account, otp::Refused, passwords::Busy, retry_after, settings::SecondFactor};

/// The page of the user's devices.
pub type Page = DevicesPage;

/// The page of the devices, whose public address begins with this prefix.
pub fn page(sessions: &SessionManager, prefix: &str) -> Page {
    DevicesPage::new(sessions, prefix).sign_in_path(&format!("{prefix}/sign-in"))
}

/// The page brings its own `SessionLayer`; the forms need one. It reads cookies only: a proxy in front that signs
/// people in may put a token of its own into the `Authorization` field.
pub fn routes(sessions: &SessionManager, page: Page) -> Router<App> {
    let layer = SessionLayer::new(sessions).only(CredentialSource::Cookie).on_denied(page.on_denied());
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-in/code", get(to_form).post(code))
        .route("/sign-in/done", get(done))
        .layer(layer)
        .layer(map_response(unstored))
        .merge(page.into_router())
}

/// Redirects are this visitor's too, and no cache may show them to another.
async fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl App {
    fn form(&self) -> SignInPage<'_> {
        SignInPage { base: &self.prefix.0, ..SignInPage::default() }
    }

    fn to(&self, path: &str) -> Redirect {
        Redirect::to(&format!("{}{path}", self.prefix.0))
    }

    fn home(&self) -> Redirect {
        self.to(if self.prefix.0.is_empty() { "/" } else { "" })
    }

    /// A rejection in a browser is a page.
    fn refused(&self, rejection: SessionRejection) -> Response {
        match rejection.denied() {
            Some(denied) => self.page.on_denied()(denied, &HeaderMap::new()),
            None => rejection.into_response(),
        }
    }
}

#[derive(Template, Default)]
#[template(path = "../examples/my_devices/sign_in.html")]
struct SignInPage<'a> {
    base: &'a str,
    notice: Option<&'a str>,
    problem: Option<&'a str>,
    email: &'a str,
    /// While the second factor is waited for.
    otp_token: Option<&'a str>,
    /// While a user who is signed in confirms their identity.
    confirming: bool,
}

impl SignInPage<'_> {
    fn answer(&self, status: StatusCode) -> Response {
        let Ok(text) = self.render() else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let headers = [
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::REFERRER_POLICY, "same-origin"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (status, headers, Html(text)).into_response()
    }
}

/// The form, with the reason for showing it.
async fn show(
    State(app): State<App>,
    session: Option<CurrentSession>,
    client: Result<ClientInfo, SessionRejection>,
    uri: Uri,
) -> Response {
    let client = match client {
        Ok(client) => client,
        Err(rejection) => return app.refused(rejection),
    };
    let hint = SignInHint::from_query(uri.query());
    let confirming = hint == Some(SignInHint::ConfirmFirst) && session.is_some();
    let email = session.as_ref().and_then(|session| app.accounts.email(session.user_id().as_str()));
    if session.is_some() && !confirming {
        return app.home().into_response();
    }
    let texts = EnglishTexts::default();
    let notice = hint.map(|hint| hint.text(&texts));
    let email = email.unwrap_or_default();
    let form = SignInPage { notice: notice.as_deref(), email, confirming, ..app.form() };
    (app.sessions.device_for_form(&client), form.answer(StatusCode::OK)).into_response()
}

#[derive(Deserialize)]
struct SignInForm {
    email: String,
    password: String,
}

/// If another site has sent the form, `ClientInfo` rejects it.
async fn sign_in(
    State(app): State<App>,
    session: Option<CurrentSession>,
    client: Result<ClientInfo, SessionRejection>,
    form: Result<Form<SignInForm>, FormRejection>,
) -> Response {
    let client = match client {
        Ok(client) => client,
        Err(rejection) => return app.refused(rejection),
    };
    let Ok(Form(SignInForm { email, password })) = form else {
        return app.form().answer(StatusCode::BAD_REQUEST);
    };
    let account = match app.accounts.check(&email, password).await {
        Ok(Some(account)) => account,
        Ok(None) => {
            let problem = Some("That is not the right email and password.");
            return SignInPage { problem, email: &email, ..app.form() }.answer(StatusCode::UNAUTHORIZED);
        }
        Err(Busy) => {
            let problem = Some("Too many people are signing in at the moment. Please try again.");
            let page = SignInPage { problem, email: &email, ..app.form() };
            return (retry_after(A_MOMENT), page.answer(StatusCode::SERVICE_UNAVAILABLE)).into_response();
        }
    };
    // A user who is already signed in has only confirmed their identity.
    if let Some(session) = session.filter(|session| session.user_id().as_str() == account.id) {
        return started(&app, app.sessions.reauthenticated(&session, "pwd").join().await);
    }
    match needs_code(&app, account, &client).await {
        Ok(true) => match app.otp.send(account) {
            Ok(token) => SignInPage { otp_token: Some(&token), ..app.form() }.answer(StatusCode::OK),
            Err(pause) => too_many_attempts(&app, pause),
        },
        Ok(false) => {
            let session = app.sessions.start(account.id, client).method("pwd");
            started(&app, session.same_device(SameDevice::Join).await)
        }
        Err(error) => started(&app, Err(error)),
    }
}

/// On a device that the user trusts, one factor is enough.
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

async fn code(
    State(app): State<App>,
    client: Result<ClientInfo, SessionRejection>,
    form: Result<Form<CodeForm>, FormRejection>,
) -> Response {
    let client = match client {
        Ok(client) => client,
        Err(rejection) => return app.refused(rejection),
    };
    let Ok(Form(CodeForm { token, code })) = form else {
        return app.form().answer(StatusCode::BAD_REQUEST);
    };
    let proven = client.proven_device().map(DeviceProof::id);
    let account = match app.otp.check(&token, &code, proven) {
        Ok(account) => account,
        Err(Refused::Wrong) => {
            let problem = Some("That is not the code, or no longer. Try again, or sign in again.");
            return SignInPage { problem, otp_token: Some(&token), ..app.form() }.answer(StatusCode::UNAUTHORIZED);
        }
        Err(Refused::Paused(pause)) => return too_many_attempts(&app, pause),
    };
    let session = app.sessions.start(account.id, client).method("pwd").method("otp").assurance_level(2);
    started(&app, session.same_device(SameDevice::Join).await)
}

/// The code has been typed in; somebody has come back to the address.
async fn to_form(State(app): State<App>) -> Redirect {
    app.to("/sign-in")
}

/// A browser holds one cookie: of a form that was submitted twice at once both answers are of one session.
fn started(app: &App, outcome: Result<StartedSession, Error>) -> Response {
    let (status, problem) = match outcome {
        Ok(session) => return (session.in_cookie(), app.to("/sign-in/done")).into_response(),
        Err(error) if error.kind() == ErrorKind::TooManySessions => {
            (StatusCode::CONFLICT, "You are signed in on too many devices. Sign out on one of them first.")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "You cannot be signed in at the moment. Please try again."),
    };
    SignInPage { problem: Some(problem), ..app.form() }.answer(status)
}

fn too_many_attempts(app: &App, pause: Duration) -> Response {
    let problem = Some("There were too many wrong codes for this account. Please try again later.");
    let page = SignInPage { problem, ..app.form() };
    (retry_after(pause), page.answer(StatusCode::TOO_MANY_REQUESTS)).into_response()
}

/// Some browsers keep no `Secure` cookie of a plain HTTP server, even on localhost. Here it shows.
async fn done(State(app): State<App>, session: Option<CurrentSession>) -> Response {
    if session.is_some() {
        return app.home().into_response();
    }
    let problem =
        Some("Your browser has not kept the cookie. Start the server with INSECURE_COOKIES=on, or use HTTPS.");
    SignInPage { problem, ..app.form() }.answer(StatusCode::OK)
}

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
