//! Bodies of requests that are responded to without having been read.
//!
//! A server of HTTP/1 that responds in the middle of a request has to close the connection, and a client or proxy that
//! is still sending finds it reset before it has seen the response. So the rest of the body is read first, and dropped:
//!
//! 1. Only over HTTP/1. In HTTP/2 a response reaches a client that is still sending.
//! 2. Not of a request with `Expect`: its client waits for the response before it sends the body.
//! 3. At most 16 MiB, and not for longer than 30 s. A body whose length is known to be greater is not read at all.
//! 4. Only once the inner service has let go of the body, so that one that is still being streamed is not touched.

mod body;
mod layer;

#[cfg(feature = "axum")]
use std::any::Any;
use std::{pin::Pin, time::Duration};

use bytes::Buf;
#[cfg(feature = "axum")]
use http::Request;
use http::{HeaderMap, Version, header};
use http_body::Body;
use http_body_util::BodyExt;

pub(super) use self::body::Loan;
pub use self::{
    body::LentBody,
    layer::{DrainRequestFuture, DrainRequestLayer, DrainRequestService},
};

/// What is done before a request is answered.
pub(super) type Reading = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Reads a body to its end, or as far as it goes.
pub(super) fn read<B>(mut body: B) -> Reading
where
    B: Body<Data: Send> + Unpin + Send + 'static,
    B::Error: Send,
{
    let reading = async move {
        let mut left = MOST_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, |data| data.remaining() as u64);
            match left.checked_sub(size) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    Box::pin(async move {
        // Time out or not, the response is sent.
        let _ = tokio::time::timeout(LONGEST, reading).await;
    })
}

/// Whether a body is to be read before its request is answered without it.
pub(super) fn is_worth_reading(version: Version, headers: &HeaderMap, body: &impl Body) -> bool {
    version <= Version::HTTP_11
        && !body.is_end_stream()
        && body.size_hint().lower() <= MOST_BYTES
        && !headers.contains_key(header::EXPECT)
}

/// Lends the body of a request, if it is one of Axum's.
///
/// The type of the body is the application's, and there are services whose requests have none. So the known one is
/// recognised by its type; for others there is [`DrainRequestLayer`].
#[cfg(feature = "axum")]
pub(super) fn lend<B: 'static>(request: &mut Request<B>) -> Option<Loan<axum_core::body::Body>> {
    let body = axum_body(request)?;
    let (lent, loan) = LentBody::lend(std::mem::take(body));
    *body = axum_core::body::Body::new(lent);
    Some(loan)
}

/// Reads the body of a request that goes no further, if it is one of Axum's.
#[cfg(feature = "axum")]
pub(super) fn read_refused<B: 'static>(request: &mut Request<B>) -> Option<Reading> {
    axum_body(request).map(|body| read(std::mem::take(body)))
}

#[cfg(feature = "axum")]
fn axum_body<B: 'static>(request: &mut Request<B>) -> Option<&mut axum_core::body::Body> {
    let body = (request.body() as &dyn Any).downcast_ref::<axum_core::body::Body>()?;
    if !is_worth_reading(request.version(), request.headers(), body) {
        return None;
    }
    (request.body_mut() as &mut dyn Any).downcast_mut()
}

/// The most that is read of one body.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// How long one body is read.
const LONGEST: Duration = Duration::from_secs(30);
