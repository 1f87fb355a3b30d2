//! The session layer and its settings.

use std::{fmt, sync::Arc};

use http::Uri;
use tower_layer::Layer;

use crate::{
    credentials::CredentialSource,
    manager::SessionManager,
    middleware::{
        DefaultOnDenied, SessionService,
        settings::{Enforcement, Passive, Settings},
    },
};

/// Finds the session of each request.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`on_denied`](Self::on_denied) | [`DefaultOnDenied`]: problem details, or `grpc-status` for gRPC requests |
/// | [`only`](Self::only) | all transports of the manager |
/// | [`passive`](Self::passive) | every request is activity |
/// | [`shadow`](Self::shadow) | off: forged and contradictory requests are rejected |
///
/// # Examples
///
/// ```
/// use tower::{Service, ServiceBuilder, ServiceExt};
/// use tower_device_sessions::{ClientInfo, CurrentSession, KeyRing, SessionLayer, SessionManager, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SessionManager::builder(MemoryStore::new())
///     .keys(KeyRing::random()?)
///     .build()?;
/// let token = sessions.start("ann", ClientInfo::new()).await?.token().to_owned();
///
/// let service = ServiceBuilder::new().layer(SessionLayer::new(&sessions)).service_fn(
///     |request: http::Request<String>| async move {
///         let user = request.extensions().get::<CurrentSession>().map(|session| session.user_id().to_string());
///         Ok::<_, std::convert::Infallible>(http::Response::new(user.unwrap_or_default()))
///     },
/// );
///
/// let request = http::Request::builder()
///     .header("authorization", format!("Bearer {token}"))
///     .body(String::new())?;
/// assert_eq!(service.oneshot(request).await?.body(), "ann");
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct SessionLayer<R = DefaultOnDenied> {
    settings: Arc<Settings<R>>,
}

impl SessionLayer {
    /// A layer of this manager.
    pub fn new(manager: &SessionManager) -> Self {
        Self { settings: Arc::new(Settings::new(manager.clone(), DefaultOnDenied::new())) }
    }
}

impl<R> SessionLayer<R> {
    /// Uses one of the two ways of [`Transport::Both`](crate::credentials::Transport::Both) here, and ignores the
    /// other: for an application whose API takes bearer tokens beside pages that use cookies. Default: all transports
    /// of the manager.
    ///
    /// With [`CredentialSource::Bearer`] the session's cookies are not read, none is set or cleared, and requests are
    /// not checked for their origin: a browser attaches nothing by itself. The device cookie stays, because it is no
    /// credential. With [`CredentialSource::Cookie`] the `Authorization` field is not read, and sign-ins there should
    /// respond [`in_cookie`](crate::StartedSession::in_cookie). With a transport that the manager does not have, all
    /// requests are anonymous.
    ///
    /// # Examples
    ///
    /// ```
    /// # use axum::Router;
    /// # use tower_device_sessions::{SessionLayer, SessionManager};
    /// # fn example(sessions: &SessionManager, api: Router, pages: Router) -> Router {
    /// use tower_device_sessions::credentials::CredentialSource;
    ///
    /// Router::new()
    ///     .nest("/api", api.layer(SessionLayer::new(sessions).only(CredentialSource::Bearer)))
    ///     .merge(pages.layer(SessionLayer::new(sessions).only(CredentialSource::Cookie)))
    /// # }
    /// ```
    pub fn only(mut self, source: CredentialSource) -> Self {
        self.settings = Arc::new(Settings { only: Some(source), ..(*self.settings).clone() });
        self
    }

    /// Marks requests that do not count as activity, such as background polling. They are authenticated but do not
    /// extend the session. Default: every request is activity.
    ///
    /// It is called once per activity interval of a session, not for every request.
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_device_sessions::{SessionLayer, SessionManager};
    /// # fn example(sessions: &SessionManager) {
    /// let layer = SessionLayer::new(sessions).passive(|uri| uri.path() == "/api/notifications");
    /// # let _ = layer;
    /// # }
    /// ```
    pub fn passive(mut self, is_passive: impl Fn(&Uri) -> bool + Send + Sync + 'static) -> Self {
        let passive: Option<Passive> = Some(Arc::new(is_passive));
        self.settings = Arc::new(Settings { passive, ..(*self.settings).clone() });
        self
    }

    /// Rejects nothing and emits [`SessionEvent::WouldDeny`](crate::event::SessionEvent::WouldDeny) for each credential
    /// it does not accept. Use it while migrating from another way of signing in. Default: off.
    ///
    /// Requests with a session have it in their extensions. Handlers and layers that need a session still reject those
    /// without.
    pub fn shadow(mut self) -> Self {
        self.settings.manager.note_shadow();
        self.settings = Arc::new(Settings { enforcement: Enforcement::Reported, ..(*self.settings).clone() });
        self
    }

    /// The response to requests that are not accepted: an [`OnDenied`](crate::middleware::OnDenied), such as a closure
    /// from `&Denied` and `&HeaderMap`, the request's headers, to a response.
    ///
    /// Anonymous requests are accepted here, and so are those with a leftover credential: for them there is
    /// [`RequireSessionLayer::on_denied`](crate::RequireSessionLayer::on_denied). Default: [`DefaultOnDenied`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_device_sessions::{SessionLayer, SessionManager};
    /// # fn example(sessions: &SessionManager) {
    /// use http::{HeaderMap, Response, StatusCode};
    /// use tower_device_sessions::policy::Denied;
    ///
    /// let layer = SessionLayer::new(sessions).on_denied(|denied: &Denied, _: &HeaderMap| {
    ///     let mut response = Response::new(format!("no: {denied}"));
    ///     *response.status_mut() = StatusCode::UNAUTHORIZED;
    ///     response
    /// });
    /// # let _ = layer;
    /// # }
    /// ```
    pub fn on_denied<N>(self, on_denied: N) -> SessionLayer<N> {
        SessionLayer { settings: Arc::new(self.settings.on_denied(on_denied)) }
    }
}

impl<S, R> Layer<S> for SessionLayer<R> {
    type Service = SessionService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, Arc::clone(&self.settings))
    }
}

impl<R> Clone for SessionLayer<R> {
    fn clone(&self) -> Self {
        Self { settings: Arc::clone(&self.settings) }
    }
}

impl<R> fmt::Debug for SessionLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer").field("manager", &self.settings.manager).finish_non_exhaustive()
    }
}
