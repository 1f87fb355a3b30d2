use std::{fmt, sync::Arc};

use http::HeaderMap;
use tower_layer::Layer;

use crate::{
    manager::SessionManager,
    middleware::{DefaultOnDenied, SessionService},
    policy::Denied,
};

/// Finds the session of each request.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`on_denied`](Self::on_denied) | [`DefaultOnDenied`]: problem details, or `grpc-status` for gRPC requests |
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
///     .keys(KeyRing::hs256("an example secret of at least 32 bytes")?)
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
#[derive(Clone)]
#[must_use]
pub struct SessionLayer<R = DefaultOnDenied> {
    manager: SessionManager,
    on_denied: Arc<R>,
}

impl SessionLayer {
    /// A layer that asks this manager.
    pub fn new(manager: &SessionManager) -> Self {
        Self { manager: manager.clone(), on_denied: Arc::new(DefaultOnDenied::new()) }
    }
}

impl<R> SessionLayer<R> {
    /// Answers requests that are not accepted. Closures from [`Denied`] and the request's headers to a response will do.
    ///
    /// Anonymous requests are accepted here. Default: [`DefaultOnDenied`].
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
    pub fn on_denied<N, B>(self, on_denied: N) -> SessionLayer<N>
    where
        N: Fn(&Denied, &HeaderMap) -> http::Response<B>,
    {
        SessionLayer { manager: self.manager, on_denied: Arc::new(on_denied) }
    }
}

impl<S, R> Layer<S> for SessionLayer<R> {
    type Service = SessionService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, self.manager.clone(), Arc::clone(&self.on_denied))
    }
}

impl<R> fmt::Debug for SessionLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer").field("manager", &self.manager).finish_non_exhaustive()
    }
}
