//! The ready-made "My devices" page.
//!
//! It is served from the crate, and works without JavaScript, and better with it. It shows this device first and the
//! others by newest activity, each with an icon of its kind, its name, its place and when it was active. Users sign out
//! one device, or all others after a question, and rename devices. It also lists what was signed out recently, with the
//! reason.
//!
//! | route, relative to where it is mounted | answer |
//! | --- | --- |
//! | `GET /` | the page |
//! | `GET /sign-out-others` | the question before it |
//! | `POST /sign-out-others` | signs all others out, then 303 to the page |
//! | `POST /{id}/sign-out` | signs one out, then 303 to the page, or to the sign-in form if it was this one |
//! | `POST /{id}/rename` | names a device, then 303 to the page |
//! | `GET /assets/…` | the style sheet and the script |
//!
//! # Signing in
//!
//! A visitor without a session is redirected to the application's own sign-in form, by 303. The query of the form's
//! address says why, if there is a reason, and [`SignInHint`] turns it into a sentence: *You were signed out from
//! another device.* The cookie of a session that has ended is cleared on the way. Where the policy asks for a recent
//! authentication before other sessions are ended, visitors without one are redirected to the form as well.
//!
//! With refresh tokens in cookies the page renews expired access tokens by itself, for links and for forms.
//!
//! # Colours
//!
//! A style sheet of the application's own ([`DevicesPage::stylesheet`]) sets variables on `:root`, for dark schemes
//! inside `@media (prefers-color-scheme: dark)`:
//!
//! | variable | of |
//! | --- | --- |
//! | `--tds-background`, `--tds-surface`, `--tds-tint` | the page, its cards, what lies on a card |
//! | `--tds-text`, `--tds-muted` | text, and what matters less |
//! | `--tds-line`, `--tds-field` | lines, and the borders of fields |
//! | `--tds-accent`, `--tds-accent-text` | the focus and the main button, and the text on it |
//! | `--tds-danger`, `--tds-danger-text`, `--tds-danger-tint` | what signs out and what went wrong |
//! | `--tds-good`, `--tds-good-tint` | what is active and what went well |
//! | `--tds-shadow`, `--tds-radius`, `--tds-font` | the shadow and the corners of cards, and the font |
//!
//! The page's classes (`tds-page`, `tds-card`, `tds-form`, `tds-button`, `tds-primary`, `tds-note`, `tds-problem` …)
//! are there for the sign-in form too, as the example `my_devices` shows.
//!
//! # Refusals
//!
//! Whatever is refused here is a page, with the status that it has elsewhere: never problem details.
//!
//! # Outages
//!
//! While the store does not answer, the page is a 503 with `Retry-After` that says so, and nobody is signed out.
//!
//! # Security
//!
//! The page is for the cookie transport. No cache stores it, and with JavaScript it is loaded again when a browser goes
//! *Back* to it. A form must have been sent by one of the application's own pages, according to `Sec-Fetch-Site` or
//! `Origin`. Without either, or from another site, the response is a 403 page. The page sets its own referrer policy,
//! even behind a proxy that adds another one, so that browsers send the origin of its forms. The content security
//! policy allows no inline script or style, no other origin and no framing. All text from outside is escaped, and the
//! hint in the form's address chooses among fixed texts.

mod guard;
mod handlers;
mod texts;
mod view;
mod visitor;

pub use self::{
    texts::{EnglishTexts, PageTexts},
    visitor::SignInHint,
};

use std::{fmt, sync::Arc};

use axum::{Router, middleware, response::Response, routing};
use http::HeaderMap;

use crate::{credentials::CredentialSource, manager::SessionManager, middleware::SessionLayer, policy::Denied};

/// The page of one manager, as a router to nest.
///
/// It has its own [`SessionLayer`](crate::SessionLayer), so that its rejections are pages too; another one around it
/// does no harm. Where the manager's tokens travel in cookies, it reads no other credential, so a proxy may put a token
/// of its own into the `Authorization` field.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`sign_in_path`](Self::sign_in_path) | `/sign-in` |
/// | [`texts`](Self::texts) | English |
/// | [`stylesheet`](Self::stylesheet) | none beside the page's own |
/// | [`attribution`](Self::attribution) | none |
///
/// # Examples
///
/// ```
/// use axum::{Form, Router, extract::State, http::Uri, routing::get};
/// use axum::response::{Html, IntoResponse, Redirect, Response};
/// use tower_device_sessions::{
///     ClientInfo, DevicesPage, Error, SessionLayer, SessionManager,
///     pages::{EnglishTexts, SignInHint},
/// };
///
/// fn app(sessions: &SessionManager) -> Router {
///     let page = DevicesPage::new(sessions, "/devices").sign_in_path("/login").stylesheet("/colours.css");
///     Router::new()
///         .route("/login", get(form).post(login))
///         .layer(SessionLayer::new(sessions).on_denied(page.on_denied()))
///         .with_state(sessions.clone())
///         .nest("/devices", page.into_router())
/// }
///
/// async fn form(uri: Uri) -> Html<String> {
///     let hint = SignInHint::from_query(uri.query());
///     let why = hint.map(|hint| hint.text(&EnglishTexts::default()).into_owned()).unwrap_or_default();
///     Html(format!("<p>{why}</p><form method=post>…</form>"))
/// }
///
/// async fn login(State(sessions): State<SessionManager>, client: ClientInfo) -> Result<Response, Error> {
///     // Once the password is checked:
///     let started = sessions.start("ann", client).await?.in_cookie();
///     Ok((started, Redirect::to("/devices")).into_response())
/// }
/// ```
#[derive(Clone)]
#[must_use]
pub struct DevicesPage {
    manager: SessionManager,
    settings: Arc<Settings>,
}

