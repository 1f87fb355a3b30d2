//! A layer that requests Client Hints from browsers.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Requests the Client Hints that browsers do not send by default: the Windows version, the phone model, the form
/// factor.
///
/// It puts `Accept-CH` ([RFC 8942](https://www.rfc-editor.org/rfc/rfc8942)) on every response, unless the response has
/// one. Browsers obey it over HTTPS, in responses to navigations, and send the hints from the next request on. So it
/// belongs around the page that *shows* the sign-in form; the sign-in that follows has the hints. Around everything it
/// would only make every request longer.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::{get, post}};
/// use tower_device_sessions::middleware::AcceptClientHintsLayer;
///
/// # async fn form() {}
/// # async fn login() {}
/// let app: Router = Router::new()
///     .route("/login", get(form).layer(AcceptClientHintsLayer::new()))
///     .route("/login", post(login));
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct AcceptClientHintsLayer;

impl AcceptClientHintsLayer {
    /// Requests platform version, model, form factors, and full versions.
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for AcceptClientHintsLayer {
    type Service = AcceptClientHintsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AcceptClientHintsService { inner }
    }
}

/// The service of [`AcceptClientHintsLayer`].
#[derive(Clone, Debug)]
pub struct AcceptClientHintsService<S> {
    inner: S,
}

impl<S, B, ResBody> Service<Request<B>> for AcceptClientHintsService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = AcceptClientHintsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        AcceptClientHintsFuture { inner: self.inner.call(request) }
    }
}

pin_project! {
    /// The future of [`AcceptClientHintsService`].
    #[derive(Debug)]
    pub struct AcceptClientHintsFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F, B, E> Future for AcceptClientHintsFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = ready!(self.project().inner.poll(cx));
        if let Ok(response) = &mut answer {
            response.headers_mut().entry(ACCEPT_CH).or_insert(HINTS);
        }
        Poll::Ready(answer)
    }
}

const ACCEPT_CH: HeaderName = HeaderName::from_static("accept-ch");
const HINTS: HeaderValue = HeaderValue::from_static(
    "Sec-CH-UA-Platform-Version, Sec-CH-UA-Model, Sec-CH-UA-Form-Factors, Sec-CH-UA-Full-Version-List",
);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn an_answer_asks_for_hints_unless_it_asks_for_others() -> Result<(), Box<dyn std::error::Error>> {
        let service = AcceptClientHintsLayer::new().layer(service_fn(|request: Request<bool>| async move {
            let mut response = Response::new(());
            if *request.body() {
                response.headers_mut().insert(ACCEPT_CH, HeaderValue::from_static("Sec-CH-UA-Arch"));
            }
            Ok::<_, Infallible>(response)
        }));
        let asked = service.clone().oneshot(Request::new(false)).await?;
        assert!(asked.headers()[ACCEPT_CH].to_str()?.contains("Sec-CH-UA-Model"));
        let kept = service.oneshot(Request::new(true)).await?;
        assert_eq!(kept.headers()[ACCEPT_CH], "Sec-CH-UA-Arch");
        Ok(())
    }
}
