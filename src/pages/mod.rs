//! The ready-made "My devices" page.
//!
//! It is served from the crate and works without JavaScript, and better with it: this device first, the others by newest
//! activity, each with an icon of its kind, its name, its place and when it was active; sign out one, sign out all others
//! (after a question), rename; and what was signed out recently, with the reason.
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
//! # Security
//!
//! The page is for the cookie transport, and its forms are protected against cross-site requests by the layer's rules.
//! Its content security policy allows no inline script or style, no other origin and no framing. Everything in it that
//! came from outside is escaped.

mod handlers;
mod texts;
mod view;

pub use self::texts::{EnglishTexts, PageTexts};

use std::{fmt, sync::Arc};

use axum::{Router, routing};

use crate::manager::SessionManager;

/// The page of one manager, as a router to nest.
///
/// It needs [`SessionLayer`](crate::SessionLayer) around it.
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
/// use axum::Router;
/// use tower_device_sessions::{DevicesPage, SessionLayer, SessionManager};
///
/// fn app(sessions: &SessionManager) -> Router {
///     Router::new()
///         .nest("/devices", DevicesPage::new(sessions, "/devices").sign_in_path("/login").into_router())
///         .layer(SessionLayer::new(sessions))
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

impl DevicesPage {
    /// The page of this manager, to be nested at `path`, which its links begin with.
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

    /// Where those are sent who are not signed in. Default: `/sign-in`.
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

    /// A line at the foot of the page, as some databases of places demand one. Default: none.
    pub fn attribution(mut self, text: &str) -> Self {
        Arc::make_mut(&mut self.settings).attribution = Some(text.to_owned());
        self
    }

    /// The router, for applications of any state.
    pub fn into_router<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        Router::new()
            .route("/", routing::get(handlers::page))
            .route("/sign-out-others", routing::get(handlers::ask).post(handlers::sign_out_others))
            .route("/{id}/sign-out", routing::post(handlers::sign_out))
            .route("/{id}/rename", routing::post(handlers::rename))
            .route("/assets/devices.css", routing::get(handlers::style))
            .route("/assets/devices.js", routing::get(handlers::script))
            .layer(axum::middleware::from_fn_with_state(self.manager.clone(), crate::routes::declared))
            .with_state(self)
    }
}

impl fmt::Debug for DevicesPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevicesPage").field("base", &self.settings.base).finish_non_exhaustive()
    }
}