#[derive(Clone)]
struct Settings {
    base: String,
    sign_in_path: String,
    stylesheet: Option<String>,
    attribution: Option<String>,
    texts: Arc<dyn PageTexts>,
}

impl Settings {
    /// Where the page itself is.
    fn home(&self) -> &str {
        if self.base.is_empty() { "/" } else { &self.base }
    }
}

impl DevicesPage {
    /// The page of this manager, to be nested at `path`, with which its links begin. With `/`, merge it instead.
    pub fn new(manager: &SessionManager, path: &str) -> Self {
        let settings = Settings {
            base: path.trim_end_matches('/').to_owned(),
            sign_in_path: "/sign-in".to_owned(),
            stylesheet: None,
            attribution: None,
            texts: Arc::new(EnglishTexts::default()),
        };
        Self { manager: manager.clone(), settings: Arc::new(settings) }
    }

    /// Where visitors without a session are redirected. Default: `/sign-in`.
    pub fn sign_in_path(mut self, path: &str) -> Self {
        Arc::make_mut(&mut self.settings).sign_in_path = path.to_owned();
        self
    }

    /// The texts. Default: English.
    pub fn texts(mut self, texts: impl PageTexts) -> Self {
        Arc::make_mut(&mut self.settings).texts = Arc::new(texts);
        self
    }

    /// A style sheet of the application's own, on the same origin: usually one that sets the colour variables. Default:
    /// none.
    pub fn stylesheet(mut self, path: &str) -> Self {
        Arc::make_mut(&mut self.settings).stylesheet = Some(path.to_owned());
        self
    }

    /// A line at the foot of the page, as some databases of places require. Default: none.
    pub fn attribution(mut self, text: &str) -> Self {
        Arc::make_mut(&mut self.settings).attribution = Some(text.to_owned());
        self
    }

    /// Responds with pages instead of problem details to requests that a [`SessionLayer`](crate::SessionLayer) does not
    /// accept. It is for the layer around the application's own pages, such as the sign-in form.
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_device_sessions::{DevicesPage, SessionLayer, SessionManager};
    /// # fn example(sessions: &SessionManager) {
    /// let page = DevicesPage::new(sessions, "/devices");
    /// let layer = SessionLayer::new(sessions).on_denied(page.on_denied());
    /// # let _ = layer;
    /// # }
    /// ```
    pub fn on_denied(&self) -> impl Fn(&Denied, &HeaderMap) -> Response + Clone + Send + Sync + 'static + use<> {
        let page = self.clone();
        move |denied, _| guard::refused(&page, denied)
    }

    /// The router, for applications of any state.
    pub fn into_router<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let mut sessions = SessionLayer::new(&self.manager).on_denied(self.on_denied());
        // A proxy in front may put a token of its own into the `Authorization` field, which is none of ours.
        if self.manager.credentials().cookie.is_some() {
            sessions = sessions.only(CredentialSource::Cookie);
        }
        Router::new()
            .route("/", routing::get(handlers::page))
            .route("/sign-out-others", routing::get(handlers::ask).post(handlers::sign_out_others))
            .route("/{id}/sign-out", routing::get(handlers::go_home).post(handlers::sign_out))
            .route("/{id}/rename", routing::get(handlers::go_home).post(handlers::rename))
            .route_layer(middleware::from_fn_with_state(self.clone(), guard::renewed))
            .route_layer(middleware::from_fn_with_state(self.clone(), guard::declared))
            .route_layer(sessions)
            .route_layer(middleware::map_response(handlers::fresh))
            // What a page looks like depends on no session, and an error has to look right too.
            .route("/assets/devices.css", routing::get(handlers::style))
            .route("/assets/devices.js", routing::get(handlers::script))
            .method_not_allowed_fallback(handlers::no_such_method)
            .with_state(self)
    }
}

impl fmt::Debug for DevicesPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevicesPage").field("base", &self.settings.base).finish_non_exhaustive()
    }
}
